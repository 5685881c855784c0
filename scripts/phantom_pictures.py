"""Make the pictures of the pages on medical images and electron microscopy: phantoms, boxes on one plane, and what became of them.

    python scripts/phantom_pictures.py [docs/images]

Writes the phantoms as DICOM and as MRC to a temporary folder, and reads them from there. Prints the IoU of each object.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from PIL import Image
from scipy import ndimage as ndi

import napari_sam2 as sam2
from napari_sam2.images.geometry import Geometry
from phantoms import write_dicom, write_mrc

Ball = tuple[str, tuple[float, float, float], tuple[float, float, float]]
"""Name, centre and half axes of an ellipsoid, along Z, Y and X in pixels."""

COLOURS = ("#ff3030", "#00e0ff", "#ffd000", "#60ff40")


def ellipsoid(shape: tuple[int, ...], ball: Ball) -> np.ndarray:
    """Return the voxels in an ellipsoid (Z, Y, X), bool."""
    _, centre, half = ball
    grid = np.meshgrid(*(np.arange(side) for side in shape), indexing="ij")
    return sum(((axis - c) / h) ** 2 for axis, c, h in zip(grid, centre, half, strict=True)) <= 1


def abdomen() -> tuple[np.ndarray, list[Ball]]:
    """Return Hounsfield units of a body with noise, int16, and its organs."""
    shape, rng = (30, 128, 160), np.random.default_rng(0)
    organs: list[Ball] = [
        ("liver", (14, 56, 50), (18, 24, 26)),
        ("kidney", (14, 82, 116), (18, 11, 9)),
        ("spine", (14, 98, 80), (60, 10, 11)),
    ]
    values = np.full(shape, -1000.0)
    values[ellipsoid(shape, ("body", (15, 64, 80), (200, 50, 68)))] = -90
    values[ellipsoid(shape, ("muscle", (15, 64, 80), (200, 46, 64)))] = 20
    for organ, level in zip(organs, (110, 190, 320), strict=True):
        values[ellipsoid(shape, organ)] = level
    noisy = ndi.gaussian_filter(values, (0, 0.8, 0.8)) + rng.normal(0, 12, shape)
    return noisy.round().clip(-1024, 3071).astype(np.int16), organs


def tomogram() -> tuple[np.ndarray, list[Ball]]:
    """Return densities of a cell with noise, float32, and organelles bounded by dark membranes."""
    shape, rng = (32, 144, 176), np.random.default_rng(1)
    organelles: list[Ball] = [
        ("mitochondrion", (16, 80, 60), (22, 26, 40)),
        ("vesicle 1", (16, 40, 130), (20, 13, 13)),
        ("vesicle 2", (16, 84, 140), (20, 14, 14)),
        ("vesicle 3", (16, 118, 120), (20, 11, 12)),
    ]
    values = np.full(shape, 0.2)
    for organelle, level in zip(organelles, (-0.9, 0.9, 0.9, 0.9), strict=True):
        inside = ellipsoid(shape, organelle)
        values[ndi.binary_dilation(inside, iterations=2)] = -1.6
        values[inside] = level
    return (ndi.gaussian_filter(values, 1.0) + rng.normal(0, 0.5, shape)).astype(np.float32), organelles


def picture(image: Path, objects: list[Ball], shape: tuple[int, ...], path: Path, **options: object) -> None:
    """Box each object on the plane of its centre, propagate, write six planes, and print how well each was found."""
    session = sam2.Session(image, **options)
    for ball in objects:
        name, (z, y, x), (_, height, width) = ball
        number = session.add_object(name)
        session.set_colour(number, COLOURS[number - 1])
        session.add_box(number, round(z), (y - height, x - width, y + height + 1, x + width + 1))
    session.propagate_all()
    with tempfile.TemporaryDirectory() as folder:
        from napari_sam2.export.formats import write_result

        write_result(Path(folder, "a.frames.png"), session.result(), pictures=6, columns=3)
        whole = Image.open(Path(folder, "a.frames.png")).convert("RGB")
        whole.quantize(32, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    for number, ball in enumerate(objects, 1):
        true, found = ellipsoid(shape, ball), session.labels == number
        print(f"{path.name} {ball[0]}: IoU {(true & found).sum() / (true | found).sum():.2f}")


def main(folder: Path) -> None:
    """Make both pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        values, organs = abdomen()
        write_dicom(Path(temporary, "scan"), values, Geometry.of(np.diag([1.5, 1.5, 5.0, 1.0])))
        picture(Path(temporary, "scan"), organs, values.shape, folder / "medical-phantom.png", window="soft tissue")
        values, organelles = tomogram()
        write_mrc(Path(temporary, "cell.mrc"), values, 20.0)
        picture(Path(temporary, "cell.mrc"), organelles, values.shape, folder / "tomogram-phantom.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
