"""``napari-sam2 segment`` on images in many files and on files of many images: what is said, and how another is chosen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.cli.main import main
from napari_sam2.predictors import build, tracker
from opened import said
from tiff_by_hand import imagej_by_hand
from zarr_by_hand import group_by_hand, image_by_hand

T = 12
TRUTH = squares(T, (32, 32), {1: [(4, 3 + t, 6) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)
GREY: dict[str, Any] = {"photometric": "minisblack"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda model, device: tiny_model())
    Path("prompts.json").write_text(json.dumps({"prompts": [{"object": 1, "frame": 0, "points": [[5, 5]]}]}))
    return tmp_path


def segment(*arguments: str) -> int:
    return main(["segment", *arguments, "--prompts", "prompts.json", "-o", "labels.tif", "--device", "cpu"])


def labels() -> np.ndarray:
    return tifffile.imread("labels.tif")


def write_frames(suffix: str) -> list[str]:
    Path("frames").mkdir()
    for t, frame in enumerate(MOVIE):
        name = f"frames/t{t}.{suffix}"
        if suffix == "tif":
            tifffile.imwrite(name, frame, **GREY)
        else:
            Image.fromarray(frame).save(name)
    return [f"frames/t{t}.{suffix}" for t in range(T)]


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize("form", ["folder", "pattern", "many arguments"])
def test_files_of_frames(form: str, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = write_frames(suffix)
    given = {"folder": ["frames"], "pattern": [f"frames/*.{suffix}"], "many arguments": sorted(files)}[form]
    assert segment(*given) == 0
    np.testing.assert_array_equal(labels(), TRUTH)
    assert "12 frames" in capsys.readouterr().out


@pytest.mark.parametrize("choice", [["--series", "1"], ["--image-name", "right"]])
def test_positions(choice: list[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with tifffile.TiffWriter("positions.ome.tif", ome=True) as writer:
        for name, movie in (("left", MOVIE[::-1]), ("right", MOVIE)):
            writer.write(movie, metadata={"axes": "TYX", "Name": name}, **GREY)
    assert segment("positions.ome.tif", *choice) == 0
    np.testing.assert_array_equal(labels(), TRUTH)
    assert said(caplog) == []
    assert segment("positions.ome.tif") == 0
    assert said(caplog) == [
        "positions.ome.tif holds 2 images, 0 'left', 1 'right': the first is opened; choose another by series=1 (--series 1), "
        "or by image_name (--image-name)"
    ]
    assert segment("positions.ome.tif", choice[0], "7") == 2
    assert re.search(r"positions\.ome\.tif has no image '?7'?: it holds .*0 'left', 1 'right'", capsys.readouterr().err)


def test_plate(capsys: pytest.CaptureFixture[str]) -> None:
    group_by_hand(Path("plate.zarr"), {"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}})
    for well, movie in (("A/1", MOVIE[::-1]), ("A/2", MOVIE)):
        group_by_hand(Path("plate.zarr", well), {"well": {"images": [{"path": "0"}]}})
        image_by_hand(Path("plate.zarr", well, "0"), movie, "0.4", "tyx")
    assert segment("plate.zarr") == 2
    err = capsys.readouterr().err
    assert "A/1/0, A/2/0" in err
    assert "--image-name" in err
    for given in (
        ["plate.zarr", "--image-name", "A/2/0"],
        ["plate.zarr/A/2"],
        ["plate.zarr/A/2/0"],
        ["plate.zarr", "--series", "1"],
    ):
        assert segment(*given) == 0
        np.testing.assert_array_equal(labels(), TRUTH)


def test_loop_of_pages_is_said(caplog: pytest.LogCaptureFixture) -> None:
    for frame in MOVIE:
        tifffile.imwrite("movie.tif", frame, append=Path("movie.tif").exists(), **GREY)
    assert segment("movie.tif") == 0
    np.testing.assert_array_equal(labels(), TRUTH)
    assert said(caplog) == [
        "movie.tif holds 12 images of one shape, without metadata that distinguish them: they are read as one "
        "stack of shape 12 x 32 x 32"
    ]


def test_interrupted_acquisition(caplog: pytest.LogCaptureFixture) -> None:
    """What is there is segmented, and that is said once."""
    imagej_by_hand(Path("movie.tif"), MOVIE, f"ImageJ=1.53t\nimages={T}\nframes={T}\n".encode(), cut=6.5)
    assert segment("movie.tif") == 0
    np.testing.assert_array_equal(labels(), TRUTH[:6])
    assert said(caplog) == ["movie.tif has 6 of the 12 planes that it promises, which are read along T"]


def test_damaged_file_among_frames(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Frames up to it are done, and the file is named."""
    write_frames("tif")
    Path("frames/t7.tif").write_bytes(b"hello")
    assert segment("frames") == 3
    np.testing.assert_array_equal(labels()[:7], TRUTH[:7])
    assert said(caplog) == [f"1 of 12 files cannot be read: {Path('frames/t7.tif')} is not a TIFF file"]
    assert "t7.tif" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["ImageJ", "OME", "shaped"])
def test_frames_that_are_called_channels(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"ImageJ": {"imagej": True}, "OME": {"ome": True}, "shaped": {}}[kind]
    tifffile.imwrite("movie.tif", MOVIE, metadata={"axes": "CYX"}, **GREY, **options)
    Path("prompts.json").write_text(json.dumps({"prompts": [{"object": 1, "frame": 3, "points": [[5, 7]]}]}))
    assert segment("movie.tif") == 2
    err = capsys.readouterr().err
    assert "frame 3" in err
    assert "its axis C has 12" in err
    assert "--axes TYX" in err
    assert segment("movie.tif", "--axes", "TYX") == 0
    np.testing.assert_array_equal(labels(), TRUTH)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["nothing"], "there is no file nothing"),
        (["nothing*.tif"], r"no file fits nothing\*\.tif"),
        (["empty"], "the folder empty is no zarr and holds no TIFF, PNG, JPEG, BMP or DICOM"),
        (["prompts.json"], "prompts.json is not an image that can be read"),
        (["a.tif", "b.tif"], "there is no file a.tif"),
    ],
)
def test_what_cannot_be_opened(given: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert segment(*given) == 2
    err = capsys.readouterr().err
    assert re.search(message, err)
    assert "Traceback" not in err
    assert not Path("labels.tif").exists()
