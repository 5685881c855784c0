"""Labels in a file: read as an array, written by plane, in no more room than the objects take."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import weakref
from typing import Any

import dask.array
import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.images.stack import Stack
from napari_sam2.session.labels import label_file, label_writer
from napari_sam2.session.labels.label_file import LabelFile
from square_movies import MOVIE, TRUTH, followed

SIDE = 2048


def room(labels: LabelFile) -> int:
    """Bytes that the file takes on the disk."""
    return os.fstat(labels._file.raw.fileno()).st_blocks * 512


def plane_with(rows: slice, columns: slice, value: int = 7, shape: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    plane = np.zeros(shape, np.uint16)
    plane[rows, columns] = value
    return plane


def test_room_is_taken_only_where_there_are_objects() -> None:
    labels = LabelFile((6000, SIDE, SIDE))
    assert (labels.shape, labels.dtype) == ((6000, SIDE, SIDE), np.uint16)
    assert room(labels) <= 65536
    one, other = plane_with(np.s_[100:140], np.s_[10:50]), plane_with(np.s_[120:160], np.s_[10:50], 9)
    labels.write(labels[4321], one)
    os.fsync(labels._file.raw.fileno())
    assert 40 * SIDE * 2 <= room(labels) <= 40 * SIDE * 2 + 3 * 65536
    np.testing.assert_array_equal(labels[4321], one)
    labels.write(labels[4321], other)
    np.testing.assert_array_equal(labels[4321], other)
    assert not labels[4320].any()
    assert not labels[4322].any()
    labels.write(labels[4321], np.zeros_like(one))
    assert not labels[4321].any()


def test_rows_that_are_the_same_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LabelFile((3, 8, 4))
    written = []
    write_at = label_file._File._write_at

    def spied(self: Any, offset: int, content: bytes) -> None:
        written.append((offset, len(content)))
        write_at(self, offset, content)

    monkeypatch.setattr(label_file._File, "_write_at", spied)
    plane = plane_with(np.s_[1:3], np.s_[:], shape=(8, 4)) + plane_with(np.s_[5:6], np.s_[1:2], shape=(8, 4))
    for _ in range(2):
        labels.write(labels[2], plane)
    first = 2 * 8 * 4 * 2
    assert written == [(first + 1 * 8, 16), (first + 5 * 8, 8)]


@pytest.mark.parametrize("axes", ["TYX", "YTX", "TXY", "XTY", "XYT", "YXT"])
def test_planes_in_any_order_of_axes(axes: str) -> None:
    size = {"T": 3, "Y": 8, "X": 5}
    labels = LabelFile(tuple(size[axis] for axis in axes))
    stack = Stack.open(np.zeros(labels.shape, np.uint8), axes)
    rng = np.random.default_rng(0)
    for _ in range(2):
        expected = rng.integers(0, 3, (3, 8, 5), np.uint16)
        for frame in range(3):
            labels.write(stack.planes(labels)[frame], expected[frame])
        np.testing.assert_array_equal(labels.transpose([axes.index(axis) for axis in "TYX"]), expected)


def test_a_view_has_the_same_file() -> None:
    labels = LabelFile((2, 1, 8, 4))
    view = labels.reshape(2, 8, 4)
    assert isinstance(view, LabelFile)
    plane = plane_with(np.s_[1:3], np.s_[:], shape=(8, 4))
    view.write(view[1], plane)
    np.testing.assert_array_equal(labels[1, 0], plane)
    view[0, 0, 0] = 5  # somebody paints
    assert labels[0, 0, 0, 0] == 5
    view.write(view[0], np.zeros((8, 4), np.uint16))
    assert not labels[0].any()


def test_a_copy_lies_in_no_file() -> None:
    labels = LabelFile((8, 32, 32))
    assert labels.is_in_file
    assert labels[1:].is_in_file
    assert labels.T.is_in_file
    for copy in (labels.copy(), labels + 1, labels[[0, 1]], labels[labels == 0]):
        assert not (isinstance(copy, LabelFile) and copy.is_in_file)
    copy = labels.copy()
    session = blob_session(MOVIE, labels=copy)
    np.testing.assert_array_equal(followed(session).labels, TRUTH)
    assert session.labels is copy
    assert not labels.any()


def test_the_file_lives_as_long_as_a_view() -> None:
    labels = LabelFile((2, 8, 4))
    view, file = labels[1], weakref.ref(labels._file)
    raw = labels._file.raw
    del labels
    gc.collect()
    view.write(view, plane_with(np.s_[:], np.s_[:], shape=(8, 4)))
    assert view.min() == 7
    del view
    gc.collect()
    assert file() is None
    assert raw.closed


def test_pages_are_given_up_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_file, "BYTES_BETWEEN_RELEASES", 1)
    labels = LabelFile((2, 8, 4))
    labels[0, 3, 2] = 5  # through the map
    labels.write(labels[1], plane_with(np.s_[1:2], np.s_[:], shape=(8, 4)))
    assert labels[0, 3, 2] == 5
    np.testing.assert_array_equal(labels[1], plane_with(np.s_[1:2], np.s_[:], shape=(8, 4)))


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system keeps pages as it likes")
def test_memory_stays_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_file, "BYTES_BETWEEN_RELEASES", 16 * 2**20)

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE

    labels = LabelFile((17, SIDE, SIDE))
    plane = plane_with(np.s_[:], np.s_[:])
    labels.write(labels[0], plane)
    before = resident()
    for frame in range(1, 17):
        labels.write(labels[frame], plane)
    assert resident() - before < 48 * 2**20, "of 128 MiB"
    assert labels[16].min() == 7


def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LabelFile((2, 8, 4))
    raw = labels._file.raw

    class Full:
        def seek(self, offset: int) -> None:
            raw.seek(offset)

        def write(self, content: memoryview) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(labels._file, "raw", Full())
    said = r"^labels cannot be put into a temporary file in .*: the disk is full; make room, or set the variable TMPDIR to another$"
    with pytest.raises(OSError, match=said):
        labels.write(labels[1], plane_with(np.s_[1:2], np.s_[:], shape=(8, 4)))
    assert not labels.any()


def test_what_the_system_writes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LabelFile((2, 8, 4))
    raw = labels._file.raw

    class Slow:
        seek = staticmethod(raw.seek)

        def write(self, content: memoryview) -> int:
            return raw.write(content[:3])

    monkeypatch.setattr(labels._file, "raw", Slow())
    plane = plane_with(np.s_[1:4], np.s_[:], shape=(8, 4))
    labels.write(labels[1], plane)
    np.testing.assert_array_equal(labels[1], plane)


def test_a_session_in_a_file_gives_the_same_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_writer, "MAX_BYTES_IN_MEMORY", 0)
    session = followed(blob_session(MOVIE))
    assert isinstance(session.labels, LabelFile)
    np.testing.assert_array_equal(session.labels, TRUTH)
    session.undo()
    assert (session.labels != TRUTH).any()
    session.redo()
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_few_frames_of_a_long_lazy_stack_are_read() -> None:
    read = []

    def frame(block_info: Any = None) -> np.ndarray:
        read.append(block_info[None]["array-location"][0][0])
        return np.broadcast_to(np.arange(SIDE, dtype=np.uint8), (1, SIDE, SIDE))

    movie = dask.array.map_blocks(frame, chunks=((1,) * 6000, (SIDE,), (SIDE,)), dtype=np.uint8)
    session = blob_session(movie)
    assert isinstance(session.labels, LabelFile)
    assert len(set(read)) <= 16
    read.clear()
    mask = plane_with(np.s_[100:140], np.s_[10:50]) > 0
    session.add_mask(session.add_object(), 3000, mask)
    assert set(read) <= {3000}
    np.testing.assert_array_equal(session.labels[3000] > 0, session.mask(1, 3000))
    assert session.mask(1, 3000).sum() > 1000
    next(session.propagate("forward"))
    assert set(read) <= {3000, 3001}
    assert room(session.labels) < 2**20
