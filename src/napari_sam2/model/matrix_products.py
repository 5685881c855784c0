"""Products of matrices on a CPU, by the library that is fastest there.

PyTorch has two on x86: MKL, which it multiplies float32 matrices with, and oneDNN, for convolutions and bfloat16. On processors of
AMD, MKL leaves half of each 512-bit register unused, and takes more than twice as long where the processor computes with all of it
(AMD EPYC 9005: 215 beside 490 GFLOP/s on two cores).

N rows of the left factor · D columns of it · M columns of the product.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn


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
    left = torch.arange(6.0).view(2, 3).to(dtype)
    right = torch.arange(-6.0, 6.0).view(4, 3).to(dtype)
    try:
        found = (_onednn(left, right), _onednn(left, torch.ops.mkldnn._reorder_linear_weight(right, 2)))
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(torch.equal(x, left @ right.t()) for x in found)


def _onednn(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return product


def is_free_to_choose(*tensors: Tensor) -> bool:
    """Return whether tensors may be multiplied by what has no gradients: on a CPU, where nothing is learnt and nothing compiled."""
    if torch.compiler.is_compiling():
        return False
    return all(x.device.type == "cpu" for x in tensors) and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))


class Linear(nn.Linear):
    """A fully connected layer."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., D) to (..., M)."""
        if (
            input.dtype == self.weight.dtype == torch.float32
            and is_free_to_choose(input, self.weight)
            and uses_onednn(torch.float32)
            and not torch.is_autocast_enabled("cpu")  # then PyTorch computes in bfloat16, with oneDNN
        ):
            return _onednn(input, self.weight, self.bias)
        return F.linear(input, self.weight, self.bias)


class RightFactor:
    """A matrix that many are multiplied by, from the left, some rows at a time.

    Parameters
    ----------
    columns : Tensor
        (M, D), the columns of the matrix as rows.
    rows : int
        The most rows of a left factor.
    """

    def __init__(self, columns: Tensor, rows: int) -> None:
        self._by_onednn = uses_onednn(columns.dtype)
        if self._by_onednn:
            # Arranged once for all products, for which it otherwise is each time.
            self._columns: Tensor = torch.ops.mkldnn._reorder_linear_weight(columns.contiguous(), rows)
        else:
            self._columns = columns
            # One buffer for all products: memory that is new for each takes longer than to compute it.
            self._product = columns.new_empty(rows, len(columns))

    def multiplied(self, left: Tensor) -> Tensor:
        """Return ``left``, (N, D), times the matrix: (N, M), which the next call may overwrite."""
        if self._by_onednn:
            return _onednn(left, self._columns)
        return torch.mm(left, self._columns.t(), out=self._product[: len(left)])
