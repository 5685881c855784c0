"""Geometry of synthetic scenes: cells, organs and tissue that move, deform, touch, divide, leave and disappear.

T frames · S side in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.uint16]

TAU = 2 * np.pi


@dataclass(frozen=True)
class Mitosis:
    """Parameters of divisions: condensed objects are smaller, rounder or bar-shaped, and brighter."""

    shrinkage: float
    """Share by which the radius shrinks."""
    flattening: float
    """Flattening of the children across the axis of the division, as a share of their length."""
    brightening: float
    relaxation_frames: float
    parting: float
    """Distance that each child moves away from its sibling on the first frame, in radii of the parent; it halves per frame."""
    spin: float
    """Standard deviation of the angle by which a child rotates on the first frame; it halves per frame."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Mitosis:
        """Draw the parameters for all objects of a scene."""
        return cls(
            shrinkage=rng.uniform(0, 0.4),
            flattening=rng.uniform(0, 0.8),
            brightening=rng.uniform(0, 2),
            relaxation_frames=float(np.exp(rng.uniform(0, np.log(8)))),
            parting=float(np.exp(rng.uniform(np.log(0.05), np.log(0.7)))),
            spin=rng.uniform(0, 0.6),
        )


@dataclass
class Blob:
    """One object: a wobbling ellipse whose outline is a Fourier series of the angle."""

    centre: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]
    radius_px: float
    elongation: float
    angle: float
    spin: float
    amplitudes: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]
    phase_rates: npt.NDArray[np.float64]
    growth: float
    brightness: float
    arms: npt.NDArray[np.float64]
    """(A, 3): angle, length in radii and sharpness of cell processes."""
    first_frame: int = 0
    last_frame: int = 10_000
    section: tuple[float, float] | None = None
    """Depth of the centre and half height in frames, for a body seen in sections."""
    fading: float = 0.0
    """Share of its brightness that a sectioned body loses towards its ends."""
    mitosis: Mitosis | None = None
    born_frame: float = -np.inf
    divides: bool = False
    parting_velocity: npt.NDArray[np.float64] | None = None
    """Velocity away from the sibling, in pixels per frame."""
    parting_spin: float = 0.0

    def radius_at(self, frame: int) -> float:
        """Radius in pixels on a frame, 0 where the object is absent."""
        if not self.first_frame <= frame <= self.last_frame:
            return 0.0
        if self.section is None:
            shrinkage = 0.0 if self.mitosis is None else self.mitosis.shrinkage
            return self.radius_px * (1 - shrinkage * self.condensation_at(frame))
        depth, half_height = self.section
        return self.radius_px * float(np.sqrt(max(0.0, 1 - ((frame - depth) / half_height) ** 2)))

    def elongation_at(self, frame: int) -> float:
        """Elongation on a frame: a newborn child is a bar across the axis of the division."""
        if self.mitosis is None or self.born_frame == -np.inf:
            return self.elongation
        return self.elongation * (1 + self.mitosis.flattening * self.condensation_at(frame))

    def brightness_at(self, frame: int) -> float:
        """Brightness on a frame."""
        brightening = 0.0 if self.mitosis is None else self.mitosis.brightening
        brightness = self.brightness * (1 + brightening * self.condensation_at(frame))
        if self.section is not None:
            depth, half_height = self.section
            brightness *= 1 - self.fading * min(1.0, ((frame - depth) / half_height) ** 2)
        return brightness

    def condensation_at(self, frame: int) -> float:
        """Condensation of the object before and after a division: 1 at the division, 0 long before and after."""
        if self.mitosis is None or not self.first_frame <= frame <= self.last_frame:
            return 0.0
        since, until = frame - self.born_frame, self.last_frame + 1 - frame if self.divides else np.inf
        return float(max(np.exp(-since / self.mitosis.relaxation_frames), np.exp(-until / 1.5)))

    def step(self, rng: np.random.Generator, jitter_px: float) -> None:
        """Advance by one frame."""
        self.centre = self.centre + self.velocity + rng.normal(0, jitter_px, 2)
        self.angle += self.spin
        if self.parting_velocity is not None:
            self.centre, self.angle = self.centre + self.parting_velocity, self.angle + self.parting_spin
            self.parting_velocity, self.parting_spin = 0.5 * self.parting_velocity, 0.5 * self.parting_spin
        self.phases = self.phases + self.phase_rates
        self.radius_px *= 1 + self.growth

    def divide(self, frame: int, rng: np.random.Generator) -> tuple[Blob, Blob]:
        """End before ``frame``; return the two children that begin there, side by side."""
        self.last_frame, self.divides = frame - 1, True
        axis = np.array([np.sin(self.angle), np.cos(self.angle)])
        parting, spin = (0.1, 0.0) if self.mitosis is None else (self.mitosis.parting, self.mitosis.spin)

        def child(side: int) -> Blob:
            offset = side * self.radius_px * axis
            return replace(
                self,
                centre=self.centre + 0.7 * offset,
                velocity=self.velocity + 0.03 * offset,
                parting_velocity=parting * offset,
                parting_spin=float(rng.normal(0, spin)),
                radius_px=0.75 * self.radius_px,
                phases=rng.uniform(0, TAU, len(self.phases)),
                first_frame=frame,
                last_frame=10_000,
                born_frame=frame,
                divides=False,
            )

        return child(-1), child(1)


@dataclass
class Plane:
    """One drawn frame of a scene; all maps are (S, S)."""

    labels: LabelArray
    rho: FloatArray
    """0 at the centre of an object, 1 at its outline, above 1 outside."""
    gap: FloatArray
    """Difference of ``rho`` between the second nearest and the nearest object: 0 on the wall between two."""
    u: FloatArray
    v: FloatArray
    """Pixel offsets from the object's centre, for textures that move with it."""
    brightness: FloatArray
    """Brightness of each label."""
    condensation: FloatArray
    """Condensation of each label, 0 to 1; see :meth:`Blob.condensation_at`."""
    frame: int
    """Frame number."""


@dataclass
class Scene:
    """All frames, and the typical object radius."""

    planes: list[Plane]
    radius_px: float


def _make_blob(rng: np.random.Generator, size: int, radius_px: float, motion: float, irregularity: float) -> Blob:
    harmonics = int(rng.integers(2, 7))
    return Blob(
        centre=rng.uniform(-0.02 * size, 1.02 * size, 2),
        velocity=rng.normal(0, motion * radius_px, 2),
        radius_px=radius_px * float(np.exp(rng.normal(0, 0.22))),
        elongation=float(np.exp(rng.normal(0, 0.22))),
        angle=float(rng.uniform(0, TAU)),
        spin=float(rng.normal(0, 0.08)),
        amplitudes=rng.normal(0, irregularity, harmonics) / np.arange(1, harmonics + 1),
        phases=rng.uniform(0, TAU, harmonics),
        phase_rates=rng.normal(0, 0.15, harmonics),
        growth=float(rng.normal(0, 0.015)),
        brightness=float(rng.uniform(0.25, 1.0)),
        arms=np.empty((0, 3)),
    )


def _divide_some(blobs: list[Blob], rng: np.random.Generator) -> None:
    """Replace some objects by two children that were born just before the first frame."""
    for parent in blobs[: int(rng.integers(1, 1 + max(1, len(blobs) // 3)))]:
        children = parent.divide(0, rng)
        age = int(rng.integers(0, 3))
        for child in children:
            child.born_frame = -age
            for _ in range(age):
                child.step(rng, jitter_px=0)
                child.centre = child.centre - parent.velocity
        blobs += children


def _draw(blobs: list[Blob], frame: int, size: int, overlap: bool, fill_plane: bool, warp: FloatArray) -> Plane:
    """Rasterise a frame.

    Where objects meet, a pixel belongs to the one with the smaller ``rho``, as between cells that touch; with ``overlap`` the
    later one lies on top. With ``fill_plane`` every pixel belongs to its nearest object. ``warp``, (2, S, S), bends the plane,
    so that outlines need not be star-shaped.
    """
    labels = np.zeros((size, size), np.uint16)
    rho = np.full((size, size), 9.0, np.float32)
    second = np.full((size, size), 9.0, np.float32)
    u, v = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for label, blob in enumerate(blobs, start=1):
        radius = blob.radius_at(frame)
        if radius < 1.5:
            continue
        elongation, irregularity = np.float32(blob.elongation_at(frame)), np.float32(1 - 0.8 * blob.condensation_at(frame))
        reach = radius * (6.0 if fill_plane else 3.4)
        y0, x0 = (max(0, int(c - reach)) for c in blob.centre)
        y1, x1 = (min(size, int(c + reach) + 1) for c in blob.centre)
        if y1 <= y0 or x1 <= x0:
            continue
        window = np.s_[y0:y1, x0:x1]
        dy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(blob.centre[0]) + warp[0][window]
        dx = np.arange(x0, x1, dtype=np.float32)[None, :] - np.float32(blob.centre[1]) + warp[1][window]
        along = np.float32(np.cos(blob.angle)) * dx + np.float32(np.sin(blob.angle)) * dy
        across = np.float32(np.cos(blob.angle)) * dy - np.float32(np.sin(blob.angle)) * dx
        along, across = along * elongation, across / elongation
        theta = np.arctan2(across, along)
        outline = np.ones_like(theta)
        for order, (amplitude, phase) in enumerate(zip(blob.amplitudes, blob.phases, strict=True), start=2):
            outline += irregularity * np.float32(amplitude) * np.cos(order * theta + np.float32(phase))
        for angle, length, sharpness in blob.arms:
            outline += np.float32(length) * np.exp(np.float32(sharpness) * (np.cos(theta - np.float32(angle)) - 1))
        own = np.hypot(along, across) / (np.float32(radius) * np.maximum(outline, 0.25))
        nearer = (own < 1) if overlap else (own < rho[window])
        second[window] = np.where(nearer, rho[window], np.minimum(second[window], own))
        rho[window] = np.where(nearer, own, rho[window])
        u[window] = np.where(nearer, dx, u[window])
        v[window] = np.where(nearer, dy, v[window])
        inside = nearer if fill_plane else nearer & (own < 1)
        labels[window][inside] = label
        if not fill_plane:
            labels[window][nearer & (own >= 1)] = 0
    # The background does not move, and has no walls.
    outside = labels == 0
    rows, columns = np.indices((size, size), np.float32)
    u, v = np.where(outside, columns, u), np.where(outside, rows, v)
    brightness = np.array([0.0, *(blob.brightness_at(frame) for blob in blobs)], np.float32)
    condensation = np.array([0.0, *(blob.condensation_at(frame) for blob in blobs)], np.float32)
    return Plane(labels, rho, np.where(outside, np.float32(9.0), second - rho), u, v, brightness, condensation, frame)


def make_scene(rng: np.random.Generator, num_frames: int, size: int, tissue: bool, sliced: bool, large: bool = False) -> Scene:
    """Draw the geometry of a scene.

    Parameters
    ----------
    rng : Generator
        Source of all random numbers.
    num_frames, size : int
        Length T and side S.
    tissue : bool
        Whether objects fill the plane and share walls.
    sliced : bool
        Whether frames are slices through bodies instead of time points.
    large : bool
        Whether to draw a few large objects, none of which divides.

    Returns
    -------
    Scene
    """
    # A prompt is also segmented in wide windows, where its object is small; during tracking the zoom fits the object.
    smallest = 0.08 if large else 0.05 if num_frames > 1 else 0.02
    radius = float(size * np.exp(rng.uniform(np.log(smallest), np.log(0.28))))
    crowding = rng.uniform(0.08, 0.3 if large else 0.75)
    count = int(np.clip((1.4 if tissue else crowding) * size**2 / (np.pi * radius**2), 1, 90))
    motion = 0.0 if sliced else float(rng.choice([0.0, 0.05, 0.12, 0.3, 0.5]))
    irregularity = float(rng.choice([0.03, 0.05, 0.1, 0.2, 0.35]))
    blobs = [_make_blob(rng, size, radius, motion, irregularity) for _ in range(count)]
    if not tissue and rng.random() < 0.15:
        for blob in blobs:
            blob.arms = _make_arms(rng)
    if rng.random() < 0.3:
        level = float(rng.uniform(0.4, 1.0))
        for blob in blobs:
            blob.brightness = level
    if tissue or rng.random() < 0.6:
        _spread(blobs, radius, rounds=2)
    if sliced:
        tilt = float(rng.choice([0.0, 0.3, 0.7]))
        fading = float(rng.choice([0.0, rng.uniform(0, 0.95)]))
        for blob in blobs:
            # Many bodies end within the clip, so that the model is trained to end their masks.
            half_height = float(num_frames * np.exp(rng.uniform(np.log(0.15), np.log(1.3))))
            blob.section = (float(rng.uniform(-0.3, 1.3) * num_frames), half_height)
            blob.fading = fading
            # Few bodies are upright: their sections shift from slice to slice.
            blob.velocity = rng.normal(0, tilt * radius / max(half_height, 1.0), 2)
            blob.centre = blob.centre - blob.velocity * num_frames / 2
    elif not tissue and not large and rng.random() < 0.5:
        mitosis = Mitosis.draw(rng)
        for blob in blobs:
            blob.mitosis = mitosis
        if rng.random() < 0.75:
            _divide_some(blobs, rng)
    overlap = not tissue and rng.random() < 0.25
    drift = rng.normal(0, 0.01 * size, 2) if rng.random() < 0.3 else np.zeros(2)
    fate = float(rng.choice([0.0, 0.05, 0.2]))
    warp = np.zeros((2, size, size), np.float32)
    if rng.random() < 0.4:
        bend = rng.uniform(0.05, 0.35) * radius
        warp = np.stack([noise_field(rng, size, rng.uniform(0.8, 2.5) * radius) * np.float32(bend) for _ in range(2)])
    tissue_edge = _make_tissue_edge(rng, size, radius) if tissue and rng.random() < 0.65 else None

    planes = []
    for frame in range(num_frames):
        if frame and not sliced and not tissue:
            for blob in [blob for blob in blobs if blob.last_frame >= frame and rng.random() < fate]:
                if rng.random() < 0.4 and len(blobs) < 90 and not large:
                    blobs += blob.divide(frame, rng)
                else:
                    blob.last_frame = frame - 1
        plane = _draw(blobs, frame, size, overlap, tissue, warp)
        planes.append(plane if tissue_edge is None else _within(plane, tissue_edge))
        for blob in blobs:
            blob.step(rng, jitter_px=0.2 * motion * radius)
            blob.centre = blob.centre + drift
    return Scene(planes, radius)


def _make_arms(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    count = int(rng.integers(1, 6))
    return np.stack([rng.uniform(0, TAU, count), rng.uniform(0.5, 2.0, count), rng.uniform(8, 60, count)], axis=1)


def _make_tissue_edge(rng: np.random.Generator, size: int, radius: float) -> FloatArray:
    """Depth of each pixel inside a tissue, in object radii; negative outside; (S, S)."""
    rows, columns = np.indices((size, size), np.float32)
    centre = rng.uniform(0.2, 0.8, 2) * size
    dy, dx = rows - np.float32(centre[0]), (columns - np.float32(centre[1])) * np.float32(np.exp(rng.normal(0, 0.3)))
    theta = np.arctan2(dy, dx)
    outline = np.full_like(theta, size * rng.uniform(0.3, 0.6))
    for order in range(2, 5):
        outline *= 1 + np.float32(rng.normal(0, 0.12)) * np.cos(order * theta + np.float32(rng.uniform(0, TAU)))
    depth: FloatArray = ((outline - np.hypot(dy, dx)) / np.float32(radius)).astype(np.float32)
    return depth


def _within(plane: Plane, depth: FloatArray) -> Plane:
    """Crop a tissue at its edge, and add a wall there."""
    outside = depth < 0
    labels = np.where(outside, np.uint16(0), plane.labels)
    gap = np.where(outside, np.abs(depth), np.minimum(plane.gap, np.abs(depth))).astype(np.float32)
    return replace(plane, labels=labels, rho=np.where(outside, np.float32(9), plane.rho), gap=gap)


def noise_field(rng: np.random.Generator, size: int, scale_px: float) -> FloatArray:
    """Smooth noise of zero mean and unit deviation, periodic, (size, size)."""
    coarse = max(4, round(size / max(scale_px, 1.0)))
    noise = rng.standard_normal((coarse, coarse), dtype=np.float32)
    noise = ndi.zoom(noise, size / coarse, order=1, mode="grid-wrap", grid_mode=True)[:size, :size]
    noise = ndi.gaussian_filter(noise, 0.4 * scale_px, mode="wrap")
    normalised: FloatArray = ((noise - noise.mean()) / (noise.std() + 1e-6)).astype(np.float32)
    return normalised


def _spread(blobs: list[Blob], radius: float, rounds: int) -> None:
    """Move centres apart that are closer than about one and a half radii."""
    for _ in range(rounds):
        centres = np.array([blob.centre for blob in blobs])
        offset = centres[:, None] - centres[None]
        distance = np.hypot(offset[..., 0], offset[..., 1]) + 1e-3
        push = np.clip(1.6 * radius - distance, 0, None) / distance * 0.5
        np.fill_diagonal(push, 0)
        for blob, shift in zip(blobs, (push[..., None] * offset).sum(1), strict=True):
            blob.centre = blob.centre + np.clip(shift, -radius, radius)
