"""A random sample of masks that a person judges, and the rate of wrong masks that it tells, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054
"""Of the normal distribution, 95 % lie nearer to its mean than so many standard deviations."""


@dataclass(frozen=True)
class ErrorSample:
    """Masks that were chosen at random, in random order, and what was said of them.

    Attributes
    ----------
    seed : int
        Of the random choice.
    num_masks : int
        Of how many masks they are a sample.
    masks : tuple of tuple of int
        (N, 2), object id and frame.
    is_wrong : tuple of bool or None
        (N,), whether the mask was judged to be wrong; None where nobody judged it yet.
    num_calls : int
        Length of the log when the latest of them was judged.
    """

    seed: int
    num_masks: int
    masks: tuple[tuple[int, int], ...]
    is_wrong: tuple[bool | None, ...]
    num_calls: int = 0

    def __post_init__(self) -> None:
        if len(self.masks) != len(self.is_wrong):
            raise ValueError(f"{len(self.masks)} masks were sampled, and {len(self.is_wrong)} are judged or to be judged")

    @property
    def num_judged(self) -> int:
        """How many were judged."""
        return sum(one is not None for one in self.is_wrong)

    @property
    def num_wrong(self) -> int:
        """How many of them were judged to be wrong."""
        return sum(one is True for one in self.is_wrong)

    @property
    def rate(self) -> float:
        """Share of wrong masks among those that were judged, 0 .. 1; not a number before the first."""
        return self.num_wrong / self.num_judged if self.num_judged else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate of wrong masks; see :func:`wilson_interval`."""
        return wilson_interval(self.num_wrong, self.num_judged)

    @property
    def next_mask(self) -> tuple[int, int] | None:
        """The first mask that nobody judged yet; None where all are judged."""
        return next((mask for mask, wrong in zip(self.masks, self.is_wrong, strict=True) if wrong is None), None)

    def with_judgement(self, object_id: int, frame: int, is_wrong: bool | None, num_calls: int) -> ErrorSample:
        """Return the sample with a mask judged; None takes a judgement back.

        Raises
        ------
        ValueError
            If the mask is not in the sample.
        """
        if (object_id, frame) not in self.masks:
            raise ValueError(f"object {object_id} on frame {frame} is not in the sample")
        index = self.masks.index((object_id, frame))
        judged = (*self.is_wrong[:index], is_wrong, *self.is_wrong[index + 1 :])
        return replace(self, is_wrong=judged, num_calls=num_calls)


def wilson_interval(num_wrong: int, num_judged: int, z: float = Z_95) -> tuple[float, float]:
    """Return the score interval of a proportion after Wilson (1927): it holds for small samples and for rates near 0.

    Parameters
    ----------
    num_wrong, num_judged : int
        Wrong ones of so many.
    z : float
        Half its width in standard deviations; by default for 95 %.

    Returns
    -------
    tuple of float
        Lower and upper end, 0 .. 1; 0 and 1 where nothing was judged.
    """
    if not num_judged:
        return 0.0, 1.0
    n, share = num_judged, num_wrong / num_judged
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # where none or all are wrong the end is exact, whatever is lost by rounding
    return (max(middle - half, 0.0) if num_wrong else 0.0), (min(middle + half, 1.0) if num_wrong < n else 1.0)


def draw_masks(frames_by_object: Mapping[int, npt.ArrayLike], size: int, seed: int) -> tuple[tuple[int, int], ...]:
    """Draw masks at random, spread evenly over objects and frames, in random order.

    All masks in the order of objects and frames are divided into as many equal parts as masks are wanted, and one is drawn from
    each part: so no object and no stretch of frames is left out by chance, and each mask is drawn with the same probability, but
    for parts that differ in length by one. In random order, also the first ones are a random sample.

    Parameters
    ----------
    frames_by_object : mapping of int to array-like of int
        The frames of each object.
    size : int
        How many masks are wanted; where there are fewer, all are taken.
    seed : int
        0 or more; the same seed draws the same masks.

    Returns
    -------
    tuple of tuple of int
        Object id and frame of each.
    """
    masks = [
        (object_id, frame) for object_id in sorted(frames_by_object) for frame in np.sort(frames_by_object[object_id]).tolist()
    ]
    random = np.random.default_rng(seed)
    size = min(size, len(masks))
    edges = np.arange(size + 1) * len(masks) // max(size, 1)
    chosen = [masks[index] for index in random.integers(edges[:-1], edges[1:])] if size else []
    return tuple(chosen[index] for index in random.permutation(size))
