"""Which image of a TIFF is opened, and which are frames of one stack."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v2
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.images.choice import Choice
from napari_sam2.images.stack import Stack
from napari_sam2.images.tiff_images import TiffImage, choose_image, shaped_metadata
from opened import assert_one_sentence, frames_of, said
from tiff_by_hand import Page, pages_of, tiff_by_hand
from tiff_samples import BYTES, COLOURS, FRAMES, GREY, OME, VOLUMES, H, T, W, ome_image

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


def image_of(shape: tuple[int, ...], axes: str, index: int = 0, **others: Any) -> TiffImage:
    """An image of pages (H, W)."""
    given: dict[str, Any] = {"kind": "generic", "name": "", "dtype": np.dtype("u2"), "offset": None, "metadata": {}} | others
    pages = [type("Page", (), {"index": n, "treeindex": (n,)})() for n in range(int(np.prod(shape[:-2])))]
    return TiffImage(index, shape=shape, axes=axes, page_shape=shape[-2:], **{"pages": pages} | given)


def test_numbers_of_an_image() -> None:
    image = image_of((3, 4, 5, 6), "TZYX")
    assert (image.num_before, image.num_planes, image.num_bytes) == (2, 12, 3 * 4 * 5 * 6 * 2)
    assert (image.is_paged, image.is_mappable, image.is_level) == (True, False, False)
    assert not image_of((3, 5, 6), "TYX", pages=[None] * 2).is_paged
    assert image_of((3, 5, 6), "TYX", offset=0).is_mappable
    assert image_of((5, 6), "YX").num_planes == 1


def test_what_tells_scenes_apart() -> None:
    metadata = {"shape": [1], "axes": "TYX", "Position": 3, "well_id": "A1", "time": 4}
    assert image_of((5, 6), "YX", metadata=metadata).scene == ("Position=3", "well_id=A1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"shape": [2, 3], "axes": "YX"}', {"shape": [2, 3], "axes": "YX"}),
        ('{"axes": "YX"}', {}),
        ('{"shape": [2, 3]', {}),
        ('["shape"]', {}),
        ("ImageJ=1.53t", {}),
        ("", {}),
    ],
)
def test_description_of_a_page(text: str, expected: dict[str, Any]) -> None:
    assert shaped_metadata(type("Page", (), {"description": text})) == expected


def test_the_largest_of_images_that_nothing_explains(caplog: pytest.LogCaptureFixture) -> None:
    """Two of one shape count together, and are one stack; what is left out is told, with what chooses it."""
    small, *two = image_of((5, 6), "YX"), image_of((7, 8), "YX", 1), image_of((7, 8), "YX", 2)
    chosen = choose_image(Path("a.tif"), [small, *two], Choice())
    assert (chosen.shape, chosen.axes, chosen.index) == ((2, 7, 8), "IYX", 1)
    assert said(caplog) == [
        "a.tif holds 2 images of one shape, without metadata that distinguish them: they are read as one stack of shape 2 x 7 x 8",
        "a.tif also holds series 0 of shape 5 x 6 (uint16), left out; choose it by series=0 (--series 0)",
    ]
    caplog.clear()
    assert choose_image(Path("a.tif"), [small, *two], Choice(series=0)) is small
    assert choose_image(Path("a.tif"), [small], Choice()) is small
    assert said(caplog) == []


def test_of_images_that_a_file_names_the_first_is_opened(caplog: pytest.LogCaptureFixture) -> None:
    images = [image_of((5, 6), "YX", n, kind="ome", name=name) for n, name in enumerate(("left", "right"))]
    assert choose_image(Path("a.tif"), images, Choice()) is images[0]
    (message,) = said(caplog)
    assert message.startswith("a.tif holds 2 images, ")
    assert choose_image(Path("a.tif"), images, Choice(image_name="right")) is images[1]
