"""The methods paragraph, word for word."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blob_tracker import blob_session, squares, tiny_model
from napari_sam2 import __version__
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.session.editing import prompt_editor
from napari_sam2.session.methods import methods_paragraph, write_methods
from napari_sam2.session.session import Session
from napari_sam2.session.state.identity import weights_sha256
from napari_sam2.session.state.stop_rules import StopRules
from napari_sam2.session.tracking import movie_tracker
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each

TRUTH = squares(4, (32, 40), {3: [(4, 3 + t, 6) for t in range(4)], 8: [(20 - t, 20, 5) for t in range(4)]})
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)
VERSIONS = f"in napari-sam2 {__version__} with PyTorch {torch.__version__}"
SEEN = (
    "Intensities from 100 to 3000 were shown to the model as black to white. Its input was whole frames, resized to 64 x 64 pixels."
)
OVERLAPS = (
    "Where objects overlapped, a pixel was given to the one prompted on that frame, else to the one with the higher logit, "
    "weighted by nearness to a prompted frame, in time-lapses with forward tracking before backward tracking, in volumes by one "
    "over the area of a mask that was tracked along one axis; "
    "where they shared more than 50% of the smaller mask, and in volumes were of similar size, all "
    "shared pixels were given to one of them, by the same weights, in volumes by the weighted mean logit, of equal ones to the "
    "smaller mask."
)


def clicked(image: np.ndarray = MOVIE, axes: str = "TYX", **arguments: Any) -> Session:
    """A session with one object and one click."""
    session = blob_session(image, axes, **arguments)
    session.add_points(session.add_object(), 0, [(5, 5)])
    return session


def test_two_objects_and_a_correction(tmp_path: Path) -> None:
    session = blob_session(MOVIE, "TYX")
    for object_id in (3, 8):
        session.add_object(object_id=object_id)
    session.add_object("never prompted")
    session.add_points(3, 0, [(5, 5), (6, 6)])
    session.add_box(8, 0, (20, 20, 25, 25))
    session.add_mask(3, 2, TRUTH[2] == 3)
    checkpoint = tmp_path / "model.pt"
    checkpoint.write_bytes(b"weights")
    assert methods_paragraph(session.document(), checkpoint) == (
        "2 objects in 4 frames of 32 x 40 pixels were tracked through time with the SAM 2 architecture (Ravi et al. 2024, "
        f"arXiv:2408.00714), model {session.model.config.name} (weights with SHA-256 {hashlib.sha256(b'weights').hexdigest()}), "
        f"{VERSIONS}. {SEEN} Objects were marked by 2 clicks, 1 box and 1 mask (prompts per object: 2 on average, 1 to 3). "
        f"Prompts were added on 1 further frame to correct the result, counted for each object. {OVERLAPS}"
    )


@pytest.mark.parametrize(
    ("axes", "where", "how"),
    [
        ("ZYX", "4 frames of 32 x 40 pixels", "tracked from plane to plane"),
        ("NYX", "4 separate images of 32 x 40 pixels", "segmented"),
        ("YX", "an image", "segmented"),
    ],
)
def test_one_object_and_one_click(axes: str, where: str, how: str, tmp_path: Path) -> None:
    session = clicked(MOVIE if len(axes) == 3 else MOVIE[0], axes)
    write_methods(tmp_path / "methods.txt", session.document())
    assert (tmp_path / "methods.txt").read_text() == (
        f"1 object in {where} was {how} with the SAM 2 architecture (Ravi et al. 2024, arXiv:2408.00714), model "
        f"{session.model.config.name} (parameters with SHA-256 {weights_sha256(session.model)}), {VERSIONS}. {SEEN} "
        f"The object was marked by 1 click. No frame was corrected. {OVERLAPS}\n"
    )


def test_nothing_was_prompted() -> None:
    session = blob_session(MOVIE, "TYX")
    session.add_object()
    with pytest.raises(ValueError, match="there are no methods to describe: no object was prompted"):
        methods_paragraph(session.document())


def test_approved_frames_are_no_corrections() -> None:
    session = clicked()
    list(session.propagate())
    session.approve(1, 2)
    text = methods_paragraph(session.document())
    assert "The object was marked by 1 click. No frame was corrected. 1 frame was approved as shown. Where" in text


CHANNELS = np.stack([MOVIE, MOVIE * 2, MOVIE + 7], axis=1)
LOOKS: dict[str, tuple[np.ndarray, str, dict[str, Any], str]] = {
    "a CT window": (
        MOVIE,
        "ZYX",
        {"window": "brain"},
        "Intensities from 0 to 80 (the brain window for CT) were shown to the model",
    ),
    "a range": (MOVIE, "TYX", {"intensity_range": (0.5, 1e4)}, "Intensities from 0.5 to 10000 were shown to the model as black"),
    "one channel": (CHANNELS, "TCYX", {"channel": 1}, "Intensities of channel 1 from 200 to 6000 were shown to the model as black"),
    "two channels": (
        CHANNELS,
        "TCYX",
        {"channel": (2, 0)},
        "The model was shown channel 2 in magenta (intensities 107 to 3007) and channel 0 in green (intensities 100 to 3000).",
    ),
    "three channels": (
        CHANNELS,
        "TCYX",
        {},
        "The model was shown channel 0 in red (intensities 100 to 3000), channel 1 in green (intensities 200 to 6000) and "
        "channel 2 in blue (intensities 107 to 3007).",
    ),
    "colours": (
        np.repeat((MOVIE // 20).astype(np.uint8)[..., None], 3, axis=-1),
        "TYXC",
        {},
        "Colours were shown to the model as they are.",
    ),
    "precision": (MOVIE, "TYX", {"precision": "bfloat16"}, f"{VERSIONS}, computed in bfloat16. "),
    "memory": (
        MOVIE,
        "TYX",
        {"memory_gate": MemoryGate(min_predicted_iou=0.4)},
        "The memory of an object held only prompted frames and those on which its object score was above 0 and its "
        "predicted IoU above 0.4.",
    ),
    "fewer memories": (MOVIE, "TYX", {"memories": 3}, "As an approximation, memories of at most 3 frames were recalled."),
    "a position": (
        MOVIE[:, None],
        "TZYX",
        {"along": "T", "at": {"Z": 0}},
        "1 object in 4 frames of 32 x 40 pixels, at Z = 0 counted from 0, was tracked through time with",
    ),
}


@pytest.mark.parametrize("case", LOOKS)
def test_what_the_model_saw(case: str) -> None:
    image, axes, arguments, expected = LOOKS[case]
    assert expected in methods_paragraph(clicked(image, axes, **arguments).document())


def test_windows() -> None:
    session = Session(MOVIE, "TYX", model=tiny_model(), zoom=4.5)
    session.add_points(session.add_object(), 0, [(5, 5)])
    text = methods_paragraph(session.document())
    assert "Its input was a window around each object, 4.5 times as large as that, resized to 64 x 64 pixels. The" in text


def test_rules_that_stopped_it() -> None:
    """Each set once; those of a propagation that was undone do not count."""
    session = clicked()
    rules = StopRules(max_absent_frames=5, area_px=(4, 200.5), at_border=True)
    for stop in (rules, rules, StopRules(max_absent_frames=1), StopRules(), None):
        session.add_points(1, 0, [(6, 6)])
        list(session.propagate(stop=stop))
    session.add_points(1, 0, [(6, 6)])
    list(session.propagate(stop=StopRules(at_border=True)))
    session.undo()
    assert (
        "Objects were not propagated beyond a frame on which they had been absent for 5 frames in a row, had an area outside 4 to "
        "200.5 pixels or touched the border. Objects were not propagated beyond a frame on which they were absent. No frame"
    ) in methods_paragraph(session.document())


def test_masks_that_no_person_made() -> None:
    session = clicked()
    session.add_labels(np.where(TRUTH[1] == 8, 8, 0), 1)
    assert "2 objects in" in methods_paragraph(session.document())
    assert "Masks were taken over from a label image. No frame was corrected." in methods_paragraph(session.document())


def test_masks_that_were_found_automatically(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_editor, "find_everything_there", lambda *given, **options: [TRUTH[0] == 8])
    session = clicked()
    for frame in (2, 0):
        session.segment_everything(frame)
    assert "Masks were found automatically on frames 0 and 2, by a grid of clicks." in methods_paragraph(session.document())


def test_objects_that_were_tracked_without_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movie_tracker, "find_everything_there", lambda *given, **options: [TRUTH[0] == 8])
    session = blob_session(MOVIE)
    next(iter(session.track_everything()))
    text = methods_paragraph(session.document())
    assert "Objects were found and tracked automatically, without prompts: masks that mark them were found as well." in text


PLACED = (
    ", where an object was brighter or darker than what was around it throughout, its edge was placed where the brightness was "
    "halfway between the two, moved by at most one pixel of the image or of the model's mask."
)


@pytest.mark.parametrize(
    ("axes", "zoom", "is_found", "masks"),
    [
        ("TYX", 4.5, False, "masks that were found or tracked"),
        ("TYX", None, True, "masks of objects that were found automatically"),
        ("TYX", None, False, None),
        ("ZYX", 4.5, False, None),
    ],
)
def test_edges_that_were_placed(
    axes: str, zoom: float | None, is_found: bool, masks: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = clicked(MOVIE, axes) if zoom is None else Session(MOVIE, axes, model=tiny_model(), zoom=zoom)
    session.add_points(session.add_object(), 0, [(6, 6)])
    if is_found:
        monkeypatch.setattr(movie_tracker, "find_everything_there", lambda *given, **options: [TRUTH[0] == 8])
        next(iter(session.track_everything()))
    text = methods_paragraph(session.document())
    assert (f" In {masks}{PLACED} " in text) if masks else ("edge was placed" not in text)


@pytest.mark.parametrize(("axes", "zoom"), [("ZYX", 4.5), ("ZYX", None), ("TYX", 4.5)])
@pytest.mark.parametrize("is_tracked", [False, True])
def test_masks_in_a_volume_that_were_corrected(axes: str, zoom: float | None, is_tracked: bool) -> None:
    session = Session(MOVIE, axes, model=tiny_model(), zoom=zoom)
    session.add_points(session.add_object(), 0, [(6, 6)])
    if is_tracked:
        next(iter(session.propagate()))
    is_corrected = (axes, zoom, is_tracked) == ("ZYX", 4.5, True)
    assert ("tracked from slice to slice were corrected by" in methods_paragraph(session.document())) == is_corrected


def test_hidden_objects_are_not_counted() -> None:
    session = clicked()
    session.add_box(session.add_object(), 0, (20, 20, 25, 25))
    session.hide_object(2)
    text = methods_paragraph(session.document())
    assert text.startswith("1 object in")
    assert "The object was marked by 1 click." in text
    assert text.endswith(f"{OVERLAPS} 1 further object was tracked and left out of the result.")
    session.hide_object(1)
    with pytest.raises(ValueError, match="no object was prompted"):
        methods_paragraph(session.document())


def test_divisions() -> None:
    session = clicked()
    list(session.propagate())
    for child in session.divide_object(1, 2):
        session.add_points(child, 2, [(5, 5)])
    assert "No frame was corrected. 1 division was marked by hand. Where" in methods_paragraph(session.document())


def test_fused_axes() -> None:
    session = clicked(MOVIE, "ZYX")
    list(fuse_axes(session, "zx"))
    text = methods_paragraph(session.document())
    assert "was tracked along Z and X with the SAM 2 architecture" in text
    assert "An object was taken to be where the mean of its logits along Z and X, each clipped to -4 to 4, was above 0." in text
    session.undo()
    assert "was tracked from plane to plane with" in methods_paragraph(session.document())


@pytest.mark.parametrize("fuse", [None, "ZX"])
def test_every_position_on_another_axis(fuse: str | None) -> None:
    session = clicked(np.stack([MOVIE] * 3), "TZYX", along="Z", at={"T": 0})
    list(propagate_each(session, "T", [0, 1], fuse))
    text = methods_paragraph(session.document())
    how = "from plane to plane" if fuse is None else "along Z and X"
    assert f"1 object in 4 frames of 32 x 40 pixels, at 2 positions on T, was tracked {how} with" in text
    assert (
        "Prompts were given at one position on T; the prompted frames were propagated along T, and the resulting masks were the "
        "prompts of each other position. Where objects"
    ) in text
    assert ("each clipped to -4 to 4" in text) == (fuse is not None)
