"""Scores as lines of text."""

from __future__ import annotations

from typing import Any

from napari_sam2.cli.score_table import curves, header, review_curves, row

SCORES = {"prompted_iou": 1.0, "mean_iou": 0.87654, "boundary_f": 0.5, "j_and_f": 0.6875, "hits_0.75": 0.25}
PLAIN: dict[str, Any] = {"dataset": "cells", "objects": 12, **SCORES}
CORRECTED = PLAIN | {
    "corrections": {
        "clicks_to_0.75": 1.5,
        "not_reached_0.75": 0,
        "clicks_to_0.90": 4.25,
        "not_reached_0.90": 3,
        "max_clicks": 8,
        "protocol": "offline",
        "mean_iou": [0.25, 0.75],
        "j_and_f": [0.5, 0.625],
    }
}


def test_titles_stand_over_their_numbers() -> None:
    assert header(PLAIN, 8) == "data set  objects  prompted    IoU      F    J&F  IoU>0.75"
    assert row(PLAIN, 8) == "cells          12     1.000  0.877  0.500  0.688     0.250"
    # each number ends where its title does
    assert len(header(PLAIN, 20)) == len(row(PLAIN, 20)) == len(header(PLAIN, 8)) + 12


def test_tracks_and_clicks_are_further_columns() -> None:
    report = CORRECTED | {"tracks": {"seg": 0.5, "det": 0.75}}
    assert header(report, 8)[len(header(PLAIN, 8)) :] == "    SEG    DET  clicks to 0.75  clicks to 0.90"
    assert row(report, 8)[len(row(PLAIN, 8)) :] == "  0.500  0.750             1.5         4.2 (3)"


def test_images_and_channels_are_at_the_end() -> None:
    plain = row(PLAIN, 8)
    assert row(PLAIN | {"images": 1}, 8) == f"{plain}  1 image"
    assert row(PLAIN | {"images": 5, "channels": [0, 2], "num_channels": 3}, 8) == f"{plain}  5 images, channels 0 and 2 of 3"
    assert row(PLAIN | {"channels": [1], "num_channels": 2}, 8) == f"{plain}  channel 1 of 2"


def test_curves() -> None:
    reports = [CORRECTED, CORRECTED | {"dataset": "a longer one"}]
    assert curves(reports, 13) == [
        "in brackets: objects that did not get there; each counts with 8 clicks",
        "",
        "IoU after 1, 2, ... annotated frames, offline (on a single image: after 1, 2, ... clicks)",
        "cells          0.250  0.750",
        "a longer one   0.250  0.750",
        "",
        "J&F after 1, 2, ... annotated frames, offline (on a single image: after 1, 2, ... clicks)",
        "cells          0.500  0.625",
        "a longer one   0.500  0.625",
    ]
    assert review_curves([PLAIN | {"review": {"mean_ious": [0.1, 0.25, 1.0]}}], 6) == [
        "",
        "IoU after 0, 1, 2, ... rounds of review",
        "cells   0.100  0.250  1.000",
    ]
