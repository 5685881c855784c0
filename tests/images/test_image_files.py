"""Which reader a path gets, and one sentence for what no reader takes."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2.images.stack import Stack
from opened import assert_one_sentence, frames_of, said
from zarr_by_hand import image_by_hand

T, H, W = 4, 20, 32
FRAMES = np.random.default_rng(11).integers(0, 255, (T, H, W)).astype(np.uint8)
GREY: dict[str, Any] = {"photometric": "minisblack"}


@pytest.mark.parametrize(
    "name", ["movie.tif", "movie.TIF", "movie.tiff", "movie.ome.tif", "movie.lsm", "movie.dat", "movie", "movie.png"]
)
def test_tiff_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, metadata={"axes": "TYX"}, **GREY)
    (tmp_path / "a.tif").rename(tmp_path / name)
    for given in (tmp_path / name, str(tmp_path / name)):
        np.testing.assert_array_equal(frames_of(Stack.open(given)), FRAMES)


@pytest.mark.parametrize("name", ["movie.zarr", "movie.ome.zarr", "movie.dat", "movie"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_zarr_whatever_it_is_called(version: str, name: str, tmp_path: Path) -> None:
    image_by_hand(tmp_path / name, FRAMES, version, "tyx")
    for given in (tmp_path / name, str(tmp_path / name), f"{tmp_path / name}/"):
        np.testing.assert_array_equal(frames_of(Stack.open(given)), FRAMES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("image.tif", b""),
        ("image.tif", b"hello, this is a text"),
        ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(64)),
        ("image.tif", b"II*\0" + bytes(4)),
        ("image.zarr", b"hello"),
        ("image.czi", b"ZISRAWFILE" + bytes(64)),
        ("image.npy", b"\x93NUMPY\x01\0"),
        ("image", b"hello"),
        ("image.xyz", b""),
    ],
)
def test_file_that_is_no_image(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / name))) as caught:
        Stack.open(tmp_path / name)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("name", ["movie.tif", "movie.zarr", "movie.png", "movie", "no/movie.tif", "movie.companion.ome"])
def test_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^there is no file .*{re.escape(name)}$"):
        Stack.open(tmp_path / name)


def test_folder_of_zarrs(tmp_path: Path) -> None:
    """One is the image; of several the names are told."""
    image_by_hand(tmp_path / "a.zarr", FRAMES, "0.4", "tyx")
    image_by_hand(tmp_path / "b.zarr", FRAMES, "0.4", "tyx")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))) as caught:
        Stack.open(tmp_path)
    assert_one_sentence(str(caught.value))
    assert "a.zarr" in str(caught.value)


@pytest.mark.parametrize("address", ["https://example.com/movie.zarr", "s3://bucket/movie.tif", "file:///data/movie.tif"])
def test_address(address: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(address)} is an address: only files are opened; ") as caught:
        Stack.open(address)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("name", ["movie.wmv", "movie.mpg", "movie.gif"])
def test_other_videos_are_told_which_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(64))
    known = r"TIFF, zarr, PNG, JPEG, BMP, a video \(AVI, M4V, MKV, MOV, MP4, WEBM\), NIfTI, NRRD, MetaImage, DICOM or MRC"
    with pytest.raises(ValueError, match=f"expected {known}$"):
        Stack.open(tmp_path / name)


def test_folder_of_videos_names_them(tmp_path: Path) -> None:
    for name in ("b10.mp4", "b2.MOV"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds no TIFF, PNG, JPEG, BMP or DICOM: open one of b2\.MOV, b10\.mp4 in it$"):
        Stack.open(tmp_path)


def test_empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a variable of the shell that is not set; it is not the folder where one stands."""
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, **GREY)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^the path of the image is empty$"):
        Stack.open("")


@pytest.mark.parametrize("given", [None, 3, {"a": 1}, object])
def test_what_is_no_image_at_all(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^an image must be an array, a path or a list of frames of one shape, got "):
        Stack.open(given)


@pytest.mark.parametrize("empty", [[], ()])
def test_empty_list(empty: Any) -> None:
    with pytest.raises(ValueError, match=r"^the list of files or frames is empty: there is no image in it$"):
        Stack.open(empty)


@pytest.mark.parametrize("given", [iter(["a.tif"]), {"a.tif"}, (path for path in [Path("a.tif")])])
def test_what_a_list_can_be_made_of(given: Any) -> None:
    with pytest.raises(ValueError, match=rf"got a {type(given).__name__}: list\(\.\.\.\) makes a list of it$"):
        Stack.open(given)


@pytest.mark.parametrize("kind", ["tif", "zarr", "folder"])
def test_image_that_may_not_be_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the rights of a file say it to others than the administrator, who runs some tests."""
    path = tmp_path / f"image.{kind}"

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    if kind == "tif":
        path.write_bytes(b"II*\0")
        monkeypatch.setattr(Path, "open", refuse)
    elif kind == "zarr":
        zarr.create_array(path, data=FRAMES)
        monkeypatch.setattr(zarr, "open", refuse)
    else:
        path.mkdir()
        monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))} may not be read: permission is denied$"):
        Stack.open(path)


def test_list_of_frames_in_memory_is_no_list_of_files() -> None:
    np.testing.assert_array_equal(frames_of(Stack.open(list(FRAMES))), FRAMES)


@pytest.mark.parametrize("choice", [{"series": 0}, {"image_name": "a"}])
def test_choice_in_an_array(choice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="this image is an array"):
        Stack.open(FRAMES, **choice)


@pytest.mark.parametrize("choice", [{"series": 1}, {"image_name": "other"}])
@pytest.mark.parametrize("kind", ["tif", "zarr", "array.zarr", "png", "folder"])
def test_choice_where_there_is_one_image(kind: str, choice: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / f"movie.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, FRAMES, **GREY)
    elif kind == "zarr":
        image_by_hand(path, FRAMES, "0.4", "tyx")
    elif kind == "array.zarr":
        zarr.create_array(path, data=FRAMES)
    elif kind == "png":
        Image.fromarray(FRAMES[0]).save(path)
    else:
        path.mkdir()
        for t, frame in enumerate(FRAMES):
            Image.fromarray(frame).save(path / f"{t}.png")
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        Stack.open(path, **choice)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("kind", ["tif", "zarr"])
def test_the_first_may_be_asked_for(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / f"movie.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, FRAMES, metadata={"axes": "TYX"}, **GREY)
    else:
        image_by_hand(path, FRAMES, "0.5", "tyx")
    np.testing.assert_array_equal(frames_of(Stack.open(path, series=0)), FRAMES)
    assert said(caplog) == []


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_link_to_what_is_not_there_is_not_left_out(suffix: str, tmp_path: Path) -> None:
    """As large files lie that have not been fetched, or a disk that is not mounted."""
    for t, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(tmp_path / f"t{t}{suffix}")
    (tmp_path / f"t2{suffix}").unlink()
    (tmp_path / f"t2{suffix}").symlink_to("/mnt/annex/t2")
    for given in (tmp_path, tmp_path / f"*{suffix}", tmp_path / f"t2{suffix}"):
        with pytest.raises(FileNotFoundError, match=rf"t2\{suffix} is a link to what is not there$"):
            Stack.open(given)


def test_pattern_that_is_offered_finds_files_in_a_folder_with_brackets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "plate [1]"
    folder.mkdir()
    for suffix in ("tif", "png"):
        for t, frame in enumerate(FRAMES):
            Image.fromarray(frame).save(folder / f"t{t}.{suffix}")
    Stack.open(folder)
    (message,) = said(caplog)
    found = re.search(r"such as '(.*)'$", message)
    assert found is not None
    np.testing.assert_array_equal(frames_of(Stack.open(found[1])), FRAMES)


def test_cell_tracking_folder(tmp_path: Path) -> None:
    """What the product writes for the Cell Tracking Challenge: masks and a table of tracks beside them."""
    folder = tmp_path / "01_RES"
    folder.mkdir()
    for t, frame in enumerate(FRAMES):
        tifffile.imwrite(folder / f"mask{t:03d}.tif", frame.astype(np.uint16), **GREY)
    (folder / "res_track.txt").write_text("1 0 3 0\n")
    stack = Stack.open(folder)
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
