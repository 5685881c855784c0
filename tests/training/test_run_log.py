"""The log is readable by TensorBoard, and a full disk has one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter

from napari_sam2.training.run_log import RunLog, read_table

FULL = Path("/dev/full")


def test_tensorboard_reads_the_log(tmp_path: Path) -> None:
    log = RunLog(tmp_path, {})
    log.step("s", 1, 1, 0.1, {"core_loss": 2.0})
    log.validation("s", 1, 1, 0.5)
    log.step("s", 2, 2, 0.1, {"core_loss": 7.0})  # to be repeated: the last checkpoint was before it
    log.close()
    log = RunLog(tmp_path, {"s": 1})
    log.step("s", 2, 2, 0.1, {"core_loss": 1.0})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/core_loss")] == [(1, 2.0), (2, 1.0)]
    assert [(event.step, event.value) for event in events.Scalars("validation/mean_iou")] == [(1, 0.5)]


@pytest.mark.parametrize("name", ["log.csv", "validation.csv"])
@pytest.mark.parametrize(
    ("header", "missing"), [("date,temperature", "stage"), ("stage,mean_iou", "step"), ("lesson,step", "stage")]
)
def test_another_table_is_not_a_log(name: str, header: str, missing: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(f"{header}\n1,2\n")
    with pytest.raises(ValueError, match=rf"{name} is not the log of a run, it has no column '{missing}': give another folder"):
        RunLog(tmp_path, {})
    assert (tmp_path / name).read_text() == f"{header}\n1,2\n"


@pytest.mark.parametrize(
    ("left", "steps"), [("stage,st", [12]), ("s,1,0.1,2.0,,,,,,\r\ns,1", [1, 12]), ("s,1,0.1,2.0,,,,,,\r\n", [1, 12])]
)
def test_half_a_row_is_removed(left: str, steps: list[int], tmp_path: Path) -> None:
    """A full disk may keep the first half of the row of step 12, which reads as step 1."""
    log = RunLog(tmp_path, {})
    log.step("s", 1, 1, 0.1, {"core_loss": 2.0})
    log.close()
    table = tmp_path / "log.csv"
    header = table.read_text().splitlines()[0] + "\r\n"
    table.write_bytes(("" if left.startswith("stage") else header).encode() + left.encode())
    log = RunLog(tmp_path, {"s": 11})
    log.step("s", 12, 12, 0.1, {"core_loss": 1.0})
    log.close()
    assert [int(row["step"]) for row in read_table(table)] == steps


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("name", ["log.csv", "tensorboard"])
def test_a_full_disk_has_one_sentence(name: str, tmp_path: Path) -> None:
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
