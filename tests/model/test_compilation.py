"""Blocks are compiled by their first call, or compute as they are."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import nn

from napari_sam2.model import compilation
from napari_sam2.model.compilation import CompiledForward, compile_blocks, uncompiled


class Doubled(nn.Module):
    """A block."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"twice": 2 * x}


class Compiler:
    """Stands for ``torch.compile``: counts calls of what it compiled, or fails as a compiler does."""

    def __init__(self, error: type[Exception] | None = None) -> None:
        self.error, self.num_calls = error, 0

    def __call__(self, forward: Any, **options: Any) -> Any:
        def compiled(*args: Any, **kwargs: Any) -> Any:
            self.num_calls += 1
            if self.error is not None:
                raise self.error("no C++ compiler was found\nSet CXX …")
            return forward(*args, **kwargs)

        return compiled


def compiled_blocks(monkeypatch: pytest.MonkeyPatch, compiler: Compiler) -> list[Doubled]:
    monkeypatch.setattr(torch, "compile", compiler)
    blocks = [Doubled(), Doubled()]
    compile_blocks(dict.fromkeys(blocks, False))
    return blocks


ONE = torch.ones(1)


def test_the_compiled_pass_is_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    compiler = Compiler()
    block, _ = compiled_blocks(monkeypatch, compiler)
    assert [block(ONE)["twice"].item() for _ in range(3)] == [2, 2, 2]
    assert compiler.num_calls == 3
    assert caplog.messages == ["Doubled is compiled: that took 0 s"]


def test_where_there_is_no_compiler_a_sentence_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from torch._dynamo.exc import TorchDynamoException

    compiler = Compiler(TorchDynamoException)
    block, _ = compiled_blocks(monkeypatch, compiler)
    assert [block(ONE)["twice"].item() for _ in range(3)] == [2, 2, 2]
    assert compiler.num_calls == 1
    assert caplog.messages == ["Doubled cannot be compiled here, and computes as it is: no C++ compiler was found"]


def test_other_errors_are_those_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    block, _ = compiled_blocks(monkeypatch, Compiler(torch.OutOfMemoryError))
    for _ in range(2):  # with fewer objects it may fit
        with pytest.raises(torch.OutOfMemoryError):
            block(ONE)


def test_compiling_takes_no_longer_than_a_set_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(compilation, "MAX_SECONDS", 0.0)
    compiler = Compiler()
    first, second = compiled_blocks(monkeypatch, compiler)
    for _ in range(2):
        assert first(ONE)["twice"].item() == second(ONE)["twice"].item() == 2
    assert compiler.num_calls == 2, "the first one twice"
    assert caplog.messages == ["compiling took 0 s: Doubled is left as it is"]


def test_for_a_while_blocks_compute_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler()
    block, other = compiled_blocks(monkeypatch, compiler)
    with uncompiled(block, nn.Identity()):
        block(ONE)
        other(ONE)
    assert compiler.num_calls == 1
    block(ONE)
    assert compiler.num_calls == 2
    assert isinstance(block.forward, CompiledForward)
