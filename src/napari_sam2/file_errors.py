"""Errors of the system about files in plain words, and errors whose text is such a sentence."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

_REASONS = {
    "EACCES": "permission is denied",
    "EPERM": "permission is denied",
    "ENOENT": "it is not there",
    "ENOTDIR": "a part of its path is a file, not a folder",
    "EISDIR": "it is a folder",
    "EEXIST": "something is there already",
    "ENAMETOOLONG": "its path is too long",
    "ELOOP": "its links lead in a circle",
    "EROFS": "it lies where nothing can be written",
    "ENOSPC": "the disk is full",
    "EDQUOT": "the quota on the disk is used up",
    "EFBIG": "it would be larger than a file can be there",
    "EIO": "the disk, or the connection to it, fails",
    "EBUSY": "it is in use",
    "ETXTBSY": "it is in use",
    "EMFILE": "too many files are open",
    "ENFILE": "too many files are open",
    "ENOMEM": "there is not enough memory",
    "ESTALE": "the server does not know it any more",
    "ETIMEDOUT": "the server does not answer",
    "EHOSTUNREACH": "the server cannot be reached",
    "ENETUNREACH": "the network cannot be reached",
}
REASONS = {getattr(errno, name): reason for name, reason in _REASONS.items() if hasattr(errno, name)}
"""What went wrong by the number that the system gives."""


def reason_of(error: BaseException, otherwise: str = "it is damaged") -> str:
    """Return in a few words why the system refused a file; ``otherwise`` where the error is not one of the system."""
    if isinstance(error, MemoryError):
        return REASONS[errno.ENOMEM]
    if isinstance(error, OSError) and error.errno is not None:
        return REASONS.get(error.errno) or (error.strerror or otherwise)
    return otherwise


def os_error(sentence: str, number: int | None) -> OSError:
    """Make the error of a number of the system, as ``PermissionError``, whose text is a sentence."""
    error = OSError(sentence) if number is None else type(OSError(number, ""))(sentence)
    error.errno = number
    return error


@contextlib.contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Return the sentence why a file cannot be opened or read.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is, for the message, such as ``the session file``.

    Raises
    ------
    OSError
        Of the kind that the system gives, such as ``PermissionError``; other errors pass.
    """
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # a sentence already
            raise
        raise os_error(f"{what} {path} cannot be read: {reason_of(error)}".lstrip(), error.errno) from error
