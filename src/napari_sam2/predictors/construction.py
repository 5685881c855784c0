"""Constructs models and predictors of any class from names, files and overrides."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from napari_sam2.torch_threads import torch

from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import MODEL_CONFIGS, ModelConfig
from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.model.tensor_defaults import tensor_defaults
from napari_sam2.predictors.device import resolve_device
from napari_sam2.weights.load import load_weights
from napari_sam2.weights.registry import resolve_model_name

AnyModel = TypeVar("AnyModel", bound=SAM2Base)

STABILITY = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}
"""Post-processing of single masks that the official builders switch on (official ``build_sam.py`` L83)."""


def construct(
    model_class: type[AnyModel],
    config_file: str | ModelConfig,
    ckpt_path: str | Path | None,
    device: str | torch.device | None,
    mode: str,
    arguments: dict[str, Any],
    overrides: Iterable[str],
    kwargs: dict[str, Any],
) -> AnyModel:
    """Construct a model of any class, with weights if there are any.

    Parameters
    ----------
    model_class : type
        The class.
    config_file, ckpt_path, device, mode, overrides
        As for :func:`~napari_sam2.predictors.build.build_sam2`.
    arguments, kwargs : dict
        Of the model; overrides go before ``arguments``, and ``kwargs`` before both.

    Raises
    ------
    ValueError
        If a name, an override, or the weights are not what they should be.
    """
    if mode not in ("eval", "train"):
        raise ValueError(f"mode must be 'eval' or 'train', got {mode!r}")
    chosen = resolve_device(device)
    config = config_file if isinstance(config_file, ModelConfig) else MODEL_CONFIGS[resolve_model_name(config_file)]
    merged = _merge(arguments, parse_overrides(overrides, model_class), kwargs)
    # Random weights that are replaced at once must not move the random numbers of whoever has a seed.
    with torch.random.fork_rng(devices=[], enabled=ckpt_path is not None):
        model = build_model(config, model_class, **merged)
    if ckpt_path is not None:
        load_weights(model, Path(ckpt_path))
    with tensor_defaults():
        return model.to(chosen).train(mode == "train")


def _merge(*layers: dict[str, Any]) -> dict[str, Any]:
    """Merge arguments, the later ones winning, dictionaries key by key."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            merged[key] = {**merged[key], **value} if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
    return merged


def parse_overrides(overrides: Iterable[str], model_class: type[SAM2Base]) -> dict[str, Any]:
    """Read ``++model.key=value`` strings.

    Parameters
    ----------
    overrides : iterable of str
        With or without the plus signs; ``key`` is an argument of the model, or one of its ``sam_mask_decoder_extra_args``.
    model_class : type
        Whose arguments are allowed.

    Returns
    -------
    dict
        Arguments of ``model_class``.

    Raises
    ------
    ValueError
        If a string has another form, or names no argument.
    """
    allowed = _argument_names(model_class)
    arguments: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.lstrip("+").partition("=")
        parts = key.split(".")
        if not equals or parts[0] != "model" or len(parts) not in (2, 3):
            raise ValueError(f"an override has the form '++model.key=value', got {override!r}")
        if parts[1] == "_target_":
            continue
        if parts[1] not in allowed or (len(parts) == 3 and parts[1] != "sam_mask_decoder_extra_args"):
            near = difflib.get_close_matches(parts[1], allowed, n=1)
            raise ValueError(
                f"{key!r} is not an argument of {model_class.__name__}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        value = _parse_value(text)
        if len(parts) == 3:
            arguments.setdefault(parts[1], {})[parts[2]] = value
        else:
            arguments[parts[1]] = value
    return arguments


def _argument_names(model_class: type) -> set[str]:
    names: set[str] = set()
    for base in model_class.__mro__:
        if issubclass(base, SAM2Base):
            names |= set(inspect.signature(base.__init__).parameters)
    return names - {"self", "kwargs", "image_encoder", "memory_attention", "memory_encoder"}


def _parse_value(text: str) -> bool | int | float | str | None:
    """Read a value as YAML would."""
    constants = {"true": True, "false": False, "null": None, "none": None}
    if text.strip().lower() in constants:
        return constants[text.strip().lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")
