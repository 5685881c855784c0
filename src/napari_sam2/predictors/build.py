"""Builds models and predictors under the official names, from the configuration paths and overrides of existing scripts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_sam2.torch_threads import torch

from napari_sam2.model.config import ModelConfig
from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.construction import STABILITY, construct
from napari_sam2.predictors.video_predictor import AnyPredictor, SAM2VideoPredictor, build_sam2_video_predictor
from napari_sam2.weights.download import download
from napari_sam2.weights.load import find_weights
from napari_sam2.weights.registry import is_model_name, resolve_model_name


def build_sam2(
    config_file: str | ModelConfig,
    ckpt_path: str | Path | None = None,
    device: str | torch.device | None = None,
    mode: str = "eval",
    hydra_overrides_extra: Iterable[str] = (),
    apply_postprocessing: bool = True,
    **kwargs: Any,
) -> SAM2Base:
    """Build an image model.

    Parameters
    ----------
    config_file : str or ModelConfig
        ``configs/sam2.1/sam2.1_hiera_t.yaml``, ``sam2.1_hiera_t``, ``sam2.1_hiera_tiny``, ``micro``, ...
    ckpt_path : str or Path, optional
        Weights; without them the model is untrained.
    device : str or torch.device, optional
        "auto" by default: CUDA, else Apple's GPU, else the CPU.
    mode : {"eval", "train"}
        Mode of the model.
    hydra_overrides_extra : iterable of str
        ``++model.key=value``, as in scripts for the official package; Hydra is not involved.
    apply_postprocessing : bool
        Replace an unstable single mask by the best of several.
    **kwargs
        Further arguments of the model, such as ``image_size``.

    Returns
    -------
    SAM2Base

    Raises
    ------
    ValueError
        If a name, an override, or the weights are not what they should be.
    """
    arguments = {"sam_mask_decoder_extra_args": dict(STABILITY)} if apply_postprocessing else {}
    return construct(SAM2Base, config_file, ckpt_path, device, mode, arguments, hydra_overrides_extra, kwargs)


def build_sam2_hf(model_id: str, **kwargs: Any) -> SAM2Base:
    """Build an image model by its Hugging Face id, such as ``facebook/sam2.1-hiera-tiny``; downloads the weights if need be.

    Raises
    ------
    DownloadError
        If they cannot be downloaded.
    """
    return build_sam2(resolve_model_name(model_id), download(model_id), **kwargs)


def build_sam2_video_predictor_hf(
    model_id: str,
    *,
    predictor_class: type[AnyPredictor] = SAM2VideoPredictor,  # type: ignore[assignment]
    **kwargs: Any,
) -> AnyPredictor:
    """Build a video predictor by its Hugging Face id; see :func:`build_sam2_hf`."""
    return predictor_class.from_pretrained(model_id, **kwargs)


def load_model(model: str | Path = "micro", device: str | torch.device | None = None, **kwargs: Any) -> SAM2VideoPredictor:
    """Load a model by name or file, ready for a :class:`~napari_sam2.session.session.Session`.

    Parameters
    ----------
    model : str or Path
        ``micro``, a released model's name whose weights were downloaded, or a checkpoint file.
    device : str or torch.device, optional
        "auto" by default.
    **kwargs
        As for :func:`build_sam2_video_predictor`.

    Returns
    -------
    SAM2VideoPredictor

    Raises
    ------
    FileNotFoundError
        If the weights are not there.
    ValueError
        If the file is not a SAM 2 checkpoint.
    """
    config, path = find_weights(model)
    predictor: SAM2VideoPredictor = build_sam2_video_predictor(
        config, path, device=device, add_all_frames_to_correct_as_cond=True, **kwargs
    )
    is_name = isinstance(model, str) and is_model_name(model) and not Path(model).expanduser().is_file()
    predictor.source = str(model) if is_name else str(path.absolute())
    return predictor
