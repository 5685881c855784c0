"""Sessions of images, and the models that they use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
    from napari_sam2.session.session import Session


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
    """

    image: Any
    axes: str
    model: str
    labels: Any = None


class SessionOpener:
    """Opens sessions; the latest model is kept, since loading it takes longer than everything else."""

    def __init__(self) -> None:
        self._loaded: tuple[str, SAM2VideoPredictor] | None = None

    def load(self, model: str) -> SAM2VideoPredictor:
        """Load a model, unless it is the latest one.

        Raises
        ------
        FileNotFoundError
            If its weights are not there.
        ValueError
            If its file is no checkpoint of SAM 2.
        """
        if self._loaded is None or self._loaded[0] != model:
            self._loaded = None  # two large models need not fit into memory
            self._loaded = (model, self._load(model))
        return self._loaded[1]

    def _load(self, model: str) -> SAM2VideoPredictor:
        # here and not above: torch is imported on the worker, not when the widget is opened
        from napari_sam2.predictors.build import load_model

        return load_model(model)

    def keep(self, model: str, network: SAM2VideoPredictor) -> None:
        """Keep a model that is loaded in the place of the latest one."""
        self._loaded = (model, network)

    def open(self, request: SessionRequest) -> Session:
        """Open a session.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If the model cannot be loaded, or the image not be read.
        """
        from napari_sam2.session.session import Session

        return Session(request.image, request.axes, self.load(request.model), labels=request.labels)
