"""What comes with the package to try it on."""

from __future__ import annotations

from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.images.stack import Stack
from napari_sam2.session.prompts_file import read_prompts


def test_each_object_has_one_click_inside_the_image() -> None:
    stack = Stack.open(FLUO_MITOCHECK.image)
    assert stack.axes == "TYX"
    entries = read_prompts(FLUO_MITOCHECK.prompts, stack)
    assert len(entries) == len({entry.object_id for entry in entries}) > 1
    for entry in entries:
        ((row, column),) = entry.points_rc
        assert 0 <= entry.frame < len(stack)
        assert 0 <= row < stack.height
        assert 0 <= column < stack.width


def test_clicks_are_on_something_bright() -> None:
    stack = Stack.open(FLUO_MITOCHECK.image)
    for entry in read_prompts(FLUO_MITOCHECK.prompts, stack):
        frame = stack.frames[entry.frame]
        row, column = (round(value) for value in entry.points_rc[0])
        assert frame[row, column] > frame.mean(), entry


def test_whose_it_is_is_said() -> None:
    assert "CC BY 4.0" in FLUO_MITOCHECK.credit
    assert FLUO_MITOCHECK.image.parent == FLUO_MITOCHECK.prompts.parent
