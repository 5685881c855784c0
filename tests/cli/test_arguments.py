"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from napari_sam2.cli import arguments
from napari_sam2.cli.arguments import choice_of
from napari_sam2.cli.main import main
from napari_sam2.images.choice import ANY, Choice


@pytest.mark.parametrize(
    "arguments", [["segment", "", "--prompts", "p.json", "-o", "l.tif"], ["export", " ", "a.csv"], ["replay", "", "-o", "l.tif"]]
)
def test_an_empty_path_is_not_the_folder_one_is_in(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "expected a path, got an empty text" in capsys.readouterr().err


def parsed(add: Any, *words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add(parser)
    return vars(parser.parse_args(words))


@pytest.mark.parametrize(
    ("add", "words", "expected"),
    [
        ("intensity", "", {"window": None, "intensity_range": None, "percentiles": None}),
        (
            "intensity",
            "--window lung --intensity-range -10 2.5 --percentiles 1 99",
            {"window": "lung", "intensity_range": [-10.0, 2.5], "percentiles": [1.0, 99.0]},
        ),
        ("calibration", "", {"pixel_size": None, "interval": None}),
        ("calibration", "--pixel-size 2 0.5 0.25 --interval 3", {"pixel_size": [2, 0.5, 0.25], "interval": 3}),
        ("model", "", {"model": "micro", "device": "auto", "precision": "auto"}),
        ("model", "--precision bfloat16 --device cpu", {"model": "micro", "device": "cpu", "precision": "bfloat16"}),
        ("image_size", "", {"image_size": None}),
        ("image_size", "--image-size 512", {"image_size": 512}),
        ("memories", "", {"memories": None}),
        ("memories", "--memories 3", {"memories": 3}),
        ("methods", "--methods a.txt", {"methods": Path("a.txt")}),
        ("output", "-o a.tif --output b.csv", {"output": [Path("a.tif"), Path("b.csv")]}),
    ],
)
def test_what_is_read(add: str, words: str, expected: dict[str, Any]) -> None:
    kind = "argument" if add in ("methods", "output", "image_size", "memories") else "arguments"
    assert parsed(getattr(arguments, f"add_{add}_{kind}"), *words.split()) == expected


@pytest.mark.parametrize(
    ("add", "words"),
    [
        ("intensity_arguments", "--window eye"),
        ("intensity_arguments", "--intensity-range 1"),
        ("calibration_arguments", "--pixel-size one"),
        ("model_arguments", "--precision float16"),
        ("image_size_argument", "--image-size large"),
        ("output_argument", ""),
    ],
)
def test_what_cannot_be_read(add: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed(getattr(arguments, f"add_{add}"), *words.split())
    assert caught.value.code == 2
    assert (words.split() or ["--output"])[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "choice"), [("", ANY), ("--series 2", Choice(series=2)), ("--image-name A/1/0", Choice(image_name="A/1/0"))]
)
def test_which_image(words: str, choice: Choice) -> None:
    parser = argparse.ArgumentParser()
    arguments.add_choice_arguments(parser)
    assert choice_of(parser.parse_args(words.split())) == choice
