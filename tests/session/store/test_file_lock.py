"""One session writes to a file at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from napari_sam2.session.store.file_lock import FileLock, is_locked

OPEN = r"^\S+movie\.sam2 is open in another session: close it there first, export it with napari-sam2 export, or open a copy$"
HOLDER = """
import sys
from pathlib import Path
from napari_sam2.session.store.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def test_only_one_holds_it(path: Path) -> None:
    assert not is_locked(path)
    lock = FileLock(path)
    assert is_locked(path)
    for _ in range(2):
        with pytest.raises(ValueError, match=OPEN):
            FileLock(path)
    other = FileLock(path.with_name("other.sam2"))
    lock.release()
    lock.release()
    assert not is_locked(path)
    assert [one.name for one in path.parent.iterdir()] == ["other.sam2-lock"]
    again = FileLock(path)
    again.release()
    other.release()
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("ends", ["released", "killed"])
def test_a_lock_of_another_process_ends_with_it(ends: str, path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(path)
        with pytest.raises(ValueError, match=OPEN):
            FileLock(path)
        if ends == "released":
            holder.stdin.write("\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "released\n"
        else:
            holder.kill()
            holder.wait()
            assert path.with_name("movie.sam2-lock").exists()
        FileLock(path).release()
        holder.kill()
    assert not list(path.parent.iterdir())


def test_it_is_released_in_another_thread(path: Path) -> None:
    lock = FileLock(path)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    FileLock(path).release()


def test_a_file_that_is_removed_by_whoever_held_it_before_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the file and locking it, another one releases the lock, and removes the file."""
    acquire, removed = filelock.FileLock.acquire, []

    def late(lock: filelock.FileLock) -> object:
        held = acquire(lock)
        if not removed:
            removed.append(os.unlink(lock.lock_file))
        return held

    monkeypatch.setattr(filelock.FileLock, "acquire", late)
    lock = FileLock(path)
    assert removed
    monkeypatch.undo()
    with pytest.raises(ValueError, match=OPEN):
        FileLock(path)
    lock.release()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "permission is denied"),
        (OSError(28, "No space left on device"), "the disk is full"),
        (OSError(30, "Read-only file system"), "it lies where nothing can be written"),
        (NotImplementedError("FileSystem does not appear to support flock"), "its file system has no locks"),
    ],
)
def test_where_nothing_can_be_locked(error: Exception, reason: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: filelock.FileLock) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(OSError, match=rf"^\S+movie\.sam2 cannot be locked against other sessions: {reason}$") as caught:
        FileLock(path)
    assert caught.value.__cause__ is error


def test_a_lock_file_that_somebody_else_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: filelock.FileLock) -> None:
        raise PermissionError(13, "Permission denied")

    path.with_name("movie.sam2-lock").touch()
    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    message = (
        r"^\S+movie\.sam2 cannot be locked against other sessions: permission is denied; remove movie\.sam2-lock, if it was left "
        "there by a program that does not run any more$"
    )
    with pytest.raises(PermissionError, match=message):
        FileLock(path)
    assert is_locked(path)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot be locked against other sessions: its path is too long$"):
        FileLock(tmp_path / ("n" * 252))
