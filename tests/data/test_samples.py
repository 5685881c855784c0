"""What comes with the package to try it on."""

from __future__ import annotations

import pytest

from napari_sam2.data.samples import FLUO_MITOCHECK, SAMPLES, VOL_EMBRYO_8CELL, Sample
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.images.stack import Stack
from napari_sam2.session.prompts_file import read_prompts

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.folder.name)


@each_sample
def test_each_object_has_one_click_inside_it(sample: Sample) -> None:
    stack, truth = Stack.open(sample.image), Dataset.read(sample.folder).truth
    entries = read_prompts(sample.prompts, stack)
    assert len(entries) == len({entry.object_id for entry in entries}) > 1
    for entry in entries:
        assert entry.points_rc is not None
        ((row, column),) = entry.points_rc
        assert truth[entry.frame, round(row), round(column)] == entry.object_id


@each_sample
def test_clicks_are_on_something_bright(sample: Sample) -> None:
    stack = Stack.open(sample.image)
    for entry in read_prompts(sample.prompts, stack):
        assert entry.points_rc is not None
        frame = stack.frames[entry.frame]
        row, column = (round(value) for value in entry.points_rc[0])
        assert frame[row, column] > frame.mean(), entry


def test_axes() -> None:
    assert [Stack.open(sample.image).axes for sample in (FLUO_MITOCHECK, VOL_EMBRYO_8CELL)] == ["TYX", "ZYX"]


@each_sample
def test_whose_it_is_is_said(sample: Sample) -> None:
    assert "CC BY" in sample.credit
    assert "CC BY" in (sample.folder / "README.md").read_text(encoding="utf-8")
