"""Scores as lines of text: one for each data set, and curves as corrections and reviews go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_sam2.evaluation.corrections import TARGETS
from napari_sam2.evaluation.dataset import channels_used
from napari_sam2.wording import counted

Report = Mapping[str, Any]
TITLES = {
    "objects": "objects",
    "prompted_iou": "prompted",
    "mean_iou": "IoU",
    "boundary_f": "F",
    "j_and_f": "J&F",
    "hits_0.75": "IoU>0.75",
}


def header(report: Report, name_width: int) -> str:
    """Return the line of titles of what a report holds."""
    return _line("data set", [(title, title) for title, _ in _cells(report)], name_width)


def row(report: Report, name_width: int) -> str:
    """Return a report's line, at its end how many images of a collection, and which channels were used."""
    count, channels = report.get("images"), channels_used(report.get("channels", ()), report.get("num_channels", 0))
    notes = [*([counted(count, "image")] if count else []), *([channels] if channels else [])]
    return "  ".join([_line(report["dataset"], _cells(report), name_width), *([", ".join(notes)] if notes else [])])


def curves(reports: Sequence[Report], name_width: int) -> list[str]:
    """Return IoU and J&F after each round of corrections, and what the brackets of the table mean.

    Parameters
    ----------
    reports : sequence of dict
        All with ``corrections``.
    name_width : int
        Letters of the longest name.
    """
    first = reports[0]["corrections"]
    lines = [f"in brackets: objects that did not get there; each counts with {first['max_clicks']} clicks"]
    for title, key in (("IoU", "mean_iou"), ("J&F", "j_and_f")):
        lines += ["", f"{title} after 1, 2, ... annotated frames, {first['protocol']} (on a single image: after 1, 2, ... clicks)"]
        for report in reports:
            values = "".join(f"{value:7.3f}" for value in report["corrections"][key])
            lines.append(f"{report['dataset']:<{name_width}}{values}")
    return lines


def review_curves(reports: Sequence[Report], name_width: int) -> list[str]:
    """Return IoU after each round of a review; all reports are with ``review``."""
    lines = ["", "IoU after 0, 1, 2, ... rounds of review"]
    for report in reports:
        values = "".join(f"{value:7.3f}" for value in report["review"]["mean_ious"])
        lines.append(f"{report['dataset']:<{name_width}}{values}")
    return lines


def _cells(report: Report) -> list[tuple[str, str]]:
    """Return title and text of each."""
    cells = [(title, _text(report[key])) for key, title in TITLES.items()]
    cells += [(key.upper(), _text(value)) for key, value in report.get("tracks", {}).items()]
    if "corrections" in report:
        for target in TARGETS:
            clicks, missed = (report["corrections"][f"{key}_{target:.2f}"] for key in ("clicks_to", "not_reached"))
            cells.append((f"clicks to {target:.2f}", f"{clicks:.1f}" + (f" ({missed})" if missed else "")))
    return cells


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _line(name: str, cells: Sequence[tuple[str, str]], name_width: int) -> str:
    return f"{name:<{name_width}}" + "".join(f"{text:>{max(len(title), 5) + 2}}" for title, text in cells)
