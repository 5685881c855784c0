"""``napari-sam2 evaluate``: the table, the file, the pictures, and one sentence for what cannot be scored."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from blob_tracker import BlobTracker, Square, squares, tiny_model
from evaluation_stacks import write_dataset
from napari_sam2.cli.errors import MACHINE_ERROR
from napari_sam2.cli.main import main
from napari_sam2.predictors import tracker
from napari_sam2.session import session as session_module

T = 4
TRUTH = squares(T, (32, 32), {3: [(4, 3 + t, 6) for t in range(T)], 8: [(20, 20, 5)] * T})
HERE, THERE = (3, 3, 5), (3, 20, 5)
JUMP: dict[int, list[Square | None]] = {1: [HERE, HERE, THERE, THERE], 2: [None, None, HERE, HERE]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two data sets, and the blob under the click in place of the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr("napari_sam2.cli.evaluate.load_model", lambda model, device: tiny_model())
    write_dataset(Path("squares"), TRUTH)
    planes = squares(T, (32, 32), JUMP)
    write_dataset(Path("jump"), np.where(planes == 1, 1, 0).astype(np.uint16), image=np.where(planes > 0, 200, 0).astype(np.uint8))
    return tmp_path


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the lines printed, and what was written about each data set."""
    assert main(["evaluate", *arguments, "--json", "scores.json"]) == 0
    content = json.loads(Path("scores.json").read_text())
    assert content["model"] == "micro"
    return capsys.readouterr().out.splitlines(), content["datasets"]


@pytest.mark.parametrize("kind", ["point", "box", "mask"])
def test_scores(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines, (found,) = evaluated(capsys, "squares", "--kind", kind)
    assert lines == [
        "data set  objects  prompted    IoU      F    J&F  IoU>0.75",
        "squares         2     1.000  1.000  1.000  1.000     1.000",
    ]
    assert found == {
        "dataset": "squares",
        "objects": 2,
        "prompted_iou": 1.0,
        "mean_iou": 1.0,
        "boundary_f": 1.0,
        "j_and_f": 1.0,
        "hits_0.75": 1.0,
        "rows": [{"object_id": i, "prompted": 1.0, "mean": 1.0, "boundary_f": 1.0} for i in (3, 8)],
    }


def test_tracks(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ctc_metrics")
    lines, found = evaluated(capsys, "squares", "jump", "--tracks")
    assert lines[0].endswith("    SEG    DET    TRA")
    assert lines[1].endswith("  1.000  1.000  1.000")
    # Two of four missed and two too many; the link between them, and the one to them, missing.
    tra = 1 - (2 * 10 + 2 * 1 + 2 * 1.5) / (4 * 10 + 3 * 1.5)
    assert found[1]["tracks"] == pytest.approx({"seg": 0.5, "det": 1 - 22 / 40, "tra": tra})


def test_corrections(capsys: pytest.CaptureFixture[str]) -> None:
    lines, found = evaluated(capsys, "squares", "jump", "--corrections", "offline")
    assert lines == [
        "data set  objects  prompted    IoU      F    J&F  IoU>0.75  clicks to 0.75  clicks to 0.90",
        "squares         2     1.000  1.000  1.000  1.000     1.000             1.0             1.0",
        "jump            1     1.000  0.500  0.500  0.500     0.000             3.0             3.0",
        "in brackets: objects that did not get there; each counts with 24 clicks",
        "",
        "IoU after 1, 2, ... annotated frames, offline (on a single image: after 1, 2, ... clicks)",
        "squares   1.000",
        "jump      0.500  1.000",
        "",
        "J&F after 1, 2, ... annotated frames, offline (on a single image: after 1, 2, ... clicks)",
        "squares   1.000",
        "jump      0.500  1.000",
    ]
    assert found[1]["corrections"]["rows"] == [
        {
            "object_id": 1,
            "rounds": [
                {"frame": 0, "clicks": 1, "mean_iou": 0.5, "boundary_f": 0.5},
                {"frame": 2, "clicks": 3, "mean_iou": 1.0, "boundary_f": 1.0},
            ],
        }
    ]


def test_review(capsys: pytest.CaptureFixture[str]) -> None:
    lines, found = evaluated(capsys, "squares", "jump", "--rounds", "2")
    assert lines[3:] == [
        "",
        "IoU after 0, 1, 2, ... rounds of review",
        "squares   1.000  1.000  1.000",
        "jump      0.500  0.500  1.000",
    ]
    assert found[1]["review"]["reviewed"] == [
        {"round": 1, "object_id": 1, "frame": 1, "are_inside": [], "before": 1.0, "after": 1.0},
        {"round": 2, "object_id": 1, "frame": 2, "are_inside": [False, True], "before": 0.0, "after": 1.0},
    ]
    lines, _ = evaluated(capsys, "jump", "--rounds", "2", "--max-clicks", "1")
    assert lines[-1] == "jump      0.500  0.500  0.500"


def test_too_few_clicks(capsys: pytest.CaptureFixture[str]) -> None:
    lines, found = evaluated(capsys, "jump", "--corrections", "online", "--max-clicks", "2")
    assert lines[1].endswith("         2.0 (1)         2.0 (1)")
    assert lines[2] == "in brackets: objects that did not get there; each counts with 2 clicks"
    assert found[0]["corrections"]["max_clicks"] == 2


def test_channels_and_axes(capsys: pytest.CaptureFixture[str]) -> None:
    """The second of two channels, of a file that says that they are time."""
    cells = np.where(TRUTH[0] > 0, 200, 0).astype(np.uint8)
    write_dataset(Path("cells"), TRUTH[0], image=np.stack([cells * 0, cells]))
    _, (found,) = evaluated(capsys, "cells", "--axes", "CYX", "--channel", "1")
    assert found["mean_iou"] == 1


# 7 is one object on the first image and another on the third, where the first is background; 9 lies on the border of the second
COLLECTION = squares(3, (32, 32), {7: [(4, 4, 6), None, (20, 16, 8)], 9: [(22, 20, 5), (0, 8, 5), None]})
EXPECTED = [(7, 0), (9, 0), (7, 2)]


def several_images(axes: str = "QYX", dim: int = 1) -> None:
    """Images of a collection, of which each but the first is so many times darker than the one before."""
    image = np.stack([np.where(plane > 0, 50_000 // dim**number, 0) for number, plane in enumerate(COLLECTION)])
    write_dataset(Path("images"), COLLECTION, axes, image=image.astype(np.uint16))


@pytest.mark.parametrize("kind", ["point", "box", "mask"])
@pytest.mark.parametrize(("in_file", "arguments"), [("QYX", []), ("QYX", ["--axes", "NYX"]), ("TYX", ["--axes", "nyx"])])
def test_a_collection(kind: str, in_file: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each object is prompted and scored on its own image; what the border cuts is left out."""
    several_images(in_file)
    lines, (found,) = evaluated(capsys, "images", "--kind", kind, *arguments)
    assert lines == [
        "data set  objects  prompted    IoU      F    J&F  IoU>0.75",
        "images          3     1.000  1.000  1.000  1.000     1.000  2 images",
    ]
    assert found["images"] == 2
    assert found["rows"] == [
        {"object_id": i, "prompted": 1.0, "mean": 1.0, "boundary_f": 1.0, "image": number} for i, number in EXPECTED
    ]


def test_each_image_of_a_collection_scores_as_it_does_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Also by its own intensities: the third image is ten thousand times darker than the first."""
    several_images(dim=100)
    for number in (0, 2):
        image = np.where(COLLECTION[number] > 0, 50_000 // 100**number, 0).astype(np.uint16)
        write_dataset(Path(f"image{number}"), COLLECTION[number], "YX", image=image)
    _, (together,) = evaluated(capsys, "images", "--axes", "NYX")
    _, alone = evaluated(capsys, "image0", "image2")
    rows = [row | {"image": number} for number, report in zip((0, 2), alone, strict=True) for row in report["rows"]]
    assert together["rows"] == rows
    assert together["mean_iou"] == 1


def test_nothing_is_carried_from_image_to_image(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def track(*arguments: Any) -> Any:
        raise AssertionError("an object was carried to another frame")

    monkeypatch.setattr(BlobTracker, "track", track)
    several_images()
    assert evaluated(capsys, "images", "--axes", "NYX", "--corrections", "offline")[1][0]["mean_iou"] == 1
    assert main(["evaluate", "images", "--axes", "TYX", "--debug"]) == MACHINE_ERROR
    assert "an object was carried to another frame" in capsys.readouterr().err


def test_corrections_of_a_collection(capsys: pytest.CaptureFixture[str]) -> None:
    """Click by click, as on single images: two of three objects are one blob, found whole by a click and lost by the next."""
    planes = squares(2, (32, 32), {1: [(4, 4, 6), (4, 4, 6)], 2: [(4, 10, 6), None]})
    write_dataset(Path("images"), planes, "QYX")
    lines, (found,) = evaluated(capsys, "images", "--axes", "NYX", "--corrections", "offline", "--max-clicks", "2")
    assert lines[-1] == "images    0.733  0.333"
    rows = found["corrections"]["rows"]
    assert [(row["object_id"], row["image"], len(row["rounds"])) for row in rows] == [(1, 0, 2), (2, 0, 2), (1, 1, 1)]


def test_pictures_of_a_collection(capsys: pytest.CaptureFixture[str]) -> None:
    several_images()
    evaluated(capsys, "images", "--axes", "NYX", "--pictures", "worst")
    assert os.listdir("worst") == ["images.png"]


def test_frames_of_unknown_kind_are_said_to_be_separate(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    several_images()
    evaluated(capsys, "images")
    said = "images: its 3 frames, along Q, are taken for separate images; if they follow each other, "
    said += "give axes TYX or ZYX (--axes)"
    assert [record.message for record in caplog.records] == [said]


@pytest.mark.parametrize(
    ("arguments", "used", "said"),
    [
        ([], [0, 1], "channels 0 and 1 of 2"),
        (["--channel", "1"], [1], "channel 1 of 2"),
        (["--channel", "1", "--channel", "0"], [1, 0], "channels 1 and 0 of 2"),
    ],
)
@pytest.mark.parametrize("axes", ["TCYX", "NCYX"])
def test_the_channels_that_were_used_are_named(
    axes: str, arguments: list[str], used: list[int], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.stack([TRUTH * 0, np.where(TRUTH > 0, 200, 0)], axis=1).astype(np.uint8)
    write_dataset(Path("cells"), TRUTH)
    tifffile.imwrite("cells/image.tif", image, photometric="minisblack", metadata={"axes": "TCYX"})
    lines, (found,) = evaluated(capsys, "cells", "--axes", axes, *arguments, "--pictures", "p")
    assert lines[1].endswith(f"  1.000  {said}" if axes == "TCYX" else f"  1.000  4 images, {said}")
    assert (found["channels"], found["num_channels"], found["mean_iou"]) == (used, 2, 1)
    assert os.listdir("p") == ["cells.png"]


def test_nothing_is_said_of_channels_where_there_is_no_choice(capsys: pytest.CaptureFixture[str]) -> None:
    image = np.repeat(np.where(TRUTH > 0, 200, 0).astype(np.uint8)[..., None], 3, axis=-1)
    write_dataset(Path("colour"), TRUTH)
    tifffile.imwrite("colour/image.tif", image, photometric="rgb", metadata={"axes": "TYXS"})
    lines, found = evaluated(capsys, "colour", "squares")
    assert [line.rstrip()[-5:] for line in lines[1:]] == ["1.000"] * 2
    assert not any("channels" in report for report in found)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--intensity-range 0 200", 1),
        ("--intensity-range 0 1000", 0),  # all is dark
        ("--window brain", 1),
        ("--window lung", round(36 / 32**2 / 2, 4)),  # all is bright, and one object's, which has 36 pixels
    ],
)
def test_intensity(arguments: str, expected: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects are 200, and what surrounds them is 0."""
    _, (found,) = evaluated(capsys, "squares", *arguments.split())
    assert found["mean_iou"] == expected


def test_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(capsys, "squares", "jump", "--pictures", "deep/worst")
    assert sorted(os.listdir("deep/worst")) == ["jump.png", "squares.png"]
    with Image.open("deep/worst/jump.png") as picture:
        assert picture.mode == "RGB"


def test_what_is_done_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are written after each data set."""
    steps = iter([None, KeyboardInterrupt()])

    def propagate(*arguments: Any) -> Any:
        error = next(steps)
        if error is not None:
            raise error
        return iter(())

    monkeypatch.setattr(session_module.Session, "propagate", propagate)
    assert main(["evaluate", "squares", "jump", "--json", "scores.json"]) == 130
    assert [item["dataset"] for item in json.loads(Path("scores.json").read_text())["datasets"]] == ["squares"]


def single_image() -> None:
    write_dataset(Path("image"), TRUTH[0], "YX")


def same_name() -> None:
    write_dataset(Path("other/squares"), TRUTH)


def all_cut() -> None:
    write_dataset(Path("cut"), squares(2, (16, 16), {1: [(0, 3, 5)] * 2}))


BAD: dict[str, tuple[Any, list[str], str]] = {
    "no data set": (None, ["gone"], r"gone is not a data set: there is no image\.tif"),
    "the second is none": (None, ["squares", "gone"], r"gone is not a data set: there is no image\.tif"),
    "no such channel": (None, ["squares", "--channel", "2"], r"squares/image\.tif: an image with axes TYX has no channels .*"),
    "wrong axes": (None, ["squares", "--axes", "YX"], r"squares/image\.tif: axes YX do not fit an image of shape \(4, 32, 32\)"),
    "all cut": (all_cut, ["squares", "cut"], r"cut: the image border cuts every object where it would be prompted"),
    "tracks of an image": (single_image, ["image", "--tracks"], r"--tracks scores stacks: image is a single image"),
    "review of an image": (single_image, ["image", "--rounds", "3"], r"--rounds reviews stacks: image is a single image"),
    "tracks of a collection": (
        several_images,
        ["images", "--axes", "NYX", "--tracks"],
        r"--tracks scores stacks: images is a collection of images",
    ),
    "review of a collection": (
        several_images,
        ["images", "--axes", "NYX", "--rounds", "3"],
        r"--rounds reviews stacks: images is a collection of images",
    ),
    "channel twice": (
        lambda: write_dataset(Path("two"), TRUTH[0], "CYX", image=np.zeros((2, 32, 32), np.uint8)),
        ["two", "--axes", "CYX", "--channel", "1", "--channel", "1"],
        r"two/image\.tif: a channel is named twice in \[1, 1\]",
    ),
    "no rounds": (None, ["squares", "--rounds", "0"], r"--rounds must be at least 1, got 0"),
    "clicks for nothing": (
        None,
        ["squares", "--max-clicks", "3"],
        r"--max-clicks goes with --corrections or with --rounds, one of the two",
    ),
    "no clicks": (None, ["squares", "--corrections", "online", "--max-clicks", "0"], r"--max-clicks must be at least 1, got 0"),
    "file nowhere": (None, ["squares", "--json", "gone/s.json"], r"there is no folder gone to write s\.json to"),
    "pictures in a file": (None, ["squares", "--pictures", "squares/image.tif"], r"squares/image\.tif: something is there already"),
    "same name": (
        same_name,
        ["squares", "other/squares", "--pictures", "p"],
        r"two data sets are called squares: their pictures would have the same name",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, arguments, said = BAD[case]
    if prepare is not None:
        prepare()
    assert main(["evaluate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"napari-sam2: {said}\n", err), err


def test_tracks_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ctc_metrics", None)
    assert main(["evaluate", "squares", "--tracks"]) == 2
    said = "napari-sam2: SEG, DET and TRA need an extra: pip install 'napari-sam2[evaluate]'\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("arguments", [["--kind", "circle"], ["--corrections", "sideways"], []])
def test_unknown_choices(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *(["squares"] if arguments else []), *arguments])
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]
