import errno
import logging
import threading

from napari_sam2.torch_threads import torch

import numpy as np
import pytest

from napari_sam2.file_errors import os_error
from napari_sam2.images.errors import FrameReadError
from napari_sam2.plugin.notices import notify_error, notify_warning, set_dock_shown, status_warning, warnings_shown
from napari_sam2.weights.download import TransferError

NO_MEMORY = "There is not enough memory: choose a smaller model or another device, or close other images; what was done is kept."


@pytest.mark.parametrize(("text", "sentence"), [("bad weights", "Bad weights."), ("Is it there?", "Is it there?")])
def test_a_warning_is_a_sentence(notices, text, sentence):
    assert notify_warning(text) == sentence
    assert notices() == [("warning", sentence)]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError("there is no file x"), "There is no file x."),
        (
            FrameReadError("frame 2 of movie.zarr cannot be read: it is damaged"),
            "Frame 2 of movie.zarr cannot be read: it is damaged.",
        ),
        (TransferError("the server cannot be reached"), "The server cannot be reached."),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full."),
        (OSError(errno.EACCES, "Permission denied", "/data/x"), "/data/x: permission is denied."),
        (
            ModuleNotFoundError("No module named 'zarr'", name="zarr"),
            "The package zarr is missing: pip install 'napari-sam2[all]'.",
        ),
        (MemoryError("there is not enough memory to read cells.pt"), "There is not enough memory to read cells.pt."),
        (MemoryError(), NO_MEMORY),
        (np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)), NO_MEMORY),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), NO_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), NO_MEMORY),
        (ValueError("first line\nsecond line"), "First line second line."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_a_person_can_mend_is_a_warning(notices, error, sentence):
    assert notify_error(error) == sentence
    assert notices() == [("warning", sentence)]


def test_anything_else_is_an_error_and_logged(notices, caplog):
    assert notify_error(RuntimeError("a bug")) == "RuntimeError: a bug. Your clicks are kept."
    assert [severity for severity, _ in notices()] == ["error"]
    assert "a task of the plugin failed" in caplog.text


def test_a_sentence_of_the_system_is_a_warning(notices):
    assert notify_error(os_error("a.tif cannot be written: the disk is full", 28)) == "A.tif cannot be written: the disk is full."
    notify_error(OSError(28, "No space left on device"))
    assert [severity for severity, _ in notices()] == ["warning", "warning"]


def test_what_the_dock_shows_is_not_repeated(notices):
    dock, other = object(), object()
    set_dock_shown(dock, True)
    set_dock_shown(other, True)
    set_dock_shown(other, False)
    try:
        assert status_warning("bad weights") == "Bad weights."
        assert notify_error(ValueError("bad weights")) == "Bad weights."
        assert notices() == []
        notify_error(RuntimeError("a bug"))
        assert [severity for severity, _ in notices()] == ["error"], "an error is always shown"
    finally:
        set_dock_shown(dock, False)
    assert status_warning("bad weights") == "Bad weights."
    assert notices()[1:] == [("warning", "Bad weights.")]


def test_what_is_logged_of_images_is_shown(notices):
    """Of this thread alone; not where an error follows, which is the one sentence."""
    logger = logging.getLogger("napari_sam2.images.stack")
    with warnings_shown():
        logger.warning("a plane is missing")
        logger.info("nothing to see")
        thread = threading.Thread(target=logger.warning, args=("another file",))
        thread.start()
        thread.join()

    @warnings_shown()
    def fail():
        logger.warning("it is tilted")
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        fail()
    logger.warning("later")
    assert notices() == [("warning", "A plane is missing.")]
