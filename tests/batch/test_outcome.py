"""The outcome of a stack as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_sam2.batch.input_state import InputState
from napari_sam2.batch.outcome import StackOutcome, outcome_path, read_outcome, write_outcome

OUTCOME = StackOutcome(
    "a/b", "/data/a/b.tif", 2, "done", "", "key", [InputState("/data/a/b.tif", "s", "h", True)], ["a/b.tif"], objects=3, seconds=1.5
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_outcome(tmp_path, OUTCOME)
    assert read_outcome(tmp_path, "a/b") == OUTCOME
    assert outcome_path(tmp_path, "a/b") == tmp_path / "a" / "b.outcome.json"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.outcome.json"]


@pytest.mark.parametrize("text", [None, "", "{", '{"name": "a/b"}', '{"name": 1}', "[]"])
def test_what_is_of_no_use_is_nothing(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "a").mkdir()
        outcome_path(tmp_path, "a/b").write_text(text)
    assert read_outcome(tmp_path, "a/b") is None


def test_it_counts_with_its_outputs_only(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert not OUTCOME.is_whole("key", tmp_path, ["a/b.tif"])
    (tmp_path / "a" / "b.tif").touch()
    assert OUTCOME.is_whole("key", tmp_path, ["a/b.tif"])
    assert not OUTCOME.is_whole("key", tmp_path, ["a/b.tif", "a/b.csv"])
    assert not OUTCOME.is_whole("other", tmp_path, ["a/b.tif"])
    assert not replace(OUTCOME, outcome="partly done").is_whole("key", tmp_path, ["a/b.tif"])
