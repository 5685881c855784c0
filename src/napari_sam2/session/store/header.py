"""What a session was opened on: the image, by what it is known again, and the settings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.version import __version__

NUM_SAMPLED_FRAMES, SAMPLED_SIDE_PX = 4, 64


@dataclass(frozen=True)
class ImageSource:
    """How the image was given.

    Attributes
    ----------
    path : str, list of str or None
        The file, or all of several that were named; None where it was an array, or is of a patient, whom its path may name.
    axes, channel, along, at, series, image_name
        As :class:`~napari_sam2.session.session.Session` takes them.
    relative_path : str, list of str or None
        From the folder of the session file to the image, or to each of its files, by which it is found where both were moved.
    is_private : bool
        The image is of a patient.
    """

    path: str | list[str] | None
    axes: str | None
    channel: list[int] | None
    along: str | None
    at: dict[str, int] | None
    relative_path: str | list[str] | None = None
    series: int | None = None
    image_name: str | None = None
    is_private: bool = False

    @classmethod
    def of(
        cls,
        image: Any,
        stack: Stack,
        axes: str | None,
        channel: int | Sequence[int] | None,
        along: str | None,
        at: Mapping[str, int] | None,
        keep_path: bool = False,
    ) -> ImageSource:
        """Collect the arguments of a session, and the files of the stack that it opened; of a patient only with ``keep_path``."""
        if isinstance(image, Stack):
            layout = image.layout
            axes, channel, along, at = (
                layout.axes,
                list(dict.fromkeys(layout.channels or ())) or None,
                layout.along or None,
                layout.at,
            )
        elif along is not None:
            along = stack.along  # also where the name of a plane was given
        channels = None if channel is None else [int(one) for one in np.atleast_1d(np.asarray(channel))]
        positions = {axis: int(index) for axis, index in at.items()} if at else None
        choice = stack.choice
        named = choice.series, choice.image_name
        path = None if stack.is_private and not keep_path else _path_of(image, stack)
        return cls(path, axes, channels, along, positions, None, *named, stack.is_private)

    def arguments(self) -> dict[str, Any]:
        """Arguments of a session, but for the image."""
        channel = self.channel[0] if self.channel is not None and len(self.channel) == 1 else self.channel
        given = {"axes": self.axes, "channel": channel, "along": self.along, "at": self.at}
        return {name: value for name, value in given.items() if value is not None}

    def choice(self) -> dict[str, Any]:
        """Arguments of a session by which the image is found in a file that holds several."""
        given = {"series": self.series, "image_name": self.image_name}
        return {name: value for name, value in given.items() if value is not None}


def _path_of(image: Any, stack: Stack) -> str | list[str] | None:
    """Take the path as it was given, or all files where several were given or a pattern was."""
    if isinstance(image, str | os.PathLike) and Path(image).exists():
        return str(Path(image).absolute())
    files = [str(path.absolute()) for path in stack.files]
    return files[0] if len(files) == 1 else files or None


@dataclass(frozen=True)
class ImageIdentity:
    """By which an image is known again.

    Attributes
    ----------
    shape : list of int
        Of the image.
    axes : str
        Its axes, whether they were given, read from the file or guessed.
    dtype : str
        As NumPy writes it.
    sample : dict of int to str
        SHA-256 of a small block of a few frames, by frame; without those that could not be read. Empty in a session that was not
        saved: to sample an image would make its first click slow.
    """

    shape: list[int]
    axes: str
    dtype: str
    sample: dict[int, str]

    @classmethod
    def of(cls, stack: Stack, known: Mapping[int, str] | None = None) -> ImageIdentity:
        """Sample a stack; few frames are read, and of those that are known already, none."""
        sample = dict(known or {})
        for frame in np.unique(np.linspace(0, len(stack) - 1, NUM_SAMPLED_FRAMES).round().astype(int)).tolist():
            if frame in sample:
                continue
            try:
                plane = np.asarray(stack.frames[frame])
            except OSError:
                # A chunk that cannot be read must not keep a session from being saved.
                continue
            row, column = (max(0, (side - SAMPLED_SIDE_PX) // 2) for side in plane.shape[:2])
            block = plane[row : row + SAMPLED_SIDE_PX, column : column + SAMPLED_SIDE_PX]
            pixels = np.ascontiguousarray(block.astype(block.dtype.newbyteorder("<"))).tobytes()
            sample[frame] = hashlib.sha256(pixels).hexdigest()
        return replace(cls.unsampled(stack), sample=dict(sorted(sample.items())))

    @classmethod
    def unsampled(cls, stack: Stack) -> ImageIdentity:
        """Describe a stack, of which no frame is read."""
        return cls([int(side) for side in stack.image.shape], stack.layout.axes, np.dtype(stack.image.dtype).name, {})

    def is_of_same(self, other: ImageIdentity) -> bool:
        """Return whether another is of the same image, as far as frames could be read both times."""
        alike = all(self.sample[frame] == other.sample[frame] for frame in self.sample.keys() & other.sample.keys())
        return alike and (self.shape, self.dtype) == (other.shape, other.dtype)


@dataclass(frozen=True)
class Settings:
    """How the image is given to the model, and how that computes.

    Attributes
    ----------
    precision, intensity_ranges, zoom, memory_gate, memories
        See :class:`~napari_sam2.session.session.Session`.
    device : str or None
        Kind of the device that computed, as torch names it; None where a session of the first format did not record it.
    max_batch : int or None
        At most so many objects were tracked at a time, on which masks may depend in the last bits; None likewise.
    """

    precision: str
    intensity_ranges: list[tuple[float, float]] | None
    zoom: float | None
    memory_gate: MemoryGate | None
    device: str | None = None
    max_batch: int | None = None
    memories: int | None = None

    @classmethod
    def of(
        cls,
        precision: str,
        intensity_ranges: Sequence[tuple[float, float]] | None,
        zoom: float | None,
        memory_gate: MemoryGate | None,
        device: str,
        max_batch: int,
        memories: int | None = None,
    ) -> Settings:
        """Collect settings; numbers may be those of NumPy."""
        ranges = None if intensity_ranges is None else [(float(low), float(high)) for low, high in intensity_ranges]
        if memory_gate is not None:
            gate = memory_gate
            memory_gate = MemoryGate(float(gate.min_object_score), float(gate.min_predicted_iou), int(gate.look_back))
        return cls(precision, ranges, None if zoom is None else float(zoom), memory_gate, device, max_batch, memories)

    def arguments(self) -> dict[str, Any]:
        """Arguments of a session; where it computes is not among them."""
        given = {"precision": self.precision, "intensity_range": self.intensity_ranges, "zoom": self.zoom}
        chosen = {"memory_gate": self.memory_gate, "memories": self.memories}
        return given | {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True)
class SessionHeader:
    """What a session was opened on.

    Attributes
    ----------
    software, torch : str
        Versions of napari-sam2, which wrote it, and of PyTorch, which computes.
    source, image, settings
        The image, by which it is known again, and how the model sees it.
    model : ModelIdentity
        The model that the session began with; it may have another one now.
    """

    software: str
    torch: str
    source: ImageSource
    image: ImageIdentity
    settings: Settings
    model: ModelIdentity

    @classmethod
    def of(cls, source: ImageSource, image: ImageIdentity, settings: Settings, model: ModelIdentity, torch: str) -> SessionHeader:
        """Describe a session of this version."""
        return cls(__version__, torch, source, image, settings, model)

    def arguments(self) -> dict[str, Any]:
        """Arguments of a session, but for image and model; also axes that were read from the image: another array may lack them."""
        return self.source.arguments() | {"axes": self.image.axes} | self.settings.arguments()

    def blank_stack(self) -> Stack:
        """Return a stack like that of the session, without pixels: for its axes and positions, where the image is not there."""
        blank = np.broadcast_to(np.zeros((), self.image.dtype), self.image.shape)
        return Stack.open(blank, **self.source.arguments() | {"axes": self.image.axes})
