"""Jobs of SLURM: their file, and the script that would be submitted. No SLURM is there."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest

from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.cluster.slurm import read_jobs, slurm_cluster, submit

JOBS = """
jobs: 3
cores: 2
memory: 16GB
queue: gpu
walltime: "04:00:00"
job_extra_directives: ["--gres=gpu:1"]
interface: lo
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "jobs.yaml"
    path.write_text(text)
    return path


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # dask-jobqueue leaves the files of certificates open
def test_the_script_of_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, JOBS + f"shared_temp_directory: {tmp_path}\n")
    with slurm_cluster(path) as cluster:
        script = cluster.job_script()
        asked: list[int] = []
        monkeypatch.setattr(cluster, "scale", lambda jobs: asked.append(jobs))
        submit(cluster, path)
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
    assert asked[0] == 3  # and none when it is closed
    directives = re.findall(r"^#SBATCH (.*)$", script, re.MULTILINE)
    assert {"-p gpu", "-t 04:00:00", "--gres=gpu:1", "--cpus-per-task=2", "--mem=15G"} <= set(directives)
    (command,) = [line for line in script.splitlines() if "dask" in line and "worker" in line and not line.startswith("#")]
    assert "tls://127.0.0.1:" in command
    assert "--nthreads 1 " in command
    assert "--nworkers 2 " in command
    certificates = re.findall(r"--tls-(?:ca-file|cert|key) (\S+)", command)
    assert len(certificates) == 3
    gc.collect()
    assert all(str(tmp_path) in one for one in certificates)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is no YAML"),
        ("- a", "must name options, as `cores: 4`"),
        ("1: 2", "must name options"),
        ("cores: 1\nmemory: 1GB", "jobs is the number of jobs, 1 or more, got None"),
        ("jobs: true\ncores: 1\nmemory: 1GB", "got True"),
        ("jobs: 1", "has no cores and no memory"),
    ],
)
def test_files_that_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=sentence):
        read_jobs(write(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file of jobs"):
        read_jobs(tmp_path / "jobs.yaml")


def test_an_option_that_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, JOBS + f"shared_temp_directory: {tmp_path}\nwalltimes: blue\n")
    with pytest.raises(ClusterError, match=r"jobs\.yaml has an unknown option 'walltimes'; did you mean 'walltime'\?"):
        slurm_cluster(path)
