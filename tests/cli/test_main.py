"""The command line: what is written, and one sentence for everything that cannot be done."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.cli.main import COMMANDS, main
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.images.stack import Stack
from napari_sam2.predictors import build
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.session.prompts_file import read_prompts

T = 4
TRUTH = squares(T, (32, 32), {3: [(4, 3 + t, 6) for t in range(T)], 8: [(20 - t, 20, 5) for t in range(T)]})
FRAMES = np.arange(T)[:, None, None]
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)
CLICKS = [{"object": 3, "frame": 0, "points": [[5, 5]]}, {"object": 8, "frame": 2, "points": [[20, 22]]}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image and prompts, where people stand; results go to the folder ``out``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    tifffile.imwrite("movie.tif", MOVIE, compression="lzw", photometric="minisblack", metadata={"axes": "TYX"})
    write_prompts("prompts.json", CLICKS)
    Path("out").mkdir()
    return tmp_path


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blob under the click in place of the network."""
    monkeypatch.setattr(tracker_module, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda model, device: tiny_model())


def write_prompts(name: str, prompts: Any, **others: Any) -> None:
    Path(name).write_text(json.dumps({"prompts": prompts, **others}))


def segment(*arguments: str, image: str = "movie.tif", prompts: str = "prompts.json", output: str = "out/labels.tif") -> list[str]:
    return ["segment", image, "--prompts", prompts, "-o", output, "--device", "cpu", *arguments]


# --- what is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], TRUTH),
        (["--direction", "both"], TRUTH),
        (["--direction", "forward"], np.where((TRUTH == 8) & (FRAMES < 2), 0, TRUTH)),
        (["--direction", "backward"], np.where((TRUTH == 8) & (FRAMES <= 2) | (FRAMES == 0), TRUTH, 0)),
    ],
)
def test_segment(
    arguments: list[str], expected: np.ndarray, folder: Path, double: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(segment(*arguments)) == 0
    with tifffile.TiffFile("out/labels.tif") as tiff:
        assert (tiff.series[0].axes, tiff.series[0].dtype) == ("TYX", np.uint16)
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), expected)
    out, err = capsys.readouterr()
    assert out == "2 objects on 4 frames: out/labels.tif\n"
    assert re.search(r"100%.*\d+/\d+ .*frame", err)


def test_segment_into_several_files(folder: Path, double: None) -> None:
    assert (
        main(segment("-o", "out/objects.csv", "-o", "out/labels.zarr", "--methods", "out/methods.txt", "--pixel-size", "0.5")) == 0
    )
    rows = Path("out/objects.csv").read_text().splitlines()
    assert rows[0].startswith("object_id,name,frame,area_um2,perimeter_um,centroid_y_um,centroid_x_um,bbox_y0_px,")
    assert rows[0].endswith(",intensity_mean_c0,intensity_min_c0,intensity_max_c0,object_score,predicted_iou")
    assert rows[1].startswith("3,object 3,0,9,10,3.25,2.75,4,3,10,9,3000,3000,3000,10,")
    assert len(rows) == 1 + 2 * T
    np.testing.assert_array_equal(zarr.open("out/labels.zarr", mode="r")["0"], TRUTH)
    assert Path("out/methods.txt").read_text().startswith("2 objects in 4 frames of 32 x 32 pixels were tracked through time")
    assert sorted(os.listdir("out")) == ["labels.tif", "labels.zarr", "methods.txt", "objects.csv"]


@pytest.mark.parametrize("axes", ["ZYX", "zyx"])
def test_axes_of_the_caller(axes: str, folder: Path, double: None) -> None:
    assert main(segment("--axes", axes)) == 0
    with tifffile.TiffFile("out/labels.tif") as tiff:
        assert tiff.series[0].axes == "ZYX"


def test_segment_zarr(folder: Path, double: None) -> None:
    zarr.create_array("movie.zarr", data=MOVIE, chunks=(1, 32, 32))
    assert main(segment(image="movie.zarr")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TRUTH)


def test_segment_one_channel(folder: Path, double: None) -> None:
    tifffile.imwrite("two.tif", np.stack([MOVIE * 0, MOVIE], axis=1), photometric="minisblack", metadata={"axes": "TCYX"})
    assert main(segment("--channel", "1", image="two.tif")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TRUTH)


def test_segment_two_channels(folder: Path, double: None) -> None:
    three = np.stack([MOVIE * 0, MOVIE * 0 + 7, MOVIE], axis=1)
    tifffile.imwrite("three.tif", three, photometric="minisblack", metadata={"axes": "TCYX"})
    assert main(segment("--channel", "0", "--channel", "2", image="three.tif")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TRUTH)


def test_segment_along_an_axis_at_a_place(folder: Path, double: None) -> None:
    volumes = np.stack([MOVIE[::-1], MOVIE], axis=1)
    tifffile.imwrite("volumes.tif", volumes.transpose(2, 0, 1, 3)[:, :, 1:], photometric="minisblack")
    assert main(segment("--axes", "YZTX", "--along", "Z", "--at", "T=0", image="volumes.tif")) == 0
    np.testing.assert_array_equal(Stack.open("out/labels.tif", along="Z").frames, TRUTH)


TIMES = np.stack([np.roll(TRUTH, t, axis=2) for t in range(3)])
"""Three volumes whose objects move by a column from each to the next."""


@pytest.fixture
def volumes(folder: Path) -> Path:
    tifffile.imwrite("volumes.tif", np.where(TIMES > 0, 3000, 100).astype(np.uint16), imagej=True, metadata={"axes": "TZYX"})
    return folder


@pytest.mark.parametrize("arguments", [["--each", "T"], ["--each", "t", "--along", "Z", "--at", "t=0"]])
def test_segment_at_each_time(arguments: list[str], volumes: Path, double: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(segment(*arguments, "-o", "out/table.csv", image="volumes.tif")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TIMES)
    assert len(Path("out/table.csv").read_text().splitlines()) == 1 + 2 * len(TIMES)
    out, err = capsys.readouterr()
    assert out == "2 objects on 4 frames at each position of T: out/labels.tif, out/table.csv\n"
    assert re.search(r"T 2: \d+frame", err)


def test_segment_at_each_plane(volumes: Path, double: None) -> None:
    clicks = [{"object": 3, "frame": 0, "points": [[5, 5]]}, {"object": 8, "frame": 0, "points": [[19, 22]]}]
    write_prompts("plane.json", clicks)
    assert main(segment("--each", "Z", "--at", "Z=1", image="volumes.tif", prompts="plane.json")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TIMES)


def test_places_that_are_done_are_written_when_it_is_interrupted(
    volumes: Path, double: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    track = BlobTracker.track
    num_tracked = itertools.count()

    def interrupted(tracker: Any, *arguments: Any) -> Any:
        # Five steps at the first time; then two prompted planes are followed to the second, and so on. It is the third's first.
        if next(num_tracked) == 5 + 2 + 5 + 2:
            signal.raise_signal(signal.SIGINT)
        return track(tracker, *arguments)

    monkeypatch.setattr(BlobTracker, "track", interrupted)
    assert main(segment("--each", "T", image="volumes.tif")) == 130
    labels = tifffile.imread("out/labels.tif")
    np.testing.assert_array_equal(labels[:2], TIMES[:2])
    assert not labels[2].any()
    out, err = capsys.readouterr()
    assert out == "2 objects on 4 frames at some positions of T: out/labels.tif\n"
    assert err.endswith("napari-sam2: interrupted; what is done is written\n")


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (
            [],
            "the size of voxels is not known: if planes lie much farther apart than pixels, objects are seen flat from the side, ",
        ),
        (["--pixel-size", "2.5", "0.5", "0.5"], "planes lie 5 times as far apart as pixels: objects are seen flat from the side, "),
        (["--pixel-size", "1", "0.5", "0.5"], None),
    ],
)
def test_segment_by_consensus(
    calibration: list[str], said: str | None, volumes: Path, double: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen from the side the squares of a plane are bars that the next plane's overlap: all axes see the same."""
    arguments = ["--axes", "ZYX", "--fuse", "zyx", *calibration]
    assert main(segment(*arguments)) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TRUTH)
    end = "and fused axes may be worse than Z alone"
    assert [record.message for record in caplog.records] == ([] if said is None else [said + end])


def test_segment_by_consensus_at_each_time(volumes: Path, double: None) -> None:
    arguments = ["--fuse", "ZYX", "--each", "T", "--pixel-size", "1"]
    assert main(segment(*arguments, image="volumes.tif")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TIMES)


def test_segment_a_single_image(folder: Path, double: None, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("image.tif", MOVIE[0])
    write_prompts("one.json", CLICKS[:1])
    assert main(segment(image="image.tif", prompts="one.json", output="out/labels.tiff")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tiff"), np.where(TRUTH[0] == 3, 3, 0))
    assert capsys.readouterr() == ("1 object on 1 frame: out/labels.tiff\n", "")


def test_an_earlier_result_is_replaced(folder: Path, double: None) -> None:
    Path("out/labels.tif").write_text("earlier")
    assert main(segment()) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TRUTH)
    assert os.listdir("out") == ["labels.tif"]


def test_what_cannot_be_a_number_is_handled(folder: Path, double: None) -> None:
    image = MOVIE.astype(np.float32)
    image[:, 0], image[:, 31], image[:, 6][TRUTH[:, 6] > 0] = np.nan, -np.inf, np.inf
    tifffile.imwrite("odd.tif", image, photometric="minisblack", metadata={"axes": "TYX"})
    assert main(segment(image="odd.tif")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), TRUTH)


def test_constant_image_is_said(folder: Path, double: None, caplog: pytest.LogCaptureFixture) -> None:
    tifffile.imwrite("flat.tif", np.full_like(MOVIE, 7), photometric="minisblack", metadata={"axes": "TYX"})
    assert main(segment(image="flat.tif")) == 0
    assert [record.message for record in caplog.records] == ["the image is constant: no object can be segmented in it"]
    assert not tifffile.imread("out/labels.tif").any()


# --- what cannot be done -------------------------------------------------------------------------------------------


def damaged_tiff() -> None:
    Path("bad.tif").write_bytes(Path("movie.tif").read_bytes()[:100])


def five_axes() -> None:
    tifffile.imwrite("bad.tif", np.zeros((2, 3, 2, 9, 9), np.uint8), photometric="minisblack", metadata={"axes": "TZCYX"})


def four_axes() -> None:
    tifffile.imwrite("bad.tif", np.zeros((2, 3, 9, 9), np.uint8), imagej=True, metadata={"axes": "TZYX"})


def empty_zarr_stack() -> None:
    zarr.create_array("bad.zarr", shape=(0, 32, 32), dtype="u2")


def prompts(*entries: Any) -> Any:
    return lambda: write_prompts("bad.json", [*CLICKS, *entries])


BAD: dict[str, tuple[Any, list[str], str]] = {
    "missing image": (None, segment(image="gone.tif"), r"there is no file gone\.tif"),
    "missing prompts": (None, segment(prompts="gone.json"), r"there is no prompts file gone\.json"),
    "prompts are a folder": (None, segment(prompts="out"), r"the prompts file out cannot be read: it is a folder"),
    "prompts for another image": (
        lambda: write_prompts("bad.json", CLICKS, axes="ZYX"),
        segment(prompts="bad.json"),
        r"bad\.json is for an image with axes ZYX, and this one has TYX, with frames along T: leave axes out of the file if .*",
    ),
    "cut short": (damaged_tiff, segment(image="bad.tif"), r"bad\.tif is a damaged TIFF"),
    "not an image": (None, segment(image="prompts.json"), r"prompts\.json is not an image that can be read: .*"),
    "a folder": (None, segment(image="out"), r"the folder out is no zarr and holds no TIFF, PNG, JPEG, BMP or DICOM"),
    "five axes": (
        five_axes,
        segment(image="bad.tif"),
        r"objects cannot be propagated through an image of shape \(2, 3, 2, 9, 9\) with axes TZCYX along T alone: .*",
    ),
    "no frames": (empty_zarr_stack, segment(image="bad.zarr"), r"the image is empty: its shape is \(0, 32, 32\)"),
    "wrong axes": (None, segment("--axes", "TZYX"), r"axes TZYX do not fit an image of shape \(4, 32, 32\)"),
    "no such axis": (None, segment("--along", "Z"), r"frames cannot follow each other along 'Z': the image has axes TYX"),
    "no such place": (None, segment("--at", "Z=3"), r"at names Z, but the image has axes TYX"),
    "no channel": (None, segment("--channel", "0"), r"an image with axes TYX has no channels to choose from"),
    "a consensus of time": (
        None,
        segment("--fuse", "TYX"),
        r"two or three of the axes Z, Y and X are fused, got 'TYX'",
    ),
    "a consensus without planes": (
        None,
        segment("--fuse", "ZYX"),
        r"frames cannot follow each other along 'Z': the image has axes TYX",
    ),
    "a consensus of rows without planes": (
        None,
        segment("--fuse", "YX"),
        r"only a volume has frames along Y: axes TYX have no Z; .*",
    ),
    "a consensus along another axis": (
        None,
        segment("--axes", "ZYX", "--fuse", "YX", "--along", "Z"),
        r"objects are propagated along Z: to fuse YX they have to be along one of these",
    ),
    "a consensus in one direction": (
        None,
        segment("--fuse", "ZYX", "--direction", "forward"),
        r"--direction forward goes with neither --each nor --fuse: these propagate objects both ways",
    ),
    "no fourth axis": (
        None,
        segment("--each", "T"),
        r"--each T takes a stack with a fourth axis, such as TZYX: the image has axes TYX",
    ),
    "each of an axis that is not there": (
        four_axes,
        segment("--each", "Q", image="bad.tif"),
        r"--each Q cannot be: of the axes TZYX, T or Z is left to go through",
    ),
    "each of the axis along": (
        four_axes,
        segment("--each", "T", "--along", "T", image="bad.tif"),
        r"--each T cannot be: of the axes TZYX, Z is left to go through",
    ),
    "each of an axis of frames": (
        four_axes,
        segment("--each", "Y", image="bad.tif"),
        r"--each Y cannot be: of the axes TZYX, T or Z is left to go through",
    ),
    "a consensus of all axes": (
        four_axes,
        segment("--fuse", "ZYX", image="bad.tif"),
        r".* with axes TZYX along Z alone: choose one position on T by at, as in at=\{'T': 0\}, or .*",
    ),
    "not JSON": (lambda: Path("bad.json").write_text("{"), segment(prompts="bad.json"), r"bad\.json is not JSON: line 1, column 2"),
    "no prompts": (lambda: write_prompts("bad.json", []), segment(prompts="bad.json"), r"bad\.json has no prompts"),
    "prompt of another form": (
        prompts({"object": "a"}),
        segment(prompts="bad.json"),
        r"bad\.json, prompt 3: object must be a whole number, got 'a'",
    ),
    "outside": (
        prompts({"object": 9, "points": [[40, 1]]}),
        segment(prompts="bad.json"),
        r"object 9: the point \(row 40, column 1\) is outside the image of 32 rows and 32 columns",
    ),
    "no such frame": (
        prompts({"object": 9, "frame": 4, "points": [[4, 1]]}),
        segment(prompts="bad.json"),
        r"object 9: frame 4 does not exist: the stack has 4, counted from 0",
    ),
    "only outside points": (
        prompts({"object": 9, "points": [[5, 5], [6, 6]], "labels": [0, 0]}),
        segment(prompts="bad.json"),
        r"object 9: frame 0 has only points outside object 9: add a point inside, a box or a mask",
    ),
    "points of another kind": (
        prompts({"object": 9, "points": {"row": 5}}),
        segment(prompts="bad.json"),
        r"bad\.json, prompt 3: points must be a list, got \{'row': 5\}",
    ),
    "missing mask": (prompts({"object": 9, "mask": "gone.tif"}), segment(prompts="bad.json"), r"there is no file gone\.tif"),
    "no such model": (None, segment("--model", "sam2.1_hiera_huge"), r"no model is called 'sam2\.1_hiera_huge': .*"),
    "model not here": (None, segment("--model", "sam2.1_hiera_tiny"), r"sam2\.1_hiera_t is not on this machine: run .*"),
    "checkpoint that is none": (
        lambda: Path("bad.pt").write_bytes(b"no weights"),
        segment("--model", "bad.pt"),
        r".*bad\.pt.*",
    ),
    "checkpoint of something else": (
        lambda: torch.save({"weight": torch.zeros(3)}, "bad.pt"),
        segment("--model", "bad.pt"),
        r".*bad\.pt.*",
    ),
    "no such device": (None, segment("--device", "abacus"), r"device 'abacus' is not available here; use 'cpu', or 'auto' .*"),
    "output of no known format": (
        None,
        segment(output="out/labels.png"),
        r"the format of labels\.png is not known: its name should end in one of \.ome\.tif, \.tif, .*",
    ),
    "output is the image": (None, segment(output="movie.tif"), r"movie\.tif is an input: give the output another name"),
    "no output folder": (None, segment(output="gone/labels.tif"), r"there is no folder gone to write labels\.tif to"),
    "unwritable output": (None, segment(output="/proc/labels.tif"), r"labels\.tif cannot be written to the folder /proc: .*"),
    "output is a folder": (lambda: Path("is.tif").mkdir(), segment(output="is.tif"), r"is\.tif is a folder: give the name of .*"),
    "unwritable table": (None, segment("-o", "gone/a.csv"), r"there is no folder gone to write a\.csv to"),
    "demo into a file": (None, ["demo", "--output", "movie.tif", "--device", "cpu"], r"movie\.tif: something is there already"),
    "demo with no such model": (None, ["demo", "--output", "out/demo", "--model", "nano"], r"no model is called 'nano': .*"),
    "demo into /proc": (None, ["demo", "--output", "/proc/demo", "--device", "cpu"], r"/proc/demo: .*"),
    "download what is not": (None, ["weights", "download", "sam3"], r"no model is called 'sam3': .*"),
    "train on nothing": (None, ["train", "--recipe", "micro", "run", "--data", "gone"], r"there is no folder gone"),
}


def everything_in(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_exit_code_2_and_nothing_written(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    prepare, argv, message = BAD[name]
    if prepare:
        prepare()
    before = everything_in(folder)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"napari-sam2: {message}\n", err), err
    assert out == ""
    # what is logged goes to stderr as well
    assert caplog.records == []
    assert everything_in(folder) == before


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["segment"],
        ["segment", "movie.tif"],
        segment("--direction", "sideways"),
        segment("--channel", "red"),
        segment("--at", "T"),
        segment("--at", "T=first"),
        segment("--precision", "float8"),
    ],
)
def test_usage(argv: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: napari-sam2")
    assert "error: " in err.splitlines()[-1]
    assert os.listdir("out") == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "napari-sam2: interrupted\n"),
        (OSError(28, "No space left on device"), 1, "napari-sam2: out/labels.tif cannot be written: the disk is full\n"),
    ],
)
def test_stopped_while_writing(
    error: BaseException, code: int, said: str, folder: Path, double: None, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(path: Path, frames: Any, **options: Any) -> None:
        next(iter(frames))
        path.write_bytes(b"II*\0 and half of it")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", write)
    assert main(segment()) == code
    assert capsys.readouterr().err.splitlines(keepends=True)[-1] == said
    assert os.listdir("out") == []


# --- in a shell ----------------------------------------------------------------------------------------------------


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "napari_sam2", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_damaged_image_in_a_shell(folder: Path) -> None:
    damaged_tiff()
    done = shell(*segment(image="bad.tif"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "napari-sam2: bad.tif is a damaged TIFF\n"
    assert os.listdir("out") == []


def test_segment_real_nuclei_in_a_shell(folder: Path) -> None:
    """The embedded model, end to end: five frames of the bundled time-lapse, around two of its nuclei."""
    image = tifffile.imread(FLUO_MITOCHECK.image)
    clicks = {entry.object_id: entry for entry in read_prompts(FLUO_MITOCHECK.prompts) if entry.frame == 0}
    chosen = next(iter(clicks.values()))
    row, col = (int(value) for value in chosen.points_rc[0])
    top, left = max(0, row - 48), max(0, col - 48)
    crop = image[:5, top : top + 96, left : left + 96]
    tifffile.imwrite("nuclei.tif", crop, photometric="minisblack", metadata={"axes": "TYX"}, compression="lzw")
    said = []
    for entry in clicks.values():
        at = [entry.points_rc[0][0] - top, entry.points_rc[0][1] - left]
        if all(12 <= value < 84 for value in at):
            said.append({"object": entry.object_id, "frame": 0, "points": [at], "labels": [1]})
    said = said[:2]
    write_prompts("clicks.json", said)
    done = shell(*segment(image="nuclei.tif", prompts="clicks.json"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(said)} objects on 5 frames: out/labels.tif\n"
    assert "Warning" not in done.stderr
    with tifffile.TiffFile("out/labels.tif") as tiff:
        assert (tiff.series[0].axes, tiff.series[0].dtype, tiff.series[0].shape) == ("TYX", np.uint16, crop.shape)
    labels = tifffile.imread("out/labels.tif")
    assert sorted(np.unique(labels).tolist()) == sorted([0, *(prompt["object"] for prompt in said)])
    for prompt in said:
        (at,) = prompt["points"]
        assert labels[0, round(at[0]), round(at[1])] == prompt["object"]


# --- the other commands --------------------------------------------------------------------------------------------


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"napari-sam2 \d+\.\d+.*\n", capsys.readouterr().out)
    for command in COMMANDS:
        name = command
        with pytest.raises(SystemExit) as caught:
            main([name, "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: napari-sam2 {name}")
