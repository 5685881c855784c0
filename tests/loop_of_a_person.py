"""What a person does with an image from the first click to the exported result, counted and photographed; see ``seven_kinds``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from person import Person, pause, wait_until
from seven_kinds import Kind


@dataclass
class Loop:
    """What it took, and what came of it.

    Attributes
    ----------
    num_actions : int
        Clicks and keys, without moving the sliders.
    num_objects : int
        Objects that were to be followed.
    intersections_over_unions : list of float
        Of each object with the true one, over all frames that were done.
    """

    num_actions: int
    num_objects: int
    intersections_over_unions: list[float]


def work_through(kind: Kind, viewer: Any, photographs: Path | None = None) -> Loop:
    """Click on each object, propagate, look at the middle; return what it took.

    Parameters
    ----------
    kind : Kind
        What is opened.
    viewer : Viewer
        Empty.
    photographs : Path, optional
        A folder for pictures of the window: after the clicks, while it propagates, at the end.
    """
    image = viewer.add_image(kind.image, name="image", **kind.options)
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2")
    person = Person(viewer)
    viewer.reset_view()
    person.settle()
    try:
        return _work_through(kind, person, widget, image, photographs)
    finally:
        person.leave()


def _work_through(kind: Kind, person: Person, widget: Any, image: Any, photographs: Path | None) -> Loop:
    def photograph(name: str) -> None:
        if photographs is not None:
            photographs.mkdir(parents=True, exist_ok=True)
            person.photograph(photographs / f"{name}.png")

    controller, done = widget.controller, list[int]()
    controller.progressed.connect(lambda number, _: done.append(number))
    for at in kind.clicks:
        for axis in range(len(at) - 2):
            person.viewer.dims.set_point(axis, float(image.data_to_world(at)[axis]))
        pause(0.05)
        person.click(image.data_to_world(at))
        wait_until(lambda: bool(controller.is_idle))
    photograph("1 clicks")
    if image.ndim > 2:
        person.press("g")
        wait_until(lambda: bool(controller.is_busy))
        if kind.num_followed:
            wait_until(lambda: max(done, default=0) >= kind.num_followed)
            photograph("2 propagating")
            person.press("Escape")
        wait_until(lambda: bool(controller.is_idle), 300)
        person.viewer.dims.set_point(0, float(image.data_to_world([len(kind.truth) // 2, *kind.clicks[0][1:]])[0]))
    pause(0.3)
    photograph("3 done")
    return Loop(person.num_actions, len(kind.clicks), _scores(kind, widget))


def _scores(kind: Kind, widget: Any) -> list[float]:
    session = widget.session
    num_frames = len(kind.truth)
    labels = np.asarray(session.labels[:num_frames] if kind.truth.ndim > 2 else session.labels).reshape(kind.truth.shape)
    has_frames = kind.truth.ndim > 2
    done = [frame for frame in range(num_frames) if labels[frame].any()] if has_frames else slice(None)
    found, truth = labels[done], kind.truth[done]
    scores = []
    for number, at in enumerate(kind.clicks, 1):
        # channels have no part in labels, and an object is followed along the frames at its position on other axes
        where = tuple(int(one) for one in (at if len(at) == kind.truth.ndim else (at[0], *at[2:])))
        plane = (slice(None), *where[1:-2]) if has_frames else ()
        true_mask, mask = (truth == kind.truth[where])[plane], (found == number)[plane]
        scores.append(float((true_mask & mask).sum() / max((true_mask | mask).sum(), 1)))
    return scores
