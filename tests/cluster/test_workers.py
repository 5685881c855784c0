"""What a worker must have."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_sam2
from dask_processes import free_port, scheduler, worker
from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.cluster.remote_compute import RemoteCompute
from napari_sam2.cluster.workers import (
    BASE_BYTES,
    WorkerFacts,
    check_worker,
    facts_of_worker,
    file_sha256,
    fitting_workers,
    needed_bytes,
)
from napari_sam2.predictors.device import resolve_device
from napari_sam2.session.session import Session
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
    has_gpu = resolve_device(None).type != "cpu"
    found = facts_of_worker("micro", Worker)
    assert found == WorkerFacts(__version__, file_sha256(weights), "", 5 * GIB, needed_bytes(weights), has_gpu)
    assert facts_of_worker(None, Worker) == WorkerFacts(__version__, "", "", 5 * GIB, 0, has_gpu)
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


class ClientOf:
    """A client of workers with given facts."""

    def __init__(self, facts: dict[str, object]) -> None:
        self.facts = facts

    def wait_for_workers(self, count: int, timeout: float) -> None:
        """Some are there."""

    def run(self, *_: object, **__: object) -> dict[str, object]:
        """Answer for the workers."""
        return self.facts


def test_a_worker_with_a_gpu_is_chosen_where_it_fits() -> None:
    needing = replace(FACTS, needed_bytes=2 * GIB)
    facts = {"a": needing, "b": replace(needing, has_gpu=True, memory_bytes=GIB), "c": ImportError("none"), "d": needing}
    assert fitting_workers(ClientOf(facts), "micro") == ["a", "d"]  # type: ignore[arg-type]
    facts["b"] = replace(needing, has_gpu=True)
    assert fitting_workers(ClientOf(facts), "micro") == ["b"]  # type: ignore[arg-type]


def other_version(folder: Path) -> Path:
    """The package as it is, with another version."""
    package = folder / "napari_sam2"
    package.mkdir(parents=True)
    for path in Path(napari_sam2.__file__).parent.iterdir():
        (package / path.name).symlink_to(path)
    (package / "version.py").unlink()
    (package / "version.py").write_text('__version__ = "0.0.9"\n')
    return folder


def no_package(folder: Path) -> Path:
    """A package that is not there."""
    (folder / "napari_sam2").mkdir(parents=True)
    (folder / "napari_sam2" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'napari_sam2'\")\n")
    return folder


@pytest.mark.slow
def test_workers_that_are_of_no_use_are_refused_by_a_session(tmp_path: Path) -> None:
    """Real workers; each refuses in one sentence, and where one fits, the session has it."""
    port, movie = free_port(), np.random.default_rng(0).integers(0, 255, (2, 32, 32), np.uint8)
    address = f"tcp://127.0.0.1:{port}"
    cases = [
        ({"first_path": other_version(tmp_path / "other")}, f"has napari-sam2 0.0.9, and this is {__version__}: install the same"),
        ({"memory": "500MB"}, r"may use 0\.5 GiB of memory, and 1\.\d GiB are needed with this model"),
        ({"first_path": no_package(tmp_path / "none")}, f"has no napari-sam2 {__version__}: install it there: .*No module named"),
    ]
    with scheduler(port), contextlib.ExitStack() as stack:
        for options, sentence in cases:
            with (
                worker(address, tmp_path / "scratch", **options),  # type: ignore[arg-type]
                pytest.raises(ClusterError, match=rf"^the worker tcp://127\.0\.0\.1:\d+ {sentence}"),
            ):
                Session(movie, "TYX", compute=address)
        for options in ({"memory": "500MB"}, {}):
            stack.enter_context(worker(address, tmp_path / "scratch", **options))  # type: ignore[arg-type]
        compute = stack.enter_context(RemoteCompute(address))
        compute._connected().wait_for_workers(2)
        with Session(movie, "TYX", compute=compute) as session:
            session.add_points(session.add_object(), 0, [(16, 16)])
            assert re.fullmatch(r"tcp://127\.0\.0\.1:\d+", compute.link("micro", "auto").description.worker)
