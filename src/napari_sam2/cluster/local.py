"""Workers on this machine: one process for each GPU, or as many as cores and memory allow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.refusal import ClusterError, check_extra

if TYPE_CHECKING:
    from distributed import SpecCluster

HOST = "127.0.0.1"
QUIET = {"distributed.admin.tick.interval": "1s", "distributed.worker.profile.enabled": False}
"""Fifty times a second dask measures the delay of each process, and a hundred times what its threads do, for the dashboard alone:
2.6 % of a core for each."""


def choose_num_workers(wanted: int | None, num_tasks: int, num_cores: int, memory_bytes: int, needed_bytes: int) -> int:
    """Choose how many workers there are: as many as cores and memory allow, and not more than there is work for.

    Parameters
    ----------
    wanted : int or None
        As many as somebody asked for.
    num_tasks : int
        How much work there is.
    num_cores, memory_bytes : int
        Of the machine.
    needed_bytes : int
        Memory that one worker needs.

    Raises
    ------
    ClusterError
        If the memory is not enough for one, or for as many as were asked for.
    """
    allowed = memory_bytes // needed_bytes
    if allowed < (wanted or 1):
        many = "a worker needs" if wanted in (None, 1) else f"{wanted} workers need"
        raise ClusterError(
            f"{many} {(wanted or 1) * needed_bytes / 2**30:.1f} GiB of memory with this model, and this machine has "
            f"{memory_bytes / 2**30:.1f} GiB: take a smaller model"
            + (f", or {allowed} workers at most" if wanted and wanted > 1 and allowed else "")
        )
    return wanted or max(1, min(num_cores, allowed, num_tasks))


def worker_options(num_workers: int, memory_bytes: int, gpus: int = 0) -> list[dict[str, Any]]:
    """Return the options of each worker, a process of its own with one thread.

    Parameters
    ----------
    num_workers : int
        Workers.
    memory_bytes : int
        Memory of all together; a worker that takes more than its share is begun anew.
    gpus : int
        Number of GPUs, of which each worker sees one; 0 for none.
    """
    share = memory_bytes // num_workers
    common = {"nthreads": 1, "memory_limit": share, "host": HOST, "dashboard": False, "silence_logs": logging.CRITICAL}
    if not gpus:
        return [dict(common) for _ in range(num_workers)]
    return [common | {"env": {"CUDA_VISIBLE_DEVICES": str(number % gpus)}} for number in range(num_workers)]


def local_cluster(options: list[dict[str, Any]], has_dashboard: bool = False) -> SpecCluster:
    """Begin a scheduler in this process, at a free port of loopback, and workers, see :func:`worker_options`.

    Workers end with this process, whatever ends it. The dashboard of dask, which needs bokeh, is a page at another port.

    Raises
    ------
    ImportError
        If the extra is not installed.
    """
    check_extra("a cluster")
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    scheduler = {
        "cls": Scheduler,
        "options": {"host": HOST, "port": 0, "protocol": "tcp", "dashboard": has_dashboard, "dashboard_address": f"{HOST}:0"},
    }
    workers = {number: {"cls": Nanny, "options": one} for number, one in enumerate(options)}
    with dask.config.set(QUIET if not has_dashboard else {}):
        return SpecCluster(workers=workers, scheduler=scheduler, silence_logs=logging.CRITICAL)


def machine() -> tuple[int, int]:
    """Return the number of cores and the bytes of memory of this machine, or of the container that it is."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return int(CPU_COUNT), int(MEMORY_LIMIT)
