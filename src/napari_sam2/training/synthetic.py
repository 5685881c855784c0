"""Synthetic clips: a scene defines where every object is on every frame, an appearance how it is rendered.

T frames · S side in pixels.
"""

from __future__ import annotations

import numpy as np
from skimage.segmentation import expand_labels

from napari_sam2.training import appearance
from napari_sam2.training.appearance import (
    FREE_APPEARANCES,
    SLICED_APPEARANCES,
    TISSUE_APPEARANCES,
    Style,
    add_nuclei,
    blur_along_z,
    expose_scene,
    tint,
)
from napari_sam2.training.clips import Clip, should_be_reversed
from napari_sam2.training.scenes import make_scene

AXIAL_MARGIN = 6
"""Slices drawn before the first and after the last one, as input of the blur along z."""
SPREAD = 0.1
"""Largest lateral blur per slice of distance from the focus, in object radii."""
LABEL_MARGIN = 0.15
"""Largest distance of a label's outline from the half-maximum edge, in object radii: many annotators draw around the glow."""


def synthetic_clip(rng: np.random.Generator, num_frames: int, size: int) -> Clip:
    """Draw a clip.

    Parameters
    ----------
    rng : Generator
        Source of all random numbers: the same state gives the same clip.
    num_frames, size : int
        Length T and side S, a multiple of 4.

    Returns
    -------
    Clip
        Frames (T, S, S), or with RGB last, uint8; one layer of labels, or two where bodies have nuclei.
    """
    tissue, sliced = rng.random() < 0.3, rng.random() < 0.4
    choices = TISSUE_APPEARANCES if tissue else SLICED_APPEARANCES if sliced else FREE_APPEARANCES
    render = choices[rng.integers(len(choices))]
    # A slice also shows the bodies above and below it, out of focus. A single image is clicked on where the body is in focus.
    margin = AXIAL_MARGIN if sliced and num_frames > 1 and rng.random() < 0.8 else 0
    scene = make_scene(rng, num_frames + 2 * margin, size, tissue, sliced, large=render is appearance.natural)
    style = Style(rng, scene)
    frames = [render(plane, style) for plane in scene.planes]
    layers = [[plane.labels for plane in scene.planes]]
    if not tissue and render in appearance.WITH_NUCLEI and rng.random() < 0.2:
        layers.append(add_nuclei(rng, scene, frames))
    if margin:
        spread_px = float(rng.choice([0.0, rng.uniform(0, SPREAD)])) * scene.radius_px
        frames = blur_along_z(frames, float(np.exp(rng.uniform(np.log(0.5), np.log(4.5)))), spread_px)[margin:-margin]
        layers = [layer[margin:-margin] for layer in layers]
    if sliced and should_be_reversed(np.stack(layers[0]), rng):
        frames, layers = frames[::-1], [layer[::-1] for layer in layers]
    if render in appearance.WITH_GLOW and rng.random() < 0.6:
        width_px = rng.uniform(0, LABEL_MARGIN) * scene.radius_px
        layers[0] = [expand_labels(labels, width_px) for labels in layers[0]]
    if render is appearance.filled and rng.random() < 0.25:
        frames = [-frame for frame in frames]
    exposed, labels = expose_scene(rng, frames, scene.radius_px), np.array(layers, np.uint16)
    if render is appearance.natural and rng.random() < 0.4:
        exposed = tint(rng, exposed, labels[0])
    return Clip(exposed, labels)
