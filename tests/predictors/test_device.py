"""Where and in which precision to compute."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from napari_sam2.predictors.device import (
    available_devices,
    checked_precision,
    device_facts,
    inference,
    resolve_device,
    resolve_precision,
    return_free_memory,
)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="not available here"):
        resolve_device(device)


def test_inference_ends_where_it_began() -> None:
    with inference(torch.device("cpu"), "bfloat16"):
        assert torch.is_inference_mode_enabled()
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert not torch.is_inference_mode_enabled()
    with pytest.raises(ValueError, match="precision must be one of"), inference(torch.device("cpu"), "float8"):
        pass


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
@pytest.mark.parametrize("asked", ["auto", None])
def test_the_fastest_device_that_is_there_is_chosen(
    cuda: bool, mps: bool, chosen: str, asked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device(asked) == torch.device(chosen)
    # what is asked for by name is not replaced by what is faster
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")


def test_a_device_is_a_name() -> None:
    with pytest.raises(ValueError, match="a device is a name, as 'cpu' or 'cuda', got int"):
        resolve_device(0)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["float16", "", None, 32, ["float32"]])
def test_other_precisions_are_refused(precision: object) -> None:
    with pytest.raises(ValueError, match=r"precision must be one of \('auto', 'float32', 'bfloat16'\), got "):
        checked_precision(precision)  # type: ignore[arg-type]


def test_float32_is_computed_in_float32() -> None:
    with inference(torch.device("cpu"), checked_precision("float32")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_an_error_ends_inference_too() -> None:
    with pytest.raises(KeyError), inference(torch.device("cpu")):
        raise KeyError
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_free_memory_is_returned_where_the_system_can(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    library = type("Library", (), {"malloc_trim": staticmethod(trimmed.append)})
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    return_free_memory()
    assert trimmed == ([0] if platform == "linux" else [])


def test_the_facts_of_a_device() -> None:
    facts = device_facts("cpu")
    assert facts.kind == "cpu"
    assert facts.name
    assert facts.memory_bytes > 10**8
    assert 0.1 < facts.gflops < 1e5
    with pytest.raises(ValueError, match="not available here"):
        device_facts("nowhere")


@pytest.mark.parametrize(
    ("cuda", "mps", "kinds"), [(True, False, ("cuda", "cpu")), (False, True, ("mps", "cpu")), (False, False, ("cpu",))]
)
def test_the_devices_that_are_here(cuda: bool, mps: bool, kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert available_devices() == kinds


KEEPS_MEMORY = """
import resource
from napari_sam2.torch_threads import torch
from napari_sam2.predictors.device import keep_freed_memory
if {is_kept}:
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2**20, dtype=torch.float32)
before = faults()
for _ in range(20):
    torch.ones(2**20, dtype=torch.float32)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_workers_of_dask_keep_memory_for_the_next_tensors() -> None:
    """Where each tensor of 4 MiB is new memory, its 1024 pages are, too."""
    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}  # as dask begins its workers
    given, kept = (
        int(subprocess.check_output([sys.executable, "-c", KEEPS_MEMORY.format(is_kept=is_kept)], env=environment))
        for is_kept in (False, True)
    )
    assert given >= 20 * 1024
    assert kept < given / 2


@pytest.mark.parametrize(
    ("precision", "device", "is_native", "expected"),
    [
        ("auto", "cuda", True, "bfloat16"),
        ("auto", "cuda", False, "float32"),
        ("auto", "cpu", True, "float32"),
        ("auto", "mps", True, "float32"),
        ("float32", "cuda", True, "float32"),
        ("bfloat16", "cpu", False, "bfloat16"),
    ],
)
def test_the_precision_that_suits(
    precision: str, device: str, is_native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: is_native and not including_emulation)
    assert resolve_precision(precision, torch.device(device)) == expected


def test_an_unknown_precision_is_told() -> None:
    with pytest.raises(ValueError, match=r"precision must be one of \('auto', 'float32', 'bfloat16'\), got 'half'"):
        resolve_precision("half", torch.device("cpu"))
