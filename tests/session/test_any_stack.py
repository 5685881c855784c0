"""A stack is taken as it is: any axes in any order, any container, frames read one at a time, channels in colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import blob_session, squares, tiny_model
from napari_sam2.images import planes as planes_module
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.frames import IMAGE_MEAN, IMAGE_STD
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.propagate_each import propagate_each
from thoroughness import examples

T, Z, C, Y, X = 4, 3, 2, 18, 26
TRUTH = np.stack(
    [squares(Z, (Y, X), {1: [(2, 1 + t + z, 6) for z in range(Z)], 2: [(10 + t, 17, 4) for z in range(Z)]}) for t in range(T)]
)
CHANNELS = np.stack([np.where(TRUTH == 1, 900, 100), np.where(TRUTH == 2, 50, 7)], axis=2).astype(np.uint16)
"""T, Z, C, Y, X: each object is in a channel of its own, with intensities of its own."""


def transposed(array: np.ndarray, stored: str, wanted: str) -> np.ndarray:
    return array.transpose([stored.index(axis) for axis in wanted])


@st.composite
def layouts(draw: st.DrawFn) -> tuple[str, str | None, dict[str, int]]:
    """Axes in any order; one to follow along, or the default; a place on the rest."""
    chosen = draw(st.sets(st.sampled_from("TZC")))
    axes = "".join(draw(st.permutations([*sorted(chosen), "Y", "X"])))
    possible = [*(axis for axis in "TZ" if axis in axes), *("YX" if "Z" in axes else "")]
    along = draw(st.sampled_from(possible)) if possible else None
    sides = {"T": T, "Z": Z}
    fixed = {axis: draw(st.integers(0, side - 1)) for axis, side in sides.items() if axis in axes and axis != along}
    if along in ("Y", "X"):
        fixed.pop("Z")
    default = "T" if "T" in axes and "T" not in fixed else "Z" if "Z" in axes and "Z" not in fixed else None
    return axes, None if along == default and draw(st.booleans()) else along, fixed


@settings(max_examples=examples(20), deadline=None)
@given(layout=layouts(), dtype=st.sampled_from(["u1", "<u2", ">i4", "<f4", ">f8"]))
def test_any_order_of_axes_gives_the_same_labels(layout: tuple[str, str | None, dict[str, int]], dtype: str) -> None:
    axes, along, at = layout
    image, truth, stored = CHANNELS, TRUTH, "TZCYX"
    if "T" not in axes:
        image, truth, stored = image[2], truth[2], stored.replace("T", "")
    if "Z" not in axes:
        image, truth, stored = image.take(1, stored.index("Z")), truth.take(1, truth.ndim - 3), stored.replace("Z", "")
    if "C" not in axes:
        image, stored = image.max(stored.index("C")) + 5 * image.min(stored.index("C")), stored.replace("C", "")
        image = np.where(truth > 0, 200, 10)
    elif dtype == "u1":
        image = image // 4
    label_axes = axes.replace("C", "")
    truth = transposed(truth, stored.replace("C", ""), label_axes)
    session = blob_session(transposed(image, stored, axes).astype(dtype), axes, along=along, at=at)
    assert session.labels.shape == truth.shape == session.stack.labels_shape
    assert session.stack.axes == label_axes
    planes = session.stack.planes(truth)
    for object_id in (1, 2):
        frame = next(t for t in range(len(planes)) if (planes[t] == object_id).any())
        session.add_object(object_id=object_id)
        session.add_points(object_id, frame, np.argwhere(planes[frame] == object_id)[:1])
    for _ in session.propagate():
        pass
    cut = tuple(at.get(axis, slice(None)) for axis in label_axes)
    expected = np.zeros_like(truth)
    expected[cut] = truth[cut]
    np.testing.assert_array_equal(session.labels, expected)


# --- containers ----------------------------------------------------------------------------------------------------

MOVIE = CHANNELS[:, 1, 0]


class Levels(Sequence[Any]):
    """Resolutions as napari wraps them: a sequence with the shape of the finest."""

    def __init__(self, *levels: Any) -> None:
        self.levels, self.shape, self.dtype = levels, levels[0].shape, levels[0].dtype

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, level: Any) -> Any:
        return self.levels[level]


def as_zarr(zarr_format: Any, **options: Any) -> Any:
    array = zarr.create_array({}, shape=MOVIE.shape, dtype=MOVIE.dtype, chunks=(3, 10, 26), zarr_format=zarr_format, **options)
    array[...] = MOVIE
    return array


def ome_group() -> Any:
    group = zarr.open_group({}, mode="w")
    for path, step in (("0", 1), ("1", 2)):
        group.create_array(path, data=MOVIE.transpose(2, 1, 0)[::step, ::step], chunks=(26, 18, 1))
    axes = [{"name": name} for name in ("x", "y", "t")]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}, {"path": "1"}]}]}
    return group


CONTAINERS: dict[str, Any] = {
    "dask": lambda: (da.from_array(MOVIE, chunks=(3, 5, 26)), "TYX"),
    "zarr 2": lambda: (as_zarr(2), "TYX"),
    "zarr 3": lambda: (as_zarr(3), "TYX"),
    "zarr with names": lambda: (as_zarr(3, dimension_names=["z", "y", "x"]), "ZYX"),
    "OME-Zarr": lambda: (ome_group(), "XYT"),
    "xarray": lambda: (xr.DataArray(MOVIE.transpose(1, 0, 2), dims=("y", "time", "x")), "YTX"),
    "xarray of dask": lambda: (xr.DataArray(da.from_array(MOVIE, chunks=(1, 18, 26)), dims=("z", "y", "x")), "ZYX"),
    "xarray without names": lambda: (xr.DataArray(MOVIE), "TYX"),
    "list of frames": lambda: (list(MOVIE), "TYX"),
    "list of resolutions": lambda: ([MOVIE, MOVIE[:, ::2, ::2], MOVIE[:, ::4, ::4]], "TYX"),
    "coarse first": lambda: ([MOVIE[:, ::2, ::2], MOVIE], "TYX"),
    "napari's resolutions": lambda: (Levels(da.from_array(MOVIE), MOVIE[:, ::2, ::2]), "TYX"),
    "napari's only resolution": lambda: (Levels(MOVIE), "TYX"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_any_container(name: str) -> None:
    image, axes = CONTAINERS[name]()
    stack = Stack.open(image)
    assert (stack.axes, len(stack), stack.height, stack.width) == (axes, T, Y, X)
    for frame in (2, 0, 3, 1):
        np.testing.assert_array_equal(stack.frames[frame], MOVIE[frame])
    np.testing.assert_array_equal(stack.frames[1:3], MOVIE[1:3])
    np.testing.assert_array_equal(np.asarray(stack.frames), MOVIE)


def test_memmap(tmp_path: Path) -> None:
    image = np.memmap(tmp_path / "movie.raw", ">i2", "w+", shape=(X, T, Y))
    image[...] = MOVIE.transpose(2, 0, 1)
    stack = Stack.open(image, "XTY")
    assert np.shares_memory(stack.frames[2], image)
    np.testing.assert_array_equal(stack.frames[2], MOVIE[2])


def test_names_of_which_only_some_are_known() -> None:
    image = xr.DataArray(MOVIE, dims=("mouse", "y", "x"))
    with pytest.raises(ValueError, match="the image calls its axes mouse, y, x: name by axes which are T, Z, Y, X and C"):
        Stack.open(image)
    assert Stack.open(image, "ZYX").axes == "ZYX"


def test_frames_of_different_shape() -> None:
    with pytest.raises(ValueError, match="an image must be an array, a path or a list of frames of one shape"):
        Stack.open([[[1, 2], [3, 4]], [[1, 2]]])


@pytest.mark.parametrize("along", ["T", "Z", "Y", "X"])
def test_views_of_one_image_share_its_labels(along: str) -> None:
    stack = Stack.open(CHANNELS[:1], "TZCYX", channel=(1, 0), along="Z", at={"T": 0})
    view = stack.view(along, {} if along == "T" else {"T": 0}) if along != "T" else stack.view("T", {"Z": 2})
    assert (view.axes, view.labels_shape, view.channels) == (stack.axes, (1, Z, Y, X), (1, 0, 1))
    assert view.image is stack.image


def test_a_view_along_what_labels_do_not_have() -> None:
    with pytest.raises(ValueError, match="frames cannot follow each other along T: labels have axes ZYX"):
        Stack.open(CHANNELS[:1, :, 0], "TZYX").view("T", {"Z": 0})


# --- laziness ------------------------------------------------------------------------------------------------------


class Counting:
    """An image drawn when it is read, which remembers what was."""

    def __init__(self, num_frames: int, chunks: tuple[int, ...] | None = None) -> None:
        self.shape, self.dtype = (num_frames, Y, X), np.dtype(np.uint16)
        self.reads: list[tuple[int, int]] = []
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, key: int | slice) -> np.ndarray:
        frames = range(self.shape[0])[key if isinstance(key, slice) else slice(key, key + 1)]
        assert len(frames) <= 8, "read a few frames at a time"
        self.reads.append((frames.start, frames.stop))
        read = np.stack([MOVIE[0] + frame % 7 for frame in frames])
        return read if isinstance(key, slice) else read[0]


def test_a_click_reads_one_frame_of_ten_thousand() -> None:
    image = Counting(10_000)
    session = Session(image, "TYX", model=tiny_model())
    assert len(image.reads) <= 18, "a sample for the intensities, and whether there is anything to see"
    image.reads.clear()
    session.add_object()
    session.add_points(1, 7000, [(4, 4)])
    assert image.reads == [(7000, 7001)]


def test_each_frame_is_read_once() -> None:
    image = Counting(12)
    session = blob_session(image, "TYX")
    session._in_use.frames.read(5)
    image.reads.clear()
    for frame in range(12):
        session._in_use.frames.read(frame)
        session._in_use.frames.read(frame)
    assert image.reads == [(frame, frame + 1) for frame in range(12)]


@pytest.mark.parametrize("order", [range(20), range(19, -1, -1)], ids=["forward", "backward"])
def test_frames_of_one_chunk_are_read_together(order: Sequence[int]) -> None:
    image = Counting(20, chunks=(8, 9, 26))
    frames = Stack.open(image, "TYX").frames
    for frame in order:
        np.testing.assert_array_equal(frames[frame], MOVIE[0] + frame % 7)
    assert sorted(image.reads) == [(0, 8), (8, 16), (16, 20)]


def test_chunks_of_different_lengths_as_dask_has_them() -> None:
    image = Counting(12, chunks=((5, 1, 6), (9, 9), (26,)))  # type: ignore[arg-type]
    frames = Stack.open(image, "TYX").frames
    assert [int(frames[frame][0, 0] - MOVIE[0, 0, 0]) for frame in range(12)] == [frame % 7 for frame in range(12)]
    assert image.reads == [(0, 5), (5, 6), (6, 12)]


def test_of_a_large_chunk_only_a_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes_module, "BLOCK_BYTES", 3 * Y * X * 2)
    image = Counting(20, chunks=(8, 9, 26))
    frames = Stack.open(image, "TYX").frames
    for frame in range(20):
        frames[frame]
    assert image.reads == [(0, 3), (3, 6), (6, 8), (8, 11), (11, 14), (14, 16), (16, 19), (19, 20)]


# --- what fails to read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_that_cannot_be_read(zarr_format: Any, tmp_path: Path) -> None:
    movie, truth = np.concatenate([MOVIE] * 2 + [MOVIE[:1]] * 2), np.concatenate([TRUTH[:, 1]] * 2 + [TRUTH[:1, 1]] * 2)
    truth = np.where(truth == 1, 1, 0)
    stored = zarr.create_array(tmp_path / "movie.zarr", shape=movie.shape, dtype="u2", chunks=(1, Y, X), zarr_format=zarr_format)
    stored[...] = movie
    session = blob_session(tmp_path / "movie.zarr", "ZYX")
    chunk = tmp_path / "movie.zarr" / ("4.0.0" if zarr_format == 2 else "c/4/0/0")
    content = chunk.read_bytes()
    chunk.write_bytes(content[: len(content) // 2])
    session.add_object()
    session.add_points(1, 1, [(4, 6)])
    steps = session.propagate()
    assert [next(steps).frame, next(steps).frame] == [2, 3]
    with pytest.raises(OSError, match=r"^frame 4 along Z cannot be read: .+") as caught:
        next(steps)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(session.labels[1:4], truth[1:4])
    # Past the hole, and backwards.
    assert [result.frame for result in session.propagate(frames=[0, *range(5, 10)])] == [5, 6, 7, 8, 9, 0]
    np.testing.assert_array_equal(np.delete(session.labels, 4, axis=0), np.delete(truth, 4, axis=0))
    assert not session.labels[4].any()
    chunk.write_bytes(content)
    assert [result.frame for result in session.propagate()] == [4]
    np.testing.assert_array_equal(session.labels, truth)


@pytest.mark.parametrize("num_broken", [1, T])
def test_opening_with_frames_that_cannot_be_read(num_broken: int, tmp_path: Path) -> None:
    stored = zarr.create_array(tmp_path / "movie.zarr", data=MOVIE, chunks=(1, Y, X))
    for frame in range(num_broken):
        (tmp_path / "movie.zarr" / f"c/{frame}/0/0").write_bytes(b"\0")
    if num_broken == T:
        with pytest.raises(OSError, match=r"frame 0 along T cannot be read: .+"):
            blob_session(stored)
    else:
        session = blob_session(stored)
        session.add_object()
        session.add_points(1, 2, [(4, 6)])
        assert [result.frame for result in session.propagate("forward")] == [3]


# --- what the model sees -------------------------------------------------------------------------------------------

S = tiny_model().image_size
RAMP = np.linspace(0, 1000, S * S).reshape(S, S)
TWO = np.stack([RAMP, 3000 - RAMP.T])
COLOURED: dict[str, tuple[np.ndarray, str, dict[str, Any]]] = {
    "grey": (RAMP, "YX", {}),
    "one channel": (TWO, "CYX", {"channel": 1}),
    "two channels": (TWO.astype(np.uint16), "CYX", {}),
    "three channels": (np.stack([RAMP, -RAMP, RAMP.T / 1e6]), "CYX", {}),
    "three of five": (np.stack([RAMP, -RAMP, RAMP.T, RAMP + 7, RAMP * 2], axis=-1), "YXC", {"channel": (4, 1, 2)}),
    "RGB": (np.stack([RAMP, RAMP.T, RAMP[::-1]], axis=-1).astype(np.uint8), "YXC", {}),
    "RGB, 16 bit": (np.stack([RAMP, RAMP.T, RAMP[::-1]], axis=-1).astype(np.uint16), "YXC", {}),
    "not numbers": (np.where(RAMP > 900, np.nan, np.where(RAMP < 100, -np.inf, np.where(RAMP < 200, np.inf, RAMP))), "YX", {}),
    "not a number": (RAMP * np.nan, "YX", {}),
    "window": (RAMP - 200, "YX", {"window": "soft tissue"}),
    "percentiles": (RAMP, "YX", {"percentiles": (10, 60)}),
    "bool": (RAMP > 500, "YX", {}),
}


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize("zoom", [None, 4.0])
def test_preview_is_what_the_encoder_gets(name: str, zoom: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    image, axes, options = COLOURED[name]
    session = Session(image, axes, model=tiny_model(), zoom=zoom, **options)
    seen, encode = [], session.model.forward_image
    monkeypatch.setattr(session.model, "forward_image", lambda images: seen.append(images) or encode(images))
    session.add_object()
    session.add_points(1, 0, [(S // 2, S // 2)])
    assert torch.isfinite(seen[-1]).all()
    assert session.preview(0).dtype == np.uint8
    whole = seen[0][0].permute(1, 2, 0).numpy() * np.array(IMAGE_STD) + np.array(IMAGE_MEAN)
    # Equal but for the rounding to 8 bit.
    np.testing.assert_allclose(session.preview(0), 255 * whole, rtol=0, atol=0.5001)
    assert torch.equal(session._in_use.frames.read(0), seen[0][0])


def grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint(255 * np.clip((values.astype(float) - low) / (high - low), 0, 1))


@pytest.mark.parametrize(
    ("channel", "intensity_range", "shown"),
    [
        (None, [(0, 1000), (2000, 3000)], [(0, 0, 1000), (1, 2000, 3000), (0, 0, 1000)]),
        ((1, 0), [(2000, 3000), (0, 1000)], [(1, 2000, 3000), (0, 0, 1000), (1, 2000, 3000)]),
        (None, (0, 4000), [(0, 0, 4000), (1, 0, 4000), (0, 0, 4000)]),
        (1, (2000, 3000), [(1, 2000, 3000)] * 3),
    ],
)
def test_channels_are_magenta_and_green_each_with_its_range(
    channel: Any, intensity_range: Any, shown: list[tuple[int, int, int]]
) -> None:
    session = Session(TWO, "CYX", model=tiny_model(), channel=channel, intensity_range=intensity_range)
    expected = np.stack([grey(TWO[place], low, high) for place, low, high in shown], axis=-1)
    np.testing.assert_allclose(session.preview(0), expected, atol=1)


def test_each_channel_has_a_range_of_its_own_by_default() -> None:
    ranges = Session(TWO.astype(np.uint16), "CYX", model=tiny_model()).intensity_ranges
    assert ranges is not None
    assert len(ranges) == 3
    assert ranges[0] == ranges[2] != ranges[1]
    again = Session(TWO.astype(np.uint16), "CYX", model=tiny_model(), intensity_range=ranges)
    assert again.intensity_ranges == ranges


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"intensity_range": [(0, 1)] * 4}, "give one intensity range, or 2, one for each channel"),
        ({"intensity_range": "bright"}, "give one intensity range, or 2, one for each channel, got 'bright'"),
        ({"intensity_range": [(0, 1), (3, 2)]}, "an intensity range is two numbers, black below white, got 3 and 2"),
        ({"percentiles": (50, 50)}, r"percentiles are two numbers in order between 0 and 100, got \(50, 50\)"),
        ({"percentiles": (0, 101)}, "percentiles are two numbers in order between 0 and 100"),
        ({"percentiles": (0, 50), "window": "bone"}, "give either a window or an intensity range or percentiles, not two of them"),
    ],
)
def test_intensities_that_make_no_sense(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Session(TWO, "CYX", model=tiny_model(), **options)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 1, 1), (1, 1, 1), (2, 1, 5, 1)])
def test_planes_of_one_pixel(shape: tuple[int, ...]) -> None:
    axes = "TZYX"[-len(shape) :] if len(shape) != 3 else "ZYX"
    session = Session(np.arange(np.prod(shape)).reshape(shape), axes, model=tiny_model())
    session.add_object()
    assert session.add_points(1, 0, [(0, 0)]).shape == shape[-2:]
    assert len(list(session.propagate())) == len(session.stack) - 1


# --- separate images, axis N -----------------------------------------------------------------------------------------

IMAGES = squares(3, (Y, X), {1: [(2, 2, 6), (2, 3, 6), (9, 14, 5)]})
"""The object of the second overlaps with that of the first; the third has it elsewhere."""


def with_objects(session: Session, num_objects: int = 1) -> Session:
    for _ in range(num_objects):
        session.add_object()
    return session


def test_nothing_is_carried_from_one_separate_image_to_another() -> None:
    session = with_objects(blob_session(IMAGES * 100, axes="NYX"), 2)
    session.add_points(1, 0, [(4, 4)])
    session.add_points(2, 2, [(11, 16)])
    assert session.plan() == []
    assert list(session.propagate()) == []
    np.testing.assert_array_equal(session.labels, np.stack([IMAGES[0], IMAGES[0] * 0, IMAGES[2] * 2]))
    followed = with_objects(blob_session(IMAGES * 100, axes="QYX"))
    followed.add_points(1, 0, [(4, 4)])
    assert [result.frame for result in followed.propagate()] == [1, 2]


def test_an_object_of_two_separate_images_is_found_on_each_as_if_there_were_no_other() -> None:
    """By the network: what it found on the first image is not recalled on the third."""
    click = [(11, 16)]
    given = ((IMAGES, "NYX"), (IMAGES, "NYX"), (IMAGES[2], "YX"), (IMAGES, "TYX"))
    together, alone, single, stack = (
        with_objects(Session(image * 100, axes, tiny_model(), intensity_range=(0, 100))) for image, axes in given
    )
    for session in (together, stack):
        session.add_points(1, 0, [(4, 4)])
    for session, frame in ((together, 2), (alone, 2), (single, 0), (stack, 2)):
        session.add_points(1, frame, click)
    logits = {
        name: session.objects[1].conditioning[frame].mask_logits
        for name, session, frame in (("together", together, 2), ("alone", alone, 2), ("single", single, 0), ("stack", stack, 2))
    }
    assert np.array_equal(logits["together"], logits["alone"])
    assert np.array_equal(logits["together"], logits["single"])
    assert not np.array_equal(logits["together"], logits["stack"])


def test_one_of_several_separate_movies() -> None:
    movies = np.stack([IMAGES, np.roll(IMAGES, 1, axis=2)]) * 100
    session = with_objects(blob_session(movies, axes="NTYX", at={"N": 1}))
    assert (session.stack.along, session.stack.is_collection, session.stack.axes) == ("T", False, "NTYX")
    session.add_points(1, 0, [(4, 4)])
    assert [result.frame for result in session.propagate()] == [1, 2]
    with pytest.raises(ValueError, match="along N are separate images: objects are not propagated from one to another"):
        list(propagate_each(session, "N"))
    across = blob_session(movies, axes="NTYX", along="N", at={"T": 0})
    assert across.stack.is_collection
    with pytest.raises(ValueError, match="along N are separate images"):
        list(propagate_each(across, "T"))


@pytest.mark.parametrize("names", [("n", "y", "x"), ("image", "row", "col"), ("Images", "y", "x")])
def test_separate_images_by_the_names_of_axes(names: tuple[str, ...]) -> None:
    stack = Stack.open(xr.DataArray(IMAGES, dims=names))
    assert (stack.axes, stack.along, stack.is_collection) == ("NYX", "N", True)


def test_one_of_separate_images_as_an_image_of_its_own() -> None:
    image = np.stack([IMAGES, IMAGES + 5, IMAGES + 7], axis=1)
    single = Stack.open(image, "NCYX", channel=[2, 0]).single(1)
    assert (single.axes, len(single), single.channels, single.num_channels) == ("YX", 1, (2, 0, 2), 3)
    np.testing.assert_array_equal(np.asarray(single.frames[0])[..., 1], IMAGES[1])
    assert Stack.open(image[:, 0], "NYX").single(2).labels_shape == (Y, X)
