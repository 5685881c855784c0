"""Time-lapses of drawn cells with exact labels and lineage: cells divide, enter, leave and cross.

They are drawn by other code than the clips of the training, and from random numbers that training does not use: its generators
begin with the seed of a recipe, which is 0 for the embedded model, those here with :data:`STREAM`. T frames · S side in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

STREAM = 160_016
LEAST_AREA_PX = 15
"""What is seen of a cell at the edge of a frame counts from that area."""
CONDENSED_FRAMES = 2


@dataclass(frozen=True)
class Movie:
    """A drawn time-lapse.

    Attributes
    ----------
    frames : ndarray
        (T, S, S), uint8.
    labels : ndarray
        (T, S, S), uint16.
    lineage : dict of int to int
        The parent of each child.
    """

    frames: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint16]
    lineage: dict[int, int]


@dataclass
class Cell:
    """A cell on the current frame; lengths in pixels."""

    label: int
    centre: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]
    radius: float
    angle: float
    elongation: float
    brightness: float
    wobble: npt.NDArray[np.float64]
    """(2, 3): amplitudes and phases of the outline."""
    is_free: bool = True
    """It is kept inside, and away from others."""
    divides_on: int | None = None
    parting: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))


def synthetic_movie(seed: int, num_frames: int = 16, size: int = 160) -> Movie:
    """Draw a time-lapse of 8 to 12 cells.

    Parameters
    ----------
    seed : int
        The same seed gives the same movie.
    num_frames, size : int
        Length T and side S.

    Returns
    -------
    Movie
    """
    rng = np.random.default_rng([STREAM, seed])
    radius = float(rng.uniform(7, 10))
    cells = _cells(rng, num_frames, size, radius)
    texture = ndi.gaussian_filter(rng.standard_normal((256, 256)), 2, mode="wrap")
    texture /= texture.std()
    contrast, noise, blur = rng.uniform(0.1, 0.25), rng.uniform(0.02, 0.06), rng.uniform(0.7, 1.5)
    light = 1 + 0.2 * _slope(rng, size)
    lineage: dict[int, int] = {}
    frames, labels = [], []
    for frame in range(num_frames):
        for parent in [cell for cell in cells if cell.divides_on == frame]:
            cells.remove(parent)
            first = 1 + max([parent.label, *(cell.label for cell in cells)])
            cells += _children(rng, parent, max(first, _next_label(cells, lineage)))
            lineage |= {cell.label: parent.label for cell in cells[-2:]}
        plane, intensity = _drawn(cells, frame, size, texture, contrast)
        seen = ndi.gaussian_filter(0.12 * light + intensity, blur) + rng.normal(0, noise, (size, size))
        frames.append(np.clip(170 * seen, 0, 255).astype(np.uint8))
        labels.append(plane)
        _move(rng, cells, size)
    return Movie(np.stack(frames), np.stack(labels), lineage)


def _next_label(cells: list[Cell], lineage: dict[int, int]) -> int:
    return 1 + max([*(cell.label for cell in cells), *lineage, *lineage.values()])


def _slope(rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    return np.asarray(np.cos(angle) * rows + np.sin(angle) * columns)


def _cell(rng: np.random.Generator, label: int, centre: npt.ArrayLike, velocity: npt.ArrayLike, radius: float) -> Cell:
    return Cell(
        label,
        np.array(centre, float),
        np.array(velocity, float),
        radius * float(np.exp(rng.normal(0, 0.12))),
        float(rng.uniform(0, np.pi)),
        float(np.exp(rng.normal(0, 0.15))),
        float(rng.uniform(0.35, 1)),
        np.stack([rng.normal(0, 0.06, 3), rng.uniform(0, 2 * np.pi, 3)]),
    )


def _cells(rng: np.random.Generator, num_frames: int, size: int, radius: float) -> list[Cell]:
    """Two cells that cross, five or six that stay, two or three of which divide, one or two that enter and that leave."""
    num_staying, num_dividing = int(rng.integers(5, 7)), int(rng.integers(2, 4))
    num_entering, num_leaving = (int(number) for number in rng.integers(1, 3, 2))
    # Crossing: on straight lines that meet in the middle of the movie, at a distance of half a radius.
    meeting, angle = rng.uniform(0.35, 0.65, 2) * size, rng.uniform(0, 2 * np.pi)
    cells = []
    for side in (0, rng.uniform(0.6, 1.0) * np.pi):
        velocity = 0.45 * radius * np.array([np.sin(angle + side), np.cos(angle + side)])
        shift = 0.5 * radius * rng.normal(0, 0.5, 2)
        cells.append(
            replace(_cell(rng, len(cells) + 1, meeting - num_frames / 2 * velocity + shift, velocity, radius), is_free=False)
        )
    for _ in range(num_staying):
        centre = _free_place(rng, cells, size, radius)
        cells.append(_cell(rng, len(cells) + 1, centre, rng.normal(0, 0.08 * radius, 2), radius))
    for cell in cells[2 : 2 + num_dividing]:
        cell.divides_on = int(rng.integers(4, num_frames - 3))
    for index in range(num_entering + num_leaving):
        edge, along = int(rng.integers(4)), rng.uniform(0.15, 0.85) * size
        inward = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)][edge], float)
        on_edge = np.array([(0, along), (size - 1, along), (along, 0), (along, size - 1)][edge])
        speed, crossing = rng.uniform(0.2, 0.4) * radius, rng.uniform(0.3, 0.6) * num_frames
        velocity = inward * speed * (1 if index < num_entering else -1)
        cells.append(replace(_cell(rng, len(cells) + 1, on_edge - crossing * velocity, velocity, radius), is_free=False))
    return cells


def _free_place(rng: np.random.Generator, cells: list[Cell], size: int, radius: float) -> npt.NDArray[np.float64]:
    """Choose of many places the first that is far from all cells, else the farthest."""
    places = rng.uniform(2 * radius, size - 2 * radius, (200, 2))
    distances = np.array([min(np.hypot(*(place - cell.centre)) for cell in cells) for place in places])
    far = np.flatnonzero(distances > 3 * radius)
    return np.asarray(places[far[0] if len(far) else distances.argmax()])


def _children(rng: np.random.Generator, parent: Cell, label: int) -> list[Cell]:
    axis = np.array([np.sin(parent.angle), np.cos(parent.angle)])
    return [
        replace(
            parent,
            label=label + index,
            centre=parent.centre + side * 0.72 * parent.radius * axis,
            parting=side * 0.2 * parent.radius * axis,
            radius=0.74 * parent.radius * float(np.exp(rng.normal(0, 0.04))),
            elongation=1 / 1.25,
            wobble=np.stack([rng.normal(0, 0.04, 3), rng.uniform(0, 2 * np.pi, 3)]),
            divides_on=None,
        )
        for index, side in enumerate((-1, 1))
    ]


def _drawn(
    cells: list[Cell], frame: int, size: int, texture: npt.NDArray[np.float64], contrast: float
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float64]]:
    """Draw labels and intensities; of two cells that overlap the later one lies on top."""
    labels, intensity = np.zeros((size, size), np.uint16), np.zeros((size, size))
    rows, columns = np.mgrid[:size, :size]
    for cell in cells:
        left = np.inf if cell.divides_on is None else cell.divides_on - frame
        condensed = 1 - (left - 1) / CONDENSED_FRAMES if left <= CONDENSED_FRAMES else 0.0
        down, right = rows - cell.centre[0], columns - cell.centre[1]
        along = np.cos(cell.angle) * right + np.sin(cell.angle) * down
        across = np.cos(cell.angle) * down - np.sin(cell.angle) * right
        along, across = along / cell.elongation, across * cell.elongation
        theta = np.arctan2(across, along)
        outline = 1 + sum(a * np.cos(k * theta + phase) for k, (a, phase) in enumerate(cell.wobble.T, start=2))
        inside = np.hypot(along, across) < cell.radius * (1 - 0.12 * condensed) * outline
        if not inside.any():
            continue
        grain = texture[down[inside].astype(int) % 256, (right[inside].astype(int) + 61 * cell.label) % 256]
        labels[inside] = cell.label
        intensity[inside] = cell.brightness * (1 + 0.4 * condensed) * (1 + contrast * grain)
    counts = np.bincount(labels.ravel())
    labels[np.isin(labels, np.flatnonzero(counts < LEAST_AREA_PX))] = 0
    return labels, intensity


def _move(rng: np.random.Generator, cells: list[Cell], size: int) -> None:
    for cell in cells:
        cell.centre = cell.centre + cell.velocity + cell.parting + rng.normal(0, 0.04 * cell.radius, 2)
        cell.parting = 0.5 * cell.parting
        cell.angle += rng.normal(0, 0.06)
        cell.wobble[1] += rng.normal(0, 0.1, 3)
        if cell.is_free:
            others = [other for other in cells if other is not cell]
            for other in others:
                offset = cell.centre - other.centre
                gap = np.hypot(*offset) - 1.02 * (cell.radius + other.radius)
                if gap < 0:  # pushed away, but not at once: cells touch
                    cell.centre = cell.centre - 0.3 * gap * offset / np.hypot(*offset)
            cell.centre = np.clip(cell.centre, 1.2 * cell.radius, size - 1 - 1.2 * cell.radius)
