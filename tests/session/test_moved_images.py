"""Sessions of images in several files, or of one image of several, opened again: where they were, and after all was moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from blob_tracker import BlobTracker, squares, tiny_model
from known_sessions import header_of
from napari_sam2.predictors import tracker
from napari_sam2.session.session import Session
from zarr_by_hand import group_by_hand, image_by_hand

T = 12
TRUTH = squares(T, (32, 32), {1: [(4, 3 + t, 6) for t in range(T)], 2: [(24, 20 - t, 5) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)
GREY: dict[str, Any] = {"photometric": "minisblack"}


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


Given = tuple[Any, dict[str, Any]]
"""An image and how it is chosen."""


def frames(folder: Path) -> list[Path]:
    (folder / "frames").mkdir()
    for t, frame in enumerate(MOVIE):
        tifffile.imwrite(folder / "frames" / f"t{t}.tif", frame, **GREY)
    return [folder / "frames" / f"t{t}.tif" for t in range(T)]


def of_folder(folder: Path) -> Given:
    frames(folder)
    return folder / "frames", {}


def of_pictures(folder: Path) -> Given:
    (folder / "frames").mkdir()
    for t, frame in enumerate(MOVIE):
        Image.fromarray(frame).save(folder / "frames" / f"t{t}.png")
    return str(folder / "frames"), {}


def of_list(folder: Path) -> Given:
    return frames(folder), {}


def of_pattern(folder: Path) -> Given:
    frames(folder)
    tifffile.imwrite(folder / "frames" / "mask.tif", MOVIE[0] > 20, **GREY)
    return str(folder / "frames" / "t*.tif"), {}


def of_series(folder: Path) -> Given:
    with tifffile.TiffWriter(folder / "positions.ome.tif", ome=True) as writer:
        for name, movie in (("left", MOVIE[:, ::-1]), ("right", MOVIE)):
            writer.write(movie, metadata={"axes": "TYX", "Name": name}, **GREY)
    return folder / "positions.ome.tif", {"series": 1}


def of_name_in_tiff(folder: Path) -> Given:
    return of_series(folder)[0], {"image_name": "right"}


def of_name_in_zarr(folder: Path) -> Given:
    path = group_by_hand(folder / "plate.zarr", {"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}})
    for well, movie in (("A/1", MOVIE[:, ::-1]), ("A/2", MOVIE)):
        group_by_hand(path / well, {"well": {"images": [{"path": "0"}]}})
        image_by_hand(path / well / "0", movie, "0.4", "tyx")
    return path, {"image_name": "A/2/0"}


def of_path_in_zarr(folder: Path) -> Given:
    return of_name_in_zarr(folder)[0] / "A/2/0", {}


def of_video(folder: Path) -> Given:
    iio.imwrite(folder / "movie.mp4", np.kron(MOVIE, np.ones((1, 2, 2), np.uint8))[..., None].repeat(3, -1), fps=5, codec="libx264")
    return folder / "movie.mp4", {}


def of_ome_set(folder: Path) -> Given:
    """Planes in two files, each of which names both."""
    data = "".join(
        f'<TiffData FirstT="{t}" IFD="{t % 6}" PlaneCount="1">'
        f'<UUID FileName="part{t // 6}.ome.tif">urn:uuid:{t // 6}</UUID></TiffData>'
        for t in range(T)
    )
    for n in range(2):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{n}"><Image ID="Image:0"><Pixels '
            f'ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="32" SizeY="32" SizeZ="1" SizeC="1" SizeT="{T}">'
            f"{data}</Pixels></Image></OME>"
        )
        tifffile.imwrite(folder / f"part{n}.ome.tif", MOVIE[6 * n : 6 * n + 6], description=xml, metadata=None, **GREY)
    return folder / "part1.ome.tif", {}


KINDS = [
    of_folder,
    of_pictures,
    of_list,
    of_pattern,
    of_series,
    of_name_in_tiff,
    of_name_in_zarr,
    of_path_in_zarr,
    of_video,
    of_ome_set,
]


@pytest.mark.parametrize("is_beside", [True, False], ids=["beside the image", "in a folder of its own"])
@pytest.mark.parametrize("write", KINDS, ids=lambda write: write.__name__)
def test_opened_again_and_after_all_was_moved(write: Callable[[Path], Given], is_beside: bool, tmp_path: Path) -> None:
    there = tmp_path / "there (größe)"
    (there / "sessions").mkdir(parents=True)
    image, choice = write(there)
    name = "x.sam2" if is_beside else "sessions/x.sam2"
    session = Session(image, model=tiny_model(), **choice)
    scale = session.stack.height // 32
    session.add_points(session.add_object(), 0, [(6 * scale, 6 * scale)])
    list(session.propagate())
    session.save(there / name)
    session.close()
    if write is not of_video:
        np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    labels, axes, last = np.array(session.labels), session.stack.axes, np.array(session.stack.frames[T - 1])
    for folder in (there, tmp_path / "elsewhere"):
        if not folder.exists():
            there.rename(folder)
        again = Session.open(folder / name, model=tiny_model())
        np.testing.assert_array_equal(again.labels, labels)
        np.testing.assert_array_equal(again.stack.frames[T - 1], last)
        assert again.stack.axes == axes
        other = again.add_object()
        again.add_points(other, 0, [(26 * scale, 22 * scale)])
        list(again.propagate())
        assert (np.asarray(again.labels) == other).any(axis=(1, 2)).all()
        again.remove_object(other)
        again.close()


def test_only_some_files_were_moved(tmp_path: Path) -> None:
    """The one that is missing is named."""
    files = of_list(tmp_path)[0]
    session = Session(files, model=tiny_model())
    session.save(tmp_path / "x.sam2")
    session.close()
    files[3].unlink()
    with pytest.raises(FileNotFoundError, match=r"t3\.tif.*image="):
        Session.open(tmp_path / "x.sam2", model=tiny_model())


def test_choice_is_in_the_file(tmp_path: Path) -> None:
    image, choice = of_name_in_zarr(tmp_path)
    session = Session(image, model=tiny_model(), **choice)
    session.save(tmp_path / "x.sam2")
    session.close()
    source = header_of(tmp_path / "x.sam2")["source"]
    assert (source["path"], source["image_name"]) == (str(image), "A/2/0")


def test_image_of_the_caller_in_place_of_that_of_the_file(tmp_path: Path) -> None:
    """Once given as a zarr array, it may come as a file of one image."""
    image, choice = of_series(tmp_path)
    session = Session(image, model=tiny_model(), **choice)
    session.save(tmp_path / "x.sam2")
    session.close()
    group = zarr.create_array(tmp_path / "right.zarr", data=MOVIE)
    again = Session.open(tmp_path / "x.sam2", group, tiny_model())
    np.testing.assert_array_equal(again.stack.frames[3], MOVIE[3])
    again.close()
