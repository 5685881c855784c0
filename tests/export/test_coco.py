"""Masks in the format of COCO, read back by pycocotools."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from dividing_cells import EMPTY, LABELS, SEEN, TIME, VOLUMES
from napari_sam2.export.coco import run_lengths, write_coco
from napari_sam2.export.result import Result

# pycocotools, as it is built for earlier versions of NumPy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")


def read(path: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        return COCO(str(path))


@pytest.mark.parametrize("result", [TIME, VOLUMES, Result(LABELS[3], "YX")], ids=["time", "volumes", "image"])
def test_masks_are_read_as_they_are(result: Result, tmp_path: Path) -> None:
    write_coco(tmp_path / "a.coco.json", result)
    read_back, planes = read(tmp_path / "a.coco.json"), list(result.planes())
    assert list(read_back.imgs) == list(range(1, len(planes) + 1))
    found = [np.zeros_like(plane) for plane in planes]
    for annotation in read_back.loadAnns(read_back.getAnnIds()):
        mask = read_back.annToMask(annotation).astype(bool)
        found[annotation["image_id"] - 1][mask] = annotation["track_id"]
        rows, cols = np.nonzero(mask)
        height, width = np.ptp(rows) + 1, np.ptp(cols) + 1
        assert annotation["bbox"] == [cols.min(), rows.min(), width, height]
        assert annotation["area"] == mask.sum()
    np.testing.assert_array_equal(found, planes)


def test_frames_planes_and_names(tmp_path: Path) -> None:
    write_coco(tmp_path / "a.coco.json", Result(VOLUMES.labels, "TZYX", names={7: "größer"}, image_path=tmp_path / "movie.tif"))
    read_back = read(tmp_path / "a.coco.json")
    assert read_back.imgs[5] == {
        "id": 5,
        "file_name": "movie_t0001_z0001.png",
        "width": 30,
        "height": 20,
        "frame": 1,
        "plane": 1,
    }
    annotations = read_back.loadAnns(read_back.getAnnIds())
    assert {(one["track_id"], one.get("name")) for one in annotations} == {(7, "größer"), (8, None), (900, None), (3, None)}
    assert [one["id"] for one in annotations] == list(range(1, 2 * len(SEEN) + 1))
    assert read_back.loadCats(read_back.getCatIds()) == [{"id": 1, "name": "object", "supercategory": ""}]


def test_nothing(tmp_path: Path) -> None:
    write_coco(tmp_path / "a.coco.json", EMPTY)
    assert (len(read(tmp_path / "a.coco.json").imgs), read(tmp_path / "a.coco.json").getAnnIds()) == (6, [])


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))), st.integers(0, 3), st.integers(0, 3))
def test_run_lengths_of_any_part(mask: np.ndarray, row: int, col: int) -> None:
    whole = np.zeros((10, 9), bool)
    whole[row : row + mask.shape[0], col : col + mask.shape[1]] = mask
    counts = run_lengths(mask, row, col, whole.shape)
    decoded = coco_mask.decode(coco_mask.frPyObjects({"size": [10, 9], "counts": counts}, 10, 9))
    np.testing.assert_array_equal(decoded.astype(bool), whole)
