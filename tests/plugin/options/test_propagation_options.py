import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import blob_session
from napari_sam2.plugin.options.propagation_options import FramesLeft, PropagationOptions, propagation_options
from napari_sam2.plugin.reports.frame_measurements import FrameMeasurements
from napari_sam2.plugin.reports.frame_states import FrameStates
from napari_sam2.plugin.worker.session_worker import _whole
from session_actions import MOVIE, SAYING, T, actions, do


def states_of(session):
    """What the viewer has of a session."""
    states, measurements = FrameStates(T), FrameMeasurements(session)
    states.show(_whole(session.state))
    measurements.measure_all()
    measured = measurements.take()
    if measured is not None:
        states.show_measured(measured)
    return states


def left(session, options):
    return FramesLeft.of(states_of(session), dict(session.state.infos), options)


OPTIONS = st.builds(
    lambda direction, ends, objects: PropagationOptions(direction, min(ends), max(ends), objects),
    st.sampled_from(["both", "forward", "backward"]),
    st.tuples(st.integers(0, T - 1), st.integers(0, T - 1)),
    st.none() | st.sets(st.integers(1, 3), min_size=1).map(lambda ids: tuple(sorted(ids))),
)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(actions, min_size=1, max_size=10), st.lists(OPTIONS, min_size=3, max_size=3))
def test_it_is_what_the_session_plans(sequence, several):
    session = blob_session(MOVIE)
    for kind, *arguments in sequence:
        if kind in SAYING and arguments[0] not in session.objects:
            session.add_object(object_id=arguments[0])
        try:
            do(session, kind, *arguments)
        except ValueError:
            continue
    for options in [PropagationOptions(), *several]:
        objects = None if options.objects is None else [one for one in options.objects if one in session.objects]
        plan = session.plan(options.direction, objects, options.frames(T))
        found = left(session, options)
        assert found.num_frames == len({step.frame for step in plan})
        assert found.num_masks == sum(len(step.object_ids) for step in plan)


def prompted(*frames, propagated_to=()):
    session = blob_session(MOVIE)
    session.add_object()
    for frame in frames:
        session.add_mask(1, frame, MOVIE[frame] > 0)
    if propagated_to:
        list(session.propagate(frames=propagated_to))
    return session


@pytest.mark.parametrize(
    ("frames", "ends", "num_skipped"),
    [
        ([0], (4, 6), 3),
        ([0], (1, 6), 0),
        ([0], (0, 6), 0),
        ([3], (3, 5), 0),
        ([6], (1, 3), 2),
        ([0, 6], (3, 3), 2),
        ([0, 6], (4, 5), 0),
        ([0, 5], (2, 6), 0),
    ],
)
def test_frames_that_are_skipped(frames, ends, num_skipped):
    assert left(prompted(*frames), PropagationOptions("both", *ends)).num_skipped == num_skipped


def test_frames_that_are_done_are_not_skipped():
    assert left(prompted(0, propagated_to=[1, 2]), PropagationOptions("both", 4, 6)).num_skipped == 1
    assert left(prompted(0, propagated_to=[1, 2, 3]), PropagationOptions("both", 4, 6)).num_skipped == 0


def test_it_is_begun_when_all_that_are_left_were_propagated():
    session = prompted(0)
    assert not left(session, PropagationOptions()).is_begun
    next(session.propagate())
    assert left(session, PropagationOptions()) == FramesLeft(T - 2, T - 2, True, 0)
    session.add_mask(session.add_object(), 0, MOVIE[0] > 0)
    assert not left(session, PropagationOptions()).is_begun
    assert left(session, PropagationOptions(objects=(1,))).is_begun
    list(session.propagate())
    assert left(session, PropagationOptions()) == FramesLeft()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("both", 0, 6, "all"), PropagationOptions()),
        (("forward", 2, 6, "all"), PropagationOptions("forward", 2)),
        (("backward", 0, 5, "selected"), PropagationOptions("backward", 0, 5, (2, 4))),
    ],
)
def test_what_the_form_says(arguments, expected):
    assert propagation_options(*arguments, selected=[4, 2], num_frames=7) == expected


def test_a_range_without_frames():
    with pytest.raises(ValueError, match=r"^there is no frame from 3 to 2: the first one is not after the last one$"):
        propagation_options("both", 3, 2, num_frames=7)


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        (PropagationOptions(), None),
        (PropagationOptions(last_frame=6), None),
        (PropagationOptions(last_frame=60), None),
        (PropagationOptions(first_frame=2), range(2, 7)),
        (PropagationOptions(first_frame=2, last_frame=2), range(2, 3)),
        (PropagationOptions(last_frame=5), range(6)),
    ],
)
def test_frames(options, frames):
    assert options.frames(7) == frames
