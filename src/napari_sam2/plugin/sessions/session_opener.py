"""Sessions of images, and the models that they use."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.refusal import ClusterError, WorkerLostError
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.plugin.image.image_stack import Position
from napari_sam2.plugin.image.layer_file import NO_FILE, LayerFile
from napari_sam2.plugin.sessions.autosave import ImageFingerprint, KeptSessions, SessionSummary
from napari_sam2.plugin.settings.models import is_on_this_machine
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.settings.settings import MOST_MEMORIES, Settings
from napari_sam2.weights.registry import RELEASED

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel
    from napari_sam2.cluster.remote_compute import RemoteCompute
    from napari_sam2.images.opened_image import OpenedImage
    from napari_sam2.images.stack import Stack
    from napari_sam2.session.session import Session

logger = logging.getLogger(__name__)

_WHAT_IT_HAS = ("model", "calibration", "file", "fingerprint")
_HOW_IT_IS_READ = ("axes", "channels", "along", "at", "intensity_range", "percentiles")

PATIENCE_S = 20.0
"""So long a session that this viewer had open before may take to come to its end: the frame that is being tracked is finished."""


@dataclass(frozen=True)
class SessionRequest:
    """What a session is to be opened on.

    Attributes
    ----------
    image : array-like
        Frames, as :class:`~napari_sam2.session.session.Session` takes them.
    axes : str
        Of the image.
    model : str
        Name of the model.
    labels : ndarray or None
        Receives the result: that of an earlier widget; a new array by default.
    fingerprint : ImageFingerprint or None
        By which the session is found again; None if it is not to be kept.
    continued : Path or None
        The file of an earlier session, which is opened instead of a new one, with the model that it was saved with.
    channels : tuple of int
        That are used; empty where there are none to choose from.
    along : str
        The axis along which frames follow each other; empty for a single image.
    at : Position
        Where the image is cut along its other axes.
    intensity_range, percentiles : tuple of float or None
        What becomes black and white; as the session chooses where both are None.
    calibration : Calibration
        Pixel size and frame interval.
    file : LayerFile
        What the file of the image tells.
    other_directions : tuple of ImageFingerprint
        By which sessions on the same volume along its other axes are found.
    """

    image: Any
    axes: str
    model: str
    labels: Any = None
    fingerprint: ImageFingerprint | None = None
    continued: Path | None = None
    channels: tuple[int, ...] = ()
    along: str = ""
    at: Position = ()
    intensity_range: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    calibration: Calibration = PIXELS
    file: LayerFile = NO_FILE
    other_directions: tuple[ImageFingerprint, ...] = ()

    def reads_as(self, other: SessionRequest | None) -> bool:
        """Tell whether another request is for the same pixels, read in the same way."""
        if other is None or self.image is not other.image:
            return False
        return all(getattr(self, name) == getattr(other, name) for name in _HOW_IT_IS_READ)

    def opens_as(self, other: SessionRequest) -> bool:
        """Tell whether another request is for the same new session."""
        is_new = all(one.labels is None and one.continued is None for one in (self, other))
        return is_new and self.reads_as(other) and all(getattr(self, name) == getattr(other, name) for name in _WHAT_IT_HAS)


@dataclass(frozen=True)
class _LoadedModel:
    """A model, and what it was loaded by: its name and the side of its input, None for that of its training."""

    name: str
    image_size: int | None
    network: AnyModel

    def is_of(self, name: str, image_size: int | None) -> bool:
        """Tell whether it is the model that is asked for."""
        return self.name == name and (image_size == self.image_size or image_size == self.network.image_size)


class SessionOpener:
    """Opens sessions; the latest model is kept, since loading it takes longer than everything else.

    Parameters
    ----------
    kept : KeptSessions, optional
        Where sessions are kept; by default none is.

    Attributes
    ----------
    settings : Settings
        By which sessions are opened; :meth:`use` changes them.
    place : Place
        Where their models compute; :meth:`move_to` changes it.
    """

    def __init__(self, kept: KeptSessions | None = None) -> None:
        self.kept = kept
        self.settings = Settings()
        self.place = Place()
        self._reached: dict[Place, RemoteCompute] = {}
        self._loaded: _LoadedModel | None = None

    def use(self, settings: Settings) -> None:
        """Open sessions by other settings from now on."""
        before = self.settings
        kept_by = settings.autosave_folder, settings.quota_gb
        if self.kept is not None and kept_by != (before.autosave_folder, before.quota_gb):
            self.kept = KeptSessions(*kept_by)
        self.settings = settings

    def move_to(self, place: Place) -> None:
        """Open sessions at another place from now on."""
        if place != self.place:
            self._loaded = None
            self.place = place

    def has(self, model: str) -> bool:
        """Return whether the weights of a model need not be fetched first; what is missing elsewhere is said when it is loaded."""
        return self.place.is_elsewhere or is_on_this_machine(model)

    def reach(self, place: Place) -> RemoteCompute:
        """Connect to another machine, or return the connection that there is.

        Raises
        ------
        ImportError, ValueError, OSError
            If it cannot be reached.
        """
        from napari_sam2.cluster.remote_compute import RemoteCompute

        if place not in self._reached:
            self._reached[place] = RemoteCompute(place.scheduler, place.certificates())
        return self._reached[place]

    @property
    def transfers(self) -> str:
        """What travelled to and from the place; empty where nothing does."""
        reached = self._reached.get(self.place)
        return "" if reached is None else str(reached.transfers)

    def _where(self) -> dict[str, Any]:
        """Arguments of a session that say where it computes."""
        return {"compute": self.reach(self.place)} if self.place.is_elsewhere else {"device": self.place.device}

    def load(self, model: str, image_size: int | None = None) -> AnyModel:
        """Load a model, unless it is the latest one.

        Parameters
        ----------
        model : str
            A name, or a checkpoint file.
        image_size : int, optional
            Side of its input; by default that of the settings for a released model, and for others that of their training.

        Raises
        ------
        FileNotFoundError
            If its weights are not there.
        ValueError
            If its file is no checkpoint of SAM 2.
        """
        if self.place.is_elsewhere:
            image_size = None  # a model there keeps its size
        elif image_size is None and model in RELEASED:
            image_size = self.settings.image_size
        if self._loaded is None or not self._loaded.is_of(model, image_size):
            self._loaded = None  # two large models need not fit into memory
            self._loaded = _LoadedModel(model, image_size, self._load(model, image_size))
        return self._loaded.network

    def _load(self, model: str, image_size: int | None) -> AnyModel:
        if self.place.is_elsewhere:
            from napari_sam2.cluster.remote_model import remote_model

            return remote_model(self.reach(self.place), model)
        # here and not above: torch is imported on the worker, not when the widget is opened
        from napari_sam2.predictors.build import load_model

        return load_model(model, self.place.device, **({} if image_size is None else {"image_size": image_size}))

    def keep(self, model: str, network: AnyModel) -> None:
        """Keep a model that is loaded in the place of the latest one, unless it computes elsewhere than sessions do by now."""
        if hasattr(network, "compute") == self.place.is_elsewhere:
            self._loaded = _LoadedModel(model, network.image_size if model in RELEASED else None, network)

    def release(self) -> None:
        """Let the latest model go, and the memory that it takes on a GPU; leave other machines."""
        self._loaded = None
        while self._reached:
            self._reached.popitem()[1].close()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def open(self, request: SessionRequest) -> Session:
        """Open a session.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If the model cannot be loaded, the image not be read, or an earlier session not be continued.
        """
        from napari_sam2.session.session import Session

        if request.continued is not None:
            return self._open_again(request, request.continued)
        stack = _stack(request)
        labels = self._new_labels(stack) if request.labels is None else request.labels
        return Session(
            stack,
            model=self.load(request.model),
            precision=self.settings.precision,
            memories=None if self.settings.memories == MOST_MEMORIES else self.settings.memories,
            labels=labels,
            intensity_range=request.intensity_range,
            percentiles=request.percentiles,
            **self._where(),
        )

    def _new_labels(self, stack: Stack) -> Any:
        from napari_sam2.session.labels.label_writer import empty_labels

        return empty_labels(stack.labels_shape, self.settings.memory_gb * 1e9)

    def _open_again(self, request: SessionRequest, path: Path) -> Session:
        from napari_sam2.session.session import Session
        from napari_sam2.session.store.file_lock import is_locked

        until = time.monotonic() + PATIENCE_S
        while is_locked(path) and time.monotonic() < until:
            time.sleep(0.05)
        try:
            saved = SessionSummary.read(path)
            network = self.load(saved.model, saved.image_size)
            return Session.open(path, _opened(request), network, labels=request.labels, draw_later=True, **self._where())
        except (ClusterError, WorkerLostError):
            raise  # once the other machine is reached again, the session is opened
        except (OSError, ValueError) as error:
            left = "it stays where it is, and a new session begins with the next click"
            raise ValueError(f"the earlier session cannot be continued: {error}; {left}") from error

    def find(self, request: SessionRequest) -> list[SessionSummary]:
        """Find earlier sessions on an image, what was changed last first; few frames are read, and only if there may be some.

        Raises
        ------
        ValueError
            If there are such, but none can be read.
        """
        from napari_sam2.session.store.header import ImageIdentity

        if self.kept is None or request.fingerprint is None:
            return []

        def identify(channels: tuple[int, ...], along: str) -> ImageIdentity:
            chosen = replace(request, channels=channels or request.channels, along=along or request.along)
            return ImageIdentity.of(_stack(chosen))

        return self.kept.find((request.fingerprint, *request.other_directions), identify)


def _stack(request: SessionRequest) -> Stack:
    """Open the image of a layer."""
    from napari_sam2.images.stack import Stack

    channels, along = list(request.channels) or None, request.along or None
    return Stack.open(_opened(request), request.axes, channels, along, dict(request.at))


def _opened(request: SessionRequest) -> OpenedImage:
    """Describe the image of a layer, with the name of its file, if that holds the same."""
    from napari_sam2.images.image_files import open_image_file
    from napari_sam2.images.opened_image import OpenedImage

    file = request.file
    if file.files or file.is_private:
        return OpenedImage(request.image, None, request.calibration, file.files, geometry=file.geometry, is_private=file.is_private)
    source, files = None if request.fingerprint is None else request.fingerprint.source, tuple[Path, ...]()
    if source is not None and Path(source).exists():
        try:
            if tuple(open_image_file(source).pixels.shape) == tuple(request.image.shape):
                files = (Path(source).absolute(),)
        except (OSError, ValueError, ImportError) as error:  # read by another program: the session is one on an array
            logger.debug("%s is not named by the session: %s", source, error)
    return OpenedImage(request.image, calibration=request.calibration, files=files)
