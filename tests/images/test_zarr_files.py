"""OME-Zarr as it is in the wild: every version, several images in one, plates, labels, and metadata that are damaged."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_sam2.images.stack import Stack
from opened import assert_one_sentence, frames_of, readable_frames, said
from zarr_by_hand import array_by_hand, group_by_hand, image_by_hand, json_file, multiscales

T, H, W = 5, 24, 40
RNG = np.random.default_rng(3)
FRAMES = RNG.integers(0, 4000, (T, H, W)).astype(np.uint16)
FIVE = FRAMES[:, None, None]
VERSIONS = ["0.1", "0.2", "0.3", "0.4", "0.5"]

# --- one image ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("num_levels", [1, 3])
def test_image_of_each_version(version: str, num_levels: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All five axes, of which one is longer than 1."""
    path = image_by_hand(tmp_path / "image.zarr", FIVE, version, "tczyx", num_levels)
    stack = Stack.open(path)
    assert (stack.axes, stack.labels_shape) == ("TYX", (T, H, W))
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert said(caplog) == []


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_without_axes_they_are_tczyx(version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As 0.1 and 0.2 prescribe: the second axis is channels, though napari and dask would guess depth."""
    pixels = RNG.integers(0, 4000, (3, 2, 4, H, W)).astype(np.uint16)
    stack = Stack.open(image_by_hand(tmp_path / "image.zarr", pixels, version, None), channel=1, along="Z", at={"T": 2})
    assert (stack.axes, stack.labels_shape) == ("TZYX", (3, 4, H, W))
    np.testing.assert_array_equal(frames_of(stack), pixels[2, 1])
    assert said(caplog) == []


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_without_axes_and_with_fewer_than_five(version: str, tmp_path: Path) -> None:
    """No image of these versions: still its pixels are read, as a guess or with the axes of the caller."""
    path = image_by_hand(tmp_path / "image.zarr", FRAMES, version, None)
    for stack in (Stack.open(path), Stack.open(path, axes="TYX")):
        np.testing.assert_array_equal(frames_of(stack), FRAMES)
        assert stack.labels_shape == (T, H, W)


@pytest.mark.parametrize("version", ["0.3", "0.4", "0.5"])
@pytest.mark.parametrize(("axes", "expected"), [("tyx", "TYX"), ("zyx", "ZYX"), ("cyx", "YX"), ("yx", "YX")])
def test_axes_of_each_version(version: str, axes: str, expected: str, tmp_path: Path) -> None:
    pixels = FRAMES[0] if axes == "yx" else FRAMES[:2] if axes == "cyx" else FRAMES
    options: dict[str, Any] = {"channel": 1} if axes == "cyx" else {}
    stack = Stack.open(image_by_hand(tmp_path / "image.zarr", pixels, version, axes, 2), **options)
    assert stack.axes == expected
    truth = {"yx": FRAMES[:1], "cyx": FRAMES[1:2]}.get(axes, FRAMES)
    np.testing.assert_array_equal(frames_of(stack), truth)


@pytest.mark.parametrize("nested", [True, False], ids=["0.5", "0.4"])
@pytest.mark.parametrize("axes", [["z", "y", "x"], [{"name": "z", "type": "space"}, {"name": "y"}, {"name": "x"}]])
def test_image_by_zarr_is_read_at_full_resolution(axes: list[Any], nested: bool, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "image.zarr", mode="w")
    scales = [{"axes": axes, "datasets": [{"path": "s0"}, {"path": "s1"}]}]
    group.attrs.update({"ome": {"multiscales": scales}} if nested else {"multiscales": scales})
    for name, step in (("s0", 1), ("s1", 2)):
        group.create_array(name, data=FRAMES[:, ::step, ::step])
    stack = Stack.open(tmp_path / "image.zarr")
    assert stack.axes == "ZYX"
    np.testing.assert_array_equal(frames_of(stack), FRAMES)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("sub", ["0", "1"])
def test_level_by_its_path(sub: str, zarr_format: int, tmp_path: Path) -> None:
    path = image_by_hand(tmp_path / "image.zarr", FRAMES, "0.5" if zarr_format == 3 else "0.4", "tyx", 2)
    step = 2 ** int(sub)
    stack = Stack.open(path / sub)
    np.testing.assert_array_equal(frames_of(stack), FRAMES[:, ::step, ::step])


COLOURS = np.random.default_rng(1).integers(0, 255, (T, H, W, 3)).astype(np.uint8)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("pixels", [FRAMES, FRAMES[0], COLOURS], ids=["stack", "single", "colour"])
@pytest.mark.parametrize("by", ["zarr", "hand"])
def test_bare_array(by: str, pixels: np.ndarray, zarr_format: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    if by == "zarr":
        chunks = (2, 10, 40, 3)[: pixels.ndim] if pixels.ndim > 2 else (10, 40)
        zarr.create_array(path, shape=pixels.shape, dtype=pixels.dtype, chunks=chunks, zarr_format=zarr_format)[...] = pixels
    else:
        array_by_hand(path, pixels, zarr_format)
    stack = Stack.open(path)
    assert stack.axes == ("YX" if pixels.ndim == 2 else "TYX")
    np.testing.assert_array_equal(frames_of(stack), pixels[None] if pixels.ndim == 2 else pixels)


# --- several images in one ------------------------------------------------------------------------------------------


def bioformats2raw(path: Path, num_images: int, version: str = "0.4", ome: str = "series") -> list[np.ndarray]:
    """A group with images 0, 1, …, as bioformats2raw writes; ``ome`` is which metadata lie in OME."""
    zarr_format = 3 if version == "0.5" else 2
    attributes: dict[str, Any] = {"bioformats2raw.layout": 3}
    group_by_hand(path, {"ome": {**attributes, "version": "0.5"}} if zarr_format == 3 else attributes, zarr_format)
    names = ["left", "right", "middle"][:num_images]
    images = [FIVE + n for n in range(num_images)]
    for n, image in enumerate(images):
        image_by_hand(path / str(n), image, version, "tczyx", 2, name="" if ome == "XML" else names[n])
    if ome:
        series = [str(n) for n in range(num_images)]
        inner = {"ome": {"version": "0.5", "series": series}} if zarr_format == 3 else {"series": series}
        group_by_hand(path / "OME", inner if ome == "series" else {}, zarr_format)
        elements = "".join(
            f'<Image ID="Image:{n}" Name="{name}"><Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" Type="uint16" SizeX="{W}" '
            f'SizeY="{H}" SizeZ="1" SizeC="1" SizeT="{T}"><MetadataOnly/></Pixels></Image>'
            for n, name in enumerate(names)
        )
        xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{elements}</OME>'
        (path / "OME" / "METADATA.ome.xml").write_text(xml)
    return images


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("ome", ["series", "XML", ""])
def test_bioformats2raw_with_one_image(ome: str, version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bioformats2raw(tmp_path / "image.zarr", 1, version, ome)
    stack = Stack.open(tmp_path / "image.zarr")
    assert stack.axes == "TYX"
    np.testing.assert_array_equal(frames_of(stack), FRAMES)
    assert said(caplog) == []


@pytest.mark.parametrize("version", ["0.2", "0.4", "0.5"])
@pytest.mark.parametrize("ome", ["series", "XML", ""])
def test_bioformats2raw_with_several_images(ome: str, version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "image.zarr"
    bioformats2raw(path, 3, version, ome)
    with pytest.raises(ValueError, match="3 images") as caught:
        Stack.open(path)
    message = str(caught.value)
    assert_one_sentence(message)
    for word in (str(path), "0", "1", "2", "--image-name", *(["left", "right", "middle"] if ome == "series" else [])):
        assert word in message
    choices: list[dict[str, Any]] = [{"image_name": "1"}, {"series": 1}]
    for choice in choices + ([{"image_name": "right"}] if ome == "series" else []):
        np.testing.assert_array_equal(frames_of(Stack.open(path, **choice)), FRAMES + 1)
    np.testing.assert_array_equal(frames_of(Stack.open(path / "1")), FRAMES + 1)
    assert said(caplog) == []
    with pytest.raises(ValueError, match="has no image") as caught:
        Stack.open(path, image_name="4")
    assert str(path) in str(caught.value)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_that_the_metadata_name_and_that_are_not_there(
    version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of three series two were deleted: the only one that is there is the image, and the others are named."""
    path = tmp_path / "image.zarr"
    bioformats2raw(path, 3, version)
    for n in (0, 2):
        shutil.rmtree(path / str(n))
    np.testing.assert_array_equal(frames_of(Stack.open(path)), FRAMES + 1)
    assert said(caplog) == [f"the metadata of {path} name images that are not there: 0, 2"]
    np.testing.assert_array_equal(frames_of(Stack.open(path, image_name="1")), FRAMES + 1)
    shutil.rmtree(path / "1")
    with pytest.raises(ValueError, match=r"holds no image: its metadata name 0, 1, 2, not there$"):
        Stack.open(path)


def plate(path: Path, wells: dict[str, int], version: str = "0.4", by: str = "hand") -> dict[str, np.ndarray]:
    """A plate; each well has so many fields. Returns each field by its path."""
    zarr_format = 3 if version == "0.5" else 2
    names = {"columns": [{"name": "1"}, {"name": "2"}], "rows": [{"name": "A"}, {"name": "B"}]}
    listed = [{"path": well, "rowIndex": "AB".index(well[0]), "columnIndex": int(well[2]) - 1} for well in wells]
    of_plate: dict[str, Any] = {"plate": {"name": "test", "version": version, "wells": listed, **names}}
    of_wells = {
        well: {"well": {"version": version, "images": [{"path": str(f)} for f in range(count)]}} for well, count in wells.items()
    }
    if zarr_format == 3:
        of_plate, of_wells = {"ome": of_plate}, {well: {"ome": about} for well, about in of_wells.items()}
    fields = {f"{well}/{f}": FIVE + n * 10 + f for n, (well, count) in enumerate(wells.items()) for f in range(count)}
    if by == "zarr":
        root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
        root.attrs.update(of_plate)
        for well, about in of_wells.items():
            root.require_group(well).attrs.update(about)
        for field, image in fields.items():
            group = root.require_group(field)
            group.attrs.update(multiscales(version, "tczyx"))
            group.create_array("0", data=image, chunks=(1, 1, 1, H, W))
        return fields
    group_by_hand(path, of_plate, zarr_format)
    for well, about in of_wells.items():
        group_by_hand(path / well[0], {}, zarr_format)
        group_by_hand(path / well, about, zarr_format)
    for field, image in fields.items():
        image_by_hand(path / field, image, version, "tczyx", 2)
    return fields


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("by", ["hand", "zarr"])
def test_plate_with_one_field(by: str, version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plate(tmp_path / "plate.zarr", {"B/2": 1}, version, by)
    for path in (tmp_path / "plate.zarr", tmp_path / "plate.zarr/B/2", tmp_path / "plate.zarr/B/2/0"):
        np.testing.assert_array_equal(frames_of(Stack.open(path)), FRAMES)
    assert said(caplog) == []


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("by", ["hand", "zarr"])
def test_plate_with_many_fields(by: str, version: str, tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    fields = plate(path, {"A/1": 2, "A/2": 1, "B/2": 1}, version, by)
    with pytest.raises(ValueError, match="4 images") as caught:
        Stack.open(path)
    message = str(caught.value)
    assert_one_sentence(message)
    for word in (str(path), "--image-name", "A/1/0", "A/1/1", "A/2/0", "B/2/0"):
        assert word in message
    for field, image in fields.items():
        np.testing.assert_array_equal(frames_of(Stack.open(path, image_name=field)), image[:, 0, 0])
        np.testing.assert_array_equal(frames_of(Stack.open(path / field)), image[:, 0, 0])
    np.testing.assert_array_equal(frames_of(Stack.open(path / "A/2")), fields["A/2/0"][:, 0, 0])
    with pytest.raises(ValueError, match="2 images") as caught:
        Stack.open(path / "A/1")
    assert "--image-name" in str(caught.value)
    np.testing.assert_array_equal(frames_of(Stack.open(path / "A/1", image_name="1")), fields["A/1/1"][:, 0, 0])


def test_plate_with_hundreds_of_fields_names_some(tmp_path: Path) -> None:
    """Nothing is read but metadata, and the sentence can be read."""
    path = tmp_path / "plate.zarr"
    wells = [f"{row}/{column}" for row in "ABCDEFGH" for column in range(1, 13)]
    group_by_hand(path, {"plate": {"wells": [{"path": well} for well in wells]}})
    for well in wells:
        group_by_hand(path / well, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        for field in "01":
            group_by_hand(path / well / field, multiscales("0.4", "tyx"))
    with pytest.raises(ValueError, match="192 images") as caught:
        Stack.open(path)
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_in_an_image(version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The image is opened; labels by their path, or by that of their group where there are no others."""
    path, zarr_format = tmp_path / "image.zarr", 3 if version == "0.5" else 2
    image_by_hand(path, FIVE, version, "tczyx", 2)
    about = {"labels": ["nuclei"]}
    group_by_hand(path / "labels", {"ome": {"version": "0.5", **about}} if zarr_format == 3 else about, zarr_format)
    image_by_hand(path / "labels/nuclei", FIVE % 5, version, "tczyx")
    np.testing.assert_array_equal(frames_of(Stack.open(path)), FRAMES)
    for labels in (path / "labels/nuclei", path / "labels", path / "labels/nuclei/0"):
        np.testing.assert_array_equal(frames_of(Stack.open(labels)), FRAMES % 5)
    for name in ("labels/nuclei", "/labels/nuclei/", "labels", "labels/nuclei/0"):
        np.testing.assert_array_equal(frames_of(Stack.open(path, image_name=name)), FRAMES % 5)
    assert said(caplog) == []


def test_two_labels(tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    image_by_hand(path, FIVE, "0.4", "tczyx")
    group_by_hand(path / "labels", {"labels": ["nuclei", "cells"]})
    for n, name in enumerate(("nuclei", "cells")):
        image_by_hand(path / "labels" / name, FIVE % 5 + n, "0.4", "tczyx")
    with pytest.raises(ValueError, match=r"2 images.*nuclei.*cells") as caught:
        Stack.open(path / "labels")
    assert_one_sentence(str(caught.value))
    np.testing.assert_array_equal(frames_of(Stack.open(path / "labels", image_name="cells")), FRAMES % 5 + 1)


def test_two_multiscales_in_one_group(tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    images = [{"name": name, "axes": ["t", "y", "x"], "datasets": [{"path": name}]} for name in ("raw", "filtered")]
    group_by_hand(path, {"multiscales": images})
    for n, name in enumerate(("raw", "filtered")):
        array_by_hand(path / name, FRAMES + n)
    with pytest.raises(
        ValueError, match="2 images: raw, filtered; choose one by image_name='raw' \\(--image-name raw\\)"
    ) as caught:
        Stack.open(path)
    assert_one_sentence(str(caught.value))
    np.testing.assert_array_equal(frames_of(Stack.open(path, image_name="filtered")), FRAMES + 1)


def test_the_only_array_of_a_group(tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    group = zarr.open_group(path, mode="w")
    group.create_array("raw", data=FRAMES)
    np.testing.assert_array_equal(frames_of(Stack.open(path)), FRAMES)
    group.create_array("other", data=FRAMES + 1)
    with pytest.raises(ValueError, match=r"image\.zarr holds 2 images.*--image-name") as caught:
        Stack.open(path)
    for name in ("raw", "other"):
        assert name in str(caught.value)
    np.testing.assert_array_equal(frames_of(Stack.open(path / "raw")), FRAMES)
    np.testing.assert_array_equal(frames_of(Stack.open(path, image_name="other")), FRAMES + 1)


def test_group_that_is_open(tmp_path: Path) -> None:
    bioformats2raw(tmp_path / "image.zarr", 2)
    group = zarr.open_group(tmp_path / "image.zarr", mode="r")
    with pytest.raises(ValueError, match="2 images"):
        Stack.open(group)
    np.testing.assert_array_equal(frames_of(Stack.open(group, image_name="1")), FRAMES + 1)
    np.testing.assert_array_equal(frames_of(Stack.open(group["0"])), FRAMES)


# --- what is damaged ------------------------------------------------------------------------------------------------

DAMAGED: dict[str, Any] = {
    "nothing in it": [{}],
    "no levels": [{"datasets": []}],
    "a level that is gone": [{"axes": ["t", "y", "x"], "datasets": [{"path": "gone"}]}],
    "a mapping": {"a": 1},
    "a text": "0",
    "a list of numbers": [1],
    "levels that are text": [{"datasets": "0"}],
    "a level without a path": [{"datasets": [{}]}],
    "a path that is a number": [{"datasets": [{"path": 0}]}],
    "too few axes": [{"axes": [1], "datasets": [{"path": "0"}]}],
    "axes without names": [{"axes": [{}, {}, {}], "datasets": [{"path": "0"}]}],
    "one axis twice": [{"axes": ["y", "y", "x"], "datasets": [{"path": "0"}]}],
    "axes that are a number": [{"axes": 3, "datasets": [{"path": "0"}]}],
    "a path outside": [{"axes": ["t", "y", "x"], "datasets": [{"path": "../../elsewhere"}]}],
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_multiscales(name: str, zarr_format: int, tmp_path: Path) -> None:
    path, scales = tmp_path / "image.zarr", DAMAGED[name]
    group_by_hand(path, {"ome": {"multiscales": scales}} if zarr_format == 3 else {"multiscales": scales}, zarr_format)
    array_by_hand(path / "0", FRAMES, zarr_format)
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        Stack.open(path)
    assert_one_sentence(str(caught.value))


_ZARR_2 = {"zarr_format": 2, "shape": [5, 24, 40], "chunks": [1, 24, 40], "order": "C", "filters": None, "fill_value": 0}
_ZARR_3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [5, 24, 40],
    "data_type": "uint16",
    "fill_value": 0,
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 24, 40]}},
    "chunk_key_encoding": {"name": "default"},
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}
BAD_FILES: dict[str, tuple[str, str, Any]] = {
    "attributes that are cut": ("0.4", ".zattrs", b'{"multiscales": ['),
    "attributes that are a list": ("0.4", ".zattrs", [1, 2]),
    "attributes that are no text": ("0.4", ".zattrs", b"\xff\xfe\x00"),
    "a group that is cut": ("0.4", ".zgroup", b'{"zarr'),
    "a group of the future": ("0.4", ".zgroup", {"zarr_format": 9}),
    "an array that is cut": ("0.4", "0/.zarray", b'{"shape": [5, 24'),
    "an array that is empty": ("0.4", "0/.zarray", b""),
    "an array without a shape": ("0.4", "0/.zarray", {"zarr_format": 2, "chunks": [1, 24, 40], "dtype": "<u2"}),
    "an unknown type": ("0.4", "0/.zarray", {**_ZARR_2, "dtype": "elephant", "compressor": None}),
    "an unknown compression": ("0.4", "0/.zarray", {**_ZARR_2, "dtype": "<u2", "compressor": {"id": "elephant"}}),
    "a group of zarr 3 that is cut": ("0.5", "zarr.json", b'{"zarr_format": 3, "node_type": "gr'),
    "a group of zarr 3 that is empty": ("0.5", "zarr.json", b""),
    "an array of zarr 3 that is cut": ("0.5", "0/zarr.json", b'{"zarr_format": 3, "node_type": "array", "shape": [5'),
    "an unknown type of zarr 3": ("0.5", "0/zarr.json", {**_ZARR_3, "data_type": "elephant"}),
    "an unknown codec of zarr 3": ("0.5", "0/zarr.json", {**_ZARR_3, "codecs": [{"name": "elephant"}]}),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    version, file, content = BAD_FILES[name]
    path = image_by_hand(tmp_path / "image.zarr", FRAMES, version, "tyx")
    (path / file).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises((ValueError, OSError), match=re.escape(str(path))) as caught:
        frames_of(Stack.open(path))
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    ("file", "about"),
    [
        (".", {"plate": {"wells": "A/1"}}),
        (".", {"plate": {}}),
        (".", {"plate": [1]}),
        (".", {"plate": {"wells": [{"path": "C/7"}]}}),
        (".", {"plate": {"wells": [{}]}}),
        ("A/1", {"well": {"images": []}}),
        ("A/1", {"well": {"images": [{"path": "9"}]}}),
        ("A/1", {"well": "A/1"}),
    ],
)
def test_damaged_plate(file: str, about: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    plate(path, {"A/1": 1})
    json_file(path / file / ".zattrs", about)
    with pytest.raises((ValueError, OSError), match=re.escape(str(path))) as caught:
        Stack.open(path)
    assert_one_sentence(str(caught.value))


def test_plate_with_wells_that_are_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As where some were copied, or none were imaged."""
    path = tmp_path / "plate.zarr"
    plate(path, {"A/1": 1, "B/2": 1})
    shutil.rmtree(path / "A/1")
    np.testing.assert_array_equal(frames_of(Stack.open(path)), FRAMES + 10)
    assert said(caplog) == [f"the metadata of {path} name images that are not there: A/1"]


def test_chunk_that_is_damaged(tmp_path: Path) -> None:
    path = image_by_hand(tmp_path / "image.zarr", FRAMES, "0.4", "tyx")
    (path / "0/2/0/0").write_bytes(b"rubbish")
    found = readable_frames(Stack.open(path))
    assert sorted(found) == [0, 1, 3, 4]
    for t, frame in found.items():
        np.testing.assert_array_equal(frame, FRAMES[t])


def test_empty_group(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "image.zarr", mode="w")
    with pytest.raises(ValueError, match=r"image\.zarr holds no image$"):
        Stack.open(tmp_path / "image.zarr")


def test_text_that_is_called_zarr(tmp_path: Path) -> None:
    (tmp_path / "image.zarr").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"image\.zarr") as caught:
        Stack.open(tmp_path / "image.zarr")
    assert_one_sentence(str(caught.value))


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = image_by_hand(tmp_path / "image.zarr", FIVE, "0.5", "tczyx")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"^reading zarr files needs the extra: pip install 'napari-sam2\[zarr\]'$"):
        Stack.open(path)
