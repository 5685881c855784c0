"""TIFF by any writer: which images a file holds, what is left out, what is missing, and what is wrong beside the pixels."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v2
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.images.calibration import PIXELS as NO_CALIBRATION
from napari_sam2.images.stack import Stack
from opened import assert_one_sentence, frames_of, readable_frames, said
from tiff_by_hand import ASCII, Page, imagej_by_hand, pages_of, tiff_by_hand

T, H, W = 6, 24, 40
RNG = np.random.default_rng(7)
FRAMES = RNG.integers(0, 4000, (T, H, W)).astype(np.uint16)
BYTES = RNG.integers(0, 255, (T, H, W)).astype(np.uint8)
COLOURS = RNG.integers(0, 255, (T, H, W, 3)).astype(np.uint8)
VOLUMES = RNG.integers(0, 4000, (3, 4, H, W)).astype(np.uint16)
GREY: dict[str, Any] = {"photometric": "minisblack"}

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


# --- pages that no metadata explains --------------------------------------------------------------------------------


def by_imageio(path: Path) -> np.ndarray:
    imageio.v2.mimwrite(path, list(FRAMES))
    return FRAMES


def by_imageio_in_colour(path: Path) -> np.ndarray:
    imageio.v2.mimwrite(path, list(COLOURS))
    return COLOURS


def by_appending(path: Path) -> np.ndarray:
    for frame in FRAMES:
        tifffile.imwrite(path, frame, append=path.exists(), **GREY)
    return FRAMES


def by_appending_colours(path: Path) -> np.ndarray:
    for frame in COLOURS:
        tifffile.imwrite(path, frame, append=path.exists(), photometric="rgb", compression="zlib")
    return COLOURS


def by_a_loop(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path) as writer:
        for frame in FRAMES:
            writer.write(frame, **GREY)
    return FRAMES


def by_a_loop_without_metadata(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for frame in FRAMES:
            writer.write(frame, metadata=None, compression="lzw", **GREY)
    return FRAMES


def by_a_loop_of_mixed_compression(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path) as writer:
        for frame, compression in zip(FRAMES, [None, "lzw", "zlib", None, "zstd", "lzw"], strict=True):
            writer.write(frame, compression=compression, **GREY)
    return FRAMES


def by_a_loop_of_strips_and_tiles(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path) as writer:
        for t, frame in enumerate(FRAMES):
            writer.write(frame, metadata=None, tile=(16, 16) if t % 2 else None, **GREY)
    return FRAMES


def by_pillow(path: Path) -> np.ndarray:
    first, *others = [Image.fromarray(frame) for frame in BYTES]
    first.save(path, save_all=True, append_images=others)
    return BYTES


def by_pillow_compressed(path: Path) -> np.ndarray:
    first, *others = [Image.fromarray(frame) for frame in FRAMES]
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")
    return FRAMES


def by_pillow_in_colour(path: Path) -> np.ndarray:
    first, *others = [Image.fromarray(frame) for frame in COLOURS]
    first.save(path, save_all=True, append_images=others)
    return COLOURS


def by_hand(path: Path) -> np.ndarray:
    tiff_by_hand(path, pages_of(FRAMES))
    return FRAMES


def by_hand_in_strips(path: Path) -> np.ndarray:
    tiff_by_hand(path, pages_of(FRAMES, num_strips=5, is_deflated=True), order=">", data_first=True)
    return FRAMES


def by_hand_in_colour(path: Path) -> np.ndarray:
    tiff_by_hand(path, pages_of(COLOURS, num_strips=3))
    return COLOURS


def by_hand_mixed(path: Path) -> np.ndarray:
    tiff_by_hand(path, [Page(frame, num_strips=1 + t, is_deflated=t % 2 == 1) for t, frame in enumerate(BYTES)])
    return BYTES


def by_hand_with_words(path: Path) -> np.ndarray:
    tiff_by_hand(path, [Page(frame, f"frame {t}, 20 ms".encode()) for t, frame in enumerate(FRAMES)])
    return FRAMES


def by_blocks(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path) as writer:
        for block in (FRAMES[:3], FRAMES[3:5], FRAMES[5:]):
            writer.write(block, **GREY)
    return FRAMES


def by_appending_blocks(path: Path) -> np.ndarray:
    for block in (FRAMES[:2], FRAMES[2:5], FRAMES[5]):
        tifffile.imwrite(path, block, append=path.exists(), compression="lzw", **GREY)
    return FRAMES


def by_blocks_of_colours(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path) as writer:
        for block in (COLOURS[:1], COLOURS[1:4], COLOURS[4:]):
            writer.write(block, photometric="rgb")
    return COLOURS


ONE_STACK = [
    by_imageio,
    by_imageio_in_colour,
    by_appending,
    by_appending_colours,
    by_a_loop,
    by_a_loop_without_metadata,
    by_a_loop_of_mixed_compression,
    by_a_loop_of_strips_and_tiles,
    by_pillow,
    by_pillow_compressed,
    by_pillow_in_colour,
    by_hand,
    by_hand_in_strips,
    by_hand_in_colour,
    by_hand_mixed,
    by_hand_with_words,
    by_blocks,
    by_appending_blocks,
    by_blocks_of_colours,
]


@pytest.mark.parametrize("write", ONE_STACK, ids=lambda write: write.__name__)
def test_equal_pages_are_one_stack(write: Callable[[Path], np.ndarray], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    truth = write(path)
    stack = Stack.open(path)
    assert stack.frames.shape == truth.shape
    np.testing.assert_array_equal(frames_of(stack), truth)
    assert stack.labels_shape == (T, H, W)
    with tifffile.TiffFile(path) as tiff:
        num_series = len(tiff.series)
    messages = said(caplog)
    assert len(messages) <= 1
    if num_series > 1:
        (message,) = messages
        assert str(path) in message


def test_loop_of_volumes_is_a_time_lapse(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    with tifffile.TiffWriter(path) as writer:
        for volume in VOLUMES:
            writer.write(volume, metadata={"axes": "ZYX"}, **GREY)
    stack = Stack.open(path, along="T", at={"Z": 2})
    assert (stack.axes, stack.labels_shape) == ("TZYX", VOLUMES.shape)
    np.testing.assert_array_equal(frames_of(stack), VOLUMES[:, 2])
    (message,) = said(caplog)
    assert str(path) in message


@pytest.mark.parametrize("volume", [VOLUMES, VOLUMES.astype(np.uint8)], ids=["uint16", "uint8"])
def test_loop_of_volumes_without_axes(volume: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing says that the pages of a block are planes: all of them come, in their order, as one or two axes."""
    path = tmp_path / "image.tif"
    for block in volume:
        tifffile.imwrite(path, block, append=path.exists(), **GREY)
    stack = Stack.open(path, along="T", at={"Z": 2})
    np.testing.assert_array_equal(frames_of(stack), volume[:, 2])
    np.testing.assert_array_equal(np.asarray(stack.image[...]).reshape(volume.shape), volume)
    assert len(said(caplog)) == 1


# --- previews, positions and pyramids -------------------------------------------------------------------------------

SMALL = np.full((8, 12), 9, np.uint16)
SMALL_IN_COLOUR = np.full((8, 12, 3), 9, np.uint8)


def preview_first(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(SMALL, metadata=None, **GREY)
        writer.write(FRAMES, metadata=None, **GREY)


def preview_in_colour_first(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(SMALL_IN_COLOUR, photometric="rgb")
        for frame in FRAMES:
            writer.write(frame, **GREY)


def preview_last(path: Path) -> None:
    for frame in [*FRAMES, SMALL]:
        tifffile.imwrite(path, frame, append=path.exists(), **GREY)


def previews_interleaved(path: Path) -> None:
    """As Zeiss LSM has it."""
    with tifffile.TiffWriter(path) as writer:
        for frame in FRAMES:
            writer.write(frame, metadata=None, **GREY)
            writer.write(SMALL, metadata=None, **GREY)


def previews_interleaved_by_hand(path: Path) -> None:
    small = Page(SMALL_IN_COLOUR, tags=((254, 4, b"\1\0\0\0"),))
    tiff_by_hand(path, [page for frame in FRAMES for page in (Page(frame, num_strips=2), small)])


def preview_by_pillow(path: Path) -> None:
    images = [Image.fromarray(frame) for frame in [SMALL, *FRAMES]]
    images[0].save(path, save_all=True, append_images=images[1:])


def preview_after_a_block(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(FRAMES, metadata={"axes": "TYX"}, **GREY)
        writer.write(SMALL_IN_COLOUR, photometric="rgb", subfiletype=1)


PREVIEWS = [
    preview_first,
    preview_in_colour_first,
    preview_last,
    previews_interleaved,
    previews_interleaved_by_hand,
    preview_by_pillow,
    preview_after_a_block,
]


@pytest.mark.parametrize("write", PREVIEWS, ids=lambda write: write.__name__)
def test_preview_is_left_out_and_can_be_chosen(
    write: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.tif"
    write(path)
    stack = Stack.open(path)
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    messages = [message for message in said(caplog) if "series" in message]
    (message,) = messages
    assert str(path) in message
    assert "--series" in message
    assert "12" in message  # its width
    preview = Stack.open(path, series=int(re.findall(r"--series (\d+)", message)[0]))
    assert preview.frames.shape[1:3] == SMALL.shape
    assert (frames_of(preview) == 9).all()


def imagej_with_a_preview(path: Path) -> None:
    tiff_by_hand(path, [*pages_of(FRAMES, f"ImageJ=1.53t\nimages={T}\nframes={T}\n".encode(), num_strips=2), Page(SMALL)])


def ome_with_a_preview(path: Path) -> None:
    tiff_by_hand(path, [*pages_of(FRAMES, OME.format(ome_image("movie", T=T)).encode()), Page(SMALL)])


def ome_with_a_preview_by_tifffile(path: Path) -> None:
    xml = OME.format(ome_image("movie", T=T)).encode()
    with tifffile.TiffWriter(path) as writer:
        writer.write(FRAMES, description=xml, metadata=None, **GREY)
        writer.write(SMALL, metadata=None, **GREY)


@pytest.mark.parametrize(
    "write", [imagej_with_a_preview, ome_with_a_preview, ome_with_a_preview_by_tifffile], ids=lambda write: write.__name__
)
def test_preview_that_the_metadata_do_not_tell_of(
    write: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.tif"
    write(path)
    stack = Stack.open(path)
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert said(caplog) == [f"{path} has metadata for 6 planes, and holds 7: the last one is left out"]


def positions_by_tifffile(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        for p, name in enumerate(("left", "right")):
            writer.write(FRAMES + p, metadata={"axes": "TYX", "Name": name}, **GREY)


OME = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{}</OME>'


def ome_image(name: str, ifd: int = 0, uuid: str = "", number: int = 0, attributes: str = "", **size: int) -> str:
    """An image of which all planes lie behind each other."""
    sides = {"X": W, "Y": H, "Z": 1, "C": 1, "T": 1} | size
    sizes = " ".join(f'Size{axis}="{side}"' for axis, side in sides.items())
    count = sides["Z"] * sides["C"] * sides["T"]
    return (
        f'<Image ID="Image:{number}" Name="{name}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint16" {sizes} '
        f'{attributes}><Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>'
        f'<TiffData IFD="{ifd}" PlaneCount="{count}">{uuid}</TiffData></Pixels></Image>'
    )


def positions_by_hand(path: Path) -> None:
    xml = OME.format(ome_image("left", T=T) + ome_image("right", ifd=T, number=1, T=T))
    tiff_by_hand(path, pages_of(np.concatenate([FRAMES, FRAMES + 1]), xml.encode()))


def named_series(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        for p, name in enumerate(("left", "right")):
            writer.write(FRAMES + p, metadata={"axes": "TYX", "name": name}, **GREY)


@pytest.mark.parametrize("write", [positions_by_tifffile, positions_by_hand, named_series], ids=lambda write: write.__name__)
def test_positions_are_not_merged(write: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    write(path)
    stack = Stack.open(path)
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    (message,) = said(caplog)
    for word in (str(path), "right", "--series", "series="):
        assert word in message
    for choice in ({"series": 1}, {"image_name": "right"}):
        caplog.clear()
        chosen = Stack.open(path, **choice)
        np.testing.assert_array_equal(frames_of(chosen), FRAMES + 1)
        assert chosen.axes == "TYX"
        assert said(caplog) == []


@pytest.mark.parametrize("write", [positions_by_tifffile, positions_by_hand, named_series], ids=lambda write: write.__name__)
@pytest.mark.parametrize("choice", [{"series": 2}, {"image_name": "middle"}])
def test_position_that_is_not_there(choice: dict[str, Any], write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    write(path)
    with pytest.raises(ValueError, match=r"left.*right") as caught:
        Stack.open(path, **choice)
    assert str(path) in str(caught.value)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    "choice", [{"series": -1}, {"series": 0.5}, {"series": "left"}, {"image_name": 0}, {"series": 0, "image_name": "right"}]
)
def test_choice_that_is_none(choice: dict[str, Any], tmp_path: Path) -> None:
    positions_by_tifffile(tmp_path / "image.tif")
    with pytest.raises((ValueError, TypeError)) as caught:
        Stack.open(tmp_path / "image.tif", **choice)
    assert_one_sentence(str(caught.value))


def pyramid_in_subifds(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(FRAMES, subifds=2, metadata={"axes": "TYX"}, **GREY)
        for step in (2, 4):
            writer.write(FRAMES[:, ::step, ::step], subfiletype=1, **GREY)


def ome_pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(FRAMES, subifds=2, metadata={"axes": "TYX"}, compression="zlib", **GREY)
        for step in (2, 4):
            writer.write(FRAMES[:, ::step, ::step], subfiletype=1, compression="zlib", **GREY)


@pytest.mark.parametrize("write", [pyramid_in_subifds, ome_pyramid], ids=lambda write: write.__name__)
def test_levels_of_a_pyramid_are_not_images(
    write: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "image.tif")
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "image.tif")), FRAMES)
    assert said(caplog) == []


@pytest.mark.parametrize("writer", ["tifffile", "by hand", "Pillow"])
def test_pages_that_shrink_are_a_pyramid(writer: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, levels = tmp_path / "image.tif", [BYTES[0], BYTES[0, ::2, ::2], BYTES[0, ::4, ::4]]
    if writer == "tifffile":
        with tifffile.TiffWriter(path) as file:
            for number, level in enumerate(levels):
                file.write(level, metadata=None, subfiletype=int(number > 0), **GREY)
    elif writer == "by hand":
        tiff_by_hand(path, [Page(level) for level in levels])
    else:
        images = [Image.fromarray(np.ascontiguousarray(level)) for level in levels]
        images[0].save(path, save_all=True, append_images=images[1:])
    stack = Stack.open(path)
    assert (stack.axes, stack.frames.shape) == ("YX", (1, H, W))
    np.testing.assert_array_equal(stack.frames[0], BYTES[0])
    assert len(said(caplog)) <= 1


def test_shape_is_that_of_most_pages_not_of_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two frames of one shape between others that each have their own: all is told, nothing is joined."""
    path = tmp_path / "image.tif"
    with tifffile.TiffWriter(path) as writer:
        for side in (11, 30, 21):
            writer.write(np.full((side, 2 * side), side, np.uint16), metadata=None, **GREY)
            writer.write(np.full((side, 2 * side), side, np.uint16), metadata=None, **GREY)
    stack = Stack.open(path)
    assert stack.frames.shape == (2, 30, 60)
    (message,) = [message for message in said(caplog) if "--series" in message]
    assert "21" in message
    assert "11" in message


def test_frames_of_two_types_are_not_joined(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame in FRAMES:
            writer.write(frame, **GREY)
        for frame in FRAMES[:2]:
            writer.write(frame.astype(np.float32), **GREY)
    stack = Stack.open(path)
    assert stack.image.dtype == np.uint16
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert any("--series" in message and "float32" in message for message in said(caplog))


# --- files that promise more, or less, than they hold ---------------------------------------------------------------


def ome_promises(path: Path, promised: int, held: int) -> None:
    tifffile.imwrite(path, FRAMES[:held], ome=True, metadata={"axes": "TYX"}, **GREY)
    text = tifffile.tiffcomment(path)
    tifffile.tiffcomment(
        path, text.replace(f'SizeT="{held}"', f'SizeT="{promised}"').replace(f'PlaneCount="{held}"', f'PlaneCount="{promised}"')
    )


def ome_by_hand_promises(path: Path, promised: int, held: int) -> None:
    tiff_by_hand(path, pages_of(FRAMES[:held], OME.format(ome_image("movie", T=promised)).encode()))


def ome_planes_by_hand_promise(path: Path, promised: int, held: int) -> None:
    """Each plane has its own element, as Micro-Manager and Bio-Formats write it."""
    planes = "".join(f'<TiffData FirstT="{t}" FirstC="0" FirstZ="0" IFD="{t}" PlaneCount="1"/>' for t in range(promised))
    xml = re.sub("<TiffData.*</TiffData>", planes, OME.format(ome_image("movie", T=promised)))
    tiff_by_hand(path, pages_of(FRAMES[:held], xml.encode(), is_deflated=True))


def imagej_promises(path: Path, promised: int, held: int) -> None:
    text = f"ImageJ=1.53t\nimages={promised}\nframes={promised}\nloop=false\n"
    tiff_by_hand(path, pages_of(FRAMES[:held], text.encode()))


def shape_promises(path: Path, promised: int, held: int) -> None:
    tiff_by_hand(path, pages_of(FRAMES[:held], f'{{"shape": [{promised}, {H}, {W}]}}'.encode()))


PROMISES = [ome_promises, ome_by_hand_promises, ome_planes_by_hand_promise, imagej_promises, shape_promises]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_fewer_pages_than_the_metadata_promise(
    promise: Callable[[Path, int, int], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.tif"
    promise(path, 10, 6)
    stack = Stack.open(path)
    found = readable_frames(stack)
    assert sorted(found) == list(range(6))
    np.testing.assert_array_equal(np.stack(list(found.values())), FRAMES)
    (message,) = said(caplog)
    assert str(path) in message
    assert "10" in message
    assert "6" in message


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_more_pages_than_the_metadata_promise(
    promise: Callable[[Path, int, int], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.tif"
    promise(path, 4, 6)
    stack = Stack.open(path)
    assert len(stack) in (4, 6)
    np.testing.assert_array_equal(frames_of(stack), FRAMES[: len(stack)])
    (message,) = said(caplog)
    assert str(path) in message
    assert "4" in message
    assert "6" in message or "2" in message


@pytest.mark.parametrize("held", [4.0, 4.5, 1.0])
@pytest.mark.parametrize("axes", ["frames=6", "slices=6", "channels=1\nslices=2\nframes=3\nhyperstack=true"])
def test_imagej_with_one_directory_cut_short(axes: str, held: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = imagej_by_hand(tmp_path / "image.tif", FRAMES, f"ImageJ=1.53t\nimages=6\n{axes}\n".encode(), cut=held)
    options: dict[str, Any] = {"along": "T", "at": {"Z": 0}} if "hyper" in axes else {}
    truth = FRAMES[::2] if "hyper" in axes else FRAMES
    found = readable_frames(Stack.open(path, **options))
    expected = [t for t in range(len(truth)) if (2 * t if "hyper" in axes else t) < int(held)]
    assert sorted(found) == expected
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, truth[t])
    (message,) = said(caplog)
    assert str(path) in message


@pytest.mark.parametrize("data_first", [True, False])
@pytest.mark.parametrize("is_deflated", [True, False])
@pytest.mark.parametrize("cut", [4.0, 4.5, 4.99, 1.5])
@pytest.mark.parametrize("kind", ["nothing", "OME", "ImageJ", "shaped"])
def test_chained_pages_cut_short(
    kind: str, cut: float, is_deflated: bool, data_first: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    description = {
        "nothing": b"",
        "OME": OME.format(ome_image("movie", T=T)).encode(),
        "ImageJ": f"ImageJ=1.53t\nimages={T}\nframes={T}\n".encode(),
        "shaped": f'{{"shape": [{T}, {H}, {W}]}}'.encode(),
    }[kind]
    pages = pages_of(FRAMES, description, is_deflated=is_deflated)
    path = tiff_by_hand(tmp_path / "image.tif", pages, data_first=data_first, cut=cut)
    found = readable_frames(Stack.open(path))
    # where a directory lies behind its strips, a page can be whole though its last bytes are missing
    assert sorted(found) in ([list(range(int(cut)))] + ([list(range(int(cut) + 1))] if data_first else []))
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, FRAMES[t])
    messages = said(caplog)
    assert len(messages) == 1
    assert str(path) in messages[0]


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.001])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_nothing_is_left(compression: str | None, share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, FRAMES, compression=compression, **GREY)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises((ValueError, OSError)) as caught:
        frames_of(Stack.open(path))
    assert str(path) in str(caught.value)
    assert_one_sentence(str(caught.value))
    assert said(caplog) == []


@pytest.mark.parametrize("kind", ["contiguous", "lzw", "OME", "ImageJ"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_file_in_one_block_cut_short(kind: str, share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is read is right, and that something is missing is said."""
    path = tmp_path / "image.tif"
    options: dict[str, Any] = {
        "contiguous": {},
        "lzw": {"compression": "lzw"},
        "OME": {"ome": True},
        "ImageJ": {"imagej": True},
    }[kind]
    tifffile.imwrite(path, FRAMES, metadata={"axes": "TYX"}, **GREY, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    found = readable_frames(Stack.open(path))
    assert len(found) >= 1
    assert set(found) < set(range(T)) or set(found) == set(range(T))
    if kind != "lzw":
        assert abs(len(found) - share * T) < 1.5
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, FRAMES[t])
    (message,) = said(caplog)
    assert str(path) in message


@pytest.mark.parametrize("name", ["tifffile", None], ids=["tifffile", "all"])
def test_what_is_missing_is_known_where_logs_are_silent(name: str | None, tmp_path: Path) -> None:
    """Many people switch the log of tifffile off: pixels do not depend on it, and it stays off."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, FRAMES, ome=True, metadata={"axes": "TYX"}, **GREY)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    silent = logging.getLogger(name)
    level, of_tifffile = silent.level, logging.getLogger("tifffile").level
    silent.setLevel(logging.CRITICAL)
    try:
        found = readable_frames(Stack.open(path))
        assert silent.level == logging.CRITICAL
        assert name is not None or logging.getLogger("tifffile").level == of_tifffile
    finally:
        silent.setLevel(level)
    assert sorted(found) == [0, 1, 2, 3]
    np.testing.assert_array_equal(np.stack(list(found.values())), FRAMES[:4])


@pytest.mark.parametrize("description", [b"", f'{{"shape": [{T}, {H}, {W}]}}'.encode()], ids=["nothing", "shaped"])
@pytest.mark.parametrize("code", [256, 257])
def test_side_of_a_page_that_is_two_numbers(code: int, description: bytes, tmp_path: Path) -> None:
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, description, num_strips=2))
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.tags[code].offset
    with path.open("r+b") as file:
        file.seek(offset + 2)
        file.write(struct.pack("<HI", 3, 2))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))} is a damaged TIFF"):
        Stack.open(path)


def test_damaged_strip_in_the_middle(tmp_path: Path) -> None:
    """One strip of one frame is no compressed data any more: that frame is refused, the others are right."""
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, num_strips=3, is_deflated=True))
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[2].dataoffsets[1]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 20)
    stack = Stack.open(path)
    found = readable_frames(stack)
    assert sorted(found) == [0, 1, 3, 4, 5]
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, FRAMES[t])
    with pytest.raises(OSError, match=re.escape(str(path))):
        stack.frames[2]


@pytest.mark.parametrize("kind", ["nothing", "OME", "ImageJ"])
@pytest.mark.parametrize("without", [[4, 5], [2], [0, 3]])
def test_pages_that_a_writer_only_made_room_for(
    without: list[int], kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Their directories are there, and the offset and the size of their strips are 0."""
    description = {
        "nothing": b"",
        "OME": OME.format(ome_image("movie", T=T)).encode(),
        "ImageJ": f"ImageJ=1.53t\nimages={T}\nframes={T}\n".encode(),
    }[kind]
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, description))
    with tifffile.TiffFile(path) as tiff:
        values = [tiff.pages[t].tags[code].offset + 8 for t in without for code in (273, 279)]
    with path.open("r+b") as file:
        for offset in values:
            file.seek(offset)
            file.write(bytes(4))
    stack = Stack.open(path)
    found = readable_frames(stack)
    assert sorted(found) == [t for t in range(T) if t not in without]
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, FRAMES[t])
    messages = said(caplog)
    assert len(messages) == 1
    assert messages[0].startswith(f"{path} has {T - len(without)} of the 6 planes that it promises")


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


# --- OME-TIFF over several files ------------------------------------------------------------------------------------


def ome_set(
    folder: Path, by: str, kind: str, names: Callable[[int], str] = lambda n: f"img_{n}.ome.tif", where: str = ""
) -> np.ndarray:
    """Two channels, three times; a file for each time or channel, named in the XML with the folder ``where``. Returns TCYX."""
    image = FRAMES.reshape(3, 2, H, W)
    blocks = [image[t] for t in range(3)] if by == "time" else [image[:, c] for c in range(2)]
    files = [names(n) for n in range(len(blocks))]
    data = ""
    for n, block in enumerate(blocks):
        for ifd in range(len(block)):
            t, c = (n, ifd) if by == "time" else (ifd, n)
            data += (
                f'<TiffData FirstT="{t}" FirstC="{c}" FirstZ="0" IFD="{ifd}" PlaneCount="1">'
                f'<UUID FileName="{where}{files[n]}">urn:uuid:{n}</UUID></TiffData>'
            )
    pixels = (
        f'<Image ID="Image:0" Name="set"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{W}" SizeY="{H}" '
        'SizeZ="1" SizeC="2" SizeT="3" PhysicalSizeX="0.25" PhysicalSizeXUnit="µm" PhysicalSizeY="0.25" PhysicalSizeYUnit="µm">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><Channel ID="Channel:0:1" SamplesPerPixel="1"/>'
        f"{data}</Pixels></Image>"
    )
    root = OME.replace("<OME ", '<OME UUID="urn:uuid:{}" ')
    for n, block in enumerate(blocks):
        master = files[0] if kind == "master" else "img.companion.ome"
        binary_only = f'<BinaryOnly MetadataFile="{master}" UUID="urn:uuid:{0 if kind == "master" else 99}"/>'
        is_secondary = kind == "companion" or (kind == "master" and n > 0)
        xml = root.format(n, binary_only if is_secondary else pixels)
        tiff_by_hand(folder / files[n], pages_of(block, xml.encode()))
    if kind == "companion":
        (folder / "img.companion.ome").write_text(root.format(99, pixels), encoding="utf-8")
    return image


KINDS = ["in each", "master", "companion"]


@pytest.mark.parametrize("where", ["C:\\data\\", "/data/x/", "sub/", ".\\", "\\\\server\\share\\"])
@pytest.mark.parametrize("by", ["time", "channel"])
@pytest.mark.parametrize("kind", ["in each", "master", "companion"])
def test_ome_files_that_are_named_with_a_folder(
    where: str, by: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As where they were written; they lie beside each other all the same."""
    image = ome_set(tmp_path, by, kind, where=where)
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_array_equal(frames_of(Stack.open(path, channel=1)), image[:, 1])
    assert Stack.open(tmp_path, channel=0).frames.shape == (3, H, W)
    assert said(caplog) == []


@pytest.mark.parametrize("by", ["time", "channel"])
@pytest.mark.parametrize("kind", KINDS)
def test_ome_over_files_from_any_of_them(by: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = ome_set(tmp_path, by, kind)
    for path in sorted(tmp_path.iterdir()):
        stack = Stack.open(path, channel=1)
        assert (stack.axes, stack.frames.shape) == ("TYX", (3, H, W)), path
        np.testing.assert_array_equal(frames_of(stack), image[:, 1])
        assert (stack.calibration.steps("YX"), stack.calibration.length_unit) == ((0.25, 0.25), "micrometer")
    assert said(caplog) == []


@pytest.mark.parametrize("kind", KINDS)
def test_ome_as_another_its_reader_knows_it(kind: str, tmp_path: Path) -> None:
    image = ome_set(tmp_path, "time", kind)
    if kind == "in each":
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "img_1.ome.tif").reshape(image.shape), image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["folder", "list", "reversed list", "glob"])
def test_exactly_the_files_of_an_ome_image_are_that_image(
    form: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = ome_set(tmp_path, "time", kind)
    files = sorted(tmp_path.glob("*.tif"))
    given: Any = {
        "folder": tmp_path,
        "list": files,
        "reversed list": files[::-1],
        "glob": str(tmp_path / "*.ome.tif"),
    }[form]
    stack = Stack.open(given, channel=0)
    assert (stack.axes, stack.frames.shape) == ("TYX", (3, H, W))
    np.testing.assert_array_equal(frames_of(stack), image[:, 0])
    assert said(caplog) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["a second set", "a file of its own"])
def test_set_of_files_beside_others(other: str, kind: str, tmp_path: Path) -> None:
    """Files of one image do not follow each other as if each were an image of its own."""
    image = ome_set(tmp_path, "time", kind)
    if other == "a second set":
        ome_set(tmp_path, "time", "in each", lambda n: f"second_{n}.ome.tif")
    else:
        tifffile.imwrite(tmp_path / "second.tif", image, metadata={"axes": "TCYX"}, **GREY)
    with pytest.raises(
        ValueError, match=r"img_0\.ome\.tif is one of the 3 files of an image, to which second.* does not belong: open"
    ):
        Stack.open(tmp_path)
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "img_*.ome.tif", channel=1)), image[:, 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("opened", [0, 1, 2])
def test_ome_with_a_time_point_missing(
    opened: int, missing: int, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = ome_set(tmp_path, "time", kind)
    if opened == missing:
        return
    (tmp_path / f"img_{missing}.ome.tif").unlink()
    name = f"img_{missing}.ome.tif"
    try:
        is_alone = (kind, missing) == ("master", 0)
        stack = Stack.open(tmp_path / f"img_{opened}.ome.tif", channel=None if is_alone else 1)
    except (ValueError, FileNotFoundError) as error:
        assert_one_sentence(str(error))
        assert name in str(error)  # noqa: PT017
        return
    if is_alone:  # nothing but the pages of this file is known
        np.testing.assert_array_equal(frames_of(stack), image[opened])
        (message,) = said(caplog)
        assert name in message
        return
    found = readable_frames(stack)
    assert sorted(found) == [t for t in range(3) if t != missing]
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, image[t, 1])
    (message,) = said(caplog)
    assert name in message


@pytest.mark.parametrize("kind", KINDS)
def test_ome_with_a_channel_missing(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = ome_set(tmp_path, "channel", kind)
    (tmp_path / "img_1.ome.tif").unlink()
    stack = Stack.open(tmp_path / "img_0.ome.tif", channel=0)
    np.testing.assert_array_equal(frames_of(stack), image[:, 0])
    (message,) = said(caplog)
    assert "img_1.ome.tif" in message


def test_companion_that_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = ome_set(tmp_path, "time", "companion")
    (tmp_path / "img.companion.ome").unlink()
    try:
        stack = Stack.open(tmp_path / "img_1.ome.tif", axes=None)
    except (ValueError, FileNotFoundError) as error:
        assert "img.companion.ome" in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(frames_of(stack), image[1])
    assert any("img.companion.ome" in message for message in said(caplog))


def test_ome_files_that_were_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The metadata name files that are not there any more: the pixels of this file are read, or the names are told."""
    image = ome_set(tmp_path, "time", "in each")
    (tmp_path / "img_0.ome.tif").rename(tmp_path / "control.ome.tif")
    stack = Stack.open(tmp_path / "control.ome.tif", channel=1)
    found = readable_frames(stack)
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, image[t, 1])
    assert 0 in found
    assert len(said(caplog)) <= 1


def test_companion_with_bad_xml(tmp_path: Path) -> None:
    ome_set(tmp_path, "time", "companion")
    companion = tmp_path / "img.companion.ome"
    companion.write_text(companion.read_text(encoding="utf-8").replace("</Pixels>", ""), encoding="utf-8")
    with pytest.raises(ValueError, match=r"img\.companion\.ome") as caught:
        Stack.open(companion)
    assert_one_sentence(str(caught.value))


# --- frames that a file calls channels ------------------------------------------------------------------------------

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

SCANIMAGE = b"state.configName='x'\rstate.acq=1\r"


def scanimage_by_hand(path: Path) -> None:
    tiff_by_hand(path, pages_of(FRAMES, SCANIMAGE))


def scanimage_by_pillow(path: Path) -> None:
    first, *others = [Image.fromarray(frame) for frame in FRAMES]
    first.save(path, save_all=True, append_images=others, description=SCANIMAGE.decode())


def scanimage_data_first(path: Path) -> None:
    tiff_by_hand(path, pages_of(FRAMES, SCANIMAGE), data_first=True)


@pytest.mark.parametrize("write", [scanimage_by_hand, scanimage_by_pillow, scanimage_data_first])
def test_pages_of_scanimage_are_followed_to_the_last(write: Callable[[Path], None], tmp_path: Path) -> None:
    """tifffile counts them by the length of the file, and misses one that ends it."""
    write(tmp_path / "image.tif")
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "image.tif")), FRAMES)


@pytest.mark.parametrize("count", ["-6", "0", "1000000000"])
def test_imagej_with_a_count_that_cannot_be(count: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    description = f"ImageJ=1.53t\nimages={count}\nslices={count}\n".encode()
    tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES, description))
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "image.tif")), FRAMES)
    assert len(said(caplog)) == 1
    assert "ends too early" not in said(caplog)[0]
