"""Loss curves of a training run as a picture with one panel per quantity, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_sam2.files import atomic_path
from napari_sam2.training.run_log import read_table

PANEL_PX = (760, 300)
MARGIN_PX = 60
_GREY, _DARK, _BLUE = "#b8c4d6", "#333333", "#1f5fbf"


def write_loss_curves(folder: Path, path: Path) -> None:
    """Draw the values in ``log.csv`` and ``validation.csv`` of a run.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    path : Path
        ``.png``.
    """
    steps, scores = read_table(folder / "log.csv"), read_table(folder / "validation.csv")
    losses = [("loss", "core_loss"), ("mask IoU after the first prompt, in training", "first_iou")]
    panels = [(title, _numbered([row.get(column, "") for row in steps])) for title, column in losses]
    shown = [(title, curve, True) for title, curve in panels if len(curve) > 1]
    if len(scores) > 1:
        shown.append(("mask IoU in validation", [(float(row["step"]), float(row["mean_iou"])) for row in scores], False))
    canvas = Image.new("RGB", (PANEL_PX[0], PANEL_PX[1] * max(1, len(shown))), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (title, curve, is_noisy) in enumerate(shown):
        _draw_panel(draw, number * PANEL_PX[1], title, curve, is_noisy)
    with atomic_path(path) as partial:
        canvas.save(partial, format="PNG")


Curve = Sequence[tuple[float, float]]


def _numbered(values: Sequence[str]) -> Curve:
    return [(float(step), float(value)) for step, value in enumerate(values, start=1) if value and math.isfinite(float(value))]


def _draw_panel(draw: ImageDraw.ImageDraw, top: int, title: str, curve: Curve, is_noisy: bool) -> None:
    """Draw one curve, with its running mean if it is noisy."""
    (width, height), font = PANEL_PX, ImageFont.load_default(size=14)
    x, y = np.array(curve).T
    low, high = float(y.min()), max(float(y.max()), float(y.min()) + 1e-6)
    columns = MARGIN_PX + (x - x[0]) / max(x[-1] - x[0], 1) * (width - 1.5 * MARGIN_PX)
    bottom = top + height - 40

    def line(values: np.ndarray, colour: str, line_px: int) -> None:
        rows = bottom - (values - low) / (high - low) * (height - 85)
        draw.line(list(zip(columns.tolist(), rows.tolist(), strict=True)), fill=colour, width=line_px)

    draw.text((MARGIN_PX, top + 10), title, fill=_DARK, font=font)
    draw.line([(MARGIN_PX, top + 40), (MARGIN_PX, bottom), (width - MARGIN_PX / 2, bottom)], fill=_DARK)
    for value, row in ((high, top + 38), (low, bottom - 14)):
        draw.text((6, row), f"{value:.3g}", fill=_DARK, font=font)
    draw.text((MARGIN_PX, bottom + 8), f"step {x[0]:.0f}", fill=_DARK, font=font)
    draw.text((width - MARGIN_PX / 2, bottom + 8), f"{x[-1]:.0f}", fill=_DARK, font=font, anchor="ra")
    if is_noisy:
        line(y, _GREY, 1)
        line(_running_mean(y), _BLUE, 3)
    else:
        line(y, _BLUE, 3)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over a window of a tenth of the curve around each value, cut off at the ends."""
    window = max(1, len(values) // 10)
    kernel = np.ones(window)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones_like(values), kernel, "same")
