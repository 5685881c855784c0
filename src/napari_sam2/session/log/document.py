"""The log of a session as JSON: what it was opened on, its objects with their prompts, and every action; `replay` takes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam2.files import read_json
from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.store.database import VERSION
from napari_sam2.session.store.header import SessionHeader
from napari_sam2.session.store.values import SavedPrompts
from napari_sam2.structured import parse, to_json
from napari_sam2.version import __version__

SCHEMA = "napari-sam2 session"


@dataclass(frozen=True)
class SavedObject:
    """An object: what is so of it as a whole, and prompts by frame."""

    info: ObjectInfo
    prompts: dict[int, SavedPrompts]


@dataclass(frozen=True)
class Document:
    """The log of a session.

    Attributes
    ----------
    schema, version : str and int
        What it is.
    header : SessionHeader
        What the session was opened on.
    model : ModelIdentity
        The model that it had at the end.
    objects : dict
        By id.
    calls : list of LoggedCall
        Everything that was done and not undone, in order.
    error_sample : ErrorSample or None
        Masks that were judged, if any were.
    """

    schema: str
    version: int
    header: SessionHeader
    model: ModelIdentity
    objects: dict[int, SavedObject]
    calls: list[LoggedCall]
    error_sample: ErrorSample | None = None

    @classmethod
    def of(cls, header: SessionHeader, state: SessionState, sha256: str) -> Document:
        """Collect the log of a session, whose model has weights with this SHA-256."""
        objects = {
            object_id: SavedObject(item.info, {frame: SavedPrompts.of(prompts) for frame, prompts in sorted(item.prompts.items())})
            for object_id, item in sorted(state.objects.items())
        }
        model = ModelIdentity(state.model.name, state.model.architecture, state.model.image_size, sha256, state.model.relative_path)
        return cls(SCHEMA, VERSION, header, model, objects, state.history.calls, state.error_samples.get(0))

    def arguments(self) -> dict[str, Any]:
        """Arguments of a session, but for the image."""
        return self.header.model.arguments() | self.header.arguments() | self.header.source.choice()

    def to_json(self) -> str:
        """Write it as JSON."""
        return to_json(self, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a JSON file.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        ValueError
            If it is something else, is damaged, or is of another version of the format.
        OSError
            If it may not be read, or the disk fails.
        """
        content = read_json(path, "the log of a session")
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"{path} is not the log of a session: its schema is not {SCHEMA!r}")
        if content.get("version") != VERSION:
            raise ValueError(
                f"{path} is of version {content.get('version')!r} of the session format; napari-sam2 {__version__} reads version "
                f"{VERSION}"
            )
        return parse(cls, content, path.name)
