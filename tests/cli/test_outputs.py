"""What several commands write, and say of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import blob_session, squares
from broken_images import BrokenArray
from napari_sam2.cli.errors import PartlyDone
from napari_sam2.cli.outputs import Shortfall, write_outputs, write_results, written_when_stopped
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import PIXELS
from napari_sam2.images.stack import Stack

LABELS = squares(3, (16, 16), {5: [(3, 3, 4)] * 3})


@pytest.fixture(autouse=True)
def _usual_handler() -> Iterator[None]:
    """A shell's background job ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_shortfall_is_said_once() -> None:
    shortfall = Shortfall()
    assert not shortfall
    shortfall.raise_if_any()
    for text in ("frame 3 cannot be read", "frame 3", "the disk is full", "frame 3 cannot be read"):
        with shortfall.noted(ValueError):
            raise ValueError(text)
    assert shortfall
    # what another says too is left out
    assert shortfall.sentence() == "frame 3 cannot be read; the disk is full"
    with pytest.raises(PartlyDone, match=r"^frame 3 cannot be read; the disk is full; the rest is written$") as caught:
        shortfall.raise_if_any("the rest is written")
    assert len(caught.value.errors) == 4
    with pytest.raises(KeyError), shortfall.noted(ValueError):
        raise KeyError


def test_ctrl_c_sets_the_event_and_what_is_done_is_said() -> None:
    shortfall = Shortfall()
    shortfall.errors.append(ValueError("frame 2 cannot be read"))

    def work() -> None:
        with written_when_stopped(shortfall) as stop:
            assert not stop.is_set()
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()

    with pytest.raises(KeyboardInterrupt, match=r"^what is done is written; frame 2 cannot be read$"):
        work()


def test_the_second_ctrl_c_leaves_what_is_done_unwritten() -> None:
    def work() -> None:
        with written_when_stopped(Shortfall()):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        work()


def test_at_the_end_the_shortfall_is_told() -> None:
    with written_when_stopped(Shortfall()):
        pass
    shortfall = Shortfall()
    shortfall.errors.append(ValueError("frame 2 cannot be read"))
    said = r"^frame 2 cannot be read; what is done is written up to frame 1$"
    with pytest.raises(PartlyDone, match=said), written_when_stopped(shortfall, " up to frame 1"):
        pass


def test_outputs_are_written_whether_or_not_another_can_be(tmp_path: Path) -> None:
    shortfall, result = Shortfall(), Result(LABELS, "TYX")
    outputs = [tmp_path / "a.tif", tmp_path / "gone" / "b.tif", tmp_path / "c.csv"]
    assert write_outputs(outputs, result, shortfall) == [outputs[0], outputs[2]]
    np.testing.assert_array_equal(tifffile.imread(outputs[0]), LABELS)
    assert len(shortfall.errors) == 1
    assert "b.tif" in shortfall.sentence()


def test_where_nothing_can_be_written_that_is_refused(tmp_path: Path) -> None:
    result, gone = Result(LABELS, "TYX"), tmp_path / "gone"
    with pytest.raises(ValueError, match="gone"):
        write_outputs([gone / "a.tif"], result, Shortfall())
    with pytest.raises(PartlyDone) as caught:
        write_outputs([gone / "a.tif", gone / "b.tif"], result, Shortfall())
    assert not caught.value.is_something_written
    # where something else fell short already, something was done
    shortfall = Shortfall()
    shortfall.errors.append(ValueError("before"))
    assert write_outputs([gone / "a.tif"], result, shortfall) == []
    assert len(shortfall.errors) == 2


@pytest.mark.parametrize(("frames", "count"), [(None, 1), ([1], 1), ([0, 2], 0)])
def test_frames_that_could_not_be_read_are_told_if_they_were_wanted(frames: list[int] | None, count: int, tmp_path: Path) -> None:
    shortfall = Shortfall()
    stack = Stack.open(BrokenArray(np.where(LABELS > 0, 200, 0).astype(np.uint8), [1]))
    write_outputs([tmp_path / "a.csv"], Result(LABELS, "TYX", stack=stack), shortfall, frames)
    assert len(shortfall.errors) == count
    if count:
        assert shortfall.sentence().startswith("frame 1 of the image cannot be read")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "1 object on 3 frames"),
        ({"is_partial": True}, "1 object on 1 of 3 frames"),
        ({"frames": [0]}, "1 object on 1 of 3 frames"),
        ({"where": " at each place of Z"}, "1 object on 3 frames at each place of Z"),
    ],
)
def test_what_was_written_is_said(
    arguments: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = blob_session(np.where(LABELS > 0, 200, 0).astype(np.uint8))
    session.add_object("one", 5)
    session.add_points(5, 0, [(5, 5)])
    shortfall = Shortfall()
    outputs = [tmp_path / "a.tif", tmp_path / "b.csv"]
    write_results(session, outputs, PIXELS, shortfall, methods=tmp_path / "methods.txt", **arguments)  # type: ignore[arg-type]
    assert capsys.readouterr().out == f"{said}: {outputs[0]}, {outputs[1]}\n"
    assert not shortfall
    assert (tmp_path / "methods.txt").read_text(encoding="utf-8")
