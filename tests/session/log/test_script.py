"""A session as a Python script that finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, tiny_model
from known_sessions import MOVIE, begun, everything_done, inside, known
from napari_sam2.predictors import build, tracker
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.session.log.reading import read_document
from napari_sam2.session.log.script import script
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.session.state.stop_rules import StopRules
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda name, device: {"tiny": tiny_model()}[name])


def run(text: str, image: Any = MOVIE) -> Session:
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(text, "script", "exec"), names)
    session: Session = names["run"](image)
    return session


def test_it_finds_the_same() -> None:
    session = begun(intensity_range=(0, 255), memory_gate=MemoryGate(look_back=np.int64(3)))
    everything_done(session)
    text = session.to_script()
    assert known(run(text)) == known(session)
    assert "session.add_points(object_id=1, frame=0, points=[[4, 3]])" in text
    assert "stop=StopRules(max_absent_frames=2)" in text
    assert "memory_gate=MemoryGate(" in text


def test_from_a_file(tmp_path: Path) -> None:
    session = begun()
    everything_done(session)
    session.save(tmp_path / "movie.sam2")
    session.close()
    assert known(run(script(read_document(tmp_path / "movie.sam2")))) == known(session)


def test_bounds_without_end(tmp_path: Path) -> None:
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate(stop=StopRules(area_px=(1, np.inf))))
    session.save(tmp_path / "movie.sam2")
    (tmp_path / "movie.json").write_text(session.to_json(), encoding="utf-8")
    session.close()
    for again in (run(session.to_script()), *(replay(tmp_path / f"movie.{end}", MOVIE, tiny_model()) for end in ("sam2", "json"))):
        assert known(again) == known(session)


@pytest.mark.parametrize(
    ("frames", "written"), [(range(1, 6), "range(1, 6)"), ([1, 2, 3], "[1, 2, 3]"), ([0, 2, 3, 4, 5], "[0, 2, 3, 4, 5]")]
)
def test_frames_in_a_row(frames: Any, written: str) -> None:
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate(frames=frames))
    text = session.to_script()
    assert f"frames={written})" in text
    assert known(run(text)) == known(session)


def test_functions_on_volumes() -> None:
    image = np.stack([MOVIE, np.roll(MOVIE, 1, axis=2)])
    session = begun(image, axes="TZYX", at={"T": 0})
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(fuse_axes(session, "ZX"))
    list(propagate_each(session, "T", [1], "ZX"))
    text = session.to_script()
    assert "for _ in sam2.fuse_axes(session, axes='ZX'):" in text
    assert "for _ in sam2.propagate_each(session, over='T', positions=[1], fuse='ZX'):" in text
    assert known(run(text, image)) == known(session)


def test_a_propagation_that_was_stopped() -> None:
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    for _, _ in zip(range(3), session.propagate(), strict=False):
        pass
    text = session.to_script()
    assert "itertools.islice(session.propagate(direction='both'), 3)" in text
    assert sorted(run(text).objects[1].tracked) == [1, 2, 3]
