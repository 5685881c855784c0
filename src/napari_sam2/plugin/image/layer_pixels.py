"""The pixels of a file as those of a layer: read at once, or plane by plane where they are many or some cannot be read."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_BYTES_AT_ONCE = 1_000_000_000
"""A larger image is read plane by plane, as it is shown."""


def layer_pixels(pixels: Any, num_outer: int) -> Any:
    """Return pixels as a layer takes them.

    Parameters
    ----------
    pixels : array-like
        Reads what is indexed.
    num_outer : int
        So many axes are in front of rows and columns.

    Returns
    -------
    ndarray or dask array
        All of it; of more than :data:`MAX_BYTES_AT_ONCE`, or where a plane cannot be read, what is read as it is shown.
    """
    if int(np.prod(pixels.shape, dtype=np.int64)) * np.dtype(pixels.dtype).itemsize <= MAX_BYTES_AT_ONCE:
        try:
            return np.asarray(pixels[(slice(None),) * pixels.ndim])  # not every kind of file is an array by itself
        except ValueError:  # a plane that is damaged or missing is seen where it is
            if not num_outer:
                raise
    import dask.array

    return dask.array.from_array(  # type: ignore[no-untyped-call]
        pixels, chunks=(*(1,) * num_outer, *pixels.shape[num_outer:]), asarray=True
    )
