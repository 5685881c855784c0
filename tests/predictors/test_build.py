from __future__ import annotations

from pathlib import Path

import pytest
import torch

import napari_sam2
from napari_sam2.predictors.build import build_sam2, build_sam2_video_predictor, load_model
from napari_sam2.predictors.construction import parse_overrides
from napari_sam2.predictors.device import inference, resolve_device
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
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


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("++model.non_overlap_masks=true", {"non_overlap_masks": True}),
        ("model.fill_hole_area=8", {"fill_hole_area": 8}),
        ("+model.max_cond_frames_in_attn=-1", {"max_cond_frames_in_attn": -1}),
        ("++model.sigmoid_scale_for_mem_enc=2.5", {"sigmoid_scale_for_mem_enc": 2.5}),
        ("++model.image_size=512", {"image_size": 512}),
        (
            "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.1",
            {"sam_mask_decoder_extra_args": {"dynamic_multimask_stability_delta": 0.1}},
        ),
        ("++model._target_=sam2.sam2_video_predictor.SAM2VideoPredictorVOS", {}),
    ],
)
def test_overrides_of_existing_scripts_are_read(override: str, expected: dict) -> None:
    assert parse_overrides([override], SAM2VideoPredictor) == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("++model.non_overlap_mask=true", "did you mean 'non_overlap_masks'"),
        ("++scratch.resolution=1024", "has the form"),
        ("++model.image_size", "has the form"),
        ("++model.image_encoder.trunk=1", "not an argument"),
    ],
)
def test_overrides_that_mean_nothing_are_refused(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_overrides([override], SAM2VideoPredictor)


def test_arguments_win_over_overrides_and_these_over_the_defaults() -> None:
    build = build_sam2_video_predictor
    assert build(TINY, device="cpu").fill_hole_area == 8
    assert build(TINY, device="cpu", apply_postprocessing=False).fill_hole_area == 0
    assert build(TINY, device="cpu", hydra_overrides_extra=["++model.fill_hole_area=3"]).fill_hole_area == 3
    assert build(TINY, device="cpu", hydra_overrides_extra=["++model.fill_hole_area=3"], fill_hole_area=4).fill_hole_area == 4
    override = ["++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.5"]
    decoder = build(TINY, device="cpu", hydra_overrides_extra=override).sam_mask_decoder
    assert (decoder.dynamic_multimask_via_stability, decoder.dynamic_multimask_stability_thresh) == (True, 0.5)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_modes(mode: str) -> None:
    assert build_sam2(TINY, device="cpu", mode=mode).training == (mode == "train")
    with pytest.raises(ValueError, match="'eval' or 'train'"):
        build_sam2(TINY, device="cpu", mode="both")


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


def test_loading_a_model_moves_no_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_model("micro", "cpu")
    assert torch.equal(torch.rand(4), expected)
