from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import napari_sam2
from napari_sam2.predictors import video_predictor
from napari_sam2.predictors.build import build_sam2, load_model
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, SAM2VideoPredictorVOS
from napari_sam2.weights.download import DownloadError
from napari_sam2.weights.load import save_checkpoint
from tiny_models import TINY


@pytest.mark.parametrize("name", [name for name in napari_sam2.__all__ if name != "__version__"])
def test_public_names_are_there(name: str) -> None:
    assert callable(getattr(napari_sam2, name))
    assert name in dir(napari_sam2)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'build_sam3'"):
        napari_sam2.build_sam3  # noqa: B018


def test_a_checkpoint_file_is_a_model(tmp_path: Path) -> None:
    original = build_sam2(TINY, device="cpu")
    save_checkpoint(tmp_path / "mine.safetensors", original.state_dict(), TINY)
    loaded = load_model(tmp_path / "mine.safetensors", "cpu")
    assert isinstance(loaded, SAM2VideoPredictor)
    assert not loaded.training
    assert loaded.config == TINY
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in original.state_dict().items())


def test_the_embedded_model_loads_and_follows_no_network() -> None:
    model = load_model(device="cpu")
    assert model.config.name == "micro"
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@pytest.mark.parametrize("predictor", [SAM2VideoPredictor, napari_sam2.SAM2ImagePredictor])
def test_from_pretrained_downloads(predictor: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As far as a machine without a network gets: to the server, which is not there."""
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    monkeypatch.setenv("NAPARI_SAM2_BASE_URL", "http://127.0.0.1:9/")
    with pytest.raises(DownloadError, match=r"sam2\.1_hiera_tiny\.pt"):
        predictor.from_pretrained("facebook/sam2.1-hiera-tiny", device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_model_by_name_is_not_downloaded_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="napari-sam2 weights download"):
        load_model("sam2.1_hiera_tiny")


def test_from_pretrained_takes_what_is_there() -> None:
    """The embedded model stands for a downloaded one."""
    model = SAM2VideoPredictor.from_pretrained("micro", device="cpu")
    assert isinstance(model, SAM2VideoPredictor)
    assert isinstance(napari_sam2.SAM2ImagePredictor.from_pretrained("micro", device="cpu").model.image_size, int)


@pytest.mark.parametrize(
    "build", [SAM2VideoPredictor.from_pretrained, napari_sam2.build_sam2_video_predictor_hf, napari_sam2.build_sam2_video_predictor]
)
def test_a_compiled_predictor_has_a_class_of_its_own(
    build: Callable[..., SAM2VideoPredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is chosen, not compiled."""
    chosen = []
    monkeypatch.setattr(video_predictor, "construct", lambda model_class, *arguments: chosen.append((model_class, arguments[4])))
    build("micro", device="cpu")
    build("micro", device="cpu", vos_optimized=True)
    (plain, its_arguments), (compiled, other_arguments) = chosen
    assert (plain, compiled) == (SAM2VideoPredictor, SAM2VideoPredictorVOS)
    assert other_arguments == its_arguments | {"compile_image_encoder": True}
