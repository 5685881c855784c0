"""Workers as jobs of SLURM, by dask-jobqueue, from a file of options; connections are encrypted, by certificates of one run."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.refusal import ClusterError, check_extra
from napari_sam2.file_errors import reading

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster

NUM_JOBS = "jobs"
"""The key that says how many jobs are submitted; all others are arguments of ``dask_jobqueue.SLURMCluster``."""
NEEDED = ("cores", "memory")


def read_jobs(path: Path) -> tuple[int, dict[str, Any]]:
    """Read the options of jobs.

    Returns
    -------
    num_jobs : int
        How many are submitted.
    options : dict
        Arguments of ``dask_jobqueue.SLURMCluster``.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ClusterError
        If it is no YAML, or lacks an option.
    OSError
        If it cannot be read.
    ImportError
        If the extra is not installed.
    """
    with reading(path, "the file of jobs"):
        if not path.exists():
            raise FileNotFoundError(f"there is no file of jobs {path}")
        text = path.read_text(encoding="utf-8")
    check_extra("a file of jobs", "yaml")
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ClusterError(f"{path} is no YAML") from error
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise ClusterError(f"{path} must name options, as `cores: 4`")
    options = dict(content)
    num_jobs = options.pop(NUM_JOBS, None)
    if isinstance(num_jobs, bool) or not isinstance(num_jobs, int) or num_jobs < 1:
        raise ClusterError(f"{path}: {NUM_JOBS} is the number of jobs, 1 or more, got {num_jobs!r}")
    missing = [key for key in NEEDED if key not in options]
    if missing:
        raise ClusterError(f"{path} has no {' and no '.join(missing)}: how much of it a job gets")
    return num_jobs, options


def slurm_cluster(path: Path) -> SLURMCluster:
    """Begin a scheduler here whose workers are jobs; :func:`submit` submits them.

    Certificates are made for this run and lie in ``shared_temp_directory``, or else in the home folder, where jobs find them.

    Raises
    ------
    ImportError
        If the extra is not installed.
    FileNotFoundError, ClusterError, OSError
        See :func:`read_jobs`; also if an option is unknown.
    """
    check_extra("--slurm", "dask_jobqueue", "cryptography")
    from dask_jobqueue import SLURMCluster
    from distributed.security import Security

    _, options = read_jobs(path)
    _check_names(path, options, SLURMCluster)
    options = {"processes": options["cores"], "shared_temp_directory": str(Path.home())} | options
    options.setdefault("scheduler_options", {"dashboard_address": "127.0.0.1:0"})  # by default it is open to the network
    try:
        return SLURMCluster(security=Security.temporary(), protocol="tls://", **options)
    except (TypeError, ValueError) as error:
        raise ClusterError(f"{path}: {error}") from error


def _check_names(path: Path, options: Mapping[str, Any], cluster: Any) -> None:
    """Refuse options that dask-jobqueue does not know, before it begins anything."""
    kinds = (*cluster.__mro__, *cluster.job_cls.__mro__)
    known = {name for kind in kinds if "__init__" in vars(kind) for name in inspect.signature(kind.__init__).parameters}
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ClusterError(f"{path} has an unknown option {name!r:.80}" + (f"; did you mean {near[0]!r}?" if near else ""))


def submit(cluster: SLURMCluster, path: Path) -> None:
    """Submit as many jobs as the file says.

    Raises
    ------
    FileNotFoundError, ClusterError, OSError
        See :func:`read_jobs`.
    """
    cluster.scale(jobs=read_jobs(path)[0])
