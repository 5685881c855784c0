"""What a session was opened on, and by what its image is known again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blob_tracker import blob_session
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.store.header import ImageIdentity, ImageSource, SessionHeader, Settings
from napari_sam2.structured import parse_json, to_json

MOVIE = np.random.default_rng(0).integers(0, 255, (9, 80, 90), np.uint8)


@pytest.mark.parametrize(
    ("image", "arguments"),
    [
        (MOVIE, {"axes": "TYX"}),
        (np.stack([MOVIE] * 2), {"axes": "CTYX", "channel": 1}),
        (np.stack([MOVIE] * 2), {"axes": "CTYX", "channel": np.array([1, 0])}),
        (np.stack([MOVIE] * 2), {"axes": "TZYX", "along": "Z", "at": {"T": np.int64(1)}}),
        (np.stack([MOVIE] * 2), {"axes": "TZYX", "along": "T", "at": {"Z": 3}}),
    ],
)
def test_a_header_is_written_and_read_and_opens_the_same(image: Any, arguments: dict[str, Any]) -> None:
    session = blob_session(image, **arguments, memory_gate=MemoryGate(look_back=3), intensity_range=(0, 200))
    header = session.document().header
    again = parse_json(SessionHeader, to_json(header), "movie.sam2")
    assert again == header
    stack = Stack.open(image, **again.source.arguments())
    assert (stack.along, stack.at, stack.channels) == (session.stack.along, session.stack.at, session.stack.channels)
    blank = again.blank_stack()
    assert (blank.axes, len(blank), blank.height, blank.width) == (stack.axes, len(stack), stack.height, stack.width)
    opened = blob_session(image, **again.arguments())
    assert opened.document().header.settings == header.settings


def test_only_a_few_frames_are_sampled() -> None:
    identity = ImageIdentity.of(Stack.open(MOVIE, "TYX"))
    assert (identity.shape, identity.axes, identity.dtype, sorted(identity.sample)) == ([9, 80, 90], "TYX", "uint8", [0, 3, 5, 8])
    assert ImageIdentity.unsampled(Stack.open(MOVIE, "TYX")) == replace(identity, sample={})
    known = ImageIdentity.of(Stack.open(MOVIE, "TYX"), {5: "told before"})
    assert known == replace(identity, sample=identity.sample | {5: "told before"})
    one = ImageIdentity.of(Stack.open(MOVIE[:1], "TYX"))
    assert sorted(one.sample) == [0]


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (MOVIE.copy(), True),
        (MOVIE.astype(">u2"), False),
        (MOVIE[:8], False),
        (255 - MOVIE, False),
        (np.where(np.arange(9)[:, None, None] == 5, 0, MOVIE).astype(np.uint8), False),
        (np.where(np.arange(9)[:, None, None] == 4, 0, MOVIE).astype(np.uint8), True),  # a frame that is not looked at
    ],
)
def test_an_image_is_known_again(other: Any, is_same: bool) -> None:
    identity, another = (ImageIdentity.of(Stack.open(one, "TYX")) for one in (MOVIE, other))
    assert identity.is_of_same(another) is is_same
    assert another.is_of_same(identity) is is_same


def test_the_order_of_bytes_does_not_matter() -> None:
    big, little = (ImageIdentity.of(Stack.open(MOVIE.astype(dtype), "TYX")) for dtype in (">u2", "<u2"))
    assert big.sample == little.sample
    assert big.is_of_same(little)


def test_frames_that_cannot_be_read_are_not_compared() -> None:
    identity = ImageIdentity.of(Stack.open(MOVIE, "TYX"))
    part = ImageIdentity(identity.shape, identity.axes, identity.dtype, {0: identity.sample[0]})
    assert identity.is_of_same(part)
    assert not identity.is_of_same(ImageIdentity(identity.shape, identity.axes, identity.dtype, {0: "0"}))
    assert identity.is_of_same(ImageIdentity(identity.shape, identity.axes, identity.dtype, {}))


def test_files_are_named_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for t in range(3):
        tifffile.imwrite(f"t{t}.tif", MOVIE[t], photometric="minisblack")
    for image, path in (
        ("t0.tif", str(tmp_path / "t0.tif")),
        (["t0.tif", "t1.tif"], [str(tmp_path / "t0.tif"), str(tmp_path / "t1.tif")]),
        ("t*.tif", [str(tmp_path / f"t{t}.tif") for t in range(3)]),
        (MOVIE, None),
    ):
        stack = Stack.open(image)
        source = ImageSource.of(image, stack, None, None, None, None)
        assert source.path == path
        assert source.arguments() == source.choice() == {}


def test_settings_as_arguments() -> None:
    assert Settings("float32", [(0.0, 1.0)], None, None).arguments() == {
        "precision": "float32",
        "intensity_range": [(0.0, 1.0)],
        "zoom": None,
    }
    given = MemoryGate(np.float32(0), 0.5, np.int64(3))
    numbers = Settings.of("float32", [(np.float32(0), np.uint8(7))], np.float32(4), given, "cpu", 4)
    assert parse_json(Settings, to_json(numbers), "") == Settings("float32", [(0.0, 7.0)], 4.0, MemoryGate(0.0, 0.5, 3), "cpu", 4)
    gate = MemoryGate()
    assert Settings("bfloat16", None, 4.0, gate).arguments()["memory_gate"] == gate


def test_versions_are_told() -> None:
    source = ImageSource(None, None, None, None, None)
    identity = ImageIdentity([1, 2, 2], "TYX", "uint8", {})
    header = SessionHeader.of(source, identity, Settings("float32", None, None, None), ModelIdentity("tiny", "tiny", 64), "2.9")
    import napari_sam2

    assert header.software == napari_sam2.__version__
    assert header.torch == "2.9"
