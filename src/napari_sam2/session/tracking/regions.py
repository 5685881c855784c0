"""The pixels of an object on a frame, cut out of it. h, w size of the part · H, W height and width of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.logits import enlarge_found
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import whole_view

_EIGHT = np.ones((3, 3))


@dataclass(frozen=True, eq=False)
class Region:
    """A mask at the resolution of the data, without most of what is empty around it.

    Attributes
    ----------
    row, column : int
        Of its first pixel in the frame.
    pixels : ndarray
        (h, w), bool.
    """

    row: int
    column: int
    pixels: npt.NDArray[np.bool_]

    @classmethod
    def of_record(cls, record: FrameRecord, frame_shape: tuple[int, int]) -> Region:
        """Cut the mask out of a record, whose frame has the shape (H, W)."""
        view = record.view or whole_view(frame_shape)
        found = enlarge_found(record.mask_logits, (view.height, view.width))
        if found is None:
            return cls(0, 0, np.zeros((0, 0), bool))
        logits, row, column = found
        return cls(view.row + row, view.column + column, logits > 0)

    @classmethod
    def of_present(cls, record: FrameRecord, frame_shape: tuple[int, int]) -> Region:
        """Cut the mask out of a record; empty where the object is absent."""
        region = cls.of_record(record, frame_shape)
        return region if record.object_score > 0 else cls(0, 0, region.pixels[:0])

    @classmethod
    def of_plane(cls, plane: npt.NDArray[np.bool_]) -> Region:
        """Cut a mask out of a whole frame, (H, W)."""
        rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
        if not rows.size:
            return cls(0, 0, np.zeros((0, 0), bool))
        return cls(int(rows[0]), int(columns[0]), plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])

    @property
    def window(self) -> tuple[slice, slice]:
        """Where it lies, as an index of the frame."""
        height, width = self.pixels.shape
        return slice(self.row, self.row + height), slice(self.column, self.column + width)

    @cached_property
    def area_px(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.pixels))

    @cached_property
    def centroid_rc(self) -> tuple[float, float]:
        """Row and column, pixel centres at integers; not to be asked where it is empty."""
        rows, columns = np.nonzero(self.pixels)
        return float(rows.mean()) + self.row, float(columns.mean()) + self.column

    @cached_property
    def elongation(self) -> float:
        """The ratio of its longest axis to the one across it, by second moments; 1 for a disc."""
        if self.area_px < 3:
            return 1.0
        positions = np.array(np.nonzero(self.pixels), float)
        least, most = np.linalg.eigvalsh(np.cov(positions) + np.eye(2) / 12)
        return float(np.sqrt(most / least))

    def _common(self, other: Region) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Where the part that both boxes have in common lies in each; None where there is none."""
        low = max(self.row, other.row), max(self.column, other.column)
        high = [min(one.stop, two.stop) for one, two in zip(self.window, other.window, strict=True)]
        if any(start >= stop for start, stop in zip(low, high, strict=True)):
            return None
        own, others = (
            (slice(low[0] - one.row, high[0] - one.row), slice(low[1] - one.column, high[1] - one.column)) for one in (self, other)
        )
        return own, others

    def moved_to(self, centroid_rc: tuple[float, float]) -> Region:
        """Return it as it is elsewhere, to the nearest pixel; parts of it may lie outside of the frame."""
        row, column = (round(to - at) for to, at in zip(centroid_rc, self.centroid_rc, strict=True))
        return Region(self.row + row, self.column + column, self.pixels)

    def shared_px(self, other: Region) -> int:
        """Return how many pixels it has in common with another."""
        common = self._common(other)
        return 0 if common is None else int(np.count_nonzero(self.pixels[common[0]] & other.pixels[common[1]]))

    def without(self, other: Region) -> Region:
        """Return its pixels that another does not have."""
        pixels, common = self.pixels.copy(), self._common(other)
        if common is not None:
            pixels[common[0]] &= ~other.pixels[common[1]]
        return Region(self.row, self.column, pixels)

    def united(self, other: Region) -> Region:
        """Return the pixels of both."""
        if not self.area_px or not other.area_px:
            return self if self.area_px else other
        row, column = min(self.row, other.row), min(self.column, other.column)
        bottom, right = (max(one.stop, two.stop) for one, two in zip(self.window, other.window, strict=True))
        pixels = np.zeros((bottom - row, right - column), bool)
        for one in (self, other):
            pixels[one.row - row :, one.column - column :][: one.pixels.shape[0], : one.pixels.shape[1]] |= one.pixels
        return Region(row, column, pixels)

    def touches(self, other: Region) -> bool:
        """Return whether it has a pixel in, or next to, another; diagonal neighbours touch."""
        padded = Region(self.row - 1, self.column - 1, ndi.binary_dilation(np.pad(self.pixels, 1), _EIGHT))
        return padded.shared_px(other) > 0

    def axis(self) -> npt.NDArray[np.float64]:
        """Return the direction of its longest axis, (2,), of length 1, rows and columns."""
        return np.asarray(np.linalg.eigh(np.cov(np.array(np.nonzero(self.pixels), float)))[1][:, -1])

    def pieces(self) -> list[Region]:
        """Return its connected pieces, the largest first; diagonal neighbours touch."""
        if not self.area_px:
            return []
        labels, count = ndi.label(self.pixels, _EIGHT)
        found = [
            Region(self.row + rows.start, self.column + columns.start, labels[rows, columns] == label)
            for label, (rows, columns) in enumerate(ndi.find_objects(labels, count), 1)
        ]
        return sorted(found, key=lambda piece: -piece.area_px)

    def ends(self) -> list[tuple[float, float]]:
        """Return the middles of the two halves that a cut across its longest axis makes, row and column in the frame."""
        positions = np.array(np.nonzero(self.pixels), float)
        along = self.axis() @ (positions - positions.mean(1, keepdims=True))
        halves = (positions[:, along < 0], positions[:, along >= 0])
        return [(float(half[0].mean()) + self.row, float(half[1].mean()) + self.column) for half in halves]

    def plane(self, frame_shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return it as a mask of a whole frame, (H, W)."""
        plane = np.zeros(frame_shape, bool)
        plane[self.window] = self.pixels
        return plane
