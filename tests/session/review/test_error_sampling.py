"""The rate of wrong masks in a session: drawn, judged, undone, saved, and in the methods paragraph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blob_tracker import BlobTracker, blob_session, tiny_model
from napari_sam2.predictors import tracker
from napari_sam2.session.log.reading import read_document
from napari_sam2.session.methods import methods_paragraph
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from square_movies import FIRST, MOVIE, T, click, followed


@pytest.fixture
def session() -> Session:
    """Objects 1 and 2 on all 8 frames, 3 from frame 3 on; each prompted where it is first."""
    return followed(blob_session(MOVIE))


FOUND = {(object_id, frame) for object_id, first in FIRST.items() for frame in range(first + 1, T)}


def test_tracked_masks_that_are_shown_are_drawn(session: Session) -> None:
    assert session.error_sample is None
    sample = session.draw_error_sample(1000)
    assert (set(sample.masks), len(sample.masks), sample.num_masks, sample.seed) == (FOUND, 18, 18, 0)
    session.approve(1, 2)
    session.hide_object(3)
    assert set(session.draw_error_sample(1000, seed=5).masks) == {mask for mask in FOUND if mask[0] != 3} - {(1, 2)}
    few = session.draw_error_sample(6)
    assert few == session.draw_error_sample(6), "the same seed"
    assert len({object_id for object_id, _ in few.masks}) == 2
    assert session.error_sample == few
    assert few.masks != session.draw_error_sample(6, seed=1).masks


def test_judgements_are_undone_one_by_one(session: Session) -> None:
    session.draw_error_sample(3)
    assert session.error_sample is not None
    one, two, _ = session.error_sample.masks
    session.judge_mask(*one, True)
    session.judge_mask(*two, False)
    assert session.error_sample.is_wrong == (True, False, None)
    session.judge_mask(*one, None)
    assert session.error_sample.num_wrong == 0
    session.undo()
    session.undo()
    assert session.error_sample.is_wrong == (True, None, None)
    session.redo()
    assert session.error_sample.is_wrong == (True, False, None)
    for _ in range(3):
        session.undo()
    assert session.error_sample is None


def test_views_are_told(session: Session) -> None:
    told = []
    session.state.changed.connect(lambda change: told.append(change.error_samples))
    sample = session.draw_error_sample(2)
    judged = session.judge_mask(*sample.masks[0], True)
    session.undo()
    session.undo()
    session.rename_object(1, "cell")
    assert told == [{0: sample}, {0: judged}, {0: sample}, {0: None}, {}]


def test_a_sample_is_saved_with_its_history(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    path = tmp_path / "movie.sam2"
    session.save(path)
    sample = session.draw_error_sample(4, seed=2)
    judged = session.judge_mask(*sample.masks[1], True)
    session.close()
    again = Session.open(path, MOVIE, tiny_model())
    assert again.error_sample == judged
    again.undo()
    assert again.error_sample == sample
    again.redo()
    again.close()
    assert read_document(path).error_sample == judged
    json_path = tmp_path / "log.json"
    json_path.write_text(session.to_json())
    assert read_document(json_path).error_sample == judged
    content = json.loads(json_path.read_text())
    del content["error_sample"]
    json_path.write_text(json.dumps(content))
    assert read_document(json_path).error_sample is None
    replayed = replay(path, MOVIE, tiny_model())
    assert replayed.error_sample is None, "what is said of masks is not done again: others may be found"


def sentence(session: Session) -> str:
    text = methods_paragraph(session.document())
    return text[text.index("Of 18") : text.index(" Where objects")] if "Of 18" in text else ""


def test_in_the_methods_paragraph(session: Session) -> None:
    sample = session.draw_error_sample(10, seed=4)
    assert sentence(session) == "", "nothing was judged yet"
    session.judge_mask(*sample.masks[0], True)
    assert sentence(session) == (
        "Of 18 masks on frames without prompts, 1 chosen at random (seed 4) was judged by eye: 1 was wrong "
        "(100 %, 95 % interval 20.7 to 100 %, Wilson)."
    )
    for mask in sample.masks[1:]:
        session.judge_mask(*mask, False)
    expected = (
        "Of 18 masks on frames without prompts, 10 chosen at random (seed 4) were judged by eye{}: 1 was wrong "
        "(10 %, 95 % interval 1.79 to 40.4 %, Wilson)."
    )
    assert sentence(session) == expected.format("")
    session.rename_object(1, "cell")
    assert sentence(session) == expected.format("")
    click(session, 1, 5)
    assert sentence(session) == expected.format(", before the last changes")


def test_what_cannot_be_sampled_or_judged(session: Session) -> None:
    for arguments, message in (
        ((0,), "a sample has one mask or more, got size 0"),
        ((5, -1), "a seed is 0 or more, got -1"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            session.draw_error_sample(*arguments)
    with pytest.raises(ValueError, match=r"^there is no sample of masks to judge: draw one first$"):
        session.judge_mask(1, 1, True)
    session.draw_error_sample(5)
    with pytest.raises(ValueError, match=r"^object 1 on frame 0 is not in the sample$"):
        session.judge_mask(1, 0, True)
    fresh = blob_session(MOVIE)
    click(fresh, 1, 0)
    with pytest.raises(
        ValueError, match=r"^there are no masks to judge but those that were prompted or approved: propagate first$"
    ):
        fresh.draw_error_sample()
    assert fresh.error_sample is None
