"""How many workers there are on this machine, and what each of them gets; tests/batch/test_run.py runs some."""

from __future__ import annotations

import logging

import pytest

from napari_sam2.cluster.local import choose_num_workers, machine, worker_options
from napari_sam2.cluster.refusal import ClusterError

GIB = 2**30


@pytest.mark.parametrize(
    ("wanted", "num_tasks", "num_cores", "memory", "expected"),
    [(None, 40, 2, 16, 2), (None, 1, 8, 16, 1), (None, 40, 8, 3, 3), (None, 40, 8, 1, 1), (5, 2, 2, 16, 5)],
)
def test_number(wanted: int | None, num_tasks: int, num_cores: int, memory: int, expected: int) -> None:
    assert choose_num_workers(wanted, num_tasks, num_cores, memory * GIB, GIB) == expected


def test_too_little_memory() -> None:
    with pytest.raises(
        ClusterError, match=r"^a worker needs 4\.0 GiB of memory with this model, and this machine has 3\.0 GiB: take a"
    ):
        choose_num_workers(None, 1, 1, 3 * GIB, 4 * GIB)
    with pytest.raises(
        ClusterError, match=r"^4 workers need 4\.0 GiB .* has 3\.0 GiB: take a smaller model, or 3 workers at most$"
    ):
        choose_num_workers(4, 1, 1, 3 * GIB, GIB)


def test_workers_have_one_thread_and_a_share_of_the_memory_on_loopback() -> None:
    common = {"nthreads": 1, "memory_limit": 4 * GIB, "host": "127.0.0.1", "dashboard": False, "silence_logs": logging.CRITICAL}
    assert worker_options(2, 8 * GIB) == [common, common]


def test_each_gpu_has_its_worker() -> None:
    seen = [one["env"]["CUDA_VISIBLE_DEVICES"] for one in worker_options(3, 9 * GIB, gpus=3)]
    assert seen == ["0", "1", "2"]


def test_the_machine_has_something() -> None:
    cores, memory = machine()
    assert cores >= 1
    assert memory > GIB // 4
