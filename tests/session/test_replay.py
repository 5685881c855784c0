"""A session begun anew, in which everything is done that a log says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from blob_tracker import BlobTracker, tiny_model
from known_sessions import MOVIE, SHAPE, TRUTH, T, begun, calls, everything_done, inside, known, opened
from napari_sam2.images.errors import FrameReadError
from napari_sam2.predictors import build, tracker
from napari_sam2.session.replay import REPLAYABLE, VOLUME_FUNCTIONS, replay, replay_steps
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def logged(path: Path, *added: dict[str, Any]) -> Path:
    """The log of a session, and more actions."""
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    content = json.loads(session.to_json())
    content["calls"] += added
    log = path.with_suffix(".json")
    log.write_text(json.dumps(content))
    return log


def test_it_finds_the_same_and_can_be_undone(path: Path) -> None:
    session = begun()
    everything_done(session)
    session.save(path)
    session.close()
    content = path.read_bytes()
    replayed = replay(path, MOVIE, tiny_model())
    assert known(replayed) == known(session)
    assert calls(replayed) == calls(session)
    assert replayed.saved_to is None
    assert replayed.can_undo
    replayed.add_object()
    replayed.save(path.with_name("other.sam2"))
    replayed.close()
    assert path.read_bytes() == content
    again = opened(path.with_name("other.sam2"))
    again.undo()
    assert known(again) == known(session)
    again.close()


def test_step_by_step(path: Path) -> None:
    session, steps = replay_steps(logged(path), MOVIE, tiny_model())
    assert not session.objects
    assert [(index, result.frame) for index, result in steps] == [(2, frame) for frame in range(1, T)]
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))


def test_another_model_for_everything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of the model are left out then; else they are done."""
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    other = tiny_predictor(seed=1)
    session.use_model(other)
    session.close()
    replayed = replay(path, MOVIE, tiny_model())
    assert [method for method, _ in calls(replayed)] == ["add_object", "add_points"]
    assert replayed.model is tiny_model()
    loaded: list[str] = []

    def load(name: str, device: str | None) -> Any:
        loaded.append(name)
        return other if loaded[1:] else tiny_model()

    monkeypatch.setattr("napari_sam2.predictors.build.load_model", load)
    replayed = replay(path, MOVIE)
    assert (loaded, replayed.model) == (["tiny", "tiny"], other)
    assert known(replayed) == known(session)


def test_the_labels_go_where_they_are_wanted(path: Path) -> None:
    labels = np.zeros((T, *SHAPE), np.uint16)
    session = replay(logged(path), MOVIE, tiny_model(), labels=labels)
    assert session.labels is labels
    np.testing.assert_array_equal(labels, np.where(TRUTH == 1, 1, 0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"method": "save", "arguments": {"path": "x"}}, r"^a session has no action 'save'$"),
        ({"method": "__init__", "arguments": {}}, r"^a session has no action '__init__'$"),
        (
            {"method": "add_object", "arguments": {"nme": "x"}},
            r"^add_object cannot be called with nme: it takes name, object_id, colour$",
        ),
        ({"method": "add_object", "arguments": {"object_id": 1}}, r"1"),
        (
            {"method": "add_mask", "arguments": {"object_id": 1, "frame": 0, "mask": {"mask": {"shape": [1]}}}},
            r"^a mask is damaged: it is a shape, a box and bits, see docs/session\.md$",
        ),
        ({"method": "add_points", "arguments": {"object_id": 1, "frame": 99, "points": [[0, 0]]}}, r"99"),
        ({"method": "use_model", "arguments": {"model": "no such model"}}, r"no such model"),
    ],
)
def test_an_action_that_cannot_be_done(path: Path, call: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = build.load_model
    monkeypatch.setattr(build, "load_model", lambda name, device: tiny_model() if name == "tiny" else own(name, device))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        replay(logged(path, call), MOVIE)


def test_a_frame_that_cannot_be_read_is_named_with_the_action(path: Path) -> None:
    movie = path.with_name("movie.zarr")
    zarr.create_array(movie, data=MOVIE, chunks=(1, *SHAPE))
    session = begun(movie)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    session.add_object()
    session.add_object()
    session.save(path)
    session.close()
    (movie / "c/4/0/0").write_bytes(b"\0")
    replayed, steps = replay_steps(path, movie, tiny_model())
    done = []
    with pytest.raises(
        FrameReadError, match=r"^action 3 of 5, propagate, is not done to its end, and the 2 after it are not done: "
    ):
        done.extend(result.frame for _, result in steps)
    assert done == [1, 2, 3]
    assert sorted(replayed.objects[1].tracked) == [1, 2, 3]


def test_what_is_replayed_is_there() -> None:
    assert all(callable(getattr(Session, name)) for name in REPLAYABLE)
    assert set(VOLUME_FUNCTIONS) == {"fuse_axes", "propagate_each"}


def test_another_image(path: Path) -> None:
    log = logged(path)
    with pytest.raises(
        ValueError, match=r"^this is another image than movie\.json was saved with, the same size with other pixels"
    ):
        replay(log, 255 - MOVIE, tiny_model())
    with pytest.raises(ValueError, match=r"^the image of movie\.json was an array, not a file: give it as image="):
        replay(log, None, tiny_model())


def test_it_computes_as_the_session_did(path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    log = logged(path)
    content = json.loads(log.read_text())
    assert (content["header"]["settings"]["device"], content["header"]["settings"]["max_batch"]) == ("cpu", 16)
    content["header"]["settings"] |= {"max_batch": 3, "precision": "bfloat16"}
    log.write_text(json.dumps(content))
    asked = []
    monkeypatch.setattr("napari_sam2.predictors.build.load_model", lambda _, device: asked.append(device) or tiny_model())
    assert replay(log, MOVIE).document().header.settings == replace(
        begun().document().header.settings, max_batch=3, precision="bfloat16"
    )
    replay(log, MOVIE, device="auto")
    content["header"]["settings"]["device"] = "cuda"
    log.write_text(json.dumps(content))
    monkeypatch.setattr("napari_sam2.session.replay.available_devices", lambda: ("cpu",))
    replay(log, MOVIE)
    assert asked == ["cpu", "auto", None]
    assert caplog.messages == ["the session computed on a device of kind cuda, which is not here: masks may differ a little"]


def test_another_model_computes_as_suits_it(path: Path) -> None:
    log = logged(path)
    content = json.loads(log.read_text())
    content["header"]["settings"] |= {"max_batch": 3, "device": "cuda"}
    content["header"]["model"] |= {"architecture": "another"}
    log.write_text(json.dumps(content))
    assert replay(log, MOVIE, tiny_model()).document().header.settings.max_batch == 16
