"""Appearance of synthetic scenes: stains, phase contrast, DIC, organs, membranes, natural images, optics and cameras.

T frames · S side in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from scipy import ndimage as ndi
from skimage import color, data

from napari_sam2.training.scenes import TAU, FloatArray, LabelArray, Plane, Scene, noise_field


@dataclass
class Style:
    """Random parameters of an appearance, constant over a clip."""

    rng: np.random.Generator
    scene: Scene
    texture: FloatArray = field(init=False)
    contrast: float = field(init=False)
    amount: float = field(init=False)
    light: float = field(init=False)
    fill: float = field(init=False)
    wall_width: float = field(init=False)
    part_levels: FloatArray = field(init=False)
    half_planes: npt.NDArray[np.float64] = field(init=False)
    field_noise: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.texture = noise_field(self.rng, 256, float(np.exp(self.rng.uniform(np.log(0.8), np.log(8)))))
        self.contrast = float(self.rng.uniform(0.25, 1.0))
        self.amount = float(self.rng.uniform(0.0, 0.35))
        self.light = float(self.rng.uniform(0, TAU))
        self.fill = float(self.rng.uniform(0.0, 0.4))
        # In an enlarged window a wall is as wide as the blur of the microscope.
        self.wall_width = float(np.exp(self.rng.uniform(np.log(0.07), np.log(0.65))))
        self.part_levels = self.rng.choice([0.0, self.rng.uniform(0.1, 0.5)]) * self.rng.normal(0, 1, 7).astype(np.float32)
        self.half_planes = np.stack([self.rng.uniform(0, TAU, 5), self.rng.uniform(-0.5, 0.5, 5)], axis=1)
        self.field_noise = noise_field(self.rng, 256, float(np.exp(self.rng.uniform(np.log(8), np.log(80)))))

    def sample_texture(self, plane: Plane) -> FloatArray:
        """Texture attached to the objects, which moves with them, (S, S)."""
        seed = plane.labels.astype(np.int64) * 37
        sampled: FloatArray = self.texture[(plane.v.astype(np.int64) + seed) % 256, (plane.u.astype(np.int64) + 2 * seed) % 256]
        return sampled

    def static_texture(self, size: int) -> FloatArray:
        """Texture of the background, which does not move, (size, size)."""
        repeats = -(-size // 256)
        return np.tile(self.texture, (repeats, repeats))[:size, :size]

    def edges(self, size: int) -> FloatArray:
        """Straight edges of walls and roads, (size, size), about -1 .. 1."""
        rows, columns = np.indices((size, size), np.float32) / size - 0.5
        steps = [np.sign(np.cos(angle) * columns + np.sin(angle) * rows - offset) for angle, offset in self.half_planes]
        return np.asarray(np.mean(steps, axis=0), np.float32)

    def illumination_noise(self, size: int) -> FloatArray:
        """Slow variation over the field of view, which does not move, (size, size)."""
        repeats = -(-size // 256)
        return np.tile(self.field_noise, (repeats, repeats))[:size, :size]

    @cached_property
    def photographs(self) -> tuple[FloatArray, FloatArray] | None:
        """Photographs of objects and background, (256, 256) each; None where both are drawn."""
        if self.rng.random() < 0.5:
            return None
        return draw_photograph(self.rng), draw_photograph(self.rng)

    @cached_property
    def pan_px(self) -> npt.NDArray[np.float64]:
        """Camera motion per frame, rows and columns, in pixels of the background."""
        return self.rng.normal(0, self.rng.choice([0.0, 2.0, 6.0]), 2)

    def panned_background(self, background: FloatArray, frame: int) -> FloatArray:
        """The background, (S, S), shifted by the camera motion up to a frame; beyond its borders it is mirrored."""
        size = len(background)
        rows, columns = (np.abs((np.arange(size) + round(shift)) % (2 * size - 2) - (size - 1)) for shift in frame * self.pan_px)
        panned: FloatArray = background[rows[:, None], columns]
        return panned

    def photograph_on_objects(self, plane: Plane, photograph: FloatArray) -> FloatArray:
        """A photograph attached to the objects, each with a part of its own that moves with it, (S, S)."""
        pixels_per_px = (0.2 + self.fill) * 160 / self.scene.radius_px
        shift = plane.labels.astype(np.int64) * 89
        rows, columns = ((offset * pixels_per_px).astype(np.int64) + shift for offset in (plane.v, plane.u))
        # Mirrored at its borders, the photograph has no seams.
        sampled: FloatArray = photograph[np.abs(rows % 510 - 255), np.abs(columns % 510 - 255)]
        return sampled


PHOTOGRAPHS = ("astronaut", "brick", "camera", "chelsea", "coffee", "grass", "gravel", "rocket")
"""Photographs in the public domain, bundled with scikit-image."""


@cache
def _read_photograph(name: str) -> FloatArray:
    pixels = getattr(data, name)()
    return np.asarray(color.rgb2gray(pixels) if pixels.ndim == 3 else pixels / 255, np.float32)


def draw_photograph(rng: np.random.Generator) -> FloatArray:
    """Crop a photograph at random, rotate or flip it, and change its contrast; (256, 256), 0 to 1."""
    whole = _read_photograph(PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))])
    side = int(min(whole.shape) * np.exp(rng.uniform(np.log(0.25), 0)))
    top, left = (int(rng.integers(0, length - side + 1)) for length in whole.shape)
    part = np.rot90(whole[top : top + side, left : left + side], int(rng.integers(4)))
    part = _resized(part[:, ::-1] if rng.random() < 0.5 else part, 256, "bilinear")
    level, contrast = rng.uniform(0.3, 0.7), rng.uniform(0.5, 1.2)
    drawn: FloatArray = np.clip(level + contrast * (part - part.mean()), 0, 1).astype(np.float32)
    return drawn


def filled(plane: Plane, style: Style) -> FloatArray:
    """Stained bodies, flat or domed."""
    inside = plane.labels > 0
    dome = 1 - style.contrast * 0.5 * np.minimum(plane.rho, 1) ** 2
    return plane.brightness[plane.labels] * (dome + style.amount * style.sample_texture(plane)) * inside


def rings(plane: Plane, style: Style) -> FloatArray:
    """Stained outlines."""
    width = max(0.08, 1.5 / style.scene.radius_px)
    rim = np.exp(-(((plane.rho - 0.95) / width) ** 2))
    body = (0.1 + 0.3 * style.amount) * (plane.labels > 0)
    ring: FloatArray = plane.brightness[plane.labels] * rim + body + 0.15 * style.amount * style.sample_texture(plane)
    return ring


def walls(plane: Plane, style: Style) -> FloatArray:
    """Walls shared by neighbours, bright, over faint contents."""
    width = max(style.wall_width, 2.0 / style.scene.radius_px)
    wall = np.exp(-((plane.gap / width) ** 2)) * np.clip(1 + 0.35 * style.illumination_noise(plane.labels.shape[0]), 0.2, None)
    contents = 0.15 * style.amount * style.sample_texture(plane) + style.fill * plane.brightness[plane.labels]
    return (wall + contents).astype(np.float32)


def phase(plane: Plane, style: Style) -> FloatArray:
    """Phase contrast: grainy grey bodies in a bright halo."""
    inside = (plane.labels > 0).astype(np.float32)
    edge = max(1.0, 0.05 * style.scene.radius_px)
    halo = ndi.gaussian_filter(inside, 2.5 * edge) - ndi.gaussian_filter(inside, 0.4 * edge)
    grain = (0.1 + 0.5 * style.amount) * style.sample_texture(plane) * inside
    thick = np.clip(1 - plane.rho, 0, 1) * inside * np.float32(np.sin(style.light))
    # Dividing cells round up and are bright.
    glow = 0.6 * plane.condensation[plane.labels] * np.clip(1 - plane.rho**2, 0, 1) * inside
    image: FloatArray = 0.5 + style.contrast * (halo + glow - 0.1 * inside) + grain * 0.5 + 0.3 * thick
    return image


def dic(plane: Plane, style: Style) -> FloatArray:
    """Differential interference contrast: bodies lit from one side."""
    height = np.sqrt(np.clip(1 - plane.rho**2, 0, 1)) * (plane.labels > 0) * (1 + 0.4 * style.amount * style.sample_texture(plane))
    height = ndi.gaussian_filter(height * style.scene.radius_px, 1.0)
    dy, dx = np.gradient(height)
    shaded: FloatArray = 0.5 + 0.3 * style.contrast * (np.cos(style.light) * dx + np.sin(style.light) * dy).astype(np.float32)
    return shaded


def regions(plane: Plane, style: Style) -> FloatArray:
    """Organs: nearly flat grey values, lighter or darker than their surroundings."""
    level = 0.25 + 0.75 * plane.brightness[plane.labels]
    image: FloatArray = np.where(plane.labels > 0, level, 0.5 * style.contrast) + 0.1 * style.amount * style.sample_texture(plane)
    return image.astype(np.float32)


def textured(plane: Plane, style: Style) -> FloatArray:
    """Objects that differ from the background in texture alone."""
    pattern = style.sample_texture(plane)
    image = np.where(plane.labels > 0, 0.5 + 0.35 * pattern, 0.45 + 0.05 * pattern) * (0.6 + 0.4 * style.contrast)
    return np.asarray(image, np.float32)


def membranes(plane: Plane, style: Style) -> FloatArray:
    """Electron microscopy: dark outlines on grainy grey."""
    width = max(0.08, 1.5 / style.scene.radius_px)
    dark = np.exp(-((plane.gap / width) ** 2)) + np.exp(-(((plane.rho - 1) / width) ** 2))
    level = 0.7 - 0.35 * style.contrast * (plane.brightness[plane.labels] > 0.7)
    return (level - 0.5 * np.minimum(dark, 1) + 0.12 * style.sample_texture(plane)).astype(np.float32)


def natural(plane: Plane, style: Style) -> FloatArray:
    """Natural images: objects with parts, striped, spotted or plain, on a cluttered background, or both from photographs."""
    size = plane.labels.shape[0]
    shade = 1 - 0.3 * style.contrast * np.clip(plane.rho, 0, 1) ** 4
    if style.photographs is not None:
        on_objects, background = style.photographs
        body = style.photograph_on_objects(plane, on_objects) + 0.4 * (plane.brightness[plane.labels] - 0.6)
        background = style.panned_background(_resized(background, size, "bilinear"), plane.frame)
        return np.where(plane.labels > 0, body * shade, background).astype(np.float32)
    clutter = 0.5 + 0.18 * style.illumination_noise(size) + 0.12 * style.static_texture(size) + 0.5 * style.edges(size)
    turn = plane.labels * np.float32(0.7) + np.float32(style.light)
    along = np.cos(turn) * plane.u + np.sin(turn) * plane.v
    waves = np.sin(along * np.float32(4.0 / style.scene.radius_px * (1 + 3 * style.fill)))
    # Parts, such as the windows and wheels of a car: flat, each with its own brightness.
    across = np.cos(turn) * plane.v - np.sin(turn) * plane.u
    cells = (along * 2 // style.scene.radius_px).astype(np.int64) * 5 + (across * 2 // style.scene.radius_px).astype(np.int64) * 3
    parts = style.part_levels[(cells + plane.labels) % len(style.part_levels)]
    level = 0.15 + 0.8 * plane.brightness[plane.labels]
    body = level + 0.3 * style.amount * style.sample_texture(plane) + style.contrast * (0.35 * style.fill * waves + parts)
    return np.where(plane.labels > 0, body * shade, style.panned_background(clutter, plane.frame)).astype(np.float32)


Appearance = Callable[[Plane, Style], FloatArray]
FREE_APPEARANCES: tuple[Appearance, ...] = (
    filled,
    filled,
    filled,
    rings,
    phase,
    phase,
    dic,
    regions,
    regions,
    natural,
    natural,
    natural,
    natural,
    textured,
    membranes,
)
SLICED_APPEARANCES: tuple[Appearance, ...] = (filled, filled, filled, rings, regions, regions, membranes)
"""For optical or physical sections; phase contrast, DIC and photographs show whole bodies."""
TISSUE_APPEARANCES: tuple[Appearance, ...] = (walls, walls, walls, membranes, regions)


WITH_GLOW: tuple[Appearance, ...] = (filled, textured, regions)
"""Appearances without an outline, on which annotators may draw around the glow."""
WITH_NUCLEI: tuple[Appearance, ...] = (filled, phase, rings, regions)
"""Appearances on which nuclei may be added."""


def add_nuclei(rng: np.random.Generator, scene: Scene, frames: list[FloatArray]) -> list[LabelArray]:
    """Add a nucleus to each body, in place, and return its labels."""
    share, level = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.6) * rng.choice([-1, 1])
    labels = []
    for plane, frame in zip(scene.planes, frames, strict=True):
        inside = (plane.rho < share) & (plane.labels > 0)
        frame += np.float32(level) * ndi.gaussian_filter(inside.astype(np.float32), 0.7)
        labels.append((plane.labels * inside).astype(np.uint16))
    return labels


def blur_along_z(frames: list[FloatArray], sigma_frames: float, spread_px: float = 0.0) -> list[FloatArray]:
    """Blur slices along the optical axis, as every microscope does: a body is visible, dimmed, in slices above and below it.

    Parameters
    ----------
    frames : list of ndarray
        (S, S) each.
    sigma_frames : float
        Standard deviation of the blur, in slices.
    spread_px : float
        Standard deviation of the lateral blur, per slice of distance from the focus.

    Returns
    -------
    list of ndarray
        The blurred slices, as many.
    """
    stack = np.stack(frames)
    if spread_px == 0:
        return list(ndi.gaussian_filter1d(stack, sigma_frames, axis=0, mode="nearest"))
    reach = math.ceil(3 * sigma_frames)
    away = np.abs(np.arange(-reach, reach + 1))
    weights = np.exp(-0.5 * (away / sigma_frames) ** 2)
    weights /= weights.sum()
    blurred = np.zeros_like(stack)
    # Slices at similar distances are blurred together.
    for nearest, farthest in ((0, 1), (1, 3), (3, 6), (6, 99)):
        share = np.where((away >= nearest) & (away < farthest), weights, 0)
        if share.any():
            sigma_px = spread_px * float((share * away).sum() / share.sum())
            sideways = ndi.gaussian_filter(stack, (0, sigma_px, sigma_px))
            blurred += ndi.convolve1d(sideways, share, axis=0, mode="nearest")
    return list(blurred)


def expose_scene(rng: np.random.Generator, frames: list[FloatArray], object_radius_px: float) -> npt.NDArray[np.uint8]:
    """Simulate blur, uneven illumination, bleaching, coarse sampling and noise; map to 8 bit once for the whole clip; (T, S, S)."""
    stack = np.stack(frames)
    size = stack.shape[-1]
    stack = (stack - stack.min()) / (np.ptp(stack) + 1e-6)
    # Small objects are enlarged by the zoom, which makes pixels and noise coarse.
    coarseness = float(np.exp(rng.uniform(0, np.log(max(1.0, min(6.0, object_radius_px / 3.5)))))) if rng.random() < 0.7 else 1.0
    blur = float(np.exp(rng.uniform(np.log(0.3), np.log(1.2)))) * coarseness + float(rng.choice([0.0, rng.uniform(0, 1.5)]))
    uneven = noise_field(rng, size, size / 3) * rng.uniform(0, 0.08)
    background = rng.uniform(0, 0.4)
    haze = rng.uniform(0, 0.3)
    bleaching = rng.uniform(0, 0.04)
    photons = float(np.exp(rng.uniform(np.log(25), np.log(4000))))
    read_noise = rng.uniform(0, 0.04)
    exposed = []
    for index, frame in enumerate(stack):
        light = ndi.gaussian_filter(frame, blur)
        if haze > 0.1:
            light = (1 - haze) * light + haze * ndi.gaussian_filter(light[::4, ::4], size / 60).repeat(4, 0).repeat(4, 1)[
                :size, :size
            ]
        light = np.clip((light + uneven + background) * (1 - bleaching) ** index, 0, None)
        light = _resized(light, round(size / coarseness), "area")
        noisy = rng.normal(light, np.sqrt(light / photons)).astype(np.float32)
        exposed.append(_resized(noisy + rng.normal(0, read_noise, light.shape).astype(np.float32), size, "bilinear"))
    stack = np.stack(exposed).astype(np.float32)
    # Users who adjust the contrast to dim objects saturate the bright ones.
    white_percentile = rng.uniform(98.5, 100) if rng.random() < 0.8 else rng.uniform(90, 98.5)
    low, high = np.percentile(stack[:, ::3, ::3], [rng.uniform(0, 1), white_percentile])
    stack = (np.clip((stack - low) / (high - low + 1e-6), 0, 1) ** np.exp(rng.normal(0, 0.3))).astype(np.float32)
    stack = stack * np.float32(rng.uniform(0.6, 1.0)) if rng.random() < 0.3 else stack
    if rng.random() < 0.15:
        stack = 1 - stack
    return np.asarray(255 * stack, np.uint8)


def tint(rng: np.random.Generator, frames: npt.NDArray[np.uint8], labels: LabelArray) -> npt.NDArray[np.uint8]:
    """Colour grey frames (T, S, S), each object and the background in its own tone; (T, S, S, 3)."""
    tones = np.clip(1 + rng.normal(0, 0.2, (int(labels.max()) + 1, 3)), 0.2, 1.6).astype(np.float32)
    tones[0] = 1 + (tones[0] - 1) / 3
    return np.clip(frames[..., None] * tones[labels], 0, 255).astype(np.uint8)


def _resized(image: FloatArray, size: int, mode: str) -> FloatArray:
    if image.shape[-1] == size:
        return image
    resized: FloatArray = F.interpolate(
        torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None], (size, size), mode=mode
    )[0, 0].numpy()
    return resized
