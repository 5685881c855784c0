"""Images of a file, one by one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.image_list import ListedImage, images_of
from napari_sam2.images.stack import Stack
from zarr_by_hand import group_by_hand, image_by_hand, multiscales

FRAMES = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)


def test_a_plain_file_and_a_folder_are_one_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, photometric="minisblack")
    assert images_of(tmp_path / "a.tif") == [ListedImage(tmp_path / "a.tif")]
    assert images_of(tmp_path) == [ListedImage(tmp_path)]


def test_fields_of_a_plate_are_opened_by_their_paths(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plate = group_by_hand(tmp_path / "p.zarr", {"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}})
    group_by_hand(plate / "A/1", {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
    for field in "01":
        image_by_hand(plate / "A/1" / field, FRAMES + int(field), "0.4", "tyx")
    with caplog.at_level(logging.WARNING):
        found = images_of(plate)
    assert [one.inside for one in found] == ["A/1/0", "A/1/1"]
    assert "name images that are not there: A/2" in caplog.text
    for number, one in enumerate(found):
        np.testing.assert_array_equal(Stack.open(one.path).frames[1], FRAMES[1] + number)


def test_images_of_one_group_are_opened_by_their_numbers(tmp_path: Path) -> None:
    path = image_by_hand(tmp_path / "two.zarr", FRAMES, "0.4", "tyx")
    one = multiscales("0.4", "tyx")["multiscales"][0]
    group_by_hand(path, {"multiscales": [one | {"name": "raw"}, one | {"name": "clean"}]})
    found = images_of(path)
    assert [(one.series, one.inside) for one in found] == [(0, "raw"), (1, "clean")]
    np.testing.assert_array_equal(Stack.open(found[1].path, series=1).frames[1], FRAMES[1])


def test_positions_of_an_ome_tiff_are_opened_by_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "p.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for number in range(2):
            tiff.write(FRAMES + number, photometric="minisblack", metadata={"axes": "TYX"})
    found = images_of(path)
    assert [(one.series, one.inside) for one in found] == [(0, "0"), (1, "1")]
    np.testing.assert_array_equal(Stack.open(path, series=1).frames[1], FRAMES[1] + 1)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    group_by_hand(tmp_path / "empty.zarr", {})
    with pytest.raises(ImageFileError, match="holds no image"):
        images_of(tmp_path / "empty.zarr")
