"""Where the official predictor loses what a person did, or crashes, and this one does not; and everything around the goldens."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from napari_sam2.model import compilation
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, VideoState
from tiny_models import TINY_HIERA, tiny_predictor

T, HEIGHT, WIDTH = 6, 40, 48


@pytest.fixture
def video() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (T, HEIGHT, WIDTH), np.uint8)


@pytest.fixture(params=[False, True], ids=["corrections tracked", "corrections conditioning"])
def predictor(request: pytest.FixtureRequest) -> SAM2VideoPredictor:
    return tiny_predictor(TINY_HIERA, add_all_frames_to_correct_as_cond=request.param)


def click(predictor: SAM2VideoPredictor, state: VideoState, frame: int, obj: int = 1, xy: tuple = (20, 20), label: int = 1):
    return predictor.add_new_points_or_box(state, frame, obj, points=[xy], labels=[label])


def run(predictor: SAM2VideoPredictor, state: VideoState, **arguments: object) -> dict[int, torch.Tensor]:
    return {frame: logits for frame, _, logits in predictor.propagate_in_video(state, **arguments)}


def test_a_correction_on_a_tracked_frame_stays(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    """The official code computes the frame again without the click (sam2 issue 731)."""
    state = predictor.init_state(video)
    click(predictor, state, 0)
    before = run(predictor, state)
    _, _, corrected = click(predictor, state, 3, xy=(5, 35))
    assert not torch.equal(corrected, before[3])
    after = run(predictor, state)
    assert torch.equal(after[3], corrected)
    assert not torch.equal(after[4], before[4])
    again = run(predictor, state)
    assert torch.equal(again[3], corrected)


def test_a_correction_on_the_first_prompted_frame_stays(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    """The official code goes back to the first answer (sam2 issue 154)."""
    state = predictor.init_state(video)
    click(predictor, state, 0)
    run(predictor, state)
    _, _, corrected = predictor.add_new_points_or_box(state, 0, 1, points=[(30, 10)], labels=[0], clear_old_points=False)
    assert torch.equal(run(predictor, state)[0], corrected)


def test_frames_before_the_only_prompt_are_tracked_in_float32(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    """The official code stops with a type error (sam2 issue 577)."""
    state = predictor.init_state(video)
    click(predictor, state, 4, obj=1)
    click(predictor, state, 0, obj=2)
    found = run(predictor, state)
    assert list(found) == list(range(T))
    assert all(torch.isfinite(logits).all() for logits in found.values())


def test_memories_around_a_prompt_can_be_forgotten(video: np.ndarray) -> None:
    """The official option raises AttributeError (sam2 issue 625)."""
    predictor = tiny_predictor(TINY_HIERA, clear_non_cond_mem_around_input=True)
    state = predictor.init_state(video)
    click(predictor, state, 0)
    run(predictor, state)
    assert sorted(state.objects[1].memory.tracked) == [1, 2, 3, 4, 5]
    click(predictor, state, 3, xy=(5, 35))
    predictor.propagate_in_video_preflight(state)
    assert not state.objects[1].memory.tracked


def test_the_first_frame_comes_on_top_of_the_number_asked_for(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    state = predictor.init_state(video)
    click(predictor, state, 2)
    assert list(run(predictor, state, start_frame_idx=2, max_frame_num_to_track=2)) == [2, 3, 4]
    assert list(run(predictor, state, start_frame_idx=2, max_frame_num_to_track=0)) == [2]
    assert list(run(predictor, state, start_frame_idx=2, reverse=True)) == [2, 1, 0]
    assert list(run(predictor, state, start_frame_idx=0, reverse=True)) == []


def test_objects_in_one_batch_equal_objects_alone(video: np.ndarray) -> None:
    predictor = tiny_predictor(TINY_HIERA)
    prompts = {1: (0, (20, 20)), 2: (0, (40, 10)), 5: (2, (8, 30)), 9: (4, (30, 30))}
    together = predictor.init_state(video)
    for obj, (frame, xy) in prompts.items():
        click(predictor, together, frame, obj, xy)
    batch = run(predictor, together, start_frame_idx=0)
    for index, (obj, (frame, xy)) in enumerate(prompts.items()):
        alone = predictor.init_state(video)
        click(predictor, alone, frame, obj, xy)
        for t, logits in run(predictor, alone, start_frame_idx=0).items():
            torch.testing.assert_close(batch[t][index : index + 1], logits, rtol=0, atol=1e-4)


def test_an_object_is_independent_of_others_that_come_and_go(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    state = predictor.init_state(video)
    click(predictor, state, 0, obj=7)
    alone = run(predictor, state)
    click(predictor, state, 1, obj=3, xy=(9, 9))
    both = run(predictor, state)
    assert state.obj_ids == [7, 3]
    ids, updated = predictor.remove_object(state, 3)
    assert ids == [7]
    assert [frame for frame, _ in updated] == [1]
    for t, logits in alone.items():
        torch.testing.assert_close(both[t][:1], logits, rtol=0, atol=1e-4)
        torch.testing.assert_close(run(predictor, state, start_frame_idx=t, max_frame_num_to_track=0)[t], logits, rtol=0, atol=1e-4)


def test_non_overlapping_results_have_one_object_per_pixel(video: np.ndarray) -> None:
    predictor = tiny_predictor(TINY_HIERA, non_overlap_masks=True)
    state = predictor.init_state(video)
    click(predictor, state, 0, obj=1)
    click(predictor, state, 0, obj=2, xy=(22, 22))
    for logits in run(predictor, state).values():
        assert ((logits > 0).sum(0) <= 1).all()


def test_a_cleared_frame_is_tracked_again(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    state = predictor.init_state(video)
    click(predictor, state, 0)
    plain = run(predictor, state)
    click(predictor, state, 3, xy=(5, 35))
    run(predictor, state)
    frame, ids, _ = predictor.clear_all_prompts_in_frame(state, 3, 1)
    assert (frame, ids) == (3, [1])
    again = run(predictor, state)
    for t, logits in plain.items():
        torch.testing.assert_close(again[t], logits, rtol=0, atol=1e-4)


def test_reset_forgets_objects_and_keeps_the_video(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    state = predictor.init_state(video)
    _, _, first = click(predictor, state, 0)
    predictor.reset_state(state)
    assert state["obj_ids"] == []
    assert state["num_frames"] == T
    _, _, again = click(predictor, state, 0)
    assert torch.equal(first, again)


def test_the_state_is_read_as_the_official_dictionary(video: np.ndarray) -> None:
    predictor = tiny_predictor(TINY_HIERA)
    state = predictor.init_state(video)
    click(predictor, state, 0, obj=7)
    click(predictor, state, 0, obj=3)
    assert state["obj_ids"] == [7, 3]
    assert state["obj_id_to_idx"] == {7: 0, 3: 1}
    assert state["obj_idx_to_id"] == {0: 7, 1: 3}
    assert (state["num_frames"], state["video_height"], state.get("video_width")) == (T, HEIGHT, WIDTH)
    assert "obj_ids" in state
    assert "objects" not in state
    assert dict(state) == {key: state[key] for key in state}
    assert len(dict(state)) == len(state)
    with pytest.raises(KeyError, match="no 'output_dict_per_obj'; there are images, num_frames"):
        state["output_dict_per_obj"]


def test_frames_of_a_state_are_indexed_and_listed(video: np.ndarray) -> None:
    images = tiny_predictor(TINY_HIERA).init_state(video)["images"]
    assert len(images) == T
    assert all(torch.equal(images[t], images.read(t)) for t in range(T))
    assert [tuple(image.shape) for image in images] == [(3, 64, 64)] * T


def test_relative_coordinates(predictor: SAM2VideoPredictor, video: np.ndarray) -> None:
    state = predictor.init_state(video)
    _, _, pixels = predictor.add_new_points_or_box(state, 0, 1, points=[(12, 10)], labels=[1])
    _, _, shares = predictor.add_new_points_or_box(state, 0, 2, points=[(0.25, 0.25)], labels=[1], normalize_coords=False)
    assert torch.equal(pixels[0], shares[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "at least one of points and box"),
        ({"points": [(1, 2)]}, "given together"),
        ({"points": [(1, 2)], "labels": [1, 0]}, "1 points but 2 labels"),
        ({"box": (1, 2, 3)}, "x0, y0, x1, y1"),
        ({"box": (1, 2, 3, 4), "clear_old_points": False}, "before any point"),
    ],
)
def test_bad_prompts_leave_no_trace(video: np.ndarray, arguments: dict, message: str) -> None:
    predictor = tiny_predictor(TINY_HIERA)
    state = predictor.init_state(video)
    with pytest.raises(ValueError, match=message):
        predictor.add_new_points_or_box(state, 0, 1, **arguments)
    with pytest.raises(IndexError, match="frame 6 does not exist"):
        click(predictor, state, T)
    with pytest.raises(ValueError, match="two-dimensional"):
        predictor.add_new_mask(state, 0, 1, np.zeros((1, 4, 4)))
    assert state.obj_ids == []


def test_there_must_be_something_to_propagate(video: np.ndarray) -> None:
    predictor = tiny_predictor(TINY_HIERA)
    state = predictor.init_state(video)
    with pytest.raises(RuntimeError, match="no object to propagate"):
        run(predictor, state)
    click(predictor, state, 0, obj=1)
    click(predictor, state, 0, obj=2)
    predictor.clear_all_prompts_in_frame(state, 0, 2)
    with pytest.raises(RuntimeError, match="object 2 has no prompt"):
        run(predictor, state)
    with pytest.raises(RuntimeError, match="there is no object 3"):
        predictor.remove_object(state, 3, strict=True)


# --- compiled ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_compiled_anew_from_frame_to_frame(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """On each frame more memories and pointers are recalled, of three objects, in a batch for four."""
    monkeypatch.setattr(compilation, "OPTIONS", {"backend": "eager", "fullgraph": True})
    plain = tiny_predictor(TINY_HIERA)
    compiled = tiny_predictor(TINY_HIERA, vos_optimized=True)
    torch._dynamo.reset()
    video = np.random.default_rng(0).integers(0, 255, (14, 32, 32), np.uint8)
    graphs = []

    def masks(model: SAM2VideoPredictor) -> list[torch.Tensor]:
        state, found = model.init_state(video), []
        for object_id in range(3):
            points = [(8 + 8 * object_id, 20 + number) for number in range(object_id + 1)]
            model.add_new_points_or_box(state, 0, object_id, points=points, labels=[1] * len(points))
        for _, _, logits in model.propagate_in_video(state):
            found.append(logits)
            graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        return found

    expected = masks(plain)
    graphs.clear()
    for one, other in zip(expected, masks(compiled), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    assert graphs[2:] == graphs[2:3] * 12
    warnings = [message for name, level, message in caplog.record_tuples if "napari_sam2" in name and level >= logging.WARNING]
    assert warnings == [], "each block could be compiled"
