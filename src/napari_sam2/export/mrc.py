"""Labels as MRC, for IMOD and other programs for electron tomograms."""

from __future__ import annotations

from pathlib import Path

from napari_sam2.export.result import Result
from napari_sam2.files import atomic_path
from napari_sam2.images.medical.extra import needed


def write_mrc(path: Path, result: Result) -> None:
    """Write labels plane by plane, uint16 (mode 6), with the size of voxels.

    Raises
    ------
    ImportError
        If mrcfile is not installed.
    ValueError
        If labels have a time axis, it cannot be written there, or a label is not between 0 and 65535.
    """
    mrcfile = needed("mrcfile", "writing MRC files")
    if result.has_time:
        raise ValueError(f"{path.name}: MRC holds a volume or an image, not volumes in time")
    with atomic_path(path) as partial:
        shape = tuple(result.size(axis) for axis in "ZYX")
        with mrcfile.new_mmap(partial, shape, mrc_mode=6) as file:
            for number, plane in enumerate(result.planes()):
                file.data[number] = plane
            file.set_volume()
            pixel = result.calibration.in_units("angstrom")
            if pixel.has_lengths:
                file.voxel_size = (pixel.x, pixel.y, pixel.z or pixel.x)
            file.header.dmin, file.header.dmax, file.header.dmean, file.header.rms = 0, -1, -2, -1  # not determined
