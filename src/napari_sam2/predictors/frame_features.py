"""Encodes each frame once and keeps its features within a budget. C channels · H, W size of a level · S side of the input."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.frames import FrameSource


@dataclass(frozen=True)
class EncodedFrame:
    """One frame as all objects share it.

    Attributes
    ----------
    vision_feats : list of Tensor
        (H * W, 1, C) of each level, finest first.
    vision_pos : Tensor
        (H * W, 1, C) of the coarsest level.
    feat_sizes : list of tuple of int
        Height and width of each level.
    """

    vision_feats: list[Tensor]
    vision_pos: Tensor
    feat_sizes: list[tuple[int, int]]

    @property
    def num_bytes(self) -> int:
        """Memory held; position codes are shared by all frames."""
        return sum(level.numel() * level.element_size() for level in self.vision_feats)

    def high_res_maps(self, batch: int) -> list[Tensor]:
        """Bring the finer levels to maps (batch, C, H, W) that take no memory of their own."""
        levels = zip(self.vision_feats[:-1], self.feat_sizes[:-1], strict=True)
        return [level.permute(1, 2, 0).unflatten(2, size).expand(batch, -1, -1, -1) for level, size in levels]


class FrameFeatures:
    """Features of the frames of one video.

    Parameters
    ----------
    model : SAM2Base
        Encodes.
    frames : FrameSource
        The video.
    budget_bytes : int
        The least recently used frames beyond it are dropped; one is always kept.
    """

    def __init__(self, model: SAM2Base, frames: FrameSource, budget_bytes: int = 128 * 2**20) -> None:
        self.model = model
        self.frames = frames
        self.budget_bytes = budget_bytes
        self._kept: OrderedDict[int, EncodedFrame] = OrderedDict()
        self.num_encoded = 0

    def __len__(self) -> int:
        return len(self.frames)

    def get(self, frame: int) -> EncodedFrame:
        """Return a frame's features, encoding it if they are not there.

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        if not 0 <= frame < len(self.frames):
            raise IndexError(f"frame {frame} does not exist: there are {len(self.frames)}")
        if frame not in self._kept:
            self._kept[frame] = self._encode(frame)
            self._drop_old()
        self._kept.move_to_end(frame)
        return self._kept[frame]

    def clear(self) -> None:
        """Forget all features."""
        self._kept.clear()

    def _encode(self, frame: int) -> EncodedFrame:
        self.num_encoded += 1
        image = self.frames.read(frame)[None].to(self.model.device)
        encoded = self.model.forward_image(image)
        _, vision_feats, vision_pos, feat_sizes = self.model._prepare_backbone_features(encoded)
        # Own storage, in float32 or as autocast made it: a view would keep levels alive that nobody reads.
        kept = [level.permute(1, 2, 0).contiguous().permute(2, 0, 1) for level in vision_feats]
        return EncodedFrame(kept, vision_pos[-1], feat_sizes)

    def _drop_old(self) -> None:
        while len(self._kept) > 1 and sum(kept.num_bytes for kept in self._kept.values()) > self.budget_bytes:
            self._kept.popitem(last=False)
