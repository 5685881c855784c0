"""Reading images: TIFF and zarr of all kinds, and what is said of those that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.images.stack import Stack

T, H, W = 5, 24, 40
PIXELS = np.random.default_rng(0).integers(0, 4000, (T, H, W)).astype(np.uint16)
COLOURS = np.random.default_rng(1).integers(0, 255, (T, H, W, 3)).astype(np.uint8)

TIFFS: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "plain": (PIXELS, {}, "QYX"),
    "time": (PIXELS, {"metadata": {"axes": "TYX"}}, "TYX"),
    "depth": (PIXELS, {"metadata": {"axes": "ZYX"}}, "ZYX"),
    "LZW": (PIXELS, {"compression": "lzw", "metadata": {"axes": "TYX"}}, "TYX"),
    "LZW, predictor": (PIXELS, {"compression": "lzw", "predictor": True}, "QYX"),
    "deflate": (PIXELS, {"compression": "zlib"}, "QYX"),
    "zstd": (PIXELS, {"compression": "zstd"}, "QYX"),
    "tiles": (PIXELS, {"tile": (16, 16), "compression": "lzw"}, "QYX"),
    "big-endian": (PIXELS, {"byteorder": ">"}, "QYX"),
    "BigTIFF": (PIXELS, {"bigtiff": True}, "QYX"),
    "ImageJ": (PIXELS, {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX"),
    "OME": (PIXELS, {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "lzw"}, "ZYX"),
    "float": (PIXELS.astype(np.float32) / 7, {"metadata": {"axes": "TYX"}}, "TYX"),
    "signed": (PIXELS.astype(np.int16) - 2000, {"compression": "lzw"}, "QYX"),
    "single": (PIXELS[0], {"compression": "lzw"}, "YX"),
    "colour": (COLOURS, {"photometric": "rgb", "metadata": {"axes": "TYXS"}}, "TYX"),
    "one colour": (COLOURS[0], {"photometric": "rgb", "compression": "lzw"}, "YX"),
    "one frame": (PIXELS[:1], {"metadata": {"axes": "TYX"}}, "TYX"),
    "one in front": (PIXELS[None], {}, "QYX"),
}


def in_frames(image: np.ndarray, is_rgb: bool) -> np.ndarray:
    return image.reshape(-1, *image.shape[-3:]) if is_rgb else image.reshape(-1, *image.shape[-2:])


@pytest.mark.parametrize("name", TIFFS)
def test_tiff(name: str, tmp_path: Path) -> None:
    image, options, axes = TIFFS[name]
    path = tmp_path / "image.tif"
    is_rgb = options.get("photometric") == "rgb"
    tifffile.imwrite(path, image, **{"photometric": "minisblack", **options})
    stack = Stack.open(path)
    assert (stack.axes, stack.is_rgb) == (axes, is_rgb)
    assert (stack.height, stack.width) == (H, W)
    assert stack.labels_shape == ((len(stack), H, W) if len(axes) == 3 else (H, W))
    np.testing.assert_array_equal(np.stack([stack.frames[t] for t in range(len(stack))]), in_frames(image, is_rgb))


def test_path_may_be_a_string_and_axes_are_the_callers(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", PIXELS, photometric="minisblack")
    assert Stack.open(str(tmp_path / "image.tif"), axes="zyx").axes == "ZYX"


def test_uncompressed_tiff_is_not_read_as_a_whole(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", PIXELS, photometric="minisblack")
    stack = Stack.open(tmp_path / "image.tif")
    assert isinstance(stack.image, np.memmap)
    assert np.shares_memory(stack.frames[3], stack.image)
    assert not stack.frames[3].flags.writeable


def test_compressed_tiff_is_not_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, decoded = tmp_path / "image.tif", []
    tifffile.imwrite(path, np.stack([PIXELS] * 3), compression="zlib", photometric="minisblack", metadata={"axes": "TZYX"})
    stack = Stack.open(path, along="T", at={"Z": 2})
    decode = tifffile.TiffFrame.asarray
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", lambda page: decoded.append(page.index) or decode(page))
    np.testing.assert_array_equal(stack.frames[1], PIXELS[2])
    assert decoded == [1 * T + 2]


@pytest.mark.parametrize("channel", [0, 1])
def test_channel_of_a_tiff(channel: int, tmp_path: Path) -> None:
    both = np.stack([PIXELS, PIXELS[::-1]], axis=1)
    tifffile.imwrite(tmp_path / "image.tif", both, photometric="minisblack", metadata={"axes": "TCYX"})
    stack = Stack.open(tmp_path / "image.tif", channel=channel)
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(stack.frames, both[:, channel])


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("image", [PIXELS, PIXELS[0], COLOURS], ids=["stack", "single", "colour"])
def test_zarr(image: np.ndarray, zarr_format: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    chunks = (2, 10, 40, 3)[: image.ndim] if image.ndim > 2 else (10, 40)
    written = zarr.create_array(path, shape=image.shape, dtype=image.dtype, chunks=chunks, zarr_format=zarr_format)
    written[...] = image
    stack = Stack.open(path)
    assert stack.axes == ("YX" if image.ndim == 2 else "TYX")
    np.testing.assert_array_equal(np.stack([stack.frames[t] for t in range(len(stack))]), in_frames(image, image.ndim == 4))


@pytest.mark.parametrize("axes", [["z", "y", "x"], [{"name": "z", "type": "space"}, {"name": "y"}, {"name": "x"}]])
@pytest.mark.parametrize("nested", [True, False], ids=["0.5", "0.4"])
def test_ome_zarr_is_read_at_full_resolution(axes: list[Any], nested: bool, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "image.zarr", mode="w")
    multiscales = [{"axes": axes, "datasets": [{"path": "s0"}, {"path": "s1"}]}]
    group.attrs.update({"ome": {"multiscales": multiscales}} if nested else {"multiscales": multiscales})
    for path, step in (("s0", 1), ("s1", 2)):
        group.create_array(path, data=PIXELS[:, ::step, ::step])
    stack = Stack.open(tmp_path / "image.zarr")
    assert stack.axes == "ZYX"
    np.testing.assert_array_equal(stack.frames[3], PIXELS[3])


def test_the_only_array_of_a_zarr_group(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "image.zarr", mode="w")
    group.create_array("raw", data=PIXELS)
    np.testing.assert_array_equal(Stack.open(tmp_path / "image.zarr").frames[2], PIXELS[2])
    group.create_array("other", data=PIXELS)
    with pytest.raises(ValueError, match=r"image.zarr holds 2 arrays \((other, raw|raw, other)\): name one of them$"):
        Stack.open(tmp_path / "image.zarr")
    np.testing.assert_array_equal(Stack.open(tmp_path / "image.zarr" / "raw").frames[2], PIXELS[2])


@pytest.mark.parametrize(
    ("shape", "axes", "expected", "frames"),
    [
        ((6, 20), None, "YX", (1, 6, 20)),
        ((5, 6, 20), None, "TYX", (5, 6, 20)),
        ((6, 20, 3), None, "YX", (1, 6, 20, 3)),
        ((6, 20, 4), None, "YX", (1, 6, 20, 3)),
        ((5, 6, 20, 4), None, "TYX", (5, 6, 20, 3)),
        ((6, 20, 3), "TYX", "TYX", (6, 20, 3)),
        ((1, 6, 20), "ZYX", "ZYX", (1, 6, 20)),
        ((1, 5, 6, 20), None, "ZYX", (5, 6, 20)),
        ((5, 1, 6, 20), None, "TYX", (5, 6, 20)),
        ((1, 1, 6, 20), None, "TYX", (1, 6, 20)),
        ((5, 1, 1, 6, 20), None, "TYX", (5, 6, 20)),
        ((1, 6, 20), "CYX", "YX", (1, 6, 20)),
        ((6, 20, 1), "YXC", "YX", (1, 6, 20)),
        ((6, 20), "XY", "XY", (1, 20, 6)),
        ((6, 20, 5), "XYT", "XYT", (5, 20, 6)),
        ((2, 6, 20), "CYX", "YX", (1, 6, 20, 3)),
        ((5, 6, 20, 2), "TYXC", "TYX", (5, 6, 20, 3)),
        ((5, 9, 6, 20), "TCYX", "TYX", (5, 6, 20, 3)),
        ((3, 6, 20), "SYX", "YX", (1, 6, 20, 3)),
        ((1, 5, 6, 20, 3), None, "ZYX", (5, 6, 20, 3)),
        ((1, 1, 20), "TYX", "TYX", (1, 1, 20)),
        ((3, 1, 1), "TYX", "TYX", (3, 1, 1)),
    ],
)
def test_axes(shape: tuple[int, ...], axes: str | None, expected: str, frames: tuple[int, ...]) -> None:
    stack = Stack.open(np.zeros(shape), axes)
    assert (stack.axes, stack.frames.shape) == (expected, frames)
    size = dict(zip("TYX", frames[:3], strict=True)) | {"Z": frames[0]}
    assert stack.labels_shape == tuple(size[axis] for axis in expected)


BAD_ARRAYS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "five axes": (
        np.zeros((2, 3, 2, 6, 20)),
        {},
        "an image of shape (2, 3, 2, 6, 20) with axes TZCYX cannot be followed along T alone: "
        "choose one place on Z by at, as in at={'Z': 0}, or another axis by along",
    ),
    "six axes": (np.zeros((1,) * 6), {}, "an image has two to five axes, got shape (1, 1, 1, 1, 1, 1)"),
    "a line": (np.zeros(7), {}, "an image has two to five axes, got shape (7,)"),
    "a number": (3, {}, "an image has two to five axes, got shape ()"),
    "no frame": (np.zeros((0, 6, 20)), {}, "the image is empty: its shape is (0, 6, 20)"),
    "no row": (np.zeros((5, 0, 20)), {}, "the image is empty: its shape is (5, 0, 20)"),
    "objects": (np.full((2, 6, 20), None), {}, "an image must hold integers, floats or booleans, got object"),
    "words": (np.full((2, 6, 20), "a"), {}, "an image must hold integers, floats or booleans, got <U1"),
    "complex": (np.zeros((2, 6, 20), complex), {}, "an image must hold integers, floats or booleans, got complex128"),
    "nothing": (None, {}, "an image must hold integers, floats or booleans, got object"),
    "wrong axes": (np.zeros((6, 20)), {"axes": "TYX"}, "axes TYX do not fit an image of shape (6, 20)"),
    "no channels": (np.zeros((6, 20)), {"channel": 1}, "an image with axes YX has no channels to choose from"),
    "no such channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": 2}, "channel 2 does not exist: the image has 2"),
    "a channel in between": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": 0.5}, "a channel is a whole number, got 0.5"),
    "channel by name": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": "0"}, "a channel is a whole number, got '0'"),
    "no channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": []}, "one to three channels can be shown, got 0"),
    "four channels": (np.zeros((4, 6, 20)), {"axes": "CYX", "channel": range(4)}, "one to three channels can be shown, got 4"),
    "a channel twice": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": (1, 1)}, "a channel is named twice in [1, 1]"),
    "axes as a list": (np.zeros((6, 20)), {"axes": ["Y", "X"]}, "axes is a text of the letters T, Z, Y, X and C, got ['Y', 'X']"),
    "along a number": (np.zeros((2, 6, 20)), {"along": 0}, "along is a text of the letters T, Z, Y, X and C, got 0"),
    "an axis twice": (np.zeros((2, 6, 20)), {"axes": "YYX"}, "axes YYX name Y twice"),
    "no rows": (np.zeros((2, 6, 20)), {"axes": "TZX"}, "an image needs rows and columns: axes TZX have no Y"),
    "along nothing": (np.zeros((2, 6, 20)), {"along": "Z"}, "frames cannot follow each other along 'Z': the image has axes TYX"),
    "along colours": (np.zeros((2, 6, 20)), {"axes": "CYX", "along": "C"}, "frames cannot follow each other along 'C'"),
    "along two": (np.zeros((2, 6, 20)), {"along": "TY"}, "frames cannot follow each other along 'TY'"),
    "columns of a movie": (np.zeros((2, 6, 20)), {"along": "X"}, "only a volume can be followed along X: axes TYX have no Z"),
    "no such time": (np.zeros((2, 3, 6, 20)), {"along": "Z", "at": {"T": 2}}, "T 2 does not exist: the image has 2"),
    "a time in between": (np.zeros((2, 3, 6, 20)), {"at": {"Z": 0.5}}, "at gives Z the place 0.5: expected a whole number"),
    "no such axis": (np.zeros((2, 6, 20)), {"at": {"Z": 0}}, "at names Z, but the image has axes TYX"),
    "at and along": (np.zeros((2, 6, 20)), {"along": "T", "at": {"T": 0}}, "frames follow each other along T: at cannot name it"),
    "at a row": (np.zeros((2, 6, 20)), {"at": {"Y": 0}}, "cannot be followed along T at one Y: that is an axis of the frames"),
    "at a channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "at": {"C": 0}}, "channels are not chosen by at: give channel"),
    "negative channel": (np.zeros((2, 6, 20)), {"axes": "CYX", "channel": -1}, "channel -1 does not exist: the image has 2"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_array_that_is_no_stack(name: str) -> None:
    array, options, message = BAD_ARRAYS[name]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Stack.open(array, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("share", [0.0, 0.0005, 0.001, 0.002, 0.3, 0.6, 0.95])
def test_tiff_that_was_cut_short(compression: str | None, share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, PIXELS, compression=compression, photometric="minisblack")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises((ValueError, OSError), match=r"image\.tif cannot be read as TIFF: .+") as caught:
        np.asarray(Stack.open(path).frames)
    assert "\n" not in str(caught.value)
    assert caplog.records == []


def test_tiff_with_an_odd_tag_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A vendor's tag whose value lies beyond the end of the file."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, PIXELS[0], photometric="minisblack", extratags=[(65000, "I", 4, (1, 2, 3, 4), True)])
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags[65000]
    content = bytearray(path.read_bytes())
    content[tag.offset + 8 : tag.offset + 12] = (10**9).to_bytes(4, "little")
    path.write_bytes(content)
    np.testing.assert_array_equal(Stack.open(path).frames[0], PIXELS[0])
    assert {record.name for record in caplog.records} == {"tifffile"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("image.tif", b"", "cannot be read as TIFF: not a TIFF file"),
        ("image.tif", b"hello, this is a text", "cannot be read as TIFF: not a TIFF file"),
        ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "cannot be read as TIFF: not a TIFF file"),
        ("image.tif", b"II*\0" + bytes(4), "cannot be read as TIFF: there is no image in it"),
        ("image.zarr", b"hello", "cannot be read as zarr"),
    ],
)
def test_file_that_is_no_image(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Stack.open(tmp_path / name)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^there is no file .*movie\.tif$"):
        Stack.open(tmp_path / "movie.tif")


@pytest.mark.parametrize(
    "multiscales",
    [[{}], [{"datasets": []}], [{"datasets": [{"path": "gone"}]}], {"a": 1}, [{"axes": [1], "datasets": [{"path": "0"}]}]],
)
def test_damaged_ome_zarr(multiscales: Any, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "image.zarr", mode="w")
    group.create_array("0", data=PIXELS)
    group.attrs["multiscales"] = multiscales
    with pytest.raises(ValueError, match=r"image\.zarr cannot be read as OME-Zarr"):
        Stack.open(tmp_path / "image.zarr")


def test_folder_that_is_no_zarr(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read as zarr"):
        Stack.open(tmp_path)


def test_empty_zarr(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "image.zarr", mode="w")
    with pytest.raises(ValueError, match=r"image\.zarr holds 0 arrays"):
        Stack.open(tmp_path / "image.zarr")
