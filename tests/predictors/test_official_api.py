"""Every value that the public classes return has the official container, keys, shape and dtype, or is listed here with a reason."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import napari_sam2
import official_api
from golden_files import GOLDEN

RECORDED: dict[str, dict[str, Any]] = json.loads((GOLDEN / "official_api.json").read_text())
HERE = official_api.Package(*(getattr(napari_sam2, name) for name in official_api.Package._fields[:-1]))


def raises(name: str, *names: str) -> dict[str, Any]:
    return {"raises": name, "names": list(names)}


def signature(name: str, **defaults: str) -> list[list[str]]:
    return [[argument, defaults.get(argument, default)] for argument, default in RECORDED["signatures"][f"signature of {name}"]]


NO_BARE_ASSERTION = "a wrong argument gives an error in plain words, not an assertion or what fails later"
ANY_IMAGE = "grey images and sequences are images too"
NO_TRACE = "a refused prompt leaves no trace; the official object without a prompt stops the next propagation"
LAZY = "frames are read when they are asked for"
CHOSEN_DEVICE = "without a device one is chosen, so that it works without CUDA; a default is not a list that is shared by all calls"
PARTS_OF_STATE = "what is remembered of each object is in state.objects, and offloading is not a part of the state"

DIFFERENCES: dict[str, tuple[Any, str]] = {
    "signature of build_sam2": (signature("build_sam2", device="None", hydra_overrides_extra="()"), CHOSEN_DEVICE),
    "signature of build_sam2_video_predictor": (
        signature("build_sam2_video_predictor", device="None", hydra_overrides_extra="()"),
        CHOSEN_DEVICE,
    ),
    "predict_batch before set_image_batch": (raises("RuntimeError", "set_image"), NO_BARE_ASSERTION),
    "set_image, a list": (None, ANY_IMAGE),
    "_is_image_set after set_image, a list": (True, ANY_IMAGE),
    "set_image, None": (raises("ValueError"), NO_BARE_ASSERTION),
    "set_image, a grey array": (None, ANY_IMAGE),
    "_is_image_set after set_image, a grey array": (True, ANY_IMAGE),
    "set_image, a grey PIL image": (None, ANY_IMAGE),
    "_is_image_set after set_image, a grey PIL image": (True, ANY_IMAGE),
    "set_image, four channels": (raises("ValueError"), NO_BARE_ASSERTION),
    "predict, a point without labels": (raises("ValueError"), NO_BARE_ASSERTION),
    "predict_batch after set_image": (
        {
            "type": "tuple",
            "items": [{"type": "list", "items": [item]} for item in RECORDED["image_predictor"]["predict, no prompt"]["items"]],
        },
        "one image is a batch of one",
    ),
    "set_image_batch, no image": (raises("ValueError"), NO_BARE_ASSERTION),
    "set_image_batch, a tuple": (None, ANY_IMAGE),
    "init_state": ("VideoState", PARTS_OF_STATE),
    "init_state, keys": (
        {"type": "list", "items": [*official_api.STATE_KEYS, *official_api.OBJECT_KEYS]},
        PARTS_OF_STATE,
    ),
    "state['images']": ({"type": "JpegFolder"}, LAZY),
    "state['images'][0]": (RECORDED["video_predictor"]["state['images'][0]"] | {"is_inference": False}, LAZY),
    "init_state, no such folder": (raises("FileNotFoundError"), NO_BARE_ASSERTION),
    "init_state, an empty folder": (raises("ValueError"), NO_BARE_ASSERTION),
    "clear_all_prompts_in_frame of no object": (raises("KeyError"), NO_TRACE),
    "objects after clear_all_prompts_in_frame of no object": ({"type": "list", "items": []}, NO_TRACE),
    "objects after add_new_points_or_box of nothing": ({"type": "list", "items": []}, NO_TRACE),
    "objects after add_new_points_or_box, points alone": ({"type": "list", "items": []}, NO_TRACE),
    "objects after add_new_points_or_box, labels alone": ({"type": "list", "items": []}, NO_TRACE),
    "objects after add_new_points_or_box, a box that keeps points": ({"type": "list", "items": []}, NO_TRACE),
    "objects after add_new_points_or_box, a frame that is not there": ({"type": "list", "items": []}, NO_TRACE),
    "add_new_mask, three dimensions": (raises("ValueError"), NO_BARE_ASSERTION),
    "objects after add_new_mask, three dimensions": ({"type": "list", "items": []}, NO_TRACE),
    "objects after add_new_mask, a frame that is not there": ({"type": "list", "items": []}, NO_TRACE),
    "generate, no points": (raises("ValueError"), NO_BARE_ASSERTION),
    "generate, points twice": (raises("ValueError"), NO_BARE_ASSERTION),
    "generate, an unknown output mode": (raises("ValueError"), NO_BARE_ASSERTION),
}
"""What is otherwise here: the fact, and why."""


@cache
def image_model() -> torch.nn.Module:
    return official_api.image_model(HERE)


@cache
def facts_here(part: str) -> dict[str, Any]:
    match part:
        case "signatures" | "builders":
            found = getattr(official_api, part)(HERE)
        case "attributes":
            found = official_api.attributes(HERE, image_model(), RECORDED[part])
        case "image_predictor" | "automatic_mask_generator":
            found = getattr(official_api, part)(HERE, image_model())
        case "video_predictor":
            with tempfile.TemporaryDirectory() as folder:
                found = official_api.video_predictor(HERE, Path(folder))
    return json.loads(json.dumps(found))


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, facts in RECORDED.items() for name in facts])
def test_a_fact_is_the_official_one_or_a_listed_difference(part: str, name: str) -> None:
    if name == "generate, coco_rle":
        pytest.importorskip("pycocotools")
    expected, _ = DIFFERENCES.get(name, (RECORDED[part][name], "the same"))
    assert facts_here(part)[name] == expected


@pytest.mark.parametrize("part", RECORDED)
def test_the_calls_are_those_that_were_recorded(part: str) -> None:
    assert list(facts_here(part)) == list(RECORDED[part])


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_listed_difference_is_one(name: str) -> None:
    (recorded,) = (facts[name] for facts in RECORDED.values() if name in facts)
    here, reason = DIFFERENCES[name]
    assert here != recorded
    assert reason
