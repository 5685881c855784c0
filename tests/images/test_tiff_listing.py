"""Images of a TIFF listed, by what its first page promises and what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.tiff_images import TiffImage
from napari_sam2.images.tiff_listing import list_images, promised_planes
from napari_sam2.images.tiff_reports import tiff_reports
from tiff_by_hand import imagej_by_hand, pages_of, tiff_by_hand
from tiff_samples import FRAMES, H, T, W


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("", {}),
        ("a word", {}),
        ("ImageJ=1.53t\nimages=6\nframes=6\n", {"T": 6}),
        ("ImageJ=1.53t\nimages=6\nslices=2\nframes=3\n", {"T": 3, "Z": 2}),
        ("ImageJ=1.53t\nimages=12\nchannels=2\nslices=2\nframes=3\n", {"T": 3, "Z": 2, "C": 2}),
        ("ImageJ=1.53t\nimages=6\n", {"I": 6}),
        ("ImageJ=1.53t\nimages=7\nslices=2\nframes=3\n", {}),  # which contradict each other
        ("ImageJ=1.53t\nimages=-6\n", {}),
        (f'{{"shape": [6, {H}, {W}], "axes": "ZYX"}}', {"Z": 6}),
        (f'{{"shape": [3, 2, {H}, {W}], "axes": "TZYX"}}', {"T": 3, "Z": 2}),
        (f'{{"shape": [3, 2, {H}, {W}]}}', {"I": 3, "J": 2}),
        (f'{{"shape": [3, 2, {H}, {W}], "axes": "YX"}}', {"I": 3, "J": 2}),
        (f'{{"shape": [3, 2, {H}, {W}], "axes": "TTYX"}}', {"I": 3, "J": 2}),
        (f'{{"shape": [6, {H}, {W + 1}], "axes": "ZYX"}}', {}),  # of other pages
        (f'{{"shape": [0, {H}, {W}]}}', {}),
        ('{"shape": 6}', {}),
    ],
)
def test_planes_that_a_description_promises(description: str, expected: dict[str, int], tmp_path: Path) -> None:
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES[:2], description.encode()))
    with tiff_reports(), tifffile.TiffFile(path) as tiff:
        assert promised_planes(tiff, tiff.pages.first) == expected


def listed(path: Path) -> tuple[list[TiffImage], bool]:
    with tiff_reports() as reports, tifffile.TiffFile(path) as tiff:
        return list_images(path, tiff, reports)


def test_one_stack_of_pages_that_are_alike(tmp_path: Path) -> None:
    (image,), is_cut = listed(tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, num_strips=2)))
    assert (image.shape, len(image.pages), is_cut, image.is_misdescribed) == ((T, H, W), T, False, False)


def test_pages_that_do_not_fit_their_description(tmp_path: Path) -> None:
    (image,), is_cut = listed(tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, b"ImageJ=1.53t\nimages=4\nframes=4\n")))
    assert (image.shape, image.is_misdescribed, is_cut) == ((T, H, W), True, False)


def test_pages_that_a_description_promises_and_that_are_not_there(tmp_path: Path) -> None:
    text = b"ImageJ=1.53t\nimages=9\nframes=9\n"
    (image,), _ = listed(tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, text, is_deflated=True)))
    assert (image.shape, image.axes, [page is None for page in image.pages]) == ((9, H, W), "TYX", [False] * 6 + [True] * 3)


def test_one_directory_and_all_frames_behind_each_other(tmp_path: Path) -> None:
    path = imagej_by_hand(tmp_path / "image.tif", FRAMES, b"ImageJ=1.53t\nimages=6\nslices=6\n")
    (image,), is_cut = listed(path)
    assert (image.shape, image.axes, is_cut) == ((T, H, W), "ZYX", False)
    assert image.offset is not None
    content = path.read_bytes()
    assert content[image.offset :] == FRAMES.astype("<u2").tobytes()


def test_a_directory_that_is_cut_off(tmp_path: Path) -> None:
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, is_deflated=True), data_first=True, cut=3.99)
    (image,), is_cut = listed(path)
    assert (image.shape, is_cut) == ((3, H, W), True)


def test_a_tiff_without_an_image(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(b"II*\0\0\0\0\0")
    with pytest.raises(ImageFileError, match="image"):
        listed(path)
