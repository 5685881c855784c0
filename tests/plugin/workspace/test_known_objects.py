import pytest

from napari_sam2.plugin.prompts.clicks import MAX_OBJECT_ID, Click, ObjectFrame
from napari_sam2.plugin.prompts.drawn_commands import AddScribble
from napari_sam2.plugin.prompts.pending_clicks import PendingClicks
from napari_sam2.plugin.prompts.pending_drawings import PendingDrawings
from napari_sam2.plugin.workspace.known_objects import KnownObjects
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.session_state import StateChange


class Prompts:
    """What a view has."""

    def __init__(self):
        self.pending = PendingClicks()
        self.object_ids = set()


@pytest.fixture
def points():
    return Prompts()


@pytest.fixture
def boxes():
    return Prompts()


@pytest.fixture
def drawings():
    return PendingDrawings()


@pytest.fixture
def elsewhere():
    return []


@pytest.fixture
def objects(points, boxes, drawings, elsewhere):
    return KnownObjects(points, boxes, drawings, lambda: elsewhere)


def test_objects_of_the_session_and_of_all_prompts(objects, points, boxes, drawings, elsewhere):
    assert (objects.ids, objects.next_id) == (set(), 1)
    objects.show(StateChange({2: ObjectInfo("nucleus")}))
    points.object_ids, boxes.object_ids = {3}, {4}
    drawings.add(1, AddScribble(ObjectFrame(5, 0), True, ((1.0, 2.0),)))
    assert (objects.ids, objects.next_id) == ({2, 3, 4, 5}, 6)
    elsewhere.append({7})
    assert (objects.ids, objects.next_id) == ({2, 3, 4, 5}, 8), "one label image holds all positions"
    objects.show(StateChange({2: None}))
    assert objects.ids == {3, 4, 5}


def test_the_highest_label_leaves_room_below(objects, points):
    points.object_ids = {1, 2, MAX_OBJECT_ID}
    assert objects.next_id == 3


def test_only_what_is_inside_begins_an_object(objects, points, boxes):
    points.pending.add(ObjectFrame(1, 0), Click(5, 5, False))
    assert not objects.has_prompt_inside(1)
    points.pending.add(ObjectFrame(1, 0), Click(5, 5, True))
    assert objects.has_prompt_inside(1)
    boxes.object_ids = {2}
    assert objects.has_prompt_inside(2)
    objects.show(StateChange({3: ObjectInfo("c")}))
    assert objects.has_prompt_inside(3)
    assert not objects.has_prompt_inside(None)


def test_names(objects):
    objects.show(StateChange({1: ObjectInfo("object 1"), 2: ObjectInfo("nucleus")}))
    assert [objects.name_of(one) for one in (1, 2, 3)] == ["object 1", "object 2, nucleus", "object 3"]
