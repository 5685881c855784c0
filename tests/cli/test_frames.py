"""``--frames``, as people write it."""

from __future__ import annotations

import argparse

import pytest

from napari_sam2.cli.frames import FrameRanges


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:6", range(6)),
        (":", range(8)),
        ("5:", range(5, 8)),
        (":3", range(3)),
        ("0", [0]),
        ("7", [7]),
        ("0:8", range(8)),
        ("4,2,2", [2, 4]),
        ("6:,0:2, 3", [0, 1, 3, 6, 7]),
    ],
)
def test_frames(text: str, expected: range) -> None:
    assert FrameRanges.parse(text).frames(8) == list(expected)


@pytest.mark.parametrize("text", ["", "a", "1-3", "-1", "0:6:2", "1,", "0..6", "1.5"])
def test_what_is_no_frames(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected frames as 0:6, 3:, :6, 4 or 0:3,5, counted from 0, got "):
        FrameRanges.parse(text)


@pytest.mark.parametrize("text", ["8", "0:9", "8:", "3:3", "3:2", ":0"])
def test_what_is_not_in_the_stack(text: str) -> None:
    with pytest.raises(ValueError, match=f"^--frames {text}"):
        FrameRanges.parse(text).frames(8)
