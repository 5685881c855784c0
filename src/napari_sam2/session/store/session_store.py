"""The file of a session: written with each action, saved under a name, opened again with everything that can be undone.

Each action, undo and redo, and in a propagation each frame, is one transaction. Whatever ends the program, the file holds the state
after one of these.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.file_errors import os_error, reason_of
from napari_sam2.files import check_writable
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.state.history import Action, Commit, CommitKind
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.state.undoable import Address, Stored, UndoableDict
from napari_sam2.session.store.database import Database, finish, followed, is_session_file
from napari_sam2.session.store.file_lock import FileLock
from napari_sam2.session.store.found_files import model_from, source_from
from napari_sam2.session.store.header import ImageIdentity, SessionHeader
from napari_sam2.session.store.refusals import check_length
from napari_sam2.session.store.rows import Rows
from napari_sam2.session.store.temporary import new_partial, remove
from napari_sam2.structured import parse, parse_json, to_json

logger = logging.getLogger(__name__)


class SessionStore:
    """Writes the state of a session to its file.

    Parameters
    ----------
    rows : Rows
        The file.
    state : SessionState
        What is written.
    describe : callable
        Returns what the session was opened on, but for samples of the image; called when that is written.
    sample : callable
        Returns by what the image is known again, of which samples may be known already.
    """

    def __init__(
        self,
        rows: Rows,
        state: SessionState,
        describe: Callable[[], SessionHeader],
        sample: Callable[[Mapping[int, str]], ImageIdentity],
    ) -> None:
        self._rows = rows
        self._state = state
        self._describe = describe
        self._take_sample = sample
        self._is_behind = True
        self._num_changes_saved = 0
        self._is_header_written = False
        self._has_warned = False
        # Of frames of the image, as they were when the session was saved first.
        self._sample: dict[int, str] = {}

    @property
    def saved_to(self) -> Path | None:
        """The file under the name that somebody chose, if there is one."""
        return None if self._rows.database is None or self._rows.is_temporary else self._rows.database.path

    @property
    def has_unsaved_changes(self) -> bool:
        """Something was done that is not in :attr:`saved_to`."""
        return self._num_changes_saved != self._state.history.num_changes

    # --- each action -----------------------------------------------------------------------------------------------

    def keep(self, commit: Commit) -> None:
        """Write what was done.

        Raises
        ------
        ValueError, OSError
            If it cannot be written to the file that was chosen; it is written with what is done next. Where no file was chosen, a
            warning is logged once.
        """
        try:
            if self._is_behind:
                self.write_all()
            else:
                self._write(commit)
        except (ValueError, OSError) as error:
            self._is_behind, self._num_changes_saved = True, -1
            if self.saved_to is not None:
                raise
            if not self._has_warned:
                self._has_warned = True
                logger.warning("the session is in memory alone, and would be lost if the program were ended: %s", error)

    def _write(self, commit: Commit) -> None:
        history = self._state.history
        changed = {(snapshot.mapping.address, key) for snapshot in commit.changed for key in snapshot.stored} | history.refreshed
        with self._rows.transaction(is_durable=commit.kind != CommitKind.CONTINUED) as database:
            for address, key in changed:
                self._write_value(database, address, key)
            action = commit.action
            if commit.kind in (CommitKind.DONE, CommitKind.CONTINUED):  # what was undone before can be redone no more
                database.execute("DELETE FROM changes WHERE action IN (SELECT number FROM actions WHERE is_undone)")
                database.execute("DELETE FROM actions WHERE is_undone")
                database.execute("DELETE FROM changes WHERE action < ?", (history.done[0].number,))
            if commit.kind not in (CommitKind.CONTINUED, CommitKind.COMPLETED):
                database.execute("DELETE FROM changes WHERE action = ?", (action.number,))
            if commit.kind == CommitKind.DISCARDED:
                database.execute("DELETE FROM actions WHERE number = ?", (action.number,))
            else:
                self._write_action(database, commit)
        self._mark_written()

    def _write_action(self, database: Database, commit: Commit) -> None:
        action = commit.action
        if commit.kind == CommitKind.CONTINUED:
            self._write_changes(database, action.number, commit.changed, "INSERT OR IGNORE")
        elif commit.kind != CommitKind.COMPLETED:
            self._write_changes(database, action.number, action.snapshots)
        row = action.number, commit.kind == CommitKind.UNDONE, action.is_joined, _text(action.call)
        database.execute("INSERT OR REPLACE INTO actions VALUES (?, ?, ?, ?)", row)

    def write_all(self) -> None:
        """Write everything anew, but for values that are in the file already."""
        history = self._state.history
        header = None
        if not self._is_header_written:
            folder = self._rows.opened().path.parent
            header = self._header(folder, is_sampled=self.saved_to is not None)
            self._state.models.refresh(0, self._model_from(folder, self._state.model))
        with self._rows.transaction() as database:
            for table in ("state", "changes", "actions"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608
            if header is not None:
                self._write_header(database, header)
            for mapping in self._state.mappings():
                for key in mapping:
                    self._write_value(database, mapping.address, key)
            numbered = [(number, False, False, _text(call)) for number, call in enumerate(history.calls_before, 1)]
            done = [(action.number, False, action.is_joined, _text(action.call)) for action in history.done]
            undone = [(action.number, True, action.is_joined, _text(action.call)) for action in history.undone]
            rows = (*numbered, *done, *undone)
            database.execute_many("INSERT INTO actions VALUES (?, ?, ?, ?)", rows)
            for action in (*history.done, *history.undone):
                self._write_changes(database, action.number, action.snapshots)
        self._is_header_written, self._is_behind = True, False
        self._mark_written()

    def _mark_written(self) -> None:
        self._state.history.mark_written()
        if self.saved_to is not None:
            self._num_changes_saved = self._state.history.num_changes

    def _header(self, folder: Path, is_sampled: bool = True) -> SessionHeader:
        """Describe what the session was opened on, and where that is as seen from a folder."""
        header = self._describe()
        image = self._take_sample(self._sample) if is_sampled else header.image
        relative_path = header.source.relative_path if self._is_in(folder) else None
        source = source_from(folder, replace(header.source, relative_path=relative_path))
        return replace(header, source=source, image=image, model=self._model_from(folder, header.model))

    def _model_from(self, folder: Path, model: ModelIdentity) -> ModelIdentity:
        """Add where the file of a model is as seen from a folder, if that is known."""
        return model_from(folder, model if self._is_in(folder) else replace(model, relative_path=None))

    def _is_in(self, folder: Path) -> bool:
        """The file lies in a folder: relative paths are those from there."""
        return self.saved_to is not None and self.saved_to.parent == folder

    def _write_header(self, database: Database, header: SessionHeader) -> None:
        database.execute("DELETE FROM header")
        database.execute("INSERT INTO header VALUES (?)", (to_json(header),))

    def _write_value(self, database: Database, address: Address, key: int) -> None:
        stored = self._state.mapping(address).stored(key)
        if stored is None:
            database.execute("DELETE FROM state WHERE kind = ? AND object = ? AND key = ?", (*address, key))
        else:
            row = *address, key, self._rows.number_of(address.kind, stored)
            database.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", row)

    def _write_changes(self, database: Database, action: int, snapshots: Iterable[Any], insert: str = "INSERT") -> None:
        rows = (
            (action, *snapshot.mapping.address, key, None if stored is None else self._rows.number_of(address.kind, stored))
            for snapshot in snapshots
            for address in [snapshot.mapping.address]
            for key, stored in snapshot.stored.items()
        )
        database.execute_many(f"{insert} INTO changes VALUES (?, ?, ?, ?, ?)", rows)

    # --- under a name ----------------------------------------------------------------------------------------------

    def save_as(self, path: Path) -> None:
        """Save the session under a name, and from now on everything that is done to it, as it is done.

        Parameters
        ----------
        path : Path
            The file. An earlier session there is replaced; of one that is open, nothing is.

        Raises
        ------
        ValueError
            If it cannot be written, is open in another session, or is there and is something else, such as the image.
        OSError
            If the disk is full or fails.
        """
        if self._rows.is_closed:
            raise ValueError("the session is closed, and cannot be saved any more: open its file again to go on")
        path = followed(path)
        if self._rows.database is not None and self.saved_to == path:
            if self._rows.database.is_in_place:
                self.write_all()
                return
            self._rows.database.release_lock()
        check_writable(path)
        check_length(path)
        lock = FileLock(path)
        partial, task = new_partial(path), f"the session could not be saved to {path}"
        try:
            _check_replaceable(path)
            self._write_copy(partial, path.parent, task)
            finish(path)
            os.replace(partial, path)
            database = Database(path, lock=lock, task=task)
        except BaseException as error:
            remove(partial)
            lock.release()
            if isinstance(error, OSError) and error.strerror is not None:
                raise os_error(f"{task}: {reason_of(error)}", error.errno) from error
            raise
        model = self._model_from(path.parent, self._state.model)
        self._rows.replace(database)
        self._is_header_written = True
        self._state.models.refresh(0, model)
        self._num_changes_saved = self._state.history.num_changes
        if self._is_behind:
            self.write_all()

    def _write_copy(self, path: Path, folder: Path, task: str) -> None:
        """Write a copy of the file, in which paths are those from another folder."""
        if self._is_behind:
            # Where the file so far cannot be written any more, what is missing goes to the new one alone.
            with contextlib.suppress(ValueError, OSError):
                self.write_all()
        if self._rows.database is None:
            Database.create(path, task=task).close()
        else:
            self._rows.database.copy_to(path, task)
        header, model = self._header(folder), self._model_from(folder, self._state.model)
        with contextlib.closing(Database(path, task=task)) as copy, copy.transaction(task=task):
            self._write_header(copy, header)
            query = "UPDATE stored SET about = ? WHERE id = (SELECT value FROM state WHERE kind = 'model')"
            copy.execute(query, (to_json(model),))
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close the file; one that nobody chose is gone then.

        Raises
        ------
        ValueError, OSError
            If something is still to be written, and cannot be.
        """
        if self.saved_to is not None:
            if self._is_behind or self._state.history.refreshed:
                self.write_all()
            elif self._rows.unused:
                with contextlib.suppress(ValueError, OSError), self._rows.transaction():
                    pass
        self._rows.close()
        self._is_behind = True

    # --- opened again ----------------------------------------------------------------------------------------------

    def restore(self, database: Database, budget: RecordBudget) -> None:
        """Fill a new state with what a file holds, and go on in that file.

        Raises
        ------
        ValueError
            If it is damaged.
        OSError
            If the disk fails.
        """
        self._rows.replace(database)
        self._sample = read_header(database).image.sample
        with database.reading():
            values = self._rows.read_all(budget)
            query = "SELECT kind, object, key, value FROM state ORDER BY kind, object, key"
            for kind, object_id, key, value in database.execute(query):
                self._state.mapping(Address(kind, object_id)).restore(key, values[value])
            if not set(self._state.objects.made_ids) <= set(self._state.infos):
                raise ValueError("there are records of no object")
            self._state.history.restore(*self._read_actions(database, values))
        # Image and model may be elsewhere now.
        self._is_header_written, self._is_behind = False, True

    def _read_actions(
        self, database: Database, values: dict[int, Stored[Any]]
    ) -> tuple[list[Action], list[Action], list[LoggedCall]]:
        snapshots: dict[int, list[tuple[UndoableDict[Any], int, Stored[Any] | None]]] = {}
        for number, kind, object_id, key, value in database.execute("SELECT action, kind, object, key, value FROM changes"):
            change = self._state.mapping(Address(kind, object_id)), key, None if value is None else values[value]
            snapshots.setdefault(number, []).append(change)
        done, undone, before = list[Action](), list[Action](), list[LoggedCall]()
        query = "SELECT number, is_undone, is_joined, call FROM actions ORDER BY number"
        for number, is_undone, is_joined, text in database.execute(query):
            call = None if text is None else parse_json(LoggedCall, text, f"action {number}")
            if number not in snapshots:
                before += [] if call is None else [call]
                continue
            action = Action(call=call, number=number, is_joined=bool(is_joined))
            for mapping, key, stored in snapshots[number]:
                action.snapshots.of(mapping).stored[key] = stored
            (undone if is_undone else done).append(action)
        return done, undone[::-1], before


def _check_replaceable(path: Path) -> None:
    """Refuse to put a session in the place of what is none, or must not be written."""
    if path.exists() and not is_session_file(path):
        raise ValueError(f"{path} is there already and is no session file: give another name, or move it away")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} may be read by you but not written: give another name")


def read_header(database: Database) -> SessionHeader:
    """Read what a session was opened on.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    with database.reading():
        ((text,),) = database.execute("SELECT value FROM header")
        content = json.loads(text)
    header: SessionHeader = parse(SessionHeader, content, database.path.name)
    return header


def read_model(database: Database) -> ModelIdentity:
    """Read by which model the records of a session were made.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    with database.reading():
        ((text,),) = database.execute("SELECT about FROM stored WHERE id = (SELECT value FROM state WHERE kind = 'model')")
        model: ModelIdentity = parse_json(ModelIdentity, text, database.path.name)
    return model


def read_calls(database: Database) -> list[LoggedCall]:
    """Read everything that was done and not undone, in order.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    with database.reading():
        texts = database.execute("SELECT call FROM actions WHERE NOT is_undone AND call IS NOT NULL ORDER BY number")
        return [parse_json(LoggedCall, text, "an action") for (text,) in texts]


def _text(call: LoggedCall | None) -> str | None:
    return None if call is None else to_json(call)
