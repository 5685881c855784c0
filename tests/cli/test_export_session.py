"""``napari-sam2 export`` from a session file: all that the session knows, with its image or without, and never with its model."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import BlobTracker, tiny_model
from export_names import NAMES
from napari_sam2.cli.main import main
from napari_sam2.export.formats import write_result
from napari_sam2.predictors import tracker
from napari_sam2.session.methods import methods_paragraph
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.propagate_each import propagate_each

BLOBS = np.zeros((4, 24, 32), np.uint16)
BLOBS[:, 2:6, 3:8] = 900
BLOBS[2:, 12:16, 13:18] = 900
MOVIE = BLOBS + 100


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A mother that divides and an object that is hidden, saved in the folder where people stand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    tifffile.imwrite("movie.tif", MOVIE, imagej=True, resolution=(4, 4), metadata={"axes": "TYX", "unit": "um", "finterval": 30.0})
    Path("out").mkdir()
    session = Session("movie.tif", model=tiny_model())
    session.add_points(session.add_object("mother", colour="#ff8000"), 0, [(3, 4)])
    session.add_points(session.add_object("hidden"), 2, [(14, 15)])
    list(session.propagate())
    session.hide_object(2)
    (daughter,) = session.divide_object(1, 2, children=1)
    session.add_points(daughter, 2, [(14, 15)])
    list(session.propagate())
    session.save("movie.sam2")
    session.close()
    return session


def contents(folder: Path) -> dict[str, bytes]:
    """All files, without the number that each OME-TIFF has of its own."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: re.sub(rb"urn:uuid:[-0-9a-f]{36}", b"", content) for name, content in files.items()}


def test_the_same_as_from_python(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """To the byte, in every format; the model, of which the file knows the name alone, is not asked for."""
    result = session.result()
    Path("python").mkdir()
    for name in NAMES:
        write_result(Path("python") / name, result)
    before = contents(Path())
    outputs = [f"out/{name}" for name in NAMES]
    assert main(["export", "movie.sam2", *outputs, "--methods", "out/methods.txt"]) == 0
    assert capsys.readouterr().out.splitlines() == [*outputs, "out/methods.txt"]
    assert Path("out/methods.txt").read_text() == methods_paragraph(session.document()) + "\n"
    Path("out/methods.txt").unlink()
    assert contents(Path("out")) == contents(Path("python"))
    assert {name: content for name, content in contents(Path()).items() if not name.startswith("out")} == before
    table = [line.split(",") for line in Path("out/a.csv").read_text().splitlines()]
    assert table[0][:5] == ["object_id", "name", "frame", "time_s", "area_um2"]
    assert table[0][-2:] == ["object_score", "predicted_iou"]
    assert [line[:3] for line in table[1:]] == [["1", "mother", "0"], ["1", "mother", "1"], *(["3", "mother.1", t] for t in "23")]
    assert Path("out/01_RES/res_track.txt").read_text() == "1 0 1 0\n3 2 3 1\n"


def test_every_kind_of_record_is_shown_as_the_session_shows_it(session: Session) -> None:
    """Votes, frames that are out of date, and what was found at other places."""
    tifffile.imwrite("volumes.tif", np.stack([MOVIE, MOVIE]), imagej=True, metadata={"axes": "TZYX"})
    volumes = Session("volumes.tif", model=tiny_model(), at={"T": 0})
    volumes.add_points(volumes.add_object(), 0, [(3, 4)])
    volumes.save("volumes.sam2")
    list(propagate_each(volumes, "T", fuse="ZX"))
    volumes.add_mask(1, 1, BLOBS[2] > 0)
    kinds = [name for name in ("conditioning", "tracked", "stale", "fused") if len(getattr(volumes.objects[1], name))]
    assert kinds == ["conditioning", "stale", "fused"]
    volumes.close()
    assert main(["export", "volumes.sam2", "out/a.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), volumes.labels)
    assert volumes.labels[1].any()


@pytest.mark.parametrize("fault", ["gone", "changed", "cut short"])
def test_without_the_image(
    fault: str, session: Session, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What needs no image is exported and it is said why there is none; what needs it is refused."""
    reason = {
        "gone": r"the image .*movie\.tif of movie\.sam2 is not there: put it back, .*",
        "changed": r"this is another image than movie\.sam2 was saved with, the same size with other pixels: .*",
        "cut short": r".*movie\.tif.*",
    }[fault]
    told = methods_paragraph(session.document())
    if fault == "gone":
        Path("movie.tif").rename("moved.tif")
    elif fault == "changed":
        tifffile.imwrite("movie.tif", MOVIE + 1, imagej=True, metadata={"axes": "TYX"})
    else:
        Path("movie.tif").write_bytes(Path("movie.tif").read_bytes()[:100])
    assert main(["export", "movie.sam2", "out/a.tif", "out/a.csv", "--pixel-size", "0.25", "--methods", "out/methods.txt"]) == 0
    said = rf"{reason}; without the image there are no intensities, no movies, and no size of pixels but one that is given"
    assert re.fullmatch(said, caplog.records[0].message)
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), session.labels)
    assert Path("out/a.csv").read_text().startswith("object_id,name,frame,area_um2,")
    assert "intensity" not in Path("out/a.csv").read_text()
    assert Path("out/methods.txt").read_text() == told + "\n"
    capsys.readouterr()
    assert main(["export", "movie.sam2", "out/b.csv", "out/a.gif"]) == 2
    assert capsys.readouterr().err == "napari-sam2: a.gif: a movie as GIF needs the image\n"
    assert not Path("out/b.csv").exists()
    if fault == "gone":
        assert main(["export", "movie.sam2", "out/a.gif", "--image", "moved.tif"]) == 0


def test_an_image_that_was_an_array(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    again = Session(MOVIE, model=tiny_model())
    again.add_points(again.add_object(), 0, [(3, 4)])
    again.save("array.sam2")
    again.close()
    assert main(["export", "array.sam2", "out/a.tif"]) == 0
    assert caplog.records[0].message.startswith("the image of array.sam2 was an array, not a file: give it as image=")
    assert main(["export", "array.sam2", "out/a.gif", "--image", "movie.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/a.tif"), again.labels)


BAD = {
    "nothing to write": ([], r"there is nothing to write: name outputs, such as objects\.csv or outlines\.mp4"),
    "axes": (["out/a.csv", "--axes", "TYX"], r"--axes goes with labels only: a session file has its axes"),
    "divisions": (["out/a.csv", "--parents", "p.csv"], r"--parents goes with labels only: a session file has its divisions"),
    "another image": (["out/a.csv", "--image", "other.tif"], r"this is another image than movie\.sam2 was saved with, .*"),
    "no image": (["out/a.csv", "--image", "none.tif"], r"there is no file none\.tif"),
    "onto the image": (["movie.tif"], r"movie\.tif is an input: give the output another name"),
    "onto the session": (
        ["out/a.csv", "--methods", "movie.sam2"],
        r"movie\.sam2 is an input: give the output another name",
    ),
    "no folder": (["out/a.csv", "--methods", "none/m.txt"], r"there is no folder none to write m\.txt to"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_and_nothing_written(name: str, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = BAD[name]
    tifffile.imwrite("other.tif", MOVIE + 1, imagej=True, metadata={"axes": "TYX"})
    before = contents(Path())
    assert main(["export", "movie.sam2", *arguments]) == 2
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"napari-sam2: {message}\n", err), err
    assert (out, contents(Path())) == ("", before)


def test_files_that_are_not_there_or_in_use(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main(["export", *arguments]) == 2
        return capsys.readouterr().err

    assert "there is no session file none.sam2" in said("none.sam2", "out/a.csv")
    assert "--methods needs a session file: the labels movie.tif hold no methods" in said("movie.tif", "--methods", "out/m.txt")
    Path("movie.sam2").write_bytes(b"labels")
    assert "movie.sam2 is not a session file" in said("movie.sam2", "out/a.csv")


def test_a_session_that_is_open(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """What was done last is exported; the session goes on."""
    again = Session.open("movie.sam2", model=tiny_model())
    again.rename_object(1, "renamed")
    assert main(["export", "movie.sam2", "out/a.csv"]) == 0
    assert Path("out/a.csv").read_text().splitlines()[1].startswith("1,renamed,0,")
    again.hide_object(2, False)
    again.close()
    assert main(["export", "movie.sam2", "out/b.csv"]) == 0
    assert ",hidden," in Path("out/b.csv").read_text()
    assert capsys.readouterr().err == ""


def test_a_session_that_lies_where_nothing_can_be_written(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def out_of_reach(place: object, mode: int) -> bool:
        return not mode & os.W_OK or "movie.sam2" not in str(place)

    monkeypatch.setattr(os, "access", out_of_reach)
    before = {path.name: path.stat().st_mtime_ns for path in Path().iterdir()}
    assert main(["export", "movie.sam2", "out/labels.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("out/labels.tif"), session.labels)
    assert {path.name: path.stat().st_mtime_ns for path in Path().iterdir() if path.name != "out"} == {
        name: time for name, time in before.items() if name != "out"
    }
    Path("movie.sam2-wal").touch()
    assert main(["export", "movie.sam2", "out/again.tif"]) == 2
    assert capsys.readouterr().err == (
        "napari-sam2: movie.sam2-wal is still to be written into movie.sam2, which may not be written by you: copy both to a "
        "folder of yours\n"
    )
