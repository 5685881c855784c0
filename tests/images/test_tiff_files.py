"""TIFF files opened, and OME-TIFF in several files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.images.stack import Stack
from napari_sam2.images.tiff_files import is_tiff, next_directory, ome_file_names, open_described
from opened import assert_one_sentence, frames_of, readable_frames, said
from tiff_by_hand import pages_of, tiff_by_hand
from tiff_samples import FRAMES, GREY, OME, H, W


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


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"II*\0", True), (b"MM\0*", True), (b"II+\0", True), (b"MM\0+", True), (b"II*", False), (b"MM*\0", False), (b"", False)],
)
def test_a_tiff_is_known_by_how_it_begins(content: bytes, expected: bool, tmp_path: Path) -> None:
    for name in ("image.tif", "image.lsm", "image"):
        (tmp_path / name).write_bytes(content)
        assert is_tiff(tmp_path / name) is expected
    assert not is_tiff(tmp_path / "gone.tif")
    assert not is_tiff(tmp_path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("data_first", [False, True])
def test_each_page_says_where_the_next_one_begins(order: str, data_first: bool, tmp_path: Path) -> None:
    path = tiff_by_hand(tmp_path / "image.tif", pages_of(FRAMES[:3]), order=order, data_first=data_first)
    with tifffile.TiffFile(path) as tiff:
        offsets = [page.offset for page in tiff.pages]
        assert [next_directory(tiff, page) for page in tiff.pages] == [*offsets[1:], 0]
    path.write_bytes(path.read_bytes()[: offsets[2] + 4])
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages.first
        assert next_directory(tiff, first) == offsets[1]
        first.offset = offsets[2]  # a directory that is cut off
        assert next_directory(tiff, first) == path.stat().st_size


def test_files_of_an_image_are_listed_once_and_without_their_folders() -> None:
    names = ["C:\\data\\a.tif", "sub/b.tif", "a.tif", "", "/x/c.tif"]
    planes = "".join(f'<TiffData><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>' for name in names)
    xml = OME.format(f"<Image><Pixels>{planes}</Pixels></Image>")
    assert list(dict.fromkeys(ome_file_names(xml))) == ["a.tif", "b.tif", "c.tif"]
    assert ome_file_names(xml.replace("</Pixels>", "")) == []
    assert ome_file_names("<OME/>") == []


def test_a_companion_opens_the_first_of_its_files_that_is_there(tmp_path: Path) -> None:
    image = ome_set(tmp_path, "time", "companion")
    companion = tmp_path / "img.companion.ome"
    for n in range(3):
        path, tiff = open_described(companion)
        with tiff:
            assert path == tmp_path / f"img_{n}.ome.tif"
            np.testing.assert_array_equal(tiff.pages.first.asarray(), image[n, 0])
        path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        open_described(companion)
    assert str(caught.value) == f"none of the TIFFs of {companion} lies beside it: img_0.ome.tif, img_1.ome.tif, img_2.ome.tif"
