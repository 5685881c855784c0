"""The prompts file as ``make_prompts.py`` documents it, and every way in which it can be wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from blob_tracker import blob_session, squares
from napari_sam2.images.stack import Stack
from napari_sam2.session.prompts_file import PromptEntry, add_prompts, read_prompts

TRUTH = squares(3, (32, 32), {1: [(2, 2, 5)] * 3, 2: [(12, 4, 6)] * 3, 3: [None, (20, 20, 4), (20, 21, 4)]})
MOVIE = np.where(TRUTH > 0, 255, 0).astype(np.uint8)


def written(folder: Path, *entries: Any) -> Path:
    path = folder / "prompts.json"
    path.write_text(json.dumps({"axes": "TYX", "prompts": entries}))
    return path


def test_points_box_and_mask_give_exact_labels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "masks.tif", TRUTH, photometric="minisblack")
    path = written(
        tmp_path,
        {"object": 1, "frame": 0, "points": [[3, 3.5], [14, 5], [15, 7]], "labels": [1, 1, 0]},
        {"object": 2, "frame": 0, "box": [11.5, 4, 18, 10]},
        {"object": 3, "frame": 1, "mask": "masks.tif", "mask_label": 3},
    )
    entries = read_prompts(path)
    assert [(entry.object_id, entry.frame, entry.points_rc, entry.labels, entry.box_rc) for entry in entries] == [
        (1, 0, [(3, 3.5), (14, 5), (15, 7)], [1, 1, 0], None),
        (2, 0, None, None, [11.5, 4, 18, 10]),
        (3, 1, None, None, None),
    ]
    assert entries[2].mask is not None
    np.testing.assert_array_equal(entries[2].mask, TRUTH[1] == 3)
    session = blob_session(MOVIE)
    add_prompts(session, entries)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"object": 4, "points": [[1, 2]]}, PromptEntry(4, 0, [(1, 2)])),
        ({"object": 4, "frame": 2, "points": [[1, 2]], "labels": None}, PromptEntry(4, 2, [(1, 2)])),
        (
            {"object": 4, "frame": 2, "box": [1, 2, 3, 4], "points": [[1, 2]], "labels": [0]},
            PromptEntry(4, 2, [(1, 2)], [0], [1, 2, 3, 4]),
        ),
    ],
)
def test_what_may_be_left_out(entry: dict[str, Any], expected: PromptEntry, tmp_path: Path) -> None:
    assert read_prompts(written(tmp_path, entry)) == [expected]


def test_a_polygon_and_a_scribble(tmp_path: Path) -> None:
    entries = read_prompts(
        written(
            tmp_path,
            {"object": 1, "polygon": [[1.5, 1.5], [1.5, 6.5], [6.5, 6.5], [6.5, 1.5]]},
            {"object": 2, "scribble": [[13, 5], [16, 8]]},
            {"object": 3, "frame": 1, "polygon": [[20, 20], [20, 22], [22, 20]], "scribble": [[21, 21], [22, 22]]},
        )
    )
    session = blob_session(MOVIE)
    add_prompts(session, entries)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_encoding(encoding: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "Kerne größer.tif", TRUTH[0])
    path = tmp_path / "prompts.json"
    path.write_text(
        json.dumps({"prompts": [{"object": 1, "mask": "Kerne größer.tif", "mask_label": 1}]}, ensure_ascii=False), encoding
    )
    (entry,) = read_prompts(path)
    assert entry.mask is not None
    np.testing.assert_array_equal(entry.mask, TRUTH[0] == 1)


@pytest.mark.parametrize(
    ("image", "frame", "label", "expected"),
    [
        (TRUTH, 2, 3, TRUTH[2] == 3),
        (TRUTH[1], 2, 3, TRUTH[1] == 3),
        (TRUTH[1:2], 2, 3, TRUTH[1] == 3),
        (TRUTH, 1, None, TRUTH[1] > 0),
        (TRUTH > 0, 1, None, TRUTH[1] > 0),
    ],
    ids=["stack", "plane", "stack of one", "no label", "bool"],
)
def test_mask_files(image: np.ndarray, frame: int, label: int | None, expected: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "masks.tif", image.astype(np.uint8), photometric="minisblack")
    (entry,) = read_prompts(written(tmp_path, {"object": 1, "frame": frame, "mask": "masks.tif", "mask_label": label}))
    assert entry.mask is not None
    np.testing.assert_array_equal(entry.mask, expected)


CLICK = {"object": 1, "frame": 0, "points": [[3, 3]]}
BAD_ENTRIES: dict[str, tuple[Any, str]] = {
    "a word": ("click", "prompts.json, prompt 2 must be an object, got 'click'"),
    "a list": ([1, 0, [3, 3]], "prompts.json, prompt 2 must be an object, got [1, 0, [3, 3]]"),
    "no object": ({"frame": 0, "points": [[3, 3]]}, "prompts.json, prompt 2 has no 'object'"),
    "object is a word": (CLICK | {"object": "1"}, "prompts.json, prompt 2: object must be a whole number, got '1'"),
    "object is a fraction": (CLICK | {"object": 1.5}, "prompts.json, prompt 2: object must be a whole number, got 1.5"),
    "object is true": (CLICK | {"object": True}, "prompts.json, prompt 2: object must be a whole number, got True"),
    "frame is a fraction": (CLICK | {"frame": 0.5}, "prompts.json, prompt 2: frame must be a whole number, got 0.5"),
    "frame is false": (CLICK | {"frame": False}, "prompts.json, prompt 2: frame must be a whole number, got False"),
    "frame is null": (CLICK | {"frame": None}, "prompts.json, prompt 2: frame must be a whole number, got None"),
    "a typing error": (
        CLICK | {"lables": [1]},
        "prompt 2 has an unknown key 'lables'; did you mean 'labels'?",
    ),
    "says nothing": ({"object": 1, "frame": 0}, "prompt 2: points, a scribble, a box, a mask or a polygon is needed"),
    "points are null": (
        {"object": 1, "frame": 0, "points": None},
        "prompt 2: points, a scribble, a box, a mask or a polygon is needed",
    ),
    "labels alone": ({"object": 1, "box": [1, 1, 2, 2], "labels": [1]}, "prompt 2: labels without points"),
    "mask_label alone": (CLICK | {"mask_label": 1}, "prompt 2: mask_label without mask"),
    "box and mask": (
        {"object": 1, "box": [1, 1, 2, 2], "mask": "masks.tif"},
        "prompt 2: a box or a mask or a polygon, not two of them",
    ),
    "box and polygon": (
        {"object": 1, "box": [1, 1, 2, 2], "polygon": [[1, 1], [1, 5], [5, 5]]},
        "prompt 2: a box or a mask or a polygon, not two of them",
    ),
    "mask is a number": ({"object": 1, "mask": 5}, "prompt 2: mask must be a text, got 5"),
    "mask_label is a word": (
        {"object": 1, "mask": "masks.tif", "mask_label": "1"},
        "prompt 2: mask_label must be a whole number, got '1'",
    ),
    "no such label": ({"object": 1, "mask": "masks.tif", "mask_label": 9}, "prompt 2: there is no label 9 on frame 0 of masks.tif"),
    "nothing there": ({"object": 1, "mask": "empty.tif"}, "prompt 2: there is nothing on frame 0 of empty.tif"),
    "no such mask frame": ({"object": 1, "frame": 7, "mask": "masks.tif"}, "prompt 2: masks.tif has no frame 7"),
    "negative mask frame": ({"object": 1, "frame": -1, "mask": "masks.tif"}, "prompt 2: masks.tif has no frame -1"),
    "points are a mapping": (CLICK | {"points": {"row": 3}}, "prompt 2: points must be a list, got {'row': 3}"),
    "points are words": (CLICK | {"points": [["3", "4"]]}, "prompt 2: points[0][0] must be a number, got '3'"),
    "a point without a row": (CLICK | {"points": [[None, 4]]}, "prompt 2: points[0][0] must be a number, got None"),
    "ragged points": (CLICK | {"points": [[3, 4], [5]]}, "prompt 2: points[1] must have 2 entries, got 1"),
    "a point alone": (CLICK | {"points": [3, 4]}, "prompt 2: points[0] must be a list, got 3"),
    "labels are words": (CLICK | {"labels": ["inside"]}, "prompt 2: labels[0] must be a whole number, got 'inside'"),
    "labels are null": (CLICK | {"labels": [None]}, "prompt 2: labels[0] must be a whole number, got None"),
    "box is a mapping": ({"object": 1, "box": {"row0": 3}}, "prompt 2: box must be a list, got {'row0': 3}"),
    "half a box": ({"object": 1, "box": [3, 3]}, "prompt 2: box must have 4 entries, got 2"),
    "a corner alone": ({"object": 1, "polygon": [[3, 3], 4]}, "prompt 2: polygon[1] must be a list, got 4"),
    "a volume's place": ({"object": 1, "scribble": [[0, 3, 3]]}, "prompt 2: scribble[0] must have 2 entries, got 3"),
    "mask of fractions": ({"object": 1, "mask": "fractions.tif"}, "fractions.tif holds float32: labels must be whole numbers"),
    "mask in colour": ({"object": 1, "mask": "colours.png"}, "colours.png has colours or channels: labels must be whole numbers"),
    "mask is no image": ({"object": 1, "mask": "prompts.json"}, "prompts.json is not an image that can be read"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_bad_entry(name: str, tmp_path: Path) -> None:
    entry, message = BAD_ENTRIES[name]
    tifffile.imwrite(tmp_path / "masks.tif", TRUTH, photometric="minisblack")
    tifffile.imwrite(tmp_path / "empty.tif", np.zeros_like(TRUTH[0]))
    tifffile.imwrite(tmp_path / "fractions.tif", TRUTH[0].astype(np.float32))
    Image.new("RGB", TRUTH[0].shape).save(tmp_path / "colours.png")
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_prompts(written(tmp_path, CLICK, entry))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"prompts\.json is not JSON: "),
        (b'{"prompts": [', r"prompts\.json is not JSON: "),
        (b"row,col\n1,2\n", r"prompts\.json is not JSON: "),
        (b"\xff\xfe\x00", r"prompts\.json is not JSON: "),
        (b"[" * 100_000, r"prompts\.json is not JSON: "),
        (b"[]", r"prompts\.json must be an object, got \[\]$"),
        (b"3", r"prompts\.json must be an object, got 3$"),
        (b"{}", r"prompts\.json has no 'prompts'$"),
        (b'{"prompts": {"object": 1}}', r"prompts\.json: prompts must be a list, got \{'object': 1\}$"),
        (b'{"prompts": []}', r"prompts\.json has no prompts$"),
        (b'{"axis": "TYX", "prompts": []}', r"prompts\.json has an unknown key 'axis'; did you mean 'axes'\?$"),
        (b'{"made by": "me", "prompts": []}', r"prompts\.json has an unknown key 'made by'; there are prompts, axes$"),
        (b'{"axes": 3, "prompts": []}', r"prompts\.json: axes must be a text, got 3$"),
    ],
)
def test_bad_file(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_prompts(tmp_path / "prompts.json")


STACKS = {
    "movie": Stack.open(MOVIE, "TYX"),
    "movie of unknown kind": Stack.open(MOVIE, "QYX"),
    "volume": Stack.open(MOVIE, "ZYX"),
    "volume from the side": Stack.open(MOVIE, "ZYX", along="X"),
    "volumes": Stack.open(np.stack([MOVIE] * 2), "TZYX", at={"Z": 1}),
    "volume of volumes": Stack.open(np.stack([MOVIE] * 2), "TZYX", along="Z", at={"T": 1}),
    "colours": Stack.open(np.stack([MOVIE] * 3, axis=-1), "TYXS"),
    "image": Stack.open(MOVIE[0], "YX"),
    "channels": Stack.open(MOVIE, "CYX"),
    "many channels": Stack.open(np.concatenate([MOVIE] * 2), "CYX"),
}


@pytest.mark.parametrize(
    ("axes", "fitting"),
    [
        (None, set(STACKS)),
        ("TYX", {"movie", "movie of unknown kind", "volumes", "colours", "image", "channels"}),
        ("tyx", {"movie", "movie of unknown kind", "volumes", "colours", "image", "channels"}),
        ("TYXS", {"movie", "movie of unknown kind", "volumes", "colours", "image", "channels"}),
        ("ZYX", {"movie of unknown kind", "volume", "volume from the side", "volume of volumes", "image", "channels"}),
        ("TZYX", {"movie of unknown kind", "volumes", "volume of volumes", "image", "channels"}),
        ("YX", {"movie of unknown kind", "image", "channels", "many channels"}),
        ("CYX", {"movie of unknown kind", "image", "channels", "many channels"}),
        ("QYX", set(STACKS) - {"volume from the side"}),
        ("TZ", set()),
    ],
)
def test_axes_are_those_of_the_image(axes: str | None, fitting: set[str], tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text(json.dumps({"axes": axes, "prompts": [CLICK]}))
    for name, stack in STACKS.items():
        if name in fitting:
            assert len(read_prompts(tmp_path / "prompts.json", stack)) == 1
        else:
            said = (
                f"prompts.json is for an image with axes {axes}, and this one has {stack.layout.axes}(, with frames|: its axis C)"
            )
            with pytest.raises(ValueError, match=said):
                read_prompts(tmp_path / "prompts.json", stack)


def test_axes_are_letters(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text(json.dumps({"axes": ["T", "Y", "X"], "prompts": [CLICK]}))
    with pytest.raises(ValueError, match=r"prompts\.json: axes must be a text, got \['T', 'Y', 'X'\]"):
        read_prompts(tmp_path / "prompts.json", STACKS["movie"])


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^there is no prompts file .*prompts\.json$"):
        read_prompts(tmp_path / "prompts.json")
    with pytest.raises(FileNotFoundError, match=r"^there is no file .*masks\.tif$"):
        read_prompts(written(tmp_path, {"object": 1, "mask": "masks.tif"}))


BAD_FOR_THE_STACK: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({"points": [[3, 32]]}, "object 5: the point (row 3, column 32) is outside the image of 32 rows and 32 columns"),
    "no such frame": ({"frame": 3, "points": [[3, 3]]}, "object 5: frame 3 does not exist: the stack has 3, counted from 0"),
    "negative frame": ({"frame": -1, "points": [[3, 3]]}, "object 5: frame -1 does not exist"),
    "only outside points": (
        {"points": [[3, 3]], "labels": [0]},
        "object 5: frame 0 has only points outside object 5: add a point inside, a box or a mask",
    ),
    "labels are other numbers": ({"points": [[3, 3]], "labels": [2]}, "object 5: labels must be 1 (inside) or 0 (outside)"),
    "box outside": ({"box": [0, 0, 33, 3]}, "object 5: the box [0, 0, 33, 3] is not inside the image"),
    "mask of another image": ({"mask": "small.tif"}, "object 5: a mask must have the shape of a frame, (32, 32), got (9, 9)"),
    "object 0": ({"object": 0, "points": [[3, 3]]}, "an object id is a label value between 1 and 65535, got 0"),
    "object too large": ({"object": 65536, "points": [[3, 3]]}, "an object id is a label value between 1 and 65535, got 65536"),
}


@pytest.mark.parametrize("name", BAD_FOR_THE_STACK)
def test_prompt_that_does_not_fit_the_stack(name: str, tmp_path: Path) -> None:
    entry, message = BAD_FOR_THE_STACK[name]
    tifffile.imwrite(tmp_path / "small.tif", np.ones((9, 9), np.uint8))
    session = blob_session(MOVIE)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        add_prompts(session, read_prompts(written(tmp_path, {"object": 5} | entry)))
    assert "\n" not in str(caught.value)
    assert not session.labels.any()


def test_not_a_number_in_json(tmp_path: Path) -> None:
    (tmp_path / "prompts.json").write_text('{"prompts": [{"object": 1, "points": [[NaN, Infinity]]}]}')
    with pytest.raises(ValueError, match=r"^object 1: the point \(row nan, column inf\) is outside"):
        add_prompts(blob_session(MOVIE), read_prompts(tmp_path / "prompts.json"))
