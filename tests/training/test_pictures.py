"""Curves and contact sheets show what they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.summary.writer.record_writer import RecordWriter

from napari_sam2.training.contact_sheet import write_contact_sheet
from napari_sam2.training.loss_curves import PANEL_PX, write_loss_curves
from napari_sam2.training.run_log import RunLog


def test_an_object_has_one_colour_in_all_columns(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 40, 50)).astype(np.uint8)
    truth = np.zeros((9, 40, 50), np.uint16)
    truth[:, 5:15, 5:15], truth[:, 20:35, 25:45] = 1, 6
    lost = np.where(truth == 6, 6, 0)  # without object 1, object 6 would be the first
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


def test_curves_fall_and_rise(tmp_path: Path) -> None:
    log = RunLog(tmp_path, {})
    for step in range(1, 41):
        log.step("s", step, step, 0.1, {"core_loss": 10 / step, "first_iou": step / 50})
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


def test_a_run_without_validation_has_curves_too(tmp_path: Path) -> None:
    write_loss_curves(tmp_path, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == PANEL_PX


def test_tensorboard_reads_the_log(tmp_path: Path) -> None:
    log = RunLog(tmp_path, {})
    log.step("s", 1, 1, 0.1, {"core_loss": 2.0})
    log.validation("s", 1, 1, 0.5)
    log.step("s", 2, 2, 0.1, {"core_loss": 7.0})  # lost: the last checkpoint was before it
    log.close()
    log = RunLog(tmp_path, {"s": 1})
    log.step("s", 2, 2, 0.1, {"core_loss": 1.0})
    log.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/core_loss")] == [(1, 2.0), (2, 1.0)]
    assert [(event.step, event.value) for event in events.Scalars("validation/mean_iou")] == [(1, 0.5)]


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("name", ["log.csv", "tensorboard"])
def test_a_full_disk_is_said_in_one_sentence(name: str, tmp_path: Path) -> None:
    log = RunLog(tmp_path, {})
    if name == "log.csv":
        (tmp_path / name).symlink_to(FULL)
    else:
        assert log._events is not None
        log._events._records.close()
        log._events._records = RecordWriter(FULL.open("ab", buffering=0))
    with pytest.raises(OSError, match=rf"^nothing can be written to {tmp_path}, is the disk full\? Make room; the same command"):
        log.step("s", 1, 1, 0.1, {"core_loss": 2.0})
    log.close()
