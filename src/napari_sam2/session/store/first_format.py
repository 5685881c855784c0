"""Sessions of the first format, a JSON file and results beside it, read once and converted to a file of today's.

Nothing of them is changed: the new file lies beside them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.file_errors import reading
from napari_sam2.files import check_writable, read_json
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.packed_tensor import PackedTensor, array_dtype
from napari_sam2.predictors.zoom import View
from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.store.database import MAX_WAIT_S, Database, is_session_file
from napari_sam2.session.store.file_lock import FileLock
from napari_sam2.session.store.header import SessionHeader
from napari_sam2.session.store.refusals import SUFFIX, check_length, is_of_damage, refusal
from napari_sam2.session.store.temporary import new_partial, remove
from napari_sam2.session.store.values import SavedPrompts, pack_record
from napari_sam2.structured import parse, to_json

logger = logging.getLogger(__name__)

SCHEMA, VERSION = "napari-sam2 session", 2
_KINDS = {"anchor": "anchor", "tracked": "tracked", "outdated": "stale", "voted": "fused", "corrected": "corrected"}
_METHODS = {"consensus": "fuse_axes", "follow_each": "propagate_each"}
_ARGUMENTS = {
    "divide_object": {"daughters": "children"},
    "follow_each": {"places": "positions", "consensus": "fuse"},
}


class UnusableResultsError(ValueError):
    """The results of a session do not go with its JSON file, or cannot be understood."""


def is_first_format(path: Path) -> bool:
    """Return whether a file is the JSON file of a session of the first format, which need not end in ``.json``.

    Raises
    ------
    ValueError
        If it is a JSON file, and damaged.
    OSError
        If it may not be read.
    """
    with reading(path, "the session file"):
        if not path.is_file():
            return False
        if path.suffix.lower() != ".json":
            if is_session_file(path):
                return False
            with path.open("rb") as file:
                if file.read(1) != b"{":
                    return False
    content = read_json(path, "the session file")
    return isinstance(content, dict) and content.get("schema") == SCHEMA and content.get("version") == VERSION


def results_of(path: Path) -> Path:
    """Return where the results of a JSON file lie."""
    return path.with_name(path.name.removesuffix(".json") + ".results")


def name_of_converted(path: Path) -> Path:
    """Return the file that a session is converted to: ``movie.sam2`` for ``movie.sam2.json``."""
    name = path.name.removesuffix(".json").removesuffix(SUFFIX)
    return path.with_name(f"{name}{SUFFIX}" if path.suffix != SUFFIX else f"{name}-converted{SUFFIX}")


def read_content(path: Path) -> dict[str, Any]:
    """Read a session of the first format, in the form of :class:`~napari_sam2.session.log.document.Document`.

    Its results are asked too, if they are there: they were written in the middle of a propagation, the JSON file only between
    actions. Where they cannot be used, a warning is logged.

    Raises
    ------
    ValueError
        If the file is damaged, or its results are open in a program.
    OSError
        If the file may not be read.
    """
    old = read_json(path, "the session file")
    with reading(results_of(path), "the results"):
        has_results = results_of(path).exists()
    if has_results:
        try:
            with _results(path) as database:
                return _today(_brought_up_to_date(old, path, database), path.name)
        except (UnusableResultsError, PermissionError) as error:
            logger.warning("%s; what %s holds itself is taken, which may lack the latest action", error, path.name)
    return _today(old, path.name)


def converted(path: Path, to: Path | None = None) -> Path:
    """Convert a session of the first format.

    Parameters
    ----------
    path : Path
        Its JSON file.
    to : Path, optional
        The file to write; by default :func:`name_of_converted`.

    Returns
    -------
    Path
        The new file.

    Raises
    ------
    FileNotFoundError
        If its results are not there.
    ValueError
        If a file is damaged, or older than the other, or is open in a program; or there is already a file of that name.
    OSError
        If a file may not be read, or the new one cannot be written.
    """
    to = name_of_converted(path) if to is None else to
    if to.exists():
        raise ValueError(
            f"{path.name} is a session of the first format, and {to} is there already: open that, if it was converted before, or "
            "move it away"
        )
    with reading(results_of(path), "the results"):
        if not results_of(path).exists():
            raise FileNotFoundError(
                f"the results {results_of(path)} are not there: find them again with napari-sam2 replay {path.name}"
            )
    check_writable(to)
    check_length(to)
    lock = FileLock(to)
    partial, task = new_partial(to), f"{path} could not be converted to {to}"
    try:
        with _results(path) as results:
            content = _today(_brought_up_to_date(read_json(path, "the session file"), path, results), path.name)
            with contextlib.closing(Database.create(partial, task=task)) as database, database.transaction(task=task):
                _write(database, content, path.name)
                _copy_records(results, database, content)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, to)
    finally:
        remove(partial)
        lock.release()
    return to


class _Results:
    """The results of a JSON file, open to be read."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Read rows.

        Raises
        ------
        ValueError, OSError
            If they are damaged, open in another program, or the disk fails.
        """
        try:
            for row in self._connection.execute(query):  # noqa: UP028 - yield from would close the cursor after the connection
                yield row
        except sqlite3.Error as error:
            file = results_of(self.path)
            is_damage = is_of_damage(error)
            raise (_damaged(self.path) if is_damage else refusal(file, error, f"{file} cannot be read", True)) from error


@contextlib.contextmanager
def _results(path: Path) -> Iterator[_Results]:
    """Open the results of a JSON file to be read; damage to them is described in one sentence."""
    file = results_of(path)
    unfinished, index = (file.with_name(file.name + ending) for ending in ("-wal", "-shm"))
    has_unfinished, has_index = unfinished.exists(), index.exists()
    if has_unfinished and not os.access(file.parent, os.W_OK | os.X_OK):
        raise ValueError(
            f"{unfinished} is still to be written into {file.name}, which lies where nothing may be written by you: copy both, and "
            f"{path.name}, to a folder of yours"
        )
    # Only to be read, so that nothing of it changes; what a program that was killed left beside it is read with it.
    mode = "ro" if has_unfinished else "ro&immutable=1"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", timeout=MAX_WAIT_S, uri=True)
        ) as database:
            results = _Results(path, database)
            list(results.rows("BEGIN"))
            yield results
    except sqlite3.Error as error:
        raise refusal(file, error, f"{file} cannot be read", True) from error
    # imagecodecs refuses some of what it cannot decode with a SystemError.
    except (
        LookupError,
        AttributeError,
        TypeError,
        RuntimeError,
        SystemError,
        json.JSONDecodeError,
    ) as error:
        raise _damaged(path) from error
    finally:
        if not has_index:
            with contextlib.suppress(OSError):
                index.unlink()


def _damaged(path: Path) -> ValueError:
    return UnusableResultsError(f"{results_of(path)} is damaged: find the results again with napari-sam2 replay {path.name}")


def _brought_up_to_date(old: dict[str, Any], path: Path, results: _Results) -> dict[str, Any]:
    """Take objects and actions from the results."""
    ((text,),) = list(results.rows("SELECT value FROM state WHERE key = 'revision'")) or [("null",)]
    revision = json.loads(text)
    if not isinstance(revision, int):
        raise TypeError(revision)
    if isinstance(old.get("revision"), int) and revision < old["revision"]:
        raise UnusableResultsError(
            f"{results_of(path)} is older than {path.name}: find the results again with napari-sam2 replay {path.name}"
        )
    objects = {str(number): json.loads(value) for number, value in results.rows("SELECT id, value FROM objects ORDER BY id")}
    calls = [json.loads(value) for (value,) in results.rows("SELECT value FROM calls ORDER BY position")]
    return old | {"objects": objects, "calls": calls}


def _today(old: dict[str, Any], where: str) -> dict[str, Any]:
    """Rename the contents of a session of the first format to today's names."""
    try:
        source, model = dict(old["source"]), dict(old["model"])
        source["relative_path"], model["relative_path"] = source.pop("way", None), model.pop("way", None)
        header = {"software": old["software"], "torch": old["torch"], "source": source, "image": old["image"]}
        objects = {}
        for number, one in old["objects"].items():
            info = dict(one["info"])
            info["parent"] = info.pop("mother", None)
            objects[number] = {"info": info, "prompts": one["prompts"]}
        calls = [_call_of_today(call) for call in old["calls"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{where} is damaged: it is not whole as a session file of the first format") from error
    header |= {"settings": old.get("settings"), "model": model}
    return {"header": header, "model": model, "objects": objects, "calls": calls}


def _call_of_today(call: dict[str, Any]) -> dict[str, Any]:
    method = call["method"]
    names = _ARGUMENTS.get(method, {})
    arguments = {names.get(name, name): value for name, value in call["arguments"].items()}
    if isinstance(stop := arguments.get("stop"), dict):
        rules = dict(stop["stop_rules"])
        rules["max_absent_frames"] = rules.pop("gone_for", None)
        arguments["stop"] = {"stop_rules": rules}
    return {"method": _METHODS.get(method, method), "arguments": arguments}


def _write(database: Database, content: dict[str, Any], where: str) -> None:
    """Write everything but records."""
    header = parse(SessionHeader, content["header"], where)
    database.execute("INSERT INTO header VALUES (?)", (to_json(header),))
    _add(database, "model", 0, 0, to_json(parse(ModelIdentity, content["model"], f"{where}.model")))
    for number, one in content["objects"].items():
        place = f"{where}.objects.{number}"
        _add(database, "info", 0, int(number), to_json(parse(ObjectInfo, one["info"], f"{place}.info")))
        for frame, prompts in one["prompts"].items():
            saved = parse(SavedPrompts, prompts, f"{place}.prompts.{frame}")
            saved.prompts()
            _add(database, "prompts", int(number), int(frame), to_json(saved))
    for number, call in enumerate(content["calls"], 1):
        checked = parse(LoggedCall, call, f"{where}, action {number}")
        database.execute("INSERT INTO actions VALUES (?, 0, 0, ?)", (number, to_json(checked)))


def _add(database: Database, kind: str, object_id: int, key: int, about: str, data: bytes | None = None) -> None:
    cursor = database.execute("INSERT INTO stored (kind, about, data) VALUES (?, ?, ?)", (kind, about, data))
    database.execute("INSERT INTO state VALUES (?, ?, ?, ?)", (kind, object_id, key, cursor.lastrowid))


def _copy_records(results: _Results, database: Database, content: dict[str, Any]) -> None:
    """Write records and label planes of positions."""
    numbers: dict[int, int] = {}
    query = "SELECT object, kind, frame, record, about, data FROM places JOIN records ON places.record = records.id"
    for object_id, kind, frame, record, about, data in results.rows(query):
        if str(object_id) not in content["objects"]:
            raise LookupError(object_id)
        if record not in numbers:
            row = pack_record(_unpacked(about, data, kind))
            cursor = database.execute("INSERT INTO stored (kind, about, data) VALUES ('record', ?, ?)", row)
            numbers[record] = cursor.lastrowid or 0
        database.execute("INSERT INTO state VALUES (?, ?, ?, ?)", (_KINDS[kind], object_id, frame, numbers[record]))
    planes: dict[int, list[bytes]] = {}
    for position, plane in results.rows("SELECT place, data FROM label_planes ORDER BY place, frame"):
        planes.setdefault(position, []).append(plane)
    for position, packed in planes.items():
        _add(database, "planes", 0, position, json.dumps([len(plane) for plane in packed]), b"".join(packed))


def _unpacked(about: str, data: bytes, kind: str) -> FrameRecord:
    import imagecodecs

    fields = json.loads(about)
    tensors: dict[str, PackedTensor] = {}
    start = 0
    for one in fields["tensors"]:
        try:
            raw = imagecodecs.blosc_decode(data[start : start + one["bytes"]])
            tensors[one["name"]] = PackedTensor(np.frombuffer(raw, array_dtype(one["dtype"])).reshape(one["shape"]), one["dtype"])
        except (TypeError, ValueError) as error:
            raise LookupError("a record is damaged") from error
        start += one["bytes"]
    view = None if fields["view"] is None else View(*fields["view"])
    logits: Any = tensors["mask_logits"].array
    is_recalled = "memory" in tensors
    origin = MaskOrigin.PROMPTED if _KINDS[kind] == "anchor" else MaskOrigin.TRACKED if is_recalled else MaskOrigin.OTHER
    return FrameRecord(logits, tensors["pointer"], view=view, origin=origin, **fields["scalars"])
