"""Which axis plays which part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.images.axes import Layout, check_axes, guess_axes, letter_of, letters_of

WORDS = {
    "T": "t time frame frames timepoint",
    "Z": "z depth plane slice section",
    "N": "n image images",
    "Y": "y row rows height",
    "X": "x col column columns width",
    "C": "c ch channel channels band",
    "S": "s rgb rgba sample samples",
}


@pytest.mark.parametrize("letter", WORDS)
def test_axes_have_names_in_letters_and_in_words(letter: str) -> None:
    for word in WORDS[letter].split():
        assert letter_of(word) == letter_of(word.upper()) == letter_of(np.str_(word.title())) == letter


@pytest.mark.parametrize("name", ["q", "i", "dim_0", "-3", "", 0, None, "times", " t"])
def test_other_names_are_no_letter(name: Any) -> None:
    assert letter_of(name) is None


@pytest.mark.parametrize(
    ("names", "letters"),
    [
        (["time", "Depth", "y", "X"], "TZYX"),
        (["q", "y", "x"], "QYX"),  # a letter by which TIFF calls an axis stays
        (["row", "column", "rgb"], "YXS"),
        (["dim_0", "dim_1"], None),
        ([], None),
    ],
)
def test_names_of_all_axes(names: list[str], letters: str | None) -> None:
    assert letters_of(names) == letters


def test_names_of_which_some_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^the image calls its axes laser, y, x: name by axes which are T, Z, Y, X and C$"):
        letters_of(["laser", "y", "x"])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((9, 8), "YX"),
        ((9, 8, 3), "YXC"),
        ((4, 8, 3), "TYX"),  # four rows would be very few
        ((9, 8, 5), "TYX"),
        ((2, 9, 8, 4), "TYXC"),
        ((2, 5, 9, 8), "TZYX"),
        ((2, 5, 9, 8, 3), "TZYXC"),
        ((2, 5, 2, 9, 8), "TZCYX"),
    ],
)
def test_axes_are_guessed_from_a_shape(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4, 5, 6)])
def test_too_few_and_too_many_axes_are_not_guessed(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="an image has two to five axes, got shape"):
        guess_axes(shape)


@pytest.mark.parametrize(
    ("axes", "shape", "said"),
    [
        ("YX", (1, 2, 3), r"axes YX do not fit an image of shape \(1, 2, 3\)"),
        ("YYX", (1, 2, 3), "axes YYX name Y twice"),
        ("TZ", (1, 2), "axes TZ have no Y and no X"),
        ("TYX", (2, 0, 3), r"the image is empty: its shape is \(2, 0, 3\)"),
    ],
)
def test_axes_that_do_not_fit(axes: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_axes(axes, shape)


def found(shape: Sequence[int], axes: str | None = None, **given: Any) -> tuple[Any, ...]:
    layout = Layout.resolve(shape, axes, **given)
    return layout.along, layout.rows + layout.columns, layout.label_axes, layout.channels, layout.is_rgb


@pytest.mark.parametrize(
    ("shape", "axes", "given", "expected"),
    [
        ((9, 8), None, {}, ("", "YX", "YX", None, False)),
        ((5, 9, 8), None, {}, ("T", "YX", "TYX", None, False)),
        ((1, 5, 9, 8), "tzyx", {}, ("Z", "YX", "ZYX", None, False)),
        ((1, 1, 9, 8), "ZTYX", {}, ("T", "YX", "TYX", None, False)),
        ((3, 5, 9, 8), "TZYX", {"at": {"t": 2}}, ("Z", "YX", "TZYX", None, False)),
        ((3, 5, 9, 8), "TZYX", {"along": "z", "at": {"T": 2}}, ("Z", "YX", "TZYX", None, False)),
        ((5, 9, 8), "ZYX", {"along": "Y"}, ("Y", "ZX", "ZYX", None, False)),
        ((5, 9, 8), "ZYX", {"along": "X"}, ("X", "ZY", "ZYX", None, False)),
        ((9, 8, 3), "YXC", {}, ("", "YX", "YX", None, True)),
        ((9, 8, 3), "YXC", {"channel": 1}, ("", "YX", "YX", (1,), False)),
        ((9, 8, 4), "YXS", {}, ("", "YX", "YX", None, True)),
        ((2, 9, 8), "CYX", {}, ("", "YX", "YX", (0, 1, 0), False)),
        ((5, 9, 8), "CYX", {}, ("", "YX", "YX", (0, 1, 2), False)),
        ((5, 9, 8), "CYX", {"channel": [4, 0, 2]}, ("", "YX", "YX", (4, 0, 2), False)),
        ((2, 9, 8, 3), "CYXS", {"channel": 1}, ("", "YX", "YX", (1,), True)),
    ],
)
def test_each_axis_has_its_part(shape: tuple[int, ...], axes: str | None, given: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert found(shape, axes, **given) == expected


@pytest.mark.parametrize(
    ("shape", "axes", "given", "said"),
    [
        ((3, 5, 9, 8), "TZYX", {}, "choose one position on Z by at, as in at={'Z': 0}, or another axis by along"),
        (
            (3, 5, 9, 8),
            "TZYX",
            {"along": "Y", "at": {"X": 0}},
            "along Y at one X: that is an axis of the frames",
        ),
        ((3, 9, 8), "TYX", {"along": "Z"}, "frames cannot follow each other along 'Z': the image has axes TYX"),
        ((3, 9, 8), "CYX", {"along": "C"}, "frames cannot follow each other along 'C': the image has axes CYX"),
        ((3, 9, 8), "TYX", {"along": "Y"}, "only a volume has frames along Y: axes TYX have no Z"),
        ((3, 5, 9, 8), "TZYX", {"along": "T", "at": {"T": 0}}, "frames follow each other along T: at cannot name it"),
        ((3, 5, 9, 8), "TZYX", {"at": {"Z": 5}}, "Z 5 does not exist: the image has 5, counted from 0"),
        ((3, 5, 9, 8), "TZYX", {"at": {"Z": -1}}, "Z -1 does not exist"),
        ((3, 5, 9, 8), "TZYX", {"at": {"Z": 1.5}}, "at gives Z the position 1.5: expected a whole number"),
        ((3, 5, 9, 8), "TZYX", {"at": {"C": 0}}, "channels are not chosen by at: give channel"),
        ((3, 9, 8), "TYX", {"at": {"Z": 0}}, "at names Z, but the image has axes TYX"),
        ((3, 9, 8), "CYX", {"channel": 3}, "channel 3 does not exist: the image has 3, counted from 0"),
        ((3, 9, 8), "CYX", {"channel": [1, 1]}, "a channel is named twice in [1, 1]"),
        ((5, 9, 8), "CYX", {"channel": [0, 1, 2, 3]}, "one to three channels can be shown, got 4"),
        ((3, 9, 8), "TYX", {"channel": 0}, "an image with axes TYX has no channels to choose from"),
        ((2, 9, 8, 3), "CYXS", {}, "each of the 2 channels is in colour: choose one by channel"),
        ((9, 8), 5, {}, "axes is a text of the letters T, Z, Y, X and C, got 5"),
        ((9, 8), "YX", {"along": 5}, "along is a text of the letters T, Z, Y, X and C, got 5"),
    ],
)
def test_what_does_not_fit_is_said(shape: tuple[int, ...], axes: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Layout.resolve(shape, axes, **given)


@given(st.permutations("TZYX"), st.sampled_from("TZYX"))
def test_parts_do_not_depend_on_the_order_of_axes(order: list[str], along: str) -> None:
    """Frames, rows and columns are three different axes; the fourth is chosen from."""
    sizes = {"T": 2, "Z": 3, "Y": 4, "X": 5}
    rest = "T" if along in "YX" else ({"T", "Z"} - {along}).pop()
    layout = Layout.resolve([sizes[axis] for axis in order], "".join(order), along=along, at={rest: 1})
    plane = [axis for axis in "ZYX" if axis not in (along, rest)]
    assert (layout.along, layout.rows, layout.columns, layout.at) == (along, *plane, {rest: 1})
    assert layout.label_axes == "".join(order)
    assert not layout.is_collection


def test_separate_images_and_channels_that_may_be_frames() -> None:
    assert Layout.resolve((3, 9, 8), "NYX").is_collection
    channels = Layout.resolve((3, 9, 8), "CYX")
    assert (channels.colour_axis, channels.axes_with_channels_as_frames) == ("C", "TYX")
    both = Layout.resolve((2, 3, 9, 8), "TCYX")
    assert both.axes_with_channels_as_frames == "CTYX"
    colour = Layout.resolve((9, 8, 3), "YXS")
    assert (colour.colour_axis, colour.axes_with_channels_as_frames) == ("S", "")
    assert Layout.resolve((9, 8), "YX").colour_axis == ""
