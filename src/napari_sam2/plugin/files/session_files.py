"""Session files in napari's menus: a file that is opened or dropped becomes layers, a result is saved as the session it belongs to.

Both work without the widget, which goes on with the session when it is opened.
"""

from __future__ import annotations

import contextlib
import os
import string
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import napari
import pint
from napari.layers import Image

from napari_sam2.images.units import UNITS
from napari_sam2.plugin.image.image_stack import ImageStack, full_resolution
from napari_sam2.plugin.image.layer_file import FILE_KEY, LayerFile
from napari_sam2.plugin.image.layer_pixels import layer_pixels
from napari_sam2.plugin.image.layer_placement import spatial_metadata, unwrapped
from napari_sam2.plugin.image.reading import READING_KEY, Reading
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.layers.session_layers import POSITION_KEY, SESSION_KEY, WORKSPACES
from napari_sam2.plugin.notices import notify_warning
from napari_sam2.plugin.sessions.autosave import SUFFIX, KeptSessions, image_name_of

if TYPE_CHECKING:
    from napari_sam2.images.stack import Stack
    from napari_sam2.session.store.header import SessionHeader

LayerData = tuple[Any, dict[str, Any], str]


# --- opened --------------------------------------------------------------------------------------------------------


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return what reads session files, for napari; None for other files."""
    return read_session if isinstance(path, str) and path.lower().endswith(SUFFIX) else None


def read_session(path: str) -> list[LayerData]:
    """Read a session file: its labels, and its image, unless that is in the viewer. The widget goes on with the session.

    Returns
    -------
    list of LayerData
        Of the image, where it is found and is not in the viewer, and of the labels.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        If the session file cannot be read.
    """
    file = Path(path).absolute()
    viewer = napari.current_viewer()
    opened = open_layers(file, () if viewer is None else viewer.layers)
    if opened.problem:
        choose = "; or choose Sessions › Find the image in the dock" if opened.is_image_a_file else ""
        notify_warning(f"{opened.problem}: open the image, then {file.name} again, to go on with the session{choose}")
    return opened.layers


class OpenedLayers(NamedTuple):
    """What a session file becomes in a viewer.

    Attributes
    ----------
    layers : list of LayerData
        Of the image, where it is found and is not in the viewer, and of the labels.
    problem : str
        Why there is no image: that it was no file, or is not where it was; empty where there is one.
    is_image_a_file : bool
        It was a file.
    """

    layers: list[LayerData]
    problem: str = ""
    is_image_a_file: bool = True


def open_layers(file: Path, shown_layers: Iterable[Any], image_path: Path | None = None, has_labels: bool = True) -> OpenedLayers:
    """Read a session file.

    Parameters
    ----------
    file : Path
        The file.
    shown_layers : iterable of Layer
        Those of the viewer. If the image is one of them, it is noted that the session belongs to it.
    image_path : Path, optional
        Where the image is now, if it was moved.
    has_labels : bool
        The labels are read, which takes its time; otherwise they are empty, for a widget that opens the session with them.

    Returns
    -------
    OpenedLayers
        The widget goes on with the session when the labels are added to the viewer.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        If the session file cannot be read, or ``image_path`` is another image.
    """
    from napari_sam2.images.calibration import PIXELS
    from napari_sam2.session.labels.label_writer import LabelWriter
    from napari_sam2.session.saved_session import SavedSession

    saved = SavedSession.read(file, image_path)
    header = saved.document.header
    labels = saved.result(PIXELS).labels if has_labels else LabelWriter(saved.stack).labels
    shown: dict[str, Any] = {
        "name": f"{image_name_of(file) or file.stem} – objects",
        "opacity": 0.55,
        "metadata": {SESSION_KEY: str(file)},
    }
    found = _image_in(map(unwrapped, shown_layers), header)
    if found is not None:
        image, stack = found
        image.metadata.update({SESSION_KEY: str(file), **_how_it_is_read(header, image, stack)})
        return OpenedLayers([(stack.layer_labels(labels), {**shown, **spatial_metadata(image, stack)}, "labels")])
    if saved.image_path is None:
        path = header.source.path
        is_of_patient = header.source.is_private
        where = (
            " is of a patient, and not named in it"
            if is_of_patient
            else " was no file"
            if path is None
            else f", {_first(path)}, is not there, or has changed"
        )
        return OpenedLayers([(labels, shown, "labels")], f"The image of {file.name}{where}", path is not None)
    pixels, attributes, kind = _image_layer(saved.stack, saved.image_path, file)
    image = Image(pixels, **{**attributes, "contrast_limits": (0, 1)})  # which are not to be looked for
    stack = _stack_in(header, ImageStack.of(image, _reading_in(header, ImageStack.of(image))))
    attributes["metadata"] |= _how_it_is_read(header, image, stack)
    return OpenedLayers(
        [(pixels, attributes, kind), (stack.layer_labels(labels), {**shown, **spatial_metadata(image, stack)}, "labels")]
    )


def _image_in(layers: Iterable[Any], header: SessionHeader) -> tuple[Any, ImageStack] | None:
    """Find the image of a session among layers, and read it as the session does; few frames are read of one that has its shape."""
    from napari_sam2.images.stack import Stack
    from napari_sam2.session.store.header import ImageIdentity

    for layer in layers:
        if isinstance(layer, Image):
            try:
                stack = ImageStack.of(layer)
                array = stack.without_short_axes(full_resolution(layer))
                if [int(side) for side in array.shape] != header.image.shape:
                    continue
                read = Stack.open(array, **header.source.arguments() | {"axes": header.image.axes})
                if ImageIdentity.of(read).is_of_same(header.image):
                    return layer, _stack_in(header, ImageStack.of(layer, _reading_in(header, stack)))
            except ValueError:
                continue
    return None


def _reading_in(header: SessionHeader, stack: ImageStack) -> Reading:
    """Return how a session reads an image whose axes of length 1 a stack leaves out."""
    letters = iter(header.image.axes)
    free = iter([letter for letter in string.ascii_uppercase if letter not in header.image.axes and letter != "S"])
    axes = "".join(next(letters) if letter else next(free) for letter in stack.letters)
    return Reading(axes, header.source.along or "", tuple(header.source.channel or ()))


def _how_it_is_read(header: SessionHeader, image: Any, stack: ImageStack) -> dict[str, Any]:
    """Return metadata by which the widget reads an image as a session does, as far as it would not by itself."""
    default = ImageStack.of(image)
    found: dict[str, Any] = {} if stack.moved_to(default.at) == default else {READING_KEY: _reading_in(header, stack)}
    return found | {POSITION_KEY: stack.at} if stack.at else found


def _stack_in(header: SessionHeader, stack: ImageStack) -> ImageStack:
    """Move a stack to the position of a session."""
    at = header.source.at or {}
    return stack.moved_to(tuple((letter, at.get(letter, 0)) for letter, _ in stack.at))


def _image_layer(stack: Stack, path: Path, session: Path) -> LayerData:
    pixels = layer_pixels(stack.image, len(stack.axes) - 2)
    shown: dict[str, Any] = {"name": path.stem, "rgb": stack.is_rgb, "metadata": {SESSION_KEY: str(session)}}
    if stack.geometry is not None:
        shown["metadata"][FILE_KEY] = LayerFile(tuple(stack.axes), stack.calibration, stack.geometry, stack.files, stack.is_private)
    if len(stack.axes) == pixels.ndim - stack.is_rgb:
        shown["axis_labels"] = tuple(stack.axes.lower())
        shown |= _calibrated(stack)
    return pixels, shown, "image"


def _calibrated(stack: Stack) -> dict[str, Any]:
    """Return scale and units of a layer, as the file of the image has them."""
    pixel = stack.calibration
    units = {"T": pixel.time_unit if pixel.has_times else "pixel"}
    names = tuple(units.get(axis, pixel.length_unit) if axis in "TZYX" else "pixel" for axis in stack.axes)
    if any(name not in UNITS and name != "pixel" for name in names) or not all(map(_is_unit, names)):
        return {}
    scale = tuple(pixel.steps(axis)[0] if axis in "TZYX" else 1.0 for axis in stack.axes)
    return {"scale": scale, "units": names}


def _is_unit(name: str) -> bool:
    with contextlib.suppress(pint.UndefinedUnitError):
        return pint.get_application_registry().Unit(name) is not None
    return False


def _first(path: str | list[str]) -> str:
    return path if isinstance(path, str) else path[0]


# --- saved ---------------------------------------------------------------------------------------------------------


def write_session(path: str, _data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save the session that a result belongs to; from now on it is saved there.

    Parameters
    ----------
    path : str
        A file that ends in ``.sam2``. An earlier session there is replaced.
    _data : array-like
        The labels of the layer, which are those of the session.
    attributes : dict
        Of the layer.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    ValueError, OSError
        If the layer belongs to no session, or that cannot be saved there.
    """
    file, metadata = Path(path).absolute(), attributes.get("metadata", {})
    workspace = WORKSPACES.get(metadata.get(IMAGE_KEY))
    if workspace is not None and not workspace.is_closed and workspace.worker.session is not None:
        try:
            workspace.worker.save(file)
        except RuntimeError as error:
            raise ValueError("the session is at work: stop it, or wait until it is done, and save it then") from error
        workspace.now_saved_to(file)
    elif SESSION_KEY in metadata:
        _copy(Path(metadata[SESSION_KEY]), file)
        metadata[SESSION_KEY] = str(file)
    else:
        raise ValueError(
            f"{attributes.get('name', 'the layer')} belongs to no session that could be saved as {SUFFIX}: give another file type"
        )
    return [path]


def _copy(source: Path, target: Path) -> None:
    """Save a session that no widget has open under another name."""
    from napari_sam2.files import atomic_path, check_writable
    from napari_sam2.session.store.database import is_session_file, open_to_write
    from napari_sam2.session.store.file_lock import FileLock

    kept = KeptSessions()
    source = kept.current(source) or source
    if target.exists() and source.exists() and os.path.samefile(source, target):
        return
    if target.exists() and not is_session_file(target):
        raise ValueError(f"{target} is there already and is no session file: give another name, or move it away")
    check_writable(target)
    lock = FileLock(target)  # nothing is replaced that is open
    try:
        with contextlib.closing(open_to_write(source)) as database, atomic_path(target) as partial:
            database.copy_to(partial, f"the session could not be saved to {target}")
    finally:
        lock.release()
    kept.moved(source, target)
