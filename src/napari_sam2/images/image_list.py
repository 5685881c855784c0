"""All images of a file, each by the path and the number under which it is opened: fields of a plate, positions of an OME-TIFF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sam2.file_errors import reason_of
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.tiff_files import is_tiff, open_described
from napari_sam2.images.tiff_listing import list_images
from napari_sam2.images.tiff_reports import tiff_reports
from napari_sam2.images.zarr_files import image_paths, is_zarr


@dataclass(frozen=True)
class ListedImage:
    """One image of a file.

    Attributes
    ----------
    path : Path
        What is opened: the file, or the folder of a field in a plate.
    series : int or None
        Its number in the file; None where the path is enough.
    inside : str
        What distinguishes it from the others of the file, as ``A/1/0``; empty where there are none.
    """

    path: Path
    series: int | None = None
    inside: str = ""


def images_of(path: Path) -> list[ListedImage]:
    """List the images of a file or a folder.

    Parameters
    ----------
    path : Path
        What somebody named. A folder that is no zarr is one image, whose files are its frames.

    Returns
    -------
    list of ListedImage
        One or more; none for a further file of an OME-TIFF in several files, whose images are listed with the first.

    Raises
    ------
    ImportError
        If it is a zarr, and zarr is not installed.
    ImageFileError
        If it cannot be read.
    """
    if is_zarr(path):
        inside = image_paths(path)
        # Several images of one group are none of them a folder.
        return [
            ListedImage(path / one, None, one) if (path / one).exists() else ListedImage(path, i, one)
            for i, one in enumerate(inside)
        ]
    if path.is_file() and is_tiff(path):
        return _of_tiff(path)
    return [ListedImage(path)]


def _of_tiff(path: Path) -> list[ListedImage]:
    try:
        with tiff_reports() as reports:
            described, tiff = open_described(path)
            with tiff:
                images, _ = list_images(described, tiff, reports)
                images = [image for image in images if image.kind == "ome" and not image.is_level]
                first = [next((page for page in image.pages if page is not None), None) for image in images]
                names = [path.name if page is None else Path(page.parent.filehandle.path).name for page in first]
    except PermissionError as error:
        raise ImageFileError(f"{path} may not be read: {reason_of(error)}") from error
    own = [image for image, name in zip(images, names, strict=True) if name == path.name]
    if images and not own:
        return []
    if len(images) < 2:
        return [ListedImage(path)]
    return [ListedImage(path, image.index, str(image.index)) for image in own]
