import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.result_view import ResultView
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.session_state import StateChange

LABELS = np.zeros((3, 40, 50), np.uint16)


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 1, 40, 50), np.uint8), name="movie")
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def view(viewer):
    image = viewer.layers[0]
    return ResultView(viewer, image, ImageStack.of(image), lambda text: None)


def test_the_layer_shows_the_labels_of_the_session(view):
    assert not view.is_missing
    labels = LABELS.copy()
    view.reset(labels, StateChange())
    assert view.is_missing
    layer = view.new_layer()
    assert not view.is_missing
    labels[1, 3, 4] = 7
    assert layer.data[1, 0, 3, 4] == 7
    view.reset(LABELS.copy(), StateChange())  # of another session
    assert not view.is_missing
    assert not layer.data.any()
    view.close()
    assert view.is_missing
    assert view.colour() is None


def test_a_layer_that_was_given_other_data_is_left(view, viewer):
    view.reset(LABELS.copy(), StateChange())
    layer = view.new_layer()
    layer.data = layer.data.copy()
    assert view.is_missing
    view.new_layer()
    assert not layer.metadata
    assert view.layer is not layer


def changed(*frames):
    return StateChange(masks=frozenset((1, frame) for frame in frames))


@pytest.mark.parametrize(
    ("change", "drawn_in_2d", "drawn_in_3d"),
    [
        (changed(0), 1, 1),
        (changed(1, 2), 0, 1),
        (StateChange(positions=frozenset([1])), 1, 1),
        (StateChange(prompts={(1, 0): None}), 0, 0),
    ],
    ids=["displayed", "other frames", "other positions", "no mask"],
)
def test_what_is_seen_is_drawn(view, viewer, monkeypatch, change, drawn_in_2d, drawn_in_3d):
    view.reset(LABELS.copy(), StateChange())
    view.new_layer()
    calls = []
    monkeypatch.setattr(view.layer, "refresh", lambda **_: calls.append(1))
    view.show(change)
    assert len(calls) == drawn_in_2d
    view._redraw._drawn_at_s = -np.inf
    viewer.dims.ndisplay = 3
    calls.clear()
    view.show(change)
    assert len(calls) == drawn_in_3d


def test_colours_follow_the_objects(view):
    view.reset(LABELS.copy(), StateChange({1: ObjectInfo("cell", "#ff8000"), 2: ObjectInfo("other")}))
    layer = view.new_layer()
    of_napari = layer.get_color(2)
    view.set_next(1)
    np.testing.assert_allclose(view.colour(), (1, 128 / 255, 0, 1), atol=1e-6)
    assert layer.selected_label == 1
    view.show(StateChange({1: ObjectInfo("cell", "#0000ff")}))
    np.testing.assert_allclose(layer.get_color(1), (0, 0, 1, 1), atol=1e-6)
    view.show(StateChange({1: None}))
    assert not np.allclose(layer.get_color(1), (0, 0, 1, 1))
    np.testing.assert_array_equal(layer.get_color(2), of_napari)


def test_colours_that_nobody_chose(view):
    assert view.default_colour(3) is None, "there is no layer yet"
    view.reset(LABELS.copy(), StateChange())
    layer = view.new_layer()
    red, green, blue, _ = np.round(layer.get_color(3) * 255).astype(int)
    assert view.default_colour(3) == f"#{red:02x}{green:02x}{blue:02x}"
    assert view.default_colour(3) != view.default_colour(4)
