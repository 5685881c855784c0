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

from napari_sam2.files import check_writable
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.record_store import KeptRecord
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.calls import Call
from napari_sam2.session.history import Action
from napari_sam2.session.objects import Knowledge, SessionObject
from napari_sam2.session.results_file import Place, ResultsFile
from napari_sam2.session.session_document import Document, ImageIdentity, SavedObject, weights_sha256
from napari_sam2.session.structure import structure

logger = logging.getLogger(__name__)


def results_path(path: Path) -> Path:
    """Where the results of a session file lie."""
    return path.with_name(path.name.removesuffix(".json") + ".results")


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
    known : Knowledge
        What the session knows.
    """

    def __init__(self, path: Path, results: ResultsFile, document: Document, known: Knowledge) -> None:
        self.path = path
        self._results = results
        self._document = document
        self._known = known
        self._revision = document.revision
        self._num_calls = len(document.calls)
        self._is_behind = False

    @classmethod
    def create(cls, path: Path, document: Document, known: Knowledge) -> SessionFile:
        """Save a session to a new file, or in the place of another; of one that is damaged there are the results beside it."""
        check_writable(path)
        if path.exists() and not results_path(path).exists() and not Document.is_at(path):
            raise ValueError(f"{path} is there already and is no session file: give another name, or move it away")
        results = ResultsFile(results_path(path))
        file = cls(path, results, document, known)
        try:
            file.write_all()
        except BaseException:
            results.close()
            raise
        return file

    def write_all(self) -> None:
        """Write everything anew."""
        objects = {object_id: dataclasses.asdict(SavedObject.of(item)) for object_id, item in self._known.objects.items()}
        calls = self._known.history.calls
        self._revision += 1
        with self._results.transaction():
            self._results.write_objects(dict.fromkeys(self._results.read_objects()) | objects)
            self._results.write_calls(0, [dataclasses.asdict(call) for call in calls])
            self._results.write_all_records(_all_records(self._known))
            for number in {*self._results.read_label_planes(), *self._known.places}:
                self._results.write_label_planes(number, self._known.places.get(number))
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
        calls = self._known.history.calls
        start = max(0, min(self._num_calls, len(calls)) - 1)
        with self._results.transaction():
            self._results.write_objects(_changed_objects(self._known, action))
            self._results.write_calls(start, [dataclasses.asdict(call) for call in calls[start:]])
            for place, kept in _changed_records(self._known, action):
                self._results.write_record(place, kept)
            for number in action.changed(self._known.places):
                self._results.write_label_planes(number, self._known.places.get(number))
            for object_id in action.changed(self._known.objects) - set(self._known.objects):
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
        Document.of(self._known, told.source, told.image, told.model, told.settings, self._revision).write(self.path)


def _changed_objects(known: Knowledge, action: Action) -> dict[int, Any]:
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


def _all_records(known: Knowledge) -> Iterator[tuple[Place, KeptRecord]]:
    for object_id, item in known.objects.items():
        for kind, mapping in _records(item).items():
            for frame in mapping:
                yield (object_id, kind, frame), mapping.kept(frame)


def _changed_records(known: Knowledge, action: Action) -> Iterator[tuple[Place, KeptRecord | None]]:
    come = action.changed(known.objects)
    for object_id, item in known.objects.items():
        for kind, mapping in _records(item).items():
            for frame in sorted(set(mapping) if object_id in come else action.changed(mapping)):
                yield (object_id, kind, frame), mapping.kept(frame)


def open_results(path: Path, to_read: bool = False) -> ResultsFile:
    """Open the results of a session file; those that are only read may lie where nothing can be written.

    Raises
    ------
    FileNotFoundError
        If they are not there.
    ValueError
        If they are open in another session, or are something else.
    """
    found = results_path(path)
    if not found.exists():
        raise FileNotFoundError(f"the results {found} are not there: find them again with napari-sam2 replay {path.name}")
    is_read_only = to_read and not (os.access(found.parent, os.W_OK) and os.access(found, os.W_OK))
    unfinished = found.with_name(f"{found.name}-wal")
    if is_read_only and unfinished.exists():
        raise ValueError(f"{unfinished} is there, and nothing can be written beside it: copy the session to another folder")
    return ResultsFile(found, is_read_only)


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
    calls = [structure(Call, value, f"{results.path.name}, action {place}") for place, value in enumerate(done)]
    return replace(document, objects=objects, calls=calls, revision=revision)


def read_latest(path: Path) -> Document:
    """Read what a session file says, brought up to date where its results are there.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is damaged, or its results are, or are open in another session.
    """
    document = Document.read(path)
    if not results_path(path).exists():
        return document
    with contextlib.closing(open_results(path, to_read=True)) as results:
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
            f"this is another image than {path.name} was saved with, {what}: give image=, or begin a new session on it"
        )


def find_image(path: Path, document: Document) -> Path:
    """Find the image that a session file names: where it was, or beside the file.

    Raises
    ------
    FileNotFoundError
        If it is at neither place.
    ValueError
        If it was no file.
    """
    if document.source.path is None:
        raise ValueError(f"the image of {path.name} was an array, not a file: give it as image=")
    named = Path(document.source.path)
    beside = path.parent / named.name
    if not named.exists() and not beside.exists():
        raise FileNotFoundError(f"the image {named} of {path.name} is not there: put it back, or give image=, where it is")
    return named if named.exists() else beside


def find_model(
    path: Path, document: Document, model: str | Path | SAM2VideoPredictor | None, device: str | None
) -> SAM2VideoPredictor:
    """Load a model in the place of the one that a session file names, or that one.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`~napari_sam2.predictors.build.load_model`.
    """
    if isinstance(model, SAM2VideoPredictor):
        return model
    try:
        return load_model(model or document.model.name, device)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(
            f"{path.name} was saved with the model {document.model.name}: {error}; give model=, where it is"
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
            f"give model=, where these are, or find everything again with napari-sam2 replay {path.name}"
        )


def restore(known: Knowledge, document: Document, results: ResultsFile, device: torch.device) -> None:
    """Put everything in its place, in a session that knows nothing yet; nothing of it can be taken back."""
    for object_id, saved in document.objects.items():
        item = known.add(object_id, saved.info)
        for frame, prompts in saved.prompts.items():
            item.prompts[frame] = prompts.prompts()
    for (object_id, kind, frame), record_id, record in results.read_records(device):
        mapping = _records(known.objects[object_id])[kind]
        mapping[frame] = record
        results.know(mapping.kept(frame), record_id)
    known.places.update(results.read_label_planes())
    known.history.calls_before = list(document.calls)
