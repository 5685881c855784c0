"""Labels of each frame by themselves, such as those of Cellpose or StarDist, to be linked into tracks. H, W of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.image.alignment import AlignedPlanes

if TYPE_CHECKING:
    from napari_sam2.images.stack import Stack


@dataclass(frozen=True, eq=False)
class LabelsToLink:
    """Labels whose numbers differ from frame to frame.

    Attributes
    ----------
    layer : str
        Name of their layer.
    planes : AlignedPlanes
        The labels, which are read on the worker.
    """

    layer: str
    planes: AlignedPlanes

    def labels(self, stack: Stack) -> npt.NDArray[Any]:
        """Read them.

        Parameters
        ----------
        stack : Stack
            The image, (…, H, W) without colour.

        Returns
        -------
        ndarray
            Of the shape of the labels of a session on the image; 0 where there are none.

        Raises
        ------
        ValueError
            If they are no whole numbers.
        OSError
            If they cannot be read.
        """
        dtype = np.dtype(self.planes.labels.dtype)
        if dtype.kind not in "iub":
            raise ValueError(f"labels are whole numbers, got {dtype} in {self.layer}")
        labels = np.zeros(stack.labels_shape, np.uint8 if dtype.kind == "b" else dtype)
        planes = stack.planes(labels)
        for frame in range(len(planes)):
            plane = self.planes.plane(frame)
            if plane is not None:
                planes[frame] = plane
        return labels
