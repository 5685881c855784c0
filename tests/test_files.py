"""Files and folders are whole or not there."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from napari_sam2.files import (
    atomic_folder,
    atomic_path,
    check_folder_writable,
    check_writable,
    read_json,
    remove_partial_files,
    temporary_file,
)

# --- atomic files --------------------------------------------------------------------------------------------------


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    with atomic_path(path) as partial:
        partial.write_text("half")
        assert partial.parent == tmp_path
        assert partial.suffix == ".tif"
        assert not path.exists()
    assert path.read_text() == "half"
    assert os.listdir(tmp_path) == ["labels.tif"]


def test_partial_files_of_programs_that_were_ended_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "labels[1].tif"
    with atomic_path(path) as partial:
        partial.write_text("half")
        assert remove_partial_files(path, 60.0) == [], "somebody writes it"
        assert remove_partial_files(tmp_path / "others.tif", 0.0) == []
        os.utime(partial, (0, 0))
        assert remove_partial_files(path, 60.0) == [partial]
        partial.write_text("again")
    assert os.listdir(tmp_path) == ["labels[1].tif"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("before", [None, "earlier"])
@pytest.mark.parametrize("started", [True, False])
def test_nothing_is_left_behind(error: type[BaseException], before: str | None, started: bool, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    if before:
        path.write_text(before)

    def write() -> None:
        with atomic_path(path) as partial:
            if started:
                partial.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)} == ({"labels.tif": before} if before else {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone/labels.tif", "there is no folder .*gone to write labels.tif to"),
        ("file/labels.tif", "there is no folder .*file to write labels.tif to"),
        ("folder", "folder is a folder: give the name of a file to write"),
        ("/proc/labels.tif", "labels.tif cannot be written to the folder /proc: "),
    ],
)
def test_places_that_cannot_be_written(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for attempt in (check_writable, lambda path: atomic_path(path).__enter__()):
        with pytest.raises(ValueError, match=message):
            attempt(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match=r"pipe\.json is not a file: give the name of one to write"), atomic_path(pipe):
        pass
    assert pipe.is_fifo()


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "labels.tif")
    assert os.listdir(tmp_path) == []


def is_ours(folder: Path) -> bool:
    return (folder / "ours").exists()


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "an earlier result"])
def test_a_folder_appears_when_it_is_whole(before: str, tmp_path: Path) -> None:
    path = tmp_path / "01_RES"
    if before != "nothing":
        path.mkdir()
    if before == "an earlier result":
        (path / "ours").touch()
    with atomic_folder(path, is_ours) as partial:
        (partial / "new").write_text("half")
        assert not (path / "new").exists()
        assert is_ours(path) == (before == "an earlier result")
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["01_RES"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [False, True])
def test_nothing_is_left_of_a_folder(error: type[BaseException], before: bool, tmp_path: Path) -> None:
    path = tmp_path / "01_RES"
    if before:
        path.mkdir()
        (path / "ours").write_text("earlier")

    def write() -> None:
        with atomic_folder(path, is_ours) as partial:
            (partial / "new").write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert os.listdir(tmp_path) == (["01_RES"] if before else [])
    assert not before or (path / "ours").read_text() == "earlier"


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").write_text("years of work")
    (tmp_path / "file").write_text("a letter")
    for name in ("precious", "file"):
        with (
            pytest.raises(ValueError, match=f"{name} is there already and is not an earlier result"),
            atomic_folder(tmp_path / name, is_ours),
        ):
            pass
    with (
        pytest.raises(ValueError, match=r"there is no folder .*gone to write a to"),
        atomic_folder(tmp_path / "gone" / "a", is_ours),
    ):
        pass
    assert (tmp_path / "precious" / "data").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["file", "precious"]


# --- what the system says, in plain words --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["n" * 250 + ".tif", "é" * 120 + ".tif", "n" * 251 + ".csv"])
def test_a_name_as_long_as_the_system_takes_can_be_written(name: str, tmp_path: Path) -> None:
    with atomic_path(tmp_path / name) as partial:
        partial.write_text("whole")
    with atomic_folder(tmp_path / name.replace("n", "m").replace("é", "è"), is_ours) as folder:
        (folder / "new").touch()
    assert (tmp_path / name).read_text() == "whole"


@pytest.mark.parametrize("name", ["n" * 300, "/".join(["n" * 200] * 30)])
def test_a_path_that_is_too_long(name: str, tmp_path: Path) -> None:
    for attempt in (check_writable, lambda path: check_folder_writable(path, is_ours)):
        with pytest.raises(ValueError, match=r"cannot be written to the folder .*: its path is too long"):
            attempt(tmp_path / name)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError, "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), OSError, "the quota on the disk is used up"),
        (PermissionError(errno.EACCES, "Permission denied"), PermissionError, "permission is denied"),
        (OSError(errno.EIO, "Input/output error"), OSError, "the disk, or the connection to it, fails"),
    ],
)
def test_what_fails_in_the_middle_names_what_is_written(error: OSError, kind: type[OSError], said: str, tmp_path: Path) -> None:
    for name, attempt in (("a.tif", lambda path: atomic_path(path)), ("a_RES", lambda path: atomic_folder(path, is_ours))):
        message = f"{tmp_path / name} cannot be written: {said}"

        def write(path: Path = tmp_path / name, attempt: Any = attempt) -> None:
            with attempt(path) as partial:
                error.filename = str(partial)
                raise error

        with pytest.raises(kind, match=f"^{re.escape(message)}$") as caught:
            write()
        assert (type(caught.value), caught.value.errno) == (kind, error.errno)
        assert caught.value.__cause__ is error
        error.filename = None
    assert os.listdir(tmp_path) == []


def test_who_reads_meanwhile_names_what_is_read(tmp_path: Path) -> None:
    for error in (OSError(errno.EIO, "Input/output error", "movie.tif"), OSError("frame 3 cannot be read")):
        with pytest.raises(OSError, match=re.escape(str(error))) as caught, atomic_path(tmp_path / "a.tif"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b"row,col\n1,2\n", "line 1, column 1"),
        (b'{"a": "\xe4"}', "it is no text in UTF-8, from byte 7 on"),
        (b"[" * 100_000, "it is nested too deeply to be read"),
    ],
)
def test_what_is_not_json(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path} is not JSON: {said}')}$") as caught:
        read_json(path)
    assert caught.value.__cause__ is not None


def test_json_of_other_writers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a":\r\n 1}')
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("gone.json", FileNotFoundError, "it is not there"),
        ("folder", IsADirectoryError, "it is a folder"),
        ("file/a.json", NotADirectoryError, "a part of its path is a file, not a folder"),
        ("circle", OSError, "its links lead in a circle"),
        ("n" * 300, OSError, "its path is too long"),
    ],
)
def test_what_cannot_be_read(name: str, kind: type[OSError], said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(kind, match=f"^{re.escape(f'the table {tmp_path / name} cannot be read: {said}')}$"):
        read_json(tmp_path / name, "the table")


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    monkeypatch.setattr(tempfile, "tempdir", None)
    said = "memories cannot be put into a temporary file: no folder for such files can be written; set the variable TMPDIR to one"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(said)}$"):
        temporary_file("memories cannot be put into a temporary file")


def test_a_folder_for_temporary_files_that_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    said = f"votes cannot be counted in {tmp_path}: the disk is full; make room, or set the variable TMPDIR to another"
    with pytest.raises(OSError, match=f"^{re.escape(said)}$") as caught:
        temporary_file("votes cannot be counted")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize(("in_memory", "variables", "is_moved"), [
    (("tmp",), (), True),
    ((), (), False),
    (("tmp",), ("TMPDIR",), False),
    (("tmp", "cache"), (), False),
])  # fmt: skip
def test_temporary_files_lie_on_a_disk(
    in_memory: tuple[str, ...], variables: tuple[str, ...], is_moved: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    for name in variables:
        monkeypatch.setenv(name, str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    mounts = "/dev/x / ext4 rw 0 0\n" + "".join(f"tmpfs {tmp_path / name} tmpfs rw 0 0\n" for name in in_memory)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: mounts if str(path) == "/proc/self/mounts" else "")
    folder = tmp_path / "cache" / "napari-sam2" if is_moved else tmp_path / "tmp"
    monkeypatch.setattr(os, "O_TMPFILE", 0, raising=False)  # such a file is in no list
    monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False)
    seen: list[Path] = []
    unlink = os.unlink

    def seen_unlink(path: str, **arguments: Any) -> None:
        seen.append(Path(path).parent)
        unlink(path, **arguments)

    monkeypatch.setattr(tempfile._os, "unlink", seen_unlink)
    with temporary_file("votes cannot be counted") as file:
        file.write(b"1")
    assert seen == [folder]
