import pytest

from napari_sam2.session.propagation.run_estimate import (
    MOST_STEPS,
    RunEstimate,
    StepTimed,
    mask_bytes,
    written_bytes,
    written_duration,
)


def step(num_objects, seconds, is_propagated=True, model="micro"):
    return StepTimed(model, num_objects, seconds, 1000, is_propagated)


def test_nothing_is_estimated_before_anything_was_done():
    assert RunEstimate().seconds(10, 20) is None
    assert RunEstimate().num_bytes(20) is None


def test_prompts_count_until_a_frame_was_propagated_to():
    estimate = RunEstimate()
    estimate.add(step(1, 9.0, is_propagated=False))
    estimate.add(step(1, 2.0, is_propagated=False))
    estimate.add(step(1, 2.0, is_propagated=False))
    assert estimate.seconds(10, 10) == pytest.approx(20), "the median: the first one loaded something"
    estimate.add(step(1, 0.5))
    estimate.add(step(1, 9.0, is_propagated=False))
    assert estimate.seconds(10, 10) == pytest.approx(5)
    assert estimate.num_bytes(30) == 30_000


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(1, 1.0)], 10 * (0.5 + 0.5 * 4)),
        ([(4, 2.5)], 10 * 2.5),
        ([(1, 1.0), (3, 2.0)], 10 * (0.5 + 0.5 * 4)),
        ([(1, 1.0), (3, 3.0)], 10 * 4),
        ([(1, 2.0), (3, 1.0)], 10 * 1.5),
        ([(1, 1.0), (3, 6.0)], 10 * 1.5 * 4),
    ],
    ids=["one object", "as many objects", "a part for each", "all of it for each", "fewer take longer", "more than for each"],
)
def test_time_grows_with_frames_and_masks(steps, expected):
    estimate = RunEstimate()
    for number, seconds in steps:
        estimate.add(step(number, seconds))
    assert estimate.seconds(10, 40) == pytest.approx(expected)
    assert estimate.seconds(20, 80) == pytest.approx(2 * expected)


def test_only_the_latest_steps_of_the_same_model_count():
    estimate = RunEstimate()
    for _ in range(MOST_STEPS):
        estimate.add(step(1, 100.0))
    for _ in range(MOST_STEPS):
        estimate.add(step(1, 1.0))
    assert estimate.seconds(1, 1) == pytest.approx(1)
    estimate.add(step(1, 5.0, is_propagated=False, model="other"))
    assert estimate.seconds(1, 1) == pytest.approx(5)
    assert estimate.seconds(0, 0) is None


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.2, "0 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (6000, "1.7 h"), (90_000, "25.0 h")]
)
def test_durations(seconds, written):
    assert written_duration(seconds) == written


@pytest.mark.parametrize(("num_bytes", "written"), [(4e5, "0 MB"), (18e6, "18 MB"), (999e6, "999 MB"), (1.26e9, "1.3 GB")])
def test_sizes(num_bytes, written):
    assert written_bytes(num_bytes) == written


@pytest.mark.parametrize(("image_size", "channels", "expected"), [(320, 128, 14_952), (1024, 256, 139_650)])
def test_room_of_a_mask(image_size, channels, expected):
    assert mask_bytes(image_size, channels) == expected
