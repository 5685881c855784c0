"""Reads, identifies and writes checkpoints; every fault of a file is described in one sentence."""

from __future__ import annotations

import functools
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.torch_threads import torch

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_sam2.file_errors import os_error, reading, reason_of
from napari_sam2.files import atomic_path
from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import MODEL_CONFIGS, ModelConfig
from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.structured import parse_json, to_json
from napari_sam2.weights.download import checkpoint_path, find_checkpoint, wrong_size
from napari_sam2.weights.registry import RELEASED, SUFFIXES, resolve_model_name

_LEAST_LIKENESS = 0.9
_SHOWN_NAMES = 3
_ZIP_START = b"PK\x03\x04"
_PICKLE_START = b"\x80"
_LONGEST_HEADER_BYTES = 100_000_000  # of a safetensors file, by its definition

# what torch.load raises for damaged files of the format it wrote before 2020, which has neither lengths nor checksums
_DAMAGED = (RuntimeError, EOFError, struct.error, LookupError, AttributeError, TypeError, ValueError)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes
    ----------
    state_dict : dict of str to Tensor
        On the CPU; floating point as float32, however it was stored.
    config : ModelConfig or None
        The model it belongs to, where the file names it.
    """

    state_dict: dict[str, Tensor]
    config: ModelConfig | None


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint file.

    Parameters
    ----------
    path : str or Path
        A ``.pt`` file as released, with the weights under the key ``model``; a ``.pt`` file that is a state dict; or a
        ``.safetensors`` file.

    Returns
    -------
    Checkpoint
        The weights, and the configuration where the file has it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no checkpoint, is damaged, or would have to run code to be read.
    OSError
        If it may not be read, or the disk fails.

    Notes
    -----
    Tensors of a ``.pt`` file are mapped from the disk, so that looking at one is cheap.
    """
    path = Path(path).expanduser()
    with reading(path, "the checkpoint file"):
        if not path.is_file():
            raise FileNotFoundError(f"there is no checkpoint file {path}")
        with path.open("rb") as file:
            start = file.read(16)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _LONGEST_HEADER_BYTES:
        return _read_safetensors(path)
    if not start.startswith((_ZIP_START, _PICKLE_START)):
        raise ValueError(f"{path} is not a checkpoint, it begins with {start!r}" if start else f"{path} is empty")
    if path.suffix.lower() == ".safetensors":  # torch.load goes by the suffix
        raise ValueError(f"{path} was written by torch.save and is not a safetensors file: rename it to end in .pt")
    content = _read_zip(path) if start.startswith(_ZIP_START) else _read_pickle(path, is_mapped=False)
    return Checkpoint(_state_dict_of(content, path), None)


def _read_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is truncated or damaged: copy or download it again") from error
    if not any(name.endswith("/data.pkl") for name in names):
        raise ValueError(f"{path} is not a checkpoint but a zip archive of something else")
    return _read_pickle(path, is_mapped=True)


def _read_pickle(path: Path, *, is_mapped: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is refused, because it holds more than tensors and could run code when read: "
            "save the model's state dict alone, with torch.save"
        ) from error
    except _DAMAGED as error:
        if "DefaultCPUAllocator" in str(error):
            raise MemoryError(f"there is not enough memory to read {path}") from error
        raise ValueError(f"{path} is truncated or damaged: copy or download it again") from error


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or damaged: copy or download it again") from error
    written = metadata.get("config")
    config = None if written is None else parse_json(ModelConfig, written, f"the configuration inside {path}: ")
    return Checkpoint(_state_dict_of(tensors, path), config)


def _state_dict_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Take the weights, as float32, out of what a file holds."""
    if isinstance(content, Mapping) and "model_and_parts" in content:
        raise ValueError(f"{path} is the checkpoint of a training run, not a model: the model is the .safetensors file beside it")
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} is not a SAM 2 model, it holds a {type(content).__name__} instead of named tensors")
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others or not content:
        raise ValueError(f"{path} is not a SAM 2 model, it holds {_some(others)} instead of named tensors")
    return {str(key): value.float() if value.is_floating_point() else value for key, value in content.items()}


def save_checkpoint(path: str | Path, state_dict: Mapping[str, Tensor], config: ModelConfig, half: bool = False) -> None:
    """Write a checkpoint that names the model it belongs to; an older file stays whole until the new one is.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``; its folder is made if need be.
    state_dict : mapping of str to Tensor
        The weights, on any device.
    config : ModelConfig
        The model they belong to.
    half : bool
        Keep floating point as float16, in half the space.

    Raises
    ------
    ValueError
        If the path has another suffix, or its folder takes no files.
    OSError
        If the file cannot be written, as where the disk is full.
    """
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise ValueError(f"a checkpoint is saved as .safetensors, got {path}")
    tensors = {key: _as_stored(value, half) for key, value in state_dict.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"{path} cannot be written: {reason_of(error)}", error.errno) from error
    try:
        with atomic_path(path) as partial:
            partial.touch()
            mode = partial.stat().st_mode
            save_file(tensors, partial, metadata={"format": "pt", "config": to_json(config)})
            partial.chmod(mode)  # safetensors makes files only their owner can read; weights are shared in a lab
    except SafetensorError as error:  # it writes them itself, and has no numbers for what the system refuses
        raise OSError(f"{path} cannot be written: make room, and see that the folder may be written to") from error


def _as_stored(value: Tensor, half: bool) -> Tensor:
    dtype = torch.float16 if half and value.is_floating_point() else value.dtype
    return value.detach().to("cpu", dtype).contiguous()


def load_weights(model: SAM2Base, path: str | Path) -> None:
    """Load a checkpoint into a model; every tensor has to be there, and no other.

    Parameters
    ----------
    model : SAM2Base
        Keeps its device, dtype and mode.
    path : str or Path
        As for :func:`read_checkpoint`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read or belongs to another model; the model is then as it was.
    """
    checkpoint = read_checkpoint(path)
    expected, found = _shapes(model.state_dict()), _shapes(checkpoint.state_dict)
    if found != expected:
        asked = model.config.name if hasattr(model, "config") else type(model).__name__
        config = checkpoint.config or MODEL_CONFIGS.get(identify(checkpoint.state_dict) or "")
        # a fine-tuned model has a name of its own and the tensors of the model it came from: then the name decides nothing
        if config is not None and config.name != asked and _expected(config) != frozenset(expected.items()):
            raise ValueError(f"{path} is {config.name}, not {asked}")
        raise ValueError(f"{path} {_difference(expected, found, asked)}")
    model.load_state_dict(checkpoint.state_dict)


_Shapes = dict[str, tuple[int, ...]]


def _shapes(state_dict: Mapping[str, Tensor]) -> _Shapes:
    return {key: tuple(value.shape) for key, value in state_dict.items()}


def _difference(expected: _Shapes, found: _Shapes, asked: str) -> str:
    """Return, as the rest of a sentence, why a file does not fit: what helps most first."""
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    if len(missing) == len(expected):
        return f"is not a SAM 2 model, it holds {_some(unexpected)}"
    if missing:
        return f"is not a whole {asked}, it lacks {_some(missing)}"
    if unexpected:
        return f"is not a {asked}, it also holds {_some(unexpected)}"
    key = next(key for key in expected if found[key] != expected[key])
    return f"is not a {asked}, its {key} has shape {found[key]} instead of {expected[key]}"


def _some(names: list[str]) -> str:
    """List a few names, and the number of the others."""
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return (", ".join(names[:_SHOWN_NAMES]) or "nothing") + more


def identify(state_dict: Mapping[str, Tensor]) -> str | None:
    """Return which model a state dict belongs to, by the names and shapes of its tensors.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        The weights; a few may be missing or too many.

    Returns
    -------
    str or None
        Key of :data:`~napari_sam2.model.config.MODEL_CONFIGS`, or None if none is like it.
    """
    found = set(_shapes(state_dict).items())

    def likeness(name: str) -> float:
        expected = _expected(MODEL_CONFIGS[name])
        return len(found & expected) / len(found | expected)

    best = max(MODEL_CONFIGS, key=likeness)
    return best if likeness(best) >= _LEAST_LIKENESS else None


@functools.cache
def _expected(config: ModelConfig) -> frozenset[tuple[str, tuple[int, ...]]]:
    return frozenset(_shapes(build_model(config, device="meta").state_dict()).items())


def find_weights(model: str | Path) -> tuple[ModelConfig, Path]:
    """Find the configuration and the checkpoint of a model; nothing is downloaded.

    Parameters
    ----------
    model : str or Path
        A name, as understood by :func:`~napari_sam2.weights.registry.resolve_model_name`; a checkpoint file; or a folder
        that holds exactly one. A text that is both a name and a checkpoint file is taken for the file.

    Returns
    -------
    config : ModelConfig
        The one in the file, or else the known model that the file is.
    path : Path
        For :func:`load_weights`.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or if it was not downloaded yet.
    ValueError
        If no model goes by this name, a folder holds several checkpoints, or the file is not a SAM 2 model.
    OSError
        If it may not be read, or the disk fails.
    """
    path = Path(model).expanduser()
    if not _is_checkpoint_file(path) and isinstance(model, str):
        name = _name_meant(model)
        if name is not None:
            return _known_weights(name)
    with reading(path, "the model"):
        if path.is_dir():
            path = _only_checkpoint(path)
    return _config_of(path), path


def _is_checkpoint_file(path: Path) -> bool:
    with reading(path, "the checkpoint file"):
        return path.suffix in SUFFIXES and path.is_file()


def _name_meant(text: str) -> str | None:
    """Take a text for the name of a model unless it can only be a path."""
    try:
        return resolve_model_name(text)
    except ValueError as error:
        path = Path(text).expanduser()
        with reading(path, "the model"):
            if path.suffix in SUFFIXES or path.exists():
                return None
        raise ValueError(f"{error}; nor is there such a file or folder") from None


def _known_weights(name: str) -> tuple[ModelConfig, Path]:
    if name in RELEASED and (fault := wrong_size(checkpoint_path(name), RELEASED[name])):
        raise ValueError(fault)
    path = find_checkpoint(name)
    if path is not None:
        return (MODEL_CONFIGS[name] if name in RELEASED else _config_of(path)), path
    if name not in RELEASED:
        raise FileNotFoundError(f"the file of {name} is missing from the package: install napari-sam2 again")
    raise FileNotFoundError(f"{name} is not on this machine: run `napari-sam2 weights download {name}`")


def _only_checkpoint(folder: Path) -> Path:
    # What is hidden is not whole yet, or a system's own.
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and _is_checkpoint_file(path))
    if not paths:
        raise FileNotFoundError(f"the folder {folder} holds no checkpoint, that is no file ending in {', '.join(SUFFIXES)}")
    if len(paths) > 1:
        raise ValueError(f"the folder {folder} holds {_some([path.name for path in paths])}: say which one is meant")
    return paths[0]


def _config_of(path: Path) -> ModelConfig:
    checkpoint = read_checkpoint(path)
    if checkpoint.config is not None:
        return checkpoint.config
    name = identify(checkpoint.state_dict)
    if name is None:
        raise ValueError(f"{path} is not a SAM 2 model known here, it holds {_some(list(checkpoint.state_dict))}")
    return MODEL_CONFIGS[name]
