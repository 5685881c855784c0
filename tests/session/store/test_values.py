"""Values of a session come back from their rows as they were."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors.logits import rounded
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.zoom import View
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import RECORD_KINDS, ObjectInfo
from napari_sam2.session.state.packed_labels import pack_plane
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.store import values
from napari_sam2.session.store.values import SavedPrompts, pack, pack_record, unpack, unpack_header, unpack_record
from packed_records import bits, record_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(FLOATS, st.sampled_from([math.inf, -math.inf]))
quickly = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def there_and_back(kind: str, value: Any) -> Any:
    about, data = pack(kind, value)
    assert isinstance(about, str)
    return unpack(kind, about, data, "row 1")


@quickly
@given(
    st.builds(
        ObjectInfo,
        TEXTS,
        st.none() | st.just("#ff8000"),
        st.booleans(),
        st.booleans(),
        st.integers(0, 10**6),
        st.none() | st.integers(0, 10**6),
        st.none() | st.integers(1, 65535),
    )
)
def test_infos(info: ObjectInfo) -> None:
    assert there_and_back("info", info) == info


@quickly
@given(st.builds(ModelIdentity, TEXTS, TEXTS, st.integers(1, 4096), st.none() | TEXTS, st.none() | TEXTS))
def test_models(model: ModelIdentity) -> None:
    assert there_and_back("model", model) == model


@st.composite
def prompts(draw: st.DrawFn) -> FramePrompts:
    points = draw(st.lists(st.tuples(FLOATS, FLOATS), max_size=4))
    labels = draw(st.lists(st.integers(0, 1), min_size=len(points), max_size=len(points)))
    box = draw(st.none() | st.tuples(FLOATS, FLOATS, FLOATS, FLOATS))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    bits = draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    mask = PackedMask.pack(np.array(bits).reshape(shape)) if draw(st.booleans()) else None
    return FramePrompts(tuple(points), tuple(labels), box, mask, draw(st.booleans()))


@quickly
@given(prompts())
def test_prompts(given_prompts: FramePrompts) -> None:
    assert there_and_back("prompts", given_prompts) == given_prompts


@quickly
@given(st.lists(st.binary(max_size=30), max_size=5))
def test_label_planes(planes: list[bytes]) -> None:
    assert there_and_back("planes", tuple(planes)) == tuple(planes)


def test_empty_label_planes() -> None:
    planes = (b"", pack_plane(np.eye(3, dtype=np.uint16)), b"")
    assert there_and_back("planes", planes) == planes


@st.composite
def records(draw: st.DrawFn) -> FrameRecord:
    seed = draw(st.integers(0, 1000))
    generator = torch.Generator().manual_seed(seed)

    def tensor(dtype: torch.dtype) -> torch.Tensor:
        shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
        values = torch.randn(shape, generator=generator).to(dtype)
        return values.T if values.ndim == 2 and draw(st.booleans()) else values  # not in one piece of memory

    dtypes = st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8])
    view = draw(st.none() | st.builds(View, *[st.integers(-50, 50)] * 2, *[st.integers(1, 99)] * 2))
    scores = draw(NUMBERS), draw(NUMBERS)
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    logits = torch.randn(shape, generator=generator).numpy().T  # not in one piece of memory
    record = record_of(logits, tensor(draw(dtypes)), *scores, tensor(draw(dtypes)), view, draw(st.integers(0, 999)))
    record = replace(record, origin=draw(st.sampled_from(MaskOrigin)))
    return record.showing(abs(logits)) if draw(st.booleans()) else record


@quickly
@given(records())
def test_records(record: FrameRecord) -> None:
    about, data = pack_record(record)
    header = unpack_header(about)
    again = unpack_record(header, data)
    empty = header.empty()
    for name in ("mask_logits", "remembered_logits"):
        array, other = getattr(record, name), getattr(again, name)
        assert (array.dtype, array.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(array, other)
    assert bits(again.pointer) == bits(record.pointer)
    assert (empty.mask_logits.shape, empty.pointer.shape) == (record.mask_logits.shape, record.pointer.shape)
    assert again.memory is None, "it is encoded again"
    for name in ("object_score", "predicted_iou", "view", "anchor_distance", "origin"):
        assert getattr(record, name) == getattr(again, name) == getattr(empty, name)


@pytest.mark.parametrize("side", [80, 300])
def test_few_pixels_that_are_remembered_otherwise_take_little_room(side: int) -> None:
    """As many as lie at the edge of an object; of a large mask, places are numbers of four bytes."""
    logits = rounded(np.random.default_rng(4).normal(size=(side, side)).astype(np.float32))
    shown = logits.copy()
    shown[-3, 20:70] = 0.25
    pointer = torch.zeros(3)
    record = record_of(torch.from_numpy(logits), pointer, 1.0, 0.5).showing(shown)
    about, data = pack_record(record)
    again = unpack_record(unpack_header(about), data)
    np.testing.assert_array_equal(again.remembered_logits, logits)
    np.testing.assert_array_equal(again.mask_logits, shown)
    _, shown_alone = pack_record(record_of(torch.from_numpy(shown), pointer, 1.0, 0.5))
    assert 0 < len(data) - len(shown_alone) < 600


@pytest.mark.parametrize("others", [b"\0" * 5, np.array([(4, 1.0)], [("place", "<u2"), ("logit", "<f4")]).tobytes()])
def test_pixels_that_are_remembered_otherwise_are_damaged(others: bytes) -> None:
    """Not whole, or outside of the mask."""
    with pytest.raises(ValueError, match=r"^a record is damaged$"):
        values._with_others(np.zeros((2, 2), np.float32), others)


def test_a_score_that_is_no_number() -> None:
    record = record_of(torch.zeros(2, 2), torch.zeros(3), math.nan, math.nan)
    about, data = pack_record(record)
    again = unpack_record(unpack_header(about), data)
    assert math.isnan(again.object_score)
    assert math.isnan(again.predicted_iou)


# --- what is damaged -----------------------------------------------------------------------------------------------

ABOUT, DATA = pack_record(record_of(torch.zeros(2, 2), torch.zeros(3), 1.0, 0.5, torch.zeros(1, 2, 2, dtype=torch.bfloat16)))


@pytest.mark.parametrize("kind", RECORD_KINDS)
def test_the_header_of_a_record_of_each_kind(kind: str) -> None:
    assert unpack(kind, ABOUT, None, "row 1").object_score == 1


@pytest.mark.parametrize(
    "change",
    [
        {"tensors": []},
        {"tensors": [["float32", [2]]]},
        {"tensors": [["float33", [2]], ["float32", [3]]]},
        {"tensors": [["nn", [2]], ["float32", [3]]]},
        {"tensors": 3},
        {"view": [1, 2]},
        {"object_score": "x"},
        {"anchor_distance": None},
        {"origin": "guessed"},
    ],
)
def test_a_header_that_is_damaged(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        unpack_header(json.dumps(json.loads(ABOUT) | change))


@pytest.mark.parametrize("data", [b"", b"\0", DATA[:-1], DATA + b"\0", b"\0" * 16 + DATA, DATA[8:]])
def test_a_record_that_is_damaged(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a record is damaged$"):
        unpack_record(unpack_header(ABOUT), data)


def test_a_record_of_another_shape() -> None:
    other = pack_record(record_of(torch.zeros(2, 3), torch.zeros(3), 1.0, 0.5, torch.zeros(1, 2, 2, dtype=torch.bfloat16)))[1]
    with pytest.raises(ValueError, match=r"^a record is damaged$"):
        unpack_record(unpack_header(ABOUT), other)


@pytest.mark.parametrize(
    ("kind", "about", "data", "message"),
    [
        ("guess", "{}", None, "row 7 is of an unknown kind, 'guess'"),
        ("info", "{}", None, "row 7 has no 'name'"),
        ("info", "[", None, "row 7 is not JSON"),
        ("model", '{"name": 3}', None, "row 7"),
        ("planes", "[3]", b"ab", "row 7 is damaged"),
        ("planes", "[1]", b"ab", "row 7 is damaged"),
        ("planes", "[]", b"a", "row 7 is damaged"),
        ("prompts", '{"points": [[1, 2]]}', None, "there are 1 points with 0 labels"),
        ("prompts", '{"mask": {"shape": [1]}}', None, "a mask is damaged"),
        ("prompts", '{"mask": {"shape": [2, 2], "box": [0, 0, 2, 2], "bits": "AAAA"}}', None, "a packed mask is damaged"),
    ],
)
def test_a_value_that_is_damaged(kind: str, about: str, data: bytes | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(kind, about, data, "row 7")


def test_prompts_as_json_holds_them() -> None:
    """Written by hand."""
    text = '{"points": [[1, 2.5]], "labels": [1], "box": [0, 0, 4, 4], "mask": null, "is_approved": false}'
    assert unpack("prompts", text, None, "row 1") == FramePrompts(((1.0, 2.5),), (1,), (0.0, 0.0, 4.0, 4.0))
    assert SavedPrompts.of(FramePrompts()) == SavedPrompts()
