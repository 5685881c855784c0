"""Two workers as processes on loopback: what they do, and what is left where one is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dask
import numpy as np
import pytest
import tifffile
from distributed import Client

from batch_stacks import write_stack
from killed_workers import labels_on_one_machine, wait_until_tracked
from napari_sam2.batch.outcome import StackOutcome
from napari_sam2.batch.process_stack import StackJob
from napari_sam2.batch.run import only_run, run_jobs, split_known
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import find_stacks
from napari_sam2.cli.batch import explain
from napari_sam2.cluster.local import local_cluster, worker_options
from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.cluster.workers import check_workers, file_sha256, needed_bytes
from napari_sam2.weights.load import find_weights

SETTINGS = BatchSettings("labels", weights_sha256=file_sha256(find_weights("micro")[1]), device="cpu")
GIB = 2**30


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local_cluster(worker_options(2, 4 * GIB)) as cluster, Client(cluster, set_as_default=False) as one:
        yield one


def jobs_on(folder: Path) -> list[StackJob]:
    return [StackJob(stack, SETTINGS, str(folder / "results")) for stack in find_stacks([folder / "*.tif"])]


def test_workers_are_checked(client: Client) -> None:
    check_workers(client, "micro", SETTINGS.weights_sha256, GIB)
    assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2
    with pytest.raises(
        ClusterError, match=r"the worker tcp://127\.0\.0\.1:\d+ may use 2\.0 GiB of memory, and 3\.0 GiB are needed"
    ):
        check_workers(client, "micro", SETTINGS.weights_sha256, 3 * GIB)
    with pytest.raises(ClusterError, match="has other weights of micro"):
        check_workers(client, "micro", "0" * 64, GIB)


def test_dask_measures_itself_rarely(client: Client) -> None:
    (interval,) = set(client.run(dask.config.get, "distributed.admin.tick.interval").values())
    assert interval == "1s"
    assert dask.config.get("distributed.admin.tick.interval") != "1s"  # in the program that began the workers all is as before


def test_a_failure_is_no_failure_of_the_others(client: Client, tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        write_stack(tmp_path / f"{name}.tif", 3, number)
    (tmp_path / "b.labels.tif").unlink()
    jobs, seen = jobs_on(tmp_path), list[StackOutcome]()
    outcomes = run_jobs(client, jobs, explain, seen.append)
    assert [(one.name, one.outcome) for one in outcomes] == [("a", "done"), ("b", "failed"), ("c", "done")]
    assert sorted(seen, key=lambda one: one.name) == outcomes
    assert all(one.worker.startswith("tcp://127.0.0.1:") for one in outcomes)
    known, left = split_known(jobs)
    assert [one.name for one in known] == ["a", "c"]
    assert [job.stack.name for job in left] == ["b"]
    for number, name in ((0, "a"), (2, "c")):
        expected = labels_on_one_machine(tmp_path / f"{name}.tif", 3, number)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "results" / f"{name}.tif"), expected)


def test_a_worker_that_is_killed_loses_nothing(client: Client, tmp_path: Path) -> None:
    num_frames = 16
    write_stack(tmp_path / "a.tif", num_frames)
    jobs, outcomes = jobs_on(tmp_path), list[StackOutcome]()
    pids = client.run(os.getpid)
    work = threading.Thread(target=lambda: run_jobs(client, jobs, explain, outcomes.append))
    work.start()
    done = wait_until_tracked(tmp_path / "results", "a", 4)
    (killed,) = [address for address, keys in client.processing().items() if keys]
    os.kill(pids[killed], signal.SIGKILL)
    work.join(60)
    (outcome,) = outcomes
    assert outcome.outcome == "done", outcome.sentence
    assert outcome.worker != killed
    # Those in the file when it was killed, and all others: no frame was computed twice.
    assert done <= outcome.frames_kept < num_frames - 1
    assert outcome.frames_kept + outcome.frames_tracked == num_frames - 1
    expected = labels_on_one_machine(tmp_path / "a.tif", num_frames)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "results" / "a.tif"), expected)
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["a.frames.png", "a.outcome.json", "a.sam2", "a.tif"]


@pytest.mark.slow
def test_a_worker_with_little_memory_lives(tmp_path: Path) -> None:
    """192 MB of image, and as many of labels, in a worker that has 1.02 GiB for everything."""
    num_frames, side = 24, 2048
    rows, columns = np.mgrid[:side, :side]
    discs = [np.hypot(rows - centre, columns - centre) < 60 for centre in (300, 1200)]
    labels = np.where(discs[0], 1, np.where(discs[1], 2, 0)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for t in range(num_frames):
            tiff.write(
                np.roll(3000 * (labels > 0).astype(np.uint16) + 100, 2 * t, axis=1), photometric="minisblack", contiguous=True
            )
    tifffile.imwrite(tmp_path / "a.labels.tif", labels, photometric="minisblack")
    (job,) = jobs_on(tmp_path)
    job = replace(job, settings=replace(SETTINGS, axes="TYX"))
    options = worker_options(1, needed_bytes(find_weights("micro")[1]))
    with local_cluster(options) as cluster, Client(cluster, set_as_default=False) as one:
        before = one.run(os.getpid)
        (outcome,) = run_jobs(one, [job], explain)
        assert one.run(os.getpid) == before
    assert (outcome.outcome, outcome.frames_tracked, outcome.frames_kept) == ("done", num_frames - 1, 0)


def test_one_run_writes_to_a_folder(tmp_path: Path) -> None:
    results = tmp_path / "results"
    sentence = r"another run writes to .*results: wait for its end, or give another folder"
    with only_run(results), pytest.raises(ValueError, match=sentence), only_run(results):
        pass
    with only_run(results):
        pass
