"""Measurements as the worker reports them, written by hand."""

import numpy as np

from napari_sam2.plugin.reports.reports import FramesMeasured


def measured(*rows):
    """Of rows of object, frame, kind, area and uncertainty; and, where they are given, reasons to review it, another object, and
    its centroid."""
    rows = [(*row, *(0, 0, (np.nan, np.nan))[len(row) - 5 :]) for row in rows]
    columns = list(zip(*rows, strict=True)) or [()] * 8
    kinds = np.int32, np.int32, np.uint8, np.float32, np.float32, np.uint16, np.int32, np.float32
    *columns, centroids = map(np.array, columns, kinds)
    return FramesMeasured(*columns, centroids.reshape(-1, 2))
