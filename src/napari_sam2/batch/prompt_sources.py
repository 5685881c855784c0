"""Where the prompts of each stack of a run come from: a label image or a session file beside it, or one prompts file for all; or
nowhere, where everything is tracked.

A further source is a class as :class:`PromptSource` has it, and an entry of :data:`SOURCES`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from napari_sam2.batch.memory import labels_of_worker
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import LABELS, StackFile
from napari_sam2.images.label_images import as_labels, check_fit, open_labels
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.editing.everything import NothingFoundError
from napari_sam2.session.prompts_file import add_prompts, files_of_prompts, read_prompts
from napari_sam2.session.propagation.plan import Direction
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.readable_frames import propagate_readable
from napari_sam2.session.session import Session
from napari_sam2.session.store.database import copy_session_file, open_to_read
from napari_sam2.session.store.refusals import SUFFIX
from napari_sam2.session.store.session_store import read_header
from napari_sam2.session.store.temporary import new_partial, remove

LABEL_ENDINGS = (".tif", ".tiff", ".ome.tif", ".zarr", ".ome.zarr")


class PromptSource(Protocol):
    """Gives the prompts of a stack."""

    @property
    def has_own_settings(self) -> bool:
        """Model and settings come with the prompts."""
        ...

    def files(self, stack: StackFile) -> list[Path]:
        """Return the files that the prompts lie in.

        Raises
        ------
        FileNotFoundError, ValueError
            If there are none.
        """
        ...

    def begin(self, stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Session:
        """Return a session with the prompts, which is saved to a path; if that fails, nothing is there."""
        ...

    def track(self, session: Session, direction: Direction) -> Iterator[FrameResult]:
        """Track what is left of a session, frame by frame.

        Raises
        ------
        FrameReadError
            At the end, if a frame could not be read.
        """
        ...


class Propagated:
    """Objects are propagated from their prompts."""

    def track(self, session: Session, direction: Direction) -> Iterator[FrameResult]:
        """See :class:`PromptSource`."""
        return propagate_readable(session, direction)


@dataclass(frozen=True)
class PromptsOfLabels(Propagated):
    """A label image: each value is an object, and its mask on each frame of the label image is a prompt.

    It is ``movie.labels.tif`` beside ``movie.tif``, or the one label image in an OME-Zarr. A single plane is of the first frame.
    """

    has_own_settings = False

    def files(self, stack: StackFile) -> list[Path]:
        """See :class:`PromptSource`."""
        inside = Path(stack.path) / "labels"
        beside = [Path(f"{stack.beside}{LABELS}{ending}") for ending in LABEL_ENDINGS]
        found = [path for path in (*beside, inside) if path.exists()]
        if not found:
            where = f", nor labels in {Path(stack.path).name}" if Path(stack.path).is_dir() else ""
            raise FileNotFoundError(f"there is no label image {beside[0]}{where}")
        if len(found) > 1:
            raise ValueError(f"there are {found[0]} and {found[1]}: which of them holds the prompts is not clear")
        return found

    def begin(self, stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Session:
        """See :class:`PromptSource`."""
        (file,) = self.files(stack)
        with _begun(stack, settings, model, path) as session:
            labels = open_labels(file)
            if len(labels) > 1 or labels.frames.shape[1:3] != session.stack.frames.shape[1:3]:
                check_fit(session.stack, labels, Path(stack.path), file)
            for frame in range(len(labels)):
                plane = as_labels(np.asarray(labels.frames[frame]), file)
                known = [int(value) for value in np.unique(plane) if value in session.objects]
                new = [int(value) for value in np.unique(plane) if value and value not in session.objects]
                if new:
                    session.add_labels(plane, frame, new)
                for value in known:
                    session.add_mask(value, frame, plane == value)
            if not session.objects:
                raise ValueError(f"{file} holds no label")
            return session


@dataclass(frozen=True)
class PromptsOfSession(Propagated):
    """A session file, ``movie.sam2`` beside ``movie.tif``: its objects, prompts, tracks, model and settings."""

    has_own_settings = True

    def files(self, stack: StackFile) -> list[Path]:
        """See :class:`PromptSource`."""
        path = Path(f"{stack.beside}{SUFFIX}")
        if not path.exists():
            raise FileNotFoundError(f"there is no session file {path}")
        unwritten = path.with_name(f"{path.name}-wal")
        return [path, unwritten] if unwritten.exists() else [path]

    def begin(self, stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Session:
        """See :class:`PromptSource`."""
        file, *_ = self.files(stack)
        partial = new_partial(path)
        try:
            copy_session_file(file, partial)
            partial.replace(path)
        finally:
            remove(partial)
        return go_on(stack, settings, model, path)


@dataclass(frozen=True)
class PromptsOfFile(Propagated):
    """One prompts file for all stacks, which ends in ``.json``."""

    path: Path
    has_own_settings = False

    def files(self, stack: StackFile) -> list[Path]:  # noqa: ARG002  # the same for all
        """See :class:`PromptSource`."""
        return files_of_prompts(self.path)

    def begin(self, stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Session:
        """See :class:`PromptSource`."""
        with _begun(stack, settings, model, path) as session:
            add_prompts(session, read_prompts(self.path, session.stack))
            return session


@dataclass(frozen=True)
class NoPrompts:
    """Everything in a stack is tracked without a prompt, see :meth:`~napari_sam2.session.session.Session.track_everything`."""

    has_own_settings = False

    def files(self, stack: StackFile) -> list[Path]:  # noqa: ARG002  # there are none
        """See :class:`PromptSource`."""
        return []

    def begin(self, stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Session:
        """See :class:`PromptSource`."""
        with _begun(stack, settings, model, path) as session:
            return session

    def track(self, session: Session, direction: Direction) -> Iterator[FrameResult]:  # noqa: ARG002  # there is one
        """See :class:`PromptSource`."""
        try:
            yield from session.track_everything()
        except NothingFoundError as error:
            raise ValueError(
                "nothing was found on any frame: try other intensities (--window or --intensity-range) or another --model, or give "
                "prompts (--prompts-from)"
            ) from error


SOURCES: dict[str, PromptSource] = {"labels": PromptsOfLabels(), "session": PromptsOfSession(), "everything": NoPrompts()}
"""Sources by name; what is not among them is the path of a prompts file."""


def source_of(text: str) -> PromptSource:
    """Return the source that somebody named.

    Raises
    ------
    ValueError
        If there is none of that name, and it is no prompts file.
    """
    if text in SOURCES:
        return SOURCES[text]
    if Path(text).suffix.lower() != ".json":
        raise ValueError(f"prompts come from {', '.join(SOURCES)}, or a prompts file that ends in .json, got {text!r:.80}")
    return PromptsOfFile(Path(text))


def go_on(stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Session:
    """Open the session of a stack that was begun before."""
    with contextlib.closing(open_to_read(path)) as database:
        labels = labels_of_worker(read_header(database).blank_stack())
    return Session.open(path, Path(stack.path), model, device=settings.device, labels=labels)


@contextlib.contextmanager
def _begun(stack: StackFile, settings: BatchSettings, model: SAM2VideoPredictor | None, path: Path) -> Iterator[Session]:
    """Begin a session, saved before it has objects; all of its prompts are one action, so that there are none or all."""
    image = Stack.open(Path(stack.path), series=stack.series, **settings.stack_arguments())
    labels = labels_of_worker(image)
    session = Session(image, model=model or settings.model or "", labels=labels, **settings.session_arguments())
    try:
        session.save(path)
        with session.grouped():
            yield session
    except BaseException:
        session.close()
        remove(path)
        raise
