"""The parts of a session by which objects are found, followed and edited, handed to each way of tracking as one."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.session.editing.object_editor import ObjectEditor
from napari_sam2.session.editing.prompt_editor import PromptEditor
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.propagation.propagator import Propagator
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.tracking.regions import Region


@dataclass(frozen=True)
class SessionParts:
    """Parts of a session.

    Attributes
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The model.
    objects, prompts, propagator : ObjectEditor, PromptEditor and Propagator
        Change it.
    """

    state: SessionState
    in_use: ModelInUse
    objects: ObjectEditor
    prompts: PromptEditor
    propagator: Propagator

    @property
    def num_frames(self) -> int:
        """Length of the stack."""
        return len(self.in_use.stack)

    def region(self, record: FrameRecord) -> Region:
        """Return the pixels of an object on a frame; empty where it is absent."""
        return Region.of_present(record, self.in_use.frame_shape)
