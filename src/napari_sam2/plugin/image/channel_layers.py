"""Image layers that napari split from one file, as the channels of one image."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def layers_of_one_file(layers: Iterable[Any], image: Any) -> list[Any]:
    """Return the image layers that are channels of one image with another, itself among them, the lowest first.

    They came from the same file, and have the same shape and place, and pixels of their own. Alone where there are no others.
    """
    found = [layer for layer in layers if layer is image or _are_channels(layer, image)]
    return found if image in found else [image]


def _are_channels(layer: Any, image: Any) -> bool:
    path = image.source.path
    if path is None or layer.source.path != path or layer.rgb or image.rgb or layer.multiscale != image.multiscale:
        return False
    is_alike = tuple(layer.data.shape) == tuple(image.data.shape) and layer.data is not image.data
    return is_alike and all(np.array_equal(getattr(layer, name), getattr(image, name)) for name in ("scale", "translate"))


class ChannelArrays:
    """Arrays of one shape as one array with an axis of channels, (C, ...), which is not copied.

    Parameters
    ----------
    arrays : sequence of array-like
        NumPy, dask, zarr or the like.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = list(arrays)
        self.dtype = np.result_type(*(array.dtype for array in arrays))
        self.shape = (len(arrays), *(int(side) for side in arrays[0].shape))
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if first is Ellipsis:
            first, rest = slice(None), (Ellipsis, *rest)
        if isinstance(first, slice):
            return np.stack([self._read(array, rest) for array in self._arrays[first]])
        return self._read(self._arrays[operator.index(first)], rest)

    def _read(self, array: Any, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        return np.asarray(array[key] if key else array[...]).astype(self.dtype, copy=False)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)
