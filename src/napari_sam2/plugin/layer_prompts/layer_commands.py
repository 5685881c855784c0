"""A layer as prompts of new objects, as immutable commands that the worker runs: all of it is one action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.image.alignment import AlignedPlanes
from napari_sam2.plugin.layer_prompts.object_numbers import describe_renumbered, number_objects
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.commands import LongCommand, Outcome, Progress
from napari_sam2.plugin.prompts.drawn_prompts import DrawnPrompts, FoundPrompts, LeftOut, describe_left_out
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

MASKS_AT_ONCE = 16


@dataclass(frozen=True)
class _UseLayer(LongCommand):
    """Prompt new objects from a layer; see :class:`~napari_sam2.plugin.prompts.commands.Command`.

    Attributes
    ----------
    layer : str
        Its name.
    """

    layer: str

    @property
    def key(self) -> ObjectFrame:
        """No object in particular."""
        return ObjectFrame(0, 0)


@dataclass(frozen=True)
class UseDrawn(_UseLayer):
    """Prompt new objects by points or shapes of a layer.

    Attributes
    ----------
    found : FoundPrompts
        What was found in it.
    """

    found: FoundPrompts

    def run_steps(self, session: Session, progress: Progress) -> Outcome:
        """Do it, prompt by prompt.

        Raises
        ------
        ValueError
            If nothing of the layer could be taken.
        """
        tally = _Tally(self.layer, self.found.left_out)
        ids = number_objects((one.name for one in self.found.prompts), session.objects)
        # what is inside comes first, since an object begins with it
        prompts = sorted(self.found.prompts, key=lambda one: (ids[one.name], not one.locates, one.frame))
        with session.grouped():
            for done, one in enumerate(prompts, 1):
                _prompt(session, ids[one.name], one, tally)
                if not progress(done, len(prompts)) and done < len(prompts):
                    tally.is_stopped = True
                    break
            return Outcome(tally.sentence(ids))


def _prompt(session: Session, object_id: int, one: DrawnPrompts, tally: _Tally) -> None:
    """Prompt an object, which is added with the first prompt that the session takes."""
    if not one.locates:
        tally.left_out["point", "outside objects that are nowhere inside on that frame"] += len(one.clicks)
        return
    try:
        with session.grouped():
            if object_id not in session.objects:
                session.add_object(one.name if isinstance(one.name, str) else None, object_id)
            one.prompt(session, object_id)
    except OSError:
        tally.left_out.update({(what, "on frames that cannot be read"): number for what, number in one.counts.items()})
    except ValueError as error:
        tally.left_out.update({(what, f"that the session refuses: {error}"): number for what, number in one.counts.items()})
    else:
        tally.take(one.name, one.frame, one.counts)


@dataclass(frozen=True)
class UseLabels(_UseLayer):
    """Prompt new objects by the labels of a layer, each by its mask.

    Attributes
    ----------
    planes : AlignedPlanes
        The labels, which are read when the command is run.
    frames : tuple of int
        On which frames.
    is_every_frame : bool
        A label that is on several of them prompts its object on each; otherwise on the first alone.
    """

    planes: AlignedPlanes
    frames: tuple[int, ...]
    is_every_frame: bool = True

    def run_steps(self, session: Session, progress: Progress) -> Outcome:
        """Do it, a few masks at a time.

        Raises
        ------
        ValueError
            If there is no label, or the values are no whole numbers.
        """
        tally = _Tally(self.layer, {})
        values_of = self._values_on_frames(tally)
        ids = number_objects((value for values in values_of.values() for value in values), session.objects)
        done, total = 0, sum(map(len, values_of.values()))
        with session.grouped():
            for frame, values in values_of.items():
                plane = self._plane(frame, tally)
                if plane is None:
                    continue
                for some in _pieces(values):
                    _prompt_by_labels(session, frame, plane, {value: ids[value] for value in some}, tally)
                    done += len(some)
                    if not progress(done, total) and done < total:
                        tally.is_stopped = True
                        return Outcome(tally.sentence(ids))
            return Outcome(tally.sentence(ids))

    def _values_on_frames(self, tally: _Tally) -> dict[int, list[int]]:
        """Find the labels to be taken on each frame."""
        found, seen = dict[int, list[int]](), set[int]()
        for frame in self.frames:
            plane = self._plane(frame, tally)
            if plane is None:
                tally.left_out["frame", "without labels"] += self.planes.index(frame) is None
                continue
            values = [value for value in labels_in(plane) if self.is_every_frame or value not in seen]
            seen.update(values)
            if values:
                found[frame] = values
        return found

    def _plane(self, frame: int, tally: _Tally) -> npt.NDArray[Any] | None:
        try:
            return self.planes.plane(frame)
        except OSError:
            tally.left_out["plane", "of labels that cannot be read"] += 1
            return None


def _pieces(values: list[int]) -> Iterator[list[int]]:
    """Cut labels into pieces, after each of which it can be stopped."""
    for start in range(0, len(values), MASKS_AT_ONCE):
        yield values[start : start + MASKS_AT_ONCE]


def _prompt_by_labels(session: Session, frame: int, plane: npt.NDArray[Any], ids: Mapping[int, int], tally: _Tally) -> None:
    """Prompt objects on a frame by the masks of labels; those that are not there yet are added."""
    by_id = renumbered(plane, ids)
    new = [object_id for object_id in ids.values() if object_id not in session.objects]
    try:
        with session.grouped():
            if new:
                session.add_labels(by_id, frame, new)
            for object_id in ids.values():
                if object_id not in new:
                    session.add_mask(object_id, frame, by_id == object_id)
    except OSError:
        tally.left_out["mask", "on frames that cannot be read"] += len(ids)
    else:
        for value in ids:
            tally.take(value, frame, Counter(mask=1))


def labels_in(plane: npt.NDArray[Any]) -> list[int]:
    """Return the values of a label image, in order, without 0.

    Raises
    ------
    ValueError
        If they are no whole numbers.
    """
    if plane.dtype.kind not in "uib":
        raise ValueError(f"labels are whole numbers, got {plane.dtype}")
    if plane.dtype.kind in "ub" and plane.dtype.itemsize <= 2:
        values = np.bincount(plane.ravel()).nonzero()[0]
    else:
        values = np.unique(plane)
    return [int(value) for value in values if value != 0]


def renumbered(plane: npt.NDArray[Any], ids: Mapping[int, int]) -> npt.NDArray[np.uint16]:
    """Return a label image (H, W) with an id in the place of each label, 0 in the place of those that have none."""
    values = np.array(sorted(ids), np.int64)
    numbers = np.array([ids[value] for value in values.tolist()], np.uint16)
    wide = plane.astype(np.int64, copy=False)
    at = np.searchsorted(values, wide).clip(0, len(values) - 1)
    return np.where(values[at] == wide, numbers[at], 0).astype(np.uint16)


class _Tally:
    """Counts what is taken of a layer, and what is not."""

    def __init__(self, layer: str, left_out: Mapping[tuple[str, str], int]) -> None:
        self.layer = layer
        self.left_out = LeftOut(left_out)
        self.is_stopped = False
        self._taken: Counter[str] = Counter()
        self._names: dict[Hashable, None] = {}
        self._frames: set[int] = set()

    def take(self, name: Hashable, frame: int, counts: Counter[str]) -> None:
        """Count prompts of an object on a frame as taken."""
        self._taken.update(counts)
        self._names[name] = None
        self._frames.add(frame)

    def sentence(self, ids: Mapping[Hashable, int]) -> str:
        """Say what was taken and what was not.

        Raises
        ------
        ValueError
            If nothing was.
        """
        left_out = describe_left_out(self.left_out)
        if not self._names:
            raise ValueError(" ".join(filter(None, (f"nothing of {self.layer} could be used.", left_out))))
        taken = ", ".join(counted(number, what) for what, number in self._taken.items())
        what = f"{counted(len(self._names), 'object')} from {self.layer}: {taken} on {counted(len(self._frames), 'frame')}."
        moved = describe_renumbered({name: ids[name] for name in self._names})
        stopped = "Stopped, and kept what is done:" if self.is_stopped else ""
        return " ".join(filter(None, (stopped, what, moved, left_out)))
