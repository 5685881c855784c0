from enum import Enum

import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtWidgets import QWidget

from napari_sam2.plugin.layer_prompts.choices import Anchors, Frames
from napari_sam2.plugin.qt.layer_form import LayerForm, form_of


class Kind(Enum):
    ROUND = "it is round"
    LONG = "it is long"


def paint(layer, kind: Kind = Kind.LONG, number: int = 3, secret: int = 5):
    """What forms are made of in these tests."""


def test_a_form_is_made_from_a_signature():
    form = form_of(paint, {"kind": {"label": "Which"}, "number": {"min": 1, "max": 9, "value": 4}})
    assert form.asdict() == {"kind": Kind.LONG, "number": 4}
    assert [widget.label for widget in form] == ["Which", "number"]
    box = form["kind"].native
    assert [form["kind"].choices, box.currentText()] == [(Kind.ROUND, Kind.LONG), "it is long"]
    form["number"].value = 9
    with pytest.raises(ValueError, match="9"):
        form["number"].value = 10
    form.native.deleteLater()


@pytest.fixture
def called():
    return []


@pytest.fixture
def form(qtbot, called):
    layers = [Points(np.zeros((2, 2)), name="points"), Labels(np.zeros((4, 4), int), name="labels")]

    def points(layer, size: int = 2):
        if size > 3:
            raise ValueError("it is too large")
        called.append((layer.name, size))

    def labels(layer, frames: Frames = Frames.ALL, frame: int = 0, anchors: Anchors = Anchors.EVERY):
        called.append((layer.name, frames, frame, anchors))

    functions = {"points": (points, {"size": {}}), "labels": (labels, {"frames": {}, "frame": {}, "anchors": {}})}
    window = QWidget()
    qtbot.addWidget(window)  # the form is deleted when it is closed
    form = LayerForm(
        "Title", "text", "Do it", layers, lambda layer: functions[layer.name][0], lambda layer: functions[layer.name][1], window
    )
    form.layers = layers
    window.show()
    yield form
    window.close()


def test_each_layer_has_its_form(form, called):
    assert form.form.asdict() == {"size": 2}
    form.choose(form.layers[1])
    assert set(form.form.asdict()) == {"frames", "frame", "anchors"}
    assert not form.form["frame"].enabled
    form.form["frames"].value = Frames.ONE
    assert form.form["frame"].enabled
    form.choose(Points(ndim=2))
    assert form.layer.currentText() == "labels", "another layer changes nothing"
    form.do_it.click()
    assert called == [("labels", Frames.ONE, 0, Anchors.EVERY)]


def test_labels_are_linked_on_all_frames(form, called):
    form.choose(form.layers[1])
    form.form["frames"].value = Frames.SHOWN
    form.form["anchors"].value = Anchors.LINKED
    assert form.form["frames"].value is Frames.ALL
    form.form["frames"].value = Frames.ONE
    assert form.form["anchors"].value is Anchors.EVERY
    form.form["anchors"].value = Anchors.LINKED
    form.do_it.click()
    assert called == [("labels", Frames.ALL, 0, Anchors.LINKED)]


def test_what_is_refused_is_said_and_the_form_stays(form, called, qtbot):
    form.open()
    form.form["size"].value = 5
    form.do_it.click()
    assert form.isVisible()
    assert form.error.text() == "It is too large."
    form.form["size"].value = 3
    with qtbot.waitSignal(form.destroyed):
        form.do_it.click()
    assert called == [("points", 3)]
