"""The log of a session, read from whatever file holds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blob_tracker import BlobTracker
from known_sessions import begun, everything_done
from napari_sam2.predictors import tracker
from napari_sam2.session.log.reading import document_of, read_document
from napari_sam2.session.store.database import open_to_read

FIRST_FORMAT = Path(__file__).parents[1] / "store" / "first_format" / "everything"


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


def test_of_a_session_file(tmp_path: Path) -> None:
    session = begun()
    session.save(tmp_path / "movie.sam2")
    everything_done(session)
    database = open_to_read(tmp_path / "movie.sam2")
    assert document_of(database) == session.document()
    database.close()
    session.close()
    assert read_document(tmp_path / "movie.sam2") == session.document()
    (tmp_path / "movie.sam2").rename(tmp_path / "movie")
    assert read_document(tmp_path / "movie") == session.document()


def test_of_the_first_format(tmp_path: Path) -> None:
    shutil.copytree(FIRST_FORMAT, tmp_path / "a")
    document = read_document(tmp_path / "a" / "movie.sam2.json")
    assert sorted(document.objects) == [1, 2, 3, 4, 5, 65535]
    assert document.objects[65535].info.is_locked
    assert [document.objects[child].info.parent for child in (4, 5)] == [3, 3]
    assert document.header.source.relative_path == "movie.tif"
    assert [call.method for call in document.calls][:4] == ["add_object", "add_points", "add_object", "add_box"]


@pytest.mark.parametrize("name", ["movie.sam2", "movie.tif", "movie"])
def test_of_something_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(FileNotFoundError, match=r"^there is no session file \S+$"):
        read_document(path)
    for content in (b"", b"II*\0", b"x" * 9999):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"^\S+{name} is not a session file$"):
            read_document(path)
