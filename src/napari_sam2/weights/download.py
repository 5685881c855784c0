"""Fetches released checkpoints into a cache folder: a file with the right size and hash, or none at all."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from napari_sam2.file_errors import reason_of
from napari_sam2.files import atomic_path, remove_partial_files
from napari_sam2.weights.registry import EMBEDDED, RELEASED, ReleasedCheckpoint, resolve_model_name

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "NAPARI_SAM2_CACHE"
"""Environment variable: the folder downloaded checkpoints are kept in."""

MIRROR_VARIABLE = "NAPARI_SAM2_BASE_URL"
"""Environment variable: the address of a folder that offers the released files, instead of their authors' server."""

_CHUNK_BYTES = 1 << 17
_TIMEOUT_S = 30
_ABANDONED_S = 600
"""Nothing came for so long: what was to fetch the rest was ended."""


class DownloadError(RuntimeError):
    """A checkpoint could not be fetched; the message gives the reason, and what to do."""


class TransferError(DownloadError):
    """The network is in the way, or what answers there."""


class DownloadCancelled(Exception):  # noqa: N818  # it is a wish, not an error
    """To be raised from ``progress.update`` by whoever wants the download to stop."""


class Progress(Protocol):
    """What :func:`download` reports its progress to; a tqdm bar is one."""

    total: float | None
    """Bytes to come."""

    def update(self, n: int, /) -> object:
        """Count ``n`` more bytes; raise :class:`DownloadCancelled` to stop."""

    def reset(self) -> object:
        """Count from zero."""

    def close(self) -> object:
        """Learn that it is over, one way or the other."""


def cache_folder() -> Path:
    """Folder downloaded checkpoints are kept in; it need not exist yet.

    Returns
    -------
    Path
        ``NAPARI_SAM2_CACHE``, or else the operating system's folder for such files.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    import pooch  # here and not above: a training machine has no use for it, and may not have it

    return Path(pooch.os_cache("napari-sam2"))


def find_checkpoint(name: str, *, folder: str | Path | None = None) -> Path | None:
    """Look for a checkpoint that is already on this machine; nothing is fetched.

    Parameters
    ----------
    name : str
        As understood by :func:`~napari_sam2.weights.registry.resolve_model_name`.
    folder : str or Path, optional
        Where to look; :func:`cache_folder` by default.

    Returns
    -------
    Path or None
        None where there is no such file, or one of another length than the released one, which is logged as a warning.

    Raises
    ------
    ValueError
        If no model goes by this name.
    """
    name = resolve_model_name(name)
    if name not in RELEASED:
        return EMBEDDED if EMBEDDED.is_file() else None
    path = checkpoint_path(name, folder=folder)
    if fault := wrong_size(path, RELEASED[name]):
        logger.warning(fault)
        return None
    return path if path.is_file() else None


def checkpoint_path(name: str, *, folder: str | Path | None = None) -> Path:
    """Where :func:`download` puts a released checkpoint.

    Raises
    ------
    ValueError
        If no released model goes by this name.
    """
    name = resolve_model_name(name)
    if name not in RELEASED:
        raise ValueError(f"{name} comes with the package and is not in the cache folder")
    return (Path(folder).expanduser() if folder is not None else cache_folder()) / RELEASED[name].file_name


def wrong_size(path: Path, checkpoint: ReleasedCheckpoint) -> str | None:
    """Return what is wrong with a file that is there and cannot be the released one, or may not be read; or None."""
    try:
        if not path.exists() or (path.is_file() and path.stat().st_size == checkpoint.size_bytes):
            return None
        if not path.is_file():
            return f"{path} is in the place of {checkpoint.name} but is not a file: move it away, then download again"
        num_bytes = path.stat().st_size
    except OSError as error:
        return f"{path} cannot be read: {reason_of(error)}; choose another folder with the environment variable {CACHE_VARIABLE}"
    return (
        f"{path} is not the released {checkpoint.name}, it has {num_bytes:,} bytes instead of {checkpoint.size_bytes:,}: move it "
        "away, then download again"
    )


def download(
    name: str,
    *,
    folder: str | Path | None = None,
    base_url: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make sure that a checkpoint is on this machine, whole.

    Parameters
    ----------
    name : str
        As understood by :func:`~napari_sam2.weights.registry.resolve_model_name`.
    folder : str or Path, optional
        Where to put it, made if need be; :func:`cache_folder` by default.
    base_url : str, optional
        Address of a folder that offers the released files under their names. By default what ``NAPARI_SAM2_BASE_URL``
        says, or else the authors' server.
    progress : Progress, optional
        Receives the numbers of bytes that come; closed when the transfer is over, however it ended.

    Returns
    -------
    Path
        A file whose length and SHA-256 are those of the release. One that was there already is verified as well, and
        not fetched again. For ``micro``, the file that comes with the package.

    Raises
    ------
    DownloadError
        If the file could not be fetched, verified or written. Nothing is left behind.
    DownloadCancelled
        If ``progress.update`` raised it. Nothing is left behind.
    ValueError
        If no model goes by this name.
    """
    name = resolve_model_name(name)
    if name not in RELEASED:
        if not EMBEDDED.is_file():
            raise DownloadError(f"{name} comes with the package, but {EMBEDDED} is missing: install napari-sam2 again")
        return EMBEDDED
    checkpoint, path = RELEASED[name], checkpoint_path(name, folder=folder)
    if fault := wrong_size(path, checkpoint):
        raise DownloadError(fault)
    if path.exists():
        return _verified(path, checkpoint)

    base_url = base_url or os.environ.get(MIRROR_VARIABLE)
    url = f"{base_url.rstrip('/')}/{checkpoint.file_name}" if base_url else checkpoint.url
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_partial_files(path, _ABANDONED_S)
            _check_room(path, checkpoint)
            with atomic_path(path) as partial, partial.open("xb") as file:
                _fetch(_Transfer(checkpoint, url, path, file, progress))
    finally:
        if progress is not None:
            progress.close()
    logger.info("downloaded %s to %s", url, path)
    return path


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        refused = error.__cause__ or error  # a folder that takes no files is refused by a sentence with the reason of the system
        raise DownloadError(
            f"cannot write {path} ({reason_of(refused)}): make room and see that the folder may be written to, "
            f"or choose another one with the environment variable {CACHE_VARIABLE}"
        ) from error


def _check_room(path: Path, checkpoint: ReleasedCheckpoint) -> None:
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < checkpoint.size_bytes:
        raise DownloadError(
            f"there is no room for {path}: {checkpoint.size_bytes / 1e6:,.1f} MB are needed and {free_bytes / 1e6:,.1f} MB are "
            f"free; make room, or choose another folder with the environment variable {CACHE_VARIABLE}"
        )


def _verified(path: Path, checkpoint: ReleasedCheckpoint) -> Path:
    import pooch

    try:
        sha256 = pooch.file_hash(str(path), alg="sha256")
    except OSError as error:
        raise DownloadError(f"{path} cannot be read: {reason_of(error)}; make it readable, or move it away") from error
    if sha256 != checkpoint.sha256:
        raise DownloadError(
            f"{path} is not the released {checkpoint.name}, its SHA-256 is another one: move it away, then download again"
        )
    return path


class _Transfer:
    """The file pooch writes to: it counts, hashes and reports while the bytes pass, so that they need not be read again."""

    def __init__(self, checkpoint: ReleasedCheckpoint, url: str, path: Path, file: BinaryIO, progress: Progress | None) -> None:
        self.checkpoint = checkpoint
        self.url = url
        self.path = path
        self.file = file
        self.progress = progress
        self.received_bytes = 0
        self.sha256 = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.received_bytes += len(chunk)
        if self.received_bytes > self.checkpoint.size_bytes:  # else a server that never stops fills the disk
            raise self.failed(f"{self.url} sends more than the {self.checkpoint.size_bytes:,} bytes of the release")
        with _writing(self.path):
            self.file.write(chunk)
            self.file.flush()
        self.sha256.update(chunk)
        if self.progress is not None:
            self.progress.update(len(chunk))

    def flush(self) -> None:
        """Nothing is held back."""

    def check(self) -> None:
        """Compare what came with the release."""
        if self.received_bytes != self.checkpoint.size_bytes:
            raise self.failed(
                f"{self.url} sent {self.received_bytes:,} bytes instead of {self.checkpoint.size_bytes:,}, "
                "so it broke off or something else answered, such as a proxy's page"
            )
        if self.sha256.hexdigest() != self.checkpoint.sha256:
            raise self.failed(f"{self.url} sent a file whose SHA-256 is not that of the released {self.checkpoint.name}")

    def failed(self, reason: str) -> TransferError:
        """Complete a reason by what can be done about it."""
        return TransferError(
            f"{reason}: check the connection, the proxy or the mirror ({MIRROR_VARIABLE}) and try again, "
            f"or fetch {self.checkpoint.url} by other means and put it at {self.path}"
        )


def _fetch(transfer: _Transfer) -> None:
    responses: list[Any] = []

    def keep_response(response: Any, **_: Any) -> None:
        responses.append(response)

    if transfer.progress is not None:
        transfer.progress.total = transfer.checkpoint.size_bytes
        transfer.progress.reset()
    import pooch

    fetch = pooch.HTTPDownloader(chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_S, hooks={"response": keep_response})
    try:
        fetch(transfer.url, transfer, None)
    except OSError as error:  # which all exceptions of requests are
        raise transfer.failed(_reason(error, transfer, any(not response.is_redirect for response in responses))) from error
    finally:
        # pooch leaves the connection of a transfer that failed to the garbage collector
        for response in responses:
            response.close()
    transfer.check()


def _reason(error: OSError, transfer: _Transfer, was_reached: bool) -> str:
    refusal = getattr(error, "response", None)
    if refusal is not None:
        return f"{transfer.url} was answered by {refusal.status_code} {refusal.reason}"
    if was_reached:
        return f"{transfer.url} broke off before its {transfer.checkpoint.size_bytes:,} bytes had come"
    return f"{transfer.url} cannot be reached ({type(error).__name__})"
