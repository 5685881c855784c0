import pytest

from napari_sam2.file_errors import os_error
from napari_sam2.plugin.notices import notify_error, notify_warning, set_dock_shown, status_warning


@pytest.mark.parametrize(("text", "sentence"), [("bad weights", "Bad weights."), ("Is it there?", "Is it there?")])
def test_a_warning_is_a_sentence(notices, text, sentence):
    assert notify_warning(text) == sentence
    assert notices() == [("warning", sentence)]


def test_what_a_person_can_mend_is_a_warning(notices):
    assert notify_error(FileNotFoundError("there is no file x")) == "There is no file x."
    assert notices() == [("warning", "There is no file x.")]


def test_anything_else_is_an_error_and_logged(notices, caplog):
    assert notify_error(RuntimeError("out of memory")) == "RuntimeError: out of memory. Your clicks are kept."
    assert [severity for severity, _ in notices()] == ["error"]
    assert "a task of the plugin failed" in caplog.text


def test_a_sentence_of_the_system_is_a_warning(notices):
    assert notify_error(os_error("a.tif cannot be written: the disk is full", 28)) == "A.tif cannot be written: the disk is full."
    notify_error(OSError(28, "No space left on device"))
    assert [severity for severity, _ in notices()] == ["warning", "error"]


def test_what_the_dock_shows_is_not_repeated(notices):
    dock, other = object(), object()
    set_dock_shown(dock, True)
    set_dock_shown(other, True)
    set_dock_shown(other, False)
    try:
        assert status_warning("bad weights") == "Bad weights."
        assert notify_error(ValueError("bad weights")) == "Bad weights."
        assert notices() == []
        notify_error(RuntimeError("out of memory"))
        assert [severity for severity, _ in notices()] == ["error"], "an error is always shown"
    finally:
        set_dock_shown(dock, False)
    assert status_warning("bad weights") == "Bad weights."
    assert notices()[1:] == [("warning", "Bad weights.")]
