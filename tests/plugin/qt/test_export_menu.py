import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog, QPushButton

from napari_sam2.plugin.files.session_output import SessionOutput
from napari_sam2.plugin.qt import export_menu
from napari_sam2.plugin.qt.export_menu import ExportMenu, options_form
from napari_sam2.plugin.worker.exports import document_formats, result_formats
from widget_driving import click, expected


@pytest.fixture
def menu(qtbot, controller, viewer):
    button = QPushButton()
    qtbot.addWidget(button)
    output = SessionOutput(controller, viewer)
    yield ExportMenu(controller, output, button)
    output.close()


@pytest.fixture
def dialogs(monkeypatch):
    """Answers file dialogs, and notes what they suggested."""

    class Dialogs:
        answer, asked = "", []

    asked = Dialogs()
    asked.asked = []

    def ask(parent, title, suggested, pattern):
        asked.asked.append((title, suggested, pattern))
        return str(asked.answer), pattern

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    return asked


def entries(menu):
    menu.fill()
    return {action.text(): action for action in menu.actions() if action.text()}


def entry(menu, part):
    (found,) = (action for text, action in entries(menu).items() if part in text)
    return found


def test_every_format_of_the_engine_is_in_the_menu(menu):
    texts = list(entries(menu))
    for item in (*result_formats(), *document_formats()):
        assert any(f"({item.ending.replace('_res', '_RES')})" in text for text in texts)
    assert texts[-1] == "Copy as Python"
    assert len(texts) == len(result_formats()) + len(document_formats()) + 1


def test_labels_are_written_where_the_dialog_says(menu, controller, dialogs, tmp_path, blobs, texts):
    click(controller, (0, 10, 10))
    dialogs.answer = tmp_path / "mine"
    entry(menu, "(.ome.tif)").trigger()
    ((title, suggested, pattern),) = dialogs.asked
    assert title == "Export labels as OME-TIFF"
    assert suggested.endswith("/movie.ome.tif")
    assert pattern == "labels as OME-TIFF (*.ome.tif)"
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "mine.ome.tif"), expected(blobs, object_1=[0]))
    assert texts[-1] == f"mine.ome.tif is written to {tmp_path}."
    dialogs.answer = ""
    entry(menu, "(.csv)").trigger()
    assert dialogs.asked[-1][1] == str(tmp_path / "movie.csv"), "it goes on in the same folder"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.ome.tif"]


def test_another_file_is_not_replaced_unasked(menu, controller, dialogs, tmp_path, texts):
    click(controller, (0, 10, 10))
    (tmp_path / "mine.csv").write_text("of somebody else")
    dialogs.answer = tmp_path / "mine"
    entry(menu, "(.csv)").trigger()
    assert texts[-1] == "Mine.csv is there already: choose it itself to replace it, or give another name."
    assert (tmp_path / "mine.csv").read_text() == "of somebody else"
    dialogs.answer = tmp_path / "mine.csv"
    entry(menu, "(.csv)").trigger()
    assert (tmp_path / "mine.csv").read_text().startswith("object_id,")


def test_the_image_itself_is_not_replaced(menu, controller, dialogs, tmp_path, texts, monkeypatch):
    click(controller, (0, 10, 10))
    file = tmp_path / "movie.tif"
    file.write_text("the image")
    monkeypatch.setattr(export_menu, "image_file_of", lambda workspace: file)
    dialogs.answer = file
    entry(menu, "(.tif)").trigger()
    assert dialogs.asked[-1][1] == str(tmp_path / "movie-objects.tif")
    assert texts[-1] == "Movie.tif is the image itself, which is not replaced: give another name."
    assert file.read_text() == "the image"
    dialogs.answer = ""
    entry(menu, "(.csv)").trigger()
    assert dialogs.asked[-1][1] == str(tmp_path / "movie.csv")


def test_without_objects_no_file_is_asked_for(menu, dialogs, notices):
    entry(menu, "(.txt)").trigger()
    assert dialogs.asked == []
    assert notices()[-1][1].startswith("There is nothing to export yet")


def test_the_options_of_a_movie(menu, controller, dialogs, tmp_path, monkeypatch):
    from PIL import Image

    click(controller, (0, 24, 35))
    controller.propagate()
    forms = []

    def answer(dialog):
        forms.append(dialog)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(QDialog, "exec", answer)
    dialogs.answer = tmp_path / "a.gif"
    entry(menu, "(.gif)").trigger()
    assert forms[0].windowTitle() == "Options of a movie as GIF"
    with Image.open(tmp_path / "a.gif") as movie:
        assert movie.info["duration"] == 160, "six frames a second, in whole hundredths"
    monkeypatch.setattr(QDialog, "exec", lambda dialog: QDialog.DialogCode.Rejected)
    entry(menu, "(.mp4)").trigger()
    assert len(dialogs.asked) == 1, "thought better of it"


def test_the_form_is_made_of_the_signature(qtbot):
    movie = next(item for item in result_formats() if item.ending == ".mp4")
    form = options_form(movie.options)
    assert form() == {"frames_per_second": 6.0}
    form.frames_per_second.value = 12.5
    assert form() == {"frames_per_second": 12.5}
    assert form.frames_per_second.label == "frames per second"


def test_the_script_is_on_the_clipboard(menu, controller, texts):
    click(controller, (0, 10, 10))
    entry(menu, "Copy as Python").trigger()
    assert QApplication.clipboard().text() == controller.session.to_script()
    assert texts[-1].endswith("is on the clipboard.")


def test_what_an_image_cannot_have_is_grey_with_the_reason(menu, controller, viewer, blobs):
    volume = viewer.add_image(blobs, name="volume", axis_labels=("z", "y", "x"))
    controller.choose_image(volume)
    click(controller, (0, 10, 10))
    action = entry(menu, "(.geff)")
    assert not action.isEnabled()
    assert action.toolTip() == ".geff: tracks as a graph need a time axis T"
    assert entry(menu, "(.tif)").isEnabled()
