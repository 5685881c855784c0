"""Many files as one image: folders, patterns and lists, in natural order, a file read when its frame is."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.images.calibration import PIXELS as NO_CALIBRATION
from napari_sam2.images.stack import Stack
from opened import assert_one_sentence, frames_of, readable_frames, said
from tiff_by_hand import Page, pages_of, tiff_by_hand

T, H, W = 12, 20, 32
RNG = np.random.default_rng(9)
FRAMES = RNG.integers(0, 4000, (T, H, W)).astype(np.uint16)
COLOURS = RNG.integers(0, 255, (T, H, W, 3)).astype(np.uint8)
GREY: dict[str, Any] = {"photometric": "minisblack"}


def by_tifffile(folder: Path, frames: np.ndarray = FRAMES) -> None:
    for t, frame in enumerate(frames):
        tifffile.imwrite(folder / f"t{t}.tif", frame, photometric="rgb" if frame.ndim == 3 else "minisblack")


def by_tifffile_compressed(folder: Path, frames: np.ndarray = FRAMES) -> None:
    for t, frame in enumerate(frames):
        tifffile.imwrite(folder / f"t{t}.tif", frame, compression="lzw", photometric="rgb" if frame.ndim == 3 else "minisblack")


def by_pillow(folder: Path, frames: np.ndarray = FRAMES) -> None:
    for t, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"t{t}.tif")


def by_hand(folder: Path, frames: np.ndarray = FRAMES) -> None:
    for t, frame in enumerate(frames):
        tiff_by_hand(folder / f"t{t}.tif", [Page(frame, num_strips=1 + t % 3, is_deflated=t % 2 == 1)])


WRITERS = [by_tifffile, by_tifffile_compressed, by_pillow, by_hand]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my cells (größe µ)").mkdir()
    return tmp_path / "my cells (größe µ)"


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("frames", [FRAMES, COLOURS], ids=["grey", "colour"])
@pytest.mark.parametrize("form", ["folder", "str", "glob", "list", "shuffled list"])
def test_files_in_natural_order(form: str, frames: np.ndarray, write: Any, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(folder, frames)
    paths = [folder / f"t{t}.tif" for t in range(T)]
    given: Any = {
        "folder": folder,
        "str": str(folder),
        "glob": str(folder / "t*.tif"),
        "list": paths,
        "shuffled list": sorted(map(str, paths)),  # as a shell expands a pattern: t10 before t2
    }[form]
    stack = Stack.open(given)
    assert (stack.axes, stack.labels_shape, stack.is_rgb) == ("TYX", (T, H, W), frames.ndim == 4)
    assert stack.image.dtype == frames.dtype
    np.testing.assert_array_equal(frames_of(stack), frames)
    assert list(stack.files) == paths
    messages = said(caplog)
    assert len(messages) <= (form == "shuffled list")


def test_files_are_not_read_at_opening_nor_kept_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_tifffile_compressed(folder)
    decoded = []
    for kind in (tifffile.TiffPage, tifffile.TiffFrame):
        decode = kind.asarray
        monkeypatch.setattr(kind, "asarray", lambda page, *a, decode=decode, **k: decoded.append(1) or decode(page, *a, **k))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    stack = Stack.open(folder)
    assert decoded == []
    stack.frames[3]
    assert len(decoded) == 1
    frames_of(stack)
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 10


def test_two_thousand_files(tmp_path: Path) -> None:
    """Opening is quick, and so is a frame at the end."""
    tifffile.imwrite(tmp_path / "t0.tif", FRAMES[0], **GREY)
    content = (tmp_path / "t0.tif").read_bytes()
    for t in range(1, 2000):
        (tmp_path / f"t{t}.tif").write_bytes(content)
    begun = time.process_time()
    stack = Stack.open(tmp_path)
    assert len(stack) == 2000
    np.testing.assert_array_equal(stack.frames[1999], FRAMES[0])
    assert time.process_time() - begun < 8


# --- other things in the folder -------------------------------------------------------------------------------------


def test_other_things_in_the_folder(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    by_tifffile(folder)
    for name in (
        "notes.txt",
        ".DS_Store",
        "Thumbs.db",
        "._t0.tif",
        ".hidden.tif",
        "metadata.json",
        "log",
        "t0.tif.bak",
        "desktop.ini",
    ):
        (folder / name).write_bytes(b"\0\5\26\7")
    (folder / "analysis").mkdir()
    tifffile.imwrite(folder / "analysis" / "mask.tif", FRAMES[0])
    stack = Stack.open(folder)
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert [path.name for path in stack.files] == [f"t{t}.tif" for t in range(T)]
    assert said(caplog) == []


def test_pictures_beside_tiffs(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A preview of each frame, or one of all: the TIFFs are the image, and what is left out is said."""
    by_tifffile(folder)
    Image.fromarray(COLOURS[0]).save(folder / "overview.png")
    stack = Stack.open(folder)
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    (message,) = said(caplog)
    assert "overview.png" in message or "1 " in message


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(str(tmp_path / "empty"))) as caught:
        Stack.open(tmp_path / "empty")
    assert_one_sentence(str(caught.value))


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "._t0.tif").write_bytes(b"\0\5\26\7")
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(str(tmp_path))) as caught:
        Stack.open(tmp_path)
    assert_one_sentence(str(caught.value))


def test_folder_of_folders(tmp_path: Path) -> None:
    """Which of them is the image is not guessed: they are named."""
    for name in ("pos1", "pos2"):
        (tmp_path / name).mkdir()
        by_tifffile(tmp_path / name)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(str(tmp_path))) as caught:
        Stack.open(tmp_path)
    assert_one_sentence(str(caught.value))
    assert "pos1" in str(caught.value)
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "pos2")), FRAMES)


@pytest.mark.parametrize("pattern", ["nothing*.tif", "t?.tiff", "[ab].tif"])
def test_pattern_of_nothing(pattern: str, tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    with pytest.raises(FileNotFoundError, match=re.escape(pattern)) as caught:
        Stack.open(str(tmp_path / pattern))
    assert_one_sentence(str(caught.value))


def test_name_with_the_characters_of_a_pattern(tmp_path: Path) -> None:
    """A file that is there is that file, whatever its name."""
    tifffile.imwrite(tmp_path / "cells [1].tif", FRAMES, metadata={"axes": "TYX"}, **GREY)
    np.testing.assert_array_equal(frames_of(Stack.open(str(tmp_path / "cells [1].tif"))), FRAMES)
    (tmp_path / "movie [2]").mkdir()
    by_tifffile(tmp_path / "movie [2]")
    np.testing.assert_array_equal(frames_of(Stack.open(str(tmp_path / "movie [2]"))), FRAMES)


def test_pattern_chooses_some(tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    stack = Stack.open(str(tmp_path / "t?.tif"))
    np.testing.assert_array_equal(frames_of(stack), FRAMES[:10])


@pytest.mark.parametrize("given", [[], ["gone.tif"], ["t0.tif", "gone.tif"]])
def test_list_of_files_that_are_not_there(given: list[str], tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Stack.open([tmp_path / name for name in given])
    assert_one_sentence(str(caught.value))
    if given:
        assert "gone.tif" in str(caught.value)


def test_list_of_one(tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    np.testing.assert_array_equal(frames_of(Stack.open([tmp_path / "t3.tif"])), FRAMES[3:4])


def test_file_named_twice(tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    with pytest.raises(ValueError, match=r"t1\.tif") as caught:
        Stack.open([tmp_path / "t1.tif", tmp_path / "t2.tif", tmp_path / "t1.tif"])
    assert_one_sentence(str(caught.value))


# --- files that do not fit each other -------------------------------------------------------------------------------

ODD = {
    "a row more": np.zeros((H + 1, W), np.uint16),
    "another type": np.zeros((H, W), np.uint8),
    "colour": np.zeros((H, W, 3), np.uint16),
    "turned": np.zeros((W, H), np.uint16),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("number", [0, 5, 11])
@pytest.mark.parametrize("writer", ["tifffile", "hand"])
def test_file_of_another_shape_or_type_is_named(writer: str, number: int, odd: str, tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    path = tmp_path / f"t{number}.tif"
    if writer == "hand":
        tiff_by_hand(path, [Page(ODD[odd])])
    else:
        tifffile.imwrite(path, ODD[odd], photometric="rgb" if odd == "colour" else "minisblack")
    with pytest.raises(ValueError, match=re.escape(f"t{number}.tif")) as caught:
        frames_of(Stack.open(tmp_path))
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("content", [b"", b"hello", b"II*\0\x08\0\0\0", "cut"])
@pytest.mark.parametrize("number", [0, 5, 11])
@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_one_damaged_file_among_many(
    write: Any, number: int, content: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its frame cannot be read; all others are as they are; that is said at opening."""
    write(tmp_path)
    path = tmp_path / f"t{number}.tif"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3] if content == "cut" else content)
    stack = Stack.open(tmp_path)
    assert len(stack) == T
    found = readable_frames(stack)
    assert sorted(found) == [t for t in range(T) if t != number]
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, FRAMES[t])
    with pytest.raises(OSError, match=re.escape(f"t{number}.tif")) as caught:
        stack.frames[number]
    assert_one_sentence(str(caught.value))
    (message,) = said(caplog)
    assert f"t{number}.tif" in message


def test_all_files_are_damaged(tmp_path: Path) -> None:
    for t in range(3):
        (tmp_path / f"t{t}.tif").write_bytes(b"hello")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))) as caught:
        Stack.open(tmp_path)
    assert_one_sentence(str(caught.value))


def test_file_that_disappears(tmp_path: Path) -> None:
    by_tifffile(tmp_path)
    stack = Stack.open(tmp_path)
    (tmp_path / "t4.tif").unlink()
    assert sorted(readable_frames(stack)) == [t for t in range(T) if t != 4]
    with pytest.raises(OSError, match=r"t4\.tif"):
        stack.frames[4]


def test_name_with_a_word_before_any_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two movies in one folder: which is read is said, and how one is chosen."""
    for word, first in (("ctrl", 0), ("drug", 6)):
        for t in range(6):
            tifffile.imwrite(tmp_path / f"{word}_t{t}.tif", FRAMES[first + t], **GREY)
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path)), FRAMES)
    assert said(caplog) == [
        f"{tmp_path}: the names of the files differ in words as well as numbers: 12 files are read one after another along T; "
        "choose some by a pattern such as 'ctrl_t*.tif', or name other axes by axes (--axes)"
    ]
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "drug*.tif")), FRAMES[6:])


WORDS, THINGS, PLAIN = (
    "the names of the files differ in words as well as numbers: ",
    "the names of the files count more than one thing: ",
    "",
)
MANY_NAMES = {
    "MetaMorph": (
        [f"exp_w{w}_s{s}_t{t}.TIF" for w in ("1DAPI", "2GFP") for s in (1, 2) for t in (1, 2, 3)],
        WORDS,
        "exp_w1DAPI_s1_t*.TIF",
    ),
    "wells": ([f"{well}_f{f}.tif" for well in ("A01", "B02") for f in (1, 2)], WORDS, "A01_f*.tif"),
    "no two alike": (["a1.tif", "b1.tif", "c1.tif"], WORDS, "a*.tif"),
    "Operetta": ([f"r01c01f{f}p{p}-ch1.tiff" for f in (1, 2) for p in (1, 2, 3)], THINGS, "r01c01f1p*-ch1.tiff"),
    "words alone": (["dapi.tif", "gfp.tif"], "the files are not numbered: ", "dapi*.tif"),
    "numbers alone": (["0001.tif", "0002.tif", "0010.tif"], PLAIN, None),
    "ImageJ": (["stack0000.tif", "stack0001.tif"], PLAIN, None),
    "camera": (["2024-05-01_10-00.tif", "2024-05-01_10-10.tif"], PLAIN, None),
}


@pytest.mark.parametrize("kind", MANY_NAMES)
def test_what_is_said_of_names(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pattern is offered where it chooses some of the files, and chooses some then."""
    names, reason, pattern = MANY_NAMES[kind]
    for t, name in enumerate(names):
        tifffile.imwrite(tmp_path / name, FRAMES[t], **GREY)
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path)), FRAMES[: len(names)])
    some = "" if pattern is None else f"choose some by a pattern such as '{pattern}', or "
    assert said(caplog) == [
        f"{tmp_path}: {reason}{len(names)} files are read one after another along T; {some}name other axes by axes (--axes)"
    ]
    assert pattern is None or 0 < len(list(tmp_path.glob(pattern))) < len(names)


def test_axes_that_somebody_gave_are_not_guessed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for z in range(3):
        tifffile.imwrite(tmp_path / f"s{z:03}.tif", FRAMES[z], **GREY)
    assert Stack.open(tmp_path, "ZYX").along == "Z"
    assert said(caplog) == []
    assert Stack.open(tmp_path).along == "T"
    assert said(caplog) == [f"{tmp_path}: 3 files are read one after another along T; name other axes by axes (--axes)"]


def test_positions_are_no_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for p in range(3):
        for t in range(4):
            tifffile.imwrite(tmp_path / f"img_p{p}_t{t}.tif", FRAMES[4 * p + t], **GREY)
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path)), FRAMES)
    assert said(caplog) == [
        f"{tmp_path}: the names of the files count more than one thing: 12 files are read one after another along T; choose some "
        "by a pattern such as 'img_p0_t*.tif', or name other axes by axes (--axes)"
    ]
    caplog.clear()
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path / "img_p0_t*.tif")), FRAMES[:4])
    assert said(caplog) == []


def test_nothing_is_said_of_axes_where_files_do_not_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", FRAMES, metadata={"axes": "TYX"}, **GREY)
    tifffile.imwrite(tmp_path / "mask.tif", FRAMES[0], **GREY)
    with pytest.raises(ValueError, match=r"movie\.tif holds uint16 of shape .* and .*mask\.tif uint16 of shape \(20, 32\): "):
        Stack.open(tmp_path)
    assert said(caplog) == []


# --- files of several pages -----------------------------------------------------------------------------------------

VOLUMES = RNG.integers(0, 4000, (3, 4, H, W)).astype(np.uint16)


@pytest.mark.parametrize("kind", ["axes", "ImageJ", "OME", "by hand"])
def test_files_of_volumes(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for t, volume in enumerate(VOLUMES):
        path = tmp_path / f"t{t}.tif"
        if kind == "by hand":
            tiff_by_hand(path, pages_of(volume, b"ImageJ=1.53t\nimages=4\nslices=4\n"))
        else:
            options: dict[str, Any] = {"axes": {}, "ImageJ": {"imagej": True}, "OME": {"ome": True}}[kind]
            tifffile.imwrite(path, volume, metadata={"axes": "ZYX"}, **GREY, **options)
    stack = Stack.open(tmp_path, along="Z", at={"T": 2})
    assert (stack.axes, stack.labels_shape) == ("TZYX", VOLUMES.shape)
    np.testing.assert_array_equal(frames_of(stack), VOLUMES[2])
    np.testing.assert_array_equal(frames_of(stack.view("T", {"Z": 1})), VOLUMES[:, 1])
    assert said(caplog) == []


@pytest.mark.parametrize("kind", ["axes", "ImageJ", "by hand"])
def test_pieces_of_a_movie(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As microscopes split what is larger than 4 GB: the last piece is shorter."""
    for n, piece in enumerate((FRAMES[:5], FRAMES[5:10], FRAMES[10:])):
        path = tmp_path / f"movie_{n}.tif"
        if kind == "by hand":
            tiff_by_hand(path, pages_of(piece, f"ImageJ=1.53t\nimages={len(piece)}\nframes={len(piece)}\n".encode()))
        else:
            tifffile.imwrite(path, piece, imagej=kind == "ImageJ", metadata={"axes": "TYX"}, **GREY)
    stack = Stack.open(tmp_path)
    assert (stack.axes, stack.labels_shape) == ("TYX", (T, H, W))
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert said(caplog) == []


def test_piece_of_a_movie_that_is_damaged(tmp_path: Path) -> None:
    """How many frames are missing is not known: what follows cannot be put in place."""
    for n in range(3):
        tifffile.imwrite(tmp_path / f"movie_{n}.tif", FRAMES[4 * n : 4 * n + 4], metadata={"axes": "TYX"}, **GREY)
    (tmp_path / "movie_1.tif").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"movie_1\.tif is not a TIFF file$"):
        Stack.open(tmp_path)


def test_a_piece_of_one_frame(tmp_path: Path) -> None:
    for n, piece in enumerate((FRAMES[:6], FRAMES[6:11], FRAMES[11:])):
        tifffile.imwrite(tmp_path / f"movie_{n}.tif", piece, metadata={"axes": "TYX"}, **GREY)
    np.testing.assert_array_equal(frames_of(Stack.open(tmp_path)), FRAMES)


def test_pixel_size_of_the_files(tmp_path: Path) -> None:
    for t, frame in enumerate(FRAMES):
        tifffile.imwrite(tmp_path / f"t{t}.tif", frame, imagej=True, resolution=(4, 4), metadata={"unit": "um", "axes": "YX"})
    found = Stack.open(tmp_path).calibration
    assert (found.y, found.x) == (0.25, 0.25)
    assert found != NO_CALIBRATION


def test_channel_of_files_with_channels(tmp_path: Path) -> None:
    both = np.stack([FRAMES, FRAMES[::-1]], axis=1)
    for t, frame in enumerate(both):
        tifffile.imwrite(tmp_path / f"t{t}.tif", frame, imagej=True, metadata={"axes": "CYX"})
    stack = Stack.open(tmp_path, channel=1)
    assert stack.labels_shape == (T, H, W)
    np.testing.assert_array_equal(frames_of(stack), FRAMES[::-1])
