from pathlib import Path

import pytest
from qtpy.QtWidgets import QDialogButtonBox

from napari_sam2.plugin.qt.settings_dialog import SettingsDialog, general_values
from napari_sam2.plugin.settings.keys import CHOSEN
from napari_sam2.plugin.settings.settings import Settings, SettingsFile, StoredSettings, checked

OK, DEFAULTS = QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.RestoreDefaults


@pytest.fixture(autouse=True)
def _default_keys():
    yield
    CHOSEN.choose({})


@pytest.fixture
def stored():
    return StoredSettings(SettingsFile(None))


@pytest.fixture
def open_dialog(stored, qtbot):
    def open_one():
        dialog = SettingsDialog(stored)
        qtbot.addWidget(dialog)
        dialog.open()
        return dialog

    return open_one


def test_the_form_has_the_values_of_the_settings(open_dialog, stored, tmp_path):
    assert checked(*open_dialog().value()) == (Settings(), {})
    checkpoint = tmp_path / "cells.pt"
    checkpoint.touch()
    stored.write({"autosave_folder": str(tmp_path), "quota_gb": 7.0, "default_model": str(checkpoint)}, {"undo": "F7"})
    assert checked(*open_dialog().value()) == (stored.settings, {})


def test_settings_are_changed_by_ok(open_dialog, stored, tmp_path):
    dialog = open_dialog()
    dialog.general.autosave_folder.value = tmp_path
    dialog.general.quota_gb.value = 3.5
    dialog.general.device.value = "cpu"
    dialog.keys["undo"].setText("ctrl+u")
    assert stored.settings == Settings()
    dialog.buttons.button(OK).click()
    assert not dialog.isVisible()
    assert stored.settings == Settings(autosave_folder=tmp_path, quota_gb=3.5, device="cpu", keys={"undo": "Ctrl+U"})


def test_nothing_is_changed_by_cancel(open_dialog, stored):
    dialog = open_dialog()
    dialog.keys["undo"].setText("F7")
    dialog.reject()
    assert stored.settings == Settings()


def test_a_conflict_is_told_while_it_is_typed(open_dialog, stored):
    dialog = open_dialog()
    dialog.keys["undo"].setText("G")
    assert (
        dialog.sentence.text()
        == "The key to undo what was done last cannot be G, which is the key to propagate all objects through the stack."
    )
    assert not dialog.buttons.button(OK).isEnabled()
    dialog.keys["undo"].setText("GG")
    assert (
        dialog.sentence.text() == "The key to undo what was done last cannot be 'GG': write one key, such as N, F5 or Ctrl+Shift+Z."
    )
    dialog.accept()
    assert dialog.isVisible()
    dialog.keys["undo"].setText("Ctrl+Y")
    assert dialog.sentence.text() == "Ctrl+Y is napari's to toggle ndisplay: it is ours while the widget is open."
    dialog.keys["undo"].setText("F7")
    assert dialog.sentence.text() == ""
    assert dialog.buttons.button(OK).isEnabled()
    dialog.accept()
    assert stored.settings.keys == {"undo": "F7"}


def test_the_defaults_are_restored(open_dialog, stored, tmp_path):
    stored.write({"autosave_folder": str(tmp_path), "precision": "bfloat16"}, {"undo": "F7"})
    dialog = open_dialog()
    dialog.buttons.button(DEFAULTS).click()
    assert stored.settings != Settings()
    dialog.accept()
    assert stored.settings == Settings()


def test_what_cannot_be_kept_is_told(open_dialog, stored, monkeypatch):
    def fail(section, values):
        raise OSError("settings.json cannot be written: the disk is full")

    monkeypatch.setattr(stored._source, "write", fail)
    dialog = open_dialog()
    dialog.accept()
    assert dialog.isVisible()
    assert dialog.sentence.text() == "settings.json cannot be written: the disk is full."


def test_a_folder_is_a_text_or_nothing():
    assert general_values()["autosave_folder"] == ""
    assert general_values(Path("/data/sessions"))["autosave_folder"] == "/data/sessions"
    assert list(general_values()) == [name for name in Settings.__dataclass_fields__ if name != "keys"]
