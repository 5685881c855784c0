import os

os.environ["NAPARI_CONFIG"] = ""  # else napari's fixtures overwrite the settings of whoever runs the tests

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from npe2 import PluginManager

from blob_generator import BlobGenerator
from blob_tracker import BlobTracker
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import choose_reading
from napari_sam2.plugin.sessions.autosave import KeptSessions
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace, WorkspaceCalls
from napari_sam2.predictors import automatic_mask_generator, tracker
from tiny_models import tiny_predictor
from widget_driving import go_to

LAYER = {"axis_labels": ("t", "y", "x"), "units": ("s", "um", "um"), "scale": (60, 0.5, 0.25), "translate": (3, 2, 1)}


@pytest.fixture
def blobs():
    """Three frames with two bright squares, the second of which moves down by two rows a frame."""
    stack = np.zeros((3, 40, 50), np.uint8)
    for frame in range(3):
        stack[frame, 5:15, 5:15] = 200
        stack[frame, 20 + 2 * frame : 28 + 2 * frame, 30:42] = 150
    return stack


@pytest.fixture
def notices():
    """What people were shown during the test, as (severity, message)."""
    start = len(notification_manager.records)

    class Notices:
        def __call__(self):
            return [(str(record.severity), record.message) for record in list(notification_manager.records)[start:]]

    yield Notices()
    del notification_manager.records[start:]


@cache
def _network(name):
    network = tiny_predictor()
    network.source = name
    return network


class TinyOpener(SessionOpener):
    """Opens real sessions whose tracker is the double, with models of any name; remembers what was asked for."""

    def __init__(self):
        super().__init__()
        self.loaded, self.opened = [], []

    def _load(self, model, image_size):
        self.loaded.append(model)
        return _network(model)

    def open(self, request):
        self.opened.append(super().open(request))
        return self.opened[-1]


class SureBlobTracker(BlobTracker):
    """Is sure of all masks of prompts."""

    predicted_iou = 0.9

    def segment(self, *arguments, **keywords):
        return [replace(record, predicted_iou=self.predicted_iou) for record in super().segment(*arguments, **keywords)]


@pytest.fixture
def opener(monkeypatch):
    monkeypatch.setattr(tracker, "Tracker", SureBlobTracker)
    return TinyOpener()


@pytest.fixture
def found_plugins():
    """Plugins are found also where there is no window, in which napari 0.7 looks for them."""
    PluginManager.instance().discover()


@pytest.fixture
def viewer(blobs):
    viewer = ViewerModel()
    viewer.add_image(blobs, name="movie", **LAYER)
    viewer.dims.set_point(0, viewer.layers[0].data_to_world((0, 0, 0))[0])
    return viewer


@pytest.fixture
def controller(viewer, opener):
    return Controller(viewer, opener=opener)


@pytest.fixture
def shown(opener):
    """Shows an image, and opens the widget without its windows."""

    def show(pixels, axes="", reading=None, **layer):
        viewer = ViewerModel()
        labels = {"axis_labels": tuple(axes.lower())} if axes else {}
        image = viewer.add_image(pixels, name="movie", **labels, **layer)
        if reading is not None:
            choose_reading(image, reading)
        controller = Controller(viewer, opener=opener)
        go_to(controller, *(0,) * (image.ndim - 2))
        return controller

    return show


@pytest.fixture
def finding(monkeypatch):
    """Everything on a frame is its bright blobs."""
    monkeypatch.setattr(automatic_mask_generator, "SAM2AutomaticMaskGenerator", BlobGenerator)


@pytest.fixture
def texts(controller):
    """What the status showed."""
    texts = []

    def show(text):
        texts.append(text)

    controller.status_changed.connect(show)
    yield texts
    controller.status_changed.disconnect(show)


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


@pytest.fixture
def all_models_here(monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: True)


@pytest.fixture(autouse=True)
def _data_folder_of_the_test(tmp_path_factory, monkeypatch):
    """No test finds the session of another."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture
def kept(tmp_path):
    return KeptSessions(tmp_path / "sessions")


@pytest.fixture
def keeping(opener, kept):
    """Opens sessions with the double, and keeps them."""
    opener.kept = kept
    return opener
