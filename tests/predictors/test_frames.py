"""Where frames come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam2.predictors.frames import ArrayFrames, JpegFolder, NormalisedFrames, normalise, open_frames, to_model_input

HEIGHT, WIDTH = 40, 48


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


def test_normalised_by_mean_and_deviation_of_each_colour() -> None:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    found = normalise((mean + 2 * deviation)[:, None, None].expand(3, 2, 2))
    torch.testing.assert_close(found, torch.full((3, 2, 2), 2.0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_a_window_of_a_frame_is_seen_as_a_frame_of_its_size(dtype: type, colours: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 20, 30, *colours)).astype(dtype)
    window = np.s_[4:14, 9:29]
    ranges = None if dtype is np.uint8 else [(0.0, 255.0)]
    frames, cut = ArrayFrames(array, 32, ranges), ArrayFrames(array[:, 4:14, 9:29], 32, ranges)
    for frame in (1, 0, 2):
        assert torch.equal(frames.read_view(frame, window), cut.read(frame))
        assert torch.equal(frames.read_view(frame, np.s_[:, :]), frames.read(frame))


def test_windows_of_one_frame_are_cut_from_one_reading() -> None:
    class Counted(np.ndarray):
        read: list[int] = []  # noqa: RUF012 - of all views

        def __getitem__(self, key):
            if isinstance(key, int):
                self.read.append(key)
            return super().__getitem__(key)

    frames = ArrayFrames(np.zeros((3, 8, 8), np.uint8).view(Counted), 32)
    for frame in (0, 0, 1, 1, 0):
        frames.read_view(frame, np.s_[2:6, 2:6])
    assert Counted.read == [0, 1, 0]


def test_each_colour_may_have_its_own_intensities() -> None:
    array = np.zeros((1, 2, 2, 3), np.uint16)
    array[..., :] = 50, 100, 300
    seen = ArrayFrames(array, 32, [(0, 100), (0, 100), (200, 300)]).read(0)
    torch.testing.assert_close(seen[:, 0, 0], normalise(torch.tensor([0.5, 1.0, 1.0])[:, None, None])[:, 0, 0])
    with pytest.raises(ValueError, match="2 intensity ranges do not fit frames of 3 colours"):
        ArrayFrames(array, 32, [(0, 1), (0, 1)])
    with pytest.raises(ValueError, match="3 intensity ranges do not fit frames of 1 colours"):
        ArrayFrames(array[..., 0], 32, [(0, 1)] * 3)


def test_normalised_frames_are_taken_as_they_are() -> None:
    tensor = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    frames = open_frames(tensor, 32, video_height=100, video_width=50)
    assert isinstance(frames, NormalisedFrames)
    assert (len(frames), frames.height, frames.width) == (2, 100, 50)
    assert torch.equal(frames[1], tensor[1].float())
    assert (open_frames(tensor, 32).height, open_frames(tensor, 32).width) == (32, 32)
