"""Synthetic clips: a scene says where every object is on every frame, a look says what that looks like.

T frames · S side in pixels.
"""

from __future__ import annotations

import numpy as np
from skimage.segmentation import expand_labels

from napari_sam2.training import looks
from napari_sam2.training.clips import Clip, should_be_turned
from napari_sam2.training.looks import FREE_LOOKS, SLICED_LOOKS, TISSUE_LOOKS, Style, add_nuclei, blur_along_z, expose_scene, tint
from napari_sam2.training.scenes import make_scene

AXIAL_MARGIN = 6
"""Slices drawn before the first and after the last, for the blur along z."""
SPREAD = 0.1
"""By how much of an object's radius at most a slice that is out of focus is blurred, for each slice that it is away."""
GENEROSITY = 0.15
"""By how much of an object's radius at most its label goes beyond the half-maximum edge: many annotators draw around the glow."""


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
        Frames (T, S, S), or with RGB last, uint8; one layer of labels, or two where bodies have nuclei.
    """
    tissue, sliced = rng.random() < 0.3, rng.random() < 0.4
    choices = TISSUE_LOOKS if tissue else SLICED_LOOKS if sliced else FREE_LOOKS
    look = choices[rng.integers(len(choices))]
    # A slice shows what is above and below it too, out of focus. Who clicks on an image does that where the body is seen best.
    margin = AXIAL_MARGIN if sliced and num_frames > 1 and rng.random() < 0.8 else 0
    scene = make_scene(rng, num_frames + 2 * margin, size, tissue, sliced, large=look is looks.natural)
    style = Style(rng, scene)
    frames = [look(plane, style) for plane in scene.planes]
    layers = [[plane.labels for plane in scene.planes]]
    if not tissue and look in looks.WITH_NUCLEI and rng.random() < 0.2:
        layers.append(add_nuclei(rng, scene, frames))
    if margin:
        spread_px = float(rng.choice([0.0, rng.uniform(0, SPREAD)])) * scene.radius_px
        frames = blur_along_z(frames, float(np.exp(rng.uniform(np.log(0.5), np.log(4.5)))), spread_px)[margin:-margin]
        layers = [layer[margin:-margin] for layer in layers]
    if sliced and should_be_turned(np.stack(layers[0]), rng):
        frames, layers = frames[::-1], [layer[::-1] for layer in layers]
    if look in looks.WITH_GLOW and rng.random() < 0.6:
        width_px = rng.uniform(0, GENEROSITY) * scene.radius_px
        layers[0] = [expand_labels(labels, width_px) for labels in layers[0]]
    if look is looks.filled and rng.random() < 0.25:
        frames = [-frame for frame in frames]
    exposed, labels = expose_scene(rng, frames, scene.radius_px), np.array(layers, np.uint16)
    if look is looks.natural and rng.random() < 0.4:
        exposed = tint(rng, exposed, labels[0])
    return Clip(exposed, labels)
