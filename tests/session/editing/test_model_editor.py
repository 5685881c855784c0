"""Another model for a session: all that is not a mask stays, and one undo brings back what was there."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, squares
from napari_sam2.predictors import tracker
from napari_sam2.predictors.tracker import Prompt
from napari_sam2.session import session as session_module
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor

T, SHAPE = 8, (32, 32)
TRUTH = squares(T, SHAPE, {1: [(4, 3 + t, 6) for t in range(T)], 2: [(20 - t, 20, 5) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)

first_model = cache(tiny_predictor)


@cache
def second_model() -> Any:
    return tiny_predictor(seed=1)


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


def inside(object_id: int, frame: int) -> list[tuple[int, int]]:
    return [tuple(np.argwhere(TRUTH[frame] == object_id)[0].tolist())]


def prepared() -> Session:
    """Prompts of all kinds, names, colours, a lock, a hidden object, an approval, a division; everything propagated."""
    session = Session(MOVIE, model=first_model())
    session.add_points(session.add_object("cell", colour="#102030"), 0, inside(1, 0))
    session.add_box(session.add_object("other"), 2, (17, 19, 24, 26))
    list(session.propagate())
    session.approve(2, 5)
    session.divide_object(1, 6)
    session.add_points(3, 6, inside(1, 6))
    session.add_mask(4, 7, TRUTH[7] == 2)
    session.hide_object(4)
    list(session.propagate())
    session.lock_object(2)
    return session


def what_stays(session: Session) -> Any:
    return (
        {object_id: item.info for object_id, item in session.objects.items()},
        {object_id: dict(item.prompts) for object_id, item in session.objects.items()},
        session.lineage,
    )


def records(session: Session) -> Any:
    return {
        (object_id, kind, frame): (record.mask_logits.tobytes(), record.object_score, record.memory is None)
        for object_id, item in session.objects.items()
        for kind, mapping in item.records.items()
        for frame, record in mapping.items()
    }


def test_everything_but_masks_stays() -> None:
    session = prepared()
    before, labels, approved = what_stays(session), session.labels.copy(), session.mask(2, 5)
    session.use_model(second_model())
    assert session.model is second_model()
    assert what_stays(session) == before
    np.testing.assert_array_equal(session.mask(2, 5), approved)
    np.testing.assert_array_equal(session.labels, labels)  # what was propagated is shown until it is propagated again
    assert all(not item.tracked for item in session.objects.values())
    assert {step.frame for step in session.plan()} >= {1, 2, 3, 4, 5}
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, labels)


def test_one_undo_brings_back_the_model_and_what_it_had_found() -> None:
    session = prepared()
    before, labels = records(session), session.labels.copy()
    session.use_model(second_model())
    list(session.propagate())
    session.undo()
    session.undo()
    assert session.model is first_model()
    assert records(session) == before
    np.testing.assert_array_equal(session.labels, labels)
    assert session.plan() == []
    session.redo()
    assert session.model is second_model()
    assert not session.objects[1].tracked
    session.undo()
    assert session.model is first_model()


def test_switched_back_by_hand() -> None:
    session = prepared()
    before, labels = what_stays(session), session.labels.copy()
    session.use_model(second_model())
    session.use_model(first_model())
    assert what_stays(session) == before
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, labels)
    assert [call.method for call in session.state.history.calls][-3:] == ["use_model", "use_model", "propagate"]


def test_a_click_outside_alone_on_a_frame_that_was_propagated() -> None:
    session = Session(MOVIE, model=first_model())
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    session.add_points(1, 4, [(0, 0)], [0])
    labels = session.labels.copy()
    session.use_model(second_model())
    assert session.objects[1].prompts[4].labels == (0,)
    np.testing.assert_array_equal(session.labels, labels)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, labels)


def test_in_the_middle_of_a_propagation() -> None:
    session = Session(MOVIE, model=first_model())
    session.add_points(session.add_object(), 0, inside(1, 0))
    running = session.propagate()
    assert [next(running).frame for _ in range(3)] == [1, 2, 3]
    session.use_model(second_model())
    assert [result.frame for result in running] == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    for _ in range(3):
        session.undo()
    assert session.model is first_model()
    assert session.objects[1].anchors == [0]
    assert not session.objects[1].tracked


def test_a_model_that_refuses_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prepared()
    before, labels, calls = records(session), session.labels.copy(), session.state.history.calls
    changes: list[Any] = []
    session.state.changed.connect(changes.append)

    class Refusing(BlobTracker):
        def _segment(self, frame: int, prompt: Prompt) -> Any:
            if frame == 6:
                raise ValueError("it refuses")
            return super()._segment(frame, prompt)

    monkeypatch.setattr(tracker, "Tracker", Refusing)
    with pytest.raises(ValueError, match="it refuses"):
        session.use_model(second_model())
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    assert session.model is first_model()
    assert (records(session), session.state.history.calls, changes) == (before, calls, [])
    np.testing.assert_array_equal(session.labels, labels)
    session.add_points(1, 2, inside(1, 2))
    assert session.objects[1].anchors == [0, 2]


def test_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prepared()
    before = records(session)
    with pytest.raises((ValueError, FileNotFoundError)):
        session.use_model("no such model")
    assert (session.model, records(session)) == (first_model(), before)


def test_a_model_that_cannot_be_loaded_again_is_not_undone_to(monkeypatch: pytest.MonkeyPatch) -> None:
    session = prepared()
    session.use_model(second_model())
    labels = session.labels.copy()
    session._model_editor._known.clear()

    def missing(*_: Any) -> Any:
        raise FileNotFoundError("the weights are gone")

    monkeypatch.setattr(session_module, "find_model", missing)
    with pytest.raises(FileNotFoundError, match="the weights are gone"):
        session.undo()
    assert session.model is second_model()
    assert session.state.history.calls[-1].method == "use_model"
    np.testing.assert_array_equal(session.labels, labels)


def test_models_of_another_input_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """With networks: what one model tracked is shown at the size of the other's masks, merged and corrected as its own."""
    monkeypatch.undo()
    movie = np.random.default_rng(0).integers(0, 255, (5, 64, 64), np.uint8)
    small, large = tiny_predictor(), tiny_predictor(image_size=128)
    session = Session(movie, model=small)
    for row in (20, 40):
        session.add_points(session.add_object(), 0, [(row, 30)])
    list(session.propagate())
    session.add_points(1, 3, [(2, 2)], [0])
    before = records(session)
    session.use_model(large)
    for item in session.objects.values():
        shapes = {tuple(record.mask_logits.shape) for mapping in item.records.values() for record in mapping.values()}
        assert shapes == {(32, 32)}
    session.add_points(2, 2, [(40, 31)], [1])
    session.merge_objects(1, 2)
    list(session.propagate())
    for _ in range(4):
        session.undo()
    assert records(session) == before
    list(session.propagate())


def test_the_size_of_the_input_is_chosen_saved_and_written_into_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    movie = MOVIE[:3]
    session = Session(movie, image_size=192, device="cpu")
    assert session.model.image_size == 192
    session.add_points(session.add_object(), 0, [tuple(np.argwhere(TRUTH[0] == 1).mean(0))])
    session.propagate_all()
    assert "image_size=192" in session.to_script()
    labels = session.labels.copy()
    session.save(tmp_path / "movie.sam2")
    session.close()
    with Session.open(tmp_path / "movie.sam2", movie) as again:
        assert again.model.image_size == 192
        np.testing.assert_array_equal(again.labels, labels)
        names: dict[str, Any] = {"__name__": "script"}
        exec(compile(again.to_script(), "script", "exec"), names)
    np.testing.assert_array_equal(names["run"](movie).labels, labels)
    np.testing.assert_array_equal(replay(tmp_path / "movie.sam2", movie).labels, labels)


def test_a_change_of_the_size_of_the_input_is_undone_and_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    session = Session(MOVIE[:2], image_size=192, device="cpu")
    session.add_points(session.add_object(), 0, [tuple(np.argwhere(TRUTH[0] == 1).mean(0))])
    session.use_model("micro", image_size=256)
    assert session.model.image_size == 256
    assert "session.use_model(model='micro', image_size=256)" in session.to_script()
    session.use_model("micro")
    assert (session.model.image_size, session.document().calls[-1].arguments) == (320, {"model": "micro"})
    session.undo()
    assert session.model.image_size == 256
    (tmp_path / "log.json").write_text(session.to_json())
    again = replay(tmp_path / "log.json", MOVIE[:2])
    assert again.model.image_size == 256
    np.testing.assert_array_equal(again.labels, session.labels)


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("micro", 100, "image_size must be a positive multiple of 32, got 100"),
        ("micro", 0, "image_size must be a positive multiple of 32, got 0"),
        ("micro", 64.5, "image_size is a whole number, got 64.5"),
        (None, 64, None),
        (None, 128, "keeps its size: 64 pixels, not 128"),
    ],
)
def test_sizes_of_the_input(model: str | None, size: Any, message: str | None) -> None:
    given = tiny_predictor() if model is None else model
    if message is None:
        assert Session(MOVIE, model=given, image_size=size).model is given
        return
    with pytest.raises(ValueError, match=message):
        Session(MOVIE, model=given, image_size=size)
