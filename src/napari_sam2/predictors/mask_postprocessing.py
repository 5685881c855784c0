"""What happens to masks of the network where it computes: holes, specks, sizes. One implementation for all devices.

B masks · h, w low resolution · H, W resolution of the data.
"""

from __future__ import annotations

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from scipy import ndimage as ndi
from torch import Tensor

from napari_sam2.predictors.logits import LOGIT_STEP

_WITHIN_PLANES = np.zeros((3, 3, 3), bool)
_WITHIN_PLANES[1] = True


def _small_components(regions: npt.NDArray[np.bool_], max_area_px: float) -> npt.NDArray[np.bool_]:
    """Mark 8-connected components of at most ``max_area_px`` pixels in each plane of (B, h, w)."""
    labels, _ = ndi.label(regions, structure=_WITHIN_PLANES)
    small = np.bincount(labels.ravel()) <= max_area_px
    small[0] = False
    marked: npt.NDArray[np.bool_] = small[labels]
    return marked


def _small_regions(regions: Tensor, max_area_px: float) -> Tensor:
    """Mark small components of (..., h, w) masks, on whatever device they are."""
    planes = regions.flatten(0, -3) if regions.ndim > 3 else regions.reshape(-1, *regions.shape[-2:])
    marked = _small_components(planes.cpu().numpy(), max_area_px)
    return torch.from_numpy(marked).to(regions.device).view_as(regions)


def fill_holes_in_mask_scores(mask: Tensor, max_area: float) -> Tensor:
    """Fill small holes of tracked masks.

    Parameters
    ----------
    mask : Tensor
        (B, 1, h, w), logits.
    max_area : float
        Background components of at most so many pixels are filled; 0 leaves everything as it is.

    Returns
    -------
    Tensor
        (B, 1, h, w), a filled pixel having the logit 0.1.

    Notes
    -----
    Official ``misc.py`` L312-338, where it is skipped without a CUDA extension; its kernel defines the result, also here.
    """
    if max_area <= 0 or mask.numel() == 0:
        return mask
    return torch.where(_small_regions(mask <= 0, max_area), 0.1, mask)


def rounded(logits: Tensor) -> Tensor:
    """Round logits to multiples of :data:`~napari_sam2.predictors.logits.LOGIT_STEP`."""
    # 0 is added so that none is -0, which is no whole number of steps.
    return torch.round(logits / LOGIT_STEP) * LOGIT_STEP + 0.0


def remove_holes_and_sprinkles(masks: Tensor, threshold: float, max_hole_area: float, max_sprinkle_area: float) -> Tensor:
    """Fill small holes and drop small specks of predicted masks, both judged by the masks as they came.

    Parameters
    ----------
    masks : Tensor
        (..., h, w), logits.
    threshold : float
        Logit above which a pixel is inside.
    max_hole_area, max_sprinkle_area : float
        Largest area in pixels; 0 leaves them.

    Returns
    -------
    Tensor
        (..., h, w), logits; changed pixels lie 10 above or below the threshold.

    Notes
    -----
    Official ``transforms.py`` L76-118.
    """
    cleaned = masks
    if max_hole_area > 0:
        cleaned = torch.where(_small_regions(masks <= threshold, max_hole_area), threshold + 10.0, cleaned)
    if max_sprinkle_area > 0:
        cleaned = torch.where(_small_regions(masks > threshold, max_sprinkle_area), threshold - 10.0, cleaned)
    return cleaned


def resize_logits(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring logits (B, K, h, w) to ``size`` (H, W)."""
    if tuple(masks.shape[-2:]) == size:
        return masks
    return F.interpolate(masks.float(), size=size, mode="bilinear", align_corners=False)


def resize_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring a mask to another size: a pixel is inside where at least half of what it covers is.

    Parameters
    ----------
    mask : Tensor
        (h, w), bool.
    size : tuple of int
        (H, W).

    Returns
    -------
    Tensor
        (H, W), bool; the same mask where it has this size already.
    """
    if tuple(mask.shape) == size:
        return mask
    return F.interpolate(mask.float()[None, None], size, mode="bilinear", align_corners=False, antialias=True)[0, 0] >= 0.5


def mask_to_box(masks: Tensor) -> Tensor:
    """Return the box of each mask, (M, h, w) to (M, 4) as x0, y0, x1, y1, last pixel included; zeros for an empty one."""
    boxes = []
    for hit in (masks.any(dim=1), masks.any(dim=2)):
        position = torch.arange(hit.shape[1], dtype=torch.int64, device=hit.device)
        first = torch.where(hit, position, hit.shape[1]).amin(1) if len(hit) else position[:0]
        last = torch.where(hit, position, 0).amax(1) if len(hit) else position[:0]
        boxes += [torch.where(hit.any(1), first, 0), last]
    x0, x1, y0, y1 = boxes
    return torch.stack([x0, y0, x1, y1], dim=1)
