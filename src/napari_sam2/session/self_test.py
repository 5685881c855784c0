"""A quick check that the embedded model segments on a device what it should."""

from __future__ import annotations

import time
from dataclasses import dataclass

from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.predictors.device import AUTO
from napari_sam2.session.prompts_file import add_prompts, read_prompts
from napari_sam2.session.session import Session

OBJECT = 10
"""The object of the bundled sample that is segmented, on its first frame."""

AREA_PX = 161
"""Its area in the reference masks, in pixels."""

TOLERANCE = 0.2


@dataclass(frozen=True)
class SelfTest:
    """What came out.

    Attributes
    ----------
    area_px : int
        Area of the object in pixels.
    load_s, segment_s : float
        How long it took to load the model, and to segment the object, in seconds.
    device : str
        Where, as torch names it.
    precision : str
        In which the model computed.
    """

    area_px: int
    load_s: float
    segment_s: float
    device: str
    precision: str

    @property
    def is_passed(self) -> bool:
        """The area is the expected one, within 20 %."""
        return abs(self.area_px - AREA_PX) <= TOLERANCE * AREA_PX

    def describe(self) -> str:
        """Describe it in one line."""
        return (
            f"{'passed' if self.is_passed else 'FAILED'}: micro loads in {self.load_s * 1e3:.0f} ms and segments a nucleus in "
            f"{self.segment_s * 1e3:.0f} ms on {self.device}, {self.area_px} px where {AREA_PX} are expected"
        )


def self_test(device: str | None = None, precision: str = AUTO) -> SelfTest:
    """Segment one object of the bundled sample with the embedded model.

    Parameters
    ----------
    device, precision : str, optional
        As for :class:`~napari_sam2.session.session.Session`.

    Raises
    ------
    ValueError
        If there is no such device or precision.
    FileNotFoundError
        If a part of the package is missing.
    """
    entries = [entry for entry in read_prompts(FLUO_MITOCHECK.prompts) if (entry.object_id, entry.frame) == (OBJECT, 0)]
    started = time.perf_counter()
    with Session(FLUO_MITOCHECK.image, device=device, precision=precision) as session:
        loaded = time.perf_counter()
        add_prompts(session, entries)
        segmented = time.perf_counter()
        area = int((session.labels[0] == OBJECT).sum())
        return SelfTest(area, loaded - started, segmented - loaded, session.model.device_kind, session.precision)
