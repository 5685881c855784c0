"""``napari-sam2 replay`` finds the labels of a session again; every fault is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.cli.main import main
from napari_sam2.predictors import build, tracker
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each

TRUTH = squares(6, (32, 32), {1: [(4, 3 + t, 6) for t in range(6)], 2: [(20 - t, 20, 5) for t in range(6)]})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda name, device: tiny_model())
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    session = Session(tmp_path / "movie.tif", model=tiny_model())
    session.save(tmp_path / "movie.sam2")
    for object_id, point in ((1, (5, 5)), (2, (21, 21))):
        session.add_points(session.add_object(object_id=object_id), 0, [point])
    list(session.propagate())
    session.close()
    return tmp_path / "movie.sam2"


def test_the_same_labels(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, table, methods = (saved.with_name(name) for name in ("labels.tif", "table.csv", "methods.txt"))
    assert main(["replay", str(saved), "-o", str(output), "-o", str(table), "--methods", str(methods)]) == 0
    np.testing.assert_array_equal(tifffile.imread(output), TRUTH)
    assert table.read_text().count("\n") == 13
    assert methods.read_text().startswith("2 objects in 6 frames of 32 x 32 pixels were tracked through time")
    assert capsys.readouterr().out.startswith("2 objects on 6 frames: ")


def test_what_was_only_clicked_is_propagated(saved: Path) -> None:
    """And what was propagated already is not done again."""
    clicked, output = saved.with_name("clicked.sam2"), saved.with_name("labels.tif")
    with Session(saved.with_name("movie.tif"), model=tiny_model()) as session:
        session.save(clicked)
        session.add_points(session.add_object(), 0, [(5, 5)])
    assert main(["replay", str(clicked), "-o", str(output)]) == 0
    np.testing.assert_array_equal(tifffile.imread(output), np.where(np.arange(6)[:, None, None] == 0, TRUTH == 1, False))
    assert main(["replay", str(clicked), "-o", str(output), "--propagate"]) == 0
    np.testing.assert_array_equal(tifffile.imread(output), TRUTH == 1)
    assert main(["replay", str(saved), "-o", str(output), "--propagate"]) == 0
    np.testing.assert_array_equal(tifffile.imread(output), TRUTH)


def test_a_vote_and_all_volumes(saved: Path) -> None:
    times = np.stack([np.roll(TRUTH, t, axis=2) for t in range(3)])
    image = saved.with_name("volumes.tif")
    tifffile.imwrite(image, np.where(times > 0, 200, 10).astype(np.uint8), imagej=True, metadata={"axes": "TZYX"})
    session = Session(image, model=tiny_model(), at={"T": 1})
    session.save(saved)
    session.add_points(session.add_object(), 0, [(5, 6)])
    list(fuse_axes(session))
    session.add_mask(1, 3, TRUTH[3] == 2)
    list(session.propagate())
    for step in propagate_each(session, "T", [1, 2]):
        assert step.position == 2
    session.close()
    assert np.unique(session.labels[2, 3]).tolist() == [0, 1]
    assert main(["replay", str(saved), "-o", str(saved.with_name("labels.tif"))]) == 0
    np.testing.assert_array_equal(tifffile.imread(saved.with_name("labels.tif")), session.labels)


def test_the_log_as_json_and_a_session_that_is_open(saved: Path) -> None:
    session = Session.open(saved, model=tiny_model())
    session.add_mask(1, 5, np.ones((32, 32), bool))
    saved.with_name("log.json").write_text(session.to_json(), encoding="utf-8")
    for name in ("movie.sam2", "log.json"):
        output = saved.with_name(f"{name}.tif")
        assert main(["replay", str(saved.with_name(name)), "-o", str(output)]) == 0
        np.testing.assert_array_equal(tifffile.imread(output), session.labels)
    session.close()


def test_faults(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main(["replay", *arguments]) == 2
        return capsys.readouterr().err

    output = str(saved.with_name("labels.tif"))
    assert said("nothing.sam2", "-o", output).endswith("/nothing.sam2\n")
    assert said("nothing.json", "-o", output).endswith("/nothing.json cannot be read: it is not there\n")
    assert "movie.tif is an input" in said(str(saved), "-o", str(saved.with_name("movie.tif")))
    assert "movie.sam2 is an input" in said(str(saved), "-o", output, "--methods", str(saved))
    tifffile.imwrite(saved.with_name("other.tif"), MOVIE[:5], metadata={"axes": "TYX"}, photometric="minisblack")
    assert "this is another image than movie.sam2 was saved with" in said(
        str(saved), "-o", output, "--image", str(saved.with_name("other.tif"))
    )
    saved.with_name("movie.tif").unlink()
    assert "is not there: put it back, or give image=" in said(str(saved), "-o", output)
