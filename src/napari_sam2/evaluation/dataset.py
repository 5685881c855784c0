"""Labelled stacks to score a model on. T frames · H, W height and width."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_sam2.file_errors import reading
from napari_sam2.images.label_images import as_labels, check_fit, open_labels, warn_of_separate_images
from napari_sam2.images.stack import Stack

MIN_FRAMES = 5
"""Objects that the table lists with fewer frames are not scored."""


@dataclass(frozen=True)
class Dataset:
    """A folder with ``image.tif``, ``masks.tif`` and, for stacks, ``objects.csv``; or one image of a collection in such a folder.

    Attributes
    ----------
    folder : Path
        The folder.
    truth : ndarray
        (T, H, W), labels; of a single image T is 1.
    anchors : dict
        Object id to the frame on which it is prompted.
    lineage : dict
        The parent of each child, by object id, where the table names one.
    file : Stack or None
        The image of ``image.tif``; None if it is opened later.
    number : int or None
        Which image of a collection it is, counted from 0; None where the file holds nothing else.
    """

    folder: Path
    truth: npt.NDArray[np.integer]
    anchors: dict[int, int]
    lineage: dict[int, int] = field(default_factory=dict)
    file: Stack | None = None
    number: int | None = None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def image(self) -> Path:
        """The image file."""
        return self.folder / "image.tif"

    @property
    def num_channels(self) -> int:
        """Channels of the image; 0 where there is no choice."""
        return 0 if self.file is None or self.file.num_channels < 2 else self.file.num_channels

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels in the input of the model, in order; none where there is no choice."""
        return () if self.file is None or not self.num_channels else tuple(dict.fromkeys(self.file.channels))

    def stack(self) -> Stack:
        """Return the image as a session takes it; one of a collection is read.

        Raises
        ------
        ValueError
            If it cannot be read.
        """
        if self.file is None:
            return Stack.open_file(self.image)
        return self.file if self.number is None else self.file.single(self.number)

    @classmethod
    def read(cls, folder: Path, axes: str | None = None, channel: int | Sequence[int] | None = None) -> Dataset:
        """Read a folder that holds one stack or image, as :func:`read_datasets` does.

        Raises
        ------
        FileNotFoundError, ValueError
            See there; also if it holds a collection of images.
        """
        first, *_ = read_datasets(folder, axes, channel)
        if first.number is not None:
            raise ValueError(
                f"{folder} holds a collection of images, each a data set of its own, which read_datasets returns: "
                "if its frames follow each other, give axes, as in axes='TYX' or axes='ZYX'"
            )
        return first

    def span(self, object_id: int) -> range:
        """Frames from an object's first to its last."""
        seen = np.flatnonzero((self.truth == object_id).any((1, 2)))
        return range(int(seen[0]), int(seen[-1]) + 1)

    def mask(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """Return an object's true mask, (H, W)."""
        return self.truth[frame] == object_id


def read_datasets(folder: Path, axes: str | None = None, channel: int | Sequence[int] | None = None) -> list[Dataset]:
    """Read a folder, and check that its files fit each other.

    Parameters
    ----------
    folder : Path
        The folder. For a stack, ``objects.csv`` lists which objects are scored: ``id``, ``n_frames``, ``contiguous`` (1 or 0), for
        a time-lapse ``t_first``, and if there are divisions ``parent`` (0 for none). Without it all are.
    axes, channel : str and int or sequence of int, optional
        Of the image, as :class:`~napari_sam2.session.session.Session` takes them.

    Returns
    -------
    list of Dataset
        One for an image, a time-lapse (frames along T) or a volume (Z). Frames along any other axis, N or one that TIFF calls Q or
        I, are separate images: one for each of them on which there is an object. There a label counts on its own image alone.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file cannot be read, labels are not whole numbers from 0 to 65535 or have another shape than the image, the table
        does not fit the labels, or there is no object.
    """
    for name in ("image.tif", "masks.tif"):
        with reading(folder / name):
            if not (folder / name).exists():
                raise FileNotFoundError(f"{folder} is not a data set: there is no {name}")
    labels = open_labels(folder / "masks.tif")
    image = Stack.open_file(folder / "image.tif", axes, channel)
    check_fit(image, labels, folder / "image.tif", folder / "masks.tif")
    truth = as_labels(np.asarray(labels.frames), folder / "masks.tif")
    if len(image) > 1 and image.along not in "TZ":
        if axes is None:
            warn_of_separate_images(image, folder, "give axes TYX or ZYX (--axes)")
        planes = ((number, plane[None]) for number, plane in enumerate(truth))
        found = [(number, plane, _all_objects(plane, in_volume=False)) for number, plane in planes]
        datasets = [Dataset(folder, plane, anchors, {}, image, number) for number, plane, anchors in found if anchors]
    else:
        anchors, lineage = _all_objects(truth, in_volume=image.along == "Z"), dict[int, int]()
        table = folder / "objects.csv"
        if table.exists() and len(truth) > 1:
            anchors, lineage = _listed_objects(table, truth, anchors)
        datasets = [Dataset(folder, truth, anchors, lineage, image)] if anchors else []
    if not datasets:
        raise ValueError(f"{folder} has no object to score")
    return datasets


def channels_used(channels: Sequence[int], num_channels: int) -> str:
    """Return the used channels in words, as ``channels 0 and 1 of 2``; empty where there is no choice."""
    if not channels:
        return ""
    *others, last = map(str, channels)
    listed = f"channels {', '.join(others)} and {last}" if others else f"channel {last}"
    return f"{listed} of {num_channels}"


def _all_objects(truth: npt.NDArray[np.integer], in_volume: bool) -> dict[int, int]:
    """In a time-lapse an object is prompted where it appears, in a volume where it is largest."""
    areas: dict[int, dict[int, int]] = {}
    for frame, plane in enumerate(truth):
        for i, area in zip(*np.unique(plane, return_counts=True), strict=True):
            if i:
                areas.setdefault(int(i), {})[frame] = int(area)
    return {i: max(by_frame, key=by_frame.__getitem__) if in_volume else min(by_frame) for i, by_frame in sorted(areas.items())}


def _listed_objects(table: Path, truth: npt.NDArray[np.integer], default: dict[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """Read anchors and lineage, of objects on enough frames without a gap."""
    anchors, lineage = {}, {}
    for row in _rows(table):
        i = row["id"]
        if i not in default:
            raise ValueError(f"{table} lists object {i}, which is not in the masks")
        if row["n_frames"] < MIN_FRAMES or row["contiguous"] != 1:
            continue
        anchors[i] = row.get("t_first", default[i])
        if not (0 <= anchors[i] < len(truth) and (truth[anchors[i]] == i).any()):
            raise ValueError(f"{table} has object {i} begin on frame {anchors[i]}, where it is not in the masks")
        if row.get("parent"):
            lineage[i] = row["parent"]
    return anchors, lineage


def _rows(table: Path) -> Iterator[dict[str, int]]:
    """Read the columns that are used, as whole numbers."""
    needed, used = ("id", "n_frames", "contiguous"), ("t_first", "parent")
    with reading(table, "the table"):
        text = table.read_bytes()
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{table} is not a table: it is no text in UTF-8, from byte {error.start} on") from error
    try:
        reader = csv.DictReader(lines)
        columns = [name for name in (*needed, *used) if name in (reader.fieldnames or ())]
        missing = [name for name in needed if name not in columns]
        if missing:
            raise ValueError(f"{table} has no column {missing[0]!r}")
        for row in reader:
            try:
                yield {name: int(row[name]) for name in columns}
            except (TypeError, ValueError) as error:
                raise ValueError(f"{table}, line {reader.line_num}: {', '.join(columns)} must be whole numbers") from error
    except csv.Error as error:
        raise ValueError(f"{table} is not a table of columns with commas between them") from error
