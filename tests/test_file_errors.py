"""What the system says of files, in plain words."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from napari_sam2.file_errors import REASONS, os_error, reading, reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "a.tif"), "permission is denied"),
        (OSError(errno.EXDEV, "Invalid cross-device link"), "Invalid cross-device link"),  # which has no words of ours
        (MemoryError(), "there is not enough memory"),
        (ValueError("words of a library"), "it is damaged"),
        (OSError("a sentence"), "it is damaged"),
    ],
)
def test_reasons(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason_of(error, "otherwise") == (reason if reason != "it is damaged" else "otherwise")


def test_reasons_are_ends_of_a_sentence() -> None:
    assert all(reason[0].islower() and not reason.endswith(".") for reason in REASONS.values())
    assert REASONS[errno.ENOENT] == "it is not there"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, PermissionError),
        (errno.ENOENT, FileNotFoundError),
        (errno.EISDIR, IsADirectoryError),
        (errno.ENOSPC, OSError),
        (None, OSError),
    ],
)
def test_an_error_of_a_number_is_of_its_kind_and_says_a_sentence(number: int | None, kind: type[OSError]) -> None:
    error = os_error("a.tif cannot be written: so it is", number)
    assert (type(error), str(error), error.errno) == (kind, "a.tif cannot be written: so it is", number)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("gone", FileNotFoundError, "it is not there"),
        ("folder", IsADirectoryError, "it is a folder"),
        ("file/a", NotADirectoryError, "a part of its path is a file, not a folder"),
        ("circle", OSError, "its links lead in a circle"),
        ("n" * 300, OSError, "its path is too long"),
    ],
)
@pytest.mark.parametrize("what", ["", "the session file"])
def test_what_cannot_be_read_is_named(what: str, name: str, kind: type[OSError], said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    path = tmp_path / name
    expected = f"{what} {path} cannot be read: {said}".lstrip()
    with pytest.raises(kind, match=f"^{re.escape(expected)}$") as caught, reading(path, what):
        path.read_bytes()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.errno == caught.value.__cause__.errno


@pytest.mark.parametrize("error", [OSError("a sentence already"), ValueError("a value"), KeyError("a")])
def test_other_errors_pass(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, reading(tmp_path):
        raise error
    assert caught.value is error
