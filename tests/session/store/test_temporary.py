"""Where a session lies that nobody saved yet."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from napari_sam2.session.store import temporary
from napari_sam2.session.store.database import Database
from napari_sam2.session.store.file_lock import FileLock
from napari_sam2.session.store.temporary import (
    MAX_AGE_S,
    MAX_PARTIAL_AGE_S,
    new_partial,
    new_unsaved_path,
    remove,
    unsaved_folder,
    unsaved_sessions,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return unsaved_folder()


def begun(path: Path) -> Path:
    """A file in which something was written."""
    database = Database.create(path)
    with database.transaction():
        database.execute("INSERT INTO header VALUES ('{}')")
    database.close()
    return path


def aged(path: Path, age_s: float) -> Path:
    at = time.time() - age_s
    os.utime(path, (at, at))
    return path


def test_the_folder_of_the_users_data(folder: Path, tmp_path: Path) -> None:
    assert folder == tmp_path / "data" / "napari-sam2" / "unsaved sessions"
    path = new_unsaved_path()
    assert path.parent == folder
    assert path.suffix == ".sam2"
    assert new_unsaved_path() != path


def test_what_is_in_memory_comes_last(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = f"tmpfs {tmp_path}/data tmpfs rw 0 0\n/dev/x / ext4 rw 0 0\n"
    monkeypatch.setattr(temporary.Path, "read_text", lambda path, **_: mounts if str(path) == "/proc/self/mounts" else "")
    assert unsaved_folder() == tmp_path / "cache" / "napari-sam2" / "unsaved sessions"
    mounts = f"/dev/x / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\n/dev/y {tmp_path}/data ext4 rw 0 0\n"
    assert unsaved_folder() == folder


def test_where_no_folder_can_be_made(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data", "cache"):
        (tmp_path / f"{name}.file").touch()
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / f"{name}.file"))
    assert unsaved_folder() == Path(temporary.tempfile.gettempdir())

    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(temporary.tempfile, "gettempdir", nowhere)
    with pytest.raises(
        OSError, match=r"^a session that is not saved cannot be written to \S+data\.file.*: a part of its path is a"
    ):
        unsaved_folder()
    assert folder.exists()


def test_sessions_that_were_left_behind(folder: Path) -> None:
    older, newer = begun(folder / "2026-01-01 100000 aaaaaa.sam2"), begun(folder / "2026-01-02 100000 bbbbbb.sam2")
    Database.create(folder / "2026-01-03 100000 cccccc.sam2").close()  # nothing was done in it
    (folder / "2026-01-04 100000 dddddd.sam2").touch()
    begun(folder / "mine.sam2")
    assert unsaved_sessions() == unsaved_sessions(folder) == [newer, older]
    lock = FileLock(newer)
    assert unsaved_sessions() == [older]
    lock.release()
    content = bytearray(newer.read_bytes())
    content[5000:] = bytes(len(content) - 5000)
    newer.write_bytes(content)
    assert unsaved_sessions() == [newer, older]  # of what is damaged the log may still be read


def test_those_of_long_ago_are_removed_when_another_begins(folder: Path) -> None:
    old, recent, held, unfinished = (begun(folder / f"2020-01-0{n} 100000 aaaaaa.sam2") for n in range(1, 5))
    mine = begun(folder / "mine.sam2")
    for path in (old, held, unfinished, mine):
        aged(path, MAX_AGE_S + 60)
    aged(recent, MAX_AGE_S - 60)
    old.with_name(old.name + "-wal").touch()
    aged(old.with_name(old.name + "-wal"), MAX_AGE_S + 60)
    unfinished.with_name(unfinished.name + "-wal").touch()
    lock = FileLock(held)
    new_unsaved_path()
    lock.release()
    assert {one.name for one in folder.glob("*.sam2")} == {one.name for one in (recent, held, unfinished, mine)}
    assert not list(folder.glob(old.name + "*"))


def test_one_that_is_closed_while_they_are_looked_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = begun(folder / "2026-01-01 100000 aaaaaa.sam2")

    def closed(path: Path) -> bool:
        remove(path)
        return False

    monkeypatch.setattr(temporary, "is_locked", closed)
    assert new_unsaved_path() != path


def test_partial_files_of_long_ago_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "a[1] movie of some cells.sam2"
    old, recent = new_partial(path), new_partial(path)
    other = new_partial(tmp_path / "another movie of cells.sam2")
    for one in (old, recent, other):
        begun(one)
    for one in (old, other):
        aged(one, MAX_PARTIAL_AGE_S + 60)
    assert new_partial(path) not in (old, recent)
    assert sorted(tmp_path.iterdir()) == sorted([recent, other])


@pytest.mark.parametrize("name", ["a.sam2", "movie.sam2", "n" * 30 + ".sam2", "n" * 200 + ".sam2"])
def test_a_partial_file_has_a_name_that_is_not_much_longer(name: str, tmp_path: Path) -> None:
    partial = new_partial(tmp_path / name)
    assert partial.name.startswith(".")
    assert partial.suffix == ".sam2"
    assert len(partial.name) <= max(len(name), 23)


def test_all_of_a_session_is_removed(tmp_path: Path) -> None:
    for name in ("a.sam2", "a.sam2-wal", "a.sam2-shm", "b.sam2", "a.sam2.csv"):
        (tmp_path / name).touch()
    remove(tmp_path / "a.sam2")
    remove(tmp_path / "none.sam2")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.sam2.csv", "b.sam2"]
