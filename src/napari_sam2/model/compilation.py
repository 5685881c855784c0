"""Blocks that are compiled by ``torch.compile`` when they are first called, and compute as they are where that fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from napari_sam2.torch_threads import torch

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

logger = logging.getLogger(__name__)

MAX_SECONDS = 600.0
"""When compiling blocks of a model has taken so long, those that are not compiled yet are left as they are."""
OPTIONS: dict[str, Any] = {"mode": "max-autotune", "fullgraph": True}


class CompiledForward:
    """The forward pass of a block, compiled by its first call.

    Parameters
    ----------
    block : Module
        The block, whose ``forward`` this replaces.
    dynamic : bool
        Compile once for all sizes; else once for each.
    spent : list of float
        Seconds that compiling blocks of the model took, which this one is added to.

    Attributes
    ----------
    is_used : bool
        The compiled pass is used; else that of the block.
    """

    def __init__(self, block: nn.Module, dynamic: bool, spent: list[float]) -> None:
        self.is_used = True
        self._name, self._plain = type(block).__name__, block.forward
        self._compiled: Callable[..., Any] = torch.compile(block.forward, dynamic=dynamic, **OPTIONS)
        self._spent, self._is_begun = spent, False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the pass."""
        if self.is_used and not self._is_begun and sum(self._spent) > MAX_SECONDS:
            logger.warning("compiling took %.0f s: %s is left as it is", sum(self._spent), self._name)
            self.is_used = False
        if not self.is_used:
            return self._plain(*args, **kwargs)
        began_s, is_first, self._is_begun = time.perf_counter(), not self._is_begun, True
        try:
            found = self._compiled(*args, **kwargs)
        except RuntimeError as error:
            if not _is_of_compiler(error):
                raise
            reason = str(error).strip().partition("\n")[0]
            logger.warning("%s cannot be compiled here, and computes as it is: %s", self._name, reason)
            self.is_used = False
            return self._plain(*args, **kwargs)
        if is_first:
            self._spent.append(time.perf_counter() - began_s)
            logger.info("%s is compiled: that took %.0f s", self._name, self._spent[-1])
        # What a CUDA graph returns is overwritten by its next run.
        return tree_map_only(Tensor, lambda tensor: tensor.clone() if tensor.is_cuda else tensor, found)


def compile_blocks(blocks: dict[nn.Module, bool]) -> None:
    """Let blocks of a model be compiled when they are first called, each for all sizes, or, if False, for each size anew."""
    spent: list[float] = []
    for block, is_dynamic in blocks.items():
        block.forward = CompiledForward(block, is_dynamic, spent)


@contextmanager
def uncompiled(*blocks: nn.Module) -> Iterator[None]:
    """Let blocks compute as they are, where a size occurs once."""
    changed = [found for block in blocks if isinstance(found := block.forward, CompiledForward) and found.is_used]
    for forward in changed:
        forward.is_used = False
    try:
        yield
    finally:
        for forward in changed:
            forward.is_used = True


def _is_of_compiler(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException  # takes seconds, and has been imported where something is compiled

    return isinstance(error, TorchDynamoException)
