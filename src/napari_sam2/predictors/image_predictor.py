"""Masks for one image: ``SAM2ImagePredictor`` with the signatures and results of the official class.

B prompts · P points · K masks per prompt · C channels · H, W size of the image · S side of the model's input · h, w mask size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from napari_sam2.images.intensity import map_intensity, robust_range
from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.frames import normalise
from napari_sam2.predictors.mask_postprocessing import remove_holes_and_sprinkles, resize_logits

LOW_RES_BOUND = 32.0
"""Low-resolution logits are returned within plus and minus this (official ``sam2_image_predictor.py`` L434)."""

Prediction = tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Masks (K, H, W), predicted IoUs (K,), and low-resolution logits (K, h, w); with a batch of boxes, B first."""


@dataclass(frozen=True)
class ImageEmbedding:
    """Features of one image.

    Attributes
    ----------
    image_embed : Tensor
        (1, C, S / 16, S / 16).
    high_res_feats : list of Tensor
        The two finer levels, finest first.
    size : tuple of int
        Height and width of the image.
    """

    image_embed: Tensor
    high_res_feats: list[Tensor]
    size: tuple[int, int]


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
    Official ``sam2_image_predictor.py``.
    """

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
        self.max_hole_area = max_hole_area
        self.max_sprinkle_area = max_sprinkle_area
        self._embeddings: list[ImageEmbedding] = []

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

    def set_image(self, image: npt.NDArray[Any] | Image.Image) -> None:
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

    @torch.inference_mode()
    def set_image_batch(self, image_list: list[npt.NDArray[Any] | Image.Image]) -> None:
        """Embed several images, which may differ in size; see :meth:`set_image`."""
        if not image_list:
            raise ValueError("there is no image in the list")
        self.reset_predictor()
        planes = [_to_rgb(image) for image in image_list]
        batch = torch.stack([self._resize(plane.to(self.device)) for plane in planes])
        encoded = self.model.forward_image(batch)
        _, vision_feats, _, feat_sizes = self.model._prepare_backbone_features(encoded)
        if self.model.directly_add_no_mem_embed:
            vision_feats[-1] = vision_feats[-1] + self.model.no_mem_embed
        levels = [x.permute(1, 2, 0).unflatten(2, size) for x, size in zip(vision_feats, feat_sizes, strict=True)]
        self._embeddings = [
            ImageEmbedding(levels[-1][i : i + 1], [level[i : i + 1] for level in levels[:-1]], (plane.shape[1], plane.shape[2]))
            for i, plane in enumerate(planes)
        ]

    def _resize(self, rgb: Tensor) -> Tensor:
        """Resize (3, H, W) in float, unlike the video loader (official ``transforms.py`` L20-39), and normalise."""
        size = (self.model.image_size, self.model.image_size)
        resized = F.interpolate(rgb[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
        return normalise(resized)

    def get_image_embedding(self) -> Tensor:
        """Return the embedding of the image, (1, C, S / 16, S / 16), or of all images of a batch."""
        return torch.cat([embedding.image_embed for embedding in self._require_images()])

    def reset_predictor(self) -> None:
        """Forget the image."""
        self._embeddings = []

    def _require_images(self) -> list[ImageEmbedding]:
        if not self._embeddings:
            raise RuntimeError("there is no image: call set_image first")
        return self._embeddings

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
        """Predict masks for a prompt.

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
            Return logits instead of booleans.
        normalize_coords : bool
            Coordinates are pixels; otherwise 0 .. 1.

        Returns
        -------
        masks : ndarray
            (K, H, W), or (B, K, H, W) for several boxes.
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
        embedding = self._require_images()[0]
        return self._predict(
            embedding, point_coords, point_labels, box, mask_input, multimask_output, return_logits, normalize_coords
        )

    def predict_batch(
        self,
        point_coords_batch: list[npt.NDArray[Any]] | None = None,
        point_labels_batch: list[npt.NDArray[Any]] | None = None,
        box_batch: list[npt.NDArray[Any]] | None = None,
        mask_input_batch: list[npt.NDArray[Any]] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> tuple[list[npt.NDArray[Any]], list[npt.NDArray[np.float32]], list[npt.NDArray[np.float32]]]:
        """Predict masks for each image of a batch; see :meth:`predict`. Points are (B, P, 2) or (P, 2) for each image."""
        results = []
        for i, embedding in enumerate(self._require_images()):
            batches = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
            coords, labels, box, mask = (None if batch is None else batch[i] for batch in batches)
            results.append(self._predict(embedding, coords, labels, box, mask, multimask_output, return_logits, normalize_coords))
        masks, ious, low_res_masks = (list(parts) for parts in zip(*results, strict=True))
        return masks, ious, low_res_masks

    @torch.inference_mode()
    def _predict(
        self,
        embedding: ImageEmbedding,
        point_coords: npt.NDArray[Any] | None,
        point_labels: npt.NDArray[Any] | None,
        box: npt.NDArray[Any] | None,
        mask_input: npt.NDArray[Any] | None,
        multimask_output: bool,
        return_logits: bool,
        normalize_coords: bool,
    ) -> Prediction:
        points = self._points(embedding.size, point_coords, point_labels, box, normalize_coords)
        mask = None if mask_input is None else torch.as_tensor(mask_input, dtype=torch.float32, device=self.device)
        if mask is not None and mask.ndim == 3:
            mask = mask[None]
        # parity: a mask alone comes without any point token, official sam2_image_predictor.py L387-410
        sparse, dense = self.model.sam_prompt_encoder(points=points, boxes=None, masks=mask)
        # parity: the object score is not looked at, official L420-438
        low_res, ious, _, _ = self.model.sam_mask_decoder(
            image_embeddings=embedding.image_embed,
            image_pe=self.model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask_output,
            repeat_image=points is not None and points[0].shape[0] > 1,
            high_res_features=embedding.high_res_feats,
        )
        cleaned = remove_holes_and_sprinkles(low_res.float(), self.mask_threshold, self.max_hole_area, self.max_sprinkle_area)
        masks = resize_logits(cleaned, embedding.size)
        masks = masks if return_logits else masks > self.mask_threshold
        low_res = low_res.float().clamp(-LOW_RES_BOUND, LOW_RES_BOUND)
        found = [tensor.cpu().numpy() for tensor in (masks, ious.float(), low_res)]
        masks_np, ious_np, low_res_np = (array[0] if array.shape[0] == 1 else array for array in found)
        return masks_np, ious_np, low_res_np

    def _points(
        self,
        size: tuple[int, int],
        point_coords: npt.NDArray[Any] | None,
        point_labels: npt.NDArray[Any] | None,
        box: npt.NDArray[Any] | None,
        normalize_coords: bool,
    ) -> tuple[Tensor, Tensor] | None:
        """Join points and boxes, whose corners are points with labels 2 and 3: (B, P, 2) and (B, P)."""
        if (point_coords is None) != (point_labels is None):
            raise ValueError("point_coords and point_labels must be given together")
        sides = (size[1], size[0]) if normalize_coords else (1, 1)
        scale = torch.tensor(sides, dtype=torch.float32, device="cpu")
        coords, labels = [], []
        if box is not None:
            corners = torch.as_tensor(np.asarray(box), dtype=torch.float32, device="cpu").reshape(-1, 2, 2)
            coords.append(corners)
            labels.append(torch.tensor([[2, 3]], dtype=torch.int32, device="cpu").expand(corners.shape[0], 2))
        if point_coords is not None:
            given = torch.as_tensor(np.asarray(point_coords), dtype=torch.float32, device="cpu")
            given_labels = torch.as_tensor(np.asarray(point_labels), dtype=torch.int32, device="cpu")
            coords.append(given if given.ndim == 3 else given[None])
            labels.append(given_labels if given_labels.ndim == 2 else given_labels[None])
        if not coords:
            return None
        joined = torch.cat(coords, dim=1) / scale * self.model.image_size
        return joined.to(self.device), torch.cat(labels, dim=1).to(self.device)


def _to_rgb(image: npt.NDArray[Any] | Image.Image) -> Tensor:
    """Bring an image to (3, H, W), float32 in 0 .. 1."""
    array = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"an image must have shape (H, W, 3) or (H, W), got {array.shape}")
    scaled = array.astype(np.float32) / 255 if array.dtype == np.uint8 else map_intensity(array, *robust_range(array))
    return torch.from_numpy(np.ascontiguousarray(scaled)).permute(2, 0, 1)
