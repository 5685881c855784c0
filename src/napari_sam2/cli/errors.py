"""What the exit codes of ``napari-sam2`` mean, the same for all commands, and which one goes with an exception."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import napari_sam2
from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.file_errors import REASONS, reason_of
from napari_sam2.images.errors import FrameReadError
from napari_sam2.weights.download import DownloadError, TransferError

DONE, MACHINE_ERROR, REFUSED, PARTLY_DONE, INTERRUPTED = 0, 1, 2, 3, 130
MEANINGS = {
    DONE: "done",
    MACHINE_ERROR: "the machine's fault: no memory, a full or failing disk, no network, or an error that is not expected; "
    "after batch: some stacks are not done, and the report says why",
    REFUSED: "what was asked for cannot be done: an option, a file, a model, a missing extra; nothing was written",
    PARTLY_DONE: "partly done: what could be done is written, and the message names what could not, such as an unreadable frame",
    INTERRUPTED: "interrupted by Ctrl-C: segment, track and replay write what is done",
}
"""One line for each code; README.md has the same."""
_MACHINE = ("ENOSPC", "EDQUOT", "EIO", "ENOMEM", "EFBIG", "EMFILE", "ENFILE", "ESTALE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH")
MACHINE_ERRNOS = frozenset(getattr(errno, name) for name in _MACHINE if hasattr(errno, name))


class PartlyDone(Exception):  # noqa: N818  # what was done is no error
    """What could be done is written; the message names what could not.

    Parameters
    ----------
    text : str
        The sentence.
    errors : sequence of Exception
        The causes; one at least.
    is_something_written : bool
        If nothing is, the exit code is that of a refusal.
    """

    def __init__(self, text: str, errors: Sequence[Exception], is_something_written: bool = True) -> None:
        super().__init__(text)
        self.errors, self.is_something_written = tuple(errors), is_something_written
        self.__cause__ = errors[0] if len(errors) == 1 else ExceptionGroup("several things could not be done", errors)


class SomeFailed(Exception):  # noqa: N818  # those that are done are no error
    """Of many stacks some are not done; the message names each with its reason."""


_WITH_OWN_SENTENCE = (PartlyDone, SomeFailed, ValueError, ImportError, DownloadError, OSError, MemoryError)


def code_of(error: BaseException) -> int:
    """Return the exit code that goes with an exception, or with what caused it."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, PartlyDone):
        if any(code_of(one) == MACHINE_ERROR for one in error.errors):
            return MACHINE_ERROR
        return PARTLY_DONE if error.is_something_written else REFUSED
    if isinstance(error, ClusterError):  # also where the network is its cause: nothing was begun
        return REFUSED
    if any(_is_of_the_machine(one) for one in _chain(error)):
        return MACHINE_ERROR
    is_refused = isinstance(error, ValueError | ImportError | FrameReadError | DownloadError)
    return REFUSED if is_refused or (isinstance(error, OSError) and error.errno in REASONS) or _has_kind(error) else MACHINE_ERROR


def sentence_of(error: BaseException) -> str:
    """Return one line on what went wrong."""
    if is_out_of_memory(error):
        where = "the GPU has" if _is_of_gpu(error) else "there is"
        return f"{where} not enough memory: take a smaller model, fewer objects at a time, or another --device"
    if isinstance(error, OSError) and error.errno is not None and error.strerror is not None:  # the system's own
        name = "" if error.filename is None else f"{error.filename}: "
        return f"{name}{reason_of(error)}"
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name} is missing: pip install 'napari-sam2[all]'"
    if isinstance(error, _WITH_OWN_SENTENCE) and str(error):
        return " ".join(str(error).split())
    return (
        f"an error that is not expected, {place_of(error)}: please report this line, and what `napari-sam2 info` prints; "
        "the same command with --debug shows more"
    )


def traceback_of(error: BaseException) -> str:
    """Return all that led to an error, for a report: the home folder, whose name is that of a person, is ``~``."""
    text = "".join(traceback.format_exception(error))
    try:
        home = Path.home()
    except RuntimeError:  # there is none
        return text
    return text if home == Path(home.anchor) else re.sub(rf"{re.escape(str(home))}(?!\w)", "~", text)


def place_of(error: BaseException) -> str:
    """Return the kind of an error and the line of this package it comes from, without its message, which may name files."""
    package = Path(napari_sam2.__file__).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)[1:]):  # the first is where it was caught
        path = Path(frame.filename)
        if path.is_relative_to(package):
            return f"{type(error).__name__} in {path.relative_to(package).as_posix()}, line {frame.lineno}"
    return type(error).__name__


def _is_of_gpu(error: BaseException) -> bool:
    """Return whether the memory of a GPU did not suffice; where PyTorch was never loaded it did."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory did not suffice, of the machine or of a GPU."""
    if isinstance(error, RuntimeError) and not _is_of_gpu(error):
        # PyTorch has a kind of error for GPUs alone.
        return "DefaultCPUAllocator" in str(error) or "out of memory" in str(error)
    # NumPy raises its own kind of MemoryError; the text of a plain one is more precise than ours.
    is_plain = type(error) is MemoryError and bool(str(error))
    return _is_of_gpu(error) or (isinstance(error, MemoryError) and not is_plain)


def _is_of_the_machine(error: BaseException) -> bool:
    is_of_network = isinstance(error, TransferError | ConnectionError | TimeoutError)
    is_of_system = isinstance(error, OSError) and error.errno in MACHINE_ERRNOS
    return is_of_network or is_of_system or isinstance(error, MemoryError) or is_out_of_memory(error)


def _has_kind(error: BaseException) -> bool:
    return isinstance(error, FileNotFoundError | PermissionError | FileExistsError | IsADirectoryError | NotADirectoryError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
