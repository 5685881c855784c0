"""The methods paragraph, word for word."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from blob_tracker import blob_session, squares
from napari_sam2 import __version__
from napari_sam2.session.methods import methods_paragraph, write_methods

TRUTH = squares(4, (32, 40), {3: [(4, 3 + t, 6) for t in range(4)], 8: [(20 - t, 20, 5) for t in range(4)]})
MOVIE = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)
VERSIONS = f"in napari-sam2 {__version__} with PyTorch {torch.__version__}"
OVERLAPS = (
    "Where objects overlapped, a pixel was given to the one prompted on that frame, else to the one with the higher logit, "
    "weighted by nearness to a prompted frame."
)


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
    assert methods_paragraph(session, checkpoint) == (
        "2 objects in 4 frames of 32 x 40 pixels were followed through time with the SAM 2 architecture (Ravi et al. 2024, "
        f"arXiv:2408.00714), model {session.model.config.name} (weights with SHA-256 {hashlib.sha256(b'weights').hexdigest()}), "
        f"{VERSIONS}. Objects were marked by 2 clicks, 1 box and 1 mask (prompts per object: 2 on average, 1 to 3). "
        f"Prompts were added on 1 further frame to correct the result, counted for each object. {OVERLAPS}"
    )


@pytest.mark.parametrize(
    ("axes", "where", "how"),
    [("ZYX", "4 frames of 32 x 40 pixels", "followed from plane to plane"), ("YX", "an image", "segmented")],
)
def test_one_object_and_one_click(axes: str, where: str, how: str, tmp_path: Path) -> None:
    session = blob_session(MOVIE if axes == "ZYX" else MOVIE[0], axes)
    session.add_points(session.add_object(), 0, [(5, 5)])
    write_methods(tmp_path / "methods.txt", session)
    assert (tmp_path / "methods.txt").read_text() == (
        f"1 object in {where} was {how} with the SAM 2 architecture (Ravi et al. 2024, arXiv:2408.00714), model "
        f"{session.model.config.name}, {VERSIONS}. It was marked by 1 click. No frame was corrected. {OVERLAPS}\n"
    )


def test_nothing_was_prompted() -> None:
    session = blob_session(MOVIE, "TYX")
    session.add_object()
    with pytest.raises(ValueError, match="there are no methods to tell: no object was prompted"):
        methods_paragraph(session)


def test_approved_frames_are_no_corrections() -> None:
    session = blob_session(MOVIE, "TYX")
    session.add_points(session.add_object(), 0, [(5, 5)])
    list(session.propagate())
    session.approve(1, 2)
    assert "It was marked by 1 click. No frame was corrected. 1 frame was approved as shown. Where" in methods_paragraph(session)
