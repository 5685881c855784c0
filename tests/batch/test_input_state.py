"""An input is known again, and not believed when its bytes changed under the same name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from napari_sam2.batch import input_state
from napari_sam2.batch.input_state import InputState, stamp_of


def settled(path: Path, monkeypatch: pytest.MonkeyPatch) -> InputState:
    """As it is looked at long after the last change."""
    monkeypatch.setattr(input_state, "COARSE_NS", 0)
    time.sleep(0.02)
    return InputState.of(path)


def test_the_same_file_is_known_without_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    state = settled(path, monkeypatch)
    assert state.is_settled
    monkeypatch.setattr(input_state, "file_sha256", lambda path: pytest.fail("it was read"))
    assert state.looked_at_again() is state


def test_other_bytes_with_size_and_time_of_before_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    state, status = settled(path, monkeypatch), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert state.looked_at_again() is None


def test_a_file_that_was_only_touched_or_copied_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    state = settled(path, monkeypatch)
    os.utime(path)
    again = state.looked_at_again()
    assert again is not None
    assert again.sha256 == state.sha256
    assert again.stamp != state.stamp


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    state = InputState.of(path)
    assert not state.is_settled
    # A change so soon after that it has the same time: the stamp would not show it.
    assert InputState(state.path, state.stamp, "of other bytes", state.is_settled).looked_at_again() is None
    assert state.looked_at_again() is not None


def test_a_large_file_that_was_touched_is_left_to_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    state = settled(path, monkeypatch)
    os.utime(path)
    monkeypatch.setattr(input_state, "SOON_READ_BYTES", 2)
    assert state.looked_at_again() is None


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "0.0").write_bytes(b"chunk")
    state = InputState.of(folder)
    (folder / "labels" / "mine").mkdir(parents=True)
    (folder / "labels" / "mine" / "0").write_bytes(b"label images are no part of the image")
    assert InputState.of(folder) == state
    (folder / "0" / "0.1").write_bytes(b"chunk")
    assert InputState.of(folder).sha256 != state.sha256
    (folder / "0" / "0.1").unlink()
    assert InputState.of(folder).sha256 == state.sha256


def test_what_is_gone_is_not_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    state = InputState.of(path)
    path.unlink()
    assert state.looked_at_again() is None
    with pytest.raises(FileNotFoundError):
        stamp_of(path)
    with pytest.raises(FileNotFoundError, match=r"a\.tif cannot be read: it is not there"):
        InputState.of(path)
