"""A session that is saved as it goes, opened again, and done again from what its file says.

Two files: a JSON file that says what was done, see :mod:`~napari_sam2.session.session_document`, and beside it the results. The
results hold what was done too: they are written in the middle of a propagation, the JSON file only between actions.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.record_store import KeptRecord
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.calls import Call
from napari_sam2.session.files import check_writable
from napari_sam2.session.history import Action
from napari_sam2.session.objects import SessionObject, hidden_ids, shown_on
from napari_sam2.session.results_file import Place, ResultsFile
from napari_sam2.session.session_document import Document, ImageIdentity, SavedObject, weights_sha256
from napari_sam2.session.stack import Stack
from napari_sam2.session.structure import structure

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

logger = logging.getLogger(__name__)

AnySession = TypeVar("AnySession", bound="Session")


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
    """

    def __init__(self, path: Path, results: ResultsFile, document: Document) -> None:
        self.path = path
        self._results = results
        self._document = document
        self._revision = document.revision
        self._num_calls = len(document.calls)
        self._is_behind = False

    @classmethod
    def create(cls, path: Path, session: Session) -> SessionFile:
        """Save a session to a new file, or in the place of another."""
        check_writable(path)
        results = ResultsFile(results_path(path))
        file = cls(path, results, session.document())
        try:
            file.write_all(session)
        except BaseException:
            results.close()
            raise
        return file

    def write_all(self, session: Session) -> None:
        """Write everything anew."""
        objects = {object_id: dataclasses.asdict(SavedObject.of(item)) for object_id, item in session.objects.items()}
        calls = session._history.calls
        self._revision += 1
        with self._results.transaction():
            self._results.write_objects(dict.fromkeys(self._results.read_objects()) | objects)
            self._results.write_calls(0, [dataclasses.asdict(call) for call in calls])
            self._results.write_all_records(_all_records(session))
            for number in {*self._results.read_label_planes(), *session._places}:
                self._results.write_label_planes(number, session._places.get(number))
            self._results.write_state(revision=self._revision)
        self._num_calls, self._is_behind = len(calls), False
        self._write_document(session)

    def write(self, session: Session, action: Action) -> None:
        """Write what an action changed."""
        if self._is_behind:
            self.write_all(session)
            return
        # Whatever fails from here on leaves the files behind the session.
        self._is_behind = True
        self._revision += 1
        calls = session._history.calls
        start = max(0, min(self._num_calls, len(calls)) - 1)
        with self._results.transaction():
            self._results.write_objects(_changed_objects(session, action))
            self._results.write_calls(start, [dataclasses.asdict(call) for call in calls[start:]])
            for place, kept in _changed_records(session, action):
                self._results.write_record(place, kept)
            for number in action.changed(session._places):
                self._results.write_label_planes(number, session._places.get(number))
            for object_id in action.changed(session.objects) - set(session.objects):
                self._results.forget_object(object_id)
            self._results.write_state(revision=self._revision)
        self._num_calls, self._is_behind = len(calls), False
        is_running = bool(calls) and calls[-1].method == "propagate" and calls[-1].arguments["steps"] is not None
        if not is_running:
            self._write_document(session)

    def close(self, session: Session) -> None:
        """Let go of the file."""
        if self._is_behind:
            self.write_all(session)
        else:
            self._write_document(session)
        self._results.close()

    def leave(self, session: Session) -> None:
        """Let go of the file for another one, which may well have been chosen because this one cannot be written any more."""
        try:
            self.close(session)
        except (ValueError, OSError) as error:
            logger.warning("%s stays as it was saved last: %s", self.path, error)
            self._results.close()

    def _write_document(self, session: Session) -> None:
        told = self._document
        now = Document.of(session, told.source, told.model, told.image)
        replace(now, revision=self._revision).write(self.path)


def _changed_objects(session: Session, action: Action) -> dict[int, Any]:
    changed = action.changed(session.objects) | action.changed(session._infos)
    changed |= {object_id for object_id, item in session.objects.items() if action.changed(item.prompts)}
    objects = session.objects
    return {i: dataclasses.asdict(SavedObject.of(objects[i])) if i in objects else None for i in sorted(changed)}


def _records(item: SessionObject) -> dict[str, Any]:
    return {
        "anchor": item.conditioning,
        "tracked": item.tracked,
        "outdated": item.outdated,
        "voted": item.voted,
        "corrected": item.corrected,
    }


def _all_records(session: Session) -> Iterator[tuple[Place, KeptRecord]]:
    for object_id, item in session.objects.items():
        for kind, mapping in _records(item).items():
            for frame in mapping:
                yield (object_id, kind, frame), mapping.kept(frame)


def _changed_records(session: Session, action: Action) -> Iterator[tuple[Place, KeptRecord | None]]:
    come = action.changed(session.objects)
    for object_id, item in session.objects.items():
        for kind, mapping in _records(item).items():
            for frame in sorted(set(mapping) if object_id in come else action.changed(mapping)):
                yield (object_id, kind, frame), mapping.kept(frame)


def open_results(path: Path) -> ResultsFile:
    """Open the results of a session file.

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
    return ResultsFile(found)


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


def open_session(
    session_class: type[AnySession],
    path: Path,
    image: Any,
    model: str | Path | SAM2VideoPredictor | None,
    device: str | None,
    labels: Any,
) -> AnySession:
    """Open a saved session; see :meth:`Session.open`."""
    document = Document.read(path)
    results = open_results(path)
    try:
        document = brought_up_to_date(document, path, results)
        session = _begin(session_class, path, document, image, model, device, labels)
        _check_model(session, document, path)
        with results.reading():
            _restore(session, document, results)
        session._file = SessionFile(path, results, document)
    except BaseException:
        results.close()
        raise
    return session


def replay(
    session_class: type[AnySession],
    path: Path,
    image: Any = None,
    model: str | Path | SAM2VideoPredictor | None = None,
    device: str | None = None,
    labels: Any = None,
) -> tuple[AnySession, Iterator[tuple[int, Any]]]:
    """Begin a session anew, and do in it what a file says.

    Parameters
    ----------
    session_class : type
        :class:`~napari_sam2.session.session.Session`.
    path : Path
        The session file.
    image, model, device, labels : optional
        As for :meth:`Session.open`; the model may be another one.

    Returns
    -------
    session : Session
        Nothing is done yet.
    results : iterator
        Does it, and yields the place of the action among all, and what that yields of each frame.

    Raises
    ------
    FileNotFoundError
        If the file, the image or the model are not there.
    ValueError
        If the file is damaged, or the image is another.
    """
    document = Document.read(path)
    if results_path(path).exists():
        results = ResultsFile(results_path(path))
        try:
            document = brought_up_to_date(document, path, results)
        finally:
            results.close()
    session = _begin(session_class, path, document, image, model, device, labels)

    def do() -> Iterator[tuple[int, Any]]:
        for place, call in enumerate(document.calls):
            for result in call.make(session):
                yield place, result

    return session, do()


def _begin(
    session_class: type[AnySession],
    path: Path,
    document: Document,
    image: Any,
    model: str | Path | SAM2VideoPredictor | None,
    device: str | None,
    labels: Any,
) -> AnySession:
    """Open a session without objects on the image that a file names."""
    if image is None:
        image = find_image(path, document)
    try:
        loaded = model if isinstance(model, SAM2VideoPredictor) else load_model(model or document.model.name, device)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(
            f"{path.name} was saved with the model {document.model.name}: {error}; give model=, where it is"
        ) from error
    session = session_class(image, model=loaded, labels=labels, **document.arguments())
    check_image(session.stack, document, path)
    session._model_name = document.model.name if model is None else session._model_name
    session._source = replace(session._source, path=session._source.path or document.source.path)
    return session


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


def _check_model(session: Session, document: Document, path: Path) -> None:
    if weights_sha256(session.model) != document.model.sha256:
        raise ValueError(
            f"{path.name} was saved with other weights of {document.model.name}: what was found does not go on with these; "
            f"find everything again with napari-sam2 replay {path.name}"
        )


def _restore(session: Session, document: Document, results: ResultsFile) -> None:
    """Put everything in its place; nothing of it can be taken back."""
    for object_id, saved in document.objects.items():
        session._infos[object_id] = saved.info
        session.objects[object_id] = item = SessionObject(object_id, session._infos, session._history, session._keep)
        for frame, prompts in saved.prompts.items():
            item.prompts[frame] = prompts.prompts()
    frames = []
    for (object_id, kind, frame), record_id, record in results.read_records(session.model.device):
        mapping = _records(session.objects[object_id])[kind]
        mapping[frame] = record
        results.know(mapping.kept(frame), record_id)
        frames.append(frame)
    for frame in sorted(set(frames)):
        session._writer.write(frame, shown_on(frame, session.objects.values()))
    for number, planes in results.read_label_planes().items():
        session._places[number] = planes
        session._writer.write_place(session.stack.place_of_number(number), planes, hidden_ids(session._infos))
    session._history.calls_before = list(document.calls)
