"""Changes the model of a session, and finds earlier models again when that is undone."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.checks import check_whole, shown
from napari_sam2.cluster.any_model import is_loaded
from napari_sam2.cluster.remote_compute import RemoteCompute
from napari_sam2.cluster.remote_model import remote_model
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.state.identity import ModelIdentity, weights_sha256
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.session_state import SessionState

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel


class ModelEditor:
    """Changes the model of a session.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The model and its view of the stack.
    segmenter : PromptSegmenter
        Segments anchor frames again.
    device : str, RemoteCompute or None
        Where models are loaded to.
    find : callable
        Loads an earlier model by its identity.

    Attributes
    ----------
    begun_with : ModelIdentity or None
        The first model of the session, if it has another one now.
    """

    def __init__(
        self,
        state: SessionState,
        in_use: ModelInUse,
        segmenter: PromptSegmenter,
        device: str | RemoteCompute | None,
        find: Callable[[ModelIdentity], AnyModel],
    ) -> None:
        self.begun_with: ModelIdentity | None = None
        self._state = state
        self._in_use = in_use
        self._segmenter = segmenter
        self._device = device
        self._find = find
        # A model with a name is loaded again by it, and need not stay in memory.
        self._known: list[tuple[ModelIdentity, weakref.ref[AnyModel]]] = []
        self._without_name: list[AnyModel] = []

    @property
    def first(self) -> ModelIdentity:
        """The model that the session began with."""
        return self.begun_with or self._state.model

    def use_model(self, model: str | Path | AnyModel, image_size: int | None = None) -> None:
        """Change the model; everything that is not a mask stays: prompts, names, colours, locks, divisions, the history.

        Prompted frames are segmented again. Approved frames, and those of locked objects, keep their masks. Tracked masks are
        stale: they are shown until the next propagation. One undo restores the previous model and all of its masks.

        Parameters
        ----------
        model : str, Path or SAM2VideoPredictor
            See :class:`Session`.
        image_size : int, optional
            Side of its input in pixels; see :class:`Session`.

        Raises
        ------
        FileNotFoundError
            If the weights of the model are not there.
        ValueError
            If there is no such model, or a frame cannot be segmented with it. The session keeps its model.
        OSError
            If a frame cannot be read; likewise.
        SessionBusyError
            If another thread is using the session.
        """
        network = loaded(model, self._device, None if image_size is None else check_whole("image_size", image_size))
        identity, before = ModelIdentity.of(network), self._in_use.model
        if self._state.model.sha256 is not None:  # the session is saved
            identity = replace(identity, sha256=weights_sha256(network))
        history = self._state.history
        with history.working():
            self._in_use.use(network)
            try:
                with history.action(lambda: LoggedCall("use_model", identity.arguments())):
                    self.begun_with = self.first
                    self.remember(identity, network)
                    self._state.models[0] = identity
                    segment_again(self._state, self._in_use, self._segmenter, before.image_size)
            except BaseException:
                self._in_use.use(before)
                raise

    def follow(self, identity: ModelIdentity) -> None:
        """Use the model of the state, after an undo or a redo.

        Raises
        ------
        FileNotFoundError, ValueError
            If it cannot be loaded again.
        """
        known = (model() for other, model in reversed(self._known) if identity.is_same(other))
        network = next((model for model in known if model is not None), None)
        if network is None:
            network = self._find(identity)
            self.remember(identity, network)
        if network is not self._in_use.model:
            self._in_use.use(network)

    def remember(self, identity: ModelIdentity, network: AnyModel) -> None:
        """Add a model to those that :meth:`follow` finds in memory."""
        self._known.append((identity, weakref.ref(network)))
        if network.source is None and network not in self._without_name:
            self._without_name.append(network)


def loaded(model: str | Path | AnyModel, device: str | RemoteCompute | None, image_size: int | None = None) -> AnyModel:
    """Load a model by its name or file; return one that is loaded already.

    Parameters
    ----------
    model, device
        See :class:`~napari_sam2.session.session.Session`.
    image_size : int, optional
        Side of its input in pixels; by default that of its configuration.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`~napari_sam2.predictors.build.load_model`, or if it is none of these.
    """
    if is_loaded(model):
        network = model
    elif not isinstance(model, str | Path):
        raise ValueError(f"model is a name, a checkpoint file or a model that is loaded, got {shown(model)}")
    elif isinstance(device, RemoteCompute):
        network = remote_model(device, str(model))
    else:
        from napari_sam2.predictors.build import load_model

        return load_model(model, device, **({} if image_size is None else {"image_size": image_size}))
    if image_size not in (None, network.image_size):
        raise ValueError(
            f"the input of a model that is loaded, or is on another machine, keeps its size: {network.image_size} pixels, "
            f"not {image_size}"
        )
    return network


def segment_again(state: SessionState, in_use: ModelInUse, segmenter: PromptSegmenter, image_size_before: int) -> None:
    """Segment all anchor frames with a new model.

    Frames with prompts are segmented as prompted. Approved frames, and those of locked objects, keep their masks, which are mask
    prompts for the new model. Tracked records are stale: they are shown until the next propagation.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The new model.
    segmenter : PromptSegmenter
        Segments objects with it.
    image_size_before : int
        Side of the input of the previous model.

    Raises
    ------
    ValueError
        If a frame has only points outside an object, and no tracked mask that they could refine.
    OSError
        If a frame cannot be read.
    """
    for item in state.objects.values():
        _make_stale(item, in_use, image_size_before)
        shown = {frame: item.conditioning[frame] for frame in item.anchors}
        item.conditioning.clear()
        # Corrections of tracked frames come last, as they did when they were made.
        for frame, record in sorted(shown.items(), key=lambda pair: (pair[0] in item.corrected, pair[0])):
            prompts = item.prompts.get(frame)
            if item.info.is_locked or prompts is None or prompts.is_approved:
                item.conditioning[frame] = segmenter.segment_shown(frame, record, segmenter.mask(record))
                continue
            previous = None if prompts.packed_mask is not None else item.corrected.get(frame)
            if previous is None and not prompts.locates:
                raise ValueError(
                    f"frame {frame} has only points outside object {item.object_id}: add a point inside, a box or a mask before "
                    "the model is changed"
                )
            item.conditioning[frame] = segmenter.segment(item, frame, prompts, previous)


def _make_stale(item: SessionObject, in_use: ModelInUse, image_size_before: int) -> None:
    for frame in sorted(item.shown_frames() - set(item.conditioning)):
        record = item.shown(frame)
        assert record is not None
        for mapping in (item.tracked, item.fused):
            mapping.discard(frame)
        item.stale[frame] = in_use.foreign(record, image_size_before)
    for frame in item.corrected:
        item.corrected[frame] = in_use.foreign(item.corrected[frame], image_size_before)
