"""Masks in little memory: hundreds of objects on a large image would fill it with zeros. H, W height and width of a frame."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.mask_box import bounding_box


@dataclass(frozen=True)
class PackedMask:
    """A mask that never changes: the part of it that is not empty, eight pixels to a byte, compressed.

    Attributes
    ----------
    shape : tuple of int
        H and W.
    box : tuple of int
        Rows and columns row0, col0, row1, col1 of that part, the last ones excluded; all 0 where the mask is empty.
    bits : bytes
        Its pixels.
    """

    shape: tuple[int, int]
    box: tuple[int, int, int, int]
    bits: bytes

    @classmethod
    def pack(cls, mask: npt.NDArray[np.bool_]) -> PackedMask:
        """Pack a mask (H, W)."""
        row0, col0, row1, col1 = box = bounding_box(mask) or (0, 0, 0, 0)
        bits = np.packbits(mask[row0:row1, col0:col1]).tobytes()
        return cls((mask.shape[0], mask.shape[1]), box, zlib.compress(bits, 1))

    def unpack(self) -> npt.NDArray[np.bool_]:
        """Return the mask, (H, W).

        Raises
        ------
        ValueError
            If the bytes are not those of such a mask.
        """
        row0, col0, row1, col1 = self.box
        height, width = row1 - row0, col1 - col0
        try:
            mask = np.zeros(self.shape, bool)
            bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
            is_inside = 0 <= row0 <= row1 <= mask.shape[0] and 0 <= col0 <= col1 <= mask.shape[1]
            if not is_inside or 8 * len(bits) - height * width not in range(8):
                raise ValueError("the pixels do not fill the box, or it is not inside the frame")
            mask[row0:row1, col0:col1] = np.unpackbits(bits, count=height * width).reshape(height, width)
        except (zlib.error, ValueError) as error:
            raise ValueError("a packed mask is damaged") from error
        return mask
