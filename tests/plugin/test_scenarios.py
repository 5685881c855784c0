"""What people do in a row, with the real session: after each step the layers show what it holds."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from blob_tracker import BlobTracker
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.settings.models import MODEL_NAMES
from napari_sam2.predictors import tracker
from thoroughness import examples
from widget_driving import LateRunner, check_agreement, click, expected, in_layer, in_session, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)
OTHER = MODEL_NAMES[1]

pytestmark = pytest.mark.usefixtures("all_models_here")


def facts(session):
    """Return everything of a session that is not a mask."""
    return {object_id: (item.info, dict(sorted(item.prompts.items()))) for object_id, item in session.objects.items()}


# --- models --------------------------------------------------------------------------------------------------------


def test_a_model_change_with_a_correction_by_clicks_outside_alone(controller, blobs, notices):
    click(controller, SQUARE)
    click(controller, MOVING)
    controller.propagate()
    click(controller, (2, 28, 35), is_inside=False)
    found = labels(controller).copy()
    np.testing.assert_array_equal(found[2], expected(blobs, object_1=[2])[2])
    controller.choose_model(OTHER)
    assert notices() == []
    assert controller.session.state.model.name == OTHER
    np.testing.assert_array_equal(labels(controller), found)
    click(controller, (1, 26, 35), is_inside=False)
    np.testing.assert_array_equal(labels(controller)[1:], expected(blobs, object_1=[1, 2])[1:])
    check_agreement(controller)


@pytest.fixture
def much_done(controller):
    """Objects with names, colours, locks, hides, approvals, divisions, a box, a mask, corrections."""
    click(controller, SQUARE)
    controller.next_object()
    click(controller, MOVING)
    controller.propagate()
    session = controller.session
    session.rename_object(1, "nucleus")
    session.set_colour(2, "#ff8000")
    session.approve(1, 1)
    session.add_box(2, 1, (22, 30, 30, 42))
    first, _ = session.divide_object(2, 2)
    session.add_points(first, 2, [(28, 35)])
    session.add_object("by the console", 9)
    session.add_mask(9, 0, session.mask(1, 0))
    session.hide_object(9)
    session.lock_object(1)
    controller.propagate()
    check_agreement(controller)
    return controller


def test_a_model_change_and_back_keeps_everything(much_done):
    controller = much_done
    session, found = controller.session, labels(controller).copy()
    before = facts(session)
    assert {info.parent for info, _ in before.values()} == {None, 2}
    assert any(prompts.is_approved for _, by_frame in before.values() for prompts in by_frame.values())
    controller.choose_model(OTHER)
    assert facts(session) == before
    check_agreement(controller)
    controller.choose_model("micro")
    assert controller.session is session
    assert facts(session) == before
    check_agreement(controller)
    controller.undo()
    assert (session.state.model.name, controller.model) == (OTHER, OTHER)
    controller.undo()
    assert (session.state.model.name, controller.model) == ("micro", "micro")
    np.testing.assert_array_equal(labels(controller), found)
    assert facts(session) == before
    check_agreement(controller)


def test_a_model_change_during_a_propagation(controller, blobs, texts):
    click(controller, SQUARE)

    def choose(done, total):
        controller.choose_model(OTHER)

    controller.progressed.connect(choose)
    controller.propagate()
    controller.progressed.disconnect(choose)
    assert controller.is_idle
    assert "Stopped: 1 frame done and kept, 1 left." in texts
    assert controller.session.state.model.name == controller.model == OTHER
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))
    controller.undo()
    controller.undo()
    assert controller.model == "micro"
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    check_agreement(controller)


class RefusingTracker(BlobTracker):
    """Of the model that can do nothing."""

    def __init__(self, model, *arguments, **keywords):
        super().__init__(model, *arguments, **keywords)
        self.is_refusing = model.source == OTHER

    def segment(self, *arguments, **keywords):
        if self.is_refusing:
            raise ValueError("this model segments nothing")
        return super().segment(*arguments, **keywords)


def _refuse_to_load(opener, monkeypatch):
    load = opener._load

    def load_or_refuse(name, image_size):
        if name == OTHER:
            raise FileNotFoundError("the weights are gone")
        return load(name, image_size)

    monkeypatch.setattr(opener, "_load", load_or_refuse)


@pytest.mark.parametrize("refused_by", ["its weights", "the session"])
def test_a_model_that_refuses(viewer, opener, monkeypatch, notices, blobs, refused_by):
    if refused_by == "its weights":
        _refuse_to_load(opener, monkeypatch)
    else:
        monkeypatch.setattr(tracker, "Tracker", RefusingTracker)
    controller = Controller(viewer, opener=opener)
    click(controller, SQUARE)
    session, before = controller.session, facts(controller.session)
    controller.choose_model(OTHER)
    ((severity, message),) = notices()
    assert severity == "warning"
    assert message == ("The weights are gone." if refused_by == "its weights" else "This model segments nothing.")
    assert (controller.model, session.state.model.name) == ("micro", "micro")
    assert controller.session is session
    assert facts(session) == before
    controller.next_object()
    click(controller, MOVING)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0], object_2=[0]))
    check_agreement(controller)
    controller.undo()
    controller.undo()
    assert not controller.session.objects


def test_a_model_that_refuses_before_the_first_click(viewer, opener, monkeypatch, notices, blobs):
    _refuse_to_load(opener, monkeypatch)
    controller = Controller(viewer, opener=opener)
    controller.choose_model(OTHER)
    assert [message for _, message in notices()] == ["The weights are gone."]
    assert controller.model == "micro"
    click(controller, SQUARE)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    controller.choose_image(viewer.add_image(blobs, name="other"))
    assert controller.model == "micro"


# --- the console ---------------------------------------------------------------------------------------------------


def test_console_then_clicks_then_undo_until_nothing_is_left(controller, blobs):
    click(controller, SQUARE)
    session = controller.session
    session.add_points(1, 1, [(10, 10), (20, 5)], [1, 0])
    session.add_object("by the console", 4)
    session.add_points(4, 0, [(24, 35)])
    session.add_box(4, 1, (22, 30, 30, 42))
    session.change_point(1, 1, 0, (6, 6))
    check_agreement(controller)
    controller.choose_object(4)
    click(controller, (1, 26, 35))
    click(controller, (2, 28, 35))
    controller.propagate()
    check_agreement(controller)
    states = []
    while session.can_undo:
        states.append((facts(session), labels(controller).copy()))
        controller.undo()
        check_agreement(controller)
        shown = {int(value) for value in np.unique(labels(controller))} - {0}
        assert shown <= set(session.objects)
    assert not session.objects
    assert not labels(controller).any()
    assert len(controller.workspace.points.layer.data) == 0
    for state, found in reversed(states):
        controller.redo()
        check_agreement(controller)
        assert facts(session) == state
        np.testing.assert_array_equal(labels(controller), found)


# --- napari's own tools --------------------------------------------------------------------------------------------


def drag(layer, index, to):
    """Move a point as napari's tool does."""
    layer.mode = "select"
    layer.selected_data = {index}
    layer._set_drag_start({index}, layer.data[index])
    layer._move({index}, to)
    layer._drag_start = None


def test_a_point_that_is_dragged_and_undo(controller, blobs):
    click(controller, SQUARE)
    layer, found = controller.workspace.points.layer, labels(controller).copy()
    drag(layer, 0, MOVING)
    assert in_session(controller.session) == {(1, 0): (Click(24, 35, True),)}
    assert layer.selected_data == {0}
    np.testing.assert_array_equal(labels(controller) > 0, expected(blobs, object_2=[0]) > 0)
    check_agreement(controller)
    controller.undo()
    np.testing.assert_allclose(layer.data, [SQUARE])
    np.testing.assert_array_equal(labels(controller), found)
    check_agreement(controller)


def test_points_that_are_deleted_and_undo(controller, blobs):
    click(controller, SQUARE)
    click(controller, (0, 20, 5), is_inside=False)
    click(controller, MOVING)
    click(controller, (2, 10, 10))
    layer, before, found = controller.workspace.points.layer, in_session(controller.session), labels(controller).copy()
    layer.selected_data = {1, 2, 3}
    layer.remove_selected()
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}
    # a frame without prompts is shown as it was until it is propagated to
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 2]))
    check_agreement(controller)
    controller.undo()  # at one stroke, as they were deleted
    assert in_session(controller.session) == before
    np.testing.assert_array_equal(labels(controller), found)
    check_agreement(controller)
    controller.redo()
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}


def test_all_points_of_a_frame_are_deleted(controller):
    click(controller, SQUARE)
    click(controller, (0, 20, 5), is_inside=False)
    layer = controller.workspace.points.layer
    layer.selected_data = {0, 1}
    layer.remove_selected()
    assert in_session(controller.session) == {}
    assert not labels(controller).any()
    check_agreement(controller)


def test_a_box_stays_when_all_points_are_deleted(controller):
    click(controller, SQUARE)
    click(controller, (0, 20, 5), is_inside=False)
    controller.session.add_box(1, 0, (5, 5, 15, 15))
    controller.workspace.points.layer.data = np.empty((0, 3))
    assert controller.session.objects[1].prompts[0].box_rc == (5, 5, 15, 15)
    assert in_session(controller.session) == {}
    check_agreement(controller)
    controller.undo()
    assert len(in_session(controller.session)[1, 0]) == 2
    check_agreement(controller)


def test_a_deletion_that_is_refused_is_shown_again(controller, notices):
    click(controller, SQUARE)
    click(controller, (0, 20, 5), is_inside=False)
    controller.workspace.points.layer.remove([0])
    ((severity, message),) = notices()
    assert severity == "warning"
    assert "only points outside object 1" in message
    assert len(in_layer(controller)[1, 0]) == 2
    check_agreement(controller)


def test_points_of_locked_objects_stay(controller, notices):
    click(controller, SQUARE)
    controller.session.lock_object(1)
    layer = controller.workspace.points.layer
    drag(layer, 0, (0, 7, 7))
    np.testing.assert_allclose(layer.data, [SQUARE])
    layer.remove([0])
    layer.features = {"object": [2], "side": ["inside"]}
    check_agreement(controller)
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}
    assert {message for _, message in notices()} == {"Object 1 is locked: unlock it first."}
    assert len(notices()) == 3


def test_another_object_and_side_in_the_table_of_features(controller, blobs):
    click(controller, SQUARE)
    click(controller, MOVING)
    layer = controller.workspace.points.layer
    layer.features = {"object": [1, 2], "side": ["inside", "inside"]}
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0], object_2=[0]))
    check_agreement(controller)
    controller.undo()
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True), Click(24, 35, True))}
    check_agreement(controller)
    layer.features = {"object": [1, 1], "side": ["inside", "outside"]}
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    check_agreement(controller)


def test_all_points_moved_at_once_also_to_other_frames(controller, blobs):
    click(controller, SQUARE)
    click(controller, (1, 10, 10))
    click(controller, (1, 20, 5), is_inside=False)
    controller.workspace.points.layer.data = np.array([(2, 10, 10), (1, 8, 8), (1, 20, 6)])
    assert in_session(controller.session) == {
        (1, 2): (Click(10, 10, True),),
        (1, 1): (Click(8, 8, True), Click(20, 6, False)),
    }
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1, 2]))
    check_agreement(controller)
    controller.undo()
    assert in_session(controller.session).keys() == {(1, 0), (1, 1)}
    check_agreement(controller)


def test_pending_clicks_are_edited_too(controller, blobs):
    controller.choose_object(1)
    click(controller, (0, 20, 5), is_inside=False)
    layer = controller.workspace.points.layer
    drag(layer, 0, (0, 22, 5))
    check_agreement(controller)
    layer.features = {"object": [1], "side": ["inside"]}
    assert in_session(controller.session) == {(1, 0): (Click(22, 5, True),)}
    layer.remove([0])
    assert in_session(controller.session) == {}
    click(controller, (0, 20, 5), is_inside=False)
    layer.remove([0])
    click(controller, SQUARE)
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}
    check_agreement(controller)


def test_points_that_are_pasted_count_with_the_next_click(opener, blobs):
    viewer = ViewerModel()
    viewer.add_image(blobs[0])
    controller = Controller(viewer, opener=opener)
    click(controller, SQUARE[1:])
    layer = controller.workspace.points.layer
    layer.selected_data = {0}
    layer._copy_data()
    layer._paste_data()  # without an event
    click(controller, MOVING[1:])
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True), Click(10, 10, True), Click(24, 35, True))}
    check_agreement(controller)


# --- anything ------------------------------------------------------------------------------------------------------

POSITIONS = ((10, 10), (6, 6), (26, 35), (35, 5))
places = st.tuples(st.integers(0, 2), st.sampled_from(POSITIONS))
one_step = st.one_of(
    st.tuples(st.just("click"), st.integers(1, 2), places, st.booleans()),
    st.tuples(st.just("console"), st.integers(1, 2), places, st.booleans()),
    st.tuples(st.just("move"), st.integers(0, 5), places),
    st.tuples(st.just("delete"), st.integers(0, 5)),
    st.tuples(st.just("features"), st.integers(0, 5), st.integers(1, 2), st.booleans()),
    st.sampled_from([("undo",), ("redo",), ("console undo",), ("propagate",), ("trash",), ("lock",)]),
)


class Steps:
    """Does any step, whether or not the session takes it."""

    def __init__(self, controller):
        self.controller = controller

    @property
    def session(self):
        return self.controller.session

    @property
    def layer(self):
        return self.controller.workspace.points.layer

    def click(self, object_id, place, is_inside):
        self.controller.choose_object(object_id)
        click(self.controller, (place[0], *place[1]), is_inside)

    def console(self, object_id, place, is_inside):
        session = self.session
        if object_id not in session.objects:
            session.add_object(object_id=object_id)
        session.add_points(object_id, place[0], [place[1]], [int(is_inside)])

    def has(self, index):
        return self.layer is not None and index < len(self.layer.data)

    def move(self, index, place):
        if self.has(index):
            data = self.layer.data.copy()
            data[index] = (place[0], *place[1])
            self.layer.data = data

    def delete(self, index):
        if self.has(index):
            self.layer.remove([index])

    def features(self, index, object_id, is_inside):
        if self.has(index):
            features = self.layer.features.copy()
            features.loc[index, ["object", "side"]] = object_id, "inside" if is_inside else "outside"
            self.layer.features = features

    def undo(self):
        self.controller.undo()

    def redo(self):
        self.controller.redo()

    def console_undo(self):
        self.session.undo()

    def propagate(self):
        self.controller.propagate()

    def trash(self):
        if self.layer is not None:
            self.controller._viewer.layers.remove(self.layer)
            self.controller.redo()

    def lock(self):
        info = self.session.objects[1].info
        self.session.lock_object(1, not info.is_locked)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(one_step, max_size=12))
def test_the_layer_shows_the_prompts_whatever_is_done(opener, blobs, steps):
    viewer = ViewerModel()
    viewer.add_image(blobs, name="movie")
    controller = Controller(viewer, opener=opener)
    doing = Steps(controller)
    for name, *arguments in steps:
        with contextlib.suppress(ValueError, RuntimeError, KeyError):  # of the console: refused, no session yet, no object to lock
            getattr(doing, name.replace(" ", "_"))(*arguments)
        check_agreement(controller)
    controller.close()
    opener.opened.clear()


class LateSteps(Steps):
    """Does any step, also while others are on their way; the console holds the session meanwhile."""

    def __init__(self, controller, runner):
        super().__init__(controller)
        self.runner = runner

    @property
    def session(self):
        return self.controller.workspace.worker.session

    def work(self):
        self.runner.work()

    def deliver(self, count):
        self.runner.deliver(count)


late_step = st.one_of(one_step, st.just(("work",)), st.tuples(st.just("deliver"), st.integers(1, 3)))


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(late_step, max_size=16))
def test_the_layer_shows_the_prompts_when_everything_has_come(opener, blobs, steps):
    viewer, runner = ViewerModel(), LateRunner()
    viewer.add_image(blobs, name="movie")
    controller = Controller(viewer, runner, opener)
    doing = LateSteps(controller, runner)
    for name, *arguments in steps:
        with contextlib.suppress(ValueError, RuntimeError, KeyError, AttributeError):
            getattr(doing, name.replace(" ", "_"))(*arguments)
    runner.finish()
    check_agreement(controller)
    controller.close()
    opener.opened.clear()
