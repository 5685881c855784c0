"""The session: prompts, objects, propagation, undo, saving and export of one image, behind one class.

The class composes and delegates. Its state is in ``state/``, edits in ``editing/``, segmentation in ``inference/``, propagation in
``propagation/``, the file in ``store/``, the label image in ``labels/``.

H, W height and width of a frame · S side of the model's input.
"""

from __future__ import annotations

import functools
import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from napari_sam2.checks import check_flag, check_path, check_whole, shown
from napari_sam2.cluster.any_model import torch_version
from napari_sam2.cluster.remote_compute import RemoteCompute, closed_on_error, computing_on
from napari_sam2.images.image_files import is_paths
from napari_sam2.images.intensity import IntensityRange, choose_ranges, window_name
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.device import AUTO, checked_precision
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.editing.model_editor import ModelEditor, loaded
from napari_sam2.session.editing.object_editor import ObjectEditor
from napari_sam2.session.editing.prompt_editor import PromptEditor
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.log.document import Document
from napari_sam2.session.log.script import script
from napari_sam2.session.propagation.propagator import Propagator
from napari_sam2.session.results.results import Results
from napari_sam2.session.review.error_sampling import ErrorSampling
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.history import Commit, History, weakly
from napari_sam2.session.state.identity import ModelIdentity, weights_sha256
from napari_sam2.session.state.objects import ObjectsById
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.state.undoable import Snapshots
from napari_sam2.session.store.database import Database, followed, open_to_write
from napari_sam2.session.store.first_format import converted, is_first_format
from napari_sam2.session.store.found_files import check_image, check_weights, find_image, find_model, model_from
from napari_sam2.session.store.header import ImageIdentity, ImageSource, SessionHeader, Settings
from napari_sam2.session.store.refusals import check_suffix
from napari_sam2.session.store.rows import Rows
from napari_sam2.session.store.session_store import SessionStore, read_header, read_model
from napari_sam2.session.store.temporary import remove
from napari_sam2.session.tracking.session_parts import SessionParts
from napari_sam2.session.tracking.track_everything import EverythingTracker
from napari_sam2.session.tracking.tracked_masks import TrackedMasks
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def _of(part: str, method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Session, P], R]:
    """Make a method of the session from a method of one of its parts, with the same arguments, result and documentation."""

    @functools.wraps(method)
    def call(self: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(getattr(self, part), *args, **kwargs)

    return call


class Session:
    """Objects in a stack: prompted, propagated, edited, undone, saved, exported.

    Parameters
    ----------
    image : array-like, path, list of paths or Stack
        Two to five axes in any order; NumPy, dask, zarr, xarray, a list of resolutions, or files: a TIFF, zarr, OME-Zarr or video,
        a folder of frames, a pattern such as ``frames/*.tif`` or a list of paths. Frames are read one at a time. A stack that is
        open has its axes, channels and positions.
    axes : str, optional
        Of the image, from T, Z, N, Y, X and C, such as ``TYX`` or ``CZYX``; by default those of the file, else guessed. Along N, as
        in ``NYX``, are separate images: each is prompted on its own, and nothing is propagated from one to another.
    model : str, Path or SAM2VideoPredictor
        ``micro``, a released model, a checkpoint file, or a model already loaded.
    channel : int or sequence of int, optional
        Channels to use, where the image has an axis C: one in grey, two in magenta and green, three in red, green and blue; by
        default the first three.
    along : str, optional
        The axis along which frames follow each other: T, Z, and for volumes Y or X; of a volume in a patient also the frames,
        ``axial``, ``coronal`` or ``sagittal``; by default T, else Z.
    at : mapping, optional
        The position on the remaining axis, as in ``{"T": 3}``;
        :func:`~napari_sam2.session.volumes.propagate_each.propagate_each` goes through all.
    device : str, optional
        "auto" by default.
    compute : str or RemoteCompute, optional
        Another machine on which the model computes: the address of a scheduler of dask, as ``tls://gpu-box:8786``, or a
        :class:`~napari_sam2.cluster.remote_compute.RemoteCompute`, which has certificates. Image, prompts, results and the file
        of the session stay here; ``model`` is a name, or a file there.
    image_size : int, optional
        Side in pixels of the square that frames, or windows of them, are resized to for the model, a multiple of 32; by default
        that of its training, 1024 for released models. Smaller is faster and an approximation: thin and small objects get lost.
    precision : {"auto", "float32", "bfloat16"}
        Of the network; "auto" is bfloat16 on a CUDA GPU that computes in it natively, else float32.
    intensity_range : tuple of float, or a sequence of them, optional
        Intensities that become black and white, or a pair for each channel; by default 0 and 255 for uint8 colour, the soft-tissue
        window for CT in Hounsfield units, else robust extremes over a sample of frames, for each channel its own.
    window : {"soft tissue", "brain", "lung", "bone"}, optional
        A CT window by name, instead of a range.
    percentiles : tuple of float, optional
        Percentiles of the intensities in a sample of frames, 0 .. 100, instead of a range.
    zoom : float, "auto" or None
        Side of the window in which each object is segmented, in object sizes; None for whole frames, as the official
        implementation has them. By default as the model was trained: ``micro`` with windows, released models without.
    memory_gate : MemoryGate, optional
        Keeps frames on which an object is absent or its mask uncertain out of its memory; by default every frame is in it,
        as in the official implementation.
    memories : int, optional
        Of so many frames memories are recalled: of one prompted frame, and of the latest frames; by default of as many as the model
        was trained with, 7. Fewer are faster and an approximation.
    labels : array-like, optional
        Receives the result: uint16, in the order of axes and the shape of the image without colour. By default a NumPy array, of
        more than 1 GB one that lies in a temporary file.
    series, image_name : int and str, optional
        Which of several images of a file, by its number, counted from 0, or by its name or path in the file.
    keep_path : bool
        A saved session names the file of its image also where that is of a patient, whom its path may name; by default it does not,
        and is opened with ``image``.

    Attributes
    ----------
    stack : Stack
        The image as frames.
    intensity_ranges : tuple of tuple of float, or None
        The intensities that become black and white in the whole stack, for all channels or for red, green and blue. None for 8-bit
        colours, which are used unchanged.

    Raises
    ------
    ValueError
        If an argument is invalid, or does not fit the image.
    FileNotFoundError
        If there is no such file, or the weights of the model are not there.
    OSError
        If none of a sample of frames can be read.
    """

    def __init__(
        self,
        image: Any,
        axes: str | None = None,
        model: str | Path | AnyModel = "micro",
        *,
        channel: int | Sequence[int] | None = None,
        along: str | None = None,
        at: Mapping[str, int] | None = None,
        device: str | None = None,
        compute: str | RemoteCompute | None = None,
        image_size: int | None = None,
        precision: str = AUTO,
        intensity_range: IntensityRange | Sequence[IntensityRange] | None = None,
        window: str | None = None,
        percentiles: tuple[float, float] | None = None,
        zoom: float | Literal["auto"] | None = "auto",
        memory_gate: MemoryGate | None = None,
        memories: int | None = None,
        labels: Any = None,
        series: int | None = None,
        image_name: str | None = None,
        keep_path: bool = False,
    ) -> None:
        chosen = None if isinstance(precision, str) and precision == AUTO else checked_precision(precision)
        if isinstance(image, Stack):
            if any(given is not None for given in (axes, channel, along, at, series, image_name)):
                raise ValueError(
                    "axes, channel, along, at, series and image_name belong to a stack that is open: give them where it is opened"
                )
            self.stack = image
        else:
            self.stack = Stack.open(image, axes, channel, along, at, series=series, image_name=image_name)
        if not isinstance(memory_gate, MemoryGate | None):
            raise ValueError(f"memory_gate is a MemoryGate or None, got {shown(memory_gate)}")
        self.memory_gate = memory_gate
        memories = None if memories is None else check_whole("memories", memories)
        self._device = where = computing_on(compute, device)
        with closed_on_error(where):
            network = loaded(model, where, None if image_size is None else check_whole("image_size", image_size))
            self.precision = chosen or network.best_precision
            # Also for grey uint8: a microscope rarely fills its range, and a dim movie would be dark in the input of the model.
            self.intensity_ranges = choose_ranges(self.stack, intensity_range, window, percentiles)
            self._in_use = ModelInUse(network, self.stack, self.intensity_ranges, self.precision, zoom, memory_gate, memories)
        if self.stack.is_constant:
            logger.warning("the image is constant: no object can be segmented in it")
        self._segmenter = PromptSegmenter(self._in_use)
        rows = Rows()
        self._budget = RecordBudget(file=rows)
        self._history = History(weakly(self._finish), weakly(self._keep))
        weakref.finalize(self, self._history.clear)
        self._state = SessionState(self._history, self._budget.put)
        self._state.models[0] = identity = ModelIdentity.of(network)
        self._source = ImageSource.of(image, self.stack, axes, channel, along, at, check_flag("keep_path", keep_path))
        weakref.finalize(self, rows.close)
        self._store = SessionStore(rows, self._state, weakly(self._header), partial(ImageIdentity.of, self.stack))
        files = weakly(self._files)
        self._results = Results(self._state, self._in_use, self._segmenter, labels, self.intensity_ranges, files)
        self._objects = ObjectEditor(self._state, self.stack, self._segmenter)
        self._error_sampling = ErrorSampling(self._state, self.stack)
        self._prompts = PromptEditor(self._state, self._objects, self._in_use, self._segmenter)
        self._model_editor = ModelEditor(self._state, self._in_use, self._segmenter, where, weakly(self._find_model))
        self._model_editor.remember(identity, network)
        tracked_masks = TrackedMasks(self._state, self._in_use)
        self._propagator = Propagator(self._state, self._in_use, self._segmenter, self._budget, tracked_masks.refine)
        parts = SessionParts(self._state, self._in_use, self._objects, self._prompts, self._propagator)
        self._everything_tracker = EverythingTracker(parts)

    def __repr__(self) -> str:
        count = len(self._state.objects)
        saved = "not saved" if self.saved_to is None else f"saved to {self.saved_to.name}"
        return f"<session on {self.stack!r}, {counted(count, 'object')}, model {self._state.model.name}, {saved}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- contents --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """Objects, prompts and records, with a signal of their changes for views."""
        return self._state

    @property
    def objects(self) -> ObjectsById:
        """Objects by id, read-only; methods of the session change them."""
        return self._state.objects

    @property
    def lineage(self) -> dict[int, int]:
        """The parent of each object that came from a division, by object id, in order; those without one are left out."""
        return self._state.lineage

    @property
    def error_sample(self) -> ErrorSample | None:
        """Masks chosen at random and judged, and the rate of wrong ones among them; None until :meth:`draw_error_sample`."""
        return self._state.error_samples.get(0)

    @property
    def model(self) -> AnyModel:
        """The network."""
        return self._in_use.model

    @property
    def memories(self) -> int | None:
        """Of so many frames memories are recalled; None for as many as the model was trained with."""
        return self._in_use.memories

    @property
    def window(self) -> str | None:
        """Name of the CT window that is black to white for the model; None for other intensities."""
        return window_name(self.intensity_ranges)

    @property
    def labels(self) -> Any:
        """The label image: object ids, 0 for background; uint16, with the axes and shape of the image without colour."""
        return self._results.labels

    @property
    def labels_drawn(self) -> Any:
        """The label image as far as it is drawn: without frames of :attr:`undrawn`."""
        return self._results.labels_drawn

    @property
    def undrawn(self) -> frozenset[int]:
        """Frames that are not drawn into :attr:`labels_drawn` yet; of a session that was opened to be drawn later."""
        return self._results.undrawn

    @property
    def is_linking_stopped(self) -> bool:
        """Labels were linked last, and that was stopped before its end: :meth:`link_labels` goes on, without being given them."""
        return self._everything_tracker.is_linking_stopped

    @property
    def image_path(self) -> Path | None:
        """The file of the image, of several the first; None where it is an array."""
        path = self._source.path
        return None if path is None else Path(path if isinstance(path, str) else path[0])

    def _files(self) -> tuple[Path | None, Path | None]:
        """Return the file of the image, and that of the session."""
        return self.image_path, self.saved_to

    # --- methods of its parts, which document them -----------------------------------------------------------------

    add_object = _of("_objects", ObjectEditor.add_object)
    rename_object = _of("_objects", ObjectEditor.rename_object)
    set_colour = _of("_objects", ObjectEditor.set_colour)
    lock_object = _of("_objects", ObjectEditor.lock_object)
    hide_object = _of("_objects", ObjectEditor.hide_object)
    remove_object = _of("_objects", ObjectEditor.remove_object)
    approve = _of("_objects", ObjectEditor.approve)
    approve_range = _of("_objects", ObjectEditor.approve_range)
    begin_object = _of("_objects", ObjectEditor.begin_object)
    end_object = _of("_objects", ObjectEditor.end_object)
    merge_objects = _of("_objects", ObjectEditor.merge_objects)
    split_object = _of("_objects", ObjectEditor.split_object)
    divide_object = _of("_objects", ObjectEditor.divide_object)

    add_points = _of("_prompts", PromptEditor.add_points)
    set_points = _of("_prompts", PromptEditor.set_points)
    change_point = _of("_prompts", PromptEditor.change_point)
    remove_point = _of("_prompts", PromptEditor.remove_point)
    add_scribble = _of("_prompts", PromptEditor.add_scribble)
    add_box = _of("_prompts", PromptEditor.add_box)
    add_mask = _of("_prompts", PromptEditor.add_mask)
    add_polygon = _of("_prompts", PromptEditor.add_polygon)
    remove_box = _of("_prompts", PromptEditor.remove_box)
    remove_mask = _of("_prompts", PromptEditor.remove_mask)
    add_labels = _of("_prompts", PromptEditor.add_labels)
    segment_everything = _of("_prompts", PromptEditor.segment_everything)
    clear_prompts = _of("_prompts", PromptEditor.clear_prompts)

    draw_error_sample = _of("_error_sampling", ErrorSampling.draw_error_sample)
    judge_mask = _of("_error_sampling", ErrorSampling.judge_mask)

    use_model = _of("_model_editor", ModelEditor.use_model)

    plan = _of("_propagator", Propagator.plan)
    propagate = _of("_propagator", Propagator.propagate)
    propagate_all = _of("_propagator", Propagator.propagate_all)

    track_everything = _of("_everything_tracker", EverythingTracker.track_everything)
    link_labels = _of("_everything_tracker", EverythingTracker.link_labels)

    export = _of("_results", Results.export)
    result = _of("_results", Results.result)
    label_plane = _of("_results", Results.label_plane)
    draw_frames = _of("_results", Results.draw_frames)
    mask = _of("_results", Results.mask)
    scores = _of("_results", Results.scores)
    quality = _of("_results", Results.quality)
    review_queue = _of("_results", Results.review_queue)
    preview = _of("_results", Results.preview)

    def undo(self) -> bool:
        """Undo the latest action: a prompt, an edit of objects, a whole propagation, a change of the model.

        Returns
        -------
        bool
            Whether there was one.

        Raises
        ------
        FileNotFoundError, ValueError
            If the action changed the model, and the previous model cannot be loaded any more; nothing changes then.
        SessionBusyError
            If another thread is using the session.
        """
        return self._history.undo()

    def redo(self) -> bool:
        """Redo the action that was undone last; a new action discards it.

        Returns
        -------
        bool
            Whether there was one.

        Raises
        ------
        FileNotFoundError, ValueError, SessionBusyError
            As :meth:`undo`.
        """
        return self._history.redo()

    def grouped(self) -> AbstractContextManager[None]:
        """Let all actions that are done inside a ``with`` block be undone and redone together.

        If one of them fails, none of them is done.

        Raises
        ------
        SessionBusyError
            If another thread is using the session.
        OSError, ValueError
            At the end of the block, if they could not be saved; all of them stay done.
        """
        return self._history.grouped()

    @property
    def can_undo(self) -> bool:
        """There is an action to undo."""
        return bool(self._history.done)

    @property
    def can_redo(self) -> bool:
        """There is an action to redo."""
        return bool(self._history.undone)

    def reslice(self, along: str, at: Mapping[str, int] | None = None, labels: Any = None) -> Session:
        """Open a session on other frames of the same image: along another axis, or at another position on the remaining axes.

        Parameters
        ----------
        along, at : str and mapping
            See :class:`Session`.
        labels : array-like, optional
            Receives the result; the labels of this session by default.

        Returns
        -------
        Session
            With the same model, settings and intensities, and no objects yet.

        Raises
        ------
        ValueError
            If there is no such axis or position, or labels have not the shape of :attr:`labels`.
        """
        session = Session(
            self.stack.view(along, at),
            model=self.model,
            compute=self._device if isinstance(self._device, RemoteCompute) else None,
            device=None if isinstance(self._device, RemoteCompute) else self._device,
            precision=self.precision,
            intensity_range=self.intensity_ranges,
            zoom=self._in_use.object_sizes,
            memory_gate=self.memory_gate,
            memories=self.memories,
            labels=self.labels if labels is None else labels,
        )
        # Its file names the same image and model.
        session._source = replace(session._source, path=self._source.path)
        session._state.models.refresh(0, self._state.model)
        session._model_editor.remember(self._state.model, self.model)
        return session

    def release_features(self) -> None:
        """Release the features of frames, up to 64 MiB, which are computed again when they are needed.

        Raises
        ------
        SessionBusyError
            If another thread is using the session.
        """
        with self._history.working():
            self._in_use.tracker.release_features()

    # --- saving ----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Save the session to a file; from now on each action is saved as it is done.

        Parameters
        ----------
        path : str or Path
            A file that ends in ``.sam2``. An earlier session there is replaced.

        Raises
        ------
        ValueError
            If it cannot be written, is open in another session, or exists and is no session file.
        OSError
            If the disk is full or fails, or an earlier session there may not be written.

        Notes
        -----
        Later actions raise the same if they cannot be written; they stay done, and are written with the next action. Until then,
        :attr:`has_unsaved_changes` is true.
        """
        path = check_path("path", path).absolute()
        check_suffix(path)
        with self._history.working():
            if self._state.model.sha256 is None:
                self._state.models.refresh(0, replace(self._state.model, sha256=weights_sha256(self.model)))
                self._model_editor.remember(self._state.model, self.model)
            self._store.save_as(path)

    @property
    def saved_to(self) -> Path | None:
        """The file of the session; None until it is saved."""
        return self._store.saved_to

    @property
    def has_unsaved_changes(self) -> bool:
        """Something was done that is not in the file :attr:`saved_to`: there is none yet, or it could not be written."""
        return self._store.has_unsaved_changes

    def close(self) -> None:
        """Close the file of the session; the file of an unsaved session is removed. Later actions are not saved.

        Raises
        ------
        ValueError
            If an action is still to be written, and cannot be.
        OSError
            If the disk is full.
        """
        with self._history.working():
            self._store.close()
            if isinstance(self._device, RemoteCompute) and self._device.is_of_session:
                self._device.close()

    @classmethod
    def open(
        cls,
        path: str | Path,
        image: Any = None,
        model: str | Path | AnyModel | None = None,
        *,
        device: str | None = None,
        compute: str | RemoteCompute | None = None,
        labels: Any = None,
        draw_later: bool = False,
    ) -> Session:
        """Open a saved session, with its undo history; from now on it is saved to the same file.

        Parameters
        ----------
        path : str or Path
            The file. A session of the first format, which ends in ``.json``, is converted to a file beside it that ends in
            ``.sam2``.
        image : array-like, str or Path, optional
            The image, if it was no file, or has been moved.
        model : str, Path or SAM2VideoPredictor, optional
            The model, if its file has been moved.
        device, compute : optional
            See :class:`Session`.
        labels : array-like, optional
            Receives the result, see :class:`Session`.
        draw_later : bool
            The labels are not drawn now, which takes long in a stack of thousands of large frames, but by :meth:`draw_frames`, and
            the rest when :attr:`labels` or an export is asked for.

        Returns
        -------
        Session

        Raises
        ------
        FileNotFoundError
            If the file, the image or the model does not exist.
        ValueError
            If the file is damaged or open in another session, the image or the model is not the saved one, or the image was an
            array and is not given.
        PermissionError
            If the file may not be read, or not written: each action of an open session is saved. A read-only file can be replayed,
            exported by ``napari-sam2 export``, or copied.
        """
        path = followed(check_path("path", path).absolute())
        where = computing_on(compute, device)
        with closed_on_error(where):
            if not is_first_format(path):
                return cls._open(path, image, model, where, labels, draw_later)
            path = converted(path)
            try:
                return cls._open(path, image, model, where, labels, draw_later)
            except BaseException:
                remove(path)  # lest it be in the way the next time
                raise

    @classmethod
    def _open(
        cls, path: Path, image: Any, model: Any, device: str | RemoteCompute | None, labels: Any, draw_later: bool
    ) -> Session:
        database = open_to_write(path)
        try:
            header, identity = read_header(database), read_model(database)
            session = cls.begin(path, header, identity, image, model, device, labels)
            check_weights(session.model, identity, path)
            session._model_editor.begun_with = None if header.model.name == identity.name else header.model
            session._go_on_in(database, identity, draw_later)
        except BaseException:
            database.close()
            raise
        return session

    @classmethod
    def begin(
        cls,
        path: Path,
        header: SessionHeader,
        identity: ModelIdentity,
        image: Any = None,
        model: str | Path | AnyModel | None = None,
        device: str | RemoteCompute | None = None,
        labels: Any = None,
        max_batch: int | None = None,
    ) -> Session:
        """Open a session without objects on the image of a session file.

        Parameters
        ----------
        path : Path
            The file.
        header, identity : SessionHeader and ModelIdentity
            Its contents.
        image, model, device, labels : optional
            See :meth:`open`.
        max_batch : int, optional
            At most so many objects are tracked at a time, with a model of the same architecture; by default as suits model and
            device.

        Raises
        ------
        FileNotFoundError, ValueError
            As :meth:`open`.
        """
        if image is None:
            image = find_image(path, header)
        choice = header.source.choice() if is_paths(image) else {}
        network = find_model(path, identity, model, device)
        compute = device if isinstance(device, RemoteCompute) else None
        device = None if isinstance(device, RemoteCompute) else device
        session = cls(image, model=network, device=device, compute=compute, labels=labels, **header.arguments(), **choice)
        check_image(session.stack, header, path)
        is_alike = (network.config.name, network.image_size) == (identity.architecture, identity.image_size)
        if max_batch is not None and is_alike:
            session._in_use.use_batch(max_batch)
        if session._source.path is None:  # an array of the same image: its file is named in the header
            saved = header.source
            choice = {"series": saved.series, "image_name": saved.image_name, "is_private": saved.is_private}
            session._source = replace(session._source, path=saved.path, relative_path=saved.relative_path, **choice)
        return session

    def document(self) -> Document:
        """Return the log: image, model, objects and all actions."""
        header = replace(self._header(), image=ImageIdentity.of(self.stack))
        return Document.of(header, self._state, weights_sha256(self.model))

    def to_json(self) -> str:
        """Return the log as JSON, which :func:`napari_sam2.replay` and ``napari-sam2 replay`` take."""
        return self.document().to_json()

    def to_script(self) -> str:
        """Return the log as a Python script, which makes the same labels.

        Returns
        -------
        str
            See :func:`~napari_sam2.session.log.script.script`.
        """
        return script(self.document())

    def _header(self) -> SessionHeader:
        """Describe image, settings and first model; the image without hashes of its pixels."""
        in_use = self._in_use
        computed = in_use.model.device_kind, in_use.max_batch, in_use.memories
        settings = Settings.of(self.precision, self.intensity_ranges, in_use.object_sizes, self.memory_gate, *computed)
        image, first = ImageIdentity.unsampled(self.stack), self._model_editor.first
        return SessionHeader.of(self._source, image, settings, first, torch_version(in_use.model))

    # --- called by the history -------------------------------------------------------------------------------------

    def _finish(self, snapshots: Snapshots) -> None:
        """Load the model and write the labels after an action."""
        change = self._state.change_of(snapshots)
        if change.model is not None:
            self._model_editor.follow(change.model)
        self._results.draw(change)

    def _keep(self, commit: Commit) -> None:
        """Write an action to the file, and notify views."""
        change = self._state.change_of(commit.changed)
        try:
            self._store.keep(commit)
        finally:
            self._state.emit(change)

    def _find_model(self, identity: ModelIdentity) -> AnyModel:
        """Load an earlier model of the session."""
        path = self.saved_to or Path()
        network = find_model(path, identity, None, self._device)
        check_weights(network, identity, path)
        return network

    def _go_on_in(self, database: Database, identity: ModelIdentity, draw_later: bool) -> None:
        """Restore the state from a file, and save to it from now on."""
        # For weights that were made in memory, the name in the file is the better one.
        name = identity.name if self.model.source is None else self._state.model.name
        self._store.restore(database, self._budget)
        # The next time, the model is looked for where it was found now.
        self._state.models.refresh(0, model_from(database.path.parent, replace(self._state.model, name=name)))
        self._model_editor.remember(self._state.model, self.model)
        self._results.draw_later()
        if not draw_later:
            self._results.draw_frames(self.undrawn)
        self._store.write_all()
