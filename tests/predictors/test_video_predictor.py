"""Where the official predictor loses what a person did, or crashes, and this one does not; and everything around the goldens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam2.predictors.frames import JpegFolder, open_frames, to_model_input
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


# --- where frames come from ---------------------------------------------------------------------------------------


def test_a_folder_of_jpegs_equals_the_array_it_decodes_to(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))
    for t in range(3):
        Image.fromarray(np.stack([(smooth * 2 + 9 * t).astype(np.uint8)] * 3, axis=-1)).save(tmp_path / f"{t:05d}.jpg", quality=95)
    decoded = np.stack([np.asarray(Image.open(tmp_path / f"{t:05d}.jpg")) for t in range(3)])
    folder, array = open_frames(tmp_path, 64), open_frames(decoded, 64)
    assert (len(folder), folder.height, folder.width) == (3, HEIGHT, WIDTH)
    for t in range(3):
        assert torch.equal(folder.read(t), array.read(t))


def test_frames_are_sorted_by_number(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.jpg")
    assert [path.stem for path in JpegFolder(tmp_path, 32).paths] == ["1", "9", "10"]


def test_a_video_file_is_decoded(tmp_path: Path) -> None:
    iio = pytest.importorskip("imageio.v3")
    pytest.importorskip("av")
    levels = (40, 120, 200)
    frames = np.stack([np.full((48, 64, 3), level, np.uint8) for level in levels])
    iio.imwrite(tmp_path / "movie.mp4", frames, plugin="pyav", codec="libx264", fps=5)
    source = open_frames(tmp_path / "movie.mp4", 32)
    assert (len(source), source.height, source.width) == (3, 48, 64)
    grey = [float(source.read(t)[1].mean() * 0.224 + 0.456) * 255 for t in range(3)]
    assert grey == pytest.approx(levels, abs=4)


def test_a_video_file_is_seen_as_players_show_it(tmp_path: Path) -> None:
    """What the model sees is made of the frames that are shown, bit for bit."""
    av = pytest.importorskip("av")
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / "phone.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.set_display_rotation(90)
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode())
    with av.open(str(tmp_path / "phone.mp4")) as container:
        shown = [np.rot90(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    source = open_frames(tmp_path / "phone.mp4", 32)
    assert (len(source), source.height, source.width) == (5, 64, 48)
    for t in (4, 0, 2):
        assert torch.equal(source.read(t), to_model_input(shown[t], 32))


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u2", "uint32", "int64", "float16", "float32", ">f8", "bool"])
def test_arrays_of_any_type_use_the_whole_range(dtype: str) -> None:
    ramp = np.linspace(0, 1, 32 * 32).reshape(1, 32, 32)
    array = (ramp > 0.5) if dtype == "bool" else (ramp * (255 if dtype == "uint8" else 1000)).astype(dtype)
    seen = open_frames(array, 32).read(0)[0] * 0.229 + 0.485
    assert seen.min() == pytest.approx(0, abs=0.02)
    assert seen.max() == pytest.approx(1, abs=0.02)
    assert bool((seen.flatten().diff() > -1e-4).all())


def test_nan_and_infinity_do_not_spread() -> None:
    array = np.random.default_rng(0).random((2, 32, 32)).astype(np.float32)
    expected = open_frames(array, 32)
    array[0, 3, 4], array[1, 5, 5] = np.nan, np.inf
    found = open_frames(array, 32)
    assert torch.isfinite(found.read(0)).all()
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], atol=0.01)


@pytest.mark.parametrize(
    ("video", "error", "message"),
    [
        ("nowhere", FileNotFoundError, "no video or folder"),
        (np.zeros((2, 3, 4, 5, 6)), ValueError, r"\(T, H, W\)"),
        (np.zeros((2, 8, 8), complex), ValueError, "integers, floats or booleans"),
        (np.zeros((0, 8, 8)), ValueError, "no frame"),
        (torch.zeros(2, 3, 16, 16), ValueError, "normalised frames"),
        (7, TypeError, "a path, an array or a tensor"),
    ],
)
def test_what_is_no_video_is_refused(video: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_frames(video, 64)


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no JPEG frames"):
        open_frames(tmp_path, 64)
    Image.new("RGB", (8, 8)).save(tmp_path / "first.jpg")
    with pytest.raises(ValueError, match=r"named by number.*first\.jpg"):
        open_frames(tmp_path, 64)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match="neither a folder of JPEGs nor a video"):
        open_frames(tmp_path / "notes.txt", 64)
