from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.drawn_commands import AddScribble
from napari_sam2.plugin.prompts.pending_drawings import PendingDrawings


def scribble(object_id, is_inside=True):
    return AddScribble(ObjectFrame(object_id, 0), is_inside, ((1.0, 2.0),))


def test_what_was_drawn_is_sent_once():
    pending = PendingDrawings()
    assert (pending.has_pending, pending.object_ids, pending.latest_sent) == (False, set(), 0)
    pending.add(3, scribble(1))
    pending.add(5, scribble(2, is_inside=False))
    assert pending.object_ids == {1}, "what is outside begins nothing"
    assert pending.take() == [scribble(1), scribble(2, is_inside=False)]
    assert (pending.has_pending, pending.take(), pending.latest_sent) == (False, [], 5)
    pending.job_ended()
    assert (pending.object_ids, pending.latest_sent) == (set(), 0)


def test_the_latest_is_withdrawn_unless_it_is_on_its_way():
    pending = PendingDrawings()
    pending.add(3, scribble(1))
    pending.take()
    assert pending.latest_waiting(before=9) == 0
    for number in (5, 7):
        pending.add(number, scribble(number))
    assert (pending.latest_waiting(before=9), pending.latest_waiting(before=7)) == (7, 5)
    pending.withdraw(7)
    assert pending.take() == [scribble(5)]


def test_what_failed_is_sent_again_and_what_was_refused_is_not():
    pending = PendingDrawings()
    pending.add(3, scribble(1))
    pending.add(4, scribble(2))
    first, second = pending.take()
    pending.reject(first, is_refused=True)
    pending.reject(second, is_refused=False)
    assert (pending.object_ids, pending.take()) == ({2}, [second])


def test_objects_of_what_waits_are_counted_after_those_of_a_session():
    pending = PendingDrawings()
    pending.add(3, scribble(1))
    pending.take()
    pending.add(4, scribble(2))
    pending.shift(10)
    assert pending.object_ids == {1, 12}
