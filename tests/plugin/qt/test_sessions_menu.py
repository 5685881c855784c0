import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.session_output import SessionOutput
from napari_sam2.plugin.qt.sessions_menu import SessionsMenu
from napari_sam2.session.session import Session
from widget_driving import click, expected


@pytest.fixture
def saved(tmp_path, blobs, opener):
    movie = tmp_path / "my movie.tif"
    tifffile.imwrite(movie, blobs, photometric="minisblack", metadata={"axes": "TYX"})
    session = Session(movie, "TYX", opener.load("micro"))
    session.save(tmp_path / "my cells.sam2")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.close()
    return tmp_path / "my cells.sam2"


@pytest.fixture
def make_menu(qtbot, keeping):
    outputs, buttons = [], []

    def make(viewer):
        button = QPushButton()
        buttons.append(button)
        qtbot.addWidget(button)
        controller = Controller(viewer, opener=keeping)
        outputs.append(SessionOutput(controller, viewer))
        return controller, SessionsMenu(controller, viewer, outputs[-1], button)

    yield make
    for output in outputs:
        output.close()


def entries(menu):
    menu.fill()
    return {action.text(): action for action in menu.actions() if action.text()}


def test_a_recent_session_is_opened_with_its_image(make_menu, monkeypatch, saved, blobs, kept):
    viewer = ViewerModel()
    controller, menu = make_menu(viewer)
    assert list(entries(menu)) == [
        "Open a session …",
        "Save the session as …",
        "Sessions take 0 bytes of 20 GB",
        "Show their folder",
    ]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(saved), ""))
    entries(menu)["Open a session …"].trigger()
    np.testing.assert_array_equal(controller.session.labels, expected(blobs, object_1=[0]))
    first = next(iter(entries(menu).values()))
    assert first.text().startswith("my cells.sam2 (my movie) · 1 object, 1 frame, today ")
    assert first.isChecked()
    assert first.toolTip() == str(saved)
    controller.close()
    later = ViewerModel()
    controller, menu = make_menu(later)
    first = next(iter(entries(menu).values()))
    assert not first.isChecked()
    first.trigger()
    assert controller.session.saved_to == saved
    assert [layer.name for layer in later.layers] == ["my movie", "my cells – objects", "my movie – clicks"]


def test_saved_under_a_name(make_menu, viewer, monkeypatch, tmp_path, texts, kept):
    controller, menu = make_menu(viewer)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    entries(menu)["Save the session as …"].trigger()
    assert list(tmp_path.glob("mine*")) == [], "there is nothing to save yet"
    click(controller, (0, 10, 10))
    entries(menu)["Save the session as …"].trigger()
    assert controller.session.saved_to == controller.workspace.kept.saved_to == tmp_path / "mine.sam2"
    assert next(iter(entries(menu))).startswith("mine.sam2 (movie) · 1 object")
    (tmp_path / "other.sam2").write_text("of somebody else")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "other"), ""))
    entries(menu)["Save the session as …"].trigger()
    assert (tmp_path / "other.sam2").read_text() == "of somebody else"


def test_beside_the_image(make_menu, saved, blobs):
    viewer = ViewerModel()
    with layer_source(path=str(saved.with_name("my movie.tif"))):
        viewer.add_image(blobs, name="my movie")
    controller, menu = make_menu(viewer)
    click(controller, (0, 10, 10))
    entries(menu)["Save the session beside the image (my movie.sam2)"].trigger()
    assert controller.session.saved_to == saved.with_name("my movie.sam2")
    assert not any("beside" in text for text in entries(menu))


def test_an_image_that_is_not_there_is_asked_for(make_menu, monkeypatch, saved, tmp_path, notices):
    saved.with_name("my movie.tif").rename(tmp_path / "there.tif")
    viewer = ViewerModel()
    controller, menu = make_menu(viewer)
    asked = []

    def ask(parent, title, folder, pattern=""):
        asked.append(title)
        return ("" if len(asked) == 1 else str(tmp_path / "there.tif"), "")

    monkeypatch.setattr(QFileDialog, "getOpenFileName", ask)
    menu.open(saved)
    assert asked == [f"The image of my cells.sam2, {tmp_path / 'my movie.tif'}, is not there, or has changed: where is it now?"]
    assert notices()[-1][1].endswith("is not there, or has changed: put it back, or choose where it is now.")
    menu.open(saved)
    assert controller.session.saved_to == saved
