"""Image files opened without reading their pixels: TIFF, zarr and OME-Zarr."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import struct
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile


def read_image(path: Path) -> tuple[Any, Sequence[Any] | None]:
    """Open a TIFF or zarr.

    Parameters
    ----------
    path : Path
        A file that tifffile reads, or a folder of zarr.

    Returns
    -------
    image : array-like
        Reads what is indexed.
    names : sequence or None
        Of its axes, if the file tells.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() == ".zarr" or path.is_dir():
        return _read_zarr(path)
    return _read_tiff(path)


class TiffPages:
    """An image of which each page of a TIFF is a part, as compressed files are; a page is decoded when it is asked for.

    Parameters
    ----------
    path : Path
        The file, for messages.
    tiff : TiffFile
        It stays open as long as this lives.
    """

    def __init__(self, path: Path, tiff: tifffile.TiffFile) -> None:
        self._path, self._pages = path, tiff.series[0].pages
        weakref.finalize(self, tiff.close)
        self.shape: tuple[int, ...] = tuple(tiff.series[0].shape)
        self.dtype = np.dtype(tiff.series[0].dtype)
        self.ndim = len(self.shape)
        self._num_before = self.ndim - len(tiff.series[0].keyframe.shape)
        self.chunks = (1,) * self._num_before + self.shape[self._num_before :]

    @staticmethod
    def fits(series: Any) -> bool:
        """Tell whether the pages of a series are parts of one image in order."""
        page = tuple(series.keyframe.shape)
        before = series.shape[: len(series.shape) - len(page)]
        return tuple(series.shape[len(before) :]) == page and len(series.pages) == int(np.prod(before, dtype=int))

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        index = () if key is ... else key if isinstance(key, tuple) else (key,)
        index += (slice(None),) * (self.ndim - len(index))
        before, within = index[: self._num_before], index[self._num_before :]
        steps = [range(size)[step] for step, size in zip(before, self.shape, strict=False)]
        lists = [list(step) if isinstance(step, range) else [step] for step in steps]
        first = [self._page(index)[within] for index in itertools.product(*lists)]
        return np.stack(first).reshape([len(step) for step in steps if isinstance(step, range)] + list(first[0].shape))

    def _page(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        number = int(np.ravel_multi_index(index, self.shape[: self._num_before])) if index else 0
        page = self._pages[number]
        if page is None:
            raise ValueError(f"{self._path} cannot be read as TIFF: there is no page {number}")
        with tiff_errors(self._path):
            pixels: npt.NDArray[Any] = page.asarray()
            return pixels


def _read_tiff(path: Path) -> tuple[Any, str]:
    with tiff_errors(path), contextlib.ExitStack() as until_read:
        tiff = until_read.enter_context(tifffile.TiffFile(path))
        if not tiff.series:
            raise ValueError("there is no image in it")
        series = tiff.series[0]
        axes = _told_apart(series.axes)
        if series.dataoffset is not None and len(tiff.series) == 1:
            return tifffile.memmap(path, mode="r").reshape(series.shape), axes
        if not TiffPages.fits(series):
            return series.asarray(), axes
        last = series.pages[-1]
        if last is not None and sum(last.dataoffsets[-1:] + last.databytecounts[-1:]) > tiff.filehandle.size:
            raise ValueError("the file is damaged, it ends too early")
        pages = TiffPages(path, tiff)
        until_read.pop_all()
        return pages, axes


def _told_apart(axes: str) -> str:
    """Give axes of unknown kind, which TIFF calls Q all alike, letters of their own; the last of them stays Q."""
    others = iter("IJKLMOP")
    return "".join(next(others) if axis == "Q" and "Q" in axes[place + 1 :] else axis for place, axis in enumerate(axes))


@contextlib.contextmanager
def tiff_errors(path: Path) -> Iterator[None]:
    """Name the file in what goes wrong.

    Raises
    ------
    ValueError
        If it cannot be read, or ends too early.
    """
    try:
        with _damage_raised():
            yield
    except (tifffile.TiffFileError, OSError, ValueError, LookupError, RuntimeError, struct.error) as error:
        raise ValueError(f"{path} cannot be read as TIFF: {error}") from error


@contextlib.contextmanager
def _damage_raised() -> Iterator[None]:
    """Raise what tifffile only logs: of a file that was cut short it returns the frames it finds.

    Raises
    ------
    ValueError
        If tifffile reported an error, other than a tag that it does not understand.
    """
    held: list[logging.LogRecord] = []
    this_thread = threading.get_ident()

    def hold(record: logging.LogRecord) -> bool:
        is_ours = record.thread == this_thread and record.levelno >= logging.WARNING
        if is_ours:
            held.append(record)
        return not is_ours

    log = tifffile.logger()
    log.addFilter(hold)
    try:
        yield
    finally:
        log.removeFilter(hold)
    for record in held:
        if record.levelno >= logging.ERROR and "TiffTag" not in record.getMessage():
            raise ValueError(f"the file is damaged, {record.getMessage()}")
        log.handle(record)


def _read_zarr(path: Path) -> tuple[Any, Sequence[Any] | None]:
    try:
        import zarr
    except ImportError as error:
        raise ValueError(f"reading {path} needs the extra: pip install 'napari-sam2[zarr]'") from error
    try:
        opened = zarr.open(path, mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as zarr: {error}") from error
    return (opened, None) if isinstance(opened, zarr.Array) else read_zarr_group(opened, str(path))


def read_zarr_group(group: Any, name: str) -> tuple[Any, Sequence[Any] | None]:
    """Find the image in a group: the full resolution of an OME-Zarr, or the only array there is.

    Parameters
    ----------
    group : zarr.Group
        The group.
    name : str
        What messages call it.

    Returns
    -------
    image : zarr.Array
        Not read yet.
    names : sequence or None
        Of its axes, if the metadata tell.

    Raises
    ------
    ValueError
        If the metadata do not fit the arrays, or there is not one array.
    """
    attributes = dict(group.attrs)
    multiscales = attributes.get("ome", attributes).get("multiscales")
    if multiscales:
        try:
            # The first data set is the full resolution.
            names = [axis["name"] if isinstance(axis, dict) else axis for axis in multiscales[0].get("axes", [])]
            image = group[multiscales[0]["datasets"][0]["path"]]
            if names and len(names) != len(image.shape):
                raise LookupError(f"{len(names)} axes for {len(image.shape)}")
            return image, names or None
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{name} cannot be read as OME-Zarr: its metadata and its arrays do not fit, {error!r}") from error
    arrays = list(group.array_keys())
    if len(arrays) != 1:
        raise ValueError(f"{name} holds {len(arrays)} arrays ({', '.join(arrays[:5])}): name one of them")
    return group[arrays[0]], None


def zarr_attributes(folder: Path) -> dict[str, Any]:
    """Read the attributes of a zarr group as they stand in its file; none where it is no zarr group.

    zarr itself is an extra: files are read as they are.
    """
    for name, key in (("zarr.json", "attributes"), (".zattrs", None)):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            return dict(content[key] if key else content)
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return {}
