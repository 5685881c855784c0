"""Exact labels of a session whose tracker finds the bright blob under the click."""

from __future__ import annotations

import gc
import re
import tracemalloc
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from blob_tracker import BlobTracker, blob_session, squares, tiny_model
from napari_sam2.predictors import record_store
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session import session as session_module
from napari_sam2.session.inference import model_in_use
from napari_sam2.session.propagation.plan import Step
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import MAX_ACTIONS
from napari_sam2.session.store.rows import Rows
from tiny_models import tiny_predictor

T, SHAPE = 8, (32, 32)
TRUTH = squares(
    T,
    SHAPE,
    {
        1: [(4, 3 + t, 6) for t in range(T)],
        2: [(20 - t, 20, 5) for t in range(T)],
        3: [(25, 4, 4) if t >= 3 else None for t in range(T)],
    },
)
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)
FIRST = {1: 0, 2: 0, 3: 3}


def inside(object_id: int, frame: int, truth: Any = TRUTH) -> list[tuple[int, int]]:
    """A click on an object: its upper left pixel."""
    return [tuple(np.argwhere(truth[frame] == object_id)[0].tolist())]


def click(session: Session, object_id: int, frame: int, truth: Any = TRUTH) -> np.ndarray:
    if object_id not in session.objects:
        session.add_object(object_id=object_id)
    return session.add_points(object_id, frame, inside(object_id, frame, truth))


def followed(session: Session, first: dict[int, int] = FIRST) -> Session:
    for object_id, frame in first.items():
        click(session, object_id, frame)
    for _ in session.propagate():
        pass
    return session


def origins(session: Session, object_id: int) -> dict[int, int]:
    """Where every tracked record comes from, as the double tells it."""
    return {frame: int(record.pointer) for frame, record in session.objects[object_id].memory.tracked.items()}


# --- any stack -----------------------------------------------------------------------------------------------------

RANGES = {
    "bool": (0, 1),
    "|u1": (10, 200),
    "|i1": (-100, 100),
    "<u2": (1000, 3000),
    ">u2": (1000, 3000),
    "<i2": (-1000, 400),
    ">i2": (-1000, 400),
    "<u4": (0, 2**31),
    ">i4": (-5, 5),
    "<i8": (-(2**40), 2**40),
    ">u8": (2**62, 2**63),
    "<f2": (-0.5, 0.25),
    "<f4": (0.0, 1e-6),
    ">f4": (-1.0, 1.0),
    "<f8": (1e9, 2e9),
    ">f8": (0.0, 1.0),
}


@pytest.mark.parametrize("dtype", RANGES)
def test_any_integer_or_float(dtype: str) -> None:
    low, high = np.array(RANGES[dtype]).astype(dtype)
    np.testing.assert_array_equal(followed(blob_session(np.where(TRUTH > 0, high, low).astype(dtype))).labels, TRUTH)


def in_colour(image: np.ndarray, channels: int) -> np.ndarray:
    """Objects are blue; alpha is there to be overlooked."""
    coloured = np.full((*image.shape, channels), 10, image.dtype)
    coloured[..., 2] = image
    coloured[..., 3:] = 255
    return coloured


@pytest.mark.parametrize(
    ("image", "axes"),
    [
        (MOVIE, None),
        (MOVIE, "tyx"),
        (MOVIE, "ZYX"),
        (in_colour(MOVIE, 3), None),
        (in_colour(MOVIE, 4), "TYXC"),
        (in_colour(MOVIE.astype(">u2"), 3), "ZYXC"),
        (MOVIE[:, None], "TZYX"),
        (MOVIE[None, :], "TZYX"),
        (MOVIE.tolist(), None),
    ],
    ids=["TYX", "named", "ZYX", "RGB", "RGBA", "RGB 16 bit", "one plane per time", "one time", "list"],
)
def test_any_stack(image: Any, axes: str | None) -> None:
    if isinstance(image, list):
        image = np.array(image, np.uint8).tolist() if axes else np.array(image).astype(np.int16)
    session = followed(blob_session(image, axes))
    assert session.labels.dtype == np.uint16
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
@pytest.mark.parametrize("colour", [False, True])
def test_zarr(dtype: str, colour: bool, tmp_path: Path) -> None:
    image = MOVIE.astype(dtype)
    image = in_colour(image, 3) if colour else image
    zarr.create_array(tmp_path / "movie.zarr", data=image, chunks=(1, *image.shape[1:]))
    np.testing.assert_array_equal(followed(blob_session(tmp_path / "movie.zarr")).labels, TRUTH)


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_single_image(channels: int | None) -> None:
    session = blob_session(MOVIE[3] if channels is None else in_colour(MOVIE[3], channels))
    for object_id in (1, 2, 3):
        click(session, object_id, 0, TRUTH[3:])
    assert session.plan() == []
    assert list(session.propagate()) == []
    np.testing.assert_array_equal(session.labels, TRUTH[3])


def test_stack_of_one_frame_stays_a_stack() -> None:
    session = blob_session(MOVIE[:1])
    click(session, 1, 0)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH[:1] == 1, 1, 0))


def test_not_a_number_is_black_and_infinity_white() -> None:
    image = np.where(TRUTH > 0, 2.0, 1.0).astype(np.float32)
    image[:, 0, :] = np.nan
    image[:, 31, :] = -np.inf
    image[:, 6, :][TRUTH[:, 6, :] > 0] = np.inf
    session = followed(blob_session(image))
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize("value", [0, 77, np.nan, np.inf])
def test_constant_image_is_said(value: float, caplog: pytest.LogCaptureFixture) -> None:
    session = blob_session(np.full((3, *SHAPE), value, np.uint8 if value == 77 else np.float32))
    assert [record.message for record in caplog.records] == ["the image is constant: no object can be segmented in it"]
    session.add_points(session.add_object(), 0, [(5, 5)])
    assert (session.labels == (1 if value == np.inf else 0))[0].all()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_a_blank_frame_does_not_make_an_image_constant(dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    image = MOVIE.astype(dtype)
    image[0] = 0
    blob_session(image)
    assert caplog.records == []


class CountedReads:
    """A long stack that says which of its frames were read."""

    def __init__(self, num_frames: int, dtype: str) -> None:
        self.shape, self.dtype, self.ndim = (num_frames, *SHAPE), np.dtype(dtype), 3
        self.read: set[int] = set()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frame: int) -> np.ndarray:
        self.read.add(int(frame))
        return MOVIE[frame % T].astype(self.dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_first_click_reads_one_frame_beside_the_sample(dtype: str) -> None:
    frames = CountedReads(10_000, dtype)
    session = Session(frames, model=tiny_model())
    assert len(frames.read) <= 16
    before = set(frames.read)
    session.add_points(session.add_object(), 1237, [(5, 5)])
    assert frames.read - before == {1237}


def test_preview_is_what_the_model_sees() -> None:
    image = np.zeros((2, 64, 64), np.uint16)
    image[1, :32] = 1000
    image[1, 0, 0] = 500
    expected = np.zeros((64, 64), np.uint8)
    expected[:32] = 255
    expected[0, 0] = 128
    np.testing.assert_array_equal(blob_session(image).preview(1), np.repeat(expected[..., None], 3, axis=2))
    np.testing.assert_array_equal(blob_session(image).preview(0), np.zeros((64, 64, 3), np.uint8))
    halved = blob_session(image, intensity_range=(0, 2000)).preview(1)
    assert np.unique(halved[:32]).tolist() == [64, 128]


def test_preview_of_uint8_is_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    np.testing.assert_array_equal(blob_session(image, "TYXC").preview(0), image[0])


# --- prompts -------------------------------------------------------------------------------------------------------

FRAME = 5
TRAPEZE = np.triu(np.ones(SHAPE, bool), 12)
EVERYWHERE = (0, 0, *SHAPE)


def point(object_id: int) -> tuple[int, int]:
    return inside(object_id, FRAME)[0]


def mask_of(*object_ids: int) -> np.ndarray:
    return np.isin(TRUTH[FRAME], object_ids)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("points", [point(1)], None)], mask_of(1)),
        ([("points", [point(1), point(2)], None)], mask_of(1, 2)),
        ([("points", [point(1)], [1]), ("points", [point(3)], [True])], mask_of(1, 3)),
        ([("points", [point(1), point(2), point(2)], [1, 1, 0])], mask_of(1)),
        ([("points", [point(1), point(2)], None), ("points", [point(1)], [0])], mask_of(2)),
        ([("points", np.array([point(1)], np.float32), np.array([1.0]))], mask_of(1)),
        ([("points", [(0, 0)], None)], mask_of()),
        ([("box", (3, 7, 11, 15))], mask_of(1)),
        ([("box", EVERYWHERE)], mask_of(1, 2, 3)),
        ([("box", EVERYWHERE), ("points", [point(2)], [0])], mask_of(1, 3)),
        ([("box", (3, 7, 11, 15)), ("box", (24, 3, 30, 9))], mask_of(3)),
        ([("mask", TRAPEZE)], TRAPEZE),
        ([("mask", TRAPEZE.astype(np.uint8) * 7)], TRAPEZE),
        ([("mask", mask_of(1, 2)), ("points", [point(2)], [0])], mask_of(1)),
        ([("points", [point(1)], None), ("mask", TRAPEZE)], TRAPEZE),
        ([("mask", TRAPEZE), ("box", (3, 7, 11, 15))], mask_of(1)),
    ],
)
def test_prompts(said: list[tuple[Any, ...]], expected: np.ndarray) -> None:
    session = blob_session(MOVIE)
    object_id = session.add_object()
    for kind, *arguments in said:
        mask = getattr(session, f"add_{kind}")(object_id, FRAME, *arguments)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(session.mask(object_id, FRAME), expected)
    np.testing.assert_array_equal(session.labels[FRAME], np.where(expected, object_id, 0))
    assert not np.delete(session.labels, FRAME, axis=0).any()


@pytest.mark.parametrize("shape", [(24, 40), (57, 31), (128, 70)])
def test_clicks_hit_the_pixel_they_are_on(shape: tuple[int, int]) -> None:
    last_row, last_col = shape[0] - 1, shape[1] - 1
    pixels = {(0, 0), (0, last_col), (last_row, 0), (last_row, last_col), (7, 9), (8, 11), (13, 10)}
    image = np.zeros(shape, np.uint8)
    for row, col in pixels:
        image[row, col] = 255
    session = blob_session(image)
    object_id = session.add_object()
    for row, col in pixels:
        for d_row, d_col in ((0, 0), (-0.3, 0.3), (0.3, -0.3)):
            at = np.clip((row + d_row, col + d_col), -0.5, np.array(shape) - 0.51)
            mask = session.add_points(object_id, 0, [at])
            assert np.argwhere(mask).tolist() == [[row, col]]
            session.clear_prompts(object_id, 0)


@pytest.mark.parametrize("shape", [(24, 40), (57, 31)])
def test_box_edges_are_outer_edges(shape: tuple[int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    image[0, 0] = image[10, 20] = image[shape[0] - 1, shape[1] - 1] = 255
    session = blob_session(image)
    for box, found in (
        ((0, 0, 1, 1), [[0, 0]]),
        ((10, 20, 11, 21), [[10, 20]]),
        ((9, 19, 12, 22), [[10, 20]]),
        ((11, 20, 12, 21), []),
        ((10, 21, 11, 22), []),
        ((9, 19, 10, 22), []),
        ((9, 19, 12, 20), []),
        ((shape[0] - 1, shape[1] - 1, *shape), [[shape[0] - 1, shape[1] - 1]]),
    ):
        assert np.argwhere(session.add_box(session.add_object(), 0, box)).tolist() == found


BAD_PROMPTS = {
    "above": ("points", [(-0.6, 3)], None, "the point (row -0.6, column 3) is outside the image of 32 rows and 32 columns"),
    "right": ("points", [(3, 3), (3, 31.5)], None, "the point (row 3, column 31.5) is outside"),
    "not a number": ("points", [(float("nan"), 3)], None, "(row nan, column 3) is outside"),
    "infinity": ("points", [(3, float("inf"))], None, "(row 3, column inf) is outside"),
    "three numbers": ("points", [(3, 3, 3)], None, "points must be (row, column) pairs, got [(3, 3, 3)]"),
    "ragged": ("points", [(3, 3), (3,)], None, "points must be (row, column) pairs"),
    "one number": ("points", 3, None, "points must be (row, column) pairs, got 3"),
    "no point": ("points", [], None, "points must be (row, column) pairs, got []"),
    "words": ("points", [("3", "3")], None, "points must be (row, column) pairs"),
    "nothing": ("points", [(None, 3)], None, "points must be (row, column) pairs"),
    "mapping": ("points", {"row": 3}, None, "points must be (row, column) pairs"),
    "label 2": ("points", [(3, 3)], [2], "labels must be 1 (inside) or 0 (outside), one for each of the 1 points, got [2]"),
    "too many labels": ("points", [(3, 3)], [1, 1], "labels must be 1"),
    "label is a word": ("points", [(3, 3)], ["x"], "labels must be 1"),
    "only outside": ("points", [(3, 3)], [0], "frame 2 has only points outside object 1: add a point inside, a box or a mask"),
    "box of three": ("box", (1, 2, 3), "a box must be row0, col0, row1, col1, got (1, 2, 3)"),
    "box of nan": ("box", (1, 2, float("nan"), 5), "a box must be row0"),
    "box of words": ("box", "1234", "a box must be row0"),
    "no box": ("box", None, "a box must be row0"),
    "box upside down": ("box", (5, 5, 3, 8), "a box must have row0 < row1 and col0 < col1, got (5, 5, 3, 8)"),
    "flat box": ("box", (5, 5, 5, 8), "a box must have row0 < row1"),
    "box outside": ("box", (5, 5, 8, 32.5), "is not inside the image of 32 rows and 32 columns"),
    "box before": ("box", (-1, 5, 8, 12), "is not inside the image"),
    "mask of another shape": ("mask", np.ones((32, 31)), "a mask must have the shape of a frame, (32, 32), got (32, 31)"),
    "mask of words": ("mask", np.full(SHAPE, "a"), "a mask must hold booleans or numbers, got <U1"),
    "empty mask": ("mask", np.zeros(SHAPE), "the mask is empty: it has no pixel inside"),
}


@pytest.mark.parametrize("name", BAD_PROMPTS)
def test_bad_prompt_is_refused_and_changes_nothing(name: str) -> None:
    kind, *arguments, message = BAD_PROMPTS[name]
    session = followed(blob_session(MOVIE), {2: 0})
    session.add_object(object_id=1)
    before = session.labels.copy()
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(session, f"add_{kind}")(1, 2, *arguments)
    assert session.objects[1].anchors == []
    assert session.objects[1].prompts == {}
    assert session.plan() == []
    np.testing.assert_array_equal(session.labels, before)


@pytest.mark.parametrize("frame", [-1, T])
@pytest.mark.parametrize("kind", ["points", "box", "mask"])
def test_frame_that_does_not_exist(frame: int, kind: str) -> None:
    session = blob_session(MOVIE)
    said = {"points": [(3, 3)], "box": EVERYWHERE, "mask": TRAPEZE}[kind]
    with pytest.raises(ValueError, match=rf"^frame {frame} does not exist: the stack has 8, counted from 0$"):
        getattr(session, f"add_{kind}")(session.add_object(), frame, said)


def test_objects() -> None:
    session = blob_session(MOVIE)
    assert session.add_object() == 1
    assert session.add_object("mother", object_id=7) == 7
    assert session.add_object() == 8
    assert session.add_object(object_id=np.uint16(65535)) == 65535
    assert [item.name for item in session.objects.values()] == ["object 1", "mother", "object 8", "object 65535"]
    for object_id, message in (
        (7, "there is already an object 7"),
        (0, "an object id is a label value between 1 and 65535, got 0"),
        (-1, "between 1 and 65535, got -1"),
        (65536, "between 1 and 65535, got 65536"),
        (1.5, "object_id is a whole number, got 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            session.add_object(object_id=object_id)
    for unknown in (
        lambda: session.add_points(2, 0, [(1, 1)]),
        lambda: session.remove_object(2),
        lambda: session.mask(2, 0),
        lambda: session.plan(objects=[2]),
    ):
        with pytest.raises(ValueError, match=r"^there is no object 2; objects are \[1, 7, 8, 65535\]$"):
            unknown()


def test_largest_object_id_is_a_label() -> None:
    session = blob_session(MOVIE)
    session.add_points(session.add_object(object_id=65535), 0, inside(1, 0))
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 65535, 0))


# --- overlaps ------------------------------------------------------------------------------------------------------

LEFT, RIGHT = np.zeros((2, *SHAPE), bool)
LEFT[:, :20] = True
RIGHT[:, 10:] = True


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_overlaps_are_decided_by_logits_not_by_order(order: tuple[int, int]) -> None:
    session = blob_session(MOVIE)
    for object_id in order:
        session.add_object(object_id=object_id)
        if object_id == 1:
            session.add_mask(1, FRAME, LEFT | RIGHT)
        else:
            session.add_points(2, FRAME, inside(2, FRAME))
    # the double is surer of a mask than of a click
    assert np.unique(session.labels[FRAME]).tolist() == [1]
    np.testing.assert_array_equal(session.mask(2, FRAME), TRUTH[FRAME] == 2)
    session.remove_object(1)
    np.testing.assert_array_equal(session.labels[FRAME], np.where(TRUTH[FRAME] == 2, 2, 0))


def test_the_surest_of_many_objects_wins() -> None:
    """More objects than are enlarged at a time."""
    session = blob_session(MOVIE)
    for object_id in range(1, 41):
        session.add_object(object_id=object_id)
        if object_id == 7:
            session.add_mask(object_id, FRAME, LEFT)
        else:
            session.add_points(object_id, FRAME, [inside(1 + object_id % 2, FRAME)[0]])
    np.testing.assert_array_equal(session.labels[FRAME], np.where(LEFT, 7, np.where(TRUTH[FRAME] == 2, 1, 0)))


def test_of_equal_logits_the_lower_id_wins_whichever_came_first() -> None:
    session = blob_session(MOVIE)
    for object_id, mask in ((5, RIGHT), (2, LEFT)):
        session.add_mask(session.add_object(object_id=object_id), 0, mask)
    np.testing.assert_array_equal(session.labels[0], np.where(LEFT, 2, 5))


# --- propagation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "first", "last"), [("forward", 4, T), ("backward", 0, 5), ("both", 0, T)], ids=["forward", "backward", "both"]
)
def test_directions(direction: Any, first: int, last: int) -> None:
    session = blob_session(MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 4)
    done = [result.frame for result in session.propagate(direction)]
    assert sorted(done) == [t for t in range(first, last) if t != 4]
    expected = np.where(np.isin(TRUTH, (1, 2)), TRUTH, 0)
    expected[:first] = expected[last:] = 0
    np.testing.assert_array_equal(session.labels, expected)


def test_objects_start_on_their_own_frames() -> None:
    session = blob_session(MOVIE)
    for object_id, frame in {1: 0, 2: 6, 3: 3}.items():
        click(session, object_id, frame)
    assert session.plan() == [
        *(Step(frame, objects, False) for frame, objects in [(1, (1,)), (2, (1,)), (3, (1,)), (4, (1, 3)), (5, (1, 3))]),
        *(Step(frame, objects, False) for frame, objects in [(6, (1, 3)), (7, (1, 2, 3))]),
        *(
            Step(frame, objects, True)
            for frame, objects in [(5, (2,)), (4, (2,)), (3, (2,)), (2, (2, 3)), (1, (2, 3)), (0, (2, 3))]
        ),
    ]
    results = list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)
    assert [(result.frame, tuple(result.scores)) for result in results][:4] == [(1, (1,)), (2, (1,)), (3, (1,)), (4, (1, 3))]
    # an object that is not there yet is known to be absent
    assert {frame: score.object_score for frame, score in session.scores(3).items()} == {
        t: 10.0 if t >= 3 else -10.0 for t in range(T)
    }


def test_nothing_to_propagate() -> None:
    session = blob_session(MOVIE)
    session.add_object()
    with pytest.raises(ValueError, match=r"^there is nothing to propagate: add points, a box or a mask first$"):
        next(session.propagate())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "sideways"}, "direction must be 'forward', 'backward' or 'both', got 'sideways'"),
        ({"frames": [0, 8]}, "frame 8 does not exist: the stack has 8, counted from 0"),
        ({"frames": [-1]}, "frame -1 does not exist"),
        ({"objects": [4]}, "there is no object 4"),
    ],
)
def test_propagation_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    session = blob_session(MOVIE)
    click(session, 1, 0)
    for run in (session.plan, lambda **kwargs: next(session.propagate(**kwargs))):
        with pytest.raises(ValueError, match=message):
            run(**arguments)


@pytest.mark.parametrize("stop_after", [0, 1, 4, 7, 9, 12])
def test_stop_and_continue_equals_one_go(stop_after: int) -> None:
    first = {1: 0, 2: 6, 3: 3}
    whole, halved = followed(blob_session(MOVIE), first), blob_session(MOVIE)
    for object_id, frame in first.items():
        click(halved, object_id, frame)
    plan, running = halved.plan(), halved.propagate()
    done = [next(running).frame for _ in range(stop_after)]
    running.close()
    shown = halved.labels.copy()
    assert halved.plan() == plan[stop_after:]
    left = [result.frame for result in halved.propagate()]
    assert [step.frame for step in plan] == done + left
    untouched = [t for t in done if t not in left]
    np.testing.assert_array_equal(halved.labels[untouched], shown[untouched])
    np.testing.assert_array_equal(halved.labels, whole.labels)
    assert [origins(halved, i) for i in first] == [origins(whole, i) for i in first]


def test_range_first_then_the_rest_equals_one_go() -> None:
    whole, parts = followed(blob_session(MOVIE)), blob_session(MOVIE)
    for object_id, frame in FIRST.items():
        click(parts, object_id, frame)
    assert {result.frame for result in parts.propagate(frames=np.array([4, 2, 3, 1, 1]))} == {1, 2, 3, 4}
    assert not parts.labels[5:].any()
    np.testing.assert_array_equal(parts.labels[1:5], TRUTH[1:5])
    list(parts.propagate())
    np.testing.assert_array_equal(parts.labels, TRUTH)
    assert [origins(parts, i) for i in FIRST] == [origins(whole, i) for i in FIRST]


def test_only_chosen_objects() -> None:
    whole, parts = followed(blob_session(MOVIE)), blob_session(MOVIE)
    for object_id, frame in FIRST.items():
        click(parts, object_id, frame)
    results = list(parts.propagate(objects=iter([3, 1, 1])))
    assert {tuple(result.scores) for result in results} == {(1,), (3,), (3, 1)}
    expected = np.where(TRUTH == 2, 0, TRUTH)
    expected[0] = TRUTH[0]
    np.testing.assert_array_equal(parts.labels, expected)
    assert [step.object_ids for step in parts.plan()] == [(2,)] * 7
    list(parts.propagate())
    np.testing.assert_array_equal(parts.labels, TRUTH)
    assert [origins(parts, i) for i in FIRST] == [origins(whole, i) for i in FIRST]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_inference_mode_does_not_leak(precision: str) -> None:
    session = Session(MOVIE[:4], model=tiny_model(), precision=precision)

    def assert_as_before() -> None:
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")

    session.add_points(session.add_object(), 1, [(5, 5)])
    assert_as_before()
    for _ in session.propagate():
        assert_as_before()
    running = session.propagate()
    running.close()
    assert_as_before()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_the_tracker_is_given(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is segmented by what is remembered from other anchors, where there are any; all in the precision asked for."""
    given: list[tuple[str, int, Any, bool]] = []

    class Watched(BlobTracker):
        def segment(
            self, frame: int, prompts: Any, memories: Any = None, reverse: bool = False, views: Any = None
        ) -> list[FrameRecord]:
            remembered = None if memories is None else [sorted(memory.conditioning) for memory in memories]
            given.append(("segment", frame, remembered, torch.is_autocast_enabled("cpu")))
            return super().segment(frame, prompts, memories, reverse, views)

        def track(self, frame: int, memories: Any, reverse: bool = False) -> list[FrameRecord]:
            given.append(("track", frame, reverse, torch.is_autocast_enabled("cpu")))
            return super().track(frame, memories, reverse)

    monkeypatch.setattr(model_in_use, "Tracker", Watched)
    session = Session(MOVIE[:4], model=tiny_model(), precision=precision)
    for frame in (1, 1, 3, 1):
        click(session, 1, frame)
    list(session.propagate())
    is_half = precision == "bfloat16"
    assert given == [
        ("segment", 1, None, is_half),
        ("segment", 1, None, is_half),
        ("segment", 3, [[1]], is_half),
        ("segment", 1, [[1, 3]], is_half),
        ("track", 2, False, is_half),
        ("track", 0, True, is_half),
    ]


def test_unknown_precision() -> None:
    with pytest.raises(ValueError, match=r"precision must be one of \('float32', 'bfloat16'\), got 'float8'"):
        Session(MOVIE, model=tiny_model(), precision="float8")


# --- corrections ---------------------------------------------------------------------------------------------------

# Object 1 jumps at frame 4, and something else comes to lie where it was: the double follows that.
JUMP = squares(
    10,
    SHAPE,
    {
        1: [(5, 5, 5) if t < 4 else (5, 20, 5) for t in range(10)],
        2: [(20, 5 + t, 5) for t in range(10)],
        9: [None if t < 4 else (5, 5, 5) for t in range(10)],
    },
)
JUMP_MOVIE = np.where(JUMP > 0, 255, 0).astype(np.uint8)


def astray(right_from: int, right_until: int = 10) -> np.ndarray:
    """Labels where object 1 was put right on some frames."""
    labels = np.where(JUMP == 2, 2, 0)
    right = (np.arange(10) < 4) | ((np.arange(10) >= right_from) & (np.arange(10) < right_until))
    labels[(JUMP == 1) & right[:, None, None]] = 1
    labels[(JUMP == 9) & ~right[:, None, None]] = 1
    return labels.astype(np.uint16)


def gone_astray() -> Session:
    session = blob_session(JUMP_MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 0, JUMP)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, astray(10))
    return session


def put_right(session: Session, frame: int) -> None:
    session.add_points(1, frame, [*inside(1, frame, JUMP), *inside(9, frame, JUMP)], [1, 0])


def test_a_correction_runs_again_between_neighbouring_anchors() -> None:
    session = gone_astray()
    others, other_records = origins(session, 2), dict(session.objects[2].memory.tracked)
    put_right(session, 6)
    # at once on its frame, elsewhere when it is tracked again
    expected = astray(10)
    expected[6] = astray(6)[6]
    np.testing.assert_array_equal(session.labels, expected)
    # each frame from the nearer anchor, of two as near from the earlier one
    steps = [*(Step(frame, (1,), False) for frame in (1, 2, 3, 7, 8, 9)), *(Step(frame, (1,), True) for frame in (5, 4))]
    assert session.plan() == steps
    assert [(result.frame, tuple(result.scores)) for result in session.propagate()] == [(step.frame, (1,)) for step in steps]
    np.testing.assert_array_equal(session.labels, astray(4))

    after_first = origins(session, 1)
    session.approve(1, 9)
    assert session.plan() == [Step(7, (1,), False), Step(8, (1,), True)]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, astray(4))
    assert session.objects[1].anchors == [0, 6, 9]
    assert {t: origins(session, 1)[t] for t in range(1, 6)} == {t: after_first[t] for t in range(1, 6)}
    assert origins(session, 2) == others
    assert all(session.objects[2].memory.tracked[t] is record for t, record in other_records.items())
    assert session.plan() == []


def said_absent(absent_on: int) -> Session:
    """A session in which object 1 is shown on frames 0 and 9, and somebody said that on one between it is not."""
    session = blob_session(JUMP_MOVIE)
    click(session, 1, 0, JUMP)
    put_right(session, 9)
    list(session.propagate())
    session.add_points(1, absent_on, [np.argwhere(session.mask(1, absent_on)).mean(0)], [0])
    assert not session.objects[1].memory.conditioning[absent_on].is_present
    return session


@pytest.mark.parametrize("absent_on", [3, 6])
def test_next_to_a_frame_where_it_is_absent_an_object_is_followed_from_where_it_is_seen(absent_on: int) -> None:
    session = said_absent(absent_on)
    ahead = [Step(frame, (1,), False) for frame in range(1, absent_on)]
    behind = [Step(frame, (1,), True) for frame in range(8, absent_on, -1)]
    assert all(session.plan(direction) == [*ahead, *behind] for direction in ("both", "forward", "backward"))
    list(session.propagate())
    shown = session.labels == 1
    assert not shown[absent_on].any()
    # as if nobody had ever spoken of that frame, from the side on which the object is seen
    for frames, start in ((range(absent_on), 0), (range(absent_on + 1, 10), 9)):
        alone = blob_session(JUMP_MOVIE)
        alone.add_object()
        (click(alone, 1, 0, JUMP) if start == 0 else put_right(alone, 9))
        list(alone.propagate())
        np.testing.assert_array_equal(shown[list(frames)], alone.labels[list(frames)] == 1)


def test_of_two_neighbours_the_one_that_shows_the_object_is_recalled_and_trusted() -> None:
    session = said_absent(6)
    list(session.propagate())
    tracked = session.objects[1].memory.tracked
    assert [tracked[frame].anchor_distance for frame in (4, 5, 7, 8)] == [4, 5, 2, 1]


def test_prompted_frames_never_change() -> None:
    session = gone_astray()
    square = np.zeros(SHAPE, bool)
    square[12:16, 12:16] = True
    session.add_mask(1, 7, square)
    list(session.propagate())
    for frame in (5, 8, 4):
        put_right(session, frame)
        list(session.propagate())
        np.testing.assert_array_equal(session.mask(1, 7), square)
        np.testing.assert_array_equal(session.labels[7], np.where(square, 1, np.where(JUMP[7] == 2, 2, 0)))


def test_a_click_outside_takes_away_from_what_is_shown() -> None:
    session = gone_astray()
    assert not session.add_points(1, 6, inside(9, 6, JUMP), [0]).any()
    assert session.objects[1].anchors == [0, 6]
    list(session.propagate(direction="forward"))
    # from the anchor on which there is nothing, nothing is carried on
    expected = astray(10)
    expected[6:][expected[6:] == 1] = 0
    np.testing.assert_array_equal(session.labels, expected)


def test_a_correction_while_propagating_counts_at_once() -> None:
    session = blob_session(JUMP_MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 0, JUMP)
    done = []
    for result in session.propagate():
        done.append((result.frame, tuple(result.scores)))
        if len(done) == 7:
            put_right(session, 6)
    assert done == [
        *((frame, (1, 2)) for frame in range(1, 8)),
        *((frame, (1,)) for frame in (1, 2, 3, 7)),
        *((frame, (1, 2)) for frame in (8, 9)),
        *((frame, (1,)) for frame in (5, 4)),
    ]
    np.testing.assert_array_equal(session.labels, astray(4))


def test_an_object_removed_while_propagating() -> None:
    session = blob_session(MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 0)
    running = session.propagate(objects=[1, 2])
    next(running)
    session.remove_object(1)
    assert [(result.frame, tuple(result.scores)) for result in running] == [(frame, (2,)) for frame in range(2, T)]
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 2, 0))


def test_clear_the_only_prompt() -> None:
    session = followed(blob_session(MOVIE), {1: 2, 2: 0})
    session.clear_prompts(1, 2)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 2, 0))
    assert session.scores(1) == {}
    assert session.plan() == []
    with pytest.raises(ValueError, match=r"^object 1 has no prompts on frame 2$"):
        session.clear_prompts(1, 2)


def test_clear_one_of_several_prompts() -> None:
    session = gone_astray()
    put_right(session, 6)
    put_right(session, 8)
    list(session.propagate())
    session.clear_prompts(1, 6)
    # shown until it is tracked again, then as if it had never been said
    np.testing.assert_array_equal(session.labels, astray(4))
    ahead, behind = (
        [Step(frame, (1,), reverse) for frame in frames] for frames, reverse in (((1, 2, 3, 4), False), ((7, 6, 5), True))
    )
    assert session.plan() == [*ahead, *behind]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, astray(5))


def test_a_direction_says_what_is_done_of_the_open_ends() -> None:
    session = blob_session(JUMP_MOVIE)
    session.add_object()
    put_right(session, 4)
    put_right(session, 8)
    from_4, from_8 = [Step(5, (1,), False), Step(6, (1,), False)], [Step(7, (1,), True)]
    last, first = [Step(9, (1,), False)], [Step(frame, (1,), True) for frame in (3, 2, 1, 0)]
    assert session.plan("forward") == [*from_4, *last, *from_8]
    assert session.plan("backward") == [*from_4, *from_8, *first]
    assert session.plan() == [*from_4, *last, *from_8, *first]


def test_clear_the_first_of_two_prompts_turns_the_direction() -> None:
    session = blob_session(JUMP_MOVIE)
    click(session, 1, 0, JUMP)
    put_right(session, 6)
    list(session.propagate())
    session.clear_prompts(1, 0)
    assert session.plan() == [Step(frame, (1,), True) for frame in (5, 4, 3, 2, 1, 0)]
    list(session.propagate())
    fresh = blob_session(JUMP_MOVIE)
    fresh.add_object()
    put_right(fresh, 6)
    list(fresh.propagate())
    np.testing.assert_array_equal(session.labels, fresh.labels)


def test_removing_an_object_frees_its_records() -> None:
    session = followed(blob_session(MOVIE))
    records = weakref.ref(session.objects[1].tracked.stored(3))
    session.remove_object(1)
    gc.collect()
    assert records() is not None, "they can be taken back"
    session.undo()
    session.add_object()
    session.remove_object(1)
    for _ in range(MAX_ACTIONS):
        session.add_object()
    gc.collect()
    assert records() is None
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 0, TRUTH))
    assert 1 not in session.objects


# --- where labels go -----------------------------------------------------------------------------------------------


def test_labels_into_a_memory_map(tmp_path: Path) -> None:
    path = tmp_path / "labels.npy"
    labels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=TRUTH.shape)
    assert followed(blob_session(MOVIE, labels=labels)).labels is labels
    labels.flush()
    np.testing.assert_array_equal(np.load(path), TRUTH)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_into_zarr(tmp_path: Path, zarr_format: Any) -> None:
    labels = zarr.create_array(
        tmp_path / "labels.zarr", shape=TRUTH.shape, chunks=(3, 20, 32), dtype="uint16", zarr_format=zarr_format
    )
    followed(blob_session(MOVIE, labels=labels))
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "labels.zarr", mode="r")[:], TRUTH)


def test_labels_of_a_single_image_into_zarr(tmp_path: Path) -> None:
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=SHAPE, dtype="uint16")
    click(blob_session(MOVIE[0], labels=labels), 2, 0)
    np.testing.assert_array_equal(labels[:], np.where(TRUTH[0] == 2, 2, 0))


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (np.zeros(TRUTH.shape, np.int32), r"int32 of shape \(8, 32, 32\)"),
        (np.zeros(SHAPE, np.uint16), r"uint16 of shape \(32, 32\)"),
    ],
)
def test_labels_that_do_not_fit(labels: np.ndarray, got: str) -> None:
    with pytest.raises(ValueError, match=rf"^labels must be uint16 of shape \(8, 32, 32\), got {got}$"):
        blob_session(MOVIE, labels=labels)


def test_labels_that_are_no_array() -> None:
    with pytest.raises(ValueError, match=r"^labels must be an array, uint16 of shape \(8, 32, 32\), got str$"):
        blob_session(MOVIE, labels="labels.zarr")


# --- records on disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("double", [True, False], ids=["double", "network"])
def test_records_on_disk_change_nothing(double: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the last used record are on disk; a correction recalls, moves and replaces them."""

    def run(budget_bytes: int) -> Session:
        monkeypatch.setattr(session_module, "RecordBudget", partial(RecordBudget, budget_bytes))
        monkeypatch.setattr(record_store, "MOST_BYTES", budget_bytes)
        if double:
            monkeypatch.setattr(model_in_use, "Tracker", BlobTracker)
        session = Session(JUMP_MOVIE, model=tiny_model())
        for object_id in (1, 2):
            click(session, object_id, 0, JUMP)
        list(session.propagate())
        put_right(session, 6)
        running = session.propagate()
        for _ in range(3):
            next(running)
        session.remove_object(2)
        list(session.propagate())
        return session

    roomy, tight = run(16 * 2**20), run(0)
    np.testing.assert_array_equal(tight.labels, roomy.labels)
    assert tight.scores(1) == roomy.scores(1)
    for frame, record in roomy.objects[1].memory.tracked.items():
        other = tight.objects[1].memory.tracked[frame]
        assert torch.equal(other.mask_logits, record.mask_logits)
        assert torch.equal(other.pointer, record.pointer)
        assert torch.equal(other.memory, record.memory)


def discs(num_frames: int, num_discs: int) -> Session:
    """Follow discs through a session that keeps no record in memory that it does not need."""
    truth = np.zeros((16, 8 * num_discs), np.uint8)
    for value in range(num_discs):
        truth[4:12, 8 * value + 1 : 8 * value + 7] = 255
    session = blob_session(np.broadcast_to(truth, (num_frames, *truth.shape)))
    session._budget.budget_bytes = 0
    for value in range(num_discs):
        session.add_points(session.add_object(), 0, [(8, 8 * value + 4)])
    return session


def test_no_frame_reads_from_disk_however_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    session = discs(40, 16)
    running = session.propagate()
    next(running)
    reads: list[int] = []
    monkeypatch.setattr(Rows, "read_record", lambda rows, number, header: reads.append(number))
    assert len(list(running)) == 38
    assert reads == []
    assert not session.objects[1].tracked.stored(1).is_in_memory


def test_memory_of_a_long_stack_is_flat() -> None:
    """All that a frame of an object leaves in memory, its record's place on disk and the undo of it included."""
    session = discs(600, 1)
    held = {}
    tracemalloc.start()
    try:
        for done in session.propagate():
            if done.frame in (200, 599):
                gc.collect()
                held[done.frame] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (held[599] - held[200]) / 399 < 1000


def test_points_can_be_put_in_the_place_of_others() -> None:
    """What is shown is what a session shows that never heard of the others."""
    model = tiny_predictor(seed=3)
    image = np.random.default_rng(0).integers(0, 255, (5, 32, 32), np.uint8)

    def session_with(*said: list[tuple[int, int]]) -> Session:
        session = Session(image, model=model)
        cell = session.add_object()
        session.add_points(cell, 2, [(16, 16)])
        list(session.propagate())
        for number, points in enumerate(said):
            labels = [0] * len(points)
            (session.set_points if number else session.add_points)(cell, 4, points, labels)
        return session

    fresh, changed = session_with([(5, 5)]), session_with([(20, 20), (3, 9)], [(5, 5)])
    np.testing.assert_array_equal(fresh.mask(1, 4), changed.mask(1, 4))
    assert changed.objects[1].prompts[4].points_rc == ((5.0, 5.0),)
    assert not np.array_equal(session_with([(20, 20), (3, 9)]).mask(1, 4), fresh.mask(1, 4))
    # Everything that was carried through the stack is still shown.
    assert changed.objects[1].shown_frames() == set(range(5))


def test_points_refine_a_mask_after_others_were_taken_back() -> None:
    session = Session(np.zeros((1, 32, 32), np.uint8), model=tiny_predictor(seed=3))
    cell = session.add_object()
    disc = np.hypot(*np.mgrid[-16:16, -16:16]) < 8
    session.add_mask(cell, 0, disc)
    session.add_points(cell, 0, [(3, 3)])
    once = session.mask(cell, 0)
    session.add_points(cell, 0, [(28, 28)])
    np.testing.assert_array_equal(session.set_points(cell, 0, [(3, 3)]), once)
