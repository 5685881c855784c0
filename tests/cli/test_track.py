"""``track``: everything in a stack is found, tracked and written with its lineage; it can be stopped or killed, and goes on."""

from __future__ import annotations

import csv
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from scipy import ndimage as ndi

from blob_tracker import BlobTracker, squares, tiny_model
from broken_images import broken_zarr
from napari_sam2.cli.main import main
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.predictors import build
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.session.editing import object_editor
from napari_sam2.session.session import Session
from napari_sam2.session.tracking import movie_tracker
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.search import Found
from wheels import needs_geff

T = 8
SQUARES: dict[int, list[Any]] = {
    1: [(4, 3 + t, 6) for t in range(T)],
    2: [(20, 20, 6)] * 4 + [None] * 4,  # divides
    3: [None] * 4 + [(19, 20, 4)] * 4,
    4: [None] * 4 + [(24, 20, 4)] * 4,
    5: [(30, 4, 5)] * 5 + [None] * 3,  # ends
    6: [None] * 2 + [(30, 30, 5)] * 6,  # begins
}
TRUTH = squares(T, (40, 40), SQUARES)
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()


@pytest.fixture
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found are the blobs of the double."""
    monkeypatch.setattr(tracker_module, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda model, device: tiny_model())

    def masks(image: np.ndarray) -> list[np.ndarray]:
        return [plane for plane in _blobs(image) if plane.any()]

    def find(_model: Any, _precision: Any, image: Any, known: Any, area_px: Any = None, **_: Any) -> list[np.ndarray]:
        low, high = (1, image.size / 2) if area_px is None else area_px
        return [mask for mask in masks(image) if low <= mask.sum() <= high and not any((mask & one).any() for one in known)]

    def likely(image: np.ndarray, covered: np.ndarray, *_: Any) -> list[tuple[float, float]]:
        return [tuple(np.argwhere(mask).mean(0)) for mask in masks(image) if not (mask & covered).any()]

    def search(in_use: Any, frame: int, points: Any, _radius: float) -> list[Found]:
        there = masks(in_use.as_seen(frame))
        return [Found(Region.of_plane(mask), 1.0) for mask in there if any(mask[round(row), round(col)] for row, col in points)]

    monkeypatch.setattr(movie_tracker, "find_everything_there", find)
    monkeypatch.setattr(movie_tracker, "likely_points", likely)
    monkeypatch.setattr(movie_tracker, "search", search)


def _blobs(image: np.ndarray) -> list[np.ndarray]:
    labels, count = ndi.label(image > 127)
    return [labels == i for i in range(1, count + 1)]


def track(*arguments: str, image: str = "movie.zarr", output: str = "out/labels.tif") -> list[str]:
    return ["track", image, "--axes", "TYX", "-o", output, "--device", "cpu", *arguments]


def write_movie(broken: int | None = None) -> None:
    broken_zarr(Path("movie.zarr"), MOVIE, [] if broken is None else [(broken,)])


def truth_of(labels: np.ndarray, truth: np.ndarray = TRUTH) -> dict[int, int]:
    """Which true object each label is; there is exactly one for each."""
    pairs = {(int(j), int(i)) for i, j in zip(truth.ravel(), labels.ravel(), strict=True)}
    found = dict(pairs)
    assert len(found) == len(pairs) == len(np.unique(truth)), pairs
    return found


def last_line(text: str) -> str:
    return text.replace("\r", "\n").splitlines()[-1]


@needs_geff
@pytest.mark.usefixtures("_double")
def test_everything_is_written_with_its_lineage(capsys: pytest.CaptureFixture[str]) -> None:
    import geff

    write_movie()
    outputs = ["out/a.tracks.csv", "out/a.csv", "out/a_RES", "out/a.geff", "out/a.xml"]
    assert main(track(*itertools.chain(*(("-o", name) for name in outputs)))) == 0
    out, err = capsys.readouterr()
    assert out == f"6 objects on 8 frames: out/labels.tif, {', '.join(outputs)}\n"
    assert "8/8" in last_line(err)
    assert "6 objects" in last_line(err)
    true = truth_of(tifffile.imread("out/labels.tif"))
    ids = {i: j for j, i in true.items()}
    lineage = {ids[3]: ids[2], ids[4]: ids[2]}
    rows = [line.split() for line in Path("out/a_RES/res_track.txt").read_text().splitlines()]
    assert {int(row[0]): int(row[3]) for row in rows if row[3] != "0"} == lineage
    table = csv.DictReader(Path("out/a.tracks.csv").read_text().splitlines())
    assert {int(row["track_id"]): int(row["parent_id"]) for row in table if row["parent_id"] != "0"} == lineage
    links = sum(len(np.unique(np.nonzero(i == TRUTH)[0])) - 1 for i in range(1, 7)) + len(lineage)
    assert Path("out/a.xml").read_text().count("<Edge ") == links
    graph, _ = geff.read("out/a.geff", backend="networkx")
    assert graph.number_of_edges() == links
    frames = {node: (graph.nodes[node]["object_id"], graph.nodes[node]["t"]) for node in graph}
    assert {
        frames[child][0]: frames[parent][0] for parent, child in graph.edges if frames[parent][0] != frames[child][0]
    } == lineage


@pytest.mark.usefixtures("_double")
def test_what_is_found_has_an_area(capsys: pytest.CaptureFixture[str]) -> None:
    write_movie()
    assert main(track("--area-px", "30", "40", "--points-per-side", "7", "--session", "out/s.sam2")) == 0
    assert capsys.readouterr().out == "2 objects on 8 frames: out/labels.tif\n"
    with Session.open("out/s.sam2", MOVIE, tiny_model()) as session:
        (call,) = [call for call in session.document().calls if call.method == "track_everything"]
    assert (call.arguments["area_px"], call.arguments["points_per_side"]) == ([30, 40], 7)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("is_saved", [False, True])
def test_ctrl_c_keeps_what_is_done(is_saved: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_movie()
    do_frame = movie_tracker.MovieTracker.do_frame

    def interrupted(tracker: Any, frame: int) -> Any:
        if frame == 2:
            signal.raise_signal(signal.SIGINT)
        return do_frame(tracker, frame)

    arguments = track("-o", "out/table.csv", *(("--session", "out/s.sam2") if is_saved else ()))
    with monkeypatch.context() as patch:
        patch.setattr(movie_tracker.MovieTracker, "do_frame", interrupted)
        assert main(arguments) == 130
    out, err = capsys.readouterr()
    assert out == "4 objects on 3 of 8 frames: out/labels.tif, out/table.csv\n"
    assert last_line(err) == "napari-sam2: interrupted; what is done is written"
    truth_of(tifffile.imread("out/labels.tif")[:3], TRUTH[:3])
    assert not tifffile.imread("out/labels.tif")[3:].any()
    assert main(arguments) == 0  # goes on, or begins anew
    assert capsys.readouterr().out == "6 objects on 8 frames: out/labels.tif, out/table.csv\n"
    truth_of(tifffile.imread("out/labels.tif"))


@pytest.mark.usefixtures("_double")
def test_what_is_before_an_unreadable_frame_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    write_movie(broken=3)
    assert main(track()) == 3
    out, err = capsys.readouterr()
    assert out == "4 objects on 3 of 8 frames: out/labels.tif\n"
    assert last_line(err) == (
        "napari-sam2: frame 3 along T cannot be read: its data are damaged or missing; what is done is written"
    )
    truth_of(tifffile.imread("out/labels.tif")[:3], TRUTH[:3])


@pytest.mark.usefixtures("_double")
def test_the_first_frame_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    write_movie(broken=0)
    assert main(track()) == 2
    assert last_line(capsys.readouterr().err) == ("napari-sam2: frame 0 along T cannot be read: its data are damaged or missing")
    assert not list(Path("out").iterdir())


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--intensity-range", "0", "2000"], "--window and --intensity-range"),
        (["--precision", "bfloat16"], "--precision"),
        (["--along", "Y"], "--axes, --channel, --along and --at"),
    ],
)
def test_a_session_that_was_begun_with_other_options(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_movie()
    session = ["--session", "out/s.sam2"]
    assert main(track(*session)) == 0
    capsys.readouterr()
    words = [*track(*session), *arguments]
    if "--along" in arguments:
        words[words.index("TYX")] = "ZYX"
    assert main(words) == 2
    assert capsys.readouterr().err == (
        f"napari-sam2: out/s.sam2 was begun with other {said}: give the same ones, or another session file\n"
    )
    assert main(track(*session)) == 0  # it is as it was, and not open


def write_labels(labels: np.ndarray) -> str:
    tifffile.imwrite("given.tif", labels, imagej=True, metadata={"axes": "TYX"})
    return "given.tif"


@pytest.mark.usefixtures("_double")
def test_labels_that_differ_from_frame_to_frame_are_linked(capsys: pytest.CaptureFixture[str]) -> None:
    write_movie()
    given = np.stack([np.where(plane > 0, (plane * 3 + 2 * t) % 17 + 1, 0) for t, plane in enumerate(TRUTH)])
    assert main(track("--labels", write_labels(given.astype(np.uint16)))) == 0
    assert capsys.readouterr().out == "5 objects on 8 frames: out/labels.tif\n"
    # The double follows what divides to one of its children.
    truth_of(tifffile.imread("out/labels.tif"), np.where(TRUTH == 3, 2, TRUTH))


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize(
    ("labels", "arguments", "said"),
    [
        (TRUTH[:, :, :30], [], "labels have the shape of the image, (8, 40, 40), got (8, 40, 30)"),
        (TRUTH * 0, [], "there is no label on any frame"),
        (
            TRUTH.astype(np.float32),
            [],
            "given.tif holds float32: labels must be whole numbers, 0 for the background and one for each object",
        ),
        (TRUTH, ["--area-px", "1", "9"], "--labels goes with neither --area-px nor --points-per-side: nothing is looked for"),
    ],
)
def test_labels_that_cannot_be_linked(
    labels: np.ndarray, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_movie()
    assert main(track("--labels", write_labels(labels), *arguments)) == 2
    assert last_line(capsys.readouterr().err) == f"napari-sam2: {said}"
    assert not list(Path("out").iterdir())


NOTHING = (
    "nothing was found on any frame: try other intensities (--window or --intensity-range), more --points-per-side for small "
    "objects, or another --model; or prompt the objects, with napari-sam2 segment"
)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((0, 40, 40), np.uint16), "the image is empty: its shape is (0, 40, 40)"),
        (np.full((3, 40, 40), 7, np.uint16), NOTHING),
    ],
    ids=["empty", "constant"],
)
def test_images_in_which_nothing_is(image: np.ndarray, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the embedded model."""
    zarr.save_array("movie.zarr", image)
    assert main(track("--points-per-side", "2")) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert last_line(err) == f"napari-sam2: {said}"
    assert not list(Path("out").iterdir())


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("area_px", [("50", "60"), ("60", "50"), ("-1", "5")])
def test_areas_of_nothing(area_px: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    write_movie()
    assert main(track("--area-px", *area_px)) == 2
    err = last_line(capsys.readouterr().err)
    assert err.startswith("napari-sam2: nothing was found" if area_px == ("50", "60") else "napari-sam2: area_px")
    assert not list(Path("out").iterdir())


@pytest.mark.usefixtures("_double")
def test_a_single_frame(capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("frame.tif", MOVIE[0])
    assert main(["track", "frame.tif", "-o", "out/labels.tif", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "3 objects on 1 frame: out/labels.tif\n"
    truth_of(tifffile.imread("out/labels.tif"), TRUTH[0])


@pytest.mark.usefixtures("_double")
def test_everything_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """What fills more than half of the frame is background, unless an area is given that says otherwise."""
    broken_zarr(
        Path("movie.zarr"), np.pad(np.full((3, 36, 36), 3000, np.uint16), ((0, 0), (2, 2), (2, 2)), constant_values=100), []
    )
    assert main(track()) == 2
    assert last_line(capsys.readouterr().err) == f"napari-sam2: {NOTHING}"
    assert main(track("--area-px", "1", "1600")) == 0
    assert capsys.readouterr().out == "1 object on 3 frames: out/labels.tif\n"


@pytest.mark.usefixtures("_double")
def test_there_is_no_room_for_more_objects(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As if a label image held three objects: when one more begins, what was found before stays in the session."""
    monkeypatch.setattr(object_editor, "MAX_LABEL", 3)
    write_movie()
    assert main(track("--session", "out/s.sam2")) == 2
    assert last_line(capsys.readouterr().err) == ("napari-sam2: there are 3 objects already, as many as a label image can hold")
    assert [path.name for path in Path("out").iterdir()] == ["s.sam2"]
    with Session.open("out/s.sam2", model=tiny_model()) as session:
        assert [len(item.shown_frames()) for item in session.objects.values()] == [2, 2, 2]


CROP = np.s_[:3, 40:120, 60:140]


def test_a_killed_run_goes_on() -> None:
    """With the embedded model, in a process of its own, which is killed in the middle."""
    tifffile.imwrite("movie.tif", tifffile.imread(FLUO_MITOCHECK.image)[CROP], imagej=True, metadata={"axes": "TYX"})
    options = ["--points-per-side", "5", "--intensity-range", "0", "110"]
    assert main(track(*options, image="movie.tif", output="out/whole.tif")) == 0
    words = track(*options, "--session", "out/s.sam2", image="movie.tif")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-m", "napari_sam2", *words], stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    said = ""
    until = time.monotonic() + 60
    while not re.search(r"[12]/3", said) and time.monotonic() < until:
        said += process.stderr.read(1)
    process.kill()
    process.wait()
    process.stderr.close()
    assert not Path("out/labels.tif").exists()
    with Session.open("out/s.sam2", "movie.tif") as session:
        done = {frame for item in session.objects.values() for frame in item.shown_frames()}
    assert 0 < len(done) < 3
    assert main(words) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), tifffile.imread("out/whole.tif"))
    assert len(np.unique(tifffile.imread("out/whole.tif"))) > 3
