import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.reports.reports import FrameDrawn, FramesMeasured
from napari_sam2.plugin.worker import session_drawing
from napari_sam2.plugin.worker.session_drawing import SessionDrawing
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor


@pytest.fixture
def told():
    return []


@pytest.fixture
def opened(opener, tmp_path, blobs):
    """A session of which nothing is drawn yet, with an object on three frames."""
    session = blob_session(blobs, "TYX")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.propagate_all()
    session.save(tmp_path / "movie.sam2")
    session.close()
    with Session.open(tmp_path / "movie.sam2", blobs, tiny_predictor(), draw_later=True) as session:
        yield session


def measured(told):
    return [set(zip(item.object_ids.tolist(), item.frames.tolist(), strict=True)) for item in told if type(item) is FramesMeasured]


def test_the_shown_frame_comes_first(opened, told):
    drawing = SessionDrawing(opened, told.append)
    assert (drawing.frames_left, drawing.is_done) == ({0, 1, 2}, False)
    assert [drawing.draw_next(shown) for shown in (2, 2, None)] == [2, 0, 1]
    assert drawing.is_done
    assert opened.labels_drawn.any((1, 2)).all()
    drawing.send()
    assert measured(told) == [{(1, 0), (1, 1), (1, 2)}]


def test_a_short_session_is_drawn_at_once(opened, told):
    SessionDrawing(opened, told.append).draw_at_once(1)
    assert [item.frame for item in told if type(item) is FrameDrawn] == [1, 0, 2]


def test_of_a_long_one_it_is_sent_where_objects_are(opened, told, monkeypatch):
    monkeypatch.setattr(session_drawing, "AT_ONCE_S", -1)
    drawing = SessionDrawing(opened, told.append)
    drawing.draw_at_once(1)
    assert measured(told) == [{(1, 0), (1, 1), (1, 2)}]
    assert not np.asarray(opened.labels_drawn).any()


def test_what_is_measured_is_sent_now_and_then(opened, told, monkeypatch):
    drawing = SessionDrawing(opened, told.append)
    monkeypatch.setattr(session_drawing, "SENT_EACH_S", 1e9)
    drawing.begin_job()
    drawing.measure([(1, 0)])
    drawing.send_if_due()
    assert told == []
    monkeypatch.setattr(session_drawing, "SENT_EACH_S", 0)
    drawing.send_if_due()
    assert [(1, 0) in keys for keys in measured(told)] == [True]
    drawing.send()
    assert len(told) == 1, "there is nothing new"
