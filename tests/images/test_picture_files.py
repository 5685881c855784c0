"""PNG, JPEG and BMP as an image or as frames: grey in 1, 8 and 16 bit, palettes, colour, and what is damaged."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_sam2.images.stack import Stack
from opened import assert_one_sentence, frames_of, readable_frames, said

T, H, W = 4, 24, 40
RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 255, (T, H, W)).astype(np.uint8)
DEEP = RNG.integers(0, 65535, (T, H, W)).astype(np.uint16)
COLOURS = RNG.integers(0, 255, (T, H, W, 3)).astype(np.uint8)
ALPHA = RNG.integers(0, 255, (T, H, W, 4)).astype(np.uint8)


def png_by_hand(path: Path, pixels: np.ndarray, palette: np.ndarray | None = None) -> None:
    """PNG as its specification has it: grey of 8 or 16 bits, or indices into a palette."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, 0 if palette is None else 3, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    colours = b"" if palette is None else chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + colours + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


KINDS: dict[str, tuple[np.ndarray, str]] = {
    "PNG": (GREY, "png"),
    "PNG of 16 bits": (DEEP, "png"),
    "PNG in colour": (COLOURS, "png"),
    "BMP": (GREY, "bmp"),
    "BMP in colour": (COLOURS, "bmp"),
    "PNG with capitals": (GREY, "PNG"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["folder", "glob", "list", "one"])
def test_pictures(form: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pixels, suffix = KINDS[kind]
    folder = tmp_path / "frames"
    folder.mkdir()
    for t, frame in enumerate(pixels):
        Image.fromarray(frame).save(folder / f"t{t}.{suffix}")
    given: Any = {
        "folder": folder,
        "glob": str(folder / f"*.{suffix}"),
        "list": sorted(folder.iterdir()),
        "one": folder / f"t0.{suffix}",
    }[form]
    stack = Stack.open(given)
    assert (stack.axes, stack.is_rgb) == ("YX" if form == "one" else "TYX", pixels.ndim == 4)
    assert stack.image.dtype == pixels.dtype
    np.testing.assert_array_equal(frames_of(stack), pixels[:1] if form == "one" else pixels)
    assert said(caplog) == []


def test_png_by_hand_of_16_bits(tmp_path: Path) -> None:
    for t, frame in enumerate(DEEP):
        png_by_hand(tmp_path / f"t{t}.png", frame)
    stack = Stack.open(tmp_path)
    assert stack.image.dtype == np.uint16
    np.testing.assert_array_equal(frames_of(stack), DEEP)


@pytest.mark.parametrize("num_colours", [2, 3, 4], ids=["grey with alpha", "colour", "colour with alpha"])
def test_png_of_16_bits_with_several_samples(num_colours: int, tmp_path: Path) -> None:
    """Pillow keeps 8 of the 16 bits."""
    deep = RNG.integers(0, 65535, (T, H, W, num_colours)).astype(np.uint16)
    for t, frame in enumerate(deep):
        (tmp_path / f"t{t}.png").write_bytes(imagecodecs.png_encode(frame))
    stack = Stack.open(tmp_path)
    assert stack.image.dtype == np.uint16
    np.testing.assert_array_equal(frames_of(stack), deep[..., 0] if num_colours == 2 else deep[..., :3])


def test_jpeg(tmp_path: Path) -> None:
    """Lossy: what Pillow decodes is the truth."""
    (tmp_path / "f").mkdir()
    for t, frame in enumerate(COLOURS):
        Image.fromarray(frame).save(tmp_path / "f" / f"{t}.{'jpg' if t % 2 else 'jpeg'}", quality=90)
    truth = np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / "f").iterdir())])
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "f")), truth)


@pytest.mark.parametrize("mode", ["grey palette", "palette of labels", "by hand", "1 bit", "alpha", "grey with alpha"])
def test_modes_of_png(mode: str, tmp_path: Path) -> None:
    """Of a palette the numbers are read, which are intensities or labels; one bit is black and white, and alpha is left out."""
    path = tmp_path / "one.png"
    truth: np.ndarray
    if mode == "grey palette":
        image = Image.fromarray(GREY[0]).convert("P")
        image.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
        image.save(path)
        truth = GREY[0]
    elif mode in ("palette of labels", "by hand"):
        palette = RNG.integers(0, 255, (256, 3)).astype(np.uint8)
        if mode == "by hand":
            png_by_hand(path, GREY[0], palette)
        else:
            image = Image.fromarray(GREY[0], mode=None).convert("P")
            image.putpalette(palette.ravel().tolist())
            image.save(path)
        truth = GREY[0]
    elif mode == "1 bit":
        Image.fromarray(GREY[0] > 100).save(path)
        truth = GREY[0] > 100
    elif mode == "alpha":
        Image.fromarray(ALPHA[0]).save(path)
        truth = ALPHA[0, ..., :3]
    else:
        Image.merge("LA", [Image.fromarray(GREY[0]), Image.fromarray(GREY[1])]).save(path)
        truth = GREY[0]
    stack = Stack.open(path)
    assert stack.axes == "YX"
    found = stack.frames[0]
    if mode == "1 bit":
        found = found > 0
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("content", ["nothing", "text", "header", "half"])
def test_damaged_picture(content: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"one.{suffix}"
    Image.fromarray(COLOURS[0]).save(path)
    whole = path.read_bytes()
    path.write_bytes(
        {"nothing": b"", "text": b"hello, this is a text", "header": whole[:8], "half": whole[: len(whole) // 2]}[content]
    )
    with pytest.raises((ValueError, OSError), match=re.escape(str(path))) as caught:
        frames_of(Stack.open(path))
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("content", [b"", b"hello", None])
@pytest.mark.parametrize("number", [1, 2])
def test_damaged_picture_among_many(number: int, content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for t, frame in enumerate(COLOURS):
        Image.fromarray(frame).save(tmp_path / f"t{t}.png")
    path = tmp_path / f"t{number}.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    stack = Stack.open(tmp_path)
    found = readable_frames(stack)
    assert sorted(found) == [t for t in range(T) if t != number]
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, COLOURS[t])
    with pytest.raises(OSError, match=rf"t{number}\.png"):
        stack.frames[number]
    if content is not None:
        (message,) = said(caplog)
        assert f"t{number}.png" in message


def test_animated_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is left out is said."""
    first, *others = [Image.fromarray(frame) for frame in GREY]
    first.save(tmp_path / "movie.png", save_all=True, append_images=others)
    stack = Stack.open(tmp_path / "movie.png")
    np.testing.assert_array_equal(frames_of(stack), GREY[:1])
    assert said(caplog) == [
        f"{tmp_path / 'movie.png'} holds 4 frames: the first is read; save it as a video or as TIFF to have all"
    ]
