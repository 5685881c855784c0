"""Curves rise and fall as the logged values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_sam2.training.loss_curves import PANEL_PX, write_loss_curves
from napari_sam2.training.run_log import RunLog


def test_curves_fall_and_rise(tmp_path: Path) -> None:
    log = RunLog(tmp_path, {})
    for step in range(1, 41):
        loss = {7: float("inf"), 8: float("nan"), 9: -float("inf")}.get(step, 10 / step)  # such steps have no point
        log.step("s", step, step, 0.1, {"core_loss": loss, "first_iou": step / 50})
    for step in (0, 20, 40):
        log.validation("s", step, step, 0.4 + step / 100)
    log.close()
    write_loss_curves(tmp_path, tmp_path / "curves.png")
    picture = np.asarray(Image.open(tmp_path / "curves.png")).astype(int)
    assert picture.shape == (3 * PANEL_PX[1], PANEL_PX[0], 3)
    for number, is_rising in enumerate((False, True, True)):
        panel = picture[number * PANEL_PX[1] : (number + 1) * PANEL_PX[1]]
        blue = panel[..., 2] - panel[..., 0] > 100
        left, right = (np.nonzero(blue[:, columns].any(1))[0].mean() for columns in (slice(60, 120), slice(660, 720)))
        assert (left > right) == is_rising


def test_a_run_without_a_step_has_a_picture_too(tmp_path: Path) -> None:
    write_loss_curves(tmp_path, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == PANEL_PX
