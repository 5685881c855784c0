"""What leaves the widget: exports, the script, the Tracks layer and the table of measurements, of the image that is worked on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.layers.tracks_view import TracksView
from napari_sam2.plugin.sessions.autosave import SUFFIX
from napari_sam2.plugin.tasks.work_queue import JobKind
from napari_sam2.plugin.worker.exports import (
    DocumentExport,
    Exported,
    ExportProgress,
    ResultExport,
    Script,
    read_script,
    shown_ending,
)
from napari_sam2.plugin.worker.object_measurer import ObjectMeasurer, ObjectsMeasured, reader
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace

if TYPE_CHECKING:
    from napari_sam2.session.document_formats import DocumentFormat

NOTHING = "There is nothing to export yet: click on an object, or continue the earlier session."


class SessionOutput:
    """Exports the session of the image that is worked on, and keeps its Tracks layer and its table in step.

    Tracks and table are made again when nothing runs any more and labels changed since; only changed frames are measured.

    Parameters
    ----------
    controller : Controller
        Whose session.
    viewer : Viewer
        Where the Tracks layer is shown.

    Attributes
    ----------
    measured : ObjectsMeasured or None
        The latest measurement of that image.
    """

    changed = Signal()
    """There is another measurement, or none."""

    def __init__(self, controller: Controller, viewer: Any) -> None:
        self._controller = controller
        self._viewer = viewer
        self._images: dict[int, _ImageOutput] = {}
        self._is_table_wanted = False
        self._shown: ObjectsMeasured | None = None
        controller.changed.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Disconnect; layers stay as they are."""
        self._controller.changed.disconnect(self._follow)
        for output in self._images.values():
            output.close()
        self._images.clear()

    # --- exports ---------------------------------------------------------------------------------------------------

    @property
    def workspace(self) -> ImageWorkspace | None:
        """The work on the image, if there is a session with objects; else None, and a sentence is shown."""
        workspace = self._controller.workspace
        if workspace is None or workspace.worker.session is None or not workspace.objects.infos:
            self._warn(NOTHING)
            return None
        return workspace

    @property
    def calibration(self) -> Calibration:
        """Size of pixels and time between frames, as the layer has them; what it has not, as the file has it."""
        workspace = self._controller.workspace
        return PIXELS if workspace is None else workspace.source.calibration

    def refusal(self, item: Any) -> str:
        """Return why there can be no export in a format; empty where it can be."""
        from napari_sam2.export.formats import Format
        from napari_sam2.export.result import known_axes

        workspace = self._controller.workspace
        if not isinstance(item, Format) or workspace is None or workspace.worker.session is None:
            return ""
        try:
            stack = workspace.worker.session.stack
            item.check(shown_ending(item), "T" in known_axes(stack.axes), inputs=stack.files)
        except (ImportError, ValueError) as error:
            return str(error)
        return ""

    def export(self, path: Path, options: Mapping[str, Any] | None = None) -> None:
        """Write the results; the end of the name chooses the format, see :data:`~napari_sam2.export.formats.FORMATS`."""
        if self.workspace is not None:
            self._read(ResultExport(path, self.calibration, options or {}), self._export_reported, f"Exporting {path.name} …")

    def export_document(self, path: Path, item: DocumentFormat) -> None:
        """Write the log in a format; see :data:`~napari_sam2.session.document_formats.DOCUMENT_FORMATS`."""
        if self.workspace is not None:
            self._read(DocumentExport(path, item), self._export_reported, f"Exporting {path.name} …")

    def _export_reported(self, item: Any) -> str | None:
        if isinstance(item, ExportProgress):
            self._controller.progressed.emit(item.done, item.total)
        elif isinstance(item, Exported):
            written = f"{item.path.name} is written to {item.path.parent}."
            return f"{written} {item.shortfall[:1].upper()}{item.shortfall[1:]}." if item.shortfall else written
        return None

    def copy_script(self, copy: Callable[[str], None]) -> None:
        """Make the script of the session, and hand it to ``copy``."""

        def take(item: Any) -> str | None:
            if not isinstance(item, Script):
                return None
            copy(item.text)
            count = len(item.text.splitlines())
            return f"A Python script of {count} lines that makes the same labels is on the clipboard."

        if self.workspace is not None:
            self._read(read_script, take, "Writing the script …")

    def _read(self, reading: Callable[..., None], take: Callable[[Any], str | None], text: str) -> None:
        if self._controller.is_busy:
            self._controller.status_changed.emit(f"{text} That begins when what is running is done.")
        self._controller.read_session(reading, take, JobKind.EXPORT, text)

    def _warn(self, text: str) -> None:
        self._controller.show_problem(text)

    # --- saved under a name ----------------------------------------------------------------------------------------

    @property
    def path_beside_image(self) -> Path | None:
        """A file beside that of the image, of a name that is free; None where the image has no file, or it is saved there."""
        workspace = self._controller.workspace
        image = None if workspace is None else image_file_of(workspace)
        if workspace is None or image is None:
            return None
        if workspace.kept.saved_to is not None and workspace.kept.saved_to.parent == image.parent:
            return None
        stem = workspace.image.name if workspace.source.file.is_private else image.stem  # which may name a patient
        names = (f"{stem}{'' if number == 1 else f'-{number}'}.sam2" for number in range(1, 1000))
        return next((path for name in names if not (path := image.with_name(name)).exists()), None)

    def save_as(self, path: Path) -> None:
        """Save the session to a file; from now on each action is saved there."""
        if self.workspace is not None:
            self._controller.save_session(path)

    # --- tracks and table ------------------------------------------------------------------------------------------

    @property
    def measured(self) -> ObjectsMeasured | None:
        """The latest measurement of the image that is worked on; None where there is none."""
        output = self._current
        return None if output is None else output.measured

    @property
    def is_table_wanted(self) -> bool:
        """Objects are measured for a table."""
        return self._is_table_wanted

    @is_table_wanted.setter
    def is_table_wanted(self, is_wanted: bool) -> None:
        self._is_table_wanted = is_wanted
        self._follow()

    def show_tracks(self) -> None:
        """Add the Tracks layer, and keep it in step with the session until somebody removes it."""
        workspace = self.workspace
        if workspace is None:
            return
        if workspace.stack.frame_axis is None or "T" not in workspace.stack.axes:
            what = "a single image" if workspace.stack.frame_axis is None else "a volume"
            self._warn(f"Tracks go through time, and this is {what}")
            return
        if workspace.stack.along in ("Y", "X"):
            self._warn(f"Tracks go through time, and frames follow each other along {workspace.stack.along} here")
            return
        output = self._output_of(workspace)
        output.tracks.is_wanted = True
        if output.tracks.layer is None:
            output.asked = None
        self._follow()

    @property
    def _current(self) -> _ImageOutput | None:
        workspace = self._controller.workspace
        return None if workspace is None else self._images.get(id(workspace))

    def _output_of(self, workspace: ImageWorkspace) -> _ImageOutput:
        output = self._images.get(id(workspace))
        if output is None:
            output = self._images[id(workspace)] = _ImageOutput(workspace, self._viewer)
        return output

    def _follow(self) -> None:
        """Measure again, if labels changed and nothing runs."""
        for key, output in list(self._images.items()):
            if output.workspace.is_closed:
                output.close()
                del self._images[key]
        workspace = self._controller.workspace
        if workspace is not None:
            self._measure(workspace)
        measured = self.measured
        if measured is not self._shown:
            self._shown = measured
            self.changed.emit()

    def _measure(self, workspace: ImageWorkspace) -> None:
        output, session = self._output_of(workspace), workspace.worker.session
        if session is None or not self._controller.is_idle or not (self._is_table_wanted or output.tracks.is_wanted):
            return
        asked = session.state.history.num_changes, self.calibration, self._is_table_wanted
        if output.asked == asked:
            return
        output.asked = asked
        reading = reader(output.measurer, self.calibration, self._is_table_wanted)
        self._controller.read_session(reading, partial(self._measurement_reported, output), JobKind.MEASURE)

    def _measurement_reported(self, output: _ImageOutput, item: Any) -> str | None:
        if not isinstance(item, ObjectsMeasured):
            return None
        output.measured = item
        if output.tracks.is_wanted and item.tracks is not None:
            output.tracks.show(item.tracks, item.graph, output.colour_of)
        return item.no_tracks if output.tracks.is_wanted else None


def image_file_of(workspace: ImageWorkspace) -> Path | None:
    """Return the file of an image, if it has one and that is there."""
    source, session = workspace.image.source.path, workspace.worker.session
    if source is None or source.lower().endswith(SUFFIX):  # it was opened with its session
        source = None if session is None else session.image_path
    return Path(source).absolute() if source is not None and Path(source).exists() else None


class _ImageOutput:
    """What leaves the session of one image."""

    def __init__(self, workspace: ImageWorkspace, viewer: Any) -> None:
        self.workspace = workspace
        self.measurer = ObjectMeasurer()
        self.tracks = TracksView(viewer, workspace.image, workspace.stack)
        self.measured: ObjectsMeasured | None = None
        self.asked: tuple[int, Calibration, bool] | None = None
        """Changes of the session, calibration, and whether there is a table: what was asked to be measured last."""

    def close(self) -> None:
        self.tracks.close()

    def colour_of(self, object_id: int) -> tuple[float, float, float]:
        """Return the colour of an object in the result."""
        info = self.workspace.objects.infos.get(object_id)
        shown = (None if info is None else info.colour) or self.workspace.result.default_colour(object_id) or "#ffffff"
        red, green, blue = (int(shown[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return red, green, blue
