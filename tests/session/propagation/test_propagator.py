"""Objects are propagated from their anchors, in any direction, stopped and continued; corrections count between anchors."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest

from blob_tracker import blob_session, squares
from napari_sam2.images.errors import FrameReadError
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View
from napari_sam2.session.propagation import propagator
from napari_sam2.session.propagation.plan import Step
from napari_sam2.session.session import Session
from square_movies import FIRST, JUMP, JUMP_MOVIE, MOVIE, SHAPE, TRUTH, T, click, followed, inside, origins, put_right
from tiny_models import TINY_HIERA, tiny_predictor


@pytest.mark.parametrize(
    ("direction", "first", "last"), [("forward", 4, T), ("backward", 0, 5), ("both", 0, T)], ids=["forward", "backward", "both"]
)
def test_directions(direction: Any, first: int, last: int) -> None:
    session = blob_session(MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 4)
    done = [result.frame for result in session.propagate(direction)]
    assert sorted(done) == [t for t in range(first, last) if t != 4]
    expected = np.where(np.isin(TRUTH, (1, 2)), TRUTH, 0)
    expected[:first] = expected[last:] = 0
    np.testing.assert_array_equal(session.labels, expected)


def test_objects_start_on_their_own_frames() -> None:
    session = blob_session(MOVIE)
    for object_id, frame in {1: 0, 2: 6, 3: 3}.items():
        click(session, object_id, frame)
    assert session.plan() == [
        *(Step(frame, objects, False) for frame, objects in [(1, (1,)), (2, (1,)), (3, (1,)), (4, (1, 3)), (5, (1, 3))]),
        *(Step(frame, objects, False) for frame, objects in [(6, (1, 3)), (7, (1, 2, 3))]),
        *(
            Step(frame, objects, True)
            for frame, objects in [(5, (2,)), (4, (2,)), (3, (2,)), (2, (2, 3)), (1, (2, 3)), (0, (2, 3))]
        ),
    ]
    results = list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)
    assert [(result.frame, tuple(result.scores)) for result in results][:4] == [(1, (1,)), (2, (1,)), (3, (1,)), (4, (1, 3))]
    # an object that is not there yet is known to be absent
    assert {frame: score.object_score for frame, score in session.scores(3).items()} == {
        t: 10.0 if t >= 3 else -10.0 for t in range(T)
    }


def test_nothing_to_propagate() -> None:
    session = blob_session(MOVIE)
    session.add_object()
    with pytest.raises(ValueError, match=r"^there is nothing to propagate: add points, a box or a mask first$"):
        next(session.propagate())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "sideways"}, "direction must be 'forward', 'backward' or 'both', got 'sideways'"),
        ({"frames": [0, 8]}, "frame 8 does not exist: the stack has 8, counted from 0"),
        ({"frames": [-1]}, "frame -1 does not exist"),
        ({"objects": [4]}, "there is no object 4"),
    ],
)
def test_propagation_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    session = blob_session(MOVIE)
    click(session, 1, 0)
    for run in (session.plan, lambda **kwargs: next(session.propagate(**kwargs))):
        with pytest.raises(ValueError, match=message):
            run(**arguments)


@pytest.mark.parametrize("stop_after", [0, 1, 4, 7, 9, 12])
def test_stop_and_continue_equals_one_go(stop_after: int) -> None:
    first = {1: 0, 2: 6, 3: 3}
    whole, halved = followed(blob_session(MOVIE), first), blob_session(MOVIE)
    for object_id, frame in first.items():
        click(halved, object_id, frame)
    plan, running = halved.plan(), halved.propagate()
    done = [next(running).frame for _ in range(stop_after)]
    running.close()
    shown = halved.labels.copy()
    assert halved.plan() == plan[stop_after:]
    left = [result.frame for result in halved.propagate()]
    assert [step.frame for step in plan] == done + left
    untouched = [t for t in done if t not in left]
    np.testing.assert_array_equal(halved.labels[untouched], shown[untouched])
    np.testing.assert_array_equal(halved.labels, whole.labels)
    assert [origins(halved, i) for i in first] == [origins(whole, i) for i in first]


def test_range_first_then_the_rest_equals_one_go() -> None:
    whole, parts = followed(blob_session(MOVIE)), blob_session(MOVIE)
    for object_id, frame in FIRST.items():
        click(parts, object_id, frame)
    assert {result.frame for result in parts.propagate(frames=np.array([4, 2, 3, 1, 1]))} == {1, 2, 3, 4}
    assert not parts.labels[5:].any()
    np.testing.assert_array_equal(parts.labels[1:5], TRUTH[1:5])
    list(parts.propagate())
    np.testing.assert_array_equal(parts.labels, TRUTH)
    assert [origins(parts, i) for i in FIRST] == [origins(whole, i) for i in FIRST]


def test_only_chosen_objects() -> None:
    whole, parts = followed(blob_session(MOVIE)), blob_session(MOVIE)
    for object_id, frame in FIRST.items():
        click(parts, object_id, frame)
    results = list(parts.propagate(objects=iter([3, 1, 1])))
    assert {tuple(result.scores) for result in results} == {(1,), (3,), (3, 1)}
    expected = np.where(TRUTH == 2, 0, TRUTH)
    expected[0] = TRUTH[0]
    np.testing.assert_array_equal(parts.labels, expected)
    assert [step.object_ids for step in parts.plan()] == [(2,)] * 7
    list(parts.propagate())
    np.testing.assert_array_equal(parts.labels, TRUTH)
    assert [origins(parts, i) for i in FIRST] == [origins(whole, i) for i in FIRST]


# --- corrections ---------------------------------------------------------------------------------------------------


def astray(right_from: int, right_until: int = 10) -> np.ndarray:
    """Labels where object 1 was put right on some frames."""
    labels = np.where(JUMP == 2, 2, 0)
    right = (np.arange(10) < 4) | ((np.arange(10) >= right_from) & (np.arange(10) < right_until))
    labels[(JUMP == 1) & right[:, None, None]] = 1
    labels[(JUMP == 9) & ~right[:, None, None]] = 1
    return labels.astype(np.uint16)


def gone_astray() -> Session:
    session = blob_session(JUMP_MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 0, JUMP)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, astray(10))
    return session


def test_a_correction_runs_again_between_neighbouring_anchors() -> None:
    session = gone_astray()
    others, other_records = origins(session, 2), dict(session.objects[2].memory.tracked)
    put_right(session, 6)
    # at once on its frame, elsewhere when it is tracked again
    expected = astray(10)
    expected[6] = astray(6)[6]
    np.testing.assert_array_equal(session.labels, expected)
    # each frame from the nearer anchor, of two as near from the earlier one
    steps = [*(Step(frame, (1,), False) for frame in (1, 2, 3, 7, 8, 9)), *(Step(frame, (1,), True) for frame in (5, 4))]
    assert session.plan() == steps
    assert [(result.frame, tuple(result.scores)) for result in session.propagate()] == [(step.frame, (1,)) for step in steps]
    np.testing.assert_array_equal(session.labels, astray(4))

    after_first = origins(session, 1)
    session.approve(1, 9)
    assert session.plan() == [Step(7, (1,), False), Step(8, (1,), True)]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, astray(4))
    assert session.objects[1].anchors == [0, 6, 9]
    assert {t: origins(session, 1)[t] for t in range(1, 6)} == {t: after_first[t] for t in range(1, 6)}
    assert origins(session, 2) == others
    assert all(session.objects[2].memory.tracked[t] is record for t, record in other_records.items())
    assert session.plan() == []


def said_absent(absent_on: int) -> Session:
    """A session in which object 1 is shown on frames 0 and 9, and somebody said that on one between it is not."""
    session = blob_session(JUMP_MOVIE)
    click(session, 1, 0, JUMP)
    put_right(session, 9)
    list(session.propagate())
    session.add_points(1, absent_on, [np.argwhere(session.mask(1, absent_on)).mean(0)], [0])
    assert not session.objects[1].memory.conditioning[absent_on].is_present
    return session


@pytest.mark.parametrize("absent_on", [3, 6])
def test_next_to_a_frame_where_it_is_absent_an_object_is_followed_from_where_it_is_seen(absent_on: int) -> None:
    session = said_absent(absent_on)
    ahead = [Step(frame, (1,), False) for frame in range(1, absent_on)]
    behind = [Step(frame, (1,), True) for frame in range(8, absent_on, -1)]
    assert all(session.plan(direction) == [*ahead, *behind] for direction in ("both", "forward", "backward"))
    list(session.propagate())
    shown = session.labels == 1
    assert not shown[absent_on].any()
    # as if nobody had ever spoken of that frame, from the side on which the object is seen
    for frames, start in ((range(absent_on), 0), (range(absent_on + 1, 10), 9)):
        alone = blob_session(JUMP_MOVIE)
        alone.add_object()
        (click(alone, 1, 0, JUMP) if start == 0 else put_right(alone, 9))
        list(alone.propagate())
        np.testing.assert_array_equal(shown[list(frames)], alone.labels[list(frames)] == 1)


def test_of_two_neighbours_the_one_that_shows_the_object_is_recalled_and_trusted() -> None:
    session = said_absent(6)
    list(session.propagate())
    tracked = session.objects[1].memory.tracked
    assert [tracked[frame].anchor_distance for frame in (4, 5, 7, 8)] == [4, 5, -2, -1]


def test_prompted_frames_never_change() -> None:
    session = gone_astray()
    square = np.zeros(SHAPE, bool)
    square[12:16, 12:16] = True
    session.add_mask(1, 7, square)
    list(session.propagate())
    for frame in (5, 8, 4):
        put_right(session, frame)
        list(session.propagate())
        np.testing.assert_array_equal(session.mask(1, 7), square)
        np.testing.assert_array_equal(session.labels[7], np.where(square, 1, np.where(JUMP[7] == 2, 2, 0)))


def test_a_click_outside_takes_away_from_what_is_shown() -> None:
    session = gone_astray()
    assert not session.add_points(1, 6, inside(9, 6, JUMP), [0]).any()
    assert session.objects[1].anchors == [0, 6]
    list(session.propagate(direction="forward"))
    # from the anchor on which there is nothing, nothing is carried on
    expected = astray(10)
    expected[6:][expected[6:] == 1] = 0
    np.testing.assert_array_equal(session.labels, expected)


@pytest.mark.parametrize(("axes", "zoom"), [("ZYX", 4.0), ("TYX", 4.0), ("ZYX", None)])
def test_between_anchors_of_a_volume_their_shapes_count(axes: str, zoom: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In windows alone: whole frames are segmented as by the official predictor. Objects that move in time have no such shape."""
    given: list[tuple[int, int, float]] = []

    def noted(tracked: FrameRecord, before: FrameRecord, after: FrameRecord, share: float, whole: View) -> FrameRecord:
        anchors = {id(record.pointer): frame for frame, record in session.objects[1].conditioning.items()}
        given.append((anchors[id(before.pointer)], anchors[id(after.pointer)], share))
        return replace(tracked, mask_logits=np.full_like(tracked.mask_logits, -1))

    monkeypatch.setattr(propagator, "with_interpolated_shape", noted)
    session = Session(MOVIE[:8], axes, model=tiny_predictor(), zoom=zoom)
    session.add_object()
    for frame in (1, 5):
        session.add_points(1, frame, [inside(1, frame)[0]])
    list(session.propagate())
    is_used = axes == "ZYX" and zoom is not None
    assert given == ([(1, 5, 0.25), (1, 5, 0.5), (1, 5, 0.75)] if is_used else [])
    if is_used:
        assert not session.labels[2:5].any()


def test_a_correction_while_propagating_counts_at_once() -> None:
    session = blob_session(JUMP_MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 0, JUMP)
    done = []
    for result in session.propagate():
        done.append((result.frame, tuple(result.scores)))
        if len(done) == 7:
            put_right(session, 6)
    assert done == [
        *((frame, (1, 2)) for frame in range(1, 8)),
        *((frame, (1,)) for frame in (1, 2, 3, 7)),
        *((frame, (1, 2)) for frame in (8, 9)),
        *((frame, (1,)) for frame in (5, 4)),
    ]
    np.testing.assert_array_equal(session.labels, astray(4))


def test_an_object_removed_while_propagating() -> None:
    session = blob_session(MOVIE)
    for object_id in (1, 2):
        click(session, object_id, 0)
    running = session.propagate(objects=[1, 2])
    next(running)
    session.remove_object(1)
    assert [(result.frame, tuple(result.scores)) for result in running] == [(frame, (2,)) for frame in range(2, T)]
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 2, 0))


def test_clear_the_only_prompt() -> None:
    session = followed(blob_session(MOVIE), {1: 2, 2: 0})
    session.clear_prompts(1, 2)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 2, 2, 0))
    assert session.scores(1) == {}
    assert session.plan() == []
    with pytest.raises(ValueError, match=r"^object 1 has no prompts on frame 2$"):
        session.clear_prompts(1, 2)


def test_clear_one_of_several_prompts() -> None:
    session = gone_astray()
    put_right(session, 6)
    put_right(session, 8)
    list(session.propagate())
    session.clear_prompts(1, 6)
    # shown until it is tracked again, then as if it had never been said
    np.testing.assert_array_equal(session.labels, astray(4))
    ahead, behind = (
        [Step(frame, (1,), reverse) for frame in frames] for frames, reverse in (((1, 2, 3, 4), False), ((7, 6, 5), True))
    )
    assert session.plan() == [*ahead, *behind]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, astray(5))


def test_a_direction_says_what_is_done_of_the_open_ends() -> None:
    session = blob_session(JUMP_MOVIE)
    session.add_object()
    put_right(session, 4)
    put_right(session, 8)
    from_4, from_8 = [Step(5, (1,), False), Step(6, (1,), False)], [Step(7, (1,), True)]
    last, first = [Step(9, (1,), False)], [Step(frame, (1,), True) for frame in (3, 2, 1, 0)]
    assert session.plan("forward") == [*from_4, *last, *from_8]
    assert session.plan("backward") == [*from_4, *from_8, *first]
    assert session.plan() == [*from_4, *last, *from_8, *first]


def test_clear_the_first_of_two_prompts_turns_the_direction() -> None:
    session = blob_session(JUMP_MOVIE)
    click(session, 1, 0, JUMP)
    put_right(session, 6)
    list(session.propagate())
    session.clear_prompts(1, 0)
    assert session.plan() == [Step(frame, (1,), True) for frame in (5, 4, 3, 2, 1, 0)]
    list(session.propagate())
    fresh = blob_session(JUMP_MOVIE)
    fresh.add_object()
    put_right(fresh, 6)
    list(fresh.propagate())
    np.testing.assert_array_equal(session.labels, fresh.labels)


# --- reading ahead -------------------------------------------------------------------------------------------------


class Noted:
    """Frames of a movie, and which of them were read."""

    def __init__(self, fails_at: int = -1) -> None:
        self.shape, self.dtype, self.ndim = MOVIE.shape, MOVIE.dtype, MOVIE.ndim
        self.was_read = {frame: threading.Event() for frame in range(T)}
        self.fails_at = fails_at

    def __getitem__(self, key: tuple[Any, ...]) -> npt.NDArray[np.uint8]:
        frame = int(np.arange(T)[key[0]].min())
        self.was_read[frame].set()
        if frame == self.fails_at:
            raise OSError(errno.EIO, "the disk is gone")
        return MOVIE[key]

    def session(self) -> Session:
        lazy = da.from_array(self, chunks=(1, *MOVIE.shape[1:]), meta=np.empty((0, 0, 0), np.uint8))
        session = Session(lazy, model=tiny_predictor(TINY_HIERA), intensity_range=(0, 255))
        for event in self.was_read.values():
            event.clear()
        session.add_points(session.add_object(), 0, [(4, 5)])
        return session


def test_the_next_frame_is_read_while_a_result_is_looked_at() -> None:
    frames = Noted()
    session = frames.session()
    propagation = session.propagate()
    for frame in range(1, 3):
        assert next(propagation).frame == frame
        assert frames.was_read[frame + 1].wait(30)
    propagation.close()
    assert not frames.was_read[4].is_set()


def test_a_frame_that_cannot_be_read_ahead_stops_the_propagation_where_it_is() -> None:
    session = Noted(fails_at=3).session()
    with pytest.raises(FrameReadError, match=r"^frame 3 along T cannot be read: the disk, or the connection to it, fails$"):
        session.propagate_all()
    assert sorted(session.scores(1)) == [0, 1, 2]


# --- at a console --------------------------------------------------------------------------------------------------

LONG = squares(T, (32, 40), {1: [(4, 3 + t, 6) for t in range(T)], 2: [(20, 20, 5)] * T})
LONG_MOVIE = np.where(LONG > 0, 200, 10).astype(np.uint8)


def opened() -> Session:
    session = blob_session(LONG_MOVIE)
    session.add_points(session.add_object("mother"), 2, [(6, 8)])
    session.add_points(session.add_object(), 0, [(22, 22)])
    return session


def test_a_propagation_says_what_it_would_do() -> None:
    session = opened()
    propagation = session.propagate()
    assert repr(propagation) == "<propagation of 2 objects to 8 frames, 0 to 7: iterate over it, or use propagate_all()>"
    assert not session.labels[5].any(), "nothing is done before it is iterated"
    assert [step.frame for step in propagation.plan()] == [step.frame for step in session.plan()]
    assert len(list(propagation)) > 0
    assert repr(session.propagate()) == "<propagation: nothing to do>"
    assert repr(session.propagate("up")).startswith("<propagation that cannot run: direction must be ")
    assert repr(session.propagate(objects=[9])) == "<propagation that cannot run: there is no object 9; objects are [1, 2]>"


def test_propagate_all_is_the_whole_propagation(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = opened(), opened()
    frames = [done.frame for done in one.propagate("forward", [1], range(6))]
    assert other.propagate_all("forward", [1], range(6)) == len(frames) == 3
    np.testing.assert_array_equal(one.labels, other.labels)
    assert other.document().calls == one.document().calls
    assert capsys.readouterr().err == "", "there is no terminal to draw a bar on"
    assert other.propagate_all() > 0
    np.testing.assert_array_equal(other.labels, LONG)
    assert other.propagate_all() == 0


def test_propagate_all_with_nothing_to_propagate() -> None:
    with pytest.raises(ValueError, match="there is nothing to propagate: add points, a box or a mask first"):
        blob_session(LONG_MOVIE).propagate_all()
