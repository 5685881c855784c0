"""Arguments as people give them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.checks import (
    MAX_SHOWN,
    as_array,
    check_bounds,
    check_flag,
    check_path,
    check_pixels,
    check_places,
    check_sizes,
    check_text,
    check_whole,
    check_wholes,
    dtype_of,
    shown,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), lambda inner: st.lists(inner, max_size=20)
)


@given(anything)
def test_any_value_is_shown_in_one_short_line(value: Any) -> None:
    text = shown(value)
    assert len(text) <= MAX_SHOWN
    assert "\n" not in text
    whole = " ".join(repr(value).split())
    assert text == whole or (text.endswith("…") and whole.startswith(text[:-1]) and len(whole) > MAX_SHOWN)


def test_of_arrays_type_and_shape_are_shown() -> None:
    assert shown(np.zeros((2, 3))) == "ndarray of shape (2, 3)"
    assert shown(torch.zeros(4, 1)) == "Tensor of shape (4, 1)"
    assert shown(np.float64(2.5)) == "np.float64(2.5)"
    assert shown("a\n  b") == "'a\\n b'"


def test_arrays_of_any_kind() -> None:
    assert as_array([[1, 2], [3]]) is None
    array = as_array([[1, 2], [3, 4]])
    assert array is not None
    assert array.tolist() == [[1, 2], [3, 4]]
    assert as_array(torch.zeros(1, requires_grad=True)) is None
    assert dtype_of(np.zeros(1, ">u2")) == np.dtype(">u2")
    with pytest.raises(ValueError, match=r"^Tensor holds torch\.uint8, which is no type of NumPy: give a NumPy array$"):
        dtype_of(torch.zeros(1, dtype=torch.uint8))


@pytest.mark.parametrize("whole", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)])
def test_whole_numbers_of_any_kind(whole: Any) -> None:
    assert check_whole("n", whole) == 3
    assert check_wholes("n", [whole, -1]) == check_wholes("n", iter([whole, -1])) == [3, -1]


BAD: list[tuple[Callable[[str, Any], Any], Any, str]] = [
    *(
        (check_whole, value, "n is a whole number, got ")
        for value in (True, np.bool_(1), 1.0, "1", None, [1], torch.tensor([1, 2]))
    ),
    *(
        (check_wholes, value, "n are whole numbers in a list, as [1, 2], got ")
        for value in ("12", b"12", 1, [1, 2.5], [True], None)
    ),
    *((check_flag, value, "n is True or False, got ") for value in (1, 0, "yes", None, np.int64(1))),
    *((check_text, value, "n is a text, got ") for value in (b"a", 1, None, Path("a"))),
    *((check_path, value, "n is the path of a file, got ") for value in (b"a", 1, None, ["a"])),
    *(
        (check_bounds, value, "n are two numbers in order, at least 0, got ")
        for value in ((1, 1), (2, 1), (-1, 1), (1,), (1, 2, 3), ("0", "1"), 1, (float("nan"), 1), (0, float("nan")), None)
    ),
    *(
        (check_sizes, value, "n is a number above 0, got ")
        for value in (0, -1, float("inf"), float("nan"), "1", [1.0], None, True, [[1], [1, 2]])
    ),
    *((check_places, value, "n is a place by axis, as {'T': 3}, got ") for value in ("T", [("T", 3)], 3, None)),
]


@pytest.mark.parametrize(("check", "value", "said"), BAD, ids=[f"{check.__name__} {value!r}" for check, value, _ in BAD])
def test_what_cannot_be_is_one_sentence(check: Callable[[str, Any], Any], value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said + shown(value))}$"):
        check("n", value)


def test_what_can_be_is_returned() -> None:
    assert check_flag("n", np.bool_(0)) is False
    assert check_text("n", "") == ""
    assert check_path("n", "a/b") == check_path("n", Path("a/b")) == Path("a/b")
    assert check_bounds("n", (0, 1)) == check_bounds("n", np.array([0, 1], np.uint8)) == (0.0, 1.0)
    assert check_places("n", {"T": 3}) == {"T": 3}
    assert check_sizes("n", 2) == check_sizes("n", np.float32(2)) == [2.0]
    assert check_sizes("n", [1, 2], most=3) == [1.0, 2.0]


@pytest.mark.parametrize("value", [[], [1, 2, 3, 4], [1, 0], [[1]]])
def test_up_to_so_many_sizes(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n is a number above 0, or a list of up to 3, got"):
        check_sizes("n", value, most=3)


def test_pixels_are_real_numbers() -> None:
    for dtype in (np.uint8, np.int16, np.float16, np.bool_):
        check_pixels(np.zeros(2, dtype))
    for other in (np.complex64, np.dtype([("R", "u1"), ("G", "u1")]), "U3"):
        with pytest.raises(ValueError, match=r"^an image must hold integers, floats or booleans, got "):
            check_pixels(np.zeros(2, other))
