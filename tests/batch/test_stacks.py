"""What a run goes through, and the names of the results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.batch.stacks import find_stacks
from zarr_by_hand import array_by_hand, group_by_hand, image_by_hand

FRAMES = np.zeros((2, 8, 8), np.uint8)


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, FRAMES, photometric="minisblack")
    return path


def names(*patterns: str | Path) -> list[str]:
    return [stack.name for stack in find_stacks(patterns)]


def test_names_are_in_natural_order_and_without_endings(tmp_path: Path) -> None:
    for name in ("m10.tif", "m2.ome.tif", "m2.labels.tif", "other.txt"):
        write(tmp_path / name)
    assert names(tmp_path / "m*.tif") == ["m2", "m10"]


def test_folders_of_a_pattern_are_part_of_the_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / name / "deep" / "img.tif")
    assert names(tmp_path / "*/deep/img.tif") == ["a/deep/img", "b/deep/img"] == names(tmp_path / "**/*.tif")


def test_a_stack_that_is_named_twice_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif")
    assert names(path, tmp_path / "*.tif", path) == ["a"]


def test_two_stacks_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = (write(tmp_path / folder / "img.tif") for folder in "ab")
    with pytest.raises(ValueError, match=r"both have results named img: give a pattern in quotes"):
        find_stacks([first, second])


def test_a_folder_of_frames_is_one_stack(tmp_path: Path) -> None:
    for t in range(3):
        write(tmp_path / "positions" / "p.1" / f"t{t}.tif")
    (stack,) = find_stacks([tmp_path / "positions" / "*"])
    assert (stack.name, stack.path) == ("p.1", str(tmp_path / "positions" / "p.1"))


def test_each_field_of_a_plate_is_a_stack(tmp_path: Path) -> None:
    plate = group_by_hand(tmp_path / "plate.ome.zarr", {"plate": {"wells": [{"path": "A/1"}, {"path": "B/10"}]}})
    for well in ("A/1", "B/10"):
        group_by_hand(plate / well, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for field in "01":
            image_by_hand(plate / well / field, FRAMES, "0.4", "tyx")
    stacks = find_stacks([tmp_path / "*.zarr"])
    assert [stack.name for stack in stacks] == ["plate/A/1/0", "plate/A/1/1", "plate/B/10/0", "plate/B/10/1"]
    assert [stack.path for stack in stacks] == [str(plate / "/".join(stack.name.split("/")[1:])) for stack in stacks]


def test_each_position_of_an_ome_tiff_is_a_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "p.ome.tif", ome=True) as tiff:
        for number in range(3):
            tiff.write(FRAMES + number, photometric="minisblack", metadata={"axes": "TYX"})
    assert [(stack.name, stack.series) for stack in find_stacks([tmp_path / "p.ome.tif"])] == [("p/0", 0), ("p/1", 1), ("p/2", 2)]


def test_a_zarr_array_is_a_stack(tmp_path: Path) -> None:
    array_by_hand(tmp_path / "a.zarr", FRAMES)
    (stack,) = find_stacks([tmp_path / "a.zarr"])
    assert (stack.name, stack.beside) == ("a", str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("pattern", "error", "sentence"),
    [
        ("no.tif", FileNotFoundError, "there is no file .*no.tif"),
        ("no*.tif", FileNotFoundError, r"no file fits .*no\*.tif"),
        ("bad.tif", ValueError, "bad.tif"),
    ],
)
def test_what_cannot_be_is_said(pattern: str, error: type[Exception], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(b"II*\0no tiff")
    with pytest.raises(error, match=sentence):
        find_stacks([tmp_path / pattern])


def test_an_empty_text_is_no_path() -> None:
    with pytest.raises(ValueError, match="the path of a stack is empty"):
        find_stacks([""])
