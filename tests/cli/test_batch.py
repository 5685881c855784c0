"""``napari-sam2 batch``: what it refuses, what it writes, and what it knows again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
import torch
from distributed import LocalCluster

from batch_stacks import discs, write_stack
from certificates import make_certificates
from dask_processes import dask_processes
from killed_workers import labels_on_one_machine, wait_until_tracked
from napari_sam2.batch.outcome import StackOutcome
from napari_sam2.batch.process_stack import StackJob
from napari_sam2.cli import batch
from napari_sam2.cli.main import main
from napari_sam2.cluster.address import Certificates
from napari_sam2.export.ome_zarr import write_ome_zarr
from napari_sam2.export.result import Result
from napari_sam2.images.errors import FrameReadError
from zarr_by_hand import group_by_hand, image_by_hand


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    return main(["batch", *arguments, "-o", "results", "--device", "cpu"])


def refuse(*_: object) -> None:
    pytest.fail("workers were begun")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no.tif", "--prompts-from", "labels"], "there is no file no.tif"),
        (["no*.tif", "--prompts-from", "labels"], "no file fits no*.tif"),
        (
            ["a.tif", "--prompts-from", "all"],
            "prompts come from labels, session, everything, or a prompts file",
        ),
        (["a.tif", "--prompts-from", "labels", "--format", ".doc"], "the format of stack.doc is not known"),
        (["a.tif", "--prompts-from", "labels", "--format", "x.tif"], "--format takes an ending of `napari-sam2 export --help`"),
        (["a.tif", "--prompts-from", "labels", "--model", "huge"], "huge"),
        (["a.tif", "--prompts-from", "session", "--axes", "TYX"], "--axes does not go with --prompts-from session"),
        (["a.tif", "--prompts-from", "session", "--model", "other"], "--model does not go with --prompts-from session"),
        (
            ["a.tif", "--prompts-from", "everything", "--direction", "forward"],
            "--direction does not go with --prompts-from",
        ),
        (["a.tif", "--prompts-from", "labels", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["a.tif", "--prompts-from", "labels", "--workers", "1", "--gpus"], "--workers does not go with --gpus"),
        (["a.tif", "--prompts-from", "labels", "--workers", "999999"], "999999 workers need"),
        (["a.tif", "--prompts-from", "labels", "--tls-ca", "a"], "--tls-ca, --tls-cert and --tls-key belong together"),
        (["a.tif", "--prompts-from", "labels", "--dashboard"], "--dashboard needs bokeh: pip install bokeh"),
        (["a.tif", "--prompts-from", "labels", "--insecure"], "certificates and --insecure go with --scheduler only"),
        (["a.tif", "--prompts-from", "labels", "--slurm", "jobs.yaml"], "there is no file of jobs jobs.yaml"),
        (["a.tif", "--prompts-from", "labels", "--scheduler", "gpu-box"], "the address of a scheduler is tls://HOST:PORT"),
        (["a.tif", "--prompts-from", "labels", "--scheduler", "tcp://192.168.0.7:8786"], "is not encrypted, and whoever reaches"),
        (["a.tif", "--prompts-from", "labels", "--scheduler", "tls://127.0.0.1:1"], "needs certificates"),
        (["frames", "--prompts-from", "labels", "-o", "frames/results"], "lies in the stack"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_begun(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stack(Path("a.tif"), 2)
    write_stack(Path("frames/0.tif"), 2)
    monkeypatch.setattr(batch, "local_cluster", refuse)
    monkeypatch.setitem(sys.modules, "bokeh", None)
    given = arguments if "-o" in arguments else [*arguments, "-o", "results"]
    assert main(["batch", *given]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("napari-sam2: ")
    assert error.count("\n") == 1
    assert not list(Path().glob("**/results/*.sam2"))


def test_a_missing_extra_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run("a.tif", "--prompts-from", "labels") == 2
    assert capsys.readouterr().err == "napari-sam2: batch needs an extra: pip install 'napari-sam2[distributed]'\n"


def test_no_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write_stack(Path("a.tif"), 2)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert run("a.tif", "--prompts-from", "labels", "--gpus") == 2
    assert "there is no GPU of NVIDIA on this machine that PyTorch can use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "visible"),
    [
        ([], ["0", "1"]),
        (["--gpus"], ["0", "1"]),
        (["--device", "cuda"], ["0", "1"]),
        (["--device", "cpu", "--workers", "3"], [None, None, None]),
        (["--workers", "1"], [None]),
    ],
)
def test_each_gpu_has_a_process(arguments: list[str], visible: list[str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        write_stack(Path(f"{name}.tif"), 2)
    begun: list[dict[str, Any]] = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(batch, "available_devices", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(batch, "resolve_device", lambda _: torch.device("cpu"))
    monkeypatch.setattr(batch, "machine", lambda: (8, 2**36))
    monkeypatch.setattr(batch, "local_cluster", lambda options, _: begun.extend(options) or refuse())
    with pytest.raises(pytest.fail.Exception):
        main(["batch", "*.tif", "--prompts-from", "labels", "-o", "results", *arguments])
    assert [one.get("env", {}).get("CUDA_VISIBLE_DEVICES") for one in begun] == visible


def test_which_errors_are_tried_again() -> None:
    assert batch.explain(FrameReadError("frame 1 cannot be read")) == ("frame 1 cannot be read", False)
    assert batch.explain(MemoryError("there is not enough memory")) == ("there is not enough memory", True)


def worker_here(options: list[dict[str, object]], has_dashboard: bool) -> LocalCluster:
    """Begin a worker in this process."""
    assert len(options) == 1
    assert not has_dashboard
    return LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", memory_limit=0)


def test_a_run_and_the_next_ones(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate("ab"):
        write_stack(Path(f"plate/{name}/movie.tif"), 3, number)
    monkeypatch.setattr(batch, "local_cluster", worker_here)  # tests/batch/test_run.py has workers that are processes
    arguments = ["plate/*/movie.tif", "--prompts-from", "labels", "--format", ".ome.tif", "--workers", "1"]
    Path("plate/b/movie.labels.tif").rename("away.tif")
    assert run(*arguments) == 1
    out, error = capsys.readouterr()
    assert out == "2 stacks: 1 done, 1 failed; 0 known from before: results/report.html\n"
    assert error.splitlines()[-1].startswith("napari-sam2: b/movie: there is no label image /")
    Path("away.tif").rename("plate/b/movie.labels.tif")
    assert run(*arguments) == 0
    assert capsys.readouterr().out == "2 stacks: 2 done; 1 known from before: results/report.html\n"
    monkeypatch.setattr(batch, "local_cluster", refuse)
    assert run(*arguments) == 0
    assert capsys.readouterr().out == "2 stacks: 2 done; 2 known from before: results/report.html\n"
    report = json.loads(Path("results/report.json").read_text())
    assert report["settings"]["precision"] == "float32"  # and not "auto", which is another one on another machine
    assert [(one["name"], one["outcome"], one["objects"]) for one in report["outcomes"]] == [
        ("a/movie", "done", 2),
        ("b/movie", "done", 2),
    ]
    pictures = [f"results/{name}/movie.frames.png" for name in "ab"]
    assert all(Path(one).is_file() and one.removeprefix("results/") in Path("results/report.html").read_text() for one in pictures)
    expected = labels_on_one_machine(Path("plate/b/movie.tif"), 3, 1)
    np.testing.assert_array_equal(tifffile.imread("results/b/movie.ome.tif"), expected)


def test_a_plate_and_an_ome_tiff_of_positions(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "local_cluster", worker_here)
    plate = group_by_hand(Path("plate.ome.zarr"), {"plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}})
    for number, well in enumerate(("A/1", "B/2")):
        group_by_hand(plate / well, {"well": {"images": [{"path": "0"}]}})
        movie, labels = discs(3, number)
        image_by_hand(plate / well / "0", movie, "0.4", "tyx")
        write_ome_zarr(plate / well / "0" / "labels" / "cells", Result(labels[:1], "TYX"))
    assert run("plate.ome.zarr", "--prompts-from", "labels", "--workers", "1") == 0
    assert capsys.readouterr().out.startswith("2 stacks: 2 done; 0 known from before")
    with tifffile.TiffWriter("positions.ome.tif", ome=True) as tiff:
        for number in range(2):
            movie, labels = discs(3, number)
            tiff.write(movie, photometric="minisblack", metadata={"axes": "TYX"})
            Path("positions").mkdir(exist_ok=True)
            tifffile.imwrite(f"positions/{number}.labels.tif", labels[0], photometric="minisblack")
    assert run("positions.ome.tif", "--prompts-from", "labels", "--workers", "1") == 0
    for number, name in enumerate(("A/1", "B/2")):
        write_stack(Path(f"alone/{number}.tif"), 3, number)
        expected = labels_on_one_machine(Path(f"alone/{number}.tif"), 3, number)
        np.testing.assert_array_equal(tifffile.imread(f"results/plate/{name}/0.tif"), expected)
        np.testing.assert_array_equal(tifffile.imread(f"results/positions/{number}.tif"), expected)


def test_ctrl_c_leaves_a_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        write_stack(Path(f"{name}.tif"), 2)

    def interrupted(client: object, jobs: list[StackJob], explain: object, on_outcome: Callable[[StackOutcome], None]) -> None:
        on_outcome(StackOutcome(jobs[0].stack.name, jobs[0].stack.path, None, "done"))
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "local_cluster", worker_here)
    monkeypatch.setattr(batch, "run_jobs", interrupted)
    assert run("a.tif", "b.tif", "--prompts-from", "labels", "--workers", "1") == 130
    assert "interrupted" in capsys.readouterr().err
    assert [one["name"] for one in json.loads(Path("results/report.json").read_text())["outcomes"]] == ["a"]


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_a_run_that_is_killed_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    num_frames = 24
    write_stack(Path("a.tif"), num_frames)
    arguments = ["a.tif", "--prompts-from", "labels", "--workers", "1", "-o", "results", "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_sam2", "batch", *arguments], env=environment, stderr=subprocess.DEVNULL
    )
    done = wait_until_tracked(Path("results"), "a", 5)
    workers = children_of(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive  # workers end with the run
    assert main(["batch", *arguments]) == 0
    (outcome,) = json.loads(Path("results/report.json").read_text())["outcomes"]
    assert done <= outcome["frames_kept"] < num_frames - 1
    assert outcome["frames_kept"] + outcome["frames_tracked"] == num_frames - 1
    np.testing.assert_array_equal(tifffile.imread("results/a.tif"), labels_on_one_machine(Path("a.tif"), num_frames))


SBATCH = """#!/bin/sh
cp "$1" "$0.job"
setsid sh -c "sleep 2; exec sh $0.job" >/dev/null 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -- -$job; done
"""
JOBS = """
jobs: 1
cores: 1
memory: 4GB
interface: lo
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # dask-jobqueue leaves the files of certificates open
@pytest.mark.skipif(sys.platform != "linux", reason="the interface of loopback is called otherwise")
def test_jobs_of_slurm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With an ``sbatch`` that runs a job here, a while after it was submitted."""
    (tmp_path / "bin").mkdir()
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setattr(batch, "WAIT_FOR_WORKERS_S", 0.1)  # not for those in a queue
    Path("jobs.yaml").write_text(JOBS + f"shared_temp_directory: {tmp_path}\n")
    write_stack(Path("a.tif"), 3)
    assert main(["batch", "a.tif", "--prompts-from", "labels", "-o", str(tmp_path / "results"), "--slurm", "jobs.yaml"]) == 0
    assert "the jobs are submitted; stacks are begun when the first one runs" in capsys.readouterr().err
    np.testing.assert_array_equal(tifffile.imread("results/a.tif"), labels_on_one_machine(Path("a.tif"), 3))


@pytest.mark.slow
def test_a_scheduler_with_certificates_runs_batch_and_computes_for_segment(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for number in range(2):
        write_stack(Path(f"s/{number}.tif"), 3, number)
    prompts = [{"object": label, "frame": 0, "mask": "s/0.labels.tif", "mask_label": label} for label in (1, 2)]
    Path("p.json").write_text(json.dumps({"prompts": prompts}))
    files, others = make_certificates(tmp_path / "lab"), make_certificates(tmp_path / "other lab")

    def options(given: Certificates) -> list[str]:
        return ["--tls-ca", str(given.authority), "--tls-cert", str(given.certificate), "--tls-key", str(given.key)]

    with dask_processes(tmp_path / "scratch", files) as address:
        segment = ["segment", "s/0.tif", "--prompts", "p.json", "-o", "labels.tif", "--compute", address]
        assert main(["batch", "s/*.tif", "--prompts-from", "labels", "-o", "results", "--scheduler", address, *options(files)]) == 0
        assert main([*segment, *options(files)]) == 0
        capsys.readouterr()
        assert main([*segment, *options(others)]) == 2
        assert capsys.readouterr().err.endswith("the certificates are not of one authority\n")
    expected = labels_on_one_machine(Path("s/0.tif"), 3, 0)
    np.testing.assert_array_equal(tifffile.imread("labels.tif"), expected)
    np.testing.assert_array_equal(tifffile.imread("results/0.tif"), expected)
