"""``napari-sam2 export``: labels in, every format out; one sentence for what cannot be done."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from export_names import NAMES
from napari_sam2.cli.main import main

LABELS = np.zeros((4, 24, 32), np.uint16)
LABELS[:, 2:6, 3:8] = 7
LABELS[2:, 12:16, 13:18] = 12
IMAGE = np.where(LABELS > 0, 900, 100).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where people stand: labels without units, an image with them, divisions; results go to ``out``."""
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("labels.tif", LABELS, photometric="minisblack", metadata={"axes": "TYX"})
    metadata = {"axes": "TYX", "unit": "um", "finterval": 30.0}
    tifffile.imwrite("movie.tif", IMAGE, imagej=True, resolution=(4, 4), metadata=metadata)
    Path("objects.csv").write_text("id,parent,name\n7,0,mother\n12,7,daughter\n")
    Path("out").mkdir()
    return tmp_path


def test_every_format_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [f"out/{name}" for name in NAMES]
    assert main(["export", "labels.tif", *outputs, "--image", "movie.tif", "--parents", "objects.csv"]) == 0
    assert capsys.readouterr().out.splitlines() == outputs
    assert sorted(os.listdir("out")) == sorted(NAMES)
    np.testing.assert_array_equal(tifffile.imread("out/a.ome.tif"), LABELS)
    np.testing.assert_array_equal(zarr.open_group("out/a.zarr", mode="r")["0"], LABELS)
    lines = Path("out/a.csv").read_text().splitlines()
    assert lines[0].startswith("object_id,frame,time_s,area_um2,perimeter_um,")
    assert lines[1].startswith("7,0,0,1.25,3.5,0.875,1.25,2,3,6,8,900,900,900")
    assert Path("out/01_RES/res_track.txt").read_text() == "1 2 3 7\n7 0 1 0\n12 2 3 7\n"
    assert Path("out/a.tracks.csv").read_text().splitlines()[-1] == "12,3,13.5,15,7"


def test_what_a_person_says_goes_first(folder: Path) -> None:
    assert main(["export", "labels.tif", "out/a.csv", "--axes", "ZYX", "--pixel-size", "2", "0.5", "0.5"]) == 0
    lines = Path("out/a.csv").read_text().splitlines()
    assert lines[0].startswith("object_id,frame,volume_um3,centroid_z_um")
    assert lines[1].startswith("7,0,40,3,1.75,2.5,0,2,3,4,6,8")


def test_into_an_image(folder: Path) -> None:
    group = zarr.create_group("movie.ome.zarr")
    group.create_array("0", data=IMAGE)
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    scale = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": [{"name": "t", "type": "time"}, *axes], "datasets": datasets}]}
    assert main(["export", "labels.tif", "movie.ome.zarr/labels/nuclei", "out/a.csv", "--image", "movie.ome.zarr"]) == 0
    labels = zarr.open_group("movie.ome.zarr/labels", mode="r")
    assert labels.attrs["ome"]["labels"] == ["nuclei"]
    np.testing.assert_array_equal(labels["nuclei/0"], LABELS)
    assert Path("out/a.csv").read_text().splitlines()[1].startswith("7,0,5,7,")


def test_labels_of_others(folder: Path) -> None:
    """Volumes in time, of another type and with ids that are not contiguous."""
    labels = np.stack([LABELS, LABELS * 0], axis=1).astype(np.int32)
    tifffile.imwrite("volumes.tif", labels, photometric="minisblack", metadata={"axes": "TZYX"})
    assert main(["export", "volumes.tif", "out/a.tif", "out/01_RES", "out/a.csv"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), labels)
    assert tifffile.imread("out/01_RES/mask003.tif").shape == (2, 24, 32)
    assert Path("out/a.csv").read_text().splitlines()[1].startswith("7,0,20,0,3.5,5,")


def tiff(name: str, array: np.ndarray, **options: Any) -> Any:
    return lambda: tifffile.imwrite(name, array, photometric="minisblack", **options)


BAD: dict[str, tuple[Any, list[str], str]] = {
    "no labels": (None, ["gone.tif", "out/a.csv"], r"there is no file gone\.tif"),
    "not labels": (
        tiff("bad.tif", IMAGE.astype(float)),
        ["bad.tif", "out/a.csv"],
        r".*bad\.tif holds float64: labels must be whole numbers, .*",
    ),
    "negative labels": (
        tiff("bad.tif", -LABELS.astype(np.int32)),
        ["bad.tif", "out/a.tif"],
        r"there is a label -7: labels must be between 0 and 65535",
    ),
    "labels beyond 16 bit": (
        tiff("bad.tif", LABELS.astype(np.uint32) * 9000),
        ["bad.tif", "out/a.zarr"],
        r"there is a label 108000: labels must be between 0 and 65535",
    ),
    "unknown format": (
        None,
        ["labels.tif", "out/a.png"],
        r"the format of a\.png is not known: its name should end in one of .*_RES.*",
    ),
    "movie without image": (None, ["labels.tif", "out/a.mp4"], r"a\.mp4: a movie with outlines needs the image"),
    "tracks of a volume": (
        None,
        ["labels.tif", "out/a.csv", "out/a.geff", "--axes", "ZYX"],
        r"a\.geff: tracks as a graph need a time axis T",
    ),
    "another image": (
        tiff("bad.tif", IMAGE[:3]),
        ["labels.tif", "out/a.csv", "--image", "bad.tif"],
        r"labels and image do not fit: labels have axes TYX and shape \(4, 24, 32\), the image .* \(3, 24, 32\)",
    ),
    "wrong axes": (None, ["labels.tif", "out/a.csv", "--axes", "YX"], r"axes YX do not fit .* \(4, 24, 32\)"),
    "onto itself": (
        None,
        ["labels.tif", "out/../labels.tif"],
        r".*labels\.tif is an input: give the output another name",
    ),
    "onto the image": (
        None,
        ["labels.tif", "movie.tif", "--image", "movie.tif"],
        r"movie\.tif is an input: give the output another name",
    ),
    "no folder": (None, ["labels.tif", "out/a.csv", "gone/01_RES"], r"there is no folder gone to write 01_RES to"),
    "read-only": (None, ["labels.tif", "/proc/a.zarr"], r"a\.zarr cannot be written to the folder /proc: .*"),
    "onto something else": (
        lambda: Path("out/01_RES/mask").mkdir(parents=True),
        ["labels.tif", "out/01_RES"],
        r"out/01_RES is there already and is not an earlier result of this kind: .*",
    ),
    "no table of divisions": (None, ["labels.tif", "out/a.geff", "--parents", "gone.csv"], r"there is no table gone\.csv"),
    "another table": (
        lambda: Path("bad.csv").write_text("a,b\n1,2\n"),
        ["labels.tif", "out/a.geff", "--parents", "bad.csv"],
        r"bad\.csv is not a table of divisions: whole numbers are needed in the columns id and parent",
    ),
    "a mother after her daughter": (
        lambda: Path("bad.csv").write_text("id,parent\n7,12\n"),
        ["labels.tif", "out/a.xml", "--parents", "bad.csv"],
        r"object 12 cannot be the parent of 7: it begins on frame 2, its child on frame 0",
    ),
    "no size": (None, ["labels.tif", "out/a.csv", "--pixel-size", "0"], r"the size of a pixel along Y must be above 0, got 0\.0"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_and_nothing_written(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, arguments, message = BAD[name]
    if prepare:
        prepare()
    before = {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
    assert main(["export", *arguments]) == 2
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"napari-sam2: {message}\n", err), err
    assert out == ""
    assert {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")} == before


@pytest.mark.parametrize("name", ["a.zarr", "a.parquet", "a.geff", "a.mp4"])
def test_a_missing_extra_is_named_before_the_work(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert main(["export", "labels.tif", "out/a.csv", f"out/{name}", "--image", "movie.tif"]) == 2
    assert capsys.readouterr().err == f"napari-sam2: {name} needs an extra: pip install 'napari-sam2[export]'\n"
    assert os.listdir("out") == []


@pytest.mark.parametrize("name", ["a.tif", "a.csv", "a.tracks.csv", "a.parquet", "01_RES", "a.xml"])
def test_a_full_disk(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and no half file."""
    whole = os.replace

    def full(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device", str(target))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert main(["export", "labels.tif", f"out/{name}"]) == 1
    assert os.replace is whole
    assert capsys.readouterr().err == f"napari-sam2: out/{name} cannot be written: the disk is full\n"
    assert os.listdir("out") == []


# --- what the product wrote, it reads ------------------------------------------------------------------------------


def test_tracks_of_the_cell_tracking_challenge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of masks, and beside them divisions, which come along."""
    assert main(["export", "labels.tif", "out/01_RES", "out/direct.csv", "--parents", "objects.csv"]) == 0
    assert main(["export", "out/01_RES", "out/again.csv", "out/again.tif", "out/02_RES"]) == 0
    # there a mother that divides is gone: what goes on has an id of its own
    expected = np.where((LABELS == 7) & (np.arange(4)[:, None, None] >= 2), 1, LABELS)
    np.testing.assert_array_equal(tifffile.imread("out/again.tif"), expected)
    assert Path("out/02_RES/res_track.txt").read_text() == Path("out/01_RES/res_track.txt").read_text()
    rows = Path("out/again.csv").read_text().splitlines()
    assert len(rows) == 1 + 4 + 2
    assert "frame" in rows[0]
    assert capsys.readouterr().err == ""


def test_tracks_with_a_division(folder: Path) -> None:
    labels = np.zeros((4, 24, 32), np.uint16)
    labels[:2, 2:6, 3:8], labels[2:, 2:6, 3:5], labels[2:, 2:6, 6:8] = 7, 8, 9
    tifffile.imwrite("labels.tif", labels, photometric="minisblack", metadata={"axes": "TYX"})
    Path("objects.csv").write_text("id,parent\n7,0\n8,7\n9,7\n")
    assert main(["export", "labels.tif", "out/01_RES", "--parents", "objects.csv"]) == 0
    assert Path("out/01_RES/res_track.txt").read_text() == "7 0 1 0\n8 2 3 7\n9 2 3 7\n"
    assert main(["export", "out/01_RES", "out/02_RES", "out/a.xml"]) == 0
    assert Path("out/02_RES/res_track.txt").read_text() == "7 0 1 0\n8 2 3 7\n9 2 3 7\n"


@pytest.mark.parametrize("given", ["movie.ome.zarr/labels/nuclei", "movie.ome.zarr/labels", "out/alone.zarr"])
def test_labels_in_zarr(given: str, folder: Path) -> None:
    group = zarr.create_group("movie.ome.zarr")
    group.create_array("0", data=IMAGE)
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    assert main(["export", "labels.tif", "movie.ome.zarr/labels/nuclei", "out/alone.zarr", "--image", "movie.ome.zarr"]) == 0
    assert main(["export", given, "out/a.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), LABELS)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_folder_of_label_files(suffix: str, folder: Path) -> None:
    Path("masks").mkdir()
    for t, plane in enumerate(LABELS):
        if suffix == "tif":
            tifffile.imwrite(f"masks/m{t}.tif", plane, photometric="minisblack")
        else:
            Image.fromarray(plane).save(f"masks/m{t}.png")
    assert main(["export", "masks", "out/a.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), LABELS)
    assert main(["export", f"masks/*.{suffix}", "out/b.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/b.tif"), LABELS)


@pytest.mark.parametrize("outputs", [["out/a.csv"], ["out/a.csv", "out/b.tif"], ["out/a.csv", "out/b.tif", "out/02_RES"]])
@pytest.mark.parametrize("kind", ["page", "chunk", "file"])
def test_labels_with_a_plane_that_cannot_be_read(
    kind: str, outputs: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing can be written of them: the reason is said once, whatever the number of outputs."""
    source = {"page": "broken.tif", "chunk": "broken.zarr", "file": "frames"}[kind]
    if kind == "page":
        tifffile.imwrite(source, LABELS, photometric="minisblack", metadata={"axes": "TYX"}, compression="zlib")
        with tifffile.TiffFile(source) as tiff:
            offset, count = tiff.pages[2].dataoffsets[0], tiff.pages[2].databytecounts[0]
        content = bytearray(Path(source).read_bytes())
        content[offset : offset + count] = bytes(count)
        Path(source).write_bytes(content)
    elif kind == "chunk":
        zarr.create_array(source, data=LABELS, chunks=(1, 24, 32), dimension_names=["t", "y", "x"])
        Path(source, "c/2/0/0").write_bytes(b"no chunk")
    else:
        Path(source).mkdir()
        for t, labels in enumerate(LABELS):
            Image.fromarray(labels).save(Path(source, f"t{t}.tif"))
        Path(source, "t2.tif").write_bytes(b"")
    assert main(["export", source, *outputs]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("the labels at T 2 cannot be read")) == ("", 1)
    if len(outputs) > 1:
        assert f"napari-sam2: {', '.join(outputs)}: the labels at T 2 cannot be read: " in err
    assert list(Path("out").iterdir()) == []
