"""What a session file says: the image, the model, the settings, the objects with all that was said of them, and every action."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.torch_threads import torch

import numpy as np

from napari_sam2.file_errors import reading
from napari_sam2.files import atomic_path, read_json
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.calls import LoggedCall, decode_mask, encode, encode_mask
from napari_sam2.session.objects import ObjectInfo, SessionObject
from napari_sam2.session.prompts import FramePrompts
from napari_sam2.session.state import SessionState
from napari_sam2.session.structure import structure
from napari_sam2.version import __version__

SCHEMA, VERSION = "napari-sam2 session", 2
"""The version counts up with every change of what a file may hold, docs/session.md says it; a file of another one is not read."""
NUM_SAMPLED_FRAMES, SAMPLED_SIDE_PX = 4, 64


@dataclass(frozen=True)
class ImageSource:
    """How the image was given.

    Attributes
    ----------
    path : str, list of str or None
        The file, or all of several that were named; None where it was an array.
    axes, channel, along, at, series, image_name
        As :class:`~napari_sam2.session.session.Session` takes them.
    way : str, list of str or None
        From the folder of the session file to the image, or to each of its files, by which it is found where both were moved.
    """

    path: str | list[str] | None
    axes: str | None
    channel: list[int] | None
    along: str | None
    at: dict[str, int] | None
    way: str | list[str] | None = None
    series: int | None = None
    image_name: str | None = None

    @classmethod
    def of(
        cls,
        image: Any,
        stack: Stack,
        axes: str | None,
        channel: int | Sequence[int] | None,
        along: str | None,
        at: Mapping[str, int] | None,
    ) -> ImageSource:
        """Remember the arguments of a session, and the files of the stack that it opened."""
        if isinstance(image, Stack):
            layout = image.layout
            axes, channel, along, at = (
                layout.axes,
                list(dict.fromkeys(layout.channels or ())) or None,
                layout.along or None,
                layout.at,
            )
        channels = None if channel is None else [int(one) for one in np.atleast_1d(np.asarray(channel))]
        places = {axis: int(place) for axis, place in at.items()} if at else None
        choice = stack.choice
        return cls(_path_of(image, stack), axes, channels, along, places, None, choice.series, choice.image_name)

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
        Its axes, whether they were given, told by the file or guessed.
    dtype : str
        As NumPy writes it.
    sample : dict of int to str
        SHA-256 of a small block of a few frames, by frame; without those that could not be read.
    """

    shape: list[int]
    axes: str
    dtype: str
    sample: dict[int, str]

    @classmethod
    def of(cls, stack: Stack) -> ImageIdentity:
        """Look at a stack; few frames are read."""
        sample = {}
        for frame in np.unique(np.linspace(0, len(stack) - 1, NUM_SAMPLED_FRAMES).round().astype(int)).tolist():
            try:
                plane = np.asarray(stack.frames[frame])
            except OSError:
                # A chunk that cannot be read must not keep a session from being saved.
                continue
            row, column = (max(0, (side - SAMPLED_SIDE_PX) // 2) for side in plane.shape[:2])
            block = plane[row : row + SAMPLED_SIDE_PX, column : column + SAMPLED_SIDE_PX]
            pixels = np.ascontiguousarray(block.astype(block.dtype.newbyteorder("<"))).tobytes()
            sample[frame] = hashlib.sha256(pixels).hexdigest()
        return cls([int(side) for side in stack.image.shape], stack.layout.axes, np.dtype(stack.image.dtype).name, sample)

    def is_of_same(self, other: ImageIdentity) -> bool:
        """Tell whether another is of the same image, as far as frames could be read both times."""
        alike = all(self.sample[frame] == other.sample[frame] for frame in self.sample.keys() & other.sample.keys())
        return alike and (self.shape, self.dtype) == (other.shape, other.dtype)


@dataclass(frozen=True)
class ModelIdentity:
    """By which a model is known again.

    Attributes
    ----------
    name : str
        As it was asked for, or its file.
    architecture : str
        Name of its configuration.
    image_size : int
        Side of its input.
    sha256 : str
        Of its weights.
    way : str or None
        From the folder of the session file to the model's file, as of the image.
    """

    name: str
    architecture: str
    image_size: int
    sha256: str
    way: str | None = None

    @classmethod
    def of(cls, model: SAM2VideoPredictor, name: str) -> ModelIdentity:
        """Look at a model; all weights are read."""
        return cls(name, model.config.name, model.image_size, weights_sha256(model))


def weights_sha256(model: torch.nn.Module) -> str:
    """Return the SHA-256 of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Settings:
    """How the model looks at the image; see :class:`~napari_sam2.session.session.Session`."""

    precision: str
    intensity_ranges: list[tuple[float, float]] | None
    zoom: float | None
    memory_gate: MemoryGate | None

    def arguments(self) -> dict[str, Any]:
        """Arguments of a session."""
        given = {"precision": self.precision, "intensity_range": self.intensity_ranges, "zoom": self.zoom}
        return given if self.memory_gate is None else given | {"memory_gate": self.memory_gate}


@dataclass(frozen=True)
class SavedPrompts:
    """Everything that was said of an object on a frame; a mask is packed."""

    points: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    labels: list[int] = dataclasses.field(default_factory=list)
    box: tuple[float, float, float, float] | None = None
    mask: dict[str, Any] | None = None
    is_approved: bool = False

    @classmethod
    def of(cls, prompts: FramePrompts) -> SavedPrompts:
        """Take prompts."""
        mask = None if prompts.packed_mask is None else encode_mask(prompts.packed_mask)
        return cls(list(prompts.points_rc), list(prompts.labels), prompts.box_rc, mask, prompts.is_approved)

    def prompts(self) -> FramePrompts:
        """Return them."""
        mask = None if self.mask is None else decode_mask(self.mask)
        return FramePrompts(tuple(self.points), tuple(self.labels), self.box, mask, self.is_approved)


@dataclass(frozen=True)
class SavedObject:
    """An object: what is so of it as a whole, and prompts by frame."""

    info: ObjectInfo
    prompts: dict[int, SavedPrompts]

    @classmethod
    def of(cls, item: SessionObject) -> SavedObject:
        """Take an object."""
        return cls(item.info, {frame: SavedPrompts.of(prompts) for frame, prompts in sorted(item.prompts.items())})


@dataclass(frozen=True)
class Document:
    """A session file.

    Attributes
    ----------
    schema, version : str and int
        What it is.
    software, torch : str
        Versions of napari-sam2 and PyTorch that wrote it.
    revision : int
        Counts what was written; results of a later one were written when this file was not yet.
    source, image, model, settings
        What the session was opened on.
    objects : dict
        By id.
    calls : list of LoggedCall
        Everything that was done and not taken back, in order.
    """

    schema: str
    version: int
    software: str
    torch: str
    revision: int
    source: ImageSource
    image: ImageIdentity
    model: ModelIdentity
    settings: Settings
    objects: dict[int, SavedObject]
    calls: list[LoggedCall]

    @classmethod
    def of(
        cls,
        known: SessionState,
        source: ImageSource,
        image: ImageIdentity,
        model: ModelIdentity,
        settings: Settings,
        revision: int = 0,
    ) -> Document:
        """Write down what a session knows, and what it was opened on."""
        objects = {object_id: SavedObject.of(item) for object_id, item in sorted(known.objects.items())}
        software = __version__, str(torch.__version__)
        return cls(SCHEMA, VERSION, *software, revision, source, image, model, settings, objects, known.history.calls)

    def arguments(self) -> dict[str, Any]:
        """Arguments of a session, but for image and model; axes too where the image told them: another array of it may not."""
        return self.source.arguments() | {"axes": self.image.axes} | self.settings.arguments()

    def blank_stack(self) -> Stack:
        """Return a stack like that of the session, with no pixels: where the image is not there, its axes and places still are."""
        blank = np.broadcast_to(np.zeros((), self.image.dtype), self.image.shape)
        return Stack.open(blank, **self.source.arguments() | {"axes": self.image.axes})

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(dataclasses.asdict(self), indent=1, default=encode) + "\n", encoding="utf-8")

    @staticmethod
    def is_at(path: Path) -> bool:
        """Tell whether a file is one of a session, of whatever version.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        try:
            content = read_json(path)
        except ValueError:
            return False
        return isinstance(content, dict) and content.get("schema") == SCHEMA

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        ValueError
            If it is something else, is damaged, or is of another version of the format.
        OSError
            If it may not be read, or the disk fails.
        """
        with reading(path, "the session file"):
            if not path.is_file():
                raise FileNotFoundError(f"there is no session file {path}")
        content = read_json(path, "the session file")
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"{path} is not a session file: its schema is not {SCHEMA!r}")
        if content.get("version") != VERSION:
            raise ValueError(
                f"{path} is of version {content.get('version')!r} of the format, written by napari-sam2 {content.get('software')}; "
                f"napari-sam2 {__version__} reads version {VERSION} alone"
            )
        read: Document = structure(cls, content, path.name)
        return read
