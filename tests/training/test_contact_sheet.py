"""Contact sheets of ground truth and predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_sam2.training.contact_sheet import write_contact_sheet


def test_an_object_has_one_colour_in_all_columns(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 40, 50)).astype(np.uint8)
    truth = np.zeros((9, 40, 50), np.uint16)
    truth[:, 5:15, 5:15], truth[:, 20:35, 25:45] = 1, 6
    lost = np.where(truth == 6, 6, 0)  # without object 1, object 6 is the first
    write_contact_sheet(tmp_path / "sheet.png", image, [truth, lost, truth * 0], ["truth", "before", "after"], num_rows=3)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    zoom = 8
    height, width = 40 * zoom + 6, 50 * zoom + 6  # with the white gap between tiles
    assert sheet.shape == (3 * height - 6, 4 * width - 6, 3)
    last = sheet[2 * height :]
    edges = [last[20 * zoom + 1, column * width + 35 * zoom] for column in range(4)]
    assert np.ptp(edges[0]) == np.ptp(edges[3]) == 0  # grey: no outline
    np.testing.assert_array_equal(edges[1], edges[2])
    assert np.ptp(edges[1]) > 100


def test_every_tile_has_its_title_and_large_images_stay_small(tmp_path: Path) -> None:
    labels = np.zeros((1, 90, 2500), np.uint16)
    write_contact_sheet(tmp_path / "sheet.png", labels, [labels] * 3, ["truth", "before", "after"])
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    width = 834 + 6
    assert sheet.shape[:2] == (30, 4 * width - 6)
    titles = [sheet[:, column * width : column * width + 834] for column in range(4)]
    assert all((title == 255).any() for title in titles)  # letters on black
    assert not any(np.array_equal(title, titles[0]) for title in titles[1:])

    write_contact_sheet(
        tmp_path / "sheet.png", labels.swapaxes(1, 2)[:, :500], [labels.swapaxes(1, 2)[:, :500]] * 3, ["a", "b", "c"]
    )
    with Image.open(tmp_path / "sheet.png") as tall:
        assert tall.size == (4 * (2 * 90 + 6) - 6, 2 * 500)
