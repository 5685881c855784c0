"""TIFF that promises more, or less, than it holds."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_sam2.images.stack import Stack
from napari_sam2.images.tiff_images import TiffImage
from napari_sam2.images.tiff_planes import with_what_is_there
from opened import assert_one_sentence, frames_of, readable_frames, said
from tiff_by_hand import imagej_by_hand, pages_of, tiff_by_hand
from tiff_samples import FRAMES, GREY, OME, H, T, W, ome_image


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


def of_blocks(path: Path, shape: tuple[int, ...], axes: str) -> tuple[tifffile.TiffFile, TiffImage]:
    """An image that promises more than the bytes of six frames, which lie in one block."""
    tifffile.imwrite(path, FRAMES, metadata=None, **GREY)
    tiff = tifffile.TiffFile(path)
    offset = int(tiff.pages.first.dataoffsets[0])
    return tiff, TiffImage(0, "generic", "", shape, axes, FRAMES.dtype, (H, W), [], offset, {})


@pytest.mark.parametrize(
    ("lead", "axes", "expected", "tail"),
    [
        ((10,), "TYX", (6,), ", which are read along T"),
        # of the third time a plane is missing: it is left out
        ((5, 4), "TZYX", (1, 4), ": 1 of 5 along T are read"),
        # nothing of the second plane is there
        ((1, 10), "TZYX", (1, 6), ", which are read along Z"),
    ],
)
def test_each_axis_ends_with_what_is_there(
    lead: tuple[int, ...], axes: str, expected: tuple[int, ...], tail: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.tif"
    tiff, image = of_blocks(path, (*lead, H, W), axes)
    with tiff:
        found = with_what_is_there(path, tiff, image, ends_early=True)
    assert found.shape == (*expected, H, W)
    assert said(caplog) == [f"{path} has 6 of the {np.prod(lead)} planes that it promises{tail}"]


@pytest.mark.parametrize(("ends_early", "messages"), [(False, 0), (True, 1)])
def test_an_image_that_is_whole_stays_as_it_is(
    ends_early: bool, messages: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "image.tif"
    tiff, image = of_blocks(path, (T, H, W), "TYX")
    with tiff:
        assert with_what_is_there(path, tiff, image, ends_early) is image
    assert said(caplog) == [f"{path} ends too early: the 6 planes that are there are read"] * messages
