"""What workers have, and whether it is what work needs: the same version, the weights of the model, memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.version import __version__

if TYPE_CHECKING:
    from distributed import Client

    from napari_sam2.predictors.device import DeviceFacts

WAIT_FOR_WORKERS_S = 30.0
BASE_BYTES = 2**30
"""Memory of a worker besides the model: Python, PyTorch, one frame and the records of a session."""
COPIES_OF_WEIGHTS = 3
"""A model takes at most so many times the size of its file: read, loaded, and its activations."""


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker has.

    Attributes
    ----------
    version : str
        Of napari-sam2.
    weights_sha256 : str
        Of the file of the model; empty where there is none.
    why_not : str
        Why there is none.
    memory_bytes : int
        What it may use; 0 for no limit.
    needed_bytes : int
        What it needs with the model; 0 where there is none.
    has_gpu : bool
        PyTorch can use a GPU there.
    """

    version: str
    weights_sha256: str
    why_not: str
    memory_bytes: int
    needed_bytes: int = 0
    has_gpu: bool = False


def file_sha256(path: Path) -> str:
    """Hash the content of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def needed_bytes(weights: Path) -> int:
    """Return the memory that a worker needs with a model."""
    return BASE_BYTES + COPIES_OF_WEIGHTS * weights.stat().st_size


def facts_of_worker(model: str | None, dask_worker: Any = None) -> WorkerFacts:
    """Describe the worker on which this runs; ``model`` is a name or a file, or None where sessions name theirs."""
    from napari_sam2.predictors.device import resolve_device
    from napari_sam2.weights.load import find_weights

    sha256, why_not, needed = "", "", 0
    try:
        if model is not None:
            weights = find_weights(model)[1]
            sha256, needed = file_sha256(weights), needed_bytes(weights)
    except (OSError, ValueError) as error:
        why_not = str(error)
    memory_bytes = int(dask_worker.memory_manager.memory_limit or 0)
    return WorkerFacts(__version__, sha256, why_not, memory_bytes, needed, resolve_device(None).type != "cpu")


@dataclass(frozen=True)
class WorkerSurvey:
    """What a person wants to know of a worker.

    Attributes
    ----------
    facts : DeviceFacts
        Of its device.
    models : tuple of str
        Released models whose weights it has.
    """

    facts: DeviceFacts
    models: tuple[str, ...]


def survey_of_worker() -> WorkerSurvey:
    """Survey the worker on which this runs."""
    from napari_sam2.predictors.device import device_facts
    from napari_sam2.weights.download import find_checkpoint
    from napari_sam2.weights.registry import RELEASED

    return WorkerSurvey(device_facts("auto"), tuple(name for name in RELEASED if find_checkpoint(name) is not None))


def check_workers(
    client: Client, model: str | None, weights_sha256: str, memory_bytes: int, wait_s: float | None = WAIT_FOR_WORKERS_S
) -> None:
    """Check the workers that a scheduler has; wait for the first one.

    Parameters
    ----------
    client : Client
        Connected to the scheduler.
    model, weights_sha256 : str
        Name or file of the model, and the hash of its weights; None and empty where sessions name theirs.
    memory_bytes : int
        Memory that a worker needs.
    wait_s : float or None
        How long the first worker is waited for; None for as long as it takes, as in the queue of a cluster.

    Raises
    ------
    ClusterError
        If there is none, or one has another version, no weights or others, or too little memory; it is named.
    """
    for address, found in _facts(client, model, wait_s).items():
        if isinstance(found, ClusterError):
            raise found
        check_worker(address, found, model, weights_sha256, memory_bytes)


def fitting_workers(client: Client, model: str) -> list[str]:
    """Choose the workers on which a model can be loaded, of these those with a GPU where there are any; wait for the first worker.

    Parameters
    ----------
    client : Client
        Connected to the scheduler.
    model : str
        Name or file of the model.

    Returns
    -------
    list of str
        Their addresses, one at least.

    Raises
    ------
    ClusterError
        If there is none: the reason of the first worker.
    """
    fitting, refusals = dict[str, bool](), list[ClusterError]()
    for address, found in _facts(client, model).items():
        try:
            if isinstance(found, ClusterError):
                raise found
            check_worker(address, found, model, found.weights_sha256, found.needed_bytes)
        except ClusterError as error:
            refusals.append(error)
        else:
            fitting[address] = found.has_gpu
    if not fitting:
        raise refusals[0] if refusals else _no_worker(client)
    return [address for address, has_gpu in fitting.items() if has_gpu or not any(fitting.values())]


def _facts(client: Client, model: str | None, wait_s: float | None = WAIT_FOR_WORKERS_S) -> dict[str, WorkerFacts | ClusterError]:
    """Ask all workers, and wait for the first one."""
    try:
        client.wait_for_workers(1, timeout=wait_s)
    except TimeoutError as error:
        raise _no_worker(client) from error
    answers = client.run(facts_of_worker, model, on_error="return")
    return {str(address): _fact(str(address), found) for address, found in answers.items()}


def _no_worker(client: Client) -> ClusterError:
    where = client.scheduler.address
    return ClusterError(f"the scheduler {where} has no worker: begin one with `dask worker {where} --nthreads 1`")


def _fact(address: str, found: Any) -> WorkerFacts | ClusterError:
    if isinstance(found, WorkerFacts):
        return found
    # What a worker cannot unpickle comes as the text of its error.
    is_not_there = isinstance(found, ImportError | AttributeError) or str(found).startswith(
        ("ModuleNotFoundError", "ImportError", "AttributeError")
    )
    reason = f"has no napari-sam2 {__version__}: install it there" if is_not_there else "does not answer"
    return ClusterError(f"the worker {address} {reason}: {found}")


def check_worker(address: str, facts: WorkerFacts, model: str | None, weights_sha256: str, memory_bytes: int) -> None:
    """Check one worker; parameters and errors are those of :func:`check_workers`."""
    if facts.version != __version__:
        raise ClusterError(
            f"the worker {address} has napari-sam2 {facts.version}, and this is {__version__}: install the same on both"
        )
    if facts.why_not:
        raise ClusterError(f"the worker {address} does not have the model {model}: {facts.why_not}")
    if facts.weights_sha256 != weights_sha256:
        raise ClusterError(f"the worker {address} has other weights of {model} than this machine: copy the file there")
    if 0 < facts.memory_bytes < memory_bytes:
        raise ClusterError(
            f"the worker {address} may use {facts.memory_bytes / 2**30:.1f} GiB of memory, and {memory_bytes / 2**30:.1f} GiB are "
            "needed with this model: begin it with a higher --memory-limit, or take a smaller model"
        )
