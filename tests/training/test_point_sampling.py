from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.training.point_sampling import get_next_point, sample_box_points

masks = hnp.arrays(bool, (2, 1, 6, 7))


@given(gt=masks, pred=masks, method=st.sampled_from(["uniform", "center"]))
def test_a_click_is_on_an_error_and_its_label_fits(gt: np.ndarray, pred: np.ndarray, method: str) -> None:
    points, labels = get_next_point(torch.from_numpy(gt), torch.from_numpy(pred), method)
    for i in range(2):
        x, y = (int(v) for v in points[i, 0])
        inside, taken = gt[i, 0, y, x], pred[i, 0, y, x]
        if (gt[i] != pred[i]).any():
            assert inside != taken
        elif method == "uniform" and not gt[i].all():
            assert not inside
        assert int(labels[i]) == int(inside and not taken)


def test_the_centre_is_farthest_from_the_edge_of_the_error() -> None:
    gt = torch.zeros(1, 1, 9, 12, dtype=torch.bool)
    gt[..., 2:7, 3:8] = True
    gt[..., 4, 8:11] = True
    points, labels = get_next_point(gt, None, "center")
    assert points[0, 0].tolist() == [5, 4]
    assert labels.tolist() == [[1]]


def test_a_larger_false_positive_is_corrected_first() -> None:
    gt, pred = torch.zeros(2, 1, 1, 9, 9, dtype=torch.bool)
    gt[..., 0:2, 0:2] = True
    pred[..., 4:9, 4:9] = True
    points, labels = get_next_point(gt, pred, "center")
    assert points[0, 0].tolist() == [6, 6]
    assert labels.tolist() == [[0]]


def test_of_two_equal_errors_the_false_positive_is_corrected_first() -> None:
    gt, pred = torch.zeros(2, 1, 1, 9, 9, dtype=torch.bool)
    gt[..., 0:3, 0:3] = True
    pred[..., 5:8, 5:8] = True
    points, labels = get_next_point(gt, pred, "center")
    assert points[0, 0].tolist() == [6, 6]
    assert labels.tolist() == [[0]]


def test_an_unknown_method_has_one_sentence() -> None:
    mask = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="'uniform' or 'center'"):
        get_next_point(mask, None, "edge")


def test_the_noise_of_boxes_is_limited() -> None:
    mask = torch.zeros(50, 1, 60, 60, dtype=torch.bool)
    mask[..., 10:31, 20:41] = True
    corners, labels = sample_box_points(mask, noise=0.1)
    assert labels.tolist() == [[2, 3]] * 50
    shift = (corners.reshape(50, 4) - torch.tensor([20.0, 10, 40, 30])).abs()
    assert 1 < shift.max() <= 2
    exact, _ = sample_box_points(mask, noise=0)
    assert exact[0].tolist() == [[20, 10], [40, 30]]
