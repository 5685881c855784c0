"""Synthetic clips: cells, organs and tissue that move, deform, touch, divide, vanish, as several microscopes would see them.

A clip is drawn in two steps: a *scene* says where every object is on every frame, a *look* says what that looks like.
T frames · S side in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.training.clips import Clip

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.uint16]

TAU = 2 * np.pi


# --- the scene: where every object is ----------------------------------------------------------------------------


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
    first_frame: int = 0
    last_frame: int = 10_000
    section: tuple[float, float] | None = None
    """Depth of the centre and half height in frames, for a body that is cut into slices."""

    def radius_at(self, frame: int) -> float:
        """Radius in pixels on a frame, 0 where the object is not."""
        if not self.first_frame <= frame <= self.last_frame:
            return 0.0
        if self.section is None:
            return self.radius_px
        depth, half_height = self.section
        return self.radius_px * float(np.sqrt(max(0.0, 1 - ((frame - depth) / half_height) ** 2)))

    def step(self, rng: np.random.Generator, jitter_px: float) -> None:
        """Move on by one frame."""
        self.centre = self.centre + self.velocity + rng.normal(0, jitter_px, 2)
        self.angle += self.spin
        self.phases = self.phases + self.phase_rates
        self.radius_px *= 1 + self.growth


@dataclass
class Plane:
    """One drawn frame of a scene; all maps are (S, S)."""

    labels: LabelArray
    rho: FloatArray
    """0 at the centre of an object, 1 at its outline, above 1 outside."""
    gap: FloatArray
    """How much farther the second nearest object is than the nearest, in ``rho``: 0 on the wall between two."""
    u: FloatArray
    v: FloatArray
    """Pixel offsets from the object's centre, for textures that move with it."""


@dataclass
class Scene:
    """All frames, and one brightness per label."""

    planes: list[Plane]
    brightness: FloatArray
    size_px: float


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
        brightness=float(rng.uniform(0.35, 1.0)),
    )


def _divide(mother: Blob, frame: int, rng: np.random.Generator) -> list[Blob]:
    """End ``mother`` before ``frame`` and begin two daughters beside each other."""
    mother.last_frame = frame - 1
    axis = np.array([np.sin(mother.angle), np.cos(mother.angle)])
    daughters = []
    for side in (-1, 1):
        offset = side * 0.7 * mother.radius_px * axis
        daughters.append(
            replace(
                mother,
                centre=mother.centre + offset,
                velocity=mother.velocity + 0.15 * offset,
                radius_px=0.75 * mother.radius_px,
                phases=rng.uniform(0, TAU, len(mother.phases)),
                first_frame=frame,
                last_frame=10_000,
            )
        )
    return daughters


def _draw(blobs: list[Blob], frame: int, size: int, overlap: bool, fill_plane: bool) -> Plane:
    """Rasterise a frame.

    Where objects meet, the one whose ``rho`` is smaller wins, as cells do that press on each other; with ``overlap`` the later
    one lies on top. With ``fill_plane`` every pixel belongs to its nearest object.
    """
    labels = np.zeros((size, size), np.uint16)
    rho = np.full((size, size), 9.0, np.float32)
    second = np.full((size, size), 9.0, np.float32)
    u, v = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    for label, blob in enumerate(blobs, start=1):
        radius = blob.radius_at(frame)
        if radius < 1.5:
            continue
        reach = radius * (6.0 if fill_plane else 2.6)
        y0, x0 = (max(0, int(c - reach)) for c in blob.centre)
        y1, x1 = (min(size, int(c + reach) + 1) for c in blob.centre)
        if y1 <= y0 or x1 <= x0:
            continue
        window = np.s_[y0:y1, x0:x1]
        dy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(blob.centre[0])
        dx = np.arange(x0, x1, dtype=np.float32)[None, :] - np.float32(blob.centre[1])
        along = np.float32(np.cos(blob.angle)) * dx + np.float32(np.sin(blob.angle)) * dy
        across = np.float32(np.cos(blob.angle)) * dy - np.float32(np.sin(blob.angle)) * dx
        along, across = along * np.float32(blob.elongation), across / np.float32(blob.elongation)
        theta = np.arctan2(across, along)
        outline = np.ones_like(theta)
        for order, (amplitude, phase) in enumerate(zip(blob.amplitudes, blob.phases, strict=True), start=2):
            outline += np.float32(amplitude) * np.cos(order * theta + np.float32(phase))
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
    # Outside all objects nothing moves, and there is no wall.
    outside = labels == 0
    rows, columns = np.indices((size, size), np.float32)
    u, v = np.where(outside, columns, u), np.where(outside, rows, v)
    return Plane(labels, rho, np.where(outside, np.float32(9.0), second - rho), u, v)


def make_scene(rng: np.random.Generator, num_frames: int, size: int, tissue: bool, sliced: bool) -> Scene:
    """Draw where everything is.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    num_frames, size : int
        Length T and side S.
    tissue : bool
        Objects fill the plane and share walls.
    sliced : bool
        The frames are slices through bodies, not moments.

    Returns
    -------
    Scene
    """
    radius = float(size * np.exp(rng.uniform(np.log(0.02), np.log(0.16))))
    crowding = rng.uniform(0.08, 0.75)
    count = int(np.clip((1.4 if tissue else crowding) * size**2 / (np.pi * radius**2), 1, 90))
    motion = 0.0 if sliced else float(rng.choice([0.0, 0.05, 0.12, 0.3]))
    irregularity = float(rng.choice([0.04, 0.1, 0.2, 0.35]))
    blobs = [_make_blob(rng, size, radius, motion, irregularity) for _ in range(count)]
    if tissue or rng.random() < 0.6:
        _spread(blobs, radius, rounds=2)
    if sliced:
        for blob in blobs:
            blob.section = (float(rng.uniform(-2, num_frames + 2)), float(rng.uniform(0.6, 2.5) * num_frames))
    overlap = not tissue and rng.random() < 0.25
    drift = rng.normal(0, 0.01 * size, 2) if rng.random() < 0.3 else np.zeros(2)

    planes = []
    for frame in range(num_frames):
        if frame and not sliced and not tissue:
            for blob in [blob for blob in blobs if blob.last_frame >= frame and rng.random() < 0.02]:
                if rng.random() < 0.7:
                    blobs += _divide(blob, frame, rng)
                else:
                    blob.last_frame = frame - 1
        planes.append(_draw(blobs, frame, size, overlap, fill_plane=tissue))
        for blob in blobs:
            blob.step(rng, jitter_px=0.2 * motion * radius)
            blob.centre = blob.centre + drift
    brightness = np.array([0.0, *(blob.brightness for blob in blobs)], np.float32)
    if rng.random() < 0.3:
        brightness[1:] = rng.uniform(0.4, 1.0)
    return Scene(planes, brightness, radius)


def _spread(blobs: list[Blob], radius: float, rounds: int) -> None:
    """Push centres apart that lie closer than about one and a half radii."""
    for _ in range(rounds):
        centres = np.array([blob.centre for blob in blobs])
        offset = centres[:, None] - centres[None]
        distance = np.hypot(offset[..., 0], offset[..., 1]) + 1e-3
        push = np.clip(1.6 * radius - distance, 0, None) / distance * 0.5
        np.fill_diagonal(push, 0)
        for blob, shift in zip(blobs, (push[..., None] * offset).sum(1), strict=True):
            blob.centre = blob.centre + np.clip(shift, -radius, radius)


# --- the look: what a microscope makes of it ---------------------------------------------------------------------


@dataclass
class Style:
    """Everything about a look that stays the same through a clip."""

    rng: np.random.Generator
    scene: Scene
    size: int
    texture: FloatArray = field(init=False)
    contrast: float = field(init=False)
    amount: float = field(init=False)
    light: float = field(init=False)

    def __post_init__(self) -> None:
        self.texture = noise_field(self.rng, 256, float(np.exp(self.rng.uniform(np.log(0.8), np.log(8)))))
        self.contrast = float(self.rng.uniform(0.25, 1.0))
        self.amount = float(self.rng.uniform(0.0, 0.35))
        self.light = float(self.rng.uniform(0, TAU))

    def sample_texture(self, plane: Plane) -> FloatArray:
        """Texture that sits on the objects and moves with them, (S, S)."""
        seed = plane.labels.astype(np.int64) * 37
        sampled: FloatArray = self.texture[(plane.v.astype(np.int64) + seed) % 256, (plane.u.astype(np.int64) + 2 * seed) % 256]
        return sampled


def noise_field(rng: np.random.Generator, size: int, scale_px: float) -> FloatArray:
    """Smooth noise of zero mean and unit deviation, periodic, (size, size)."""
    coarse = max(4, round(size / max(scale_px, 1.0)))
    noise = rng.standard_normal((coarse, coarse), dtype=np.float32)
    noise = ndi.zoom(noise, size / coarse, order=1, mode="grid-wrap", grid_mode=True)[:size, :size]
    noise = ndi.gaussian_filter(noise, 0.4 * scale_px, mode="wrap")
    normalised: FloatArray = ((noise - noise.mean()) / (noise.std() + 1e-6)).astype(np.float32)
    return normalised


def _filled(plane: Plane, style: Style) -> FloatArray:
    """Stained bodies, flat or domed."""
    inside = plane.labels > 0
    dome = 1 - style.contrast * 0.5 * np.minimum(plane.rho, 1) ** 2
    return style.scene.brightness[plane.labels] * (dome + style.amount * style.sample_texture(plane)) * inside


def _rings(plane: Plane, style: Style) -> FloatArray:
    """Stained outlines."""
    width = max(0.08, 1.5 / style.scene.size_px)
    rim = np.exp(-(((plane.rho - 0.95) / width) ** 2))
    body = (0.1 + 0.3 * style.amount) * (plane.labels > 0)
    ring: FloatArray = style.scene.brightness[plane.labels] * rim + body + 0.15 * style.amount * style.sample_texture(plane)
    return ring


def _walls(plane: Plane, style: Style) -> FloatArray:
    """Walls shared by neighbours, bright, over faint contents."""
    width = max(0.1, 2.0 / style.scene.size_px)
    wall = np.exp(-((plane.gap / width) ** 2))
    contents = 0.15 * style.amount * style.sample_texture(plane) + 0.15 * style.scene.brightness[plane.labels]
    return (wall + contents).astype(np.float32)


def _phase(plane: Plane, style: Style) -> FloatArray:
    """Phase contrast: grainy grey bodies in a bright halo."""
    inside = (plane.labels > 0).astype(np.float32)
    edge = max(1.0, 0.05 * style.scene.size_px)
    halo = ndi.gaussian_filter(inside, 2.5 * edge) - ndi.gaussian_filter(inside, 0.4 * edge)
    grain = (0.1 + 0.5 * style.amount) * style.sample_texture(plane) * inside
    thick = np.clip(1 - plane.rho, 0, 1) * inside * np.float32(np.sin(style.light))
    image: FloatArray = 0.5 + style.contrast * halo + grain * 0.5 + 0.3 * thick - 0.1 * style.contrast * inside
    return image


def _dic(plane: Plane, style: Style) -> FloatArray:
    """Differential interference contrast: bodies lit from one side."""
    height = np.sqrt(np.clip(1 - plane.rho**2, 0, 1)) * (plane.labels > 0) * (1 + 0.4 * style.amount * style.sample_texture(plane))
    height = ndi.gaussian_filter(height * style.scene.size_px, 1.0)
    dy, dx = np.gradient(height)
    shaded: FloatArray = 0.5 + 0.3 * style.contrast * (np.cos(style.light) * dx + np.sin(style.light) * dy).astype(np.float32)
    return shaded


def _regions(plane: Plane, style: Style) -> FloatArray:
    """Organs: nearly flat grey values, lighter or darker than what surrounds them."""
    level = 0.25 + 0.75 * style.scene.brightness[plane.labels]
    image: FloatArray = np.where(plane.labels > 0, level, 0.5 * style.contrast) + 0.1 * style.amount * style.sample_texture(plane)
    return image.astype(np.float32)


def _textured(plane: Plane, style: Style) -> FloatArray:
    """Objects that only their texture tells from the background."""
    pattern = style.sample_texture(plane)
    image = np.where(plane.labels > 0, 0.5 + 0.35 * pattern, 0.45 + 0.05 * pattern) * (0.6 + 0.4 * style.contrast)
    return np.asarray(image, np.float32)


def _membranes(plane: Plane, style: Style) -> FloatArray:
    """Electron microscopy: dark outlines on grainy grey."""
    width = max(0.08, 1.5 / style.scene.size_px)
    dark = np.exp(-((plane.gap / width) ** 2)) + np.exp(-(((plane.rho - 1) / width) ** 2))
    level = 0.7 - 0.35 * style.contrast * (style.scene.brightness[plane.labels] > 0.7)
    return (level - 0.5 * np.minimum(dark, 1) + 0.12 * style.sample_texture(plane)).astype(np.float32)


Look = Callable[[Plane, Style], FloatArray]
FREE_LOOKS: tuple[Look, ...] = (_filled, _filled, _filled, _rings, _phase, _phase, _dic, _regions, _textured, _membranes)
TISSUE_LOOKS: tuple[Look, ...] = (_walls, _walls, _membranes, _regions)


def _nuclei(rng: np.random.Generator, scene: Scene, frames: list[FloatArray]) -> list[LabelArray]:
    """Add a nucleus to each body, in place, and return its labels."""
    share, level = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.6) * rng.choice([-1, 1])
    labels = []
    for plane, frame in zip(scene.planes, frames, strict=True):
        inside = (plane.rho < share) & (plane.labels > 0)
        frame += np.float32(level) * ndi.gaussian_filter(inside.astype(np.float32), 0.7)
        labels.append((plane.labels * inside).astype(np.uint16))
    return labels


def _expose(rng: np.random.Generator, frames: list[FloatArray], size: int) -> npt.NDArray[np.uint8]:
    """Blur, light unevenly, bleach, add noise, and map to 8 bit once for the whole clip; (T, S, S)."""
    stack = np.stack(frames)
    stack = (stack - stack.min()) / (np.ptp(stack) + 1e-6)
    blur = float(np.exp(rng.uniform(np.log(0.3), np.log(2.5))))
    uneven = noise_field(rng, size, size / 3) * rng.uniform(0, 0.12)
    background = rng.uniform(0, 0.4)
    haze = rng.uniform(0, 0.3)
    bleaching = rng.uniform(0, 0.04)
    photons = float(np.exp(rng.uniform(np.log(15), np.log(2000))))
    read_noise = rng.uniform(0, 0.05)
    exposed = []
    for index, frame in enumerate(stack):
        light = ndi.gaussian_filter(frame, blur)
        if haze > 0.1:
            light = (1 - haze) * light + haze * ndi.gaussian_filter(light[::4, ::4], size / 60).repeat(4, 0).repeat(4, 1)[
                :size, :size
            ]
        light = np.clip((light + uneven + background) * (1 - bleaching) ** index, 0, None)
        noisy = rng.normal(light, np.sqrt(light / photons)).astype(np.float32)
        exposed.append(noisy + rng.normal(0, read_noise, light.shape).astype(np.float32))
    stack = np.stack(exposed).astype(np.float32)
    low, high = np.percentile(stack[:, ::3, ::3], [rng.uniform(0, 1), rng.uniform(99.5, 100)])
    stack = (np.clip((stack - low) / (high - low + 1e-6), 0, 1) ** np.exp(rng.normal(0, 0.25))).astype(np.float32)
    if rng.random() < 0.15:
        stack = 1 - stack
    return np.asarray(255 * stack, np.uint8)


def synthetic_clip(rng: np.random.Generator, num_frames: int, size: int) -> Clip:
    """Draw a clip.

    Parameters
    ----------
    rng : Generator
        Decides everything: the same state gives the same clip.
    num_frames, size : int
        Length T and side S, a multiple of 4.

    Returns
    -------
    Clip
        Frames (T, S, S), uint8; one layer of labels, or two where bodies have nuclei.
    """
    tissue, sliced = rng.random() < 0.22, rng.random() < 0.3
    scene = make_scene(rng, num_frames, size, tissue, sliced)
    style = Style(rng, scene, size)
    looks = TISSUE_LOOKS if tissue else FREE_LOOKS
    look = looks[rng.integers(len(looks))]
    frames = [look(plane, style) for plane in scene.planes]
    layers = [[plane.labels for plane in scene.planes]]
    if not tissue and look in (_filled, _phase, _rings, _regions) and rng.random() < 0.2:
        layers.append(_nuclei(rng, scene, frames))
    if look is _filled and rng.random() < 0.25:
        frames = [-frame for frame in frames]
    return Clip(_expose(rng, frames, size), np.array(layers, np.uint16))
