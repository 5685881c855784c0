"""MRC, the format of electron tomograms, mapped into memory. Z planes · Y, X rows and columns."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.opened_image import OpenedImage

MRC_SUFFIXES = (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali")
_HEADER_BYTES = 1024


def open_mrc(path: Path) -> OpenedImage:
    """Open an MRC file.

    Parameters
    ----------
    path : Path
        A volume or a stack of planes, which are read alike, or a single image.

    Returns
    -------
    OpenedImage
        YX, ZYX, or TZYX for several volumes; sizes of pixels in ångström.

    Raises
    ------
    ImportError
        If mrcfile is not installed.
    ImageFileError
        If it is no MRC file, or ends too early.
    """
    try:
        import mrcfile
        import mrcfile.utils
    except ImportError as error:
        raise ImportError("reading MRC files needs the extra: pip install 'napari-sam2[medical]'") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, header_only=True) as file:
                header: Any = file.header
                dtype = np.dtype(mrcfile.utils.data_dtype_from_header(header))
                shape = tuple(int(side) for side in mrcfile.utils.data_shape_from_header(header))
                offset = _HEADER_BYTES + int(header.nsymbt)
                sizes = {axis.upper(): float(file.voxel_size[axis]) for axis in "zyx"}
    except Exception as error:  # mrcfile stumbles over what it does not expect with errors of all kinds
        raise ImageFileError(f"{path} is no MRC file, or is damaged") from error
    if 0 in shape or not 2 <= len(shape) <= 4:
        raise ImageFileError(f"{path} has the shape {shape}: an image, a volume or several volumes are expected")
    num_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if path.stat().st_size < offset + num_bytes:
        raise ImageFileError(f"{path} ends too early: it has {path.stat().st_size} of {offset + num_bytes} bytes")
    calibration = PIXELS
    if sizes["Y"] > 0 and sizes["X"] > 0:
        depth = sizes["Z"] if len(shape) > 2 and sizes["Z"] > 0 else None
        calibration = Calibration(sizes["Y"], sizes["X"], depth, length_unit="angstrom")
    return OpenedImage(np.memmap(path, dtype, "r", offset, shape), "TZYX"[-len(shape) :], calibration, (path,))
