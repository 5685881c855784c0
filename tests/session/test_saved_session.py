"""A session file, read for its results alone."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import BlobTracker
from known_sessions import MOVIE, TRUTH, begun, everything_done, inside
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors import tracker
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each
from zarr_by_hand import image_by_hand


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    return tmp_path / "movie.sam2"


def same_result(path: Path, session: Session) -> SavedSession:
    """The result of a file is that of a session."""
    saved = SavedSession.read(path)
    result, expected = saved.result(PIXELS), session.result(PIXELS)
    np.testing.assert_array_equal(result.labels, expected.labels)
    assert list(map(tuple, result.intensity_ranges)) == list(map(tuple, expected.intensity_ranges))
    for name in ("lineage", "names", "colours", "scores", "axes"):
        assert getattr(result, name) == getattr(expected, name), name
    return saved


@pytest.mark.parametrize("is_open", [True, False])
def test_everything_is_shown_as_the_session_shows_it(path: Path, is_open: bool) -> None:
    session = begun(path.with_name("movie.tif"))
    session.save(path)
    everything_done(session)
    session.hide_object(2)
    if not is_open:
        session.close()
    saved = same_result(path, session)
    assert saved.image_path == path.with_name("movie.tif")
    source = replace(saved.document.header.source, relative_path=None)
    assert replace(saved.document, header=replace(saved.document.header, source=source)) == session.document()
    session.close()
    assert sorted(one.name for one in path.parent.iterdir()) == ["movie.sam2", "movie.tif"]


def test_every_kind_of_record_and_other_positions(path: Path) -> None:
    volumes = path.with_name("volumes.tif")
    tifffile.imwrite(volumes, np.stack([MOVIE, np.roll(MOVIE, 1, axis=2)]), imagej=True, metadata={"axes": "TZYX"})
    session = begun(volumes, at={"T": 0})
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.add_points(session.add_object(), 0, inside(2, 0))
    list(fuse_axes(session, "ZX"))
    list(propagate_each(session, "T", [1]))
    session.add_mask(1, 4, TRUTH[4] == 3)
    session.hide_object(2)
    kinds = {kind for item in session.objects.values() for kind, one in item.records.items() if one}
    assert kinds == {"anchor", "tracked", "stale", "fused", "corrected"}
    same_result(path, session)
    session.close()
    same_result(path, session)


def test_without_the_package_that_reads_its_image(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_by_hand(path.with_name("movie.zarr"), MOVIE, "0.5", "tyx")
    session = begun(image)
    session.save(path)
    session.close()
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert SavedSession.read(path).image_path is None
    assert caplog.messages[-1].startswith("reading zarr files needs the extra: pip install 'napari-sam2[zarr]'; without the image")
    with pytest.raises(ImportError, match="needs the extra"):
        SavedSession.read(path, image)


def test_without_its_image(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = begun(path.with_name("movie.tif"))
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path)
    session.close()
    moved = path.with_name("movie.tif").rename(path.with_name("moved.tif"))
    saved = same_result(path, session)
    (message,) = {record.message for record in caplog.records}
    assert message.startswith(f"the image {path.with_name('movie.tif')} of movie.sam2 is not there")
    assert message.endswith("without the image there are no intensities, no movies, and no size of pixels but one that is given")
    assert (saved.image_path, saved.result(PIXELS).stack) == (None, None)
    assert SavedSession.read(path, moved).image_path == moved
    with pytest.raises(FileNotFoundError, match=r"none\.tif"):
        SavedSession.read(path, path.with_name("none.tif"))
    tifffile.imwrite(path.with_name("other.tif"), MOVIE + 1, photometric="minisblack")
    with pytest.raises(ValueError, match=r"^this is another image than movie\.sam2 was saved with"):
        SavedSession.read(path, path.with_name("other.tif"))


def test_the_file_is_gone_or_damaged_when_its_results_are_read(path: Path) -> None:
    session = begun(path.with_name("movie.tif"))
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path)
    session.close()
    saved = SavedSession.read(path)
    database = sqlite3.connect(path)
    database.execute("DELETE FROM stored WHERE kind = 'record'")
    database.commit()
    database.close()
    with pytest.raises(ValueError, match=r"movie\.sam2 is damaged; napari-sam2 replay movie\.sam2 finds the results again"):
        saved.result(PIXELS)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"^there is no session file \S+movie\.sam2$"):
        saved.result(PIXELS)


def test_a_session_in_which_nothing_was_done(path: Path) -> None:
    session = begun(path.with_name("movie.tif"))
    session.save(path)
    session.close()
    assert not same_result(path, session).result(PIXELS).labels.any()
