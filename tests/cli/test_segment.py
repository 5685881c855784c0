"""``segment``, ``replay`` and ``export`` where not everything can be done: what is done is written, the rest is said."""

from __future__ import annotations

import csv
import itertools
import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import tifffile
import torch
from PIL import Image

from blob_tracker import BlobTracker, squares, tiny_model
from broken_images import broken_zarr, broken_zarr_by_hand
from napari_sam2.cli.main import main
from napari_sam2.export import formats
from napari_sam2.predictors import build
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.session.session import Session
from wheels import needs_geff

T = 6
TRUTH = squares(T, (32, 32), {3: [(4, 3 + t, 6) for t in range(T)], 8: [(20 - t, 20, 5) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)
CLICKS = [{"object": 3, "frame": 2, "points": [[6, 7]]}, {"object": 8, "frame": 2, "points": [[20, 22]]}]
TIMES = np.stack([np.roll(TRUTH, t, axis=2) for t in range(4)])
"""Volumes whose objects move by a column from each to the next."""
WHY = "its data are damaged or missing"


@pytest.fixture(autouse=True)
def _double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker_module, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda model, device: tiny_model())
    write_prompts(CLICKS)
    Path("out").mkdir()


def write_prompts(prompts: Any) -> None:
    Path("prompts.json").write_text(json.dumps({"prompts": prompts}))


def segment(*arguments: str, image: str = "movie.zarr", output: str = "out/labels.tif") -> list[str]:
    return ["segment", image, "--axes", "TYX", "--prompts", "prompts.json", "-o", output, "--device", "cpu", *arguments]


def last_line(text: str) -> str:
    return text.replace("\r", "\n").splitlines()[-1]


def on(frames: Any) -> np.ndarray:
    return np.where(np.isin(np.arange(T), list(frames))[:, None, None], TRUTH, 0)


# --- frames that cannot be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [broken_zarr, broken_zarr_by_hand])
@pytest.mark.parametrize(("broken", "done"), [(4, range(4)), (1, range(2, T))])
def test_a_broken_frame(write: Any, broken: int, done: range, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("movie.zarr"), MOVIE, [(broken,)])
    assert main(segment("-o", "out/table.csv")) == 3
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), on(done))
    out, err = capsys.readouterr()
    assert out == f"2 objects on {len(done)} of 6 frames: out/labels.tif, out/table.csv\n"
    assert last_line(err) == (
        f"napari-sam2: frame {broken} along T cannot be read: {WHY}; what is done is written; "
        "--frames leaves out what cannot be read"
    )


@pytest.mark.parametrize(
    ("asked", "done", "said"),
    [
        ("0:4", range(4), "4 of 6 frames"),
        (":4", range(4), "4 of 6 frames"),
        ("2", [2], "1 of 6 frames"),
        ("0:3,5", [0, 1, 2, 5], "4 of 6 frames"),
        ("0:4,5:", [0, 1, 2, 3, 5], "5 of 6 frames"),
    ],
)
def test_frames_that_are_asked_for(asked: str, done: Any, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are left out need not be readable; objects are followed past them. A movie shows them black, which is no news."""
    broken_zarr(Path("movie.zarr"), MOVIE, [(4,)])
    assert main(segment("--frames", asked, "-o", "out/table.csv", "-o", "out/movie.gif")) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), on(done))
    out, err = capsys.readouterr()
    assert out == f"2 objects on {said}: out/labels.tif, out/table.csv, out/movie.gif\n"
    assert "napari-sam2" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "0:7"], "--frames 0:7 reaches beyond the stack, which has 6 frames, counted from 0"),
        (["--frames", "6:"], "--frames 6: reaches beyond the stack, which has 6 frames, counted from 0"),
        (["--frames", "4:2"], "--frames 4:2: from 4 to before 2 there is no frame"),
        (["--frames", "3:"], "object 3 is prompted on frame 2, which --frames 3: leaves out"),
        (
            ["--frames", "0:3", "--fuse", "ZYX"],
            "--frames goes with neither --each nor --fuse: these propagate objects through all frames",
        ),
        (
            ["--frames", "0:3", "--each", "T"],
            "--frames goes with neither --each nor --fuse: these propagate objects through all frames",
        ),
    ],
)
def test_frames_that_cannot_be(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [])
    assert main(segment(*arguments)) == 2
    assert capsys.readouterr() == ("", f"napari-sam2: {message}\n")
    assert not list(Path("out").iterdir())


@pytest.mark.parametrize(
    ("more", "left"),
    [
        # An object of which another frame was prompted is followed from there.
        ([{"object": 3, "frame": 0, "points": [[6, 4]]}, {"object": 3, "frame": 4, "points": [[6, 8]]}], {3, 8}),
        ([], {8}),
    ],
)
def test_a_prompted_frame_that_cannot_be_read(more: list[Any], left: set[int], capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [(4,)])
    write_prompts([CLICKS[1], *more, {"object": 3, "frame": 4, "points": [[6, 9]]}])
    assert main(segment("--frames", "0:5")) == 3
    expected = np.where(np.isin(TRUTH, list(left)), on(range(4)), 0)
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), expected)
    out, err = capsys.readouterr()
    assert out == f"{'2 objects' if len(left) == 2 else '1 object'} on 4 of 6 frames: out/labels.tif\n"
    frames = "4, 4" if more else "4"
    lost = "" if more else "; object 3 has no other prompts"
    assert f"so prompts are left out, of object 3 on frame {frames}{lost}; " in last_line(err)


def test_no_prompted_frame_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [(2,)])
    assert main(segment()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"napari-sam2: frame 2 along T cannot be read: {WHY}, so prompts are left out, of object 3 on frame 2; "
        "object 8 on frame 2; "
        "object 3, 8 has no other prompts\n"
    )
    assert not list(Path("out").iterdir())


def each(*arguments: str, axes: str = "TZYX") -> list[str]:
    return [
        "segment",
        "movie.zarr",
        "--axes",
        axes,
        "--prompts",
        "prompts.json",
        "-o",
        "out/labels.tif",
        "--device",
        "cpu",
        *arguments,
    ]


def test_places_that_can_be_read_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A plane of the third volume is broken: the first, second and fourth are there, as the prompted planes can be read in all."""
    broken_zarr_by_hand(Path("movie.zarr"), np.where(TIMES > 0, 3000, 100).astype(np.uint16), [(2, 4)])
    assert main(each("--each", "T")) == 3
    labels = tifffile.imread("out/labels.tif")
    np.testing.assert_array_equal(labels[[0, 1, 3]], TIMES[[0, 1, 3]])
    assert not labels[2].any()
    out, err = capsys.readouterr()
    assert out == "2 objects on 6 frames at some positions of T: out/labels.tif\n"
    assert last_line(err) == (
        f"napari-sam2: frame 4 along Z at T 2 cannot be read: {WHY}; T 2 is left out; what is done is written"
    )


def test_what_is_not_found_beyond_a_prompted_plane_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The plane that was prompted is broken in the third volume: prompts cannot be propagated to it, nor through it."""
    broken_zarr(Path("movie.zarr"), np.where(TIMES > 0, 3000, 100).astype(np.uint16), [(2, 2)])
    assert main(each("--each", "T")) == 3
    labels = tifffile.imread("out/labels.tif")
    np.testing.assert_array_equal(labels[:2], TIMES[:2])
    assert not labels[2:].any()
    assert last_line(capsys.readouterr().err).endswith("; T 2, 3 are left out; what is done is written")


def test_the_volume_that_was_prompted_is_done_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), np.where(TIMES > 0, 3000, 100).astype(np.uint16), [(0, 4)])
    assert main(each("--each", "T")) == 3
    labels = tifffile.imread("out/labels.tif")
    np.testing.assert_array_equal(labels[0], on(range(4)))
    np.testing.assert_array_equal(labels[1:], TIMES[1:])
    assert last_line(capsys.readouterr().err).endswith("; T 0 is done in part; what is done is written")


def test_nothing_is_fused(capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [(4,)])
    assert main(each("--fuse", "ZYX", "--pixel-size", "1", axes="ZYX")) == 3
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), on(range(4)))
    assert last_line(capsys.readouterr().err) == (
        f"napari-sam2: frame 4 along Z cannot be read: {WHY}; so ZYX were not fused, and objects were tracked along Z only; "
        "what is done is written"
    )


# --- tables and movies ---------------------------------------------------------------------------------------------


def saved(axes: str = "TYX") -> None:
    """A session that was done while all could be read, and then a frame is broken."""
    broken_zarr(Path("movie.zarr"), MOVIE, [])
    session = Session("movie.zarr", axes=axes, model=tiny_model())
    for click in CLICKS:
        session.add_object(object_id=click["object"])
        session.add_points(click["object"], click["frame"], click["points"])
    list(session.propagate())
    session.save("movie.sam2")
    session.close()
    Path("movie.zarr/c/4/0/0").write_bytes(b"\0")


NOTE = "frame 4 of the image cannot be read: there intensities are empty, and movies show outlines on black"


@needs_geff
def test_every_format_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    saved()
    tables = ["a.tracks.csv", "a.csv", "a.parquet", "a_RES", "a.geff", "a.xml"]
    volumes = ["a.nii.gz", "a.nii", "a.seg.nrrd", "a.nrrd"]
    names = ["a.tif", "a.ome.tif", "a.zarr", *volumes, *tables, "a.roi.zip", "a.coco.json", "a.mp4", "a.gif", "a.frames.png"]
    assert len(names) == sum(item.takes_time for item in formats.FORMATS)
    outputs = [f"out/{name}" for name in names]
    assert main(["export", "movie.sam2", *outputs]) == 3
    out, err = capsys.readouterr()
    assert out.splitlines() == outputs
    assert err == f"napari-sam2: {NOTE}\n"
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), TRUTH)
    rows = list(csv.DictReader(Path("out/a.csv").read_text().splitlines()))
    assert [(row["frame"], row["intensity_mean_c0"], row["intensity_max_c0"]) for row in rows if row["object_id"] == "3"] == [
        (str(frame), *(["", ""] if frame == 4 else ["3000", "3000"])) for frame in range(T)
    ]
    assert all(row["area_px"] in ("36", "25") for row in rows)
    table = pyarrow.parquet.read_table("out/a.parquet").to_pydict()
    assert [table["intensity_min_c0"][i] for i in range(T)] == [None if frame == 4 else 3000 for frame in range(T)]
    with Image.open("out/a.gif") as movie:
        assert movie.n_frames == T
        movie.seek(4)
        colours = np.unique(np.asarray(movie.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) == 3  # black, and the outline of each object
    assert colours[0].tolist() == [0, 0, 0]


def test_a_volume_of_which_a_plane_cannot_be_read() -> None:
    saved("ZYX")
    assert main(["export", "movie.sam2", "out/a.csv"]) == 3
    rows = list(csv.DictReader(Path("out/a.csv").read_text().splitlines()))
    assert [(row["object_id"], row["volume_px"], row["intensity_mean_c0"]) for row in rows] == [("3", "216", ""), ("8", "150", "")]


def test_labels_that_cannot_be_read_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr_by_hand(Path("labels.zarr"), TRUTH, [(4,)])
    assert main(["export", "labels.zarr", "out/a.csv", "--axes", "TYX"]) == 2
    assert capsys.readouterr().err == "napari-sam2: the labels at T 4 cannot be read: their data are damaged or missing\n"
    assert not list(Path("out").iterdir())


def test_from_python_it_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    saved()
    session = Session.open("movie.sam2", model=tiny_model())
    session.export("out/a.csv", "out/a.tif")
    session.close()
    assert [record.message for record in caplog.records] == [NOTE]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.csv", "a.tif"]


# --- done again ----------------------------------------------------------------------------------------------------


def test_replay_up_to_the_frame_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    saved()
    assert main(["replay", "movie.sam2", "-o", "out/labels.tif", "--device", "cpu"]) == 3
    np.testing.assert_array_equal(
        tifffile.imread("out/labels.tif"), np.where(np.isin(np.arange(T), [2, 3])[:, None, None], TRUTH, 0)
    )
    out, err = capsys.readouterr()
    assert out == "2 objects on 2 of 6 frames: out/labels.tif\n"
    assert last_line(err) == (
        f"napari-sam2: action 5 of 5, propagate, is not done to its end: frame 4 along T cannot be read: {WHY}; "
        "what is done is written"
    )


def test_replay_up_to_a_prompt_on_a_frame_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    saved()
    Path("movie.zarr/c/4/0/0").unlink()  # zarr takes a chunk that is not there for zeros
    Path("movie.zarr/c/2/0/0").write_bytes(b"\0")
    assert main(["replay", "movie.sam2", "-o", "out/labels.tif", "--device", "cpu"]) == 2
    out, err = capsys.readouterr()
    said = (
        f"action 2 of 5, add_points, is not done to its end, and the 3 after it are not done: frame 2 along T cannot be read: {WHY}"
    )
    assert (out, last_line(err)) == ("", f"napari-sam2: {said}")
    assert not list(Path("out").iterdir())


# --- Ctrl-C, memory and disks --------------------------------------------------------------------------------------


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int, error: Exception | None = None) -> None:
    """Let Ctrl-C, or an error, come in the middle of a step."""
    track, steps = BlobTracker.track, itertools.count()

    def interrupted(tracker: Any, *arguments: Any) -> Any:
        if next(steps) == at:
            if error is not None:
                raise error
            signal.raise_signal(signal.SIGINT)
        return track(tracker, *arguments)

    monkeypatch.setattr(BlobTracker, "track", interrupted)


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [])
    interrupt(monkeypatch, at=1)
    assert main(segment("-o", "out/table.csv")) == 130
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), on([2, 3, 4]))
    out, err = capsys.readouterr()
    assert out == "2 objects on 3 of 6 frames: out/labels.tif, out/table.csv\n"
    assert last_line(err) == "napari-sam2: interrupted; what is done is written"


def test_ctrl_c_while_it_is_done_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    saved()
    interrupt(monkeypatch, at=0)
    assert main(["replay", "movie.sam2", "-o", "out/labels.tif", "--device", "cpu"]) == 130
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), on([2, 3]))
    assert last_line(capsys.readouterr().err) == "napari-sam2: interrupted; what is done is written"


UNEXPECTED = (
    "an error that is not expected, {}: please report this line, and what `napari-sam2 info` prints; "
    "the same command with --debug shows more"
)
MEMORY = "not enough memory: take a smaller model, fewer objects at a time, or another --device"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), f"there is {MEMORY}"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), f"the GPU has {MEMORY}"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't allocate memory"),
            f"there is {MEMORY}",
        ),
        (OSError(5, "Input/output error"), "the disk, or the connection to it, fails"),
        (
            IndexError("words of a library"),
            UNEXPECTED.format("IndexError in session/propagation/propagator.py, line N"),
        ),
    ],
)
def test_the_machine_fails_in_the_middle(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [])
    interrupt(monkeypatch, at=1, error=error)
    assert main(segment("--frames", "0:5")) == 1
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), on([2, 3]))
    assert without_number(last_line(capsys.readouterr().err)) == f"napari-sam2: {said}; what is done is written"


def without_number(text: str) -> str:
    return re.sub(r"line \d+", "line N", text)


def fail_to_write(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def write(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(tifffile, "imwrite", write)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(28, "No space left on device"), 1, "out/labels.tif cannot be written: the disk is full"),
        (OSError(122, "Disk quota exceeded"), 1, "out/labels.tif cannot be written: the quota on the disk is used up"),
        (PermissionError(13, "Permission denied"), 3, "out/labels.tif cannot be written: permission is denied"),
        (ValueError("labels do not fit"), 3, "out/labels.tif: labels do not fit"),
        (
            KeyError("words of a library"),
            1,
            UNEXPECTED.format("KeyError in export/tiff.py, line N"),
        ),
    ],
)
def test_one_of_several_outputs_fails(
    error: Exception, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [])
    fail_to_write(monkeypatch, error)
    assert main(segment("-o", "out/table.csv", "--methods", "out/methods.txt")) == code
    out, err = capsys.readouterr()
    assert out == "2 objects on 6 frames: out/table.csv\n"
    assert without_number(last_line(err)).startswith(f"napari-sam2: {said}; what is done is written")
    assert sorted(path.name for path in Path("out").iterdir()) == ["methods.txt", "table.csv"]
    saved_again = sorted(path.name for path in Path().iterdir())
    assert not [name for name in saved_again if "partial" in name]


def test_several_outputs_of_an_export_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("labels.tif", TRUTH, imagej=True, metadata={"axes": "TYX"})
    fail_to_write(monkeypatch, OSError(28, "No space left on device"))
    assert main(["export", "labels.tif", "out/a.tif", "out/a.csv", "out/b.ome.tif"]) == 1
    out, err = capsys.readouterr()
    assert out == "out/a.csv\n"
    assert err == "napari-sam2: out/a.tif cannot be written: the disk is full; out/b.ome.tif cannot be written: the disk is full\n"


def test_debug_shows_what_led_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [(4,)])
    for argv in (["--debug", *segment()], segment("--debug")):
        assert main(argv) == 3
        err = capsys.readouterr().err
        assert re.search(r"Traceback \(most recent call last\)(.|\n)*The above exception was the direct cause", err)
        assert last_line(err).startswith("napari-sam2: frame 4 along T cannot be read: ")
    assert main(segment()) == 3
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--compute", "gpu-box"], "the address of a scheduler is tls://HOST:PORT or tcp://HOST:PORT, got 'gpu-box'"),
        (["--compute", "tcp://192.168.0.7:8786"], "tcp://192.168.0.7:8786 is not encrypted, and whoever reaches the port"),
        (["--compute", "tls://gpu-box:8786"], "tls://gpu-box:8786 needs certificates: give --tls-ca, --tls-cert and --tls-key"),
        (["--compute", "tcp://127.0.0.1:1"], "--device does not go with --compute: there the worker chooses its device"),
        (["--insecure"], "certificates and --insecure go with --compute only"),
    ],
)
def test_another_machine_that_cannot_be_used(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [])
    assert main(segment(*options)) == 2
    assert capsys.readouterr().err.startswith(f"napari-sam2: {sentence}")
    assert list(Path("out").iterdir()) == []
