"""What a person does with an image from the first click to the exported result, counted and photographed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from kinds_of_images import Kind
from person import LEFT, RIGHT, Person, pause, wait_until

RIGHT_ENOUGH_IOU = 0.8
"""A mask that is as good as this is approved, another one is corrected."""
NUM_REVIEWED = 4


class LoopOfAPerson:
    """Works on an image in a viewer: click, propagate, review, close, open again, export.

    Parameters
    ----------
    kind : Kind
        What is opened.
    make_viewer : callable
        Returns an empty viewer.
    photographs : Path, optional
        A folder for pictures of the window.

    Attributes
    ----------
    person : Person
        At the viewer that is open.
    num_clicks, num_keys : int
        In all viewers that were left, without moving the sliders.
    num_approved, num_corrected, num_ended : int
        What was decided about masks that were reviewed.
    """

    def __init__(self, kind: Kind, make_viewer: Callable[[], Any], photographs: Path | None = None) -> None:
        self.kind = kind
        self.num_clicks = self.num_keys = self.num_approved = self.num_corrected = self.num_ended = 0
        self._make_viewer = make_viewer
        self._photographs = photographs
        self._begun_s = time.monotonic()
        self._open()

    def _open(self) -> None:
        viewer = self._make_viewer()
        self._image = viewer.add_image(self.kind.image, name="image", **self.kind.options)
        if self._image.ndim > 2:
            viewer.dims.set_point(0, float(self._image.data_to_world((0,) * self._image.ndim)[0]))
        _, self.widget = viewer.window.add_plugin_dock_widget("napari-sam2")
        self._controller = self.widget.controller
        self.person = Person(viewer)
        viewer.reset_view()
        self.person.settle()

    def leave(self) -> None:
        """Let go of mouse and keyboard."""
        self.num_clicks += self.person.num_clicks
        self.num_keys += self.person.num_keys
        self.person.leave()

    @property
    def seconds(self) -> float:
        """Since the image was opened."""
        return time.monotonic() - self._begun_s

    # --- what is done ----------------------------------------------------------------------------------------------

    def click_and_propagate(self) -> None:
        """Click on each object, propagate, look at the middle."""
        person, done = self.person, list[int]()
        self._controller.progressed.connect(lambda number, _: done.append(number))
        for at in self.kind.clicks:
            self._go_to(at)
            person.click(self._image.data_to_world(at))
            self._wait()
        self._photograph("1 clicks")
        if self._image.ndim > 2:
            person.press("g")
            wait_until(lambda: bool(self._controller.is_busy))
            if self.kind.num_followed:
                wait_until(lambda: max(done, default=0) >= self.kind.num_followed)
                self._photograph("2 propagating")
                person.press("Escape")
            self._wait()
            self._go_to((len(self.kind.truth) // 2, *self.kind.clicks[0][1:]))
        self._photograph("3 done")

    def review(self) -> None:
        """Look at the most uncertain masks: approve what is right, correct what is not; then propagate again."""
        for number in range(NUM_REVIEWED):
            self.person.press("Next")
            pause(0.1)
            if number == 0:
                self._photograph("4 review")
            shown = self._controller.review.current
            if shown is None:
                break
            self._decide(*shown)
            self._wait()
        self._photograph("5 corrected")
        if self.num_corrected + self.num_ended and self._image.ndim > 2:
            self.person.press("g")
            wait_until(lambda: bool(self._controller.is_busy))
            if self.kind.num_followed:
                pause(3)
                self.person.press("Escape")
            self._wait()

    def _decide(self, object_id: int, frame: int) -> None:
        where = self._where(object_id)
        plane = (frame, *where[1:-2]) if self.kind.truth.ndim > 2 else ()
        truth = self.kind.truth[(frame % len(self.kind.truth), *plane[1:])] if plane else self.kind.truth
        true_mask = truth == self.kind.truth[where]
        labels = np.asarray(self.widget.session.labels[plane])
        mask = labels == object_id
        missing, too_much = true_mask & (labels == 0), mask & ~true_mask
        if not true_mask.any():
            self.person.press("h")
            self.num_ended += 1
        elif _iou(true_mask, mask) >= RIGHT_ENOUGH_IOU or not (missing | too_much).any():
            self.person.press("y")
            self.num_approved += 1
        else:
            is_missing = missing.sum() >= too_much.sum()
            row, column = _deepest(missing if is_missing else too_much)
            at = (frame, *self.kind.clicks[object_id - 1][1:-2], row, column) if plane else (row, column)
            self.person.click(self._image.data_to_world(at), LEFT if is_missing else RIGHT)
            self.num_corrected += 1

    def reopen(self) -> None:
        """Close napari, open it again, and continue."""
        viewer = self.person.viewer
        self.leave()
        viewer.close()
        self._open()
        self._wait()
        self._photograph("6 opened again")
        self.person.click_on(self.person.button("Continue where you were"))
        self._wait()
        self._photograph("7 continued")

    def export(self, folder: Path) -> Path:
        """Write the labels by the menu of exports to the home folder, which the environment says; return the file."""
        path = folder / "image.ome.tif"
        self.person.choose(self.person.button("Export"), "Labels as OME-TIFF", path.exists)
        self._wait()
        self._photograph("8 exported")
        return path

    # --- what came of it -------------------------------------------------------------------------------------------

    def state(self) -> tuple[npt.NDArray[np.uint16], int, int]:
        """Return the labels, (…, H, W), of the frames that truth has, the number of objects, and of what can be undone."""
        session = self.widget.session
        labels = np.asarray(session.labels[: len(self.kind.truth)] if self.kind.truth.ndim > 2 else session.labels)
        return labels.reshape(self.kind.truth.shape), len(session.objects), len(session.state.history.done)

    def scores(self) -> list[float]:
        """Return the intersection over union of each object with the true one, over all frames that were done."""
        labels = self.state()[0]
        has_frames = self.kind.truth.ndim > 2
        done = [frame for frame in range(len(labels)) if labels[frame].any()] if has_frames else slice(None)
        found, truth = labels[done], self.kind.truth[done]
        scores = []
        for number in range(1, len(self.kind.clicks) + 1):
            # an object is followed along the frames at its position on other axes
            where = self._where(number)
            plane = (slice(None), *where[1:-2]) if has_frames else ()
            scores.append(_iou((truth == self.kind.truth[where])[plane], (found == number)[plane]))
        return scores

    def _where(self, number: int) -> tuple[int, ...]:
        """Return where in the true labels, which have no channels, the click on an object is."""
        at = self.kind.clicks[number - 1]
        return tuple(int(one) for one in (at if len(at) == self.kind.truth.ndim else (at[0], *at[2:])))

    # --- parts -----------------------------------------------------------------------------------------------------

    def _go_to(self, at: tuple[float, ...]) -> None:
        for axis in range(len(at) - 2):
            self.person.viewer.dims.set_point(axis, float(self._image.data_to_world(at)[axis]))
        pause(0.05)

    def _wait(self) -> None:
        wait_until(lambda: bool(self._controller.is_idle), 600)

    def _photograph(self, name: str) -> None:
        pause(0.3)
        if self._photographs is not None:
            self._photographs.mkdir(parents=True, exist_ok=True)
            self.person.photograph(self._photographs / f"{name}.png")


def _iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def _deepest(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    distances = ndimage.distance_transform_edt(np.pad(mask, 1))
    row, column = np.unravel_index(distances.argmax(), distances.shape)
    return float(row - 1), float(column - 1)
