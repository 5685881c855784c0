"""Pixels and descriptions that tests of TIFF share. T frames · H, W their height and width."""

from __future__ import annotations

from typing import Any

import numpy as np

T, H, W = 6, 24, 40
RNG = np.random.default_rng(7)
FRAMES = RNG.integers(0, 4000, (T, H, W)).astype(np.uint16)
BYTES = RNG.integers(0, 255, (T, H, W)).astype(np.uint8)
COLOURS = RNG.integers(0, 255, (T, H, W, 3)).astype(np.uint8)
VOLUMES = RNG.integers(0, 4000, (3, 4, H, W)).astype(np.uint16)
GREY: dict[str, Any] = {"photometric": "minisblack"}

OME = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{}</OME>'


def ome_image(name: str, ifd: int = 0, uuid: str = "", number: int = 0, attributes: str = "", **size: int) -> str:
    """An image of which all planes lie behind each other."""
    sides = {"X": W, "Y": H, "Z": 1, "C": 1, "T": 1} | size
    sizes = " ".join(f'Size{axis}="{side}"' for axis, side in sides.items())
    count = sides["Z"] * sides["C"] * sides["T"]
    return (
        f'<Image ID="Image:{number}" Name="{name}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint16" {sizes} '
        f'{attributes}><Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>'
        f'<TiffData IFD="{ifd}" PlaneCount="{count}">{uuid}</TiffData></Pixels></Image>'
    )
