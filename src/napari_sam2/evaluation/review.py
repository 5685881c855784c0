"""Simulates a person who reviews the most uncertain frames of a stack, round by round.

T frames · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from napari_sam2.evaluation.agreement import iou
from napari_sam2.evaluation.corrections import CLICKS_PER_FRAME, PAUSE_BELOW
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation, score
from napari_sam2.evaluation.simulated_prompts import correction_click, simulated_prompts
from napari_sam2.session.session import Session


@dataclass(frozen=True)
class ReviewedFrame:
    """An object on a frame, before and after its review.

    Attributes
    ----------
    round : int
        Counted from 1.
    object_id, frame : int
        The object and the frame.
    are_inside : tuple of bool
        Whether each click was inside the object; empty where the mask had no error and was approved.
    before, after : float
        IoU with the truth.
    """

    round: int
    object_id: int
    frame: int
    are_inside: tuple[bool, ...]
    before: float
    after: float


@dataclass(frozen=True)
class Review:
    """A data set, reviewed.

    Attributes
    ----------
    dataset : str
        Its name.
    mean_ious : tuple of float
        IoU after 0, 1, 2, ... rounds: mean over each object's true frames, then over objects.
    object_ious : dict
        The same of each object, by its id.
    reviewed : tuple of ReviewedFrame
        In order.
    """

    dataset: str
    mean_ious: tuple[float, ...]
    object_ious: dict[int, tuple[float, ...]]
    reviewed: tuple[ReviewedFrame, ...]


def simulate_review(
    session: Session, dataset: Dataset, kind: str = "point", rounds: int = 10, max_clicks: int = CLICKS_PER_FRAME
) -> Iterator[Review | int]:
    """Prompt and propagate all objects; then, in each round, correct each of them on its most uncertain frame.

    Parameters
    ----------
    session : Session
        On the data set's image, without objects.
    dataset : Dataset
        The data.
    kind : {"point", "box", "mask"}
        How each object is prompted.
    rounds : int
        How often.
    max_clicks : int
        On a frame. The person clicks again as long as the mask is plainly wrong, its IoU below 0.75.

    Yields
    ------
    int, then Review
        Each frame that is done, and at the end what was reached.

    Raises
    ------
    ValueError
        If there is no such kind, no object that can be prompted, or not even one round.

    Notes
    -----
    The frame is the most uncertain one of the object, the first that :meth:`Session.review_queue` lists of it; the truth has no
    part in that choice. There the person clicks, each time on the centre of the largest error, or approves a mask without error. At
    the end of a round all that can have changed is propagated again: each object between the neighbouring anchors.
    """
    if rounds < 1:
        raise ValueError(f"a review takes at least one round, got {rounds}")
    entries = simulated_prompts(dataset, kind)
    reached: list[Evaluation] = []
    reviewed: list[ReviewedFrame] = []
    for step in prompt_and_score(session, dataset, kind):
        if isinstance(step, Evaluation):
            reached.append(step)
        else:
            yield step
    for number in range(1, rounds + 1):
        found = (_review(session, dataset, entry.object_id, number, max_clicks) for entry in entries)
        reviewed += [one for one in found if one is not None]
        for result in session.propagate():
            yield result.frame
        reached.append(score(dataset, entries, session.labels))
    by_object = zip(*(evaluation.objects for evaluation in reached), strict=True)
    object_ious = {rows[0].object_id: tuple(row.mean for row in rows) for rows in by_object}
    yield Review(dataset.name, tuple(evaluation.mean_iou for evaluation in reached), object_ious, tuple(reviewed))


def _review(session: Session, dataset: Dataset, object_id: int, number: int, max_clicks: int) -> ReviewedFrame | None:
    """Review the most uncertain frame of an object; None where all frames are anchors."""
    # not by the queue, which looks at all other objects too
    uncertain = {frame: one.uncertainty for frame, one in session.quality(object_id).items() if not one.is_anchor}
    if not uncertain:
        return None
    frame = min(uncertain, key=lambda t: (-uncertain[t], t))
    truth, found = dataset.mask(object_id, frame), session.mask(object_id, frame)
    corrected, clicks = found, list[bool]()
    while len(clicks) < (max_clicks if iou(truth, corrected) < PAUSE_BELOW else 1):
        click = correction_click(truth, corrected)
        if click is None:
            break
        corrected = session.add_points(object_id, frame, [(click.row, click.col)], [int(click.is_inside)])
        clicks.append(click.is_inside)
    if not clicks:
        session.approve(object_id, frame)
    return ReviewedFrame(number, object_id, frame, tuple(clicks), iou(truth, found), iou(truth, corrected))
