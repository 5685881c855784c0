"""A run: finished stacks are left as they are, all others go to the workers; what comes of each is collected."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from napari_sam2.batch.outcome import StackOutcome, write_outcome
from napari_sam2.batch.process_stack import AttemptError, Explain, StackJob, process_stack

if TYPE_CHECKING:
    from distributed import Client, Future

NUM_RETRIES = 2
LOCK = ".batch-lock"


@contextlib.contextmanager
def only_run(results: Path) -> Iterator[None]:
    """Let no second run write to the same folder.

    Raises
    ------
    ValueError
        If another one does.
    OSError
        If nothing can be written there.
    """
    results.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(results / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(f"another run writes to {results}: wait for its end, or give another folder") from error
    try:
        yield
    finally:
        lock.release()


def split_known(jobs: Sequence[StackJob]) -> tuple[list[StackOutcome], list[StackJob]]:
    """Return the outcomes of stacks that are done, and the jobs that are left."""
    known, left = list[StackOutcome](), list[StackJob]()
    for job in jobs:
        outcome = job.known_outcome()
        if outcome is None:
            left.append(job)
        else:
            known.append(outcome)
    return known, left


def run_jobs(
    client: Client, jobs: Sequence[StackJob], explain: Explain, on_outcome: Callable[[StackOutcome], None] = lambda _: None
) -> list[StackOutcome]:
    """Let workers do jobs; where a worker is lost, another one goes on.

    Parameters
    ----------
    client : Client
        Connected to a scheduler.
    jobs : sequence of StackJob
        The work.
    explain : callable
        Makes sentences of errors; see :data:`~napari_sam2.batch.process_stack.Explain`.
    on_outcome : callable
        Called with each outcome as it comes.

    Returns
    -------
    list of StackOutcome
        In the order of the jobs.
    """
    from distributed import as_completed

    run = secrets.token_hex(4)
    futures = {
        client.submit(process_stack, job, explain, key=f"{job.stack.name}-{run}", retries=NUM_RETRIES, pure=False): job
        for job in jobs
    }
    outcomes: dict[str, StackOutcome] = {}
    for future in as_completed(list(futures), loop=client.loop):
        job = futures[future]
        outcome = _outcome(future, job, client)
        outcomes[job.stack.name] = outcome
        on_outcome(outcome)
    return [outcomes[job.stack.name] for job in jobs]


def _outcome(future: Future, job: StackJob, client: Client) -> StackOutcome:
    if future.status == "finished":
        return future.result()
    outcome = StackOutcome(job.stack.name, job.stack.path, job.stack.series, "failed", _why(future, client))
    with contextlib.suppress(OSError, ValueError):
        write_outcome(job.folder, outcome)
    return outcome


def _why(future: Future, client: Client) -> str:
    from distributed import KilledWorker

    if future.status == "cancelled" or client.status != "running":
        return "the connection to the scheduler was lost; the next run goes on from the frames that are done"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return (
            "each worker that began it was ended by its system, as happens where memory is short; the next run goes on from there"
        )
    return str(error) if isinstance(error, AttemptError) else f"the worker failed, {type(error).__name__}: {error}"
