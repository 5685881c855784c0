import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.clicks import Click, ObjectFrame
from napari_sam2.plugin.image_stack import Pixel
from napari_sam2.plugin.image_workspace import ImageWorkspace, WorkspaceCalls
from napari_sam2.plugin.reports import ModelLoaded, SessionOpened, StateChanged
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange


class Calls(list):
    """What the workspace called."""

    def as_calls(self):
        names = ("clicks_added", "edited", "announced", "outgrown", "undo", "redo", "cancel", "warn")
        return WorkspaceCalls(*(self._noting(name) for name in names))

    def _noting(self, name):
        return lambda *arguments: self.append((name, *arguments))


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def open_one(viewer, opener, calls):
    def open_one(image=None, model="micro"):
        return ImageWorkspace(viewer, viewer.layers[0] if image is None else image, opener, model, calls.as_calls())

    return open_one


def opened(workspace, model="micro", **state):
    return SessionOpened(model, np.zeros(workspace.stack.shape, np.uint16), StateChange(**state), {})


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_layers_come_in_their_order(viewer, open_one, calls):
    workspace = open_one()
    workspace.show_layers()
    assert names(viewer) == ["movie"], "not before the first click"
    workspace.click(Pixel(0, 10, 10), True)
    assert names(viewer) == ["movie", "movie – clicks"]
    assert calls == [("clicks_added", workspace)]
    assert workspace.object_ids == {1}
    workspace.apply(opened(workspace))
    assert names(viewer) == ["movie", "movie – objects", "movie – clicks"]
    assert viewer.layers.selection.active == viewer.layers["movie"]
    for name in ("movie – objects", "movie – clicks"):
        removed = viewer.layers[name]
        viewer.layers.remove(removed)
        workspace.layer_removed(removed)
        assert not removed.keymap
    assert workspace.points.layer is workspace.result.layer is None
    workspace.show_layers()
    assert names(viewer) == ["movie", "movie – objects", "movie – clicks"]


def test_a_session_is_shown_in_all_views(viewer, open_one):
    workspace = open_one()
    info = ObjectInfo("nucleus", "#ff8000")
    state = {"infos": {3: info}, "prompts": {(3, 1): FramePrompts(((10.0, 10.0),), (1,))}}
    workspace.apply(opened(workspace, **state))
    assert workspace.infos == {3: info}
    assert workspace.object_ids == {3}
    np.testing.assert_array_equal(workspace.points.layer.data, [(1, 10, 10)])
    workspace.apply(StateChanged(StateChange({3: None}, {(3, 1): None})))
    assert workspace.infos == {}
    assert len(workspace.points.layer.data) == 0


def test_clicks_that_another_session_refuses_stay_pending(open_one):
    workspace = open_one()
    key, click = ObjectFrame(1, 2), Click(20, 5, False)
    workspace.apply(SessionOpened("micro", np.zeros((3, 40, 50), np.uint16), StateChange(), {key: (click,)}))
    (pending,) = workspace.points.pending.by_id.values()
    assert (pending.key, pending.click, pending.is_refused) == (key, click, True)
    assert len(workspace.points.layer.data) == 1


def test_the_request_is_the_same_for_the_same_image(blobs, opener, calls):
    viewer = ViewerModel()
    image = viewer.add_image(blobs[:, None])
    workspace = ImageWorkspace(viewer, image, opener, "micro", calls.as_calls())
    request = workspace.request()
    assert request.image.shape == (3, 40, 50)
    assert (request.axes, request.model, request.labels) == ("TYX", "micro", None)
    assert workspace.request().image is request.image
    image.data = image.data.copy()
    assert workspace.request().image is not request.image


def test_a_result_of_an_earlier_widget_is_written_to(viewer, open_one):
    earlier = open_one()
    earlier.click(Pixel(0, 10, 10), True)
    earlier.apply(opened(earlier))
    earlier.close()
    later = open_one()
    assert later.points.layer == viewer.layers["movie – clicks"]
    assert later.request().labels is viewer.layers["movie – objects"].data
    assert [one.click for one in later.points.pending.by_id.values()] == [Click(10, 10, True)]


def model_of(name):
    return StateChanged(StateChange(model=ModelIdentity(name, "tiny", 64)))


def test_the_chosen_model_follows_the_session(open_one):
    workspace = open_one()
    workspace.apply(opened(workspace))
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


def test_keys_and_data_of_the_image(viewer, open_one, calls, blobs):
    workspace = open_one()
    image = viewer.layers["movie"]
    for function in list(image.keymap.values()):
        function(image)
    assert calls == [("undo", workspace), ("redo", workspace), ("cancel",)]
    image.data = blobs.copy()
    assert len(calls) == 3
    image.data = blobs[:2]
    assert calls[3:] == [("outgrown", workspace)]
    workspace.close()
    assert workspace.is_closed
    assert not image.keymap
    image.data = blobs[:1]
    assert len(calls) == 4
