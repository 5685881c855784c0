"""The work on one stack, as a worker does it: a session that is saved with each frame, then outputs, a picture and the outcome.

Whatever ends the worker, the next attempt goes on in the session file of the last one. It lies under a hidden name with the hash of
input, settings and weights, so that nothing goes on that was begun with others; under its own name are whole results only.
"""

from __future__ import annotations

import functools
import glob
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_sam2.batch.input_state import InputState, stamp_of
from napari_sam2.batch.memory import memory_released
from napari_sam2.batch.outcome import StackOutcome, read_outcome, write_outcome
from napari_sam2.batch.prompt_sources import go_on, source_of
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import StackFile
from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.export.formats import write_each, write_result
from napari_sam2.images.errors import FrameReadError
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.device import AUTO, keep_freed_memory, resolve_device, resolve_precision
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.session import Session
from napari_sam2.session.store.file_lock import is_locked
from napari_sam2.session.store.refusals import SUFFIX
from napari_sam2.session.store.temporary import remove
from napari_sam2.version import __version__
from napari_sam2.weights.load import find_weights

PICTURE = ".frames.png"
NUM_PICTURES = 4
_ONE_AT_A_TIME = threading.Lock()
"""A worker may have several threads; the model and the cores are for one stack."""

Explain = Callable[[BaseException], tuple[str, bool]]
"""Returns the sentence of an error, and whether another attempt may do better."""


class AttemptError(RuntimeError):
    """The machine failed, and another attempt, perhaps on another worker, may do better; the text is the sentence."""


@dataclass(frozen=True)
class StackJob:
    """The work on one stack.

    Attributes
    ----------
    stack : StackFile
        The stack.
    settings : BatchSettings
        Of the run.
    results : str
        The folder of the results.
    """

    stack: StackFile
    settings: BatchSettings
    results: str

    @property
    def folder(self) -> Path:
        """The folder of the results of the run."""
        return Path(self.results)

    @property
    def session_path(self) -> Path:
        """The session file, when it is whole."""
        return self.folder / f"{self.stack.name}{SUFFIX}"

    @property
    def outputs(self) -> list[str]:
        """Names of all results, from the folder on."""
        return [f"{self.stack.name}{ending}" for ending in (*self.settings.endings, PICTURE, SUFFIX)]

    def unfinished_path(self, key: str) -> Path:
        """The session file until it is whole."""
        return self.session_path.with_name(f".{Path(self.stack.name).name}-{key[:12]}.unfinished{SUFFIX}")

    def input_paths(self) -> list[Path]:
        """The image, and the files of its prompts.

        Raises
        ------
        FileNotFoundError, ValueError
            If there are no prompts.
        """
        return [Path(self.stack.path), *source_of(self.settings.prompts).files(self.stack)]

    def known_outcome(self) -> StackOutcome | None:
        """Return the outcome if the stack is done, as far as that is seen without reading a large image."""
        outcome = read_outcome(self.folder, self.stack.name)
        if outcome is None:
            return None
        try:
            paths = [str(path) for path in self.input_paths()]
        except (OSError, ValueError):
            return None
        # Where "auto" is resolved by each worker, a stack is done in whatever precision it was.
        settings = self.settings.computed_in(outcome.precision)
        key = settings.key([one.sha256 for one in outcome.inputs], self.stack.series)
        if paths != [one.path for one in outcome.inputs] or not outcome.is_whole(key, self.folder, self.outputs):
            return None
        states = [one.looked_at_again() for one in outcome.inputs]
        today = [one for one in states if one is not None]
        if len(today) < len(states):
            return None
        if today != outcome.inputs:
            outcome = replace(outcome, inputs=today)
            write_outcome(self.folder, outcome)
        return outcome


def process_stack(job: StackJob, explain: Explain) -> StackOutcome:
    """Segment a stack, or go on where an earlier attempt was ended.

    Parameters
    ----------
    job : StackJob
        The work.
    explain : callable
        See :data:`Explain`.

    Returns
    -------
    StackOutcome
        Failed if the stack, its prompts or the settings are at fault; it is written to a file as well.

    Raises
    ------
    AttemptError
        If the machine is.
    """
    started = time.perf_counter()
    with _ONE_AT_A_TIME:
        try:
            outcome = _process(job)
        except AttemptError:
            raise
        except Exception as error:  # whatever it is, other stacks go on
            sentence, may_do_better = explain(error)
            if may_do_better:
                raise AttemptError(sentence) from error
            outcome = _failed(job, sentence)
        outcome = replace(outcome, seconds=time.perf_counter() - started, worker=_worker(), software=__version__)
        write_outcome(job.folder, outcome)
        return outcome


def _failed(job: StackJob, sentence: str) -> StackOutcome:
    return StackOutcome(job.stack.name, job.stack.path, job.stack.series, "failed", sentence)


def _process(job: StackJob) -> StackOutcome:
    if job.settings.software != __version__:
        raise ClusterError(f"this worker has napari-sam2 {__version__}, not {job.settings.software}")
    precision = resolve_precision(AUTO, resolve_device(job.settings.device))
    job = replace(job, settings=job.settings.computed_in(precision))
    paths = job.input_paths()
    inputs = [InputState.of(path) for path in paths]
    key = job.settings.key([one.sha256 for one in inputs], job.stack.series)
    earlier = read_outcome(job.folder, job.stack.name)
    if earlier is not None and earlier.is_whole(key, job.folder, job.outputs):
        return replace(earlier, inputs=inputs)  # only times of the files were other ones
    job.session_path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = job.unfinished_path(key)
    if not unfinished.exists() and earlier is not None and earlier.key == key and _is_ours(job.session_path, earlier):
        job.session_path.replace(unfinished)  # outputs alone are missing
    session = _session(job, unfinished)
    try:
        outcome = _segment(job, session)
        if [stamp_of(path) for path in paths] != [one.stamp for one in inputs]:
            raise AttemptError("the image or its prompts were changed while they were read")
    finally:
        session.close()
    _put_in_place(job, unfinished, earlier)
    return replace(outcome, key=key, inputs=inputs, session_stamp=stamp_of(job.session_path))


def _session(job: StackJob, unfinished: Path) -> Session:
    """Open the session of an earlier attempt, or begin one."""
    source = source_of(job.settings.prompts)
    model = (
        None
        if job.settings.model is None
        else _model(job.settings.model, job.settings.weights_sha256, job.settings.device, job.settings.image_size)
    )
    if unfinished.exists():
        if is_locked(unfinished):
            raise AttemptError("another worker still has the session of this stack open")
        try:
            session = go_on(job.stack, job.settings, model, unfinished)
            if session.objects:
                return session
            session.close()
        except ValueError:  # a power cut can damage a file; all that is lost is time
            pass
        remove(unfinished)
    return source.begin(job.stack, job.settings, model, unfinished)


@functools.lru_cache(maxsize=1)
def _model(name: str, weights_sha256: str, device: str, image_size: int | None) -> SAM2VideoPredictor:
    """Load a model once for all stacks of a worker."""
    keep_freed_memory()
    if file_sha256(find_weights(name)[1]) != weights_sha256:
        raise ClusterError(f"this worker has other weights of {name} than the machine that began the run")
    return load_model(name, device, **({} if image_size is None else {"image_size": image_size}))


def _segment(job: StackJob, session: Session) -> StackOutcome:
    """Propagate what is left, and write the outputs."""
    kept = len({frame for item in session.objects.values() for frame in item.tracked})
    tracked, sentence, now_and_then = set[int](), "", memory_released(session.stack)
    try:
        source = source_of(job.settings.prompts)
        for done in source.track(session, job.settings.direction):
            tracked.add(done.frame)
            now_and_then()
    except FrameReadError as error:
        sentence = str(error)
    result = replace(session.result(), before_plane=now_and_then)
    errors = write_each([job.folder / f"{job.stack.name}{ending}" for ending in job.settings.endings], result)
    if errors:
        raise next(iter(errors.values()))
    write_result(job.folder / f"{job.stack.name}{PICTURE}", result, pictures=NUM_PICTURES, columns=NUM_PICTURES)
    uncertain = [item.uncertainty for item in session.review_queue()]
    return StackOutcome(
        job.stack.name,
        job.stack.path,
        job.stack.series,
        "partly done" if sentence else "done",
        sentence,
        outputs=job.outputs,
        objects=len(session.objects),
        frames=len(session.stack),
        frames_tracked=len(tracked),
        frames_kept=kept,
        mean_uncertainty=sum(uncertain) / max(len(uncertain), 1),
        max_uncertainty=max(uncertain, default=0.0),
        device=session.model.device_kind,
        precision=session.precision,
    )


def _is_ours(path: Path, outcome: StackOutcome | None) -> bool:
    """Return whether a session file is as a run wrote it: nobody worked on it since."""
    return path.exists() and outcome is not None and bool(outcome.session_stamp) and stamp_of(path) == outcome.session_stamp


def _put_in_place(job: StackJob, unfinished: Path, earlier: StackOutcome | None) -> None:
    """Give the session file its name. One there on which somebody worked is kept under another name."""
    final = job.session_path
    if final.exists() and not _is_ours(final, earlier):
        final.replace(final.with_name(f"{Path(job.stack.name).name} before {time.strftime('%Y-%m-%d %H%M%S')}{SUFFIX}"))
    unfinished.replace(final)
    name = glob.escape(Path(job.stack.name).name)
    for left in final.parent.glob(f".{name}-????????????.unfinished{SUFFIX}"):
        if not is_locked(left):
            remove(left)


def _worker() -> str:
    """The address of the worker that this runs on; empty where it is none."""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""
