"""Prompts from true masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blob_tracker import squares
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.simulated_prompts import Click, correction_click, simulated_prompts, with_promptable_objects
from napari_sam2.session.prompts_file import PromptEntry

TRUTH = squares(2, (20, 20), {1: [(3, 3, 5), (4, 4, 5)], 2: [None, (12, 12, 3)], 3: [(15, 0, 4), (15, 1, 4)]})
DATASET = Dataset(Path("squares"), TRUTH, {1: 0, 2: 1, 3: 0})


def test_point() -> None:
    """The one cut by the border where it would be prompted is left out."""
    assert simulated_prompts(DATASET) == [PromptEntry(1, 0, [[5, 5]], [1]), PromptEntry(2, 1, [[13, 13]], [1])]


def test_box() -> None:
    assert simulated_prompts(DATASET, "box") == [PromptEntry(1, 0, box_rc=[3, 3, 8, 8]), PromptEntry(2, 1, box_rc=[12, 12, 15, 15])]


def test_mask() -> None:
    entry = simulated_prompts(DATASET, "mask")[1]
    assert (entry.object_id, entry.frame) == (2, 1)
    np.testing.assert_array_equal(entry.mask, TRUTH[1] == 2)


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="kind must be one of point, box, mask, got 'circle'"):
        simulated_prompts(DATASET, "circle")


def test_none_left() -> None:
    with pytest.raises(ValueError, match="squares: the image border cuts every object where it would be prompted"):
        simulated_prompts(Dataset(Path("squares"), TRUTH, {3: 0}))


def test_images_of_which_the_border_cuts_all_objects_are_left_out() -> None:
    cut, whole = (Dataset(Path("squares"), TRUTH[[0]], {i: 0}, number=i) for i in (3, 1))
    assert with_promptable_objects([cut, whole]) == [whole]
    with pytest.raises(ValueError, match="squares: the image border cuts every object where it would be prompted"):
        with_promptable_objects([cut, cut])


def test_corrections() -> None:
    """The first click is on the object, the next where the error is deepest, and none where all is right."""
    truth = TRUTH[0] == 1
    assert correction_click(truth, truth & False) == Click(5, 5, is_inside=True)
    surplus = truth.copy()
    surplus[10:17, 10:17] = True
    assert correction_click(truth, surplus) == Click(13, 13, is_inside=False)
    assert correction_click(truth, surplus & ~truth) == Click(13, 13, is_inside=False)
    surplus[10:17, 11:17] = False
    assert correction_click(truth, surplus & ~truth) == Click(5, 5, is_inside=True)
    assert correction_click(truth, truth) is None
