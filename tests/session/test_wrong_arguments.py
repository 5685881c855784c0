"""Every method of a session with what it does not take: one sentence that names the argument and what it got; nothing changes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.predictors import tracker
from napari_sam2.session.session import Session
from napari_sam2.session.state.stop_rules import StopRules
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each

T = 4
TRUTH = squares(T, (32, 32), {1: [(4, 3 + t, 6) for t in range(T)], 2: [(20 - t, 20, 5) for t in range(T)]})
VOLUMES = np.stack([np.where(TRUTH > 0, 200, 10).astype(np.uint8)] * 2)

NEVER: list[Any] = [b"1", 1.5, float("nan"), np.float64(1), {"a": 1}, [[1, 2], [3]], [["a", "b"]], object(), lambda: 1, Session]
NEVER += [np.array(1.5), np.array("a"), np.array([]), np.zeros((2, 3)), np.ones((9, 9), object), np.datetime64("2020-01-01")]
NEVER += [torch.tensor([[0.5, 0.5, 0.5]]), [[np.nan, 1]], [[1 + 2j, 1]], [(1, 2, 3)]]
"""Nothing takes these."""
NO_NUMBER: list[Any] = [*NEVER, None, "1", "", True, [], [1], (1, 2), {1, 2}, np.array([1]), np.array([[1]]), torch.tensor([1, 2])]
NO_ID = [*NO_NUMBER, 0, -1, 99, 10**30]
NO_FRAME = [*NO_NUMBER, -1, T, 10**30]
NO_LIST = [value for value in NEVER if not (isinstance(value, np.ndarray) and value.size == 0)]
NO_LIST += [5, True, "", "1", [True], [1.0], [None], ["1"], [99], [-1], np.array(1), np.array([[1]])]
NO_TEXT: list[Any] = [*NEVER, 1, True, [], ["T"], ("T",), "", "Q", "TT"]
NO_FLAG: list[Any] = [*NEVER, None, 0, 1, "True", [], [True]]
NO_POINTS: list[Any] = [*NEVER, None, 1, True, "1", [], [1], [1, 2], [[1]], [[-1, 2]], [[2, 99]], [[np.inf, 1]]]
NO_PAIR: list[Any] = [*NEVER, 5, True, "12", [], [1], (1, 2, 3), (2, 1), (1, 1), (-1, 4), (1, np.nan), (None, 4), ("1", "2")]

NO_SIZES: list[Any] = [b"1", "1", True, [], 0, -1, np.nan, np.inf, {"a": 1}, object(), Session, np.zeros((2, 3)), np.array("a")]
NO_SIZES += [[[1, 2], [3]], [1, 0], ["1"], [True], [None], [1, 2, 3, 4], np.datetime64("2020-01-01"), torch.ones(2, 2)]

WRONG: dict[str, dict[str, list[Any]]] = {
    "add_object": {
        "object_id": [*[one for one in NO_NUMBER if one is not None], 0, -1, 10**30, 1],
        "name": [*NEVER, 1, True, "", " ", []],
    },
    "rename_object": {"object_id": NO_ID, "name": [*NEVER, None, 1, "", " ", []]},
    "set_colour": {"object_id": NO_ID, "colour": [*NEVER, 1, "", "red", "#12345", []]},
    "lock_object": {"object_id": NO_ID, "is_locked": NO_FLAG},
    "hide_object": {"object_id": NO_ID, "is_hidden": NO_FLAG},
    "remove_object": {"object_id": NO_ID},
    "approve": {"object_id": NO_ID, "frame": NO_FRAME},
    "approve_range": {"object_id": NO_ID, "first_frame": [*NO_FRAME, 3], "last_frame": [*NO_FRAME, 0]},
    "draw_frames": {"frames": [*NO_LIST, None]},
    "begin_object": {"object_id": NO_ID, "frame": [*NO_FRAME, 0]},
    "end_object": {"object_id": NO_ID, "frame": [*NO_FRAME, 0]},
    "merge_objects": {"object_id": NO_ID, "other_id": [*NO_ID, 1]},
    "split_object": {"object_id": NO_ID, "frame": NO_FRAME, "name": [*NEVER, 1, "", []]},
    "divide_object": {"object_id": NO_ID, "frame": NO_FRAME, "children": [*NO_NUMBER, 0, -1]},
    "add_points": {"object_id": NO_ID, "frame": NO_FRAME, "points": NO_POINTS, "labels": [*NEVER, 1, "1", [], [2], [1, 1], [None]]},
    "set_points": {"object_id": NO_ID, "frame": NO_FRAME, "points": NO_POINTS, "labels": [*NEVER, 1, "1", [], [2], [1, 1], [None]]},
    "change_point": {
        "object_id": NO_ID,
        "frame": NO_FRAME,
        "index": [*NO_NUMBER, 1, -1],
        "point": [*NEVER, 1, "1", [], [1], [1, 99]],
    },
    "remove_point": {"object_id": NO_ID, "frame": NO_FRAME, "index": [*NO_NUMBER, 1, -1]},
    "add_scribble": {"object_id": NO_ID, "frame": NO_FRAME, "stroke": NO_POINTS, "label": [None, "1", 2, 1.5, [], {}]},
    "add_box": {"object_id": NO_ID, "frame": NO_FRAME, "box": [*NEVER, None, 1, "1", [], (1, 2, 3), (4, 4, 2, 8), (0, 0, 9, 99)]},
    "add_mask": {"object_id": NO_ID, "frame": NO_FRAME, "mask": [*NEVER, None, 1, "1", [], np.zeros((32, 32)), TRUTH]},
    "add_polygon": {"object_id": NO_ID, "frame": NO_FRAME, "vertices": [*NO_POINTS, [[1, 1], [2, 2]]]},
    "remove_box": {"object_id": NO_ID, "frame": NO_FRAME},
    "remove_mask": {"object_id": NO_ID, "frame": NO_FRAME},
    "add_labels": {"labels": [*NEVER, None, 1, "1", []], "frame": NO_FRAME, "ids": [*NO_LIST, []]},
    "segment_everything": {"frame": NO_FRAME, "area_px": NO_PAIR, "points_per_side": [*NEVER, "4", True], "points": [4]},
    "track_everything": {"area_px": NO_PAIR, "points_per_side": [*NEVER, "4", True], "points": [4]},
    "link_labels": {"labels": [*NEVER, None, 1, "1", []]},
    "clear_prompts": {"object_id": NO_ID, "frame": NO_FRAME},
    "plan": {"direction": [*NEVER, None, 1, "", "up"], "objects": NO_LIST, "frames": NO_LIST},
    "propagate": {
        "direction": [*NEVER, None, 1, "", "up"],
        "objects": NO_LIST,
        "frames": NO_LIST,
        "stop": [*NEVER, 1, True, "gone", [], 5],
    },
    "propagate_all": {
        "direction": [*NEVER, None, 1, "", "up"],
        "objects": NO_LIST,
        "frames": NO_LIST,
        "stop": [*NEVER, 1, True, "gone", [], 5],
    },
    "draw_error_sample": {"size": [*NO_NUMBER, 0, -1], "seed": [*NO_NUMBER, -1]},
    "judge_mask": {"object_id": NO_ID, "frame": NO_FRAME, "is_wrong": [one for one in NO_FLAG if one is not None]},
    "use_model": {"model": [*NEVER, None, 1, True, "no such model"], "image_size": [*NEVER, 1.5, "64", True, 100, 0, -32]},
    "review_queue": {"objects": NO_LIST},
    "reslice": {
        "along": [*NO_TEXT, None],
        "at": [*[i for i in NEVER if not isinstance(i, dict)], 1, "T", [], {"T": 9}, {"T": 0.5}, {"Z": 0}],
    },
    "label_plane": {"frame": NO_FRAME},
    "mask": {"object_id": NO_ID, "frame": NO_FRAME},
    "scores": {"object_id": NO_ID},
    "quality": {"object_id": NO_ID},
    "preview": {"frame": NO_FRAME, "object_id": [one for one in NO_ID if one is not None]},
    "save": {"path": [*NEVER, None, 1, True, []]},
    "export": {"pixel_size": NO_SIZES, "interval": [*NO_SIZES, [1.0]]},
    "result": {"calibration": [*NEVER, 1, "1", True, (1, 1)]},
}
WRONG_OF_FUNCTIONS: dict[str, dict[str, list[Any]]] = {
    "fuse_axes": {"axes": [*NO_TEXT, None, "Z", "ZT"], "objects": NO_LIST},
    "propagate_each": {"over": [*NO_TEXT, None, "Z", "Y"], "positions": NO_LIST, "fuse": NO_TEXT},
}
FUNCTIONS = {"fuse_axes": fuse_axes, "propagate_each": propagate_each}
RIGHT: dict[str, Any] = {
    "object_id": 1,
    "other_id": 2,
    "frame": 2,
    "is_wrong": True,
    "first_frame": 1,
    "last_frame": 2,
    "name": "cell",
    "colour": "#102030",
    "index": 0,
    "points": [(5, 6)],
    "stroke": [(5, 6), (6, 7)],
    "box": (4, 4, 9, 9),
    "mask": TRUTH[2] == 1,
    "vertices": [(4, 4), (4, 9), (9, 9)],
    "labels": TRUTH[2],
    "over": "T",
    "along": "Z",
    "model": "micro",
}
SENTENCE = re.compile(r"[^\n]{10,240}")
PYTHON = re.compile(r"ambiguous|unhashable|not iterable|has no attribute|unpack|not supported between|could not convert|NoneType")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "Tracker", BlobTracker)
        session = Session(VOLUMES, "TZYX", model=tiny_model(), along="Z", at={"T": 0})
        session.add_points(session.add_object(), 2, [(5, 6)])
        session.add_object()
        session.add_mask(2, 0, TRUTH[0] == 2)
        list(session.propagate())
        yield session


def known(session: Session) -> Any:
    infos = {object_id: (item.info, dict(item.prompts), item.shown_frames()) for object_id, item in session.objects.items()}
    return session.labels.tobytes(), infos, session.document().calls


def test_no_method_is_left_out() -> None:
    taking = {
        name for name, method in inspect.getmembers(Session, inspect.isfunction) if len(inspect.signature(method).parameters) > 1
    }
    assert {name for name in taking if not name.startswith("_")} == set(WRONG)


@pytest.mark.parametrize(
    ("method", "argument"), [(method, argument) for method, wrong in (WRONG | WRONG_OF_FUNCTIONS).items() for argument in wrong]
)
def test_one_sentence_and_nothing_changes(method: str, argument: str, session: Session) -> None:
    before = known(session)
    call = partial(FUNCTIONS[method], session) if method in FUNCTIONS else getattr(session, method)
    needed = {name for name, one in inspect.signature(call).parameters.items() if one.default is inspect.Parameter.empty}
    right = {name: RIGHT[name] for name in needed & set(RIGHT)}
    for value in (WRONG | WRONG_OF_FUNCTIONS)[method][argument]:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            list(call(**right | {argument: value}))
        said = str(caught.value)
        assert SENTENCE.fullmatch(said), (value, said)
        assert not PYTHON.search(said), (value, said)
    assert known(session) == before


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("propagate", {"objects": 5}, "objects are whole numbers in a list, as [1, 2], got 5"),
        ("propagate", {"frames": [0.5]}, "frames are whole numbers in a list, as [1, 2], got [0.5]"),
        ("propagate", {"stop": 5}, "stop takes StopRules, got 5"),
        ("mask", {"object_id": "1", "frame": 0}, "object_id is a whole number, got '1'"),
        ("mask", {"object_id": 1, "frame": np.ones((3, 4))}, "frame is a whole number, got ndarray of shape (3, 4)"),
        ("mask", {"object_id": 1, "frame": -1}, "frame -1 does not exist: the stack has 4, counted from 0"),
        ("merge_objects", {"object_id": 1, "other_id": None}, "other_id is a whole number, got None"),
        ("lock_object", {"object_id": 1, "is_locked": "no"}, "is_locked is True or False, got 'no'"),
        ("reslice", {"along": "Z", "at": 3}, "at is a place by axis, as {'T': 3}, got 3"),
        ("save", {"path": None}, "path is the path of a file, got None"),
        ("export", {}, 'there is nothing to write: name outputs, such as "objects.csv"'),
        ("export", {"pixel_size": [0.5, -1]}, "pixel_size is a number above 0, or a list of up to 3, got [0.5, -1]"),
        ("export", {"interval": [1]}, "interval is a number above 0, got [1]"),
    ],
)
def test_what_is_said(method: str, arguments: dict[str, Any], said: str, session: Session) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        list(getattr(session, method)(**arguments))


@pytest.mark.parametrize("one", [1, np.int64(1), np.uint8(1), np.array(1), torch.tensor(1)])
def test_whole_numbers_of_any_kind(one: Any, session: Session) -> None:
    np.testing.assert_array_equal(session.mask(one, one), session.mask(1, 1))
    assert session.review_queue([one]) == session.review_queue([1])


BEGINNINGS: dict[str, list[Any]] = {
    "image": [torch.zeros(3, 32, 32), [torch.zeros(2, 2), torch.zeros(3, 3)], None, 1, {}, object(), [[1, 2], [3]], np.array("a")],
    "axes": [*NEVER, 1, "TY", ["T", "Y", "X"]],
    "model": [*NEVER, None, 1, True],
    "channel": [*NEVER, "0", 1.0],
    "along": [*NEVER, 1, "Q", ["T"]],
    "at": [one for one in [*NEVER, 1, "T", ["T"]] if not isinstance(one, dict)],
    "device": [*NEVER, 1.5, [], "gpu"],
    "image_size": [*NEVER, 1.5, "64", True, 100, 0, -32],
    "precision": [*NEVER, None, 1, "double"],
    "intensity_range": [*NEVER, 1, "12", (2, 1), (1, np.nan)],
    "window": [*NEVER, 1, "", "heart"],
    "percentiles": [*NEVER, 1, "12", (2, 1), (1, 101)],
    "zoom": [*NEVER[:1], float("nan"), np.inf, True, "big", 1, 0.5, [2], np.array([2])],
    "memory_gate": [*NEVER, 1, True, 0.3],
    "memories": [*NEVER, 1.5, "3", True, 0, -1, 8],
    "labels": [*NEVER, torch.zeros(VOLUMES.shape), 1, [], VOLUMES, np.zeros((2, 2), np.uint16)],
}


@pytest.mark.parametrize("argument", BEGINNINGS)
def test_a_session_that_cannot_begin(argument: str) -> None:
    others = {
        "image": VOLUMES,
        "axes": "TZYX",
        "along": "Z",
        "at": {"T": 0},
        "model": "micro" if argument == "device" else tiny_model(),
    }
    for value in BEGINNINGS[argument]:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            Session(**others | {argument: value})
        assert SENTENCE.fullmatch(str(caught.value)), (value, str(caught.value))
        assert not PYTHON.search(str(caught.value)), (value, str(caught.value))


def test_a_tensor_is_no_image() -> None:
    with pytest.raises(ValueError, match=r"^Tensor holds torch\.float32, which is no type of NumPy: give a NumPy array$"):
        Session(torch.zeros(3, 32, 32), model=tiny_model())


@pytest.mark.parametrize(
    ("rule", "values"),
    [("max_absent_frames", [*[one for one in NO_NUMBER if one is not None], 0, -1]), ("area_px", NO_PAIR), ("at_border", NO_FLAG)],
)
def test_rules_that_cannot_be(rule: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=rule) as caught:
            StopRules(**{rule: value})
        assert SENTENCE.fullmatch(str(caught.value)), value
        assert not PYTHON.search(str(caught.value)), (value, str(caught.value))
