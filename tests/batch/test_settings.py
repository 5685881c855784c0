"""The key of a result: what it depends on, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from napari_sam2.batch.settings import BatchSettings

SETTINGS = BatchSettings("labels", weights_sha256="w")


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": "session"},
        {"weights_sha256": "v"},
        {"precision": "bfloat16"},
        {"axes": "ZYX"},
        {"channel": [1]},
        {"along": "Z"},
        {"intensity_range": (0.0, 10.0)},
        {"window": "bone"},
        {"direction": "forward"},
        {"image_size": 256},
        {"memories": 3},
    ],
)
def test_what_changes_a_result_changes_the_key(change: dict[str, Any]) -> None:
    assert replace(SETTINGS, **change).key(["a"], None) != SETTINGS.key(["a"], None)


@pytest.mark.parametrize(
    "change", [{"device": "cuda"}, {"endings": (".csv",)}, {"model": "/elsewhere/micro.pt"}, {"software": "9"}]
)
def test_what_does_not_leaves_it(change: dict[str, Any]) -> None:
    assert replace(SETTINGS, **change).key(["a"], None) == SETTINGS.key(["a"], None)


def test_a_prompts_file_counts_by_its_content() -> None:
    keys = [replace(SETTINGS, prompts=f"/{folder}/p.json").key(["a", "prompts"], None) for folder in "ab"]
    assert keys[0] == keys[1] != replace(SETTINGS, prompts="/a/p.json").key(["a", "others"], None)


def test_images_of_one_file_differ() -> None:
    assert len({SETTINGS.key(["a"], series) for series in (None, 0, 1)}) == 3


def test_arguments() -> None:
    assert SETTINGS.stack_arguments() == {}
    assert SETTINGS.session_arguments() == {"precision": "auto"}
    assert replace(SETTINGS, channel=[2], along="Z").stack_arguments() == {"channel": 2, "along": "Z"}
    assert replace(SETTINGS, channel=[2, 0]).stack_arguments()["channel"] == [2, 0]
    assert replace(SETTINGS, window="bone").session_arguments() == {"precision": "auto", "window": "bone"}
    cheaper = replace(SETTINGS, image_size=256, memories=3).session_arguments()
    assert cheaper == {"precision": "auto", "image_size": 256, "memories": 3}


def test_the_key_has_the_precision_that_auto_is() -> None:
    assert SETTINGS.computed_in("bfloat16") == replace(SETTINGS, precision="bfloat16")
    assert replace(SETTINGS, precision="float32").computed_in("bfloat16").precision == "float32"
    of_sessions = replace(SETTINGS, model=None)
    assert of_sessions.computed_in("bfloat16") is of_sessions
