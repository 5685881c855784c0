import logging

import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.reports.reports import SessionKept, SessionNotKept
from napari_sam2.plugin.sessions.autosave import ImageFingerprint
from napari_sam2.plugin.worker import session_saving
from napari_sam2.plugin.worker.session_saving import SessionSaving
from napari_sam2.session.store.database import Database


@pytest.fixture
def told():
    return []


@pytest.fixture
def saving(keeping, told, blobs):
    saving = SessionSaving(keeping, told.append)
    saving.begin(ImageFingerprint.of(blobs, "TYX", "movie", None))
    return saving


@pytest.fixture
def session(blobs):
    return blob_session(blobs, "TYX")


def click(session, frame=0):
    object_id = next(iter(session.objects), None) or session.add_object()
    session.add_points(object_id, frame, [(10, 10)])


def test_a_session_is_saved_from_its_first_change_on(saving, session, told, kept):
    saving.save(session)
    assert (session.saved_to, told) == (None, [])
    with saving.after(session):
        click(session)
    assert told == [SessionKept(session.saved_to)]
    assert [one.path for one in kept.sessions()] == [session.saved_to]
    with saving.after(session):
        click(session, 1)
    assert len(told) == 1, "it is told once"


def test_one_that_is_not_to_be_kept_is_not(saving, session, told):
    saving.begin(None)
    with saving.after(session):
        click(session)
    assert (session.saved_to, told) == (None, [])


def test_what_cannot_be_saved_is_told_and_tried_again_later_and_at_the_end(saving, session, told, monkeypatch, caplog):
    def fail(*_arguments, **_options):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL):
        patch.setattr(session, "save", fail)
        with saving.after(session):
            click(session)
    assert told == [SessionNotKept("the disk is full")]
    with saving.after(session):
        click(session, 1)
    assert session.saved_to is None, "not with each click"
    monkeypatch.setattr(session_saving, "RETRY_S", 0.0)
    saving.end(session)
    assert told[1:] == [SessionKept(session.saved_to)]


def test_what_was_done_but_not_written_counts_as_done(saving, session, told, monkeypatch, caplog):
    with saving.after(session):
        click(session)

    def fail(*_arguments, **_options):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL):
        patch.setattr(Database, "transaction", fail)
        with saving.after(session):
            click(session, 1)
    assert 1 in session.objects[1].prompts
    assert [type(one) for one in told[1:]] == [SessionNotKept]
    with saving.after(session):
        click(session, 2)
    assert told[-1] == SessionKept(session.saved_to)


def test_an_error_before_anything_is_done_is_raised(saving, session, told):
    with pytest.raises(ValueError, match="there is no object 9"), saving.after(session):
        session.add_points(9, 0, [(10, 10)])
    assert told == []
