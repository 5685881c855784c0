"""Between images of any size and the model's square input: ``SAM2Transforms``, which fine-tuning scripts reach as ``_transforms``.

B prompts · K masks per prompt · H, W size of the image · S side of the model's input · h, w mask size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from napari_sam2.images.intensity import map_intensity, robust_range
from napari_sam2.predictors.frames import normalise
from napari_sam2.predictors.mask_postprocessing import remove_holes_and_sprinkles, resize_logits

AnyImage = npt.NDArray[Any] | Image.Image
"""(H, W, 3) or (H, W); uint8, or of another type, which is then mapped to 0 .. 1 between its robust extremes."""


class SAM2Transforms:
    """Brings images and prompts to the model's input, and masks back to the size of the image.

    Parameters
    ----------
    resolution : int
        Side S.
    mask_threshold : float
        Logit above which a pixel is inside.
    max_hole_area, max_sprinkle_area : float
        Holes are filled and specks dropped up to this many low-resolution pixels.

    Notes
    -----
    Official ``transforms.py``.
    """

    def __init__(self, resolution: int, mask_threshold: float, max_hole_area: float = 0.0, max_sprinkle_area: float = 0.0) -> None:
        self.resolution = resolution
        self.mask_threshold = mask_threshold
        self.max_hole_area = max_hole_area
        self.max_sprinkle_area = max_sprinkle_area

    def __call__(self, image: AnyImage, device: torch.device | None = None) -> Tensor:
        """Resize an image in float, unlike the video loader, and normalise it.

        Parameters
        ----------
        image : ndarray or PIL image
            (H, W, 3) or (H, W), of any type.
        device : torch.device, optional
            Where to do so; the CPU by default.

        Returns
        -------
        Tensor
            (3, S, S), float32.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        rgb = _to_rgb(image).to(device)
        size = (self.resolution, self.resolution)
        return normalise(F.interpolate(rgb[None], size, mode="bilinear", align_corners=False, antialias=True)[0])

    def forward_batch(self, img_list: Sequence[AnyImage], device: torch.device | None = None) -> Tensor:
        """Do so with several images, which may differ in size: (N, 3, S, S)."""
        return torch.stack([self(image, device) for image in img_list])

    def transform_coords(self, coords: Tensor, normalize: bool = False, orig_hw: tuple[int, int] | None = None) -> Tensor:
        """Bring points to pixels of the model's input.

        Parameters
        ----------
        coords : Tensor
            (..., 2), x before y.
        normalize : bool
            They are pixels of an image; otherwise 0 .. 1.
        orig_hw : tuple of int, optional
            (H, W) of that image.

        Returns
        -------
        Tensor
            (..., 2).

        Raises
        ------
        ValueError
            If they are pixels of an image of unknown size.
        """
        if normalize:
            if orig_hw is None:
                raise ValueError("coordinates in pixels need orig_hw, the height and width of the image")
            coords = coords / torch.tensor([orig_hw[1], orig_hw[0]], dtype=coords.dtype, device=coords.device)
        return coords * self.resolution

    def transform_boxes(self, boxes: Tensor, normalize: bool = False, orig_hw: tuple[int, int] | None = None) -> Tensor:
        """Bring boxes, (B, 4) as x0, y0, x1, y1, to their corners in pixels of the model's input, (B, 2, 2)."""
        return self.transform_coords(boxes.reshape(-1, 2, 2), normalize, orig_hw)

    def postprocess_masks(self, masks: Tensor, orig_hw: tuple[int, int]) -> Tensor:
        """Clean low-resolution logits, (B, K, h, w), and bring them to the size of the image, (B, K, H, W), float32."""
        cleaned = remove_holes_and_sprinkles(masks.float(), self.mask_threshold, self.max_hole_area, self.max_sprinkle_area)
        return resize_logits(cleaned, orig_hw)


def _to_rgb(image: AnyImage) -> Tensor:
    """Bring an image to (3, H, W), float32 in 0 .. 1."""
    array = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"an image must have shape (H, W, 3) or (H, W), got {array.shape}")
    scaled = array.astype(np.float32) / 255 if array.dtype == np.uint8 else map_intensity(array, *robust_range(array))
    return torch.from_numpy(np.ascontiguousarray(scaled)).permute(2, 0, 1)
