"""One session writes to a file at a time: a lock beside the file, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import filelock

from napari_sam2.file_errors import os_error, reason_of

ENDING = "-lock"


class FileLock:
    """The lock of a session file.

    Parameters
    ----------
    path : Path
        The session file, which need not be there yet.

    Raises
    ------
    ValueError
        If another session holds it.
    OSError
        If nothing may be written to the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ENDING)
        while True:
            lock = filelock.FileLock(self.path, timeout=0, thread_local=False)
            try:
                lock.acquire()
            except filelock.Timeout as error:
                raise ValueError(
                    f"{path} is open in another session: close it there first, export it with napari-sam2 export, or open a copy"
                ) from error
            except OSError as error:
                sentence = f"{path} cannot be locked against other sessions: {reason_of(error)}"
                if self._is_left():
                    sentence += f"; remove {self.path.name}, if it was left there by a program that does not run any more"
                raise os_error(sentence, error.errno) from error
            except NotImplementedError as error:
                raise OSError(f"{path} cannot be locked against other sessions: its file system has no locks") from error
            if self._is_still_there(lock):
                self._lock = lock
                return
            lock.release()

    def _is_still_there(self, lock: filelock.BaseFileLock) -> bool:
        """Return whether the locked file is still there: an earlier owner may have removed it."""
        descriptor = getattr(lock._context, "lock_file_fd", None)
        if descriptor is None or os.name == "nt":  # there a file that is open cannot be removed
            return True
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False

    def _is_left(self) -> bool:
        with contextlib.suppress(OSError):
            return self.path.exists()
        return False

    def release(self) -> None:
        """Release the lock, and remove its file."""
        if self._lock.is_locked:
            if os.name != "nt":
                with contextlib.suppress(OSError):
                    self.path.unlink()
            self._lock.release()
            with contextlib.suppress(OSError):
                if os.name == "nt":
                    self.path.unlink(missing_ok=True)


def is_locked(path: Path) -> bool:
    """Return whether a session has a file open."""
    if not path.with_name(path.name + ENDING).exists():
        return False
    try:
        FileLock(path).release()
    except (ValueError, OSError):
        return True
    return False
