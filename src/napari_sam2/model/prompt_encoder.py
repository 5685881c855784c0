"""From clicks, boxes and masks to tokens (SAM paper, section 3, "Prompt encoder").

B objects · N points · C channels · H, W height and width of the image features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.model.layers import LayerNorm2d
from napari_sam2.model.onednn import Conv2d
from napari_sam2.model.position_encoding import PositionEmbeddingRandom


class PromptEncoder(nn.Module):
    """Encodes points and boxes as sparse tokens and masks as a dense map (official ``prompt_encoder.py``).

    Parameters
    ----------
    embed_dim : int
        Channels C.
    image_embedding_size, input_image_size : tuple of int
        Height and width of the image features and of the image.
    mask_in_chans : int
        Inner channels for mask prompts.
    activation : callable
        Makes the activation for mask prompts.
    """

    def __init__(
        self,
        embed_dim: int,
        image_embedding_size: tuple[int, int],
        input_image_size: tuple[int, int],
        mask_in_chans: int,
        activation: Callable[[], nn.Module] = nn.GELU,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.input_image_size = input_image_size
        self.image_embedding_size = image_embedding_size
        self.mask_input_size = (4 * image_embedding_size[0], 4 * image_embedding_size[1])
        self.pe_layer = PositionEmbeddingRandom(embed_dim // 2)
        # One embedding per label: background click, foreground click, first and last corner of a box.
        self.num_point_embeddings = 4
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, embed_dim) for _ in range(self.num_point_embeddings))
        self.not_a_point_embed = nn.Embedding(1, embed_dim)
        self.no_mask_embed = nn.Embedding(1, embed_dim)
        self.mask_downscaling = nn.Sequential(
            Conv2d(1, mask_in_chans // 4, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_chans // 4),
            activation(),
            Conv2d(mask_in_chans // 4, mask_in_chans, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_chans),
            activation(),
            Conv2d(mask_in_chans, embed_dim, kernel_size=1),
        )

    def get_dense_pe(self) -> Tensor:
        """Return the position code of the image features, (1, C, H, W)."""
        return self.pe_layer(self.image_embedding_size)[None]

    def _embed_points(self, points_xy: Tensor, labels: Tensor, pad: bool) -> Tensor:
        # parity: half a pixel is added after scaling to the model's input size, official prompt_encoder.py L83
        points_xy = points_xy + 0.5
        if pad:
            points_xy = torch.cat([points_xy, points_xy.new_zeros(points_xy.shape[0], 1, 2)], dim=1)
            labels = torch.cat([labels, labels.new_full((labels.shape[0], 1), -1)], dim=1)
        embedding = self.pe_layer.forward_with_coords(points_xy, self.input_image_size)
        labels = labels[..., None]
        embedding = torch.where(labels == -1, self.not_a_point_embed.weight, embedding)
        for label, embed in enumerate(self.point_embeddings):
            embedding = torch.where(labels == label, embedding + cast(nn.Embedding, embed).weight, embedding)
        return embedding

    def _embed_boxes(self, boxes_xyxy: Tensor) -> Tensor:
        corners = boxes_xyxy.reshape(-1, 2, 2)
        labels = torch.tensor([2, 3], dtype=torch.int64, device=corners.device).expand(corners.shape[0], 2)
        return self._embed_points(corners, labels, pad=False)

    def forward(self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None) -> tuple[Tensor, Tensor]:
        """Encode the prompts of B objects.

        Parameters
        ----------
        points : tuple of Tensor, optional
            Coordinates (B, N, 2), x before y, in pixels of the model's input, and labels (B, N): 1 inside, 0 outside,
            2 and 3 first and last corner of a box, -1 not a point.
        boxes : Tensor, optional
            (B, 4) as x0, y0, x1, y1. The predictors give boxes as points with labels 2 and 3 instead.
        masks : Tensor, optional
            (B, 1, 4H, 4W), logits.

        Returns
        -------
        sparse : Tensor
            (B, tokens, C).
        dense : Tensor
            (B, C, H, W).
        """
        batch = self._batch_size(points, boxes, masks)
        sparse = [self.no_mask_embed.weight.new_empty((batch, 0, self.embed_dim))]
        if points is not None:
            sparse.append(self._embed_points(*points, pad=boxes is None))
        if boxes is not None:
            sparse.append(self._embed_boxes(boxes))
        if masks is not None:
            dense = self.mask_downscaling(masks)
        else:
            dense = self.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(batch, -1, *self.image_embedding_size)
        return torch.cat(sparse, dim=1), dense

    @staticmethod
    def _batch_size(points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None) -> int:
        for prompt in (points[0] if points is not None else None, boxes, masks):
            if prompt is not None:
                return prompt.shape[0]
        return 1
