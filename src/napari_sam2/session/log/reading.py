"""The log of a session, read from whatever file holds it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from napari_sam2.session.log.document import SCHEMA, Document, SavedObject
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.store.database import VERSION, Database, open_to_read
from napari_sam2.session.store.first_format import is_first_format, read_content
from napari_sam2.session.store.session_store import read_calls, read_header, read_model
from napari_sam2.session.store.values import SavedPrompts
from napari_sam2.structured import parse, parse_json


def read_document(path: Path) -> Document:
    """Read the log of a session: of its file, of one as JSON, or of a session of the first format.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is something else, is damaged, or is of another version.
    OSError
        If it may not be read, or the disk fails.
    """
    if is_first_format(path):
        content = {"schema": SCHEMA, "version": VERSION, **read_content(path)}
        return parse(Document, content, path.name)
    if path.suffix.lower() == ".json":
        return Document.read(path)
    with contextlib.closing(open_to_read(path)) as database:
        return document_of(database)


def document_of(database: Database) -> Document:
    """Read the log of a session from its file.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    header, model, calls = read_header(database), read_model(database), read_calls(database)
    objects: dict[int, SavedObject] = {}
    with database.reading():
        error_sample: ErrorSample | None = None
        query = (
            "SELECT state.kind, object, key, about FROM state JOIN stored ON value = id "
            "WHERE state.kind IN ('info', 'prompts', 'sample')"
        )
        for kind, object_id, key, about in database.execute(f"{query} ORDER BY state.kind, object, key"):
            if kind == "info":
                objects[key] = SavedObject(parse_json(ObjectInfo, about, f"object {key}"), {})
            elif kind == "sample":
                error_sample = parse_json(ErrorSample, about, "the sample of masks")
            else:
                objects[object_id].prompts[key] = parse_json(SavedPrompts, about, f"object {object_id}, frame {key}")
    return Document(SCHEMA, VERSION, header, model, objects, calls, error_sample)
