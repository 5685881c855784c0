import numpy as np

from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.reports.reports import ModelLoaded, SessionOpened, StateChanged
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange
from widget_driving import session_opened


def test_a_session_is_shown_in_all_views(viewer, open_one):
    workspace = open_one()
    info = ObjectInfo("nucleus", "#ff8000")
    state = {"infos": {3: info}, "prompts": {(3, 1): FramePrompts(((10.0, 10.0),), (1,))}}
    workspace.apply(session_opened(workspace, **state))
    assert workspace.objects.infos == {3: info}
    assert workspace.objects.ids == {3}
    np.testing.assert_array_equal(workspace.points.layer.data, [(1, 10, 10)])
    workspace.apply(StateChanged(StateChange({3: None}, {(3, 1): None})))
    assert workspace.objects.infos == {}
    assert len(workspace.points.layer.data) == 0


def test_clicks_that_another_session_refuses_stay_pending(open_one):
    workspace = open_one()
    key, click = ObjectFrame(1, 2), Click(20, 5, False)
    workspace.apply(SessionOpened("micro", np.zeros((3, 40, 50), np.uint16), StateChange(), {key: (click,)}))
    (pending,) = workspace.points.pending.by_id.values()
    assert (pending.key, pending.click, pending.is_refused) == (key, click, True)
    assert len(workspace.points.layer.data) == 1


def model_of(name):
    return StateChanged(StateChange(model=ModelIdentity(name, "tiny", 64)))


def test_the_chosen_model_follows_the_session(open_one):
    workspace = open_one()
    workspace.apply(session_opened(workspace))
    workspace.apply(model_of("other"))
    assert workspace.model == "other"
    workspace.model = workspace.requested_model = "third"
    workspace.apply(model_of("micro"))
    assert workspace.model == "third", "it is chosen, and will be tried"
    workspace.model_changed("another one", is_refused=True)
    assert workspace.model == "third"
    workspace.model_changed("third", is_refused=True)
    assert (workspace.model, workspace.requested_model) == ("micro", None)


def test_without_a_session_the_model_that_was_loaded_counts(open_one):
    workspace = open_one()
    workspace.apply(ModelLoaded("other"))
    workspace.model = workspace.requested_model = "third"
    workspace.model_changed("third", is_refused=True)
    assert workspace.model == "other"
