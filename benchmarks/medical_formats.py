"""The same volume as TIFF, DICOM, NIfTI, NRRD and MetaImage: the same labels, bit for bit?

    python benchmarks/medical_formats.py IMAGE.tif PROMPTS.json

Writes the volume in each format with an oblique geometry, segments each by ``napari-sam2 segment``, in a process of its own, and
compares the labels with those of the TIFF.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import tifffile

from napari_sam2.images.geometry import Geometry
from phantoms import OBLIQUE, write_dicom, write_metaimage, write_nifti, write_nrrd

SPACING_MM = 3.0


def write_all(folder: Path, values: np.ndarray) -> dict[str, Path]:
    """Write the volume in each format."""
    geometry = Geometry.of_axes([-180, 20, -400], OBLIQUE * SPACING_MM)
    tifffile.imwrite(folder / "image.tif", values, photometric="minisblack", metadata={"axes": "ZYX"}, compression="zlib")
    write_dicom(folder / "dicom", values, geometry)
    return {
        "TIFF": folder / "image.tif",
        "DICOM": folder / "dicom",
        "NIfTI": write_nifti(folder / "image.nii.gz", values, geometry),
        "NRRD": write_nrrd(folder / "image.nrrd", values, geometry),
        "MetaImage": write_metaimage(folder / "image.mha", values, geometry),
    }


def main(image: Path, prompts: Path) -> None:
    """Segment each and compare."""
    values = tifffile.imread(image)
    with tempfile.TemporaryDirectory() as temporary:
        expected = None
        for name, path in write_all(Path(temporary), values).items():
            output, begun = Path(temporary, f"{name}.ome.tif"), time.perf_counter()
            command = ["segment", str(path), "--prompts", str(prompts), "-o", str(output)]
            subprocess.run([sys.executable, "-m", "napari_sam2", *command], check=True, capture_output=True)  # noqa: S603
            labels = tifffile.imread(output)
            expected = labels if expected is None else expected
            num_different, num_objects = int((labels != expected).sum()), len(np.unique(labels)) - 1
            seconds = time.perf_counter() - begun
            print(f"{name:10} {num_objects} objects, {num_different} of {labels.size} voxels differ, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
