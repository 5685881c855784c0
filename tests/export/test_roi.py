"""ROI files, read back by roifile: each region encloses exactly the pixels of its object on its plane."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
from skimage.draw import polygon2mask

from dividing_cells import EMPTY, LABELS, SEEN, TIME, VOLUMES
from napari_sam2.export.colours import outline_colours
from napari_sam2.export.result import Result
from napari_sam2.export.roi import write_rois
from napari_sam2.images.stack import Stack

RING = np.zeros((20, 30), np.uint16)
RING[3:9, 4:12], RING[5:7, 6:9], RING[15:17, 25:30] = 5, 0, 5


def read(path: Path) -> list[Any]:
    return list(roifile.roiread(path))


def mask_of(roi: Any, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres are inside an odd number of the paths."""
    inside = [polygon2mask(shape, path[:, ::-1] - 0.5) for path in roi.coordinates(multi=True)]
    return np.logical_xor.reduce(inside)


def frame_and_object(roi: Any) -> tuple[int, int]:
    return roi.position - 1, int(roi.name.split()[0])


def test_each_region_is_its_object(tmp_path: Path) -> None:
    write_rois(tmp_path / "a.roi.zip", TIME)
    rois = read(tmp_path / "a.roi.zip")
    assert sorted((i, t) for t, i in map(frame_and_object, rois)) == SEEN
    for roi in rois:
        frame, i = frame_and_object(roi)
        np.testing.assert_array_equal(mask_of(roi, LABELS.shape[1:]), LABELS[frame] == i)
        assert roi.name == f"{i:05d} t{frame:04d}"
        assert roi.roitype == roifile.ROI_TYPE.TRACED
        assert (roi.top, roi.left, roi.bottom, roi.right) == bounds(LABELS[frame] == i)


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, cols = np.nonzero(mask)
    return rows.min(), cols.min(), rows.max() + 1, cols.max() + 1


def test_pieces_and_holes_are_one_region(tmp_path: Path) -> None:
    write_rois(tmp_path / "a.roi.zip", Result(RING, "YX"))
    (roi,) = read(tmp_path / "a.roi.zip")
    np.testing.assert_array_equal(mask_of(roi, RING.shape), RING == 5)
    assert (roi.name, roi.position, roi.t_position, roi.z_position) == ("00005", 0, 0, 0)
    assert len(roi.coordinates(multi=True)) == 3


def test_volumes_over_time_have_frame_and_slice(tmp_path: Path) -> None:
    write_rois(tmp_path / "a.roi.zip", VOLUMES)
    rois = read(tmp_path / "a.roi.zip")
    places = sorted((int(roi.name.split()[0]), roi.t_position - 1, roi.z_position - 1) for roi in rois)
    assert places == sorted((i, t, z) for i, t in SEEN for z in (1, 2))
    assert rois[0].name.endswith(" t0000 z0001")


def test_frames_of_an_image_with_channels_are_those_of_a_hyperstack(tmp_path: Path) -> None:
    image = Stack.open(np.stack([LABELS, LABELS], axis=1), "TCYX")
    write_rois(tmp_path / "a.roi.zip", Result(LABELS, "TYX", stack=image))
    assert {(roi.t_position, roi.z_position, roi.position) for roi in read(tmp_path / "a.roi.zip")} == {
        (t + 1, 1, 0) for _, t in SEEN
    }


def test_names_and_colours_are_those_of_the_objects(tmp_path: Path) -> None:
    named = Result(LABELS, "TYX", names={7: "mother/1: größer"}, colours={7: "#102030"})
    write_rois(tmp_path / "a.roi.zip", named)
    rois = {frame_and_object(roi): roi for roi in read(tmp_path / "a.roi.zip")}
    assert rois[0, 7].name == "00007 t0000 mother_1_ größer"
    assert rois[0, 7].stroke_color == b"\xff\x10\x20\x30"
    assert rois[1, 3].stroke_color == bytes((255, *outline_colours([3])[3]))


def test_far_out_in_a_large_image(tmp_path: Path) -> None:
    """Beyond the whole numbers that a region can have."""
    labels = np.zeros((3, 40_000), np.uint16)
    labels[1, 39_990:39_995] = 2
    write_rois(tmp_path / "a.roi.zip", Result(labels, "YX"))
    (roi,) = read(tmp_path / "a.roi.zip")
    (path,) = roi.coordinates(multi=True)
    assert path.min(0).tolist() == [39_990, 1]
    assert path.max(0).tolist() == [39_995, 2]


def test_nothing(tmp_path: Path) -> None:
    write_rois(tmp_path / "a.roi.zip", EMPTY)
    assert read(tmp_path / "a.roi.zip") == []


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without_roifile(name: str, *arguments: Any) -> Any:
        if name == "roifile":
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_roifile)
    with pytest.raises(ImportError, match=r"ROI files need an extra: pip install 'napari-sam2\[export\]'"):
        write_rois(tmp_path / "a.roi.zip", TIME)
    assert list(tmp_path.iterdir()) == []
