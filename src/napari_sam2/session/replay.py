"""A new session in which all actions of a log are repeated."""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.checks import check_path
from napari_sam2.images.errors import FrameReadError
from napari_sam2.predictors.device import available_devices
from napari_sam2.session.log.reading import read_document
from napari_sam2.session.log.script import STEP_BY_STEP
from napari_sam2.session.session import Session
from napari_sam2.session.state.calls import LoggedCall, decode
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel

logger = logging.getLogger(__name__)

REPLAYABLE = (
    "add_object",
    "rename_object",
    "set_colour",
    "lock_object",
    "hide_object",
    "remove_object",
    "approve",
    "approve_range",
    "begin_object",
    "end_object",
    "merge_objects",
    "split_object",
    "divide_object",
    "add_points",
    "set_points",
    "change_point",
    "remove_point",
    "add_scribble",
    "add_box",
    "add_mask",
    "add_polygon",
    "remove_box",
    "remove_mask",
    "add_labels",
    "segment_everything",
    "clear_prompts",
    "propagate",
    "track_everything",
    "link_labels",
    "use_model",
)
"""Methods of a session that a log may call."""
VOLUME_FUNCTIONS: dict[str, Callable[..., Any]] = {"fuse_axes": fuse_axes, "propagate_each": propagate_each}
"""Functions on a session that a log may call."""


def replay(
    path: str | Path,
    image: Any = None,
    model: str | Path | AnyModel | None = None,
    *,
    device: str | None = None,
    labels: Any = None,
) -> Session:
    """Begin a new session and repeat in it all actions of a file. The results of the file are not used.

    Parameters
    ----------
    path : str or Path
        A session file, or the log of one as JSON.
    image, labels : optional
        See :meth:`Session.open`.
    model : str, Path or SAM2VideoPredictor, optional
        Any model, for everything; by default those of the session.
    device : str, optional
        By default the kind of device on which the session computed, with as many objects at a time, so that masks are the same to
        the last bit; where it is not here, or with another model, "auto". The precision is always that of the session.

    Returns
    -------
    Session
        It is saved to no file; the latest 200 actions can be undone.

    Raises
    ------
    FileNotFoundError
        If the file, the image or the model are not there.
    ValueError
        If the file is damaged, the image is another, or something cannot be done with this model.
    FrameReadError
        If an action needs a frame that cannot be read.
    """
    session, results = replay_steps(check_path("path", path), image, model, device, labels)
    for _ in results:
        pass
    return session


def replay_steps(
    path: Path,
    image: Any = None,
    model: str | Path | AnyModel | None = None,
    device: str | None = None,
    labels: Any = None,
) -> tuple[Session, Iterator[tuple[int, Any]]]:
    """Begin a new session and repeat in it the actions of a file, step by step.

    Parameters
    ----------
    path, image, model, device, labels
        As for :func:`replay`.

    Returns
    -------
    session : Session
        Nothing is done yet.
    results : iterator
        Does it, and yields the index of the action among all, and what that yields of each frame.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`replay`; of what cannot be done, when it is its turn.
    FrameReadError
        When an action needs a frame that cannot be read: it is named, and what was done up to there stays.
    """
    path = path.absolute()
    document = read_document(path)
    header = document.header
    if model is None and device is None and header.settings.device is not None:
        device = _device_of(header.settings.device)
    session = Session.begin(path, header, header.model, image, model, device, labels, header.settings.max_batch)
    calls = [call for call in document.calls if model is None or call.method != "use_model"]
    return session, _steps(session, calls)


def _device_of(kind: str) -> str | None:
    """Return the kind of device on which a session computed, if there is one here."""
    if kind in available_devices():
        return kind
    logger.warning("the session computed on a device of kind %s, which is not here: masks may differ a little", kind)
    return None


def _steps(session: Session, calls: Sequence[LoggedCall]) -> Iterator[tuple[int, Any]]:
    for index, call in enumerate(calls):
        try:
            for result in replay_call(session, call):
                yield index, result
        except FrameReadError as error:
            rest = len(calls) - index - 1
            undone = f", and the {rest} after it are not done" if rest > 1 else ", and the one after it is not done" if rest else ""
            raise FrameReadError(
                f"action {index + 1} of {len(calls)}, {call.method}, is not done to its end{undone}: {error}"
            ) from error


def replay_call(session: Session, call: LoggedCall) -> Iterator[Any]:
    """Call again, yielding what it yields of each frame; nothing happens before that is asked for.

    Raises
    ------
    ValueError
        If there is no such method, its arguments are others, or it refuses them.
    """
    arguments = {name: decode(value) for name, value in call.arguments.items()}
    steps = arguments.pop("steps", None)
    if call.method in VOLUME_FUNCTIONS:
        method: Callable[..., Any] = partial(VOLUME_FUNCTIONS[call.method], session)
    elif call.method in REPLAYABLE:
        method = getattr(session, call.method)
    else:
        raise ValueError(f"a session has no action {call.method!r}")
    try:
        inspect.signature(method).bind(**arguments)
    except TypeError as error:
        given, taken = ", ".join(arguments) or "no arguments", ", ".join(inspect.signature(method).parameters)
        raise ValueError(f"{call.method} cannot be called with {given}: it takes {taken}") from error
    result = method(**arguments)
    if call.method in STEP_BY_STEP:
        yield from itertools.islice(result, steps)
