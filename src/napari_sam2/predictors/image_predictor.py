"""Masks for one image: ``SAM2ImagePredictor`` with the signatures and results of the official class.

N images · B prompts · P points · K masks per prompt · C channels · H, W size of the image · S side of the model's input ·
h, w mask size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.transforms import AnyImage, SAM2Transforms

LOW_RES_BOUND = 32.0
"""Low-resolution logits are returned within plus and minus this (official ``sam2_image_predictor.py`` L434)."""

FloatArray = npt.NDArray[np.float32]

Prediction = tuple[FloatArray, FloatArray, FloatArray]
"""Masks (K, H, W), predicted IoUs (K,), and low-resolution logits (K, h, w); with a batch of prompts, B first."""


class SAM2ImagePredictor:
    """Embeds an image once, then predicts masks for any number of prompts.

    Parameters
    ----------
    sam_model : SAM2Base
        The model, in evaluation mode.
    mask_threshold : float
        Logit above which a pixel is inside.
    max_hole_area, max_sprinkle_area : float
        Holes are filled and specks dropped up to this many low-resolution pixels.
    **kwargs
        Accepted and ignored, as in the official class.

    Notes
    -----
    Official ``sam2_image_predictor.py``. Fine-tuning scripts use names with a leading underscore too: it has the official names,
    arguments and results. As there, results can take part in training: they come without gradients, but not from inference mode.
    """

    _features: dict[str, Any] | None
    _orig_hw: list[tuple[int, int]] | None

    def __init__(
        self,
        sam_model: SAM2Base,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        **kwargs: Any,
    ) -> None:
        del kwargs
        self.model = sam_model
        self.mask_threshold = mask_threshold
        self._transforms = SAM2Transforms(sam_model.image_size, mask_threshold, max_hole_area, max_sprinkle_area)
        self.reset_predictor()

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> Self:
        """Build a predictor by its Hugging Face id, such as ``facebook/sam2.1-hiera-tiny``; downloads the weights if need be."""
        from napari_sam2.predictors.build import build_sam2_hf

        return cls(build_sam2_hf(model_id, **kwargs))

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.model.device

    # --- images ----------------------------------------------------------------------------------------------------

    def set_image(self, image: AnyImage) -> None:
        """Embed an image.

        Parameters
        ----------
        image : ndarray or PIL image
            (H, W, 3) or (H, W); uint8, or of another type, which is then mapped to 0 .. 1 between its robust extremes.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        self.set_image_batch([image])
        self._is_batch = False

    @torch.no_grad()
    def set_image_batch(self, image_list: Sequence[AnyImage]) -> None:
        """Embed several images, which may differ in size; see :meth:`set_image`."""
        self.reset_predictor()
        if not len(image_list):
            raise ValueError("there is no image in the list")
        batch = self._transforms.forward_batch(image_list, self.device)
        encoded = self.model.forward_image(batch)
        _, vision_feats, _, feat_sizes = self.model._prepare_backbone_features(encoded)
        if self.model.directly_add_no_mem_embed:
            vision_feats[-1] = vision_feats[-1] + self.model.no_mem_embed
        levels = [x.permute(1, 2, 0).unflatten(2, size) for x, size in zip(vision_feats, feat_sizes, strict=True)]
        self._features = {"image_embed": levels[-1], "high_res_feats": levels[:-1]}
        self._orig_hw = [_size(image) for image in image_list]
        self._is_image_set = self._is_batch = True

    def get_image_embedding(self) -> Tensor:
        """Return the embedding of the image, (1, C, S / 16, S / 16), or of all images of a batch, (N, C, S / 16, S / 16)."""
        features, _ = self._require_images()
        embedding: Tensor = features["image_embed"]
        return embedding

    def reset_predictor(self) -> None:
        """Forget the image."""
        self._is_image_set = False
        self._is_batch = False
        self._features = None
        self._orig_hw = None

    def _require_images(self) -> tuple[dict[str, Any], list[tuple[int, int]]]:
        """Return the features of the images and their sizes (H, W)."""
        if self._features is None or self._orig_hw is None:
            raise RuntimeError("there is no image: call set_image first")
        return self._features, self._orig_hw

    # --- prompts ---------------------------------------------------------------------------------------------------

    def predict(
        self,
        point_coords: npt.NDArray[Any] | None = None,
        point_labels: npt.NDArray[Any] | None = None,
        box: npt.NDArray[Any] | None = None,
        mask_input: npt.NDArray[Any] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> Prediction:
        """Predict masks for a prompt; of a batch of images, for the last.

        Parameters
        ----------
        point_coords, point_labels : ndarray, optional
            (P, 2), x before y, and (P,), 1 inside, 0 outside.
        box : ndarray, optional
            (4,) or (B, 4) as x0, y0, x1, y1.
        mask_input : ndarray, optional
            (1, h, w), low-resolution logits of an earlier prediction.
        multimask_output : bool
            Return three masks, for a prompt that may mean several things.
        return_logits : bool
            Return logits instead of 0 and 1.
        normalize_coords : bool
            Coordinates are pixels; otherwise 0 .. 1.

        Returns
        -------
        masks : ndarray
            (K, H, W), or (B, K, H, W) for several boxes, float32: 0 or 1, or logits.
        ious : ndarray
            (K,) or (B, K), float32.
        low_res_masks : ndarray
            (K, h, w) or (B, K, h, w), float32 logits.

        Raises
        ------
        RuntimeError
            If no image was set.
        ValueError
            If points come without labels.
        """
        prompts = self._prep_prompts(point_coords, point_labels, box, mask_input, normalize_coords)
        return self._predict_arrays(prompts, multimask_output, return_logits)

    def predict_batch(
        self,
        point_coords_batch: list[npt.NDArray[Any]] | None = None,
        point_labels_batch: list[npt.NDArray[Any]] | None = None,
        box_batch: list[npt.NDArray[Any]] | None = None,
        mask_input_batch: list[npt.NDArray[Any]] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
        """Predict masks for each image of a batch; see :meth:`predict`.

        Each argument is a list with one entry for each image, and so is each of the three results.
        """
        _, sizes = self._require_images()
        results = []
        for i in range(len(sizes)):
            batches = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
            coords, labels, box, mask = (None if batch is None else batch[i] for batch in batches)
            prompts = self._prep_prompts(coords, labels, box, mask, normalize_coords, img_idx=i)
            results.append(self._predict_arrays(prompts, multimask_output, return_logits, img_idx=i))
        masks, ious, low_res_masks = (list(parts) for parts in zip(*results, strict=True))
        return masks, ious, low_res_masks

    def _predict_arrays(
        self,
        prompts: tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None],
        multimask_output: bool,
        return_logits: bool,
        img_idx: int = -1,
    ) -> Prediction:
        mask_input, coords, labels, boxes = prompts
        found = self._predict(coords, labels, boxes, mask_input, multimask_output, return_logits, img_idx)
        # Masks become float32 only here: as booleans they are a quarter of that on the way from the device.
        masks, ious, low_res = (tensor.cpu().float().numpy() for tensor in found)
        return (masks, ious, low_res) if len(masks) > 1 else (masks[0], ious[0], low_res[0])

    def _prep_prompts(
        self,
        point_coords: Any,
        point_labels: Any,
        box: Any,
        mask_logits: Any,
        normalize_coords: bool,
        img_idx: int = -1,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """Bring prompts to the model's input: mask (B, 1, h, w), points (B, P, 2), labels (B, P), corners of boxes (B, 2, 2)."""
        _, sizes = self._require_images()
        # parity: labels without points are ignored, official sam2_image_predictor.py L308
        if point_coords is not None and point_labels is None:
            raise ValueError("point_coords need point_labels: 1 inside, 0 outside, one for each point")
        mask = coords = labels = corners = None
        if point_coords is not None:
            coords = self._transforms.transform_coords(self._tensor(point_coords), normalize_coords, sizes[img_idx])
            labels = self._tensor(point_labels, torch.int32)
            coords, labels = coords if coords.ndim == 3 else coords[None], labels if labels.ndim == 2 else labels[None]
        if box is not None:
            corners = self._transforms.transform_boxes(self._tensor(box), normalize_coords, sizes[img_idx])
        if mask_logits is not None:
            mask = self._tensor(mask_logits)
            mask = mask[None] if mask.ndim == 3 else mask
        return mask, coords, labels, corners

    def _tensor(self, values: Any, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.as_tensor(values if isinstance(values, Tensor) else np.asarray(values), dtype=dtype, device=self.device)

    @torch.no_grad()
    def _predict(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        img_idx: int = -1,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict masks for prompts as :meth:`_prep_prompts` returns them; the results are on the device, B first, masks bool."""
        features, sizes = self._require_images()
        points = _join(point_coords, point_labels, boxes)
        # parity: a mask alone comes without any point token, official sam2_image_predictor.py L387-410
        sparse, dense = self.model.sam_prompt_encoder(points=points, boxes=None, masks=mask_input)
        # parity: the object score is not used, official L420-438
        low_res, ious, _, _ = self.model.sam_mask_decoder(
            image_embeddings=features["image_embed"][img_idx][None],
            image_pe=self.model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask_output,
            repeat_image=points is not None and points[0].shape[0] > 1,
            high_res_features=[level[img_idx][None] for level in features["high_res_feats"]],
        )
        masks = self._transforms.postprocess_masks(low_res, sizes[img_idx])
        low_res = low_res.clamp(-LOW_RES_BOUND, LOW_RES_BOUND)
        return masks if return_logits else masks > self.mask_threshold, ious, low_res


def _join(coords: Tensor | None, labels: Tensor | None, boxes: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """Join points (B, P, 2), labels (B, P) and boxes (B, 2, 2), whose corners are points with labels 2 and 3 and come first."""
    parts = []
    if boxes is not None:
        corners = boxes.reshape(-1, 2, 2)
        parts.append((corners, torch.tensor([[2, 3]], dtype=torch.int32, device=corners.device).expand(len(corners), 2)))
    if coords is not None and labels is not None:
        parts.append((coords, labels))
    return (torch.cat([xy for xy, _ in parts], dim=1), torch.cat([label for _, label in parts], dim=1)) if parts else None


def _size(image: AnyImage) -> tuple[int, int]:
    """Height and width of an image."""
    if isinstance(image, Image.Image):
        return image.height, image.width
    height, width = np.shape(image)[:2]
    return height, width
