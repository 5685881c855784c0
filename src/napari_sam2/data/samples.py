"""What comes with the package to try it on: labelled stacks, each a folder as :mod:`napari_sam2.evaluation` reads it."""

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
    folder : Path
        With the image, its true masks, a table of the objects, a prompts file with one click per object, and a description.
    """

    title: str
    credit: str
    folder: Path

    @property
    def image(self) -> Path:
        """The image, a TIFF."""
        return self.folder / "image.tif"

    @property
    def masks(self) -> Path:
        """The true masks, a label image."""
        return self.folder / "masks.tif"

    @property
    def prompts(self) -> Path:
        """A prompts file, with one click on each object."""
        return self.folder / "prompts.json"


FLUO_MITOCHECK = Sample(
    title="HeLa nuclei, fluorescence time-lapse",
    credit="Image: MitoCheck movie, NEUBIAS training resources / EMBL CBA, CC BY 4.0.",
    folder=_FOLDER / "fluo_mitocheck",
)
VOL_EMBRYO_8CELL = Sample(
    title="Nuclei of a mouse embryo with eight cells, confocal volume",
    credit="Image and masks: funalab/QCANet, the data of BBBC050, Akira Funahashi, CC BY 3.0.",
    folder=_FOLDER / "vol_embryo_8cell",
)
SAMPLES = (FLUO_MITOCHECK, VOL_EMBRYO_8CELL)
