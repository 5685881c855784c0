"""Models of any class from names, files and overrides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.predictors.build import build_sam2, load_model
from napari_sam2.predictors.construction import parse_overrides
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, build_sam2_video_predictor
from tiny_models import TINY


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


def test_loading_a_model_moves_no_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_model("micro", "cpu")
    assert torch.equal(torch.rand(4), expected)


def value_of(text: str) -> object:
    return parse_overrides([f"++model.fill_hole_area={text}"], SAM2VideoPredictor)["fill_hole_area"]


@given(st.booleans() | st.none() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False))
def test_values_are_read_as_they_are_written_in_yaml(value: bool | float | None) -> None:
    text = {True: "true", False: "False", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    found = value_of(text)
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize(("text", "value"), [("None", None), ("'12'", "12"), ('"a=b"', "a=b"), ("1e-3", 0.001), ("", "")])
def test_values_in_quotes_are_texts(text: str, value: object) -> None:
    assert value_of(text) == value


def test_of_several_overrides_of_one_argument_the_last_counts() -> None:
    key = "++model.sam_mask_decoder_extra_args.dynamic_multimask"
    found = parse_overrides(
        [f"{key}_stability_delta=1", f"{key}_via_stability=true", f"{key}_stability_delta=2"], SAM2VideoPredictor
    )
    expected = {"dynamic_multimask_stability_delta": 2, "dynamic_multimask_via_stability": True}
    assert found == {"sam_mask_decoder_extra_args": expected}


class Counting(SAM2VideoPredictor):
    """A predictor with an argument of its own."""

    def __init__(self, speed: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.speed = speed


def test_any_class_is_constructed_with_its_own_arguments() -> None:
    model = build_sam2_video_predictor(TINY, device="cpu", hydra_overrides_extra=["++model.speed=7"], predictor_class=Counting)
    assert type(model) is Counting
    assert (model.speed, model.config, model.training) == (7, TINY, False)
    with pytest.raises(ValueError, match=r"'model\.spead' is not an argument of Counting; did you mean 'speed'\?"):
        parse_overrides(["model.spead=7"], Counting)
    with pytest.raises(ValueError, match=r"'model\.speed' is not an argument of SAM2VideoPredictor"):
        parse_overrides(["model.speed=7"], SAM2VideoPredictor)
