"""The session of one image, as the worker uses it: opened when first needed, and told what the clicks say."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam2.plugin.prompt_layers import Click, Place, Prompts
from napari_sam2.plugin.runner import Report

if TYPE_CHECKING:
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
    from napari_sam2.session.propagation.plan import Direction
    from napari_sam2.session.session import Session


@dataclass(frozen=True)
class SessionRequest:
    """What a session is to be opened on.

    Attributes
    ----------
    image : array-like
        Frames, as :class:`~napari_sam2.session.session.Session` takes them.
    axes : str
        Of the image.
    labels : ndarray
        Receives the result.
    model : str
        Name of the model.
    """

    image: Any
    axes: str
    labels: Any
    model: str

    def is_same(self, other: SessionRequest | None) -> bool:
        """Tell whether a session opened on the other serves here too."""
        return other is not None and self.image is other.image and self.labels is other.labels and self.model == other.model


@dataclass(frozen=True)
class FrameDone:
    """A frame was written; None stands for any of them.

    Attributes
    ----------
    frame : int or None
        Which.
    done, total : int
        Frames of this propagation; 0 where it is none.
    object_id : int or None
        The object that was clicked on.
    area_px : int
        Its size there.
    """

    frame: int | None
    done: int = 0
    total: int = 0
    object_id: int | None = None
    area_px: int = 0


@dataclass(frozen=True)
class PromptRejected:
    """Something was said that the session cannot make sense of."""

    reason: str


class OpenSession(Protocol):
    """Opens sessions."""

    def load(self, model: str) -> Any:
        """Load a model beforehand, while the person looks for the first object."""

    def __call__(self, order: SessionRequest) -> Session:
        """Open a session."""


class SessionOpener:
    """Opens sessions; the latest model is kept, since loading it takes longer than everything else."""

    def __init__(self) -> None:
        self._loaded: tuple[str, SAM2VideoPredictor] | None = None

    def load(self, model: str) -> SAM2VideoPredictor:
        """Load a model, unless it is the latest one."""
        # here and not above: torch is imported on the worker, not when the widget is opened
        from napari_sam2.predictors.build import load_model

        if self._loaded is None or self._loaded[0] != model:
            self._loaded = None  # two large models need not fit into memory
            self._loaded = (model, load_model(model))
        return self._loaded[1]

    def __call__(self, order: SessionRequest) -> Session:
        """Open a session."""
        from napari_sam2.session.session import Session

        return Session(order.image, order.axes, self.load(order.model), labels=order.labels)


class WorkerSession:
    """The session of one image. All methods belong to the worker."""

    def __init__(self, open_session: OpenSession) -> None:
        self._open_session = open_session
        self._opened_on: SessionRequest | None = None
        self._session: Session | None = None
        self._told: dict[Place, tuple[Click, ...]] = {}
        self._refused: dict[Place, tuple[Click, ...]] = {}
        self._said_before: list[Callable[[Session], Any]] = []

    def open(self, order: SessionRequest) -> Session:
        """Open the session, or return the one that is open.

        With another model, or other labels, a session begins anew. It knows the objects of the one before and what was said about
        them, also at the console; the file that was saved to stays as it is.
        """
        if self._session is None or not order.is_same(self._opened_on):
            if self._session is not None:
                self._said_before = _all_said(self._session)
                self._session.close()
                self._session = None  # two large models need not fit into memory
            session = self._open_session(order)
            for say in self._said_before:
                say(session)
            self._session, self._opened_on, self._said_before = session, order, []
            self._refused.clear()
        return self._session

    @property
    def session(self) -> Session | None:
        """The session that is open, if one is. To be used while the worker rests."""
        return self._session

    @property
    def colours(self) -> dict[int, str | None]:
        """The colour of each object, ``#rrggbb``, or None where none was chosen. To be read while the worker rests."""
        return {} if self._session is None else {item.object_id: item.info.colour for item in self._session.objects.values()}

    def tell(self, order: SessionRequest, wanted: Prompts, report: Report) -> None:
        """Make the session know what is wanted, and no more of what it was told before."""
        session = self.open(order)
        failed: Exception | None = None
        gone = sorted(self._told.keys() - wanted.keys())
        for place in [*gone, *wanted]:
            clicks = wanted.get(place, ())
            if self._refused.get(place) == clicks:
                continue
            self._refused.pop(place, None)
            try:
                self._say(session, place, clicks, report)
            except ValueError as error:
                self._refused[place] = clicks
                report(PromptRejected(str(error)))
            except Exception as error:  # a frame that cannot be read keeps no other click from being answered
                failed = failed or error
        if failed is not None:
            raise failed

    def _say(self, session: Session, place: Place, clicks: tuple[Click, ...], report: Report) -> None:
        told, known = self._told.get(place, ()), _clicks_known(session, place)
        # what was said elsewhere, such as at the console, is neither taken back nor said again
        others = _without(known, told)
        if not clicks:
            if len(others) < len(known):
                _take_back(session, place, told, others)
                report(FrameDone(None))
            self._told.pop(place, None)
            return
        is_all_known = len(others) + len(told) == len(known)
        if is_all_known and told == clicks:
            return
        if place.object_id not in session.objects:
            session.add_object(object_id=place.object_id)
        is_longer = is_all_known and told == clicks[: len(told)]
        say, new = (session.add_points, clicks[len(told) :]) if is_longer else (session.set_points, (*others, *clicks))
        mask = say(*place, [click[:2] for click in new], [int(click.is_inside) for click in new])
        self._told[place] = clicks
        report(FrameDone(place.frame, object_id=place.object_id, area_px=int(mask.sum())))

    def propagate(self, order: SessionRequest, wanted: Prompts, direction: Direction, report: Report) -> None:
        """Carry all objects through the stack."""
        self._refused.clear()  # an object may have been unlocked meanwhile
        self.tell(order, wanted, report)
        session = self.open(order)
        total = len(session.plan(direction))
        with contextlib.closing(session.propagate(direction)) as results:
            for done, result in enumerate(results, 1):
                if not report(FrameDone(result.frame, done, total)):
                    break
        # where nothing was shown before, a click outside may make sense now
        self._refused.clear()


def _clicks_known(session: Session, place: Place) -> tuple[Click, ...]:
    if place.object_id not in session.objects or place.frame not in session.objects[place.object_id].prompts:
        return ()
    prompts = session.objects[place.object_id].prompts[place.frame]
    return tuple(Click(row, col, bool(label)) for (row, col), label in zip(prompts.points_rc, prompts.labels, strict=True))


def _without(clicks: Iterable[Click], some: Iterable[Click]) -> list[Click]:
    left = list(clicks)
    for click in some:
        if click in left:
            left.remove(click)
    return left


def _take_back(session: Session, place: Place, clicks: Iterable[Click], others: list[Click]) -> None:
    """Take clicks back; whatever else was said on the frame stays."""
    prompts = session.objects[place.object_id].prompts[place.frame]
    if others:
        session.set_points(*place, [click[:2] for click in others], [int(click.is_inside) for click in others])
    elif prompts.box_rc is None and prompts.mask is None:
        session.clear_prompts(*place)
    else:
        for click in clicks:
            session.remove_point(*place, _clicks_known(session, place).index(click))


def _all_said(session: Session) -> list[Callable[[Session], Any]]:
    """Tell how to say to another session what one knows."""
    say: list[Callable[[Session], Any]] = []
    for object_id, item in session.objects.items():
        say.append(methodcaller("add_object", item.info.name, object_id, item.info.colour))
        for frame, prompts in item.prompts.items():
            if prompts.mask is not None:
                say.append(methodcaller("add_mask", object_id, frame, prompts.mask))
            if prompts.box_rc is not None:
                say.append(methodcaller("add_box", object_id, frame, prompts.box_rc))
            if prompts.points_rc:
                say.append(methodcaller("add_points", object_id, frame, prompts.points_rc, prompts.labels))
    return say
