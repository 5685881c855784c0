"""How all stacks of a run are segmented."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_sam2.predictors.device import AUTO
from napari_sam2.session.propagation.plan import Direction
from napari_sam2.structured import to_json
from napari_sam2.version import __version__


@dataclass(frozen=True)
class BatchSettings:
    """Settings of a run, as a task needs them.

    Attributes
    ----------
    prompts : str
        The name of a source of prompts, or the path of a prompts file; see :mod:`~napari_sam2.batch.prompt_sources`.
    model : str or None
        Name or file; None where each session names its own.
    weights_sha256 : str
        Of the file of the model; empty where each session names its own.
    device : str
        Where a worker computes: no part of what is computed.
    precision, axes, channel, along, intensity_range, window
        See :class:`~napari_sam2.session.session.Session`; None where each session has its own.
    direction : {"both", "forward", "backward"}
        See :meth:`~napari_sam2.session.session.Session.propagate`.
    image_size, memories : int or None
        See :class:`~napari_sam2.session.session.Session`.
    endings : list of str
        Formats of the outputs, as ``.tif``, see :data:`~napari_sam2.export.formats.FORMATS`.
    software : str
        Version of napari-sam2 of whoever began the run.
    """

    prompts: str
    model: str | None = "micro"
    weights_sha256: str = ""
    device: str = "auto"
    precision: str = AUTO
    axes: str | None = None
    channel: list[int] | None = None
    along: str | None = None
    intensity_range: tuple[float, float] | None = None
    window: str | None = None
    direction: Direction = "both"
    image_size: int | None = None
    memories: int | None = None
    endings: tuple[str, ...] = (".tif",)
    software: str = __version__

    def computed_in(self, precision: str) -> BatchSettings:
        """Return the settings with a precision for "auto"; where sessions have their own, they stay."""
        return replace(self, precision=precision) if self.precision == AUTO and self.model is not None else self

    def key(self, contents: list[str], series: int | None) -> str:
        """Return by what the result of a stack is known: the hash of input, settings and weights.

        Parameters
        ----------
        contents : list of str
            Hashes of the image and of its prompts.
        series : int or None
            Which image of the file.

        Returns
        -------
        str
            64 hexadecimal digits. Names of files, the device and the formats of outputs are no part of it. The precision is: "auto"
            is first replaced by what it is on the device, see :meth:`computed_in`.
        """
        is_file = Path(self.prompts).suffix.lower() == ".json"
        prompts = "a file" if is_file else self.prompts
        computed = replace(self, prompts=prompts, model="", device="", endings=(), software="")
        return hashlib.sha256(to_json([contents, series, computed]).encode()).hexdigest()

    def stack_arguments(self) -> dict[str, Any]:
        """Arguments with which an image is opened."""
        channel = self.channel if self.channel is None or len(self.channel) > 1 else self.channel[0]
        return _given(axes=self.axes, channel=channel, along=self.along)

    def session_arguments(self) -> dict[str, Any]:
        """Arguments of a session, but for image and model."""
        return _given(
            intensity_range=self.intensity_range,
            window=self.window,
            precision=self.precision,
            image_size=self.image_size,
            memories=self.memories,
        )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
