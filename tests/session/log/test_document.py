"""The log of a session as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blob_tracker import BlobTracker, tiny_model
from known_sessions import MOVIE, begun, calls, everything_done, inside, known, opened
from napari_sam2.predictors import tracker
from napari_sam2.session.log.document import SCHEMA, Document
from napari_sam2.session.log.reading import read_document
from napari_sam2.session.replay import replay
from napari_sam2.session.state.identity import weights_sha256
from napari_sam2.session.store.database import VERSION


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    session = begun()
    session.add_points(session.add_object("cell"), 0, inside(1, 0))
    list(session.propagate())
    path = tmp_path / "movie.json"
    path.write_text(session.to_json(), encoding="utf-8")
    return path


def test_it_is_the_same_from_a_session_its_file_and_json(tmp_path: Path) -> None:
    session = begun()
    everything_done(session)
    session.save(tmp_path / "movie.sam2")
    (tmp_path / "movie.json").write_text(session.to_json(), encoding="utf-8")
    told = session.document()
    assert told.model.sha256 == weights_sha256(tiny_model())
    assert (told.schema, told.version) == (SCHEMA, VERSION)
    assert read_document(tmp_path / "movie.json") == told == Document.read(tmp_path / "movie.json")
    assert read_document(tmp_path / "movie.sam2") == told  # while it is open
    session.close()
    assert read_document(tmp_path / "movie.sam2") == told
    again = opened(tmp_path / "movie.sam2")
    source = replace(told.header.source, axes="TYX")  # as the image told them
    assert again.document() == replace(told, header=replace(told.header, source=source))
    again.undo()
    assert again.document().calls == told.calls[:-1]
    again.close()
    replayed = replay(tmp_path / "movie.json", MOVIE, tiny_model())
    assert known(replayed) == known(session)
    assert calls(replayed) == calls(session)


def test_what_was_undone_is_not_in_it(log: Path) -> None:
    session = replay(log, MOVIE, tiny_model())
    assert [call["method"] for call in json.loads(session.to_json())["calls"]] == ["add_object", "add_points", "propagate"]
    session.undo()
    session.undo()
    assert [call["method"] for call in json.loads(session.to_json())["calls"]] == ["add_object"]


def test_written_by_another_program(log: Path) -> None:
    """JSON with other spaces, a mark at its beginning, and names in letters of any language."""
    content = json.loads(log.read_text(encoding="utf-8"))
    content["calls"][0]["arguments"]["name"] = "größe, 細胞"
    log.write_text("\ufeff" + json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    assert replay(log, MOVIE, tiny_model()).objects[1].name == "größe, 細胞"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"^\S+movie\.json is not JSON: line 1, column 2$"),
        ("[]", rf"^\S+movie\.json is not the log of a session: its schema is not {SCHEMA!r}$"),
        ('{"schema": "prompts"}', rf"is not the log of a session: its schema is not {SCHEMA!r}$"),
        ("", r"is not JSON: line 1, column 1$"),
    ],
)
def test_what_is_none(text: str, message: str, log: Path) -> None:
    log.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_document(log)


@pytest.mark.parametrize("version", [1, VERSION + 1, str(VERSION), None])
def test_another_version(version: Any, log: Path) -> None:
    log.write_text(json.dumps(json.loads(log.read_text()) | {"version": version}))
    message = rf"^\S+movie\.json is of version {version!r} of the session format; napari-sam2 \S+ reads version {VERSION}$"
    with pytest.raises(ValueError, match=message):
        read_document(log)


def test_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^the log of a session \S+movie\.json cannot be read: it is not there$"):
        read_document(tmp_path / "movie.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("model"), "movie.json has no 'model'"),
        (lambda d: d.update(modle=1), "movie.json has an unknown key 'modle'; did you mean 'model'?"),
        (lambda d: d["header"]["settings"].update(precision=3), "movie.json.header.settings.precision must be a text, got 3"),
        (lambda d: d["header"]["image"].update(shape=[1.5]), "movie.json.header.image.shape[0] must be a whole number, got 1.5"),
        (lambda d: d["objects"]["1"]["prompts"].update(x={}), "has a key 'x', where a whole number is expected"),
        (lambda d: d["header"]["settings"].update(intensity_ranges=[[1]]), "intensity_ranges[0] must have 2 entries, got 1"),
        (lambda d: d["calls"].append({"method": 3, "arguments": {}}), "movie.json.calls[3].method must be a text, got 3"),
    ],
)
def test_a_fault_is_told_with_its_place(log: Path, change: Callable[[Any], None], message: str) -> None:
    content = json.loads(log.read_text())
    change(content)
    log.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=re.escape(message)):
        read_document(log)
