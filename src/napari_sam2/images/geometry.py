"""Where the voxels of a volume lie in a patient. World positions are x, y and z in millimetres; voxels are Z, Y and X in pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2.images.calibration import Calibration

Space = Literal["LPS", "RAS"]
Matrix = tuple[tuple[float, float, float, float], ...]
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From one space to the other."""
_LETTERS = ("LR", "PA", "SI")
"""Where x, y and z of LPS grow and shrink."""
PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
"""Names of planes, and the axis of the world that goes through them."""
_TOLERANCE = 1e-3
"""Cosines that differ by less are those of one direction: a twentieth of a degree."""


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of a volume lie.

    Attributes
    ----------
    affine : tuple of tuple of float
        (4, 4), from column, row and plane of a voxel, in this order, as all formats have it, to x, y and z in millimetres; the
        centres of voxels lie on integers.
    space : {"LPS", "RAS"}
        Where x, y and z grow: to the left, the back (posterior) and the head (superior) of the patient, as in DICOM and ITK, or to
        the right, the front (anterior) and the head, as in NIfTI.

    Raises
    ------
    ValueError
        If the affine is not (4, 4), holds what is no number, or is singular.
    """

    affine: Matrix
    space: Space = "LPS"

    def __post_init__(self) -> None:
        matrix = np.asarray(self.affine, np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
            raise ValueError("the affine of a volume has four rows and columns of numbers, the last row 0, 0, 0 and 1")
        lengths = np.linalg.norm(matrix[:3, :3], axis=0)
        if not lengths.all() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < 1e-6:
            raise ValueError("the affine of a volume is singular: its axes do not span space")
        if self.space not in ("LPS", "RAS"):
            raise ValueError(f"the space of a volume is LPS or RAS, got {self.space!r}")

    @classmethod
    def of(cls, affine: npt.ArrayLike, space: Space = "LPS") -> Geometry:
        """Make one of an array (4, 4)."""
        rows: Any = np.asarray(affine, np.float64).tolist()
        return cls(tuple(map(tuple, rows)), space)

    @classmethod
    def of_axes(cls, origin: npt.ArrayLike, steps: npt.ArrayLike, space: Space = "LPS") -> Geometry:
        """Make one of the position (3,) of the first voxel, and the steps (3, 3) to the next column, row and plane, each a row."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = np.asarray(steps, np.float64).T, origin
        return cls.of(matrix, space)

    @classmethod
    def of_calibration(cls, calibration: Calibration) -> Geometry:
        """Make one of the size of voxels alone, in millimetres as far as it is in a unit; the first voxel lies in the origin."""
        size = calibration.in_units("millimeter")
        return cls.of(np.diag([size.x, size.y, size.z or 1.0, 1.0]))

    def in_space(self, space: Space) -> Geometry:
        """Write it in another space; voxels stay where they are."""
        return self if space == self.space else Geometry.of(_FLIP @ self.matrix, space)

    def with_calibration(self, calibration: Calibration) -> Geometry:
        """Return one with other sizes of voxels, where these are known, with the same directions and the same first voxel."""
        if not calibration.has_lengths:
            return self
        size = calibration.in_units("millimeter")
        wanted = np.array([size.x, size.y, size.z or self.calibration.z])
        factors = wanted / [self.calibration.x, self.calibration.y, self.calibration.z]
        return self if np.allclose(factors, 1, rtol=1e-5) else Geometry.of(self.matrix * [*factors, 1], self.space)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The affine as an array (4, 4)."""
        return np.array(self.affine, np.float64)

    @property
    def steps(self) -> npt.NDArray[np.float64]:
        """Steps (3, 3) from a voxel to the next along X, Y and Z, in millimetres, each a row."""
        return self.matrix[:3, :3].T

    @property
    def origin(self) -> npt.NDArray[np.float64]:
        """Position (3,) of the centre of the first voxel."""
        return self.matrix[:3, 3]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Lengths of the steps along Z, Y and X, in millimetres."""
        x, y, z = (float(length) for length in np.linalg.norm(self.steps, axis=1))
        return z, y, x

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Directions (3, 3) of X, Y and Z, each a row of length 1."""
        return self.steps / np.linalg.norm(self.steps, axis=1, keepdims=True)

    @property
    def volume_mm3(self) -> float:
        """Volume of a voxel, which a shear does not change."""
        return float(abs(np.linalg.det(self.steps)))

    @property
    def calibration(self) -> Calibration:
        """Size of a voxel; along Z the distance of planes, which is less than that of voxels where planes are tilted."""
        _, y, x = self.spacing
        area = float(np.linalg.norm(np.cross(self.steps[0], self.steps[1])))
        return Calibration(y, x, self.volume_mm3 / area, length_unit="millimeter")

    @property
    def orientation(self) -> str:
        """Letters of the patient's sides to which X, Y and Z grow, such as ``LPS``: of oblique axes the nearest."""
        directions = self.in_space("LPS").directions
        found = np.abs(directions).argmax(axis=1)
        return "".join(_LETTERS[world][int(directions[axis, world] < 0)] for axis, world in enumerate(found))

    @property
    def is_oblique(self) -> bool:
        """An axis is none of the patient's."""
        return bool((np.abs(self.directions).max(axis=1) < 1 - _TOLERANCE**2).any())

    @property
    def is_sheared(self) -> bool:
        """Axes are not at right angles, as those of a CT with a tilted gantry."""
        return self.tilt_degrees > 0.06

    @property
    def tilt_degrees(self) -> float:
        """The largest difference of an angle between two axes from a right one."""
        angles = self.directions @ self.directions.T
        return float(np.degrees(np.arcsin(np.clip(np.abs(angles - np.diag(np.diag(angles))).max(), 0, 1))))

    @property
    def frame_origin(self) -> tuple[float, float, float]:
        """Where the first voxel lies along Z, Y and X of the volume itself, in millimetres from the origin of the world.

        Volumes with the same directions lie on each other by it, however oblique they are.
        """
        x, y, _ = self.directions
        normal = np.cross(x, y)
        normal = normal * np.sign(normal @ self.steps[2]) / np.linalg.norm(normal)
        return float(normal @ self.origin), float(y @ self.origin), float(x @ self.origin)

    def axis_through(self, plane: str) -> str:
        """Return the axis, Z, Y or X, that goes through planes of a name, the nearest of oblique ones.

        Raises
        ------
        ValueError
            If the name is none of :data:`PLANES`, or two axes are as near.
        """
        if plane not in PLANES:
            raise ValueError(f"planes are {', '.join(PLANES)}, got {plane!r}")
        found = np.abs(self.directions).argmax(axis=1).tolist()
        if sorted(found) != [0, 1, 2]:
            raise ValueError(f"the volume is too oblique to have {plane} planes: give the axis, Z, Y or X")
        return "XYZ"[found.index(PLANES[plane])]

    def world(self, voxels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Find the positions (..., 3) of voxels (..., 3), which are Z, Y and X, and need not be whole."""
        found: npt.NDArray[np.float64] = np.asarray(voxels, np.float64)[..., ::-1] @ self.steps + self.origin
        return found

    def voxels(self, world: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Find the voxels (..., 3), Z, Y and X, at positions (..., 3); they need not be whole, nor in the volume."""
        found: npt.NDArray[np.float64] = (np.asarray(world, np.float64) - self.origin) @ np.linalg.inv(self.steps)
        return found[..., ::-1]


def calibration_with(geometry: Geometry, interval: float | None, unit: str) -> Calibration:
    """Add the time from volume to volume, if it is known, to the size of voxels."""
    return geometry.calibration if interval is None else replace(geometry.calibration, t=interval, time_unit=unit)


def is_same_place(one: Geometry, other: Geometry, tolerance_mm: float, shape: tuple[int, int, int]) -> bool:
    """Tell whether the corners of a volume of this shape (Z, Y, X) lie on each other."""
    corners: Any = np.array(np.meshgrid(*([0, side - 1] for side in shape), indexing="ij")).reshape(3, -1).T
    distance = np.linalg.norm(one.world(corners) - other.in_space(one.space).world(corners), axis=1)
    return bool(distance.max() <= tolerance_mm)
