"""Where a pixel, a click or a memory is: fixed sine tables, random Fourier features and axial rotary tables.

B batch · C channels · H, W height and width · N sequence length · D channels of one attention head.
"""

from __future__ import annotations

import math

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.model.onednn import is_free_to_choose


def _frequencies(count: int, temperature: float) -> Tensor:
    """Wave lengths that occur in pairs, one for the sine and one for the cosine; (count,)."""
    index = torch.arange(count, dtype=torch.float32, device="cpu")
    return temperature ** (2 * torch.div(index, 2, rounding_mode="floor") / count)


class PositionEmbeddingSine(nn.Module):
    """Sine code of the row in the first half of the channels, of the column in the second.

    Parameters
    ----------
    num_pos_feats : int
        Channels of the code, rows and columns together; a multiple of 4.
    temperature : float
        Longest wave length.
    normalize : bool
        Scale positions to 0 .. ``scale``, whatever the size of the map.
    scale : float, optional
        Range of normalised positions, 2π by default.
    warmup_cache : bool
        Compute the tables of ``image_size`` at once instead of at first use.
    image_size : int
        Side in pixels of the image for ``warmup_cache``.
    strides : sequence of int
        Strides of the maps for ``warmup_cache``.

    Notes
    -----
    Official ``position_encoding.py`` L16-124.
    """

    def __init__(
        self,
        num_pos_feats: int,
        temperature: float = 10000,
        normalize: bool = True,
        scale: float | None = None,
        warmup_cache: bool = False,
        image_size: int = 1024,
        strides: tuple[int, ...] = (4, 8, 16, 32),
    ) -> None:
        super().__init__()
        if num_pos_feats % 4:
            raise ValueError(f"num_pos_feats must be a multiple of 4, got {num_pos_feats}")
        if scale is not None and not normalize:
            raise ValueError("scale has a meaning only with normalize=True")
        self.num_pos_feats = num_pos_feats // 2
        self.temperature = temperature
        self.normalize = normalize
        self.scale = 2 * math.pi if scale is None else scale
        self._tables: dict[tuple[int, int, torch.device], Tensor] = {}
        if warmup_cache:
            for stride in strides:
                self.table(image_size // stride, image_size // stride, torch.device("cpu"))

    def table(self, height: int, width: int, device: torch.device) -> Tensor:
        """Return the code of a map, (C, H, W), float32, computed once per size."""
        key = (height, width, device)
        if key not in self._tables:
            with torch.inference_mode(False):  # a table outlives the call: one of inference mode could not be learnt with later
                self._tables[key] = self._compute(height, width).to(device)
        return self._tables[key]

    def _compute(self, height: int, width: int) -> Tensor:
        rows = self._waves(height)[:, None].expand(height, width, -1)
        columns = self._waves(width)[None, :].expand(height, width, -1)
        return torch.cat([rows, columns], dim=-1).permute(2, 0, 1).contiguous()

    def _waves(self, length: int) -> Tensor:
        """Sine and cosine, interleaved, of the positions 1 .. length; (length, C / 2)."""
        position = torch.arange(1, length + 1, dtype=torch.float32, device="cpu")
        if self.normalize:
            position = position / (length + 1e-6) * self.scale
        angle = position[:, None] / _frequencies(self.num_pos_feats, self.temperature)
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=-1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the code for a map of the size of ``x``, (B, *, H, W), as a (B, C, H, W) view that takes no memory."""
        table = self.table(x.shape[-2], x.shape[-1], x.device)
        return table.expand(x.shape[0], -1, -1, -1)


class PositionEmbeddingRandom(nn.Module):
    """Random Fourier features of positions in the unit square (official ``position_encoding.py`` L127-176).

    Parameters
    ----------
    num_pos_feats : int
        Number of frequencies; the code has twice as many channels.
    scale : float, optional
        Standard deviation of the frequencies, 1 by default.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_pos_feats: int = 64, scale: float | None = None) -> None:
        super().__init__()
        deviation = 1.0 if scale is None or scale <= 0.0 else scale
        self.register_buffer("positional_encoding_gaussian_matrix", deviation * torch.randn((2, num_pos_feats)))

    def encode(self, coords_xy: Tensor) -> Tensor:
        """Encode ``coords_xy``, (..., 2) with x before y in 0 .. 1, as (..., 2 * num_pos_feats)."""
        matrix = self.positional_encoding_gaussian_matrix
        centred = 2 * coords_xy.to(matrix.dtype) - 1
        # Not a matrix product: autocast would round the coordinates to bfloat16, which is pixels.
        angle = 2 * math.pi * (centred[..., :1] * matrix[0] + centred[..., 1:] * matrix[1])
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def forward(self, size: tuple[int, int]) -> Tensor:
        """Encode the pixel centres of a map of ``size`` (H, W) as (C, H, W)."""
        height, width = size
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
        grid = torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)], dim=-1)
        return self.encode(grid).permute(2, 0, 1)

    def forward_with_coords(self, coords_xy: Tensor, image_size: tuple[int, int]) -> Tensor:
        """Encode ``coords_xy``, (B, N, 2) in pixels of an image of ``image_size`` (H, W), as (B, N, C)."""
        height, width = image_size
        return self.encode(coords_xy / coords_xy.new_tensor([width, height]))


def get_1d_sine_pe(pos_inds: Tensor, dim: int, temperature: float = 10000) -> Tensor:
    """Sines, then cosines, of positions in time.

    Parameters
    ----------
    pos_inds : Tensor
        (...), in units of the longest look-back.
    dim : int
        Channels, even.
    temperature : float
        Longest wave length.

    Returns
    -------
    Tensor
        (..., dim), float32.

    Notes
    -----
    Official ``sam2_utils.py`` L64-74.
    """
    angle = pos_inds.float()[..., None] / _frequencies(dim // 2, temperature).to(pos_inds.device)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def compute_axial_rotary(dim: int, height: int, width: int, theta: float = 10000.0) -> Tensor:
    """Rotations of adjacent channel pairs by the column (first half of the pairs) and the row.

    Parameters
    ----------
    dim : int
        Channels D of one head, a multiple of 4.
    height, width : int
        Size of the map; neither has to equal the other.
    theta : float
        Longest wave length.

    Returns
    -------
    Tensor
        (H * W, D / 2, 2), float32: cosine and sine of each pair.

    Notes
    -----
    Official ``position_encoding.py`` L185-207.
    """
    rates = 1.0 / theta ** (torch.arange(0, dim, 4, dtype=torch.float32, device="cpu")[: dim // 4] / dim)
    cell = torch.arange(height * width, dtype=torch.float32, device="cpu")
    column, row = cell % width, torch.div(cell, width, rounding_mode="floor")
    angle = torch.cat([torch.outer(column, rates), torch.outer(row, rates)], dim=-1)
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def apply_rotary(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate the channel pairs of ``x``, (..., N, D), by rotations (N, D / 2, 2); computed in float32 (official L210-239)."""
    pairs = x.float().unflatten(-1, (-1, 2))
    if x.device.type in ("cpu", "cuda") and not torch.compiler.is_compiling():
        # One pass over the data: on a CPU ten times as fast as what other devices and compilers can do, with the same result.
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rotation))
    else:
        (even, odd), (cos, sin) = pairs.unbind(-1), rotation.unbind(-1)
        turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).type_as(x)


def can_rotate_in_place(x: Tensor) -> bool:
    """Return whether :func:`rotate_in_place` takes a tensor, which nobody else may need: float32, on a CPU, without gradients."""
    return x.dtype == torch.float32 and is_free_to_choose(x)


def rotate_in_place(x: Tensor, rotation: Tensor) -> None:
    """Rotate as :func:`apply_rotary` does, into ``x`` itself: of many keys, copies take longer than their rotation."""
    torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(torch.view_as_complex(rotation))
