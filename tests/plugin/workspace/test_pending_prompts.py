import pytest

from napari_sam2.plugin.image.image_stack import Pixel
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.drawn_commands import AddScribble


@pytest.fixture
def workspace(open_one):
    return open_one()


def scribble(key):
    return AddScribble(key, True, ((1.0, 2.0),))


def test_the_latest_of_all_kinds_is_withdrawn_first(workspace):
    pending = workspace.pending
    assert not pending.are_waiting
    workspace.click(Pixel(0, 10, 10), True)
    workspace.draw_box(0, (20, 30, 28, 42))
    workspace.draw(0, None, scribble)
    assert pending.are_waiting
    before = workspace.points.pending.next_id
    counts = []
    while pending.withdraw_latest(before):
        counts.append((len(workspace.points.pending.by_id), len(workspace.boxes.object_ids), len(workspace.objects.ids)))
    assert counts == [(1, 1, 2), (1, 0, 1), (0, 0, 0)]
    assert not pending.are_waiting


def test_what_is_on_its_way_is_not_withdrawn(workspace):
    pending = workspace.pending
    workspace.click(Pixel(0, 10, 10), True)
    workspace.draw_box(0, (20, 30, 28, 42))
    workspace.draw(0, None, scribble)
    assert not pending.is_latest_on_its_way
    box, drawn = pending.take_drawn()
    assert pending.is_latest_on_its_way
    assert pending.take_drawn() == []
    assert pending.reject_drawn(drawn, is_refused=False)
    assert pending.reject_drawn(box, is_refused=False)
    assert pending.take_drawn() == [box, drawn], "they were not done, and are sent again"
    (click,) = workspace.points.pending.take_all()
    assert not pending.reject_drawn(click, is_refused=True), "it is for the points"


def test_all_are_about_further_objects(workspace):
    workspace.click(Pixel(0, 10, 10), True)
    workspace.draw_box(0, (20, 30, 28, 42))
    workspace.draw(0, None, scribble)
    workspace.pending.shift(10)
    assert workspace.objects.ids == {11, 12, 13}
    assert {one.key for one in workspace.points.pending.by_id.values()} == {ObjectFrame(11, 0)}
