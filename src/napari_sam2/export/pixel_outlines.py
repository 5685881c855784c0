"""Outlines of a mask along the edges of its pixels, which enclose exactly these pixels. H, W height and width · N corners."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Edge = tuple[int, int, int, int]
"""x and y of the corner where it begins, and its direction; pixel (row, column) begins at the corner (column, row)."""


def pixel_outlines(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int32]]:
    """Find the outlines of all pieces of a mask, and of the holes in them.

    Parameters
    ----------
    mask : ndarray
        (H, W), bool.

    Returns
    -------
    list of ndarray
        (N, 2) each: x and y of the corners at which an outline turns; around pieces clockwise as seen on the screen, around holes
        the other way. Pixels that touch only at a corner are separate pieces.
    """
    edges = _edges(mask)
    left = dict.fromkeys(edges)
    outlines = []
    while left:
        first = edge = next(iter(left))
        corners = list[tuple[int, int]]()
        while True:
            del left[edge]
            following = _next(edge, edges)
            if following[2:] != edge[2:]:
                corners.append(following[:2])
            edge = following
            if edge == first:
                break
        outlines.append(np.array(corners, np.int32))
    return outlines


def _edges(mask: npt.NDArray[np.bool_]) -> dict[Edge, None]:
    """Find the edges between the mask and what is around it, in scan order; the mask lies on the right of each."""
    padded = np.pad(mask, 1)
    edges: dict[Edge, None] = {}
    height, width = mask.shape
    # the upper, right, lower and left edge of a pixel
    for (x, y), (dx, dy) in (((0, 0), (1, 0)), ((1, 0), (0, 1)), ((1, 1), (-1, 0)), ((0, 1), (0, -1))):
        across_row, across_col = -dx, dy
        beyond = padded[1 + across_row : 1 + across_row + height, 1 + across_col : 1 + across_col + width]
        for row, col in np.argwhere(mask & ~beyond).tolist():
            edges[col + x, row + y, dx, dy] = None
    return edges


def _next(edge: Edge, edges: dict[Edge, None]) -> Edge:
    """Return the edge that follows; where two do, the one of the same pixel."""
    x, y, dx, dy = edge
    turns = ((-dy, dx), (dx, dy), (dy, -dx))  # right, straight on, left
    return next(found for turn in turns if (found := (x + dx, y + dy, *turn)) in edges)
