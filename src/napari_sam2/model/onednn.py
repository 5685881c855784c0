"""Layers and products of matrices that oneDNN computes where it is faster than MKL.

PyTorch has both on x86: it multiplies float32 matrices by MKL, and by oneDNN those of bfloat16 and most convolutions. On processors
of AMD, MKL leaves half of each 512-bit register unused, and takes more than twice as long where the processor computes with all of
it (AMD EPYC 9005: 215 beside 490 GFLOP/s on two cores).

N rows of the left factor · D columns of it · M columns of the product.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn

_Pair = tuple[int, ...]


@cache
def uses_onednn(dtype: torch.dtype) -> bool:
    """Return whether matrices of a dtype are multiplied by oneDNN where this module may choose.

    It follows from the processor alone, so that a run computes the same numbers again.
    """
    if dtype == torch.float32:
        return torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in _processor() and _is_right(dtype)
    return dtype == torch.bfloat16 and torch.backends.cpu.get_cpu_capability() == "AVX512" and _is_right(dtype)


def _processor() -> str:
    """Return what the operating system says of the processor, its maker among it."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").partition("\n\n")[0]
    except OSError:  # not Linux
        return platform.processor()


def _is_right(dtype: torch.dtype) -> bool:
    """Try the operators, which are not a public part of PyTorch: another version may lack them, or change them."""
    left = torch.arange(6, dtype=dtype, device="cpu").view(2, 3)
    right = torch.arange(-6, 6, dtype=dtype, device="cpu").view(4, 3)
    with torch.autocast("cpu", enabled=False):
        try:
            found = (_linear(left, right), _linear(left, torch.ops.mkldnn._reorder_linear_weight(right, 2)))
            convolved = _convolution(left.view(1, 3, 1, 2), right[..., None, None], None, (1, 1), (0, 0), (1, 1), 1)
        except (AttributeError, RuntimeError, TypeError):
            return False
        return all(torch.equal(x, left @ right.t()) for x in found) and torch.equal(convolved[0, :, 0], right @ left.view(3, 2))


def _linear(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return product


def _convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: _Pair, padding: _Pair, dilation: _Pair, groups: int
) -> Tensor:
    return torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, groups)


def is_free_to_choose(*tensors: Tensor) -> bool:
    """Return whether tensors may be multiplied by what has no gradients: on a CPU, where nothing is learnt and nothing compiled."""
    if torch.compiler.is_compiling():
        return False
    return all(x.device.type == "cpu" for x in tensors) and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))


def _runs_here(input: Tensor, weight: Tensor) -> bool:
    return (
        input.dtype == weight.dtype == torch.float32
        and is_free_to_choose(input, weight)
        and not torch.is_autocast_enabled("cpu")  # then PyTorch computes in bfloat16, by oneDNN
        and uses_onednn(torch.float32)
    )


class Linear(nn.Linear):
    """A fully connected layer."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., D) to (..., M)."""
        if _runs_here(input, self.weight):
            return _linear(input, self.weight, self.bias)
        return F.linear(input, self.weight, self.bias)


class Conv2d(nn.Conv2d):
    """A convolution; PyTorch would compute that of one small map by MKL."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        if isinstance(self.padding, tuple) and self.padding_mode == "zeros" and _runs_here(input, self.weight):
            return _convolution(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return super().forward(input)


class RightFactor:
    """A matrix that many are multiplied by, from the left, some rows at a time.

    Parameters
    ----------
    columns : Tensor
        (M, D), the columns of the matrix as rows.
    rows : int
        The most rows of a left factor.
    times : int
        How many are multiplied by it.
    """

    def __init__(self, columns: Tensor, rows: int, times: int) -> None:
        self._by_onednn = uses_onednn(columns.dtype)
        self._columns = columns
        if self._by_onednn:
            if times > 2:  # arranged once for all products, and not within each
                self._columns = torch.ops.mkldnn._reorder_linear_weight(columns, rows)
        else:
            # One buffer for all products: memory that is new for each takes longer than to compute it.
            self._product = columns.new_empty(rows, len(columns))

    def multiplied(self, left: Tensor) -> Tensor:
        """Return ``left``, (N, D), times the matrix: (N, M), which the next call may overwrite."""
        if self._by_onednn:
            return _linear(left, self._columns)
        return torch.mm(left, self._columns.t(), out=self._product[: len(left)])
