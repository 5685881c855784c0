"""A model in a process of its own on loopback: what travels, and what is left where a worker or the scheduler is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, SpecCluster

from batch_stacks import discs
from dask_processes import free_port, scheduler, worker
from napari_sam2.cluster.local import local_cluster, worker_options
from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.cluster.remote_compute import RemoteCompute, Transfers, WorkerLostError, computing_on
from napari_sam2.session.editing.everything import FindingStopped, watched
from napari_sam2.session.session import Session

T = 8
MOVIE, TRUTH = discs(T)
GIB = 2**30


@pytest.fixture(scope="module")
def cluster() -> Iterator[SpecCluster]:
    with local_cluster(worker_options(2, 4 * GIB)) as one:
        yield one


@pytest.fixture
def compute(cluster: SpecCluster) -> Iterator[RemoteCompute]:
    with RemoteCompute(cluster.scheduler_address) as one:
        yield one


def begun(**where: object) -> Session:
    session = Session(MOVIE, "TYX", **where)  # type: ignore[arg-type]
    session.add_labels(TRUTH[0], 0)
    return session


def expected() -> np.ndarray:
    with begun(device="cpu") as session:
        session.propagate_all()
        return np.array(session.labels)


def test_a_session_by_an_address(cluster: SpecCluster) -> None:
    with begun(compute=cluster.scheduler_address) as session:
        session.propagate_all()
        np.testing.assert_array_equal(session.labels, expected())
        assert session.model.device_kind == "cpu"


def test_a_worker_that_is_killed_loses_nothing(compute: RemoteCompute, cluster: SpecCluster, tmp_path: Path) -> None:
    with Client(cluster, set_as_default=False) as client, begun(compute=compute) as session:
        session.save(tmp_path / "a.sam2")
        results = session.propagate()
        assert [next(results).frame for _ in range(3)] == [1, 2, 3]
        worker = compute.link("micro", "auto").description.worker
        os.kill(client.run(os.getpid)[worker], signal.SIGKILL)
        with pytest.raises(WorkerLostError, match=rf"^the connection to {worker} of {compute.address}, .* the session is whole"):
            next(results)
        assert not session.has_unsaved_changes
        assert [result.frame for result in session.propagate()] == [4, 5, 6, 7]
        np.testing.assert_array_equal(session.labels, expected())
        assert compute.link("micro", "auto").description.worker != worker
    assert compute.transfers.frames == T


CLIENT = """
import sys
from pathlib import Path
import numpy as np
from napari_sam2 import Session
if __name__ == "__main__":
    movie, labels, path, address = np.load(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3], sys.argv[4]
    session = Session(movie, "TYX", compute=address)
    session.save(path)
    session.add_labels(labels, 0)
    for done in session.propagate():
        print(done.frame, flush=True)
        if done.frame == 3:
            sys.stdin.readline()
"""


@pytest.mark.slow
def test_a_client_that_is_killed_is_gone_on_with(compute: RemoteCompute, tmp_path: Path) -> None:
    np.save(tmp_path / "movie.npy", MOVIE)
    np.save(tmp_path / "labels.npy", TRUTH[0])
    arguments = [str(tmp_path / name) for name in ("movie.npy", "labels.npy", "a.sam2")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", CLIENT, *arguments, compute.address]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
        process.kill()
    with Session.open(tmp_path / "a.sam2", MOVIE, compute=compute) as session:
        assert [result.frame for result in session.propagate()] == [4, 5, 6, 7]
        np.testing.assert_array_equal(session.labels, expected())


@pytest.mark.slow
def test_a_scheduler_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with contextlib.ExitStack() as first:
        process = first.enter_context(scheduler(port))
        first.enter_context(worker(address, tmp_path / "scratch"))
        session = begun(compute=address)
        results = session.propagate()
        assert [next(results).frame for _ in range(2)] == [1, 2]
        process.kill()
        process.wait()
    with pytest.raises((WorkerLostError, ClusterError), match=r"the session is whole|cannot be reached"):  # as it is noticed
        next(results)
    with pytest.raises(ClusterError, match=rf"^the scheduler {address} cannot be reached: it does not run"):
        session.propagate_all()
    with scheduler(port), worker(address, tmp_path / "scratch"), session:
        assert [result.frame for result in session.propagate()] == [3, 4, 5, 6, 7]
        np.testing.assert_array_equal(session.labels, expected())


def test_errors_of_a_worker_are_those_of_the_session(compute: RemoteCompute) -> None:
    with pytest.raises(ClusterError, match=r"does not have the model sam2\.1_hiera_tiny: .*is not on this machine"):
        Session(MOVIE, "TYX", model="sam2.1_hiera_tiny", compute=compute)
    with begun(compute=compute) as session, pytest.raises(ValueError, match="points_per_side"):
        session.segment_everything(0, points_per_side=-1)


def test_finding_everything_tells_how_far_it_is_and_is_stopped(compute: RemoteCompute) -> None:
    seen: list[tuple[int, int]] = []

    def watcher(*progress: int) -> bool:
        seen.append(progress)
        return progress[0] < 2

    with begun(compute=compute) as session, watched(watcher), pytest.raises(FindingStopped):
        session.segment_everything(0)
    assert len(session.objects) == TRUTH[0].max()
    assert {total for _, total in seen} <= {0, 16}
    assert 2 <= max(done for done, _ in seen) < 16


def test_where_it_computes() -> None:
    assert computing_on(None, "cpu") == "cpu"
    with pytest.raises(ClusterError, match="give device or compute, not both"):
        computing_on("tcp://127.0.0.1:1", "cpu")
    with pytest.raises(ValueError, match="compute is the address of a scheduler or a RemoteCompute, got 3"):
        computing_on(3, None)  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match="is not encrypted"):
        Session(MOVIE, "TYX", compute="tcp://192.168.0.7:8786")


def test_a_session_that_cannot_be_begun_leaves_no_connection(cluster: SpecCluster, tmp_path: Path) -> None:
    with Client(cluster, set_as_default=False) as client:
        before = client.run_on_scheduler(num_clients)
        for model in ("sam2.1_hiera_tiny", "micro"):
            with pytest.raises(ValueError, match=r"does not have the model|percentiles"):
                Session(MOVIE, "TYX", model=model, compute=cluster.scheduler_address, percentiles=(9, 2))
        (tmp_path / "a.sam2").write_bytes(b"")
        with pytest.raises(ValueError, match=r"a\.sam2"):
            Session.open(tmp_path / "a.sam2", compute=cluster.scheduler_address)
        until = time.monotonic() + 10
        while client.run_on_scheduler(num_clients) > before and time.monotonic() < until:
            time.sleep(0.1)
        assert client.run_on_scheduler(num_clients) == before


def num_clients(dask_scheduler: Any) -> int:
    return len(dask_scheduler.clients)


def test_what_travelled_is_said() -> None:
    assert str(Transfers(1, 2, 3_000_000, 40_000)) == "1 frame and 2 tensors sent, 3.0 MB; 40 kB received"
