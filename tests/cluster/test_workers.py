"""What a worker must have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.cluster.workers import BASE_BYTES, WorkerFacts, check_worker, facts_of_worker, file_sha256, needed_bytes
from napari_sam2.version import __version__
from napari_sam2.weights.load import find_weights

GIB = 2**30
WORKER = "tcp://127.0.0.1:5000"
FACTS = WorkerFacts(__version__, "w", "", 0)


class Worker:
    """What dask gives a function that asks for its worker."""

    class memory_manager:
        memory_limit = 5 * GIB


def test_facts() -> None:
    weights = find_weights("micro")[1]
    assert facts_of_worker("micro", Worker) == WorkerFacts(__version__, file_sha256(weights), "", 5 * GIB)
    assert facts_of_worker(None, Worker) == WorkerFacts(__version__, "", "", 5 * GIB)
    missing = facts_of_worker("sam2.1_hiera_tiny", Worker)
    assert missing.weights_sha256 == ""
    assert "sam2.1_hiera_t is not on this machine" in missing.why_not
    assert needed_bytes(weights) == BASE_BYTES + 3 * weights.stat().st_size


def test_a_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert file_sha256(tmp_path / "a") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (replace(FACTS, version="0.0.9"), f"has napari-sam2 0.0.9, and this is {__version__}: install the same on both"),
        (replace(FACTS, weights_sha256="", why_not="it is not there"), "does not have the model micro: it is not there"),
        (replace(FACTS, weights_sha256="v"), "has other weights of micro than this machine: copy the file there"),
        (replace(FACTS, memory_bytes=GIB), "may use 1.0 GiB of memory, and 2.0 GiB are needed with this model"),
    ],
)
def test_what_does_not_fit_is_said_with_the_name_of_the_worker(facts: WorkerFacts, sentence: str) -> None:
    with pytest.raises(ClusterError, match=f"^the worker {WORKER} {sentence}"):
        check_worker(WORKER, facts, "micro", "w", 2 * GIB)


def test_what_fits() -> None:
    check_worker(WORKER, FACTS, "micro", "w", 2 * GIB)
    check_worker(WORKER, replace(FACTS, memory_bytes=2 * GIB), "micro", "w", 2 * GIB)
