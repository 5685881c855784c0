"""What comes with the package to try it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sample:
    """A bundled stack.

    Attributes
    ----------
    title, credit : str
        What it is, and whose.
    image, prompts : Path
        TIFF, and a prompts file with one click per object.
    """

    title: str
    credit: str
    image: Path
    prompts: Path


FLUO_MITOCHECK = Sample(
    title="HeLa nuclei, fluorescence time-lapse",
    credit="Image: MitoCheck movie, NEUBIAS training resources / EMBL CBA, CC BY 4.0.",
    image=_FOLDER / "fluo_mitocheck.tif",
    prompts=_FOLDER / "fluo_mitocheck.prompts.json",
)
