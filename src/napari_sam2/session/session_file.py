"""A session that is saved as it goes, opened again, and done again from what its file says.

Two files: a JSON file that says what was done, see :mod:`~napari_sam2.session.session_document`, and beside it the results. The
results hold what was done too: they are written in the middle of a propagation, the JSON file only between actions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.torch_threads import torch

from napari_sam2.file_errors import reading
from napari_sam2.files import check_writable
from napari_sam2.images.file_names import named_path
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.record_store import StoredRecord
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.calls import LoggedCall
from napari_sam2.session.moved_files import find_moved, path_from
from napari_sam2.session.objects import SessionObject
from napari_sam2.session.results_file import Place, ResultsFile
from napari_sam2.session.results_refusals import obstacle
from napari_sam2.session.session_document import Document, ImageIdentity, SavedObject, weights_sha256
from napari_sam2.session.state import SessionState
from napari_sam2.session.structure import structure
from napari_sam2.session.undoable import Action
from napari_sam2.weights.load import SUFFIXES

logger = logging.getLogger(__name__)


def results_path(path: Path) -> Path:
    """Where the results of a session file lie."""
    return path.with_name(path.name.removesuffix(".json") + ".results")


@contextlib.contextmanager
def _removed_if_new(results: Path) -> Iterator[None]:
    """Leave no results behind that were not there before, if they cannot be written."""
    is_new = not results.exists()
    try:
        yield
    except BaseException:
        for ending in ("", "-wal", "-shm") if is_new else ():
            with contextlib.suppress(OSError):
                results.with_name(results.name + ending).unlink()
        raise


class SessionFile:
    """The file a session is saved to.

    Parameters
    ----------
    path : Path
        The JSON file.
    results : ResultsFile
        The results beside it.
    document : Document
        What the file says so far.
    known : SessionState
        What the session knows.
    """

    def __init__(self, path: Path, results: ResultsFile, document: Document, known: SessionState) -> None:
        self.path = path
        self._results = results
        self._document = _seen_from(path.parent, document)
        self._state = known
        self._revision = document.revision
        self._num_calls = len(document.calls)
        self._is_behind = False

    @classmethod
    def create(cls, path: Path, document: Document, known: SessionState) -> SessionFile:
        """Save a session to a new file, or in the place of another; of one that is damaged there are the results beside it."""
        check_writable(path)
        check_writable(results_path(path))
        if path.exists() and not results_path(path).exists() and not Document.is_at(path):
            raise ValueError(f"{path} is there already and is no session file: give another name, or move it away")
        # The ways are those from the folder of an earlier file.
        here = replace(document, source=replace(document.source, way=None), model=replace(document.model, way=None))
        with _removed_if_new(results_path(path)):
            results = ResultsFile(results_path(path))
            file = cls(path, results, here, known)
            try:
                file.write_all()
            except BaseException:
                results.close()
                raise
        return file

    def write_all(self) -> None:
        """Write everything anew."""
        objects = {object_id: dataclasses.asdict(SavedObject.of(item)) for object_id, item in self._state.objects.items()}
        calls = self._state.history.calls
        self._revision += 1
        with self._results.transaction():
            self._results.write_objects(dict.fromkeys(self._results.read_objects()) | objects)
            self._results.write_calls(0, [dataclasses.asdict(call) for call in calls])
            self._results.write_all_records(_all_records(self._state))
            for number in {*self._results.read_label_planes(), *self._state.places}:
                self._results.write_label_planes(number, self._state.places.get(number))
            self._results.write_state(revision=self._revision)
        self._num_calls, self._is_behind = len(calls), False
        self._write_document()

    def write(self, action: Action) -> None:
        """Write what an action changed."""
        if self._is_behind:
            self.write_all()
            return
        # Whatever fails from here on leaves the files behind the session.
        self._is_behind = True
        self._revision += 1
        calls = self._state.history.calls
        start = max(0, min(self._num_calls, len(calls)) - 1)
        with self._results.transaction():
            self._results.write_objects(_changed_objects(self._state, action))
            self._results.write_calls(start, [dataclasses.asdict(call) for call in calls[start:]])
            for place, stored in _changed_records(self._state, action):
                self._results.write_record(place, stored)
            for number in action.changed(self._state.places):
                self._results.write_label_planes(number, self._state.places.get(number))
            for object_id in action.changed(self._state.objects) - set(self._state.objects):
                self._results.forget_object(object_id)
            self._results.write_state(revision=self._revision)
        self._num_calls, self._is_behind = len(calls), False
        is_running = bool(calls) and calls[-1].method == "propagate" and calls[-1].arguments["steps"] is not None
        if not is_running:
            self._write_document()

    def close(self) -> None:
        """Let go of the file."""
        if self._is_behind:
            self.write_all()
        else:
            self._write_document()
        self._results.close()

    def leave(self) -> None:
        """Let go of the file for another one, which may well have been chosen because this one cannot be written any more."""
        try:
            self.close()
        except (ValueError, OSError) as error:
            logger.warning("%s stays as it was saved last: %s", self.path, error)
            self._results.close()

    def _write_document(self) -> None:
        told = self._document
        Document.of(self._state, told.source, told.image, told.model, told.settings, self._revision).write(self.path)


def _seen_from(folder: Path, document: Document) -> Document:
    """Write down how the files of image and model are reached from a folder, where they are there."""
    source, model = document.source, document.model
    if source.path is not None and all(map(_is_here, [source.path] if isinstance(source.path, str) else source.path)):
        source = replace(source, way=_way(folder, source.path))
    if _is_here(model.name):
        model = replace(model, way=path_from(folder, Path(model.name)))
    return replace(document, source=source, model=model)


def _is_here(text: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(text).is_absolute() and Path(text).exists()
    return False


def _way(folder: Path, path: str | list[str] | None) -> str | list[str] | None:
    if isinstance(path, list):
        ways = [path_from(folder, Path(one)) for one in path]
        return None if None in ways else [way for way in ways if way is not None]
    return None if path is None else path_from(folder, Path(path))


def _changed_objects(known: SessionState, action: Action) -> dict[int, Any]:
    changed = action.changed(known.objects) | action.changed(known.infos)
    changed |= {object_id for object_id, item in known.objects.items() if action.changed(item.prompts)}
    objects = known.objects
    return {i: dataclasses.asdict(SavedObject.of(objects[i])) if i in objects else None for i in sorted(changed)}


def _records(item: SessionObject) -> dict[str, Any]:
    return {
        "anchor": item.conditioning,
        "tracked": item.tracked,
        "outdated": item.outdated,
        "voted": item.voted,
        "corrected": item.corrected,
    }


def _all_records(known: SessionState) -> Iterator[tuple[Place, StoredRecord]]:
    for object_id, item in known.objects.items():
        for kind, mapping in _records(item).items():
            for frame in mapping:
                yield (object_id, kind, frame), mapping.stored(frame)


def _changed_records(known: SessionState, action: Action) -> Iterator[tuple[Place, StoredRecord | None]]:
    come = action.changed(known.objects)
    for object_id, item in known.objects.items():
        for kind, mapping in _records(item).items():
            for frame in sorted(set(mapping) if object_id in come else action.changed(mapping)):
                yield (object_id, kind, frame), mapping.stored(frame)


def open_results(path: Path, to_read: bool = False) -> ResultsFile:
    """Open the results of a session file; those that are only read may lie where nothing can be written.

    Raises
    ------
    FileNotFoundError
        If they are not there.
    ValueError
        If they are open in another session, or are something else.
    OSError
        If they may not be read, or, unless they are only read, not written; or the disk fails.
    """
    found = results_path(path)
    with reading(found, "the results"):
        if not found.exists():
            raise FileNotFoundError(f"the results {found} are not there: find them again with napari-sam2 replay {path.name}")
        unfinished = found.with_name(f"{found.name}-wal")
        is_unfinished = unfinished.exists()
    if not to_read:
        _check_may_be_saved_to(path)
        return ResultsFile(found)
    is_read_only = not (os.access(found.parent, os.W_OK) and os.access(found, os.W_OK))
    if is_read_only and is_unfinished:
        raise ValueError(
            f"{unfinished} is still to be written into {found.name}, which may not be written by you: copy both, and "
            f"{path.name}, to a folder of yours"
        )
    return ResultsFile(found, is_read_only)


def _check_may_be_saved_to(path: Path) -> None:
    """Refuse a session that could be read, but not saved as it goes."""
    refused = obstacle(results_path(path))
    is_permission = isinstance(refused, PermissionError)
    if not is_permission and os.access(path, os.W_OK):
        return  # what else there is will be found when they are opened
    document = f"{path} may be read by you but not written: copy the session to a folder of yours"
    reason = refused if is_permission else document
    raise PermissionError(
        f"{reason}; as it is, napari-sam2 export and napari-sam2 replay, or Session.replay, take it, but a session that is opened "
        "is saved to its file as it goes"
    ) from refused


def brought_up_to_date(document: Document, path: Path, results: ResultsFile) -> Document:
    """Return what a session file says with what its results say, which may have been written later.

    Raises
    ------
    ValueError
        If the results were written earlier, or are damaged.
    """
    with results.reading():
        revision, told, done = results.read_state("revision"), results.read_objects(), results.read_calls()
    if revision is None or revision < document.revision:
        raise ValueError(f"{results.path} is older than {path.name}: find the results again with napari-sam2 replay {path.name}")
    objects = {
        object_id: structure(SavedObject, value, f"{results.path.name}, object {object_id}") for object_id, value in told.items()
    }
    calls = [structure(LoggedCall, value, f"{results.path.name}, action {place}") for place, value in enumerate(done)]
    return replace(document, objects=objects, calls=calls, revision=revision)


def read_latest(path: Path) -> Document:
    """Read what a session file says, brought up to date where its results are there and may be read.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is damaged, or its results are, or are open in another session.
    """
    document = Document.read(path)
    try:
        results = open_results(path, to_read=True)
    except FileNotFoundError:
        return document
    except PermissionError as error:
        logger.warning("%s; %s is done as it says itself, which may lack the latest action", error, path.name)
        return document
    with contextlib.closing(results):
        return brought_up_to_date(document, path, results)


def check_image(stack: Stack, document: Document, path: Path) -> None:
    """Check that an image is the one that a session was saved with.

    Raises
    ------
    ValueError
        If it is another.
    """
    identity = ImageIdentity.of(stack)
    if not identity.is_of_same(document.image):
        told, given = (f"{one.dtype} of shape {tuple(one.shape)}" for one in (document.image, identity))
        what = "the same size with other pixels" if told == given else f"{given}, not {told}"
        raise ValueError(
            f"this is another image than {path.name} was saved with, {what}: give image= (in the shell --image), or begin a new "
            "session on it"
        )


def find_image(path: Path, document: Document) -> Path | list[Path]:
    """Find the image that a session file names: where it was, where it is as seen from the file, or beside the file.

    Raises
    ------
    FileNotFoundError
        If it is at none of these places.
    ValueError
        If it was no file.
    """
    source = document.source
    if source.path is None:
        raise ValueError(f"the image of {path.name} was an array, not a file: give it as image= (in the shell --image)")
    texts = [source.path] if isinstance(source.path, str) else source.path
    ways = source.way if isinstance(source.way, list) else [source.way] * len(texts)
    found = []
    for text, way in zip(texts, ways, strict=True):
        at = find_moved(text, path.parent, way)
        if at is None:
            raise FileNotFoundError(
                f"the image {text} of {path.name} is not there: put it back, or give image= (in the shell --image), where it "
                f"is; nor is {named_path(text).name} in {path.parent}"
            )
        found.append(at)
    return found[0] if len(found) == 1 else found


def find_model(
    path: Path, document: Document, model: str | Path | SAM2VideoPredictor | None, device: str | None
) -> SAM2VideoPredictor:
    """Load a model in the place of the one that a session file names, or that one, wherever it is found as images are.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`~napari_sam2.predictors.build.load_model`.
    """
    if isinstance(model, SAM2VideoPredictor):
        return model
    if model is not None:
        return load_model(model, device)
    told = document.model
    is_file = named_path(told.name).suffix in SUFFIXES
    found = find_moved(told.name, path.parent, told.way) if is_file else told.name
    if found is None:
        raise FileNotFoundError(
            f"{path.name} was saved with the model {told.name}, which is not there: put it back, or give model= (in the shell "
            f"--model), where it is; nor is {named_path(told.name).name} in {path.parent}"
        )
    try:
        return load_model(found, device)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(
            f"{path.name} was saved with the model {told.name}: {error}; give model= (in the shell --model), where it is"
        ) from error


def check_weights(model: SAM2VideoPredictor, document: Document, path: Path) -> None:
    """Check that a model is the one that a session was saved with.

    Raises
    ------
    ValueError
        If it has other weights.
    """
    if weights_sha256(model) != document.model.sha256:
        raise ValueError(
            f"{path.name} was saved with other weights of {document.model.name}: what was found does not go on with these; "
            f"give model= (in the shell --model), where these are, or find everything again with napari-sam2 replay {path.name}"
        )


def restore(known: SessionState, document: Document, results: ResultsFile, device: torch.device) -> None:
    """Put everything in its place, in a session that knows nothing yet; nothing of it can be taken back."""
    for object_id, saved in document.objects.items():
        item = known.add(object_id, saved.info)
        for frame, prompts in saved.prompts.items():
            item.prompts[frame] = prompts.prompts()
    for (object_id, kind, frame), record_id, record in results.read_records(device):
        mapping = _records(known.objects[object_id])[kind]
        mapping[frame] = record
        results.know(mapping.stored(frame), record_id)
    known.places.update(results.read_label_planes())
    known.history.calls_before = list(document.calls)
