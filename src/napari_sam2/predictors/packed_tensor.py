"""Tensors as arrays of NumPy: what is kept, written and sent, also where there is no PyTorch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_sam2.torch_threads import torch

_AS_NUMBERS = {"bfloat16": np.dtype(np.int16)}
"""NumPy has no bfloat16."""


def array_dtype(name: str) -> np.dtype[np.generic]:
    """Return the type of the array that has the numbers of a tensor, by the name of the tensor's type.

    Raises
    ------
    TypeError
        If there is no such type.
    """
    return _AS_NUMBERS[name] if name in _AS_NUMBERS else np.dtype(name)


@dataclass(frozen=True, eq=False)
class PackedTensor:
    """A tensor of any device as an array; equal only to itself.

    Attributes
    ----------
    array : ndarray
        Its numbers; of types that NumPy does not have, their bits as integers.
    dtype : str
        Name of its type, as torch has it.
    """

    array: npt.NDArray[np.generic]
    dtype: str

    @classmethod
    def pack(cls, tensor: torch.Tensor) -> Self:
        """Pack a tensor; on the CPU one that is contiguous and its array share their memory."""
        return cls(_numbers(tensor), _name(tensor))

    @classmethod
    def pack_each(cls, batch: torch.Tensor) -> list[Self]:
        """Pack the tensors along the first axis; each has memory of its own, so that dropping one frees it."""
        name = _name(batch)
        return [cls(numbers.copy(), name) for numbers in _numbers(batch)]

    def unpack(self, device: torch.device) -> torch.Tensor:
        """Make a tensor; on the CPU it shares the memory of the array, and must not be changed."""
        from napari_sam2.torch_threads import torch

        return as_tensor(self.array).view(getattr(torch, self.dtype)).to(device)

    def owned(self) -> Self:
        """Return the tensor with memory of its own: those of a message share that of the message."""
        return type(self)(self.array.copy(), self.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return self.array.shape

    @property
    def num_bytes(self) -> int:
        """Size of the numbers."""
        return self.array.nbytes

    @cached_property
    def digest(self) -> bytes:
        """16 bytes by which it is known; computed once, also where it is sent on."""
        digest = hashlib.blake2b(f"{self.dtype} {self.shape}".encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.array).data)
        return digest.digest()


def as_tensor(array: npt.NDArray[np.generic]) -> torch.Tensor:
    """Make a tensor on the CPU that shares the memory of an array; of one that is read only, of which torch warns, a copy."""
    from napari_sam2.torch_threads import torch

    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _numbers(tensor: torch.Tensor) -> npt.NDArray[np.generic]:
    plain = tensor.detach().to("cpu").contiguous()
    if _name(plain) in _AS_NUMBERS:
        from napari_sam2.torch_threads import torch

        plain = plain.view(torch.int16)
    numbers: npt.NDArray[np.generic] = plain.numpy()
    return numbers
