"""Images as they are opened: all frames, and what was said meanwhile."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_sam2.images.stack import Stack

WORDS_OF_LIBRARIES = (
    "tifffile",
    "TiffFile",
    "TiffPage",
    "zarr.",
    "numcodecs",
    "PIL",
    "Traceback",
    "NoneType",
    "object at 0x",
    "codec",
    "KeyError",
)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages of this package at WARNING or above; other loggers must not reach a person."""
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    foreign = [record for record in records if not record.name.startswith("napari_sam2")]
    assert foreign == [], [record.getMessage() for record in foreign]
    messages = [record.getMessage() for record in records]
    for message in messages:
        assert_one_sentence(message)
    return messages


def assert_one_sentence(message: str) -> None:
    """On one line, without words of a library."""
    assert "\n" not in message, message
    for word in WORDS_OF_LIBRARIES:
        assert word not in message, message


def frames_of(stack: Stack) -> npt.NDArray[Any]:
    return np.stack([stack.frames[t] for t in range(len(stack))])


def readable_frames(stack: Stack) -> dict[int, npt.NDArray[Any]]:
    """Frames by their number, without those that cannot be read."""
    found = {}
    for t in range(len(stack)):
        try:
            found[t] = np.asarray(stack.frames[t])
        except OSError as error:
            assert_one_sentence(str(error))
    return found
