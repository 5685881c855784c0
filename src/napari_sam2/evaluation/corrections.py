"""How many clicks an object needs: a person who corrects, simulated by the interactive protocol of the SAM 2 paper.

T frames · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_sam2.evaluation.agreement import boundary_f, iou
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.simulated_prompts import KINDS, correction_click, prompt_of, promptable
from napari_sam2.session.prompts_file import add_prompts
from napari_sam2.session.session import Session

PROTOCOLS = ("offline", "online")
CLICKS_PER_FRAME, MAX_CLICKS = 3, 24
PAUSE_BELOW = 0.75
"""IoU of a frame at which the online protocol stops to correct."""
TARGETS = (0.75, 0.90)


@dataclass(frozen=True)
class Round:
    """What is reached when one more frame is annotated; on a single image, with one more click.

    Attributes
    ----------
    frame : int
        The frame that was clicked on.
    clicks : int
        Clicks so far, this frame's included; a box or a mask counts as one.
    mean_iou, boundary_f : float
        J and F: means from the object's first to its last true frame.
    """

    frame: int
    clicks: int
    mean_iou: float
    boundary_f: float

    @property
    def j_and_f(self) -> float:
        """Mean of J and F."""
        return (self.mean_iou + self.boundary_f) / 2


@dataclass(frozen=True)
class CorrectedObject:
    """One object, round by round."""

    object_id: int
    rounds: tuple[Round, ...]

    def clicks_to(self, target: float) -> int | None:
        """Return after how many clicks the mean IoU reaches a target; None if it does not."""
        return next((done.clicks for done in self.rounds if done.mean_iou >= target), None)

    def after(self, rounds: int) -> Round:
        """Return what is reached when at most so many rounds are allowed: an object that needs fewer keeps its last one."""
        return self.rounds[min(rounds, len(self.rounds)) - 1]


@dataclass(frozen=True)
class Corrections:
    """A data set's objects, corrected."""

    dataset: str
    protocol: str
    max_clicks: int
    objects: tuple[CorrectedObject, ...]

    @classmethod
    def joined(cls, parts: Sequence[Corrections]) -> Corrections:
        """Return what was reached on all images of a collection as one; each object counts once."""
        return replace(parts[0], objects=tuple(item for part in parts for item in part.objects))

    def summary(self) -> dict[str, str | int | float | list[float]]:
        """Return clicks needed, and the means of IoU and J&F after 1, 2, ... rounds.

        Returns
        -------
        dict
            For each target, ``clicks_to_…``, the mean over objects in which one that does not reach it counts with ``max_clicks``,
            and ``not_reached_…``, how many do not; ``mean_iou`` and ``j_and_f``, the curves.
        """
        summary: dict[str, str | int | float | list[float]] = {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "max_clicks": self.max_clicks,
        }
        for target in TARGETS:
            needed = [item.clicks_to(target) for item in self.objects]
            clicks = [self.max_clicks if count is None else count for count in needed]
            summary[f"clicks_to_{target:.2f}"] = round(float(np.mean(clicks)), 2)
            summary[f"not_reached_{target:.2f}"] = needed.count(None)
        longest = max(len(item.rounds) for item in self.objects)
        reached = [[item.after(rounds) for item in self.objects] for rounds in range(1, longest + 1)]
        summary["mean_iou"] = [round(float(np.mean([done.mean_iou for done in each])), 4) for each in reached]
        summary["j_and_f"] = [round(float(np.mean([done.j_and_f for done in each])), 4) for each in reached]
        return summary


def simulate_corrections(
    session: Session, dataset: Dataset, protocol: str = "offline", max_clicks: int = MAX_CLICKS, kind: str = "point"
) -> Iterator[Corrections | int]:
    """Click on each object until its masks are right, or ``max_clicks`` are spent; each object by itself.

    Parameters
    ----------
    session : Session
        On the data set's image, without objects. Objects are added and removed.
    dataset : Dataset
        The data.
    protocol : {"offline", "online"}
        Which frame is annotated next. ``offline``: after each pass, the one with the lowest IoU, before or after those annotated.
        ``online``: in one pass, from the first prompted frame to the end (and in a volume then to its start), the next frame
        whose IoU is below 0.75; frames already passed stay as they are.
    max_clicks : int
        For each object. Three clicks are made on a frame, fewer if the mask is right before. On a single image, where the
        protocols are the same, they are counted one by one.
    kind : {"point", "box", "mask"}
        What comes first on each frame: a click, the box of the object, or its mask. Clicks follow.

    Yields
    ------
    int, then Corrections
        Each finished frame, and at the end the result.

    Raises
    ------
    ValueError
        If there is no such protocol or kind, no click is allowed, or no object can be prompted.

    Notes
    -----
    Ravi et al. 2024, section 6.1 and appendix F.1: N_click = 3, the first click at the centre of the object, the following at the
    centre of the error, N_frame = 1 .. 8; hence 24. The online curve is that of eight runs, each allowed one frame more: the
    propagation after the last of n frames is what the next run starts from when it corrects the frame at fault.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be offline or online, got {protocol!r}")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if max_clicks < 1:
        raise ValueError(f"at least one click is needed to find an object, got {max_clicks}")
    objects = []
    for object_id in promptable(dataset):
        annotation = _Annotation(session, dataset, object_id, protocol, kind)
        yield from annotation.run(max_clicks)
        objects.append(CorrectedObject(object_id, tuple(annotation.rounds)))
    yield Corrections(dataset.name, protocol, max_clicks, tuple(objects))


class _Annotation:
    """One object while it is annotated."""

    def __init__(self, session: Session, dataset: Dataset, object_id: int, protocol: str, kind: str) -> None:
        self.session, self.dataset, self.object_id, self.kind = session, dataset, object_id, kind
        is_single_image = len(dataset.truth) == 1
        self.is_online = protocol == "online" and not is_single_image
        self.clicks_per_round = 1 if is_single_image else CLICKS_PER_FRAME
        self.anchor = dataset.anchors[object_id]
        span = dataset.span(object_id)
        self.order = [*range(self.anchor, span.stop), *range(self.anchor - 1, span.start - 1, -1)]
        self.ious: dict[int, float] = {}
        self.fs: dict[int, float] = {}
        self.rounds: list[Round] = []

    def run(self, max_clicks: int) -> Iterator[int]:
        self.session.add_object(object_id=self.object_id)
        frame: int | None = self.anchor
        clicks = 0
        while frame is not None and clicks < max_clicks:
            clicks += self._click(frame, min(self.clicks_per_round, max_clicks - clicks))
            yield from self._propagate(frame)
            means = (float(np.mean(list(scores.values()))) for scores in (self.ious, self.fs))
            self.rounds.append(Round(frame, clicks, *means))
            frame = self._next_frame(frame)
        self.session.remove_object(self.object_id)

    def _click(self, frame: int, count: int) -> int:
        """Click until the mask is right, on a new frame after a box or a mask if that comes first; return how often."""
        truth, first = self.dataset.mask(self.object_id, frame), 0
        if self.kind != "point" and truth.any() and all(done.frame != frame for done in self.rounds):
            add_prompts(self.session, [prompt_of(self.object_id, frame, truth, self.kind)])
            first = 1
        found = self.session.mask(self.object_id, frame)
        for done in range(first, count):
            click = correction_click(truth, found)
            if click is None:
                return done
            found = self.session.add_points(self.object_id, frame, [(click.row, click.col)], [int(click.is_inside)])
        return count

    def _propagate(self, frame: int) -> Iterator[int]:
        frames = self.order[self.order.index(frame) + 1 :] if self.is_online else self.order
        self._score(frame)
        for result in self.session.propagate(objects=[self.object_id], frames=frames):
            self._score(result.frame)
            yield result.frame

    def _score(self, frame: int) -> None:
        pair = self.dataset.mask(self.object_id, frame), self.session.mask(self.object_id, frame)
        self.ious[frame], self.fs[frame] = iou(*pair), boundary_f(*pair)

    def _next_frame(self, frame: int) -> int | None:
        if self.is_online:
            later = self.order[self.order.index(frame) + 1 :]
            return next((t for t in later if self.ious[t] < PAUSE_BELOW), None)
        wrong = [t for t in self.order if self.ious[t] < 1]
        annotated = {done.frame for done in self.rounds}
        # One new frame in each pass; if there is no other, annotated frames are clicked on again.
        return min([t for t in wrong if t not in annotated] or wrong, key=self.ious.__getitem__, default=None)
