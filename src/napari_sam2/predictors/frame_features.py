"""Encodes each frame once and keeps its features, as far as there is room.

C channels · H, W size of a level · S side of the input.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from napari_sam2.torch_threads import torch

from torch import Tensor

from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.feature_file import FeatureFile
from napari_sam2.predictors.frames import ArrayFrames, FrameSource
from napari_sam2.predictors.zoom import View


@dataclass(frozen=True)
class EncodedFrame:
    """One frame as all objects share it, or a batch of B views of it.

    Attributes
    ----------
    vision_feats : list of Tensor
        (H * W, B, C) of each level, finest first.
    vision_pos : Tensor
        (H * W, 1, C) of the coarsest level.
    feat_sizes : list of tuple of int
        Height and width of each level.
    is_shared : bool
        All B views are the same one.
    """

    vision_feats: list[Tensor]
    vision_pos: Tensor
    feat_sizes: list[tuple[int, int]]
    is_shared: bool = False

    @classmethod
    def join(cls, encoded: Sequence[EncodedFrame]) -> EncodedFrame:
        """Put views into one batch, (H * W, B, C) at each level; equal views are shared without a copy."""
        first = encoded[0]
        is_shared = all(other is first for other in encoded)
        if is_shared:
            B = len(encoded)
            levels = [level.expand(-1, B, -1) for level in first.vision_feats]
        else:
            levels = [torch.cat(level, dim=1) for level in zip(*(other.vision_feats for other in encoded), strict=True)]
        return cls(levels, first.vision_pos, first.feat_sizes, is_shared)

    @property
    def num_bytes(self) -> int:
        """Memory held; position codes are shared by all frames."""
        return sum(level.numel() * level.element_size() for level in self.vision_feats)

    @property
    def high_res_maps(self) -> list[Tensor]:
        """The finer levels as maps (B, C, H, W) that take no memory of their own."""
        levels = zip(self.vision_feats[:-1], self.feat_sizes[:-1], strict=True)
        return [level.permute(1, 2, 0).unflatten(2, size) for level, size in levels]


class FrameFeatures:
    """Features of the frames of one video.

    Parameters
    ----------
    model : SAM2Base
        Encodes.
    frames : FrameSource
        The video.
    budget_bytes : int
        Memory of the frames used last; one is always kept.
    file_bytes : int
        Whole frames beyond it go into a temporary file of at most this size, on a CPU, where encoding takes a hundred times as long
        as reading. Windows are not kept there: another pass chooses others.

    Attributes
    ----------
    num_encoded : int
        How many frames and windows were encoded so far.
    encodes_together : bool
        Windows that are wanted together are encoded in one batch: on a GPU, which one window does not fill. On a CPU that gains
        nothing, and the last digits of a window's features would depend on the others.
    """

    def __init__(self, model: SAM2Base, frames: FrameSource, budget_bytes: int = 64 * 2**20, file_bytes: int = 8 * 2**30) -> None:
        self.model = model
        self.frames = frames
        self.budget_bytes = budget_bytes
        self._kept: OrderedDict[tuple[int, View | None], EncodedFrame] = OrderedDict()
        self._file = FeatureFile(file_bytes if model.device.type == "cpu" else 0)
        self._shared: tuple[Tensor, list[tuple[int, int]]] | None = None
        self.num_encoded = 0
        self.encodes_together = model.device.type != "cpu"

    def __len__(self) -> int:
        return len(self.frames)

    def get(self, frame: int, view: View | None = None) -> EncodedFrame:
        """Return the features of a frame, or of a view of it, encoding it if they are not there.

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        return self._get_each(frame, [view])[0]

    def get_batch(self, frame: int, views: Sequence[View | None]) -> EncodedFrame:
        """Return the features of several views of a frame as one batch."""
        return EncodedFrame.join(self._get_each(frame, views))

    def _get_each(self, frame: int, views: Sequence[View | None]) -> list[EncodedFrame]:
        if not 0 <= frame < len(self.frames):
            raise IndexError(f"frame {frame} does not exist: there are {len(self.frames)}")
        wanted = dict.fromkeys(views)
        known = {view: self._kept.get((frame, view)) or self._again(frame, view) for view in wanted}
        found = {view: encoded for view, encoded in known.items() if encoded is not None}
        missing = [view for view in wanted if view not in found]
        num_at_a_time = len(missing) if self.encodes_together else 1
        for first in range(0, len(missing), max(num_at_a_time, 1)):
            part = missing[first : first + num_at_a_time]
            found.update(zip(part, self._encode(frame, part), strict=True))
        for view, encoded in found.items():
            self._kept[frame, view] = encoded
            self._kept.move_to_end((frame, view))
        self._drop_old()
        return [found[view] for view in views]

    def clear(self) -> None:
        """Forget all features."""
        self._kept.clear()
        self._file.close()

    def _again(self, frame: int, view: View | None) -> EncodedFrame | None:
        """Read features back, if they are in the file."""
        levels = self._file.get(frame) if view is None else None
        if levels is None or self._shared is None:
            return None
        return EncodedFrame([level.permute(1, 0)[:, None] for level in levels], *self._shared)

    def _encode(self, frame: int, views: Sequence[View | None]) -> list[EncodedFrame]:
        """Encode views of a frame in one batch."""
        self.num_encoded += len(views)
        images = torch.stack([self._read(frame, view) for view in views]).to(self.model.device)
        _, levels, positions, feat_sizes = self.model._prepare_backbone_features(self.model.forward_image(images))
        # Own storage, in float32 or as autocast made it: a view would keep levels alive that nobody reads, and other windows.
        own = [level.permute(1, 2, 0).split(1) for level in levels]
        kept = [
            [one.clone(memory_format=torch.contiguous_format).permute(2, 0, 1) for one in each] for each in zip(*own, strict=True)
        ]
        return [EncodedFrame(one, positions[-1][:, :1], feat_sizes) for one in kept]

    def _read(self, frame: int, view: View | None) -> Tensor:
        if view is None:
            return self.frames.read(frame)
        if not isinstance(self.frames, ArrayFrames):
            raise TypeError("only frames of an array can be cut to a window")
        return self.frames.read_view(frame, view.window)

    def _drop_old(self) -> None:
        while len(self._kept) > 1 and sum(kept.num_bytes for kept in self._kept.values()) > self.budget_bytes:
            (frame, view), old = self._kept.popitem(last=False)
            if view is None:
                self._shared = old.vision_pos, old.feat_sizes
                self._file.put(frame, [level[:, 0].T for level in old.vision_feats])
