"""Calls as JSON holds them: written down and read again they have the same arguments."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_sam2.session.state.calls import LoggedCall, decode, decode_mask, encode, encode_mask
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.stop_rules import StopRules


def written(value: Any) -> Any:
    """A value through JSON and back."""
    return decode(json.loads(json.dumps(encode(value))))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
kinds = st.sampled_from(["u1", "<u2", ">u2", "<i4", ">i8", "<f4", ">f8", "<f2", "?"])
large = arrays.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5)


@settings(derandomize=True, database=None)
@given(plain)
def test_plain_values_are_as_they_are(value: Any) -> None:
    assert written(value) == value


@settings(derandomize=True, database=None)
@given(st.data())
def test_arrays_keep_their_shape_and_numbers(data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(kinds))
    array = data.draw(arrays.arrays(dtype, large, elements=arrays.from_dtype(dtype, allow_nan=False)))
    found = np.asarray(written(data.draw(st.sampled_from([array, np.asfortranarray(array)]))))
    np.testing.assert_array_equal(found, array)
    # Of places (n, 2) and lists the type is not kept: they are short, and read as numbers.
    assert found.dtype == dtype or array.shape[1] == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(-3), -3),
        (np.bool_(True), True),
        (np.array(7), 7),
        (np.array([1.5, 2]), [1.5, 2.0]),
        (np.array([True, False]), [True, False]),
        (np.array([[1, 2], [3, 4]], np.uint8), [[1, 2], [3, 4]]),
        (torch.tensor([[1.0, 2.0]]), [[1.0, 2.0]]),
        ((1, (2, 3)), [1, [2, 3]]),
        (range(2, 5), [2, 3, 4]),
        ({4}, [4]),
        (frozenset([4]), [4]),
        (Path("a") / "b", str(Path("a") / "b")),
        ({"T": np.int64(3)}, {"T": 3}),
        ({1: (2,), "b": None}, {"1": [2], "b": None}),
    ],
)
def test_what_json_does_not_have(value: Any, expected: Any) -> None:
    assert encode(value) == expected
    assert written(value) == expected
    assert json.loads(json.dumps(encode(value))) == expected


@pytest.mark.parametrize("rules", [StopRules(), StopRules(3, (1.5, 20.0), True), StopRules(max_absent_frames=1)])
def test_stop_rules(rules: StopRules) -> None:
    assert written(rules) == rules
    assert written([rules]) == [rules]


def test_a_mask_is_packed() -> None:
    mask = np.zeros((300, 400), bool)
    mask[100:140, 50:90] = True
    call = encode(mask)
    assert (list(call), call["mask"]["shape"], call["mask"]["box"]) == (["mask"], [300, 400], [100, 50, 140, 90])
    assert len(json.dumps(call)) < 150
    found = written(mask)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, mask)
    assert decode_mask(json.loads(json.dumps(encode_mask(PackedMask.pack(mask))))) == PackedMask.pack(mask)


@pytest.mark.parametrize("value", [object(), 1j, b"bytes", print], ids=lambda value: type(value).__name__)
def test_what_no_action_takes(value: Any) -> None:
    for one in (value, [value], {"a": value}):
        with pytest.raises(TypeError, match=f"^an action takes numbers, texts, lists and arrays, got {type(value).__name__}$"):
            encode(one)


def damaged(kind: str, **changes: Any) -> dict[str, Any]:
    """An array or rules, of which something is damaged."""
    good = {"array": np.arange(12, dtype=np.uint16).reshape(3, 4), "stop_rules": StopRules(2, (1, 9))}[kind]
    content = encode(good)[kind] | changes
    return {kind: {name: value for name, value in content.items() if value is not None}}


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


DAMAGED = {
    "no data": damaged("array", data=None),
    "data that are no text": damaged("array", data=5),
    "data that are no base64": damaged("array", data="*"),
    "data that are not compressed": damaged("array", data="abcd"),
    "data that are cut off": damaged("array", data=base64.b64encode(zlib.compress(b"\0" * 24)[:-3]).decode()),
    "too few numbers": damaged("array", data=packed(b"\0" * 22)),
    "half a number": damaged("array", data=packed(b"\0" * 23)),
    "no such type": damaged("array", dtype="<u3"),
    "objects": damaged("array", dtype="|O"),
    "another shape": damaged("array", shape=[3, 5]),
    "a shape of texts": damaged("array", shape=["3", "4"]),
    "no shape": damaged("array", shape=None),
    "an array that is none": {"array": 3},
    "rules that are none": {"stop_rules": None},
    "rules without an area": {"stop_rules": {"max_absent_frames": 2}},
    "rules that cannot be": damaged("stop_rules", max_absent_frames=0),
    "one area": damaged("stop_rules", area_px=[3]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_arguments(name: str) -> None:
    (kind,) = DAMAGED[name]
    for value in (DAMAGED[name], [DAMAGED[name]]):
        with pytest.raises(ValueError, match=f"^an argument of an action is damaged: {kind}$") as caught:
            decode(value)
        assert caught.value.__cause__ is not None


def test_a_mapping_that_is_none_of_these_is_as_it_is() -> None:
    for value in ({"T": 3}, {}, {"mask": 1, "array": 2}, {"axes": [1]}):
        assert decode(value) == value


EYE = encode_mask(PackedMask.pack(np.eye(3, dtype=bool)))
DAMAGED_MASKS: dict[str, tuple[Any, str]] = {
    "none": (None, "a mask is damaged: it is a shape, a box and bits, see docs/session.md"),
    "a list": ([1], "a mask is damaged: it is a shape, a box and bits"),
    "nothing in it": ({}, "a mask is damaged: it is a shape, a box and bits"),
    "a box of three": (EYE | {"box": [0, 0, 3]}, "a mask is damaged: it is a shape, a box and bits"),
    "a box of texts": (EYE | {"box": ["a", 0, 3, 3]}, "a mask is damaged: it is a shape, a box and bits"),
    "bits that are no text": (EYE | {"bits": 1}, "a mask is damaged: it is a shape, a box and bits"),
    "bits that are no base64": (EYE | {"bits": "?"}, "a mask is damaged: it is a shape, a box and bits"),
    "bits that are not compressed": (EYE | {"bits": "abcd"}, "a packed mask is damaged"),
    "too few pixels": (EYE | {"bits": packed(b"\0")}, "a packed mask is damaged"),
    "a box outside": (EYE | {"box": [0, 1, 3, 4]}, "a packed mask is damaged"),
}


@pytest.mark.parametrize("name", DAMAGED_MASKS)
def test_damaged_masks(name: str) -> None:
    content, message = DAMAGED_MASKS[name]
    for call in (lambda: decode_mask(content), lambda: decode({"mask": content}), lambda: decode([{"mask": content}])):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
            call()
        assert caught.value.__cause__ is not None


class Methods:
    def add_points(self, object_id: int, frame: int, points: Any, labels: Any = None) -> None: ...

    def _add_labels(self, labels: Any, frame: int = 2) -> None: ...

    def segment_everything(self, /, frame: int, area_px: Any = None, **options: Any) -> None: ...


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "expected"),
    [
        ("add_points", (3, 4, [(1, 2)]), {}, ("add_points", {"object_id": 3, "frame": 4, "points": [[1, 2]]})),
        ("add_points", (3,), {"points": 5, "frame": 0}, ("add_points", {"object_id": 3, "frame": 0, "points": 5})),
        ("_add_labels", ([],), {"frame": 9}, ("add_labels", {"labels": [], "frame": 9})),
        ("segment_everything", (1,), {"crop_n_layers": 2, "self": 5}, None),
        ("segment_everything", (), {"frame": 1, "crop_n_layers": 2}, ("segment_everything", {"frame": 1, "crop_n_layers": 2})),
    ],
)
def test_a_call_by_the_names_of_its_arguments(method: str, args: Any, kwargs: Any, expected: Any) -> None:
    call = LoggedCall.of(getattr(Methods, method), (Methods(), *args), kwargs)
    if expected is None:
        expected = ("segment_everything", {"frame": 1, "crop_n_layers": 2, "self": 5})
    assert call == LoggedCall(*expected)
    assert list(call.arguments) == list(expected[1])
