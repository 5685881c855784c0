"""Natural order, counters in names, and paths of other systems."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.images.stack import Stack
from opened import frames_of, readable_frames, said

H, W = 12, 16


def write_values(folder: Path, values: dict[str, int]) -> None:
    """A file for each name; all its pixels have one value."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        tifffile.imwrite(folder / name, np.full((H, W), value, np.uint16), photometric="minisblack")


def values_of(stack: Stack) -> list[int]:
    return [int(frame[0, 0]) for frame in frames_of(stack)]


@pytest.mark.parametrize(
    "names",
    [
        ["t1.tif", "t2.tif", "t10.tif", "t100.tif"],
        ["img9.tif", "img10.tif", "img011.tif", "img12.tif"],
        ["1.tif", "2.tif", "10.tif", "20.tif"],
        ["day1_frame9.tif", "day1_frame10.tif", "day2_frame9.tif", "day2_frame10.tif"],
        ["Zelle 1.tif", "Zelle 2.tif", "Zelle 10.tif"],
        ["a_2026-01-02T9.tif", "a_2026-01-02T10.tif", "a_2026-01-03T1.tif"],
        ["s-1.tif", "s-2.tif", "s-10.tif"],
        ["細胞1.tif", "細胞2.tif", "細胞10.tif"],
    ],
)
def test_natural_order(names: list[str], tmp_path: Path) -> None:
    write_values(tmp_path / "movie", {name: n for n, name in enumerate(names)})
    stack = Stack.open(tmp_path / "movie")
    flat = np.asarray([np.asarray(stack.image[index])[0, 0] for index in np.ndindex(stack.image.shape[:-2])])
    assert flat.tolist() == list(range(len(names)))
    assert [path.name for path in stack.files] == names


def names_of(pattern: str, **counts: int) -> dict[str, int]:
    """Names with a counter for each letter; the value of each is their index in the order of the letters given."""
    letters = list(counts)
    found = {}
    for number, index in enumerate(itertools.product(*(range(count) for count in counts.values()))):
        found[pattern.format(**dict(zip(letters, index, strict=True)))] = number
    return found


@pytest.mark.parametrize(
    ("pattern", "counts", "axes"),
    [
        ("img_t{t:03d}_z{z:02d}.tif", {"t": 3, "z": 4}, "TZYX"),
        ("img_z{z}_t{t}.tif", {"t": 3, "z": 11}, "TZYX"),
        ("exp1_T{t:02d}_Z{z:02d}.tif", {"t": 3, "z": 4}, "TZYX"),
        ("t{t:03d}_c{c}.tif", {"t": 3, "c": 2}, "TCYX"),
        ("img_t{t:03d}_z{z:02d}_c{c}.tif", {"t": 2, "z": 3, "c": 2}, "TZCYX"),
        ("img_channel{c:03d}_time{t:09d}_z{z:03d}.tif", {"t": 2, "c": 2, "z": 3}, "TCZYX"),
        ("img_{t:09d}_ch{c}.tif", {"t": 4, "c": 2}, "TCYX"),
    ],
)
def test_counters_become_axes(
    pattern: str, counts: dict[str, int], axes: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_values(tmp_path / "movie", names_of(pattern, **counts))
    size = {axis.upper(): count for axis, count in counts.items()}
    if size.get("T", 1) > 1 and size.get("Z", 1) > 1:
        options = {"along": "Z", "at": {"T": 1}}
    else:
        options = {}
    stack = Stack.open(tmp_path / "movie", **options, **({"channel": 1} if "C" in size else {}))
    assert set(stack.layout.axes) == set(axes)
    lead = [axis for axis in stack.layout.axes if axis not in "YX"]
    assert tuple(stack.image.shape) == (*(size[axis] for axis in lead), H, W)
    strides = dict(
        zip(counts, np.array([int(np.prod(list(counts.values())[i + 1 :])) for i in range(len(counts))]).tolist(), strict=True)
    )
    for index in np.ndindex(tuple(size[axis] for axis in lead)):
        expected = sum(place * strides[axis.lower()] for axis, place in zip(lead, index, strict=True))
        assert int(np.asarray(stack.image[index])[0, 0]) == expected
    assert len(said(caplog)) <= 1


def test_counters_that_begin_at_one_or_later(tmp_path: Path) -> None:
    names = {f"t{t}_z{z}.tif": n for n, (t, z) in enumerate(itertools.product((7, 8, 9), (1, 2)))}
    write_values(tmp_path / "movie", names)
    stack = Stack.open(tmp_path / "movie", along="T", at={"Z": 1})
    assert stack.labels_shape == (3, 2, H, W)
    assert values_of(stack) == [1, 3, 5]


@pytest.mark.parametrize("missing", ["t1_z2.tif", "t0_z0.tif", "t2_z3.tif"])
def test_a_file_of_a_grid_is_missing(missing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its plane cannot be read, all others are where they belong, and that is said."""
    names = names_of("t{t}_z{z}.tif", t=3, z=4)
    value = names.pop(missing)
    write_values(tmp_path / "movie", names)
    t, z = divmod(value, 4)
    stack = Stack.open(tmp_path / "movie", along="Z", at={"T": t})
    assert stack.labels_shape == (3, 4, H, W)
    assert {n: int(frame[0, 0]) for n, frame in readable_frames(stack).items()} == {n: 4 * t + n for n in range(4) if n != z}
    with pytest.raises(OSError, match=f"frame {z} along Z at T {t} cannot be read: there is no file of it"):
        stack.frames[z]
    assert said(caplog) == [
        f"{tmp_path / 'movie'}: the names of the files count 3 along T, 4 along Z: they are read with axes TZYX; "
        f"1 of 12 are missing and cannot be read, the first at T {t}, Z {z}"
    ]


def test_half_a_grid_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Names that count two things at once are no grid: their files are read in order, and what was guessed is said."""
    write_values(tmp_path / "movie", {f"t{n}_z{n}.tif": n for n in range(4)})
    assert values_of(Stack.open(tmp_path / "movie")) == [0, 1, 2, 3]
    assert len(said(caplog)) == 1


def test_constant_numbers_are_no_axes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = {f"2026-11-28_plate3_w1_t{t}.tif": t for t in range(12)}
    write_values(tmp_path / "movie", names)
    stack = Stack.open(tmp_path / "movie")
    assert (stack.axes, values_of(stack)) == ("TYX", list(range(12)))
    assert said(caplog) == []


def test_letters_within_words_are_no_axes(tmp_path: Path) -> None:
    """``cat3`` and ``mist7`` end in letters of axes."""
    for folder, word in enumerate(("cat", "mist", "fritz", "abc")):
        write_values(tmp_path / str(folder), {f"{word}{t}.tif": t for t in range(3)})
        stack = Stack.open(tmp_path / str(folder))
        assert stack.labels_shape == (3, H, W)
        assert values_of(stack) == [0, 1, 2]
