"""Segments everything in an image: masks of a grid of points, filtered by quality, each object once.

M masks · P points · H, W size of the image · h, w size of a crop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.image_predictor import SAM2ImagePredictor
from napari_sam2.predictors.mask_postprocessing import mask_to_box, remove_holes_and_sprinkles
from napari_sam2.predictors.point_grid import build_point_grid

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")
EDGE_TOLERANCE_PX = 20
"""A box within so many pixels of a crop's edge is taken for the part of something that goes on outside the crop."""


@dataclass
class Candidates:
    """Masks found so far, one entry of each per mask."""

    masks: Tensor
    """(M, h, w), bool, of the crop; (M, H, W) once they are moved into the image."""
    boxes: Tensor
    """(M, 4), x0, y0, x1, y1, last pixel included."""
    points: Tensor
    """(M, 2), the click, x before y, in pixels of the image."""
    ious: Tensor
    """(M,), predicted."""
    stability: Tensor
    """(M,)."""
    crops: Tensor
    """(M, 4), the crop in which it was found, x0, y0, x1, y1."""

    def __len__(self) -> int:
        return len(self.ious)

    def take(self, index: Tensor) -> Candidates:
        """Choose by index or by a boolean per mask."""
        return Candidates(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    @classmethod
    def join(cls, parts: Sequence[Candidates]) -> Candidates:
        """Put several after one another."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


class SAM2AutomaticMaskGenerator:
    """Segments everything in an image.

    Parameters
    ----------
    model : SAM2Base
        The model, in evaluation mode.
    points_per_side : int or None
        Clicks along each side of the image; None where ``point_grids`` is given.
    points_per_batch : int
        Clicks at a time.
    pred_iou_thresh : float
        Masks with a lower predicted IoU are dropped.
    stability_score_thresh, stability_score_offset : float
        Masks that change more than that when the threshold moves by the offset are dropped.
    mask_threshold : float
        Logit above which a pixel is inside.
    box_nms_thresh : float
        Of two masks whose boxes overlap more, the one with the lower predicted IoU is dropped.
    crop_n_layers : int
        Crops that are segmented too: layer i has 2^i crops along each side.
    crop_nms_thresh : float
        As ``box_nms_thresh``, between crops; the smaller crop wins.
    crop_overlap_ratio : float
        Overlap of crops, as a share of the image's shorter side, halved from layer to layer.
    crop_n_points_downscale_factor : int
        Clicks along each side are divided by this from layer to layer.
    point_grids : list of ndarray, optional
        Clicks of each layer, (P, 2), x before y in 0 .. 1, instead of regular grids.
    min_mask_region_area : float
        Holes and specks up to this many pixels are removed.
    output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}
        How masks are returned; "coco_rle" needs pycocotools.
    use_m2m : bool
        Predict each mask again from its own logits.
    multimask_output : bool
        Three masks for each click.
    **kwargs
        Accepted and ignored, as in the official class.

    Raises
    ------
    ValueError
        If not exactly one of ``points_per_side`` and ``point_grids`` is given, or the output mode is unknown.

    Notes
    -----
    Official ``automatic_mask_generator.py``.
    """

    def __init__(
        self,
        model: SAM2Base,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.8,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        mask_threshold: float = 0.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: list[npt.NDArray[np.floating]] | None = None,
        min_mask_region_area: float = 0,
        output_mode: str = "binary_mask",
        use_m2m: bool = False,
        multimask_output: bool = True,
        **kwargs: Any,
    ) -> None:
        del kwargs
        if (points_per_side is None) == (point_grids is None):
            raise ValueError("exactly one of points_per_side and point_grids must be given")
        if output_mode not in OUTPUT_MODES:
            raise ValueError(f"output_mode must be one of {OUTPUT_MODES}, got {output_mode!r}")
        if point_grids is None and points_per_side is not None:
            sides = [int(points_per_side / crop_n_points_downscale_factor**layer) for layer in range(crop_n_layers + 1)]
            point_grids = [build_point_grid(side) for side in sides]
        self.point_grids: list[npt.NDArray[np.floating]] = point_grids or []
        self.predictor = SAM2ImagePredictor(model)
        self.points_per_batch = points_per_batch
        self.pred_iou_thresh = pred_iou_thresh
        self.stability_score_thresh = stability_score_thresh
        self.stability_score_offset = stability_score_offset
        self.mask_threshold = mask_threshold
        self.box_nms_thresh = box_nms_thresh
        self.crop_n_layers = crop_n_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.crop_n_points_downscale_factor = crop_n_points_downscale_factor
        self.min_mask_region_area = min_mask_region_area
        self.output_mode = output_mode
        self.use_m2m = use_m2m
        self.multimask_output = multimask_output
        self.after_batch: Callable[[], None] = lambda: None
        """Called after each batch of clicks; what it raises ends :meth:`generate`."""

    def num_batches(self, size: tuple[int, int]) -> int:
        """Return how many batches of clicks an image of a size (H, W) takes."""
        crops = generate_crop_boxes(size, self.crop_n_layers, self.crop_overlap_ratio)
        return sum(math.ceil(len(self.point_grids[layer]) / self.points_per_batch) for _, layer in crops)

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> Self:
        """Build a generator by its Hugging Face id, such as ``facebook/sam2.1-hiera-tiny``; downloads the weights if need be."""
        from napari_sam2.predictors.build import build_sam2_hf

        return cls(build_sam2_hf(model_id), **kwargs)

    @torch.inference_mode()
    def generate(self, image: npt.NDArray[Any]) -> list[dict[str, Any]]:
        """Segment everything.

        Parameters
        ----------
        image : ndarray
            (H, W, 3) or (H, W), of any type that :class:`SAM2ImagePredictor` takes.

        Returns
        -------
        list of dict
            For each mask: ``segmentation`` (H, W) bool or RLE, ``area`` in pixels, ``bbox`` x, y, width, height, as floats,
            ``predicted_iou``, ``point_coords`` the click as [[x, y]], ``stability_score``, ``crop_box`` likewise.
        """
        size = (image.shape[0], image.shape[1])
        found = []
        for crop, layer in generate_crop_boxes(size, self.crop_n_layers, self.crop_overlap_ratio):
            found.append(self._generate_in_crop(image, crop, self.point_grids[layer]))
        candidates = Candidates.join(found)
        if len(found) > 1:
            # The smaller the crop, the sharper the mask.
            x0, y0, x1, y1 = candidates.crops.unbind(1)
            candidates = candidates.take(box_nms(candidates.boxes, 1 / ((x1 - x0) * (y1 - y0)).float(), self.crop_nms_thresh))
        if self.min_mask_region_area > 0:
            nms_thresh = max(self.box_nms_thresh, self.crop_nms_thresh)
            candidates = self.postprocess_small_regions(candidates, self.min_mask_region_area, nms_thresh)
        return [self._annotation(candidates, i) for i in range(len(candidates))]

    # --- one crop --------------------------------------------------------------------------------------------------

    def _generate_in_crop(self, image: npt.NDArray[Any], crop: tuple[int, int, int, int], grid: npt.NDArray[Any]) -> Candidates:
        x0, y0, x1, y1 = crop
        self.predictor.set_image(image[y0:y1, x0:x1])
        points = torch.from_numpy(grid * np.array([x1 - x0, y1 - y0])).float()
        batches = []
        for start in range(0, len(points), self.points_per_batch):
            some = points[start : start + self.points_per_batch]
            batches.append(self._generate_from_points(some, crop, (image.shape[0], image.shape[1])))
            self.after_batch()
        self.predictor.reset_predictor()
        candidates = Candidates.join(batches)
        candidates = candidates.take(box_nms(candidates.boxes, candidates.ious, self.box_nms_thresh))
        return _moved_into_image(candidates, crop, (image.shape[0], image.shape[1]))

    def _generate_from_points(self, points: Tensor, crop: tuple[int, int, int, int], size: tuple[int, int]) -> Candidates:
        logits, ious, low_res = self._predict(points)
        K = logits.shape[1]
        logits, ious, low_res = logits.flatten(0, 1), ious.flatten(), low_res.flatten(0, 1)
        clicked = points.repeat_interleave(K, dim=0)
        if self.use_m2m:
            logits, ious = self.refine_with_m2m(clicked, low_res)
        keep = ious > self.pred_iou_thresh
        stability = calculate_stability_score(logits, self.mask_threshold, self.stability_score_offset)
        keep &= stability >= self.stability_score_thresh
        logits, ious, stability, clicked = (x[keep] for x in (logits, ious, stability, clicked))
        masks = logits > self.mask_threshold
        candidates = Candidates(
            masks=masks,
            boxes=mask_to_box(masks),
            points=clicked + _whole(*crop[:2]),
            ious=ious,
            stability=stability,
            crops=_whole(*crop).expand(len(masks), 4),
        )
        return candidates.take(~is_box_near_crop_edge(candidates.boxes, crop, size))

    def _predict(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One click each: logits (P, K, h, w), IoUs (P, K), low-resolution logits (P, K, *, *)."""
        labels = np.ones((len(points), 1), np.int32)
        found = self.predictor.predict(points[:, None].numpy(), labels, multimask_output=self.multimask_output, return_logits=True)
        masks, ious, low_res = (torch.from_numpy(array) for array in found)
        # One click alone comes without the dimension of clicks.
        return (masks, ious, low_res) if masks.ndim == 4 else (masks[None], ious[None], low_res[None])

    def refine_with_m2m(self, points: Tensor, low_res_masks: Tensor) -> tuple[Tensor, Tensor]:
        """Predict each mask again, from its click, (M, 2), and its low-resolution logits, (M, *, *)."""
        refined = []
        for point, low_res in zip(points, low_res_masks, strict=True):
            masks, ious, _ = self.predictor.predict(
                point[None].numpy(),
                np.ones(1, np.int32),
                mask_input=low_res[None].numpy(),
                multimask_output=False,
                return_logits=True,
            )
            refined.append((torch.from_numpy(masks[0]), torch.from_numpy(ious)))
        return torch.stack([mask for mask, _ in refined]), torch.cat([iou for _, iou in refined])

    # --- afterwards ------------------------------------------------------------------------------------------------

    @staticmethod
    def postprocess_small_regions(candidates: Candidates, min_area: float, nms_thresh: float) -> Candidates:
        """Remove small holes and specks, then doubles; masks that needed no change are preferred."""
        if not len(candidates):
            return candidates
        logits = candidates.masks.float() * 2 - 1
        # Holes first, then specks of what that gave, as the official code does.
        filled = remove_holes_and_sprinkles(logits, 0.0, max_hole_area=min_area, max_sprinkle_area=0)
        cleaned = remove_holes_and_sprinkles(filled, 0.0, max_hole_area=0, max_sprinkle_area=min_area) > 0
        unchanged = (cleaned == candidates.masks).flatten(1).all(1).float()
        candidates.masks = cleaned
        candidates.boxes = mask_to_box(cleaned)
        return candidates.take(box_nms(candidates.boxes, unchanged, nms_thresh))

    def _annotation(self, candidates: Candidates, i: int) -> dict[str, Any]:
        mask = candidates.masks[i].numpy()
        segmentation: Any = mask
        if self.output_mode != "binary_mask":
            segmentation = mask_to_rle(mask)
        if self.output_mode == "coco_rle":
            segmentation = _coco_encode(segmentation)
        return {
            "segmentation": segmentation,
            "area": int(mask.sum()),
            "bbox": _xywh(candidates.boxes[i]),
            "predicted_iou": float(candidates.ious[i]),
            "point_coords": [candidates.points[i].tolist()],
            "stability_score": float(candidates.stability[i]),
            "crop_box": _xywh(candidates.crops[i]),
        }


def _whole(*values: int) -> Tensor:
    """Whole numbers as a tensor, int64, on the CPU, where candidates are."""
    return torch.tensor(values, dtype=torch.int64, device="cpu")


def _moved_into_image(candidates: Candidates, crop: tuple[int, int, int, int], size: tuple[int, int]) -> Candidates:
    x0, y0, x1, y1 = crop
    masks = torch.zeros((len(candidates), *size), dtype=torch.bool, device="cpu")
    masks[:, y0:y1, x0:x1] = candidates.masks
    candidates.masks = masks
    candidates.boxes = candidates.boxes + _whole(x0, y0, x0, y0)
    return candidates


def generate_crop_boxes(
    size: tuple[int, int], n_layers: int, overlap_ratio: float
) -> Iterator[tuple[tuple[int, int, int, int], int]]:
    """Yield crops x0, y0, x1, y1 and their layer: first the image, then 2^i by 2^i crops in layer i, without empty ones.

    In an image of a few pixels, since sides are rounded up, the last crops of a layer would begin where it ends.
    """
    height, width = size
    yield (0, 0, width, height), 0
    for layer in range(1, n_layers + 1):
        n = 2**layer
        overlap = int(overlap_ratio * min(height, width) * (2 / n))
        crop_w, crop_h = (math.ceil((overlap * (n - 1) + side) / n) for side in (width, height))
        for column in range(n):
            for row in range(n):
                x0, y0 = column * (crop_w - overlap), row * (crop_h - overlap)
                if x0 < width and y0 < height:
                    yield (x0, y0, min(x0 + crop_w, width), min(y0 + crop_h, height)), layer


def is_box_near_crop_edge(boxes: Tensor, crop: tuple[int, int, int, int], size: tuple[int, int]) -> Tensor:
    """Mark boxes, (M, 4) in pixels of the crop, that end at an edge of the crop which is not an edge of the image; (M,)."""
    height, width = size
    x0, y0 = crop[:2]
    in_image = boxes + _whole(x0, y0, x0, y0)
    at_crop = (in_image - _whole(*crop)).abs() <= EDGE_TOLERANCE_PX
    at_image = (in_image - _whole(0, 0, width, height)).abs() <= EDGE_TOLERANCE_PX
    return (at_crop & ~at_image).any(dim=1)


def calculate_stability_score(masks: Tensor, mask_threshold: float, threshold_offset: float) -> Tensor:
    """Return the IoU of (M, h, w) logits cut a little above and a little below the threshold; (M,)."""
    inner = (masks > mask_threshold + threshold_offset).flatten(1).sum(1).float()
    outer = (masks > mask_threshold - threshold_offset).flatten(1).sum(1).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 0.0)


def box_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep boxes, (M, 4), best score first, that overlap none already kept by more than the threshold; indices."""
    x0, y0, x1, y1 = boxes.float().unbind(1)
    area = (x1 - x0) * (y1 - y0)
    kept: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        others = _whole(*kept)
        width = (torch.minimum(x1[i], x1[others]) - torch.maximum(x0[i], x0[others])).clamp(min=0)
        height = (torch.minimum(y1[i], y1[others]) - torch.maximum(y0[i], y0[others])).clamp(min=0)
        overlap = width * height
        if not bool((overlap > iou_threshold * (area[i] + area[others] - overlap)).any()):
            kept.append(i)
    return _whole(*kept)


def mask_to_rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask (H, W) by its run lengths, column after column, the first run being background (as COCO does)."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat.size and flat[0] else counts}


def _coco_encode(rle: dict[str, Any]) -> dict[str, Any]:
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise ImportError("output_mode='coco_rle' needs pycocotools: pip install pycocotools") from error
    encoded: dict[str, Any] = coco.frPyObjects(rle, *rle["size"])
    encoded["counts"] = encoded["counts"].decode("ascii")
    return encoded


def _xywh(box: Tensor) -> list[float]:
    # parity: whole numbers as floats, official amg.py L88
    x0, y0, x1, y1 = (float(value) for value in box.tolist())
    return [x0, y0, x1 - x0, y1 - y0]
