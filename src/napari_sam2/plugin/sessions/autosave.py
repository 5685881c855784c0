"""Sessions of the widget, kept in the user's data folder and found again by their image.

A kept session is a session file. The beginning of its name identifies the image: the name of the layer, a digest of shape,
axes and type, and one of the file of the layer, so that no file is opened and no pixel read for images that are new.

Notes
-----
**Found again**: shape, axes and type are the same, so is the name or the file of the layer, and so are sampled pixels as far
as they can be read. So an image is known again after it was renamed, or moved, but not after both; its session is still there.

**Recent sessions** are those, and files that were opened or saved by name: for each of these the folder has a text file with its
path.

**Pruned**, when a new session begins: what was not changed for ``MAX_AGE_DAYS``, then the oldest until all take no more than
``QUOTA_GB``. Never one that is in use anywhere, and for its size none that was changed in the last ``MIN_AGE_DAYS``. Never a file
that somebody saved by name: only what stands for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from napari_sam2.file_errors import os_error, reason_of
from napari_sam2.files import atomic_path
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.session.store.header import ImageIdentity, SessionHeader

logger = logging.getLogger(__name__)

QUOTA_GB = 20.0
MAX_AGE_DAYS, MIN_AGE_DAYS = 180.0, 7.0
SUFFIX, MOVED = ".sam2", ".moved"
"""A session, and a text file in the place of one that somebody saved elsewhere: its path."""

_GIGABYTE, _DAY_S = 1_000_000_000, 24 * 3600
_NAME_LETTERS = 40
_NO_DIGEST = "none"


@dataclass(frozen=True)
class ImageFingerprint:
    """By which the sessions of an image are found, before its pixels are compared.

    Attributes
    ----------
    name : str
        Of the layer.
    source : str or None
        The file that the layer came from.
    layout : str
        Shape, axes and type.
    """

    name: str
    source: str | None
    layout: str

    @classmethod
    def of(cls, image: Any, axes: str, name: str, source: str | None) -> ImageFingerprint:
        """Describe an image; nothing of it is read."""
        shape = " × ".join(str(int(side)) for side in image.shape)
        return cls(name, source, f"{axes} {shape} {np.dtype(image.dtype).name}")

    @property
    def file_name(self) -> str:
        """The beginning of the names of session files of this image."""
        return "~".join([_safe(self.name), _digest(self.layout), _digest(self.source)])


@dataclass(frozen=True)
class KeptSession:
    """A session that is kept.

    Attributes
    ----------
    path : Path
        Its file: in the folder, or where somebody saved it.
    entry : Path
        What stands for it in the folder.
    image_name : str
        Of the layer, as far as a file name can hold it.
    size_bytes : int
        What it takes in the folder.
    changed_s : float
        When it was changed last, in seconds since 1970.
    """

    path: Path
    entry: Path
    image_name: str
    size_bytes: int
    changed_s: float


@dataclass(frozen=True)
class SessionSummary:
    """What a session file holds.

    Attributes
    ----------
    path : Path
        The file.
    num_objects, num_frames : int
        Objects, and frames on which any was found.
    max_object_id : int
        The largest id; 0 where there are no objects.
    model : str
        Name or file of its model.
    changed_s : float
        When it was changed last, in seconds since 1970.
    is_in_use : bool
        A session has it open, here or in another program.
    along : str
        The axis along which its frames follow each other.
    image_size : int or None
        Side of the input of its model.
    """

    path: Path
    num_objects: int
    num_frames: int
    max_object_id: int
    model: str
    changed_s: float
    is_in_use: bool = False
    along: str = ""
    image_size: int | None = None

    @classmethod
    def read(cls, path: Path) -> SessionSummary:
        """Read what is needed to offer a session; no record is read.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If it cannot be read.
        """
        from napari_sam2.session.state.objects import SHOWN_KINDS
        from napari_sam2.session.store.database import open_to_read
        from napari_sam2.session.store.file_lock import is_locked
        from napari_sam2.session.store.session_store import read_header, read_model

        shown = ", ".join(f"'{kind}'" for kind in SHOWN_KINDS)
        changed_s = _changed_s(path)
        with contextlib.closing(open_to_read(path)) as database:
            model, along = read_model(database), read_header(database).source.along or ""
            with database.reading():
                ((objects, latest),) = database.execute("SELECT COUNT(*), MAX(key) FROM state WHERE kind = 'info'")
                ((frames,),) = database.execute(f"SELECT COUNT(DISTINCT key) FROM state WHERE kind IN ({shown})")  # noqa: S608
        return cls(path, objects, frames, latest or 0, model.name, changed_s, is_locked(path), along, model.image_size)

    def describe(self, today: date | None = None) -> str:
        """Describe it in a few words, such as ``3 objects, 12 frames, yesterday 14:02``."""
        where = f" along {self.along}" if self.along in ("Y", "X") else ""
        parts = [counted(self.num_objects, "object"), counted(self.num_frames, "frame") + where]
        return ", ".join([*parts, _when(self.changed_s, today or date.today())])


class KeptSessions:
    """The folder of kept sessions.

    Parameters
    ----------
    folder : Path, optional
        ``sessions`` in the user's data folder by default.
    quota_gb, max_age_days, min_age_days : float
        The rule by which sessions are removed; see the module.

    Attributes
    ----------
    quota_bytes : float
        So much they may take.
    """

    def __init__(
        self,
        folder: Path | None = None,
        quota_gb: float = QUOTA_GB,
        max_age_days: float = MAX_AGE_DAYS,
        min_age_days: float = MIN_AGE_DAYS,
    ) -> None:
        self.folder = platformdirs.user_data_path("napari-sam2") / "sessions" if folder is None else folder
        self.quota_bytes = quota_gb * _GIGABYTE
        self._max_age_s, self._min_age_s = max_age_days * _DAY_S, min_age_days * _DAY_S

    # --- what is there ---------------------------------------------------------------------------------------------

    def sessions(self) -> list[KeptSession]:
        """List what is kept, what was changed last first. Nothing is opened."""
        found = []
        for entry in self._entries():
            with contextlib.suppress(OSError, ValueError):  # another process removed it meanwhile
                path = Path(entry.read_text(encoding="utf-8")) if entry.suffix == MOVED else entry
                if path.is_file():
                    size_bytes = sum(one.stat().st_size for one in _with_wal(entry))
                    found.append(KeptSession(path, entry, image_name_of(entry), size_bytes, _changed_s(path)))
        return sorted(found, key=lambda one: one.changed_s, reverse=True)

    def _entries(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                # a file that is being written begins with a point
                if path.suffix in (SUFFIX, MOVED) and image_name_of(path) and not path.name.startswith("."):
                    yield path

    def total_bytes(self) -> int:
        """Return how much the folder takes on the disk."""
        return sum(one.size_bytes for one in self.sessions())

    def find(
        self, fingerprints: Sequence[ImageFingerprint], identify: Callable[[tuple[int, ...], str], ImageIdentity]
    ) -> list[SessionSummary]:
        """Find the sessions of an image in which there are objects, what was changed last first.

        Parameters
        ----------
        fingerprints : sequence of ImageFingerprint
            Of the image, one for each direction in which it may be cut into frames.
        identify : callable
            Reads some pixels of the image, of given channels and along a given axis, or, where these are none, as it would be read
            now; called only where there is a session that may be one of it.

        Raises
        ------
        ValueError
            If there are such, but none can be read.
        """
        identities: dict[tuple[tuple[int, ...], str], ImageIdentity] = {}
        found, refused = list[SessionSummary](), list[Exception]()
        for one in self.sessions():
            if not any(_may_be_of(one.entry, fingerprint) for fingerprint in fingerprints):
                continue
            try:
                header = _header_in(one.path)
                read = tuple(header.source.channel or ()), header.source.along or ""
                identity = identities[read] = identities.get(read) or identify(*read)
                if header.image.is_of_same(identity) and (summary := SessionSummary.read(one.path)).num_objects:
                    found.append(summary)
            except (OSError, ValueError) as error:
                refused.append(error)
        if refused and not found:
            raise ValueError(f"an earlier session on this image cannot be continued: {refused[0]}") from refused[0]
        return found

    # --- what comes and goes ---------------------------------------------------------------------------------------

    def new_path(self, fingerprint: ImageFingerprint) -> Path:
        """Return where a new session of an image is saved; earlier ones are pruned.

        Raises
        ------
        OSError
            If there is no such folder, and it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise os_error(f"the folder {self.folder} for sessions cannot be made: {reason_of(error)}", error.errno) from error
        self.prune()
        return self.folder / f"{fingerprint.file_name}~{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}{SUFFIX}"

    def prune(self) -> list[Path]:
        """Remove files by the rule; return those that were removed."""
        removed, now_s = list[Path](), time.time()
        sessions = self.sessions()
        total = sum(one.size_bytes for one in sessions)
        for one in reversed(sessions):
            age_s = now_s - one.changed_s
            is_too_much = total > self.quota_bytes and age_s > self._min_age_s and one.entry.suffix == SUFFIX
            if (age_s > self._max_age_s or is_too_much) and _remove(one.entry):
                removed.append(one.entry)
                total -= one.size_bytes
        return removed

    def moved(self, entry: Path, path: Path) -> None:
        """Take note that a kept session is saved elsewhere from now on: that file is found in its place.

        Raises
        ------
        ValueError, OSError
            If nothing can be written to the folder; the copy stays there.
        """
        if entry.parent != self.folder or not entry.exists() or entry == path:
            return
        with atomic_path(entry.with_suffix(MOVED)) as partial:
            partial.write_text(str(path), encoding="utf-8")
        _remove(entry)

    def remember(self, fingerprint: ImageFingerprint, path: Path) -> None:
        """Take note of a session that was opened from a file that somebody saved by name, if the folder can be written."""
        if path.parent == self.folder or any(one.path == path for one in self.sessions()):
            return
        try:
            with atomic_path(self.new_path(fingerprint).with_suffix(MOVED)) as partial:
                partial.write_text(str(path), encoding="utf-8")
        except (ValueError, OSError) as error:  # the session is saved all the same
            logger.warning("%s will not be among the recent sessions: %s", path, error)

    def current(self, path: Path) -> Path | None:
        """Return where a session is now that was saved to a file; None where it is nowhere."""
        if path.is_file():
            return path
        with contextlib.suppress(OSError, ValueError):
            target = Path(path.with_suffix(MOVED).read_text(encoding="utf-8"))
            return target if path.parent == self.folder and target.is_file() else None
        return None


def image_name_of(path: Path) -> str:
    """Return the name of the image in that of a kept session; empty for a name that somebody gave."""
    return path.name.split("~")[0] if path.name.count("~") == 3 else ""


def _may_be_of(entry: Path, fingerprint: ImageFingerprint) -> bool:
    name, layout, source, _ = entry.name.split("~")
    is_same_file = fingerprint.source is not None and source == _digest(fingerprint.source)
    return layout == _digest(fingerprint.layout) and (is_same_file or name == _safe(fingerprint.name))


def _header_in(path: Path) -> SessionHeader:
    from napari_sam2.session.store.database import open_to_read
    from napari_sam2.session.store.session_store import read_header

    with contextlib.closing(open_to_read(path)) as database:
        return read_header(database)


def _remove(path: Path) -> bool:
    """Remove a file, unless a session holds it."""
    from napari_sam2.session.store.file_lock import FileLock
    from napari_sam2.session.store.temporary import remove

    try:
        lock = FileLock(path)
    except (ValueError, OSError):
        return False
    try:
        remove(path)
    finally:
        lock.release()
    return not path.exists()


def _with_wal(path: Path) -> list[Path]:
    """Return a file, and the one in which SQLite has the latest of it."""
    return [one for one in (path, path.with_name(path.name + "-wal")) if one.exists()]


def _changed_s(path: Path) -> float:
    return max((os.stat(one).st_mtime for one in _with_wal(path)), default=0.0)


def _safe(name: str) -> str:
    """Make a name a part of a file name that every system allows."""
    return re.sub(r"[^\w\-. ()\[\]]", "_", name).strip(" .")[:_NAME_LETTERS] or "_"


def _digest(text: str | None) -> str:
    return _NO_DIGEST if text is None else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _when(changed_s: float, today: date) -> str:
    changed = datetime.fromtimestamp(changed_s)
    days = {today: "today", today - timedelta(days=1): "yesterday"}
    return f"{days.get(changed.date(), changed.strftime('%d %B %Y').lstrip('0'))} {changed:%H:%M}"
