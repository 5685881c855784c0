"""The results of a session: labels, masks, scores, exports.

H, W height and width of a frame · S side of the model's input.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import check_path, check_sizes, check_wholes, shown
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration, calibration_of
from napari_sam2.images.intensity import IntensityRange
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.labels.label_writer import LabelWriter
from napari_sam2.session.review.quality import FrameQuality, masks_of, qualities
from napari_sam2.session.review.queue import ReviewItem, review_items
from napari_sam2.session.state.objects import hidden_ids, shown_on
from napari_sam2.session.state.session_state import SessionState, StateChange

logger = logging.getLogger(__name__)


class Results:
    """The results of a session.

    Parameters
    ----------
    state : SessionState
        The state of the session.
    in_use : ModelInUse
        The model of the session.
    segmenter : PromptSegmenter
        Enlarges masks to the size of the data.
    labels : array-like, optional
        Receives the label image, see :class:`~napari_sam2.session.labels.label_writer.LabelWriter`.
    intensity_ranges : sequence of tuple of float, or None
        Intensities that become black and white in movies.
    files : callable
        Returns the file of the image and that of the session, or None for either: they are not overwritten.
    """

    def __init__(
        self,
        state: SessionState,
        in_use: ModelInUse,
        segmenter: PromptSegmenter,
        labels: Any,
        intensity_ranges: Sequence[IntensityRange] | None,
        files: Callable[[], tuple[Path | None, Path | None]],
    ) -> None:
        self._state = state
        self._in_use = in_use
        self._stack = in_use.stack
        self._segmenter = segmenter
        self._writer = LabelWriter(in_use.stack, labels)
        self._intensity_ranges = intensity_ranges
        self._files = files
        self._undrawn = set[int]()

    @property
    def labels(self) -> Any:
        """The label image."""
        self.draw_frames(self.undrawn)
        return self._writer.labels

    @property
    def labels_drawn(self) -> Any:
        """The label image, without the labels of :attr:`undrawn` frames."""
        return self._writer.labels

    @property
    def undrawn(self) -> frozenset[int]:
        """Frames whose labels are not written yet, of a session that was opened to draw them later."""
        return frozenset(self._undrawn)

    def draw(self, change: StateChange) -> None:
        """Write the labels that changed."""
        self._draw(change.frames, change.positions)

    def draw_later(self) -> None:
        """Note that the labels of all frames with a record are to be written; those of other positions are at once."""
        self._undrawn = set[int]().union(*(item.shown_frames() for item in self._state.objects.values()))
        self._draw((), self._state.positions)

    def draw_frames(self, frames: Iterable[int]) -> None:
        """Write the labels of those of some frames that are not written yet.

        Raises
        ------
        ValueError
            If there is no such frame.
        OSError
            If a record cannot be read back, or the labels cannot be written.
        SessionBusyError
            If another thread is using the session.
        """
        wanted = {self._stack.check_frame(frame) for frame in check_wholes("frames", frames)}
        if left := self._undrawn & wanted:
            with self._state.history.working():
                self._draw(left, ())

    def _draw(self, frames: Iterable[int], positions: Iterable[int]) -> None:
        """Write the labels of frames, and those of other positions."""
        for frame in sorted(frames):
            self._writer.write(frame, shown_on(frame, self._state.objects.values()))
            self._undrawn.discard(frame)
        hidden = hidden_ids(self._state.infos)
        for number in sorted(positions):
            self._writer.write_position(self._stack.position_of_number(number), self._state.positions.get(number), hidden)

    def export(self, *paths: str | Path, pixel_size: float | Sequence[float] | None = None, interval: float | None = None) -> None:
        """Export results: labels, tables, tracks, movies.

        Parameters
        ----------
        *paths : str or Path
            Outputs, such as ``"labels.tif", "objects.csv", "01_RES"``; the end of each name chooses the format, see
            :data:`~napari_sam2.export.formats.FORMATS`. Only earlier results are replaced.
        pixel_size : float or sequence of float, optional
            In micrometres: one number for square pixels, height and width, or distance of planes, height and width; by default
            that of the image file.
        interval : float, optional
            Seconds from frame to frame; by default that of the image file.

        Raises
        ------
        ImportError
            If a package is missing.
        OSError
            If the disk is full; nothing is left of outputs that could not be written, and all others are written.
        ValueError
            If no path is given, or a format is not known, does not fit the result, or cannot be written there; nothing is written
            then.

        Notes
        -----
        Frames of the image that cannot be read have no intensities, and are black in movies; a warning is logged that names them.
        """
        # imported late: a session without exports does not need these packages
        from napari_sam2.export.formats import check_outputs, write_each

        sizes = None if pixel_size is None else check_sizes("pixel_size", pixel_size, most=3)
        seconds = None if interval is None else check_sizes("interval", interval)[0]
        outputs = [check_path("path", path) for path in paths]
        if not outputs:
            raise ValueError('there is nothing to write: name outputs, such as "objects.csv"')
        calibration = calibration_of(sizes, seconds, self._stack.calibration)
        result = self.result(calibration)
        check_outputs(outputs, [*self._files(), *self._stack.files], result.has_time, has_image=True)
        failed = write_each(outputs, result)
        if unreadable := result.unreadable_frames():
            logger.warning(unreadable)
        if failed:
            first, *others = failed.values()
            for other in {str(other): None for other in others if str(other) != str(first)}:
                first.add_note(other)
            raise first

    def result(self, calibration: Calibration | None = None) -> Result:
        """Return labels and properties of the objects, for export.

        Hidden objects are in none of it; their children have no parent then.

        Parameters
        ----------
        calibration : Calibration, optional
            Pixel size and frame interval; by default those of the image file.

        Returns
        -------
        Result
            The labels are not copied.

        Raises
        ------
        ValueError
            If it is no calibration.
        """
        if not isinstance(calibration, Calibration | None):
            raise ValueError(f"calibration is a Calibration or None, got {shown(calibration)}")
        infos = self._state.infos
        return Result(
            self.labels,
            self._stack.axes,
            self._stack.calibration if calibration is None else calibration,
            lineage=self._state.lineage,
            stack=self._stack,
            image_path=self._files()[0],
            scores={object_id: self.scores(object_id) for object_id in self._state.objects},
            names={object_id: info.name for object_id, info in infos.items()},
            colours={object_id: info.colour for object_id, info in infos.items() if info.colour is not None},
            intensity_ranges=self._intensity_ranges,
        )

    def label_plane(self, frame: int) -> npt.NDArray[np.uint16]:
        """Return the labels of a frame, (H, W), uint16; hidden objects are left out.

        Raises
        ------
        ValueError
            If there is no such frame.
        """
        return self._writer.plane(shown_on(self._stack.check_frame(frame), self._state.objects.values()))

    def mask(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """Return an object's own mask on a frame, whether or not it is hidden or another object lies over it.

        Returns
        -------
        ndarray
            (H, W), bool; empty where it is absent, or has no mask.

        Raises
        ------
        ValueError
            If there is no such object or frame.
        """
        return self._segmenter.mask(self._state.object(object_id).shown(self._stack.check_frame(frame)))

    def scores(self, object_id: int) -> dict[int, ObjectScore]:
        """Return an object's scores by frame, in order, for all frames with a record, also those from which it is absent.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        item = self._state.object(object_id)
        shown = {frame: item.shown(frame) for frame in sorted(item.shown_frames())}
        return {frame: ObjectScore.of(record) for frame, record in shown.items() if record is not None}

    def quality(self, object_id: int) -> dict[int, FrameQuality]:
        """Return scores, area, centroid and jump of an object by frame, in order, for all frames with a record.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        item = self._state.object(object_id)
        return qualities(item, masks_of(item, self._in_use.frame_shape))

    def review_queue(self, objects: Iterable[int] | None = None) -> list[ReviewItem]:
        """List objects on frames in the order in which to review them, the most uncertain first, with the questions that they ask.

        Parameters
        ----------
        objects : iterable of int, optional
            Which objects; all by default.

        Returns
        -------
        list of ReviewItem
            Without anchor frames. Of equal uncertainty, the earlier frame and the lower id come first.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        items = self._state.ordered(objects)
        return review_items(items, self._state.ordered(), self._in_use.frame_shape, len(self._in_use.stack))

    def preview(self, frame: int, object_id: int | None = None) -> npt.NDArray[np.uint8]:
        """Return the input of the model for a frame.

        Parameters
        ----------
        frame : int
            The frame.
        object_id : int, optional
            The object whose window is returned. By default, and where no window was used, the whole frame.

        Returns
        -------
        ndarray
            (S, S, 3), uint8, red, green and blue.

        Raises
        ------
        ValueError
            If there is no such object or frame.
        OSError
            If the frame cannot be read.
        """
        frame = self._stack.check_frame(frame)
        return self._in_use.preview(frame, None if object_id is None else self._state.object(object_id).shown(frame))
