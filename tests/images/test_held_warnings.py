"""What holds of many files is one sentence, at opening, and none when frames are read."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.images import held_warnings
from napari_sam2.images.held_warnings import hold_warnings
from napari_sam2.images.stack import Stack
from opened import frames_of, said
from tiff_by_hand import imagej_by_hand, pages_of, tiff_by_hand

F, Z, H, W = 12, 4, 8, 10
VOLUMES = np.random.default_rng(2).integers(0, 4000, (F, Z, H, W)).astype(np.uint16)


def loops(folder: Path) -> str:
    for f, volume in enumerate(VOLUMES):
        for plane in volume:
            tifffile.imwrite(folder / f"t{f}.tif", plane, append=(folder / f"t{f}.tif").exists(), photometric="minisblack")
    return (
        f"{folder / 't0.tif'} holds 4 images of one shape, without metadata that distinguish them: they are read as one "
        "stack of shape 4 x 8 x 10"
        "; the like holds of 11 more files"
    )


def bad_xml(folder: Path) -> str:
    for f, volume in enumerate(VOLUMES):
        tiff_by_hand(folder / f"t{f}.tif", pages_of(volume, b'<?xml version="1.0"?><OME xmlns="x"><Image>'))
    return (
        f"{folder / 't0.tif'}: its OME-XML is not well-formed and is not read, so lengths are in pixels and times are in frames "
        "unless --pixel-size and --interval (in Python pixel_size= and interval=) give them; the like holds of 11 more files"
    )


def one_cut(folder: Path) -> str:
    for f, volume in enumerate(VOLUMES):
        text = b"ImageJ=1.53t\nimages=4\nframes=4\n"
        imagej_by_hand(folder / f"t{f:02}.tif", volume, text, cut=2.5 if f == F - 1 else None)
    return f"{folder / 't11.tif'} has 2 of the 4 planes that it promises, which are read along T"


@pytest.mark.parametrize("write", [loops, bad_xml, one_cut])
def test_once_at_opening(write: object, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = write(tmp_path)  # type: ignore[operator]
    stack = Stack.open(tmp_path) if write is one_cut else Stack.open(tmp_path, along="T", at={"Z": 2})
    assert said(caplog) == [expected]
    caplog.clear()
    for _ in range(2):
        frames_of(stack)
    assert said(caplog) == []


def test_two_kinds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for t in range(3):
        first, *others = [Image.fromarray(plane) for plane in VOLUMES[t].astype(np.uint8)]
        first.save(tmp_path / f"t{t}.png", save_all=True, append_images=others)
    (tmp_path / "t3.png").write_bytes(b"hello")
    stack = Stack.open(tmp_path)
    assert len(stack) == 4
    assert said(caplog) == [
        f"{tmp_path / 't0.png'} holds 4 frames: the first is read; save it as a video or as TIFF to have all; "
        "the like holds of 2 more files",
        f"1 of 4 files cannot be read: {tmp_path / 't3.png'} is no picture that can be read",
    ]


def test_other_threads_and_other_levels_go_on(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("napari_sam2.images.tiff")
    caplog.set_level(logging.DEBUG, logger.name)
    with hold_warnings() as held:
        logger.warning("%s", "held")
        logger.debug("for those who look")
        other = threading.Thread(target=logger.warning, args=("of another image",))
        other.start()
        other.join()
    assert caplog.messages == ["for those who look", "of another image"]
    held.log()
    assert caplog.messages[2:] == ["held"]


def test_every_reader_of_single_files_is_held() -> None:
    """Modules that warn, but for those that tell of many files, or of an image whatever its file."""
    of_many = {"calibration", "file_sequence", "image_files", "label_images", "stack"}
    folder = Path(held_warnings.__file__).parent
    warning = {path.stem for path in folder.glob("*.py") if "logger.warning(" in path.read_text(encoding="utf-8")}
    assert warning - of_many - {"held_warnings"} == set(held_warnings._READERS)
