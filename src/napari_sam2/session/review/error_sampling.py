"""Measures the rate of wrong masks: draws a random sample of masks, and takes down what a person says of each."""

from __future__ import annotations

from napari_sam2.checks import check_flag, check_whole
from napari_sam2.images.stack import Stack
from napari_sam2.session.state.error_sample import ErrorSample, draw_masks
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.session_state import SessionState

DEFAULT_SIZE = 100
"""With so many, 5 wrong ones tell a rate of 2 to 11 %."""


class ErrorSampling:
    """Samples the masks of a session.

    What is done here can be undone and is in the file, but not in the log: it changes no mask.

    Parameters
    ----------
    state : SessionState
        Whose masks.
    stack : Stack
        The frames.
    """

    def __init__(self, state: SessionState, stack: Stack) -> None:
        self._state = state
        self._stack = stack

    def draw_error_sample(self, size: int = DEFAULT_SIZE, seed: int = 0) -> ErrorSample:
        """Draw masks at random, to be judged one by one; an earlier sample is replaced.

        Masks on anchor frames are left out, as a person has seen them, and so are hidden objects.

        Parameters
        ----------
        size : int
            How many, 1 or more; where there are fewer, all are taken.
        seed : int
            Of the random choice, 0 or more.

        Returns
        -------
        ErrorSample
            The sample, spread evenly over objects and frames; see
            :func:`~napari_sam2.session.state.error_sample.draw_masks`.

        Raises
        ------
        ValueError
            If a number is out of range, or there is no mask but on anchor frames.
        """
        size, seed = check_whole("size", size), check_whole("seed", seed)
        if size < 1:
            raise ValueError(f"a sample has one mask or more, got size {size}")
        if seed < 0:
            raise ValueError(f"a seed is 0 or more, got {seed}")
        frames = {item.object_id: _tracked_frames(item) for item in self._state.ordered() if not item.info.is_hidden}
        num_masks = sum(map(len, frames.values()))
        if not num_masks:
            raise ValueError("there are no masks to judge but those that were prompted or approved: propagate first")
        masks = draw_masks(frames, size, seed)
        sample = ErrorSample(seed, num_masks, masks, (None,) * len(masks), len(self._state.history.calls))
        with self._state.history.action():
            self._state.error_samples[0] = sample
        return sample

    def judge_mask(self, object_id: int, frame: int, is_wrong: bool | None) -> ErrorSample:
        """Take down whether a mask of the sample is wrong.

        Parameters
        ----------
        object_id, frame : int
            Which.
        is_wrong : bool or None
            None takes a judgement back.

        Returns
        -------
        ErrorSample
            The sample with the judgement; its rate and interval follow from all that were judged.

        Raises
        ------
        ValueError
            If no sample was drawn, the mask is not in it, or ``is_wrong`` is something else.
        """
        object_id, frame = check_whole("object_id", object_id), self._stack.check_frame(frame)
        is_wrong = None if is_wrong is None else check_flag("is_wrong", is_wrong)
        sample = self._state.error_samples.get(0)
        if sample is None:
            raise ValueError("there is no sample of masks to judge: draw one first")
        sample = sample.with_judgement(object_id, frame, is_wrong, len(self._state.history.calls))
        with self._state.history.action():
            self._state.error_samples[0] = sample
        return sample


def _tracked_frames(item: SessionObject) -> list[int]:
    """Return the frames on which an object is present without being anchored there, in order; no record is read for it."""
    return [
        frame
        for frame in sorted(item.shown_frames() - item.memory.conditioning.keys())
        if next(mapping.header(frame) for mapping in item.record_mappings if frame in mapping).is_present
    ]
