from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.qt.model_panel import ModelPanel
from napari_sam2.plugin.settings.machine import MachineSurveyed
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.settings.settings import SettingsFile, StoredSettings
from napari_sam2.predictors.device import DeviceFacts
from napari_sam2.weights import download as download_module
from napari_sam2.weights.registry import RELEASED

COPY, LEFT, NONE = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def settings():
    return StoredSettings(SettingsFile(None))


@pytest.fixture
def controller(viewer, opener, settings):
    """One that runs its tasks at once, with no display but that of the panel."""
    return Controller(viewer, opener=opener, settings=settings)


@pytest.fixture
def panel(controller, qtbot):
    panel = ModelPanel(controller)
    qtbot.addWidget(panel)
    qtbot.addWidget(panel.choice)
    panel.show()
    panel.choice.show()
    return panel


def choose(combo, text):
    index = combo.findText(text)
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def drop(widget, *paths):
    """Drop files on a widget; return whether they are taken."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    enter = QDragEnterEvent(QPoint(5, 5), COPY, mime, LEFT, NONE)
    enter.ignore()
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    event = QDropEvent(QPointF(5, 5), COPY, mime, LEFT, NONE)
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def test_the_device_is_shown_and_those_that_are_not_here_cannot_be_chosen(panel, controller):
    assert panel.fold.text() == controller.models.machine.facts.kind
    assert panel.about_device.text() == controller.models.machine.describe()
    items = [panel.device.model().item(index) for index in range(panel.device.count())]
    assert [(item.text(), item.isEnabled()) for item in items[:2]] == [("auto", True), ("cpu", True)]
    assert [item.isEnabled() for item in items[2:]] == [name in controller.models.machine.devices for name in ("cuda", "mps")]


def test_device_and_precision_are_settings(panel, controller, settings):
    assert not panel.device.isVisible()
    panel.fold.click()
    assert panel.device.isVisible()
    choose(panel.device, "cpu")
    choose(panel.precision, "bfloat16")
    assert (settings.settings.device, settings.settings.precision) == ("cpu", "bfloat16")
    assert panel.fold.text() == "cpu"
    assert panel.fold.toolTip() == "The model computes on cpu in bfloat16. Click to choose."
    settings.write({"precision": "float32"})
    assert panel.precision.currentText() == "float32"


def test_the_input_of_a_released_model_is_an_approximation_that_is_chosen(panel, controller, settings, monkeypatch, tmp_path):
    panel.fold.click()
    assert not panel.input.isVisible(), "micro has one size"
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    controller.choose_model("sam2.1_hiera_t")
    assert panel.input.isVisible()
    assert [panel.input.itemText(i) for i in range(3)] == ["1024 px, as trained", "768 px, approximate", "512 px, approximate"]
    choose(panel.input, "512 px, approximate")
    assert settings.settings.image_size == 512
    assert panel.input.currentText() == "512 px, approximate"
    assert "approximation" in panel.input.toolTip()


def test_sessions_begin_by_the_settings(panel, controller, settings, viewer):
    settings.write({"precision": "bfloat16", "device": "cpu"})
    controller.click(viewer.layers[0].data_to_world((0, 10, 10)))
    assert controller.session.precision == "bfloat16"


@pytest.mark.parametrize("opener", [None])  # the embedded model, no double
def test_the_self_test_is_run_and_shown(panel, controller):
    texts = []
    controller.status_changed.connect(texts.append)
    panel.self_test.click()
    assert panel.about_device.text() == f"{controller.models.machine.describe()}, self-test passed"
    assert texts[0] == "Testing the device …"
    assert texts[-1].startswith("Self-test passed: micro loads in ")
    assert controller.models.self_test.text in panel.self_test.toolTip()


def test_the_best_model_is_begun_with(controller, settings, qtbot, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    for name in ("sam2.1_hiera_s", "sam2.1_hiera_t"):
        with (tmp_path / RELEASED[name].file_name).open("wb") as file:
            file.truncate(RELEASED[name].size_bytes)
    monkeypatch.setattr("napari_sam2.predictors.device.device_facts", lambda device: DeviceFacts("cuda", "H100", 0, 40_000.0))
    panel = ModelPanel(controller)
    qtbot.addWidget(panel)
    assert controller.model == "sam2.1_hiera_s"
    assert panel.model.currentText() == "sam2.1_hiera_s"
    assert panel.fold.text() == "cuda"
    assert panel.about_device.text() == "cuda (H100)"


def test_a_model_that_somebody_chose_stays(controller, panel):
    controller.choose_model("micro")
    facts = DeviceFacts("cuda", "H100", 0, 40_000.0)
    controller.models.machine_reported(MachineSurveyed(Place(), facts, ("cuda", "cpu"), "sam2.1_hiera_l"))
    assert controller.model == "micro"


def test_the_model_of_the_settings_is_begun_with(viewer, opener, settings, qtbot):
    settings.write({"default_model": "sam2.1_hiera_b+"})
    controller = Controller(viewer, opener=opener, settings=settings)
    panel = ModelPanel(controller)
    qtbot.addWidget(panel)
    assert controller.model == "sam2.1_hiera_b+"
    assert panel.download.isVisibleTo(panel)


def test_what_is_fetched_is_told_and_then_fetched(panel, controller, monkeypatch, tmp_path, all_models_here_after):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    assert not panel.download.isVisible()
    choose(panel.model, "sam2.1_hiera_t (fetch 156 MB)")
    assert panel.download.isVisible()
    assert panel.about_download.text() == "156 MB, Apache-2.0"
    assert panel.place.text() == f"to {tmp_path / 'sam2.1_hiera_tiny.pt'}"
    panel.download.click()
    assert all_models_here_after == ["sam2.1_hiera_t"]
    assert not panel.download.isVisible()
    assert panel.model.currentText() == "sam2.1_hiera_t"


@pytest.fixture
def all_models_here_after(monkeypatch):
    """Puts a file of the right size in the place of what is fetched."""
    fetched = []

    def fetch(name, progress):
        fetched.append(name)
        path = download_module.checkpoint_path(name)
        with path.open("wb") as file:
            file.truncate(RELEASED[name].size_bytes)
        return path

    monkeypatch.setattr("napari_sam2.plugin.settings.models.download", fetch)
    return fetched


def test_no_network_is_one_sentence_that_names_file_and_place(panel, controller, monkeypatch, tmp_path, notices):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    monkeypatch.setenv("NAPARI_SAM2_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    texts = []
    controller.status_changed.connect(texts.append)
    choose(panel.model, "sam2.1_hiera_t (fetch 156 MB)")
    panel.download.click()
    place = tmp_path / "sam2.1_hiera_tiny.pt"
    assert texts[-1].startswith("Http://127.0.0.1:9/sam2.1_hiera_tiny.pt cannot be reached (ConnectionError): check the connection")
    assert texts[-1].endswith(f"or fetch {RELEASED['sam2.1_hiera_t'].url} by other means and put it at {place}.")
    assert [severity for severity, _ in notices()] == ["warning"]
    assert not list(tmp_path.iterdir())
    assert panel.download.isEnabled()
    choose(panel.model, "micro (built in)")
    assert controller.models.is_here


def test_a_checkpoint_is_dropped_on_the_dock(panel, controller, qtbot, tmp_path, viewer):
    dock = QWidget()
    qtbot.addWidget(dock)
    panel.accept_drops_on(dock)
    checkpoint = tmp_path / "cells.safetensors"
    checkpoint.touch()
    assert drop(dock, checkpoint)
    assert controller.model == str(checkpoint)
    assert panel.model.currentText() == "cells"
    image = tmp_path / "movie.tif"
    image.touch()
    assert not drop(dock, image), "napari opens it"
    assert not drop(dock, checkpoint, image)
    assert controller.model == str(checkpoint)


@pytest.mark.parametrize("opener", [None])
@pytest.mark.parametrize(
    ("content", "told"), [(b"no weights", "is not a checkpoint, it begins with b'no weights'"), (b"", "is empty")]
)
def test_a_wrong_file_is_one_sentence(panel, controller, viewer, qtbot, tmp_path, notices, content, told):
    wrong = tmp_path / "cells.pt"
    wrong.write_bytes(content)
    texts = []
    controller.status_changed.connect(texts.append)
    controller.models.choose_file(str(wrong))
    assert texts[-1] == f"{wrong} {told}."
    assert [severity for severity, _ in notices()] == ["warning"]
    assert controller.model == "micro", "it goes on as it was"
    controller.click(viewer.layers[0].data_to_world((0, 10, 10)))
    assert np.any(controller.session.labels)


def test_a_file_that_is_not_there_is_one_sentence(panel, controller, notices):
    controller.models.choose_file(str(Path("gone.pt")))
    ((severity, message),) = notices()
    assert severity == "warning"
    assert message.startswith("There is no model 'gone.pt', nor is there such a file; there are micro, sam2.1_hiera_t")
    assert controller.model == "micro"
