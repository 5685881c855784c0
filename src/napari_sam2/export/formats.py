"""The export formats, chosen by the end of a file name; what cannot be written is refused before long work."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import os
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.coco import write_coco
from napari_sam2.export.ctc import is_ctc, write_ctc
from napari_sam2.export.dicom_seg import write_dicom_seg
from napari_sam2.export.geff import is_geff, write_geff
from napari_sam2.export.movie import FRAMES_PER_SECOND, outlined_movie, write_gif, write_mp4
from napari_sam2.export.mrc import write_mrc
from napari_sam2.export.nifti import write_nifti
from napari_sam2.export.ome_zarr import image_around, is_label_image, write_ome_zarr
from napari_sam2.export.pictures import write_strip
from napari_sam2.export.result import Result
from napari_sam2.export.roi import write_rois
from napari_sam2.export.seg_nrrd import write_nrrd
from napari_sam2.export.table import tabulate, write_csv, write_parquet
from napari_sam2.export.tiff import write_tiff
from napari_sam2.export.trackmate import write_trackmate
from napari_sam2.export.tracks import write_napari_tracks
from napari_sam2.file_errors import os_error
from napari_sam2.files import check_folder_writable, check_writable
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.medical.dicom_headers import is_dicom

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    ending : str
        How names end, in lower case.
    what : str
        Its description.
    write : callable
        Writes a result; its further arguments, which have defaults, are the options of the format.
    is_ours : callable or None
        For a format that is a folder: returns whether a folder is an earlier result, which may be replaced.
    modules : tuple of str
        Packages that it needs.
    extra : str
        The extra that has these packages.
    needs_time, needs_image : bool
        It needs a time axis, or the image.
    takes_time : bool
        It holds volumes or images in time.
    needs_dicom : bool
        It needs the DICOM files of the image.
    num_readings : int
        So often each plane of the labels is read, for progress.
    partial_place : str
        What it holds of where a volume lies in a patient, if that is not all of it and labels are expected to lie somewhere.
    """

    ending: str
    what: str
    write: Callable[..., None]
    is_ours: Callable[[Path], bool] | None = None
    modules: tuple[str, ...] = ()
    extra: str = "export"
    needs_time: bool = False
    needs_image: bool = False
    takes_time: bool = True
    needs_dicom: bool = False
    num_readings: int = 1
    partial_place: str = ""

    def missing_place(self, name: str, result: Result) -> str:
        """Return a sentence on what a file of this name does not hold of a place in a patient; empty if it holds all."""
        if result.geometry is None or not self.partial_place:
            return ""
        return f"{name} holds {self.partial_place}, but not the directions of the scan: .nii.gz, .seg.nrrd and .dcm do"

    @property
    def options(self) -> list[inspect.Parameter]:
        """The options: names, types and defaults."""
        types = typing.get_type_hints(self.write)
        parameters = list(inspect.signature(self.write).parameters.values())[2:]
        return [one.replace(annotation=types[one.name], kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]

    def check(self, name: str, has_time: bool, has_image: bool = True, inputs: Iterable[Path] | None = None) -> None:
        """Raise why a result cannot be written to a file of this name, wherever it is.

        Parameters
        ----------
        name : str
            Of the file, for the message.
        has_time, has_image : bool
            Whether the result has a time axis and an image.
        inputs : iterable of Path, optional
            The files of the image, among which those of DICOM are looked for, if they are needed.

        Raises
        ------
        ImportError
            If a package is missing.
        ValueError
            If it needs time, an image or files of DICOM, or takes no time.
        """
        if self.needs_time and not has_time:
            raise ValueError(f"{name}: {self.what} need a time axis T")
        if has_time and not self.takes_time:
            raise ValueError(f"{name}: {self.what} can be of an image or a volume, not of several in time")
        if self.needs_image and not has_image:
            raise ValueError(f"{name}: {self.what} needs the image")
        if self.needs_dicom and inputs is not None and not any(map(is_dicom, inputs)):
            raise ValueError(f"{name}: {self.what} needs the DICOM files that the image was read from")
        if any(importlib.util.find_spec(module) is None for module in self.modules):
            raise ImportError(f"{name} needs an extra: pip install 'napari-sam2[{self.extra}]'")


def _write_csv(path: Path, result: Result) -> None:
    write_csv(path, tabulate(result))


def _write_parquet(path: Path, result: Result) -> None:
    write_parquet(path, tabulate(result))


def _write_mp4(path: Path, result: Result, frames_per_second: float = FRAMES_PER_SECOND) -> None:
    write_mp4(path, outlined_movie(result), frames_per_second)


def _write_gif(path: Path, result: Result, frames_per_second: float = FRAMES_PER_SECOND) -> None:
    movie = outlined_movie(result)
    write_gif(path, movie, frames_per_second, exact=movie.colours)


def _write_frames(path: Path, result: Result, pictures: int = 10, columns: int = 5) -> None:
    for name, number in (("pictures", pictures), ("columns", columns)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    movie = outlined_movie(result)
    frames = sorted({round(frame) for frame in np.linspace(0, len(movie) - 1, pictures)})
    write_strip(path, [movie[frame] for frame in frames], [f"frame {frame}" for frame in frames], columns)


_SIZE = "the size of voxels"
FORMATS = (
    Format(".ome.tif", "labels as OME-TIFF", write_tiff, partial_place=_SIZE),
    Format(".tif", "labels as an ImageJ hyperstack", write_tiff, partial_place=_SIZE),
    Format(
        ".zarr", "labels as OME-Zarr", write_ome_zarr, is_label_image, ("zarr",), partial_place=f"{_SIZE} and the first position"
    ),
    Format(".nii.gz", "labels as NIfTI", write_nifti, modules=("nibabel",), extra="medical", num_readings=2),
    Format(".nii", "labels as NIfTI, uncompressed", write_nifti, modules=("nibabel",), extra="medical", num_readings=2),
    Format(".seg.nrrd", "labels as a segmentation for 3D Slicer", write_nrrd, modules=("nrrd",), extra="medical"),
    Format(".nrrd", "labels as NRRD", write_nrrd, modules=("nrrd",), extra="medical"),
    Format(
        ".dcm",
        "a DICOM segmentation",
        write_dicom_seg,
        modules=("highdicom",),
        extra="medical",
        needs_image=True,
        takes_time=False,
        needs_dicom=True,
    ),
    Format(".mrc", "labels as MRC", write_mrc, modules=("mrcfile",), extra="medical", takes_time=False, partial_place=_SIZE),
    Format(".tracks.csv", "tracks for napari", write_napari_tracks, needs_time=True),
    Format(".csv", "a table of sizes, positions and intensities", _write_csv),
    Format(".parquet", "the table as Parquet", _write_parquet, modules=("pyarrow",)),
    Format("_res", "tracks for the Cell Tracking Challenge (a folder)", write_ctc, is_ctc, needs_time=True, num_readings=2),
    Format(".geff", "tracks as a graph", write_geff, is_geff, ("geff",), needs_time=True),
    Format(".xml", "tracks for TrackMate", write_trackmate, needs_time=True, num_readings=2),
    Format(".roi.zip", "outlines for the ROI Manager of ImageJ", write_rois, modules=("roifile",)),
    Format(".coco.json", "masks in the format of COCO", write_coco),
    Format(".mp4", "a movie with outlines", _write_mp4, modules=("av",), needs_image=True, num_readings=2),
    Format(".gif", "a movie as GIF", _write_gif, needs_image=True, num_readings=3),
    Format(".frames.png", "pictures of some frames with outlines", _write_frames, needs_image=True),
)


def find_format(path: Path) -> Format:
    """Return the format for the end of a name; ``.tiff`` is ``.tif``, and ``image.zarr/labels/name`` is OME-Zarr too.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    name = path.name.lower().replace(".tiff", ".tif")
    found = next((item for item in FORMATS if name.endswith(item.ending)), None)
    if found is None and image_around(path) is not None:
        found = next(item for item in FORMATS if item.ending == ".zarr")
    if found is None:
        known = ", ".join(item.ending.replace("_res", "_RES") for item in FORMATS)
        raise ValueError(f"the format of {path.name} is not known: its name should end in one of {known}")
    return found


def check_output(path: Path, has_time: bool, has_image: bool = True) -> None:
    """Raise before long work the errors that :func:`write_result` would raise after it.

    Parameters
    ----------
    path : Path
        The output.
    has_time : bool
        There is a time axis.
    has_image : bool
        There is an image.

    Raises
    ------
    ImportError
        If a package is missing.
    ValueError
        If the format is not known, needs time or an image, takes no time, or nothing can be written there.
    """
    chosen = find_format(path)
    chosen.check(path.name, has_time, has_image)
    if chosen.is_ours is None:
        check_writable(path)
        if path.exists() and not os.access(path, os.W_OK):
            # The folder would allow to replace it, but a write-protected file is not to be replaced.
            raise ValueError(f"{path} is there and may not be written: give another name, or allow it")
    elif image_around(path) is None or path.parent.exists():
        check_folder_writable(path, chosen.is_ours)


def check_outputs(
    outputs: Sequence[Path], inputs: Sequence[Path | None], has_time: bool, has_image: bool, methods: Path | None = None
) -> None:
    """Refuse before long work outputs that cannot be written, or would replace an input.

    Parameters
    ----------
    outputs : sequence of Path
        Output files; the end of each name chooses the format.
    inputs : sequence of Path or None
        Files that are read, which no output may replace; None where there is no such file.
    has_time, has_image : bool
        Whether the result has a time axis and an image.
    methods : Path, optional
        Where the methods paragraph goes.

    Raises
    ------
    ImportError, ValueError
        See :func:`check_output`; or if an output would replace an input, or needs DICOM files where there are none.
    """
    read = {path.resolve() for path in inputs if path is not None}
    for path in (*outputs, *([] if methods is None else [methods])):
        if path.resolve() in read:
            raise ValueError(f"{path} is an input: give the output another name")
    for path in outputs:
        find_format(path).check(path.name, has_time, has_image, read)
        check_output(path, has_time, has_image)
    if methods is not None:
        check_writable(methods)


def write_result(path: Path, result: Result, **options: Any) -> None:
    """Write a result in the format of the end of its name, see :data:`FORMATS`; an earlier result there is replaced.

    Parameters
    ----------
    path : Path
        The output.
    result : Result
        What is written.
    **options
        Those of the format, see :attr:`Format.options`.

    A format that cannot hold how a volume lies in a patient is named in a warning. Where frames of the image cannot be read,
    intensities are left out and movies show outlines on black; see :meth:`~napari_sam2.export.result.Result.unreadable_frames`.

    Raises
    ------
    ImportError
        If a package is missing.
    OSError
        If the disk is full, or a plane of the labels cannot be read; nothing is left behind.
    ValueError
        If the format is not known, does not fit the result, or cannot be written there.
    """
    check_output(path, result.has_time, result.stack is not None)
    chosen = find_format(path)
    chosen.write(path, result, **options)
    missing = chosen.missing_place(path.name, result)
    if missing:
        logger.warning("%s", missing)


def write_each(paths: Sequence[Path], result: Result) -> dict[Path, Exception]:
    """Write a result in several formats; one that cannot be written does not stop the others; see :func:`write_result`.

    Returns
    -------
    dict of Path to Exception
        The error of each output that could not be written; of several outputs, the messages name them.
    """
    failed: dict[Path, Exception] = {}
    for path in paths:
        try:
            write_result(path, result)
        except Exception as error:  # an error of one output does not stop the others
            failed[path] = error
    if len(paths) == 1:
        return failed
    alike: dict[str, list[Path]] = {}
    for path, reason in failed.items():
        alike.setdefault(str(reason), []).append(path)
    return {path: _naming(alike[str(reason)], path, reason) for path, reason in failed.items()}


def _naming(paths: Sequence[Path], path: Path, error: Exception) -> Exception:
    """Return an error of the same kind that names all outputs with this error, unless it names its own already."""
    if not isinstance(error, OSError | ValueError) or path.name in str(error):
        return error
    named = f"{', '.join(map(str, paths))}: {error}"
    renamed: Exception
    if isinstance(error, FrameReadError):
        renamed = FrameReadError(named)
    else:
        renamed = os_error(named, error.errno) if isinstance(error, OSError) else ValueError(named)
    renamed.__cause__ = error
    return renamed
