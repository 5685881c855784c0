"""The image and the model that a session file names, found again and checked."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.any_model import is_loaded
from napari_sam2.cluster.remote_compute import RemoteCompute
from napari_sam2.cluster.remote_model import remote_model
from napari_sam2.images.file_names import named_path
from napari_sam2.images.stack import Stack
from napari_sam2.session.state.identity import ModelIdentity, weights_sha256
from napari_sam2.session.store.header import ImageIdentity, ImageSource, SessionHeader
from napari_sam2.session.store.moved_files import find_moved, path_from
from napari_sam2.weights.registry import SUFFIXES

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel


def source_from(folder: Path, source: ImageSource) -> ImageSource:
    """Add how the files of an image are reached from a folder, where they are there."""
    if source.path is not None and all(map(_is_here, [source.path] if isinstance(source.path, str) else source.path)):
        return replace(source, relative_path=_relative(folder, source.path))
    return source


def model_from(folder: Path, model: ModelIdentity) -> ModelIdentity:
    """Add how the file of a model is reached from a folder, where it is there."""
    return replace(model, relative_path=path_from(folder, Path(model.name))) if _is_here(model.name) else model


def _is_here(text: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(text).is_absolute() and Path(text).exists()
    return False


def _relative(folder: Path, path: str | list[str] | None) -> str | list[str] | None:
    if isinstance(path, list):
        found = [path_from(folder, Path(one)) for one in path]
        return None if None in found else [one for one in found if one is not None]
    return None if path is None else path_from(folder, Path(path))


def check_image(stack: Stack, header: SessionHeader, path: Path) -> None:
    """Check that an image is the one that a session was saved with.

    Raises
    ------
    ValueError
        If it is another.
    """
    identity = ImageIdentity.of(stack)
    if not identity.is_of_same(header.image):
        expected, given = (f"{one.dtype} of shape {tuple(one.shape)}" for one in (header.image, identity))
        what = "the same size with other pixels" if expected == given else f"{given}, not {expected}"
        raise ValueError(
            f"this is another image than {path.name} was saved with, {what}: give image= (in the shell --image), or begin a new "
            "session on it"
        )


def find_image(path: Path, header: SessionHeader) -> Path | list[Path]:
    """Find the image that a session file names: where it was, where it is as seen from the file, or beside the file.

    Raises
    ------
    FileNotFoundError
        If it is at none of these places.
    ValueError
        If it was no file, or is of a patient, whom its path may name.
    """
    source = header.source
    if source.path is None and source.is_private:
        raise ValueError(f"{path.name} does not name its image, which is of a patient: give it as image= (in the shell --image)")
    if source.path is None:
        raise ValueError(f"the image of {path.name} was an array, not a file: give it as image= (in the shell --image)")
    texts = [source.path] if isinstance(source.path, str) else source.path
    relative = source.relative_path
    from_here = relative if isinstance(relative, list) else [relative] * len(texts)
    found = []
    for text, one in zip(texts, from_here, strict=True):
        at = find_moved(text, path.parent, one)
        if at is None:
            raise FileNotFoundError(
                f"the image {text} of {path.name} is not there: put it back, or give image= (in the shell --image), where it "
                f"is; nor is {named_path(text).name} in {path.parent}"
            )
        found.append(at)
    return found[0] if len(found) == 1 else found


def find_model(
    path: Path, identity: ModelIdentity, model: str | Path | AnyModel | None, device: str | RemoteCompute | None
) -> AnyModel:
    """Load a model in the place of the one that a session file names, or that one, wherever it is found as images are.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`~napari_sam2.predictors.build.load_model`.
    """
    if is_loaded(model):
        return model
    if model is not None:
        name: Any = model
        return _load(name, device, identity)
    is_file = named_path(identity.name).suffix in SUFFIXES
    found = find_moved(identity.name, path.parent, identity.relative_path) if is_file else identity.name
    if found is None:
        raise FileNotFoundError(
            f"{path.name} was saved with the model {identity.name}, which is not there: put it back, or give model= (in the shell "
            f"--model), where it is; nor is {named_path(identity.name).name} in {path.parent}"
        )
    try:
        return _load(found, device, identity)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(
            f"{path.name} was saved with the model {identity.name}: {error}; give model= (in the shell --model), where it is"
        ) from error


def _load(model: str | Path, device: str | RemoteCompute | None, identity: ModelIdentity) -> AnyModel:
    if isinstance(device, RemoteCompute):
        return remote_model(device, str(model))
    from napari_sam2.predictors.build import load_model

    network = load_model(model, device)
    is_other_size = (network.config.name, network.image_size) != (identity.architecture, identity.image_size)
    if is_other_size and network.config.name == identity.architecture:
        return load_model(model, device, image_size=identity.image_size)
    return network


def check_weights(model: AnyModel, identity: ModelIdentity, path: Path) -> None:
    """Check that a model is the one that a session was saved with.

    Raises
    ------
    ValueError
        If it has other weights.
    """
    if identity.sha256 is None:  # a session that was not saved
        is_same = (model.config.name, model.image_size) == (identity.architecture, identity.image_size)
    else:
        is_same = weights_sha256(model) == identity.sha256
    if not is_same:
        raise ValueError(
            f"{path.name} was saved with other weights of {identity.name}: what was found does not go on with these; "
            f"give model= (in the shell --model), where these are, or find everything again with napari-sam2 replay {path.name}"
        )
