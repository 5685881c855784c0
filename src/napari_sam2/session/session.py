"""The session: a stack, its objects and what was said about them; what the model makes of it, as a label image.

H, W height and width of a frame · S side of the model's input.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import check_path, check_sizes, shown
from napari_sam2.export.result import Result
from napari_sam2.images.axes import SPACE
from napari_sam2.images.calibration import Calibration, calibration_of
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.image_files import is_paths
from napari_sam2.images.intensity import IntensityRange, choose_ranges, map_intensity
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.device import checked_precision
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.frames import IMAGE_MEAN, IMAGE_STD, ArrayFrames
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.predictors.tracker import Tracker
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.predictors.zoom import Zoom, whole_view
from napari_sam2.session.anchors import BetweenAnchorsPolicy
from napari_sam2.session.calls import LoggedCall
from napari_sam2.session.consensus import AxisResult, follow_by_consensus
from napari_sam2.session.following import Following, FrameResult
from napari_sam2.session.label_writer import LabelWriter
from napari_sam2.session.loop import PlaceResult, follow_each
from napari_sam2.session.object_editing import MAX_OBJECT_ID
from napari_sam2.session.objects import SessionObject, hidden_ids, shown_on
from napari_sam2.session.prompt_segmenter import PromptSegmenter
from napari_sam2.session.propagation import Direction, Step
from napari_sam2.session.quality import FrameQuality, Suspicion, qualities
from napari_sam2.session.script import script
from napari_sam2.session.session_document import Document, ImageIdentity, ImageSource, ModelIdentity, Settings
from napari_sam2.session.session_file import (
    SessionFile,
    brought_up_to_date,
    check_image,
    check_weights,
    find_image,
    find_model,
    open_results,
    read_latest,
    restore,
    results_path,
)
from napari_sam2.session.stop_rules import StopRules
from napari_sam2.session.undoable import Action

__all__ = ["MAX_OBJECT_ID", "Direction", "FrameResult", "ObjectScore", "Session", "SessionObject", "Step", "StopRules"]

logger = logging.getLogger(__name__)


class Session(Following):
    """Follow objects through a stack.

    Parameters
    ----------
    image : array-like, path, list of paths or Stack
        Two to five axes in any order; NumPy, dask, zarr, xarray, a list of resolutions, or files: a TIFF, zarr, OME-Zarr or video,
        a folder of frames, a pattern such as ``frames/*.tif`` or a list of paths. Frames are read one at a time. A stack that is
        open has its axes, channels and places.
    axes : str, optional
        Of the image, from T, Z, N, Y, X and C, such as ``TYX`` or ``CZYX``; told by the image or guessed by default. Along N, as in
        ``NYX``, lie separate images: each is prompted for itself, and nothing is carried from one to another.
    model : str, Path or SAM2VideoPredictor
        ``micro``, a released model, a checkpoint file, or a model already loaded.
    channel : int or sequence of int, optional
        Channels to look at, where the image has an axis C: one in grey, two in magenta and green, three in red, green and blue; by
        default the first three.
    along : str, optional
        The axis along which frames follow each other: T, Z, and for volumes Y or X; by default T, else Z.
    at : mapping, optional
        Where to stay on the remaining axis, as in ``{"T": 3}``; :meth:`follow_each` goes through all.
    device : str, optional
        "auto" by default.
    precision : {"float32", "bfloat16"}
        In which the network computes.
    intensity_range : tuple of float, or a sequence of them, optional
        Intensities that become black and white, or a pair for each channel; by default 0 and 255 for uint8 colour, the soft-tissue
        window for CT in Hounsfield units, else robust extremes over a sample of frames, for each channel its own.
    window : {"soft tissue", "brain", "lung", "bone"}, optional
        A CT window by name, in place of a range.
    percentiles : tuple of float, optional
        Percentiles of the intensities in a sample of frames, 0 .. 100, in place of a range.
    zoom : float, "auto" or None
        Look at each object through a window that follows it, with a side of so many object sizes; None looks at whole frames, as
        the official implementation does. By default as the model was trained: ``micro`` with windows, released models without.
    memory_gate : MemoryGate, optional
        Keeps frames on which an object is absent, or badly seen, out of what is remembered of it; by default every frame is
        remembered, as in the official implementation.
    labels : array-like, optional
        Receives the result: uint16, in the order of axes and the shape of the image without colour. By default a NumPy array, of
        more than 1 GB one that lies in a temporary file.
    series, image_name : int and str, optional
        Which of several images of a file, by its number, counted from 0, or by its name or its path in the file.

    Attributes
    ----------
    stack : Stack
        The image as frames.
    model : SAM2VideoPredictor
        The network.
    objects : mapping of int to SessionObject
        By id; for looking only: methods of the session change them.
    intensity_ranges : tuple of tuple of float, or None
        The one mapping for the whole stack: what becomes black and white, of all or of red, green and blue. None for 8-bit colours,
        which are taken as they are.

    Raises
    ------
    ValueError
        If an argument is not what it should be, or does not fit the image.
    FileNotFoundError
        If there is no such file, or the weights of the model are not there.
    OSError
        If none of a sample of frames can be read.
    """

    def __init__(
        self,
        image: Any,
        axes: str | None = None,
        model: str | Path | SAM2VideoPredictor = "micro",
        *,
        channel: int | Sequence[int] | None = None,
        along: str | None = None,
        at: Mapping[str, int] | None = None,
        device: str | None = None,
        precision: str = "float32",
        intensity_range: IntensityRange | Sequence[IntensityRange] | None = None,
        window: str | None = None,
        percentiles: tuple[float, float] | None = None,
        zoom: float | Literal["auto"] | None = "auto",
        memory_gate: MemoryGate | None = None,
        labels: Any = None,
        series: int | None = None,
        image_name: str | None = None,
    ) -> None:
        self.precision = checked_precision(precision)
        if isinstance(image, Stack):
            if any(given is not None for given in (axes, channel, along, at, series, image_name)):
                raise ValueError("axes, channel, along, at and series belong to a stack that is open: give them where it is opened")
            self.stack = image
        else:
            self.stack = Stack.open(image, axes, channel, along, at, series=series, image_name=image_name)
        if not isinstance(model, str | Path | SAM2VideoPredictor):
            raise ValueError(f"model is a name, a checkpoint file or a model that is loaded, got {shown(model)}")
        if not isinstance(memory_gate, MemoryGate | None):
            raise ValueError(f"memory_gate is a MemoryGate or None, got {shown(memory_gate)}")
        self.model = model if isinstance(model, SAM2VideoPredictor) else load_model(model, device)
        self.memory_gate = memory_gate
        self._writer = LabelWriter(self.stack, labels)
        # Also for grey uint8: a microscope rarely fills its range, and a dim movie is dark to the model too.
        self.intensity_ranges = choose_ranges(self.stack, intensity_range, window, percentiles)
        self._frames = ArrayFrames(self.stack.frames, self.model.image_size, self.intensity_ranges)
        if self.stack.is_constant:
            logger.warning("the image is constant: there is nothing to tell an object by")
        frame_shape = (self.stack.height, self.stack.width)
        is_auto = isinstance(zoom, str) and zoom == "auto"
        self._zoom = _choose_zoom(self.model.config.zoom if is_auto else zoom, frame_shape)
        policy = BetweenAnchorsPolicy(self.model.recall, memory_gate)
        self._tracker = Tracker(
            self.model,
            FrameFeatures(self.model, self._frames),
            policy=policy,
            fill_hole_area=self.model.fill_hole_area,
            zoom=self._zoom,
        )
        segmenter = PromptSegmenter(
            self.model, self._tracker, self._zoom, frame_shape, precision, policy.reach, self.stack.is_collection
        )
        self._budget = RecordBudget()
        super().__init__(len(self.stack), self._budget.put, self._finish, self._write_down, segmenter)
        self._model_name = self.model.source or self.model.config.name
        self._source = ImageSource.of(image, self.stack, axes, channel, along, at)
        self._file: SessionFile | None = None

    def __repr__(self) -> str:
        count = len(self._state.objects)
        saved = "not saved" if self.saved_to is None else f"saved to {self.saved_to.name}"
        return f"<session on {self.stack!r}, {count} object{'' if count == 1 else 's'}, model {self._model_name}, {saved}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def labels(self) -> Any:
        """The result: object ids, 0 for background; uint16, with axes and shape of the image without colour, as it was given."""
        return self._writer.labels

    @property
    def image_path(self) -> Path | None:
        """The file of the image, of several the first; None where it is an array."""
        path = self._source.path
        return None if path is None else Path(path if isinstance(path, str) else path[0])

    def elsewhere(self, along: str, at: Mapping[str, int] | None = None, labels: Any = None) -> Session:
        """Open a session on other frames of the same image: along another axis, or at another place on the rest.

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
            If there is no such axis or place, or labels have not the shape of :attr:`labels`.
        """
        session = Session(
            self.stack.view(along, at),
            model=self.model,
            precision=self.precision,
            intensity_range=self.intensity_ranges,
            zoom=None if self._zoom is None else self._zoom.object_sizes,
            memory_gate=self.memory_gate,
            labels=self.labels if labels is None else labels,
        )
        # A file of it names the same files of image and model.
        session._source = replace(session._source, path=self._source.path)
        session._model_name = self._model_name
        return session

    def _check_frame(self, frame: int) -> int:
        try:
            return super()._check_frame(frame)
        except ValueError as error:
            hint = self.stack.more_frames_hint if isinstance(frame, int) else ""
            raise ValueError(f"{error}; {hint}" if hint else str(error)) from error

    def _seen(self, frame: int) -> npt.NDArray[np.uint8]:
        plane = np.asarray(self._frames.array[frame])
        if self._frames.as_is:
            return plane
        return (255 * map_intensity(plane, self._frames.low, self._frames.high)).round().astype(np.uint8)

    # --- propagation -----------------------------------------------------------------------------------------------

    def consensus(self, axes: str = SPACE, objects: Iterable[int] | None = None) -> Iterator[AxisResult]:
        """Carry objects through a volume along several axes from the same prompts, and show what these agree on.

        First objects are carried along the session's own axis by :meth:`propagate`. The vote of all comes at the end, and is one
        action. It changes frames that were tracked and no others: what a person said stays. A later correction is followed along
        the session's own axis, and replaces the vote between the neighbouring anchors.

        Parameters
        ----------
        axes : str
            Two or three of Z, Y and X, among them the one that the session goes along.
        objects : iterable of int, optional
            Which objects; all by default, but those that are locked.

        Yields
        ------
        AxisResult
            One frame after another, first along the session's own axis. Stop asking to stop: then there is no vote.

        Raises
        ------
        ValueError
            If nothing was prompted, the stack is no volume, the axes are others, there is no such object, or objects are changed
            before the vote.
        FrameReadError
            If a frame cannot be read. What does not come through it was followed along the session's own axis; there is no vote.
        """
        return follow_by_consensus(self, self._history, axes, objects)

    def follow_each(self, over: str, places: Iterable[int] | None = None, consensus: str | None = None) -> Iterator[PlaceResult]:
        """Carry objects through the stack, then through those at all other places of an axis: each volume of a time-lapse.

        Each place that is done is kept, as part of one action; :attr:`labels` have all. What is found at other places is labels
        alone: to correct it, open :meth:`elsewhere`, or correct the prompts here and follow again. Objects that are hidden or
        locked are not followed to other places; what was found of them there stays.

        Parameters
        ----------
        over : str
            The axis to loop over, one of those in ``at``.
        places : iterable of int, optional
            Which; all by default. After an interruption it says where to go on.
        consensus : str, optional
            Axes that vote at each place, see :meth:`consensus`; objects are carried along the session's own axis by default.

        Yields
        ------
        PlaceResult
            One frame after another: of the session itself, of the places after it and of those before it. Stop asking to stop:
            then the place in work is left out.

        Raises
        ------
        ValueError
            If nothing was prompted, the session is not at a place on that axis, there is no such place, the axes that vote are
            others, or objects are changed in between.
        FrameReadError
            At the end, if a frame could not be read: its place is left out, all others are done. Where that is the session's own,
            what does not come through the frame is done.
        """
        return follow_each(self, self._history, self._state.places, over, places, consensus)

    @classmethod
    def replay(
        cls,
        path: str | Path,
        image: Any = None,
        model: str | Path | SAM2VideoPredictor | None = None,
        *,
        device: str | None = None,
        labels: Any = None,
    ) -> Session:
        """Begin a session anew and do in it everything that a file says. What was found need not be there.

        Parameters
        ----------
        path : str or Path
            The file.
        image, device, labels : optional
            See :meth:`open`.
        model : str, Path or SAM2VideoPredictor, optional
            Any model; by default the one the session was saved with.

        Returns
        -------
        Session
            It is saved to no file; what was done can be taken back, the latest 200 actions of it.

        Raises
        ------
        FileNotFoundError
            If the file, the image or the model are not there.
        ValueError
            If the file is damaged or open in another session, the image is another, or something cannot be done with this model.
        FrameReadError
            If an action needs a frame that cannot be read.
        """
        session, results = replay(check_path("path", path), image, model, device, labels)
        for _ in results:
            pass
        return session

    # --- saving ----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Save the session, and from now on everything that is done to it, as it is done.

        Parameters
        ----------
        path : str or Path
            A JSON file. What was found lies beside it, in a file that ends in ``.results``. An earlier session is replaced.

        Raises
        ------
        ValueError
            If it cannot be written, is open in another session, or is there and is something else, such as the image.
        OSError
            If the disk is full or fails, or an earlier session there may not be written.

        Notes
        -----
        What is done later raises the same if it cannot be written; it stays done, and is written with what is done next.
        """
        path = check_path("path", path).absolute()
        if self._file is not None and self._file.path == path:
            self._file.write_all()
            return
        # Only when the new file is there the old one is let go.
        before, self._file = self._file, SessionFile.create(path, self.document(), self._state)
        if before is not None:
            before.leave()

    @property
    def saved_to(self) -> Path | None:
        """The file that it is saved to as it is done, if there is one."""
        return None if self._file is None else self._file.path

    def close(self) -> None:
        """Let go of the file the session is saved to, if it is; what is done later is not saved.

        Raises
        ------
        ValueError
            If something is yet to be written, and cannot be.
        OSError
            If the disk is full.
        """
        if self._file is not None:
            self._file.close()
            self._file = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        image: Any = None,
        model: str | Path | SAM2VideoPredictor | None = None,
        *,
        device: str | None = None,
        labels: Any = None,
    ) -> Session:
        """Open a saved session and go on where it was; it is saved to the same file from now on. Undo begins anew.

        Parameters
        ----------
        path : str or Path
            The file.
        image : array-like, str or Path, optional
            The image, where it was no file, or has been moved.
        model : str, Path or SAM2VideoPredictor, optional
            The model, where its file has been moved.
        device : str, optional
            "auto" by default.
        labels : array-like, optional
            Receives the result, see :class:`Session`.

        Returns
        -------
        Session

        Raises
        ------
        FileNotFoundError
            If the file, its results, the image or the model are not there.
        ValueError
            If the file is damaged or open in another session, image or model are others than those it was saved with, or the image
            was an array and is not given.
        PermissionError
            If the file or its results may not be read, or not written: a session is saved as it goes. What may only be read can be
            replayed, exported by ``napari-sam2 export``, or copied.
        """
        path = check_path("path", path).absolute()
        document, results = Document.read(path), open_results(path)
        try:
            document = brought_up_to_date(document, path, results)
            session = cls._begin(path, document, image, model, device, labels)
            check_weights(session.model, document, path)
            if session.model.source is None:  # the same weights, made in memory: the file knows more of them
                session._model_name = document.model.name
            with results.reading():
                restore(session._state, document, results, session.model.device)
                frames = (item.shown_frames() for item in session.objects.values())
                session._draw(set[int]().union(*frames), session._state.places)
            # image and model are found again where they were found now
            found_now = replace(document, source=session._source, model=replace(document.model, name=session._model_name))
            session._file = SessionFile(path, results, found_now, session._state)
        except BaseException:
            results.close()
            raise
        return session

    @classmethod
    def _begin(
        cls,
        path: Path,
        document: Document,
        image: Any,
        model: str | Path | SAM2VideoPredictor | None,
        device: str | None,
        labels: Any,
    ) -> Session:
        """Open a session without objects on the image that a file names."""
        if image is None:
            image = find_image(path, document)
        choice = document.source.choice() if is_paths(image) else {}
        session = cls(image, model=find_model(path, document, model, device), labels=labels, **document.arguments(), **choice)
        check_image(session.stack, document, path)
        if session._source.path is None:  # it is an array of it: where the file is, was told before
            session._source = replace(session._source, path=document.source.path, way=document.source.way)
        return session

    def export(self, *paths: str | Path, pixel_size: float | Sequence[float] | None = None, interval: float | None = None) -> None:
        """Write what was found: labels, tables, tracks, movies.

        Parameters
        ----------
        *paths : str or Path
            What to write, such as ``"labels.tif", "objects.csv", "01_RES"``; the end of each name says in which format, see
            :data:`~napari_sam2.export.formats.FORMATS`. Earlier results are replaced, nothing else.
        pixel_size : float or sequence of float, optional
            In micrometres: one number for square pixels, height and width, or distance of planes, height and width; by default
            what the file of the image tells.
        interval : float, optional
            Seconds from frame to frame; by default as above.

        Raises
        ------
        ImportError
            If a package is missing.
        OSError
            If the disk is full; nothing is left behind of what could not be written, and everything else is written.
        ValueError
            If no path is given, or a format is not known, does not fit the result, or cannot be written there; nothing is written
            then.

        Notes
        -----
        Frames of the image that cannot be read have no intensities, and are black in movies; a warning is logged that names them.
        """
        # a session that exports nothing does without the packages that this needs
        from napari_sam2.export.formats import check_outputs, write_each

        sizes = None if pixel_size is None else check_sizes("pixel_size", pixel_size, most=3)
        seconds = None if interval is None else check_sizes("interval", interval)[0]
        outputs = [check_path("path", path) for path in paths]
        if not outputs:
            raise ValueError('there is nothing to write: name outputs, such as "objects.csv"')
        calibration = calibration_of(sizes, seconds, self.stack.calibration)
        result = self.result(calibration)
        own = [] if self.saved_to is None else [self.saved_to, results_path(self.saved_to)]
        check_outputs(outputs, [self.image_path, *self.stack.files, *own], result.has_time, has_image=True)
        failed = write_each(outputs, result)
        if unreadable := result.unreadable_frames():
            logger.warning(unreadable)
        if failed:
            first, *others = failed.values()
            for other in {str(other): None for other in others if str(other) != str(first)}:
                first.add_note(other)
            raise first

    def result(self, calibration: Calibration | None = None) -> Result:
        """Return what is shown, for export.

        Objects that are hidden are not in its labels, and in nothing that is made of them; their daughters have no mother then.

        Parameters
        ----------
        calibration : Calibration, optional
            Pixel size and frame interval; by default what the file of the image tells.

        Returns
        -------
        Result
            The labels are not copied.

        Raises
        ------
        ValueError
            If it is no calibration.
        """
        if not isinstance(calibration, Calibration | None):
            raise ValueError(f"calibration is a Calibration or None, got {shown(calibration)}")
        infos = {object_id: item.info for object_id, item in self._state.objects.items()}
        return Result(
            self.labels,
            self.stack.axes,
            self.stack.calibration if calibration is None else calibration,
            parents=self.parents,
            stack=self.stack,
            image_path=self.image_path,
            scores={object_id: self.scores(object_id) for object_id in self._state.objects},
            names={object_id: info.name for object_id, info in infos.items()},
            colours={object_id: info.colour for object_id, info in infos.items() if info.colour is not None},
            intensity_ranges=self.intensity_ranges,
        )

    def to_script(self) -> str:
        """Write everything that was done as a Python script that finds the same labels.

        Returns
        -------
        str
            See :func:`~napari_sam2.session.script.script`.
        """
        return script(self.document())

    def document(self) -> Document:
        """Write down what the file of the session says: image, model, settings, objects and everything that was done."""
        settings = Settings(
            self.precision,
            None if self.intensity_ranges is None else list(self.intensity_ranges),
            None if self._zoom is None else self._zoom.object_sizes,
            self.memory_gate,
        )
        image, model = ImageIdentity.of(self.stack), ModelIdentity.of(self.model, self._model_name)
        return Document.of(self._state, self._source, image, model, settings)

    def _write_down(self, action: Action) -> None:
        if self._file is not None:
            self._file.write(action)

    # --- taking back -----------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """There is something that :meth:`undo` would take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """There is something that :meth:`redo` would do again."""
        return self._history.can_redo

    def undo(self) -> bool:
        """Take back the latest action, whatever it was: a prompt, an edit of objects, a whole propagation.

        Returns
        -------
        bool
            There was one.
        """
        return self._history.undo()

    def redo(self) -> bool:
        """Do again what was taken back last; gone with the next action.

        Returns
        -------
        bool
            There was such a thing.
        """
        return self._history.redo()

    def _finish(self, action: Action) -> None:
        """Write the labels that an action changed."""
        replaced = action.before(self._state.objects).values()
        come_or_gone = action.changed(self._state.objects)
        frames: set[int] = set()
        for item in (*self._state.objects.values(), *replaced):
            for mapping in item.record_mappings:
                frames |= action.changed(mapping)
            if item.object_id in come_or_gone:
                frames |= item.shown_frames()
        places = action.changed(self._state.places)
        for object_id, info in action.before(self._state.infos).items():
            if object_id in self._state.objects and self._state.infos[object_id].is_hidden != info.is_hidden:
                frames |= self._state.objects[object_id].shown_frames()
                places |= set(self._state.places)
        self._draw(frames, places)

    def _draw(self, frames: Iterable[int], places: Iterable[int]) -> None:
        """Write the labels of frames, and those of other places."""
        for frame in sorted(frames):
            self._writer.write(frame, shown_on(frame, self._state.objects.values()))
        hidden = hidden_ids(self._state.infos)
        for number in sorted(places):
            self._writer.write_place(self.stack.place_of_number(number), self._state.places.get(number), hidden)

    # --- results ---------------------------------------------------------------------------------------------------

    def label_plane(self, frame: int) -> npt.NDArray[np.uint16]:
        """Return the labels of a frame, (H, W), uint16; hidden objects are left out.

        Raises
        ------
        ValueError
            If there is no such frame.
        """
        return self._writer.plane(shown_on(self._check_frame(frame), self._state.objects.values()))

    def mask(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """Return an object's own mask on a frame, whether or not it is hidden or another object lies over it.

        Returns
        -------
        ndarray
            (H, W), bool; empty where it is absent, or nothing is known of it.

        Raises
        ------
        ValueError
            If there is no such object or frame.
        """
        return self._segmenter.mask(self._object(object_id).shown(self._check_frame(frame)))

    def scores(self, object_id: int) -> dict[int, ObjectScore]:
        """Return an object's scores by frame, in order, as far as something is shown of it, absence included.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        item = self._object(object_id)
        shown = {frame: item.shown(frame) for frame in sorted(item.shown_frames())}
        return {frame: ObjectScore.of(record) for frame, record in shown.items() if record is not None}

    def quality(self, object_id: int) -> dict[int, FrameQuality]:
        """Return scores, area, centroid and jump of an object by frame, in order, as far as something is shown of it.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        return qualities(self._object(object_id), self._frame_shape)

    def suspicious(self, objects: Iterable[int] | None = None) -> list[Suspicion]:
        """List where to look first: objects on frames, those with the most doubt first, see :attr:`FrameQuality.doubt`.

        Parameters
        ----------
        objects : iterable of int, optional
            Which objects; all by default.

        Returns
        -------
        list of Suspicion
            Without the frames a person decided on. Of equal doubt, the earlier frame and the lower id come first.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        found = [
            Suspicion(item.object_id, frame, quality.doubt)
            for item in self._ordered(objects)
            for frame, quality in qualities(item, self._frame_shape).items()
            if not quality.is_anchor
        ]
        return sorted(found, key=lambda one: (-one.doubt, one.frame, one.object_id))

    def preview(self, frame: int, object_id: int | None = None) -> npt.NDArray[np.uint8]:
        """Return what the model sees of a frame, resized to its input.

        Parameters
        ----------
        frame : int
            The frame.
        object_id : int, optional
            Show the window in which this object was seen there. By default, and where none was used, all of the frame.

        Returns
        -------
        ndarray
            (S, S, 3), uint8, red, green and blue.

        Raises
        ------
        ValueError
            If there is no such object or frame.
        OSError
            If the frame cannot be read.
        """
        frame = self._check_frame(frame)
        record = None if object_id is None else self._object(object_id).shown(frame)
        view = whole_view(self._frame_shape) if record is None or record.view is None else record.view
        mean, std = (torch.tensor(values, dtype=torch.float32, device="cpu")[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
        seen = (self._frames.read_view(frame, view.window) * std + mean).clamp(0, 1).permute(1, 2, 0)
        preview: npt.NDArray[np.uint8] = (255 * seen).round().to(torch.uint8).numpy()
        return preview


def replay(
    path: Path,
    image: Any = None,
    model: str | Path | SAM2VideoPredictor | None = None,
    device: str | None = None,
    labels: Any = None,
) -> tuple[Session, Iterator[tuple[int, Any]]]:
    """Begin a session anew, and do in it what a file says, step by step.

    Parameters
    ----------
    path, image, model, device, labels
        As for :meth:`Session.replay`.

    Returns
    -------
    session : Session
        Nothing is done yet.
    results : iterator
        Does it, and yields the place of the action among all, and what that yields of each frame.

    Raises
    ------
    FileNotFoundError, ValueError
        As :meth:`Session.replay`; of what cannot be done, when it is its turn.
    FrameReadError
        When an action needs a frame that cannot be read: it is named, and what was done up to there stays.
    """
    document = read_latest(path)
    session = Session._begin(path, document, image, model, device, labels)
    return session, _do_again(session, document.calls)


def _do_again(session: Session, calls: Sequence[LoggedCall]) -> Iterator[tuple[int, Any]]:
    for place, call in enumerate(calls):
        try:
            for result in call.replay(session):
                yield place, result
        except FrameReadError as error:
            rest = len(calls) - place - 1
            undone = f", and the {rest} after it are not done" if rest > 1 else ", and the one after it is not done" if rest else ""
            raise FrameReadError(
                f"action {place + 1} of {len(calls)}, {call.method}, is not done to its end{undone}: {error}"
            ) from error


def _choose_zoom(object_sizes: Any, frame_shape: tuple[int, int]) -> Zoom | None:
    if object_sizes is None:
        return None
    if not (isinstance(object_sizes, float | int) and 1 < object_sizes < np.inf):
        raise ValueError(
            f"zoom is the side of a window in object sizes, above 1, or None for whole frames, got {shown(object_sizes)}"
        )
    return Zoom(frame_shape, float(object_sizes))
