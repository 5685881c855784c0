"""The loop of a person, with events of the X server: click, propagate, undo, close, continue."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import tifffile

from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.images.geometry import Geometry
from napari_sam2.plugin.image.layer_file import FILE_KEY, LayerFile

pytestmark = pytest.mark.skipif(
    not os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb", reason="needs an X server"
)
NUM_FRAMES, NUM_NUCLEI = 4, 10
CONTROL, SHIFT, RIGHT = "Control_L", "Shift_L", 3


@pytest.fixture(scope="module")
def movie():
    return tifffile.imread(FLUO_MITOCHECK.image)[:NUM_FRAMES]


@pytest.fixture(scope="module")
def nuclei():
    """Row and column of a pixel in each of ten nuclei of the first frame."""
    entries = json.loads(FLUO_MITOCHECK.prompts.read_text(encoding="utf-8"))["prompts"]
    return [tuple(entry["points"][0]) for entry in entries if entry["frame"] == 0][:NUM_NUCLEI]


@pytest.fixture
def open_napari(make_napari_viewer_proxy, open_widget, movie):
    from person import Person

    people = []

    def open_one():
        viewer = make_napari_viewer_proxy(show=True)
        image = viewer.add_image(movie, name="nuclei")
        viewer.dims.set_point(0, 0)
        widget = open_widget(viewer)
        people.append(Person(viewer))
        return people[-1], widget, image

    yield open_one
    for person in people:
        person.leave()


def until_idle(widget):
    from person import pause, wait_until

    wait_until(lambda: widget.controller.is_idle)
    pause(0.05)


def test_ten_nuclei_are_ten_clicks_and_one_key_and_nothing_of_it_is_lost(open_napari, nuclei):
    person, widget, image = open_napari()
    for number, nucleus in enumerate(nuclei, 1):
        person.click(image.data_to_world((0, *nucleus)))
        until_idle(widget)
        assert set(widget.session.objects) == set(range(1, number + 1))
    person.press("g")
    until_idle(widget)
    assert (person.num_clicks, person.num_keys) == (NUM_NUCLEI, 1)
    labels = np.array(widget.session.labels)
    found = [set(np.unique(frame).tolist()) - {0} for frame in labels]
    assert found[0] == set(range(1, NUM_NUCLEI + 1))
    assert all(len(frame) >= NUM_NUCLEI - 1 for frame in found)
    assert all(labels[0][round(row), round(column)] == number for number, (row, column) in enumerate(nuclei, 1))

    person.press("z", [CONTROL])
    until_idle(widget)
    assert not widget.session.labels[1:].any()
    np.testing.assert_array_equal(widget.session.labels[0], labels[0])
    person.press("z", [CONTROL, SHIFT])
    until_idle(widget)
    np.testing.assert_array_equal(widget.session.labels, labels)

    person.viewer.close()
    person, widget, image = open_napari()
    until_idle(widget)
    person.click_on(person.button("Continue where you were"))
    until_idle(widget)
    np.testing.assert_array_equal(widget.session.labels, labels)
    np.testing.assert_array_equal(widget.controller.workspace.result.layer.data, labels)
    person.press("z", [CONTROL])
    until_idle(widget)
    assert not widget.session.labels[1:].any()
    person.press("z", [CONTROL])
    until_idle(widget)
    assert set(widget.session.objects) == set(range(1, NUM_NUCLEI))


@pytest.mark.usefixtures("finding")
def test_everything_is_tracked_stopped_continued_and_taken_back(make_napari_viewer_proxy, open_widget, opener, blobs):
    from person import Person, wait_until

    viewer = make_napari_viewer_proxy(show=True)
    movie = np.stack([blobs[0]] * 40)
    viewer.add_image(movie, name="movie", axis_labels=("t", "y", "x"))
    viewer.dims.set_point(0, 0)
    widget = open_widget(viewer, opener)
    person = Person(viewer)
    until_idle(widget)
    tools = widget._tools
    person.click_on(tools.track)
    wait_until(tools.tracking_form.isVisible)
    person.click_on(tools.tracking_form.track)
    result = []

    def is_coming():
        result[:] = [layer for layer in viewer.layers if layer.name == "movie – objects"]
        return bool(result) and result[0].data[1].any()

    wait_until(is_coming)
    person.press("Escape")
    until_idle(widget)
    num_left = widget.controller.workspace.tracking_left.num_frames
    assert 0 < num_left < 40, "it was stopped while it was at work"
    assert tools.track.text() == "Continue"
    assert not result[0].data[-1].any()
    person.click_on(tools.track)
    until_idle(widget)
    assert widget.controller.workspace.tracking_left.num_frames == 0
    assert tools.track.text() == ""
    assert [set(np.unique(frame).tolist()) for frame in result[0].data] == [{0, 1, 2}] * 40
    assert widget._objects.table.view.model().rowCount() == 2
    person.press("z", [CONTROL])
    until_idle(widget)
    assert widget.controller.workspace.tracking_left.num_frames == num_left
    person.press("z", [CONTROL])
    until_idle(widget)
    assert not widget.session.objects
    assert not result[0].data.any()
    person.leave()


def test_a_volume_from_the_side(make_napari_viewer_proxy, open_widget, opener):
    from person import Person, wait_until

    viewer = make_napari_viewer_proxy(show=True)
    volume = np.zeros((12, 40, 50), np.uint8)
    volume[4:9, 5:20, 8:30] = 200
    patient = {FILE_KEY: LayerFile(("Z", "Y", "X"), geometry=Geometry.of_axes((0, 0, 0), np.diag((1, 1, 2.5))))}
    image = viewer.add_image(volume, name="ct", axis_labels=("z", "y", "x"), scale=(2.5, 1, 1), units="mm", metadata=patient)
    widget = open_widget(viewer, opener)
    person, panel = Person(viewer), widget._image_panel
    until_idle(widget)
    person.click_on(panel.line)
    wait_until(panel.button.isVisible)
    along = panel.form.along.native
    along.setFocus()
    person.press("Down")
    person.press("Down")
    assert along.currentText() == "X (sagittal)"
    person.click_on(panel.button)
    until_idle(widget)
    assert viewer.dims.displayed == (0, 1)
    viewer.dims.set_point(2, 20)
    person.settle()
    assert person.on_screen((8, 12, 20))[1] < person.on_screen((6, 12, 20))[1], "the head is up"
    person.click(image.data_to_world((6, 12, 20)))
    until_idle(widget)
    result = viewer.layers["ct – objects"].data
    assert result[6, 12, 20] == 1
    np.testing.assert_array_equal(result[:, :, 20] > 0, volume[:, :, 20] > 0)
    person.press("g")
    until_idle(widget)
    np.testing.assert_array_equal(result > 0, volume > 0)
    person.click(image.data_to_world((6, 12, 20)), RIGHT)
    until_idle(widget)
    assert widget.session.objects[1].prompts[20].labels == (1, 0), "the second click was on the object that is there"
    person.leave()
