"""Recent sessions: what a list shows of them, and how one is opened with its image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer

from napari_sam2.file_errors import reason_of
from napari_sam2.plugin.files.session_files import OpenedLayers, open_layers
from napari_sam2.plugin.image.layer_placement import unwrapped
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.layers.session_layers import SESSION_KEY
from napari_sam2.plugin.sessions.autosave import MOVED, KeptSessions, SessionSummary
from napari_sam2.plugin.settings.models import is_on_this_machine

if TYPE_CHECKING:
    from napari_sam2.plugin.controller import Controller

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class RecentSession:
    """A session in the list.

    Attributes
    ----------
    path : Path
        Its file.
    name : str
        That of the image; of a file that somebody saved by name, that of the file.
    size_bytes : int
        What the file takes.
    summary : SessionSummary or None
        What it holds; None where it cannot be read.
    problem : str
        Why it cannot be read.
    """

    path: Path
    name: str
    size_bytes: int
    summary: SessionSummary | None
    problem: str = ""

    def describe(self) -> str:
        """Describe it in a line: image, objects, frames, date, size on disk."""
        what = self.problem if self.summary is None else self.summary.describe()
        return f"{self.name} · {what} · {shown_size(self.size_bytes)}"


def shown_size(size_bytes: float) -> str:
    """Write a size in bytes as people read it."""
    size, unit = float(size_bytes), _UNITS[0]
    for unit in _UNITS:
        if size < 999.5 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 9.95 else f"{size:.1f} {unit}"


def recent_sessions(kept: KeptSessions, limit: int = 12) -> list[RecentSession]:
    """List the sessions that were changed last and hold objects, the latest first."""
    found: list[RecentSession] = []
    for one in kept.sessions():
        if len(found) == limit:
            break
        name = f"{one.path.name} ({one.image_name})" if one.entry.suffix == MOVED else one.image_name
        try:
            size_bytes, summary = one.path.stat().st_size, SessionSummary.read(one.path)
        except (OSError, ValueError) as error:
            found.append(RecentSession(one.path, name, one.size_bytes, None, f"cannot be read: {reason_of(error)}"))
            continue
        if summary.num_objects:
            found.append(RecentSession(one.path, name, size_bytes, summary))
    return found


def disk_use(kept: KeptSessions) -> str:
    """Tell how much the kept sessions take, of how much they may."""
    return f"Sessions take {shown_size(kept.total_bytes())} of {shown_size(kept.quota_bytes)}"


RULE = (
    "When they take more, the oldest are removed: none that is open, none of the last seven days, and no file that you saved by "
    "name. What was not changed for 180 days is removed, too."
)


class SessionNotOpened(Exception):  # noqa: N818
    """A session was not opened; the text is a sentence."""


def open_session(controller: Controller, viewer: Any, path: Path, ask_image: Callable[[str], Path | None] | None = None) -> None:
    """Open a session with its image, which may be in the viewer already; the session that was open on it is closed, and kept.

    Parameters
    ----------
    controller : Controller
        Goes on with it.
    viewer : Viewer
        Where the layers are shown.
    path : Path
        The file.
    ask_image : callable, optional
        Called with a sentence where the image is not there any more; returns where it is now, or None.

    Raises
    ------
    SessionNotOpened
        If it is open elsewhere, cannot be read, or its image is not found; the viewer is as before.
    """
    from napari_sam2.session.store.file_lock import is_locked

    image = _image_of_open(controller, viewer, path)
    if image is not None:
        controller.choose_image(image)
        return
    if is_locked(path):
        raise SessionNotOpened(f"{path.name} is open elsewhere: close it there first")
    try:
        # where the session goes on, the worker writes the labels
        is_read_here = not is_on_this_machine(SessionSummary.read(path).model)
        opened = open_layers(path, viewer.layers, None, is_read_here)
        if opened.problem:
            opened = open_layers(path, viewer.layers, _asked(opened, ask_image), is_read_here)
    except (OSError, ValueError) as error:
        # what the shell can do about it is of no use here
        raise SessionNotOpened(str(error).split(": give image=")[0]) from error
    remove_without_image(viewer, path)
    for data, attributes, kind in opened.layers:
        viewer.add_layer(Layer.create(data, attributes, kind))


def _asked(opened: OpenedLayers, ask_image: Callable[[str], Path | None] | None) -> Path:
    if not opened.is_image_a_file:
        raise SessionNotOpened(f"{opened.problem}: open the image first, then the session again")
    image_path = None if ask_image is None else ask_image(opened.problem)
    if image_path is None:
        raise SessionNotOpened(f"{opened.problem}: put it back, or choose where it is now")
    return image_path


def _image_of_open(controller: Controller, viewer: Any, path: Path) -> Any:
    """Return the image whose session from this file is shown already; None where there is none."""
    images = {image.unique_id: image for image in controller.images}
    for layer in map(unwrapped, viewer.layers):
        if isinstance(layer, Labels) and layer.metadata.get(SESSION_KEY) == str(path):
            return images.get(layer.metadata.get(IMAGE_KEY))
    return None


def without_image(viewer: Any) -> list[Path]:
    """List the session files whose labels are in the viewer, but whose image is not."""
    return [Path(layer.metadata[SESSION_KEY]) for layer in map(unwrapped, viewer.layers) if _is_without_image(layer)]


def remove_without_image(viewer: Any, path: Path) -> None:
    """Remove the labels of a session that are in the viewer without its image."""
    for layer in list(map(unwrapped, viewer.layers)):
        if _is_without_image(layer) and Path(layer.metadata[SESSION_KEY]) == path:
            viewer.layers.remove(layer)


def _is_without_image(layer: Any) -> bool:
    return isinstance(layer, Labels) and SESSION_KEY in layer.metadata and IMAGE_KEY not in layer.metadata
