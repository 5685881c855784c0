"""Segments everything on a frame that belongs to no object yet. H, W height and width of a frame."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import check_bounds, check_flag, check_whole, shown
from napari_sam2.cluster.remote_model import RemoteModel
from napari_sam2.session.state.packed_mask import PackedMask

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel
    from napari_sam2.predictors.video_predictor import SAM2VideoPredictor

MAX_OVERLAP = 0.5
"""Of two masks that share more than that of the smaller one, only one is an object."""
MAX_SHARE = 0.5
"""What fills more of the frame than that is background."""

SMALL_MODEL_OPTIONS = {"pred_iou_thresh": 0.5, "stability_score_thresh": 0.8}
"""For models with a smaller input than the official 1024 pixels, such as ``micro``: objects have few pixels there, outlines are a
large part of these, and hardly a mask passes the official thresholds, 0.8 and 0.95."""
OFFICIAL_IMAGE_SIZE = 1024


Watcher = Callable[[int, int], bool]
"""Called with how much is done of how much; False asks to stop."""

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


class FindingStopped(Exception):  # noqa: N818 - it is no error
    """Finding everything was stopped; nothing was changed."""


class NothingFoundError(ValueError):
    """Nothing was found on any frame. The message names arguments of Python; other doors have their own words."""


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Let a function be called after each batch of clicks, while objects are looked for inside a ``with`` block, in this thread.

    It is no argument of the call, which is written to the log. Where objects are looked for near others, or slice by slice, it is
    called with 0 of 0: that is a small part of something else, of which nobody knows how large it is.

    Raises
    ------
    FindingStopped
        Inside the block, if the function returns False.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def stop_if_asked() -> None:
    """Ask whoever watches whether to go on.

    Raises
    ------
    FindingStopped
        If not.
    """
    if (watcher := _watcher.get()) is not None and not watcher(0, 0):
        raise FindingStopped


def find_everything_there(
    model: AnyModel,
    precision: str,
    image: npt.NDArray[np.uint8],
    known: Sequence[npt.NDArray[np.bool_]],
    area_px: tuple[float, float] | None = None,
    **options: Any,
) -> list[npt.NDArray[np.bool_]]:
    """Do :func:`find_everything` where the model is, in a precision."""
    if isinstance(model, RemoteModel):
        packed = [PackedMask.pack(mask) for mask in known]
        watcher = _watcher.get() or (lambda _done, _total: True)
        return [one.unpack() for one in model.call_watched(watcher, _find_packed, precision, image, packed, area_px, **options)]
    from napari_sam2.predictors.device import inference

    with inference(model.device, precision):
        return find_everything(model, image, known, area_px, **options)


def _find_packed(
    model: SAM2VideoPredictor,
    watcher: Watcher,
    precision: str,
    image: npt.NDArray[np.uint8],
    known: Sequence[PackedMask],
    *rest: Any,
    **options: Any,
) -> list[PackedMask]:
    """Do :func:`find_everything` with masks as they travel."""
    with watched(watcher):
        found = find_everything_there(model, precision, image, [mask.unpack() for mask in known], *rest, **options)
    return [PackedMask.pack(mask) for mask in found]


def find_everything(
    model: SAM2VideoPredictor,
    image: npt.NDArray[np.uint8],
    known: Iterable[npt.NDArray[np.bool_]],
    area_px: tuple[float, float] | None = None,
    **options: Any,
) -> list[npt.NDArray[np.bool_]]:
    """Find masks by a grid of point prompts, the highest predicted IoU first, that are not among the known ones.

    Parameters
    ----------
    model : SAM2VideoPredictor
        The model.
    image : ndarray
        (H, W) or (H, W, 3), uint8.
    known : iterable of ndarray
        (H, W), bool: masks of existing objects.
    area_px : tuple of float, optional
        Least and largest area; by default up to half of the frame.
    **options
        Of :class:`~napari_sam2.predictors.automatic_mask_generator.SAM2AutomaticMaskGenerator`; by default its own, or
        :data:`SMALL_MODEL_OPTIONS`.

    Returns
    -------
    list of ndarray
        (H, W), bool. None shares more than half of itself, or of the other, with one before it or a known one.
    """
    least, largest = (1.0, MAX_SHARE * image.shape[0] * image.shape[1]) if area_px is None else check_bounds("area_px", area_px)
    check_options(model, options)
    if options.get("point_grids") is not None:
        options.setdefault("points_per_side", None)
    options = {**(SMALL_MODEL_OPTIONS if model.image_size < OFFICIAL_IMAGE_SIZE else {}), **options, "output_mode": "binary_mask"}
    from napari_sam2.predictors.automatic_mask_generator import SAM2AutomaticMaskGenerator

    generator = SAM2AutomaticMaskGenerator(model, **options)
    if (watcher := _watcher.get()) is not None:
        generator.after_batch = _reporter(watcher, generator.num_batches((image.shape[0], image.shape[1])))
    found = generator.generate(image)
    # Objects hardly overlap: one plane is enough to count the pixels that a mask shares with each of hundreds.
    plane, areas = np.zeros(image.shape[:2], np.int32), [0]
    for mask in known:
        _draw(plane, areas, mask)
    kept = []
    for one in sorted(found, key=lambda annotation: -annotation["predicted_iou"]):
        mask = one["segmentation"]
        if least <= one["area"] <= largest and one["area"] > 0 and not _is_there(plane, areas, mask):
            _draw(plane, areas, mask)
            kept.append(mask)
    return kept


def _reporter(watcher: Watcher, total: int) -> Callable[[], None]:
    done = itertools.count(1)

    def report() -> None:
        if not watcher(next(done), total):
            raise FindingStopped

    return report


def check_options(model: AnyModel, options: Mapping[str, Any]) -> None:
    """Check the options of :func:`find_everything`, where the model is.

    Raises
    ------
    ValueError
        If there is no such option, or it is not as it should be.
    """
    if isinstance(model, RemoteModel):
        model.call(check_options, options)
        return
    from napari_sam2.predictors.automatic_mask_generator import SAM2AutomaticMaskGenerator

    known = inspect.signature(SAM2AutomaticMaskGenerator).parameters
    for name, value in options.items():
        if name not in known or name in ("model", "kwargs"):
            raise ValueError(f"there is no option {name!r} for finding everything")
        kind = type(known[name].default)
        if kind is int and value is not None:
            least = 0 if name == "crop_n_layers" else 1
            if check_whole(name, value) < least:
                raise ValueError(f"{name} is {least} or more, got {value}")
        elif kind is bool:
            check_flag(name, value)
        elif kind is float and not (isinstance(value, float | int | np.number) and np.isfinite(value)):
            raise ValueError(f"{name} is a number, got {shown(value)}")


def _draw(plane: npt.NDArray[np.int32], areas: list[int], mask: npt.NDArray[np.bool_]) -> None:
    plane[mask] = len(areas)
    areas.append(int(mask.sum()))


def _is_there(plane: npt.NDArray[np.int32], areas: list[int], mask: npt.NDArray[np.bool_]) -> bool:
    shared = np.bincount(plane[mask], minlength=len(areas))[1:]
    smaller = np.minimum(areas[1:], mask.sum())
    return bool((shared > MAX_OVERLAP * smaller).any())
