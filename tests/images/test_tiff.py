"""TIFF by any writer: which images a file holds, what is left out, what is missing, and what is wrong beside the pixels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam2.images.calibration import PIXELS as NO_CALIBRATION
from napari_sam2.images.stack import Stack
from opened import frames_of, said
from tiff_by_hand import ASCII, Page, pages_of, tiff_by_hand
from tiff_samples import COLOURS, FRAMES, GREY, OME, H, T, W, ome_image

# --- one image ------------------------------------------------------------------------------------------------------

KINDS_OF_TIFF: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "plain": (FRAMES, {}, "QYX"),
    "time": (FRAMES, {"metadata": {"axes": "TYX"}}, "TYX"),
    "depth": (FRAMES, {"metadata": {"axes": "ZYX"}}, "ZYX"),
    "LZW": (FRAMES, {"compression": "lzw", "metadata": {"axes": "TYX"}}, "TYX"),
    "LZW, predictor": (FRAMES, {"compression": "lzw", "predictor": True}, "QYX"),
    "deflate": (FRAMES, {"compression": "zlib"}, "QYX"),
    "zstd": (FRAMES, {"compression": "zstd"}, "QYX"),
    "tiles": (FRAMES, {"tile": (16, 16), "compression": "lzw"}, "QYX"),
    "big-endian": (FRAMES, {"byteorder": ">"}, "QYX"),
    "BigTIFF": (FRAMES, {"bigtiff": True}, "QYX"),
    "ImageJ": (FRAMES, {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX"),
    "OME": (FRAMES, {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "lzw"}, "ZYX"),
    "float": (FRAMES.astype(np.float32) / 7, {"metadata": {"axes": "TYX"}}, "TYX"),
    "signed": (FRAMES.astype(np.int16) - 2000, {"compression": "lzw"}, "QYX"),
    "single": (FRAMES[0], {"compression": "lzw"}, "YX"),
    "colour": (COLOURS, {"photometric": "rgb", "metadata": {"axes": "TYXS"}}, "TYX"),
    "one colour": (COLOURS[0], {"photometric": "rgb", "compression": "lzw"}, "YX"),
    "one frame": (FRAMES[:1], {"metadata": {"axes": "TYX"}}, "TYX"),
    "one in front": (FRAMES[None], {}, "QYX"),
}


def in_frames(image: np.ndarray, is_rgb: bool) -> np.ndarray:
    return image.reshape(-1, *image.shape[-3:]) if is_rgb else image.reshape(-1, *image.shape[-2:])


@pytest.mark.parametrize("name", KINDS_OF_TIFF)
def test_kinds_of_tiff(name: str, tmp_path: Path) -> None:
    image, options, axes = KINDS_OF_TIFF[name]
    path = tmp_path / "image.tif"
    is_rgb = options.get("photometric") == "rgb"
    tifffile.imwrite(path, image, **{"photometric": "minisblack", **options})
    stack = Stack.open(path)
    assert (stack.axes, stack.is_rgb) == (axes, is_rgb)
    assert (stack.height, stack.width) == (H, W)
    assert stack.labels_shape == ((len(stack), H, W) if len(axes) == 3 else (H, W))
    np.testing.assert_array_equal(np.stack([stack.frames[t] for t in range(len(stack))]), in_frames(image, is_rgb))


def test_uncompressed_tiff_is_not_read_as_a_whole(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", FRAMES, photometric="minisblack")
    stack = Stack.open(tmp_path / "image.tif")
    assert isinstance(stack.image, np.memmap)
    assert np.shares_memory(stack.frames[3], stack.image)
    assert not stack.frames[3].flags.writeable


def test_compressed_tiff_is_not_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, decoded = tmp_path / "image.tif", []
    tifffile.imwrite(path, np.stack([FRAMES] * 3), compression="zlib", photometric="minisblack", metadata={"axes": "TZYX"})
    stack = Stack.open(path, along="T", at={"Z": 2})
    decode = tifffile.TiffFrame.asarray
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", lambda page: decoded.append(page.index) or decode(page))
    np.testing.assert_array_equal(stack.frames[1], FRAMES[2])
    assert decoded == [1 * T + 2]


@pytest.mark.parametrize("channel", [0, 1])
def test_channel_of_a_tiff(channel: int, tmp_path: Path) -> None:
    both = np.stack([FRAMES, FRAMES[::-1]], axis=1)
    tifffile.imwrite(tmp_path / "image.tif", both, photometric="minisblack", metadata={"axes": "TCYX"})
    stack = Stack.open(tmp_path / "image.tif", channel=channel)
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(stack.frames, both[:, channel])


# --- metadata that are wrong, pixels that are right -----------------------------------------------------------------

XML = OME.format(ome_image("movie", T=T, attributes='PhysicalSizeX="0.5" PhysicalSizeY="0.5"'))
BAD_METADATA: dict[str, bytes] = {
    "a tag that is not closed": XML.replace("</Pixels>", "").encode(),
    "cut": XML[: len(XML) // 2].encode(),
    "a control character": XML.replace('Name="movie"', 'Name="mo\x0bvie"').encode(),
    "an HTML entity": XML.replace('Name="movie"', 'Name="mo&micro;vie"').encode(),
    "a bare ampersand": XML.replace('Name="movie"', 'Name="actin & tubulin"').encode(),
    "UTF-16 that is called UTF-8": XML.encode("utf-16"),
    "two documents": (XML + XML).encode(),
    "no size": re.sub(r'SizeT="\d+"', "", XML).encode(),
    "a size in words": re.sub(r'SizeT="\d+"', 'SizeT="six"', XML).encode(),
    "another frame": XML.replace(f'SizeX="{W}"', f'SizeX="{W + 1}"').encode(),
    "a wrong order": XML.replace("XYZCT", "XYZ").encode(),
    "a stale shape": f'{{"shape": [3, {H}, {2 * W}]}}'.encode(),
    "a stale shape of one dimension more": f'{{"shape": [3, 5, {H}, {2 * W}]}}'.encode(),
    "a shape in words": b'{"shape": "big"}',
    "JSON that is cut": b'{"shape": [6, 24',
    "axes that do not fit": f'{{"shape": [{T}, {H}, {W}], "axes": "TZCYX"}}'.encode(),
    "ImageJ with words": b"ImageJ=1.53t\nimages=six\nframes=many\n",
    "ImageJ with a wrong product": b"ImageJ=1.53t\nimages=6\nchannels=4\nslices=5\nframes=7\nhyperstack=true\n",
    "ImageJ without images": b"ImageJ=\n",
    "bytes": bytes(range(1, 256)),
}


_NO_METADATA = {"bytes", "UTF-16 that is called UTF-8", "ImageJ without images"}
"""So little of these can be read that nobody would take them for metadata."""


@pytest.mark.parametrize("name", BAD_METADATA)
def test_bad_metadata_are_not_bad_pixels(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, BAD_METADATA[name]))
    stack = Stack.open(path)
    assert stack.frames.shape == FRAMES.shape
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert stack.calibration == NO_CALIBRATION
    messages = said(caplog)
    assert len(messages) <= 1
    if name not in _NO_METADATA:
        assert str(path) in messages[0]


@pytest.mark.parametrize("kind", ["OME", "ImageJ", "shaped"])
def test_metadata_edited_by_hand(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Written right, then edited by hand."""
    path = tmp_path / "image.tif"
    options: dict[str, Any] = {"OME": {"ome": True}, "ImageJ": {"imagej": True}, "shaped": {"compression": "lzw"}}[kind]
    tifffile.imwrite(path, FRAMES, metadata={"axes": "TYX"}, **GREY, **options)
    text = tifffile.tiffcomment(path)
    edited = {
        "OME": lambda: text.replace("</Pixels>", ""),
        "ImageJ": lambda: text.replace("images=6", "images=six"),
        "shaped": lambda: text.replace(f"[{T}, {H}, {W}]", f"[{T}, {W}, {H}, 2]"),
    }[kind]()
    assert edited != text
    tifffile.tiffcomment(path, edited)
    stack = Stack.open(path)
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert stack.calibration == NO_CALIBRATION
    (message,) = said(caplog)
    assert str(path) in message


VENDOR_TAGS = {
    "unknown": ((65000, ASCII, b"vendor\0"), (65001, 7, bytes(range(200)))),
    "Micro-Manager, not JSON": ((51123, ASCII, b"{no json"),),
    "MetaMorph, rubbish": ((33628, 4, bytes(4)), (33629, 4, bytes(24))),
    "Andor": ((4864, ASCII, b"?\0"),),
    "ImageJ's, without ImageJ": ((50838, 4, bytes(8)), (50839, 1, b"\xff" * 16)),
    "LSM, too short": ((34412, 7, b"\0" * 20),),
    "Exif": ((34665, 4, b"\xff\xff\xff\x7f"),),
    "software that is no text": ((305, ASCII, b"\xff\xfe\x00\x01"),),
    "a date that is none": ((306, ASCII, b"yesterday\0"),),
    "a resolution of nothing": ((282, 4, bytes(4)), (283, 4, bytes(4))),
}


@pytest.mark.parametrize("name", VENDOR_TAGS)
def test_vendor_tags(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    tiff_by_hand(path, [Page(frame, tags=VENDOR_TAGS[name] if t == 0 else ()) for t, frame in enumerate(FRAMES)])
    stack = Stack.open(path)
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert stack.calibration == NO_CALIBRATION
    assert len(said(caplog)) <= 1


def test_tag_that_lies_beyond_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, FRAMES[0], extratags=[(65000, "I", 4, (1, 2, 3, 4), True)], **GREY)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags[65000]
    content = bytearray(path.read_bytes())
    content[tag.offset + 8 : tag.offset + 12] = (10**9).to_bytes(4, "little")
    path.write_bytes(content)
    np.testing.assert_array_equal(Stack.open(path).frames[0], FRAMES[0])
    assert len(said(caplog)) <= 1


# --- frames that a file calls channels ------------------------------------------------------------------------------

RNG = np.random.default_rng(8)
DRIFT = np.stack(
    [
        np.roll(np.pad(np.full((10, 12), 3000, np.uint16), ((5, 9), (5, 23))), t, 1) + RNG.integers(0, 50, (H, W)).astype(np.uint16)
        for t in range(T)
    ]
)
STAINS = RNG.integers(0, 4000, (4, H, W)).astype(np.uint16)


def as_channels(path: Path, frames: np.ndarray, kind: str) -> None:
    if kind == "ImageJ":
        tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "CYX"})
    elif kind == "OME":
        tifffile.imwrite(path, frames, ome=True, metadata={"axes": "CYX"}, **GREY)
    elif kind == "shaped":
        tifffile.imwrite(path, frames, metadata={"axes": "CYX"}, **GREY)
    else:
        text = f"ImageJ=1.53t\nimages={len(frames)}\nchannels={len(frames)}\nmode=composite\n"
        tiff_by_hand(path, pages_of(frames, text.encode()))


@pytest.mark.parametrize("kind", ["ImageJ", "OME", "shaped", "ImageJ by hand"])
def test_channels_that_look_alike(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    as_channels(tmp_path / "image.tif", DRIFT, kind)
    assert Stack.open(tmp_path / "image.tif").axes == "YX"
    (message,) = said(caplog)
    assert "look alike" in message
    assert "--axes TYX" in message
    assert "axes='TYX'" in message
    caplog.clear()
    stack = Stack.open(tmp_path / "image.tif", axes="TYX")
    np.testing.assert_array_equal(frames_of(stack), DRIFT)
    assert said(caplog) == []


@pytest.mark.parametrize("kind", ["ImageJ", "OME", "shaped", "ImageJ by hand"])
def test_stains_do_not_look_alike(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    as_channels(tmp_path / "image.tif", STAINS, kind)
    assert Stack.open(tmp_path / "image.tif").axes == "YX"
    assert not any("look alike" in message for message in said(caplog))


# --- what only the length of the file, or only the description tells ----------------------------------------------------


@pytest.mark.parametrize("count", ["-6", "0", "1000000000"])
def test_imagej_with_a_count_that_cannot_be(count: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    description = f"ImageJ=1.53t\nimages={count}\nslices={count}\n".encode()
    tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, description))
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "image.tif")), FRAMES)
    assert len(said(caplog)) == 1
    assert "ends too early" not in said(caplog)[0]
