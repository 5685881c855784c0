"""What happens to masks after the network: holes, specks, enlargement, overlaps. One implementation for all devices.

B masks · h, w low resolution · H, W resolution of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from scipy import ndimage as ndi
from torch import Tensor

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


def _between_cells(length: int, found: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Along an axis, list the pixels next to cells in which something was found, the two cells of each, and the second's weight."""
    num_cells = len(found)
    positions = ((torch.arange(length, dtype=torch.float32, device=found.device) + 0.5) * (num_cells / length) - 0.5).clamp(min=0)
    before = positions.long()
    after = (before + 1).clamp(max=num_cells - 1)
    cells = torch.nonzero(found)[:, 0]
    pixels = torch.nonzero((after >= cells[0]) & (before <= cells[-1]))[:, 0]
    return pixels, before[pixels], after[pixels], (positions - before)[pixels]


def enlarge_found(mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, int, int] | None:
    """Resize logits as :func:`resize_logits` does, but only what is around something above 0.

    Parameters
    ----------
    mask : Tensor
        (h, w), logits.
    size : tuple of int
        (H, W).

    Returns
    -------
    tuple or None
        A copy of the resized logits around what was found, and the row and column of (H, W) where it begins; None if nothing is.
    """
    inside = mask > 0
    if not inside.any():
        return None
    rows, above, below, weights_y = _between_cells(size[0], inside.any(1))
    columns, left, right, weights_x = _between_cells(size[1], inside.any(0))
    if len(rows) == 0 or len(columns) == 0:
        return None
    logits = mask.float()
    bands = torch.lerp(logits[above], logits[below], weights_y[:, None])
    return torch.lerp(bands[:, left], bands[:, right], weights_x), int(rows[0]), int(columns[0])


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


def label_image(
    logits: Sequence[Tensor],
    windows: Sequence[tuple[slice, slice]],
    object_ids: Sequence[int],
    size: tuple[int, int],
    weights: Sequence[float] | None = None,
) -> npt.NDArray[np.uint16]:
    """Give each pixel to the object with the highest weighted logit above 0.

    Parameters
    ----------
    logits : sequence of Tensor
        (h, w) of each object.
    windows : sequence of tuple of slice
        Rows and columns of the frame that each of them shows; nothing is outside.
    object_ids : sequence of int
        Label value of each object, 1 to 65535.
    size : tuple of int
        Height and width of the data.
    weights : sequence of float, optional
        Factor for the logits of each object.

    Returns
    -------
    ndarray
        (H, W), uint16; 0 is background. Of equal logits the first object wins.
    """
    device = logits[0].device if len(logits) else torch.device("cpu")
    best = torch.zeros(size, dtype=torch.float32, device=device)
    winner = torch.zeros(size, dtype=torch.int32, device=device)
    factors = [1.0] * len(object_ids) if weights is None else weights
    for mask, window, object_id, factor in zip(logits, windows, object_ids, factors, strict=True):
        before = best[window]
        height, width = before.shape
        enlarged = factor * resize_logits(mask[None, None], (height, width))[0, 0]
        wins = enlarged > before
        best[window] = torch.where(wins, enlarged, before)
        winner[window] = torch.where(wins, object_id, winner[window])
    labels: npt.NDArray[np.uint16] = winner.cpu().numpy().astype(np.uint16)
    return labels
