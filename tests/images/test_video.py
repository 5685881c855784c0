"""Video files: the frames that players show, in any order of reading, from whatever wrote them."""

from __future__ import annotations

import builtins
import contextlib
import gc
import io
import random
import re
import struct
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_sam2.images import video as video_module
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.stack import Stack
from napari_sam2.images.video import VideoFrames

av = pytest.importorskip("av")

LOSSLESS = {"codec": "libx264", "pix_fmt": "yuv444p", "options": {"qp": "0"}}
REORDERED = {"bf": "2", "g": "8"}


def pictures(num_frames: int = 24, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Red grows to the right, green downwards, blue with time; a white block near the upper left moves right."""
    rows, columns = np.mgrid[:height, :width]
    made = []
    for number in range(num_frames):
        blue = np.full_like(rows, 255 * number // max(num_frames - 1, 1))
        picture = np.stack([255 * columns // (width - 1), 255 * rows // (height - 1), blue], axis=-1).astype(np.uint8)
        picture[3:9, 4 + number % 32 : 12 + number % 32] = 255
        made.append(picture)
    return made


def write(
    path: Path,
    frames: Iterable[np.ndarray],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int | Fraction = 10,
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    container_options: dict[str, str] | None = None,
    prepare: Callable[[Any], None] | None = None,
) -> Path:
    """Write a video with PyAV; ``times`` are in ticks of 1/1000 s."""
    frames = list(frames)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if prepare is not None:
            prepare(stream)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decoded(path: Path) -> np.ndarray:
    """Decode all frames one after another, as they are stored."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def write_avi(path: Path, chunks: Sequence[bytes], height: int, width: int, fourcc: bytes = b"MJPG") -> Path:
    """Write an AVI byte by byte, ten frames per second; without ``fourcc`` rows of blue, green and red from the bottom up."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    def listed(name: bytes, content: bytes) -> bytes:
        return chunk(b"LIST", name + content)

    kind = b"00dc" if fourcc else b"00db"
    number = len(chunks)
    avih = struct.pack("<14I", 100000, 0, 0, 0x10, number, 0, 1, 0, width, height, 0, 0, 0, 0)
    strh = struct.pack("<4s4sIHHIIIIIIII4H", b"vids", fourcc or b"DIB ", 0, 0, 0, 0, 1, 10, 0, number, 0, 0, 0, 0, 0, width, height)
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, fourcc or bytes(4), height * width * 3, 0, 0, 0, 0)
    header = listed(b"hdrl", chunk(b"avih", avih) + listed(b"strl", chunk(b"strh", strh) + chunk(b"strf", strf)))
    parts, index, offset = [], [], 4
    for content in chunks:
        parts.append(chunk(kind, content))
        index.append(kind + struct.pack("<III", 0x10, offset, len(content)))
        offset += len(parts[-1])
    whole = b"AVI " + header + listed(b"movi", b"".join(parts)) + chunk(b"idx1", b"".join(index))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(whole)) + whole)
    return path


def jpeg(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=98, subsampling=0)
    return content.getvalue()


def count_calls(monkeypatch: pytest.MonkeyPatch, method: str) -> list[None]:
    """Count how often a method of the decoder is called: the length of what is returned."""
    calls: list[None] = []
    original = getattr(video_module._Decoder, method)

    def counting(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(None)
        return original(self, *arguments, **named)

    monkeypatch.setattr(video_module._Decoder, method, counting)
    return calls


# --- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (270, (0, -1))])
def test_frames_are_turned_as_players_turn_them(degrees: int, corner: tuple[int, int], tmp_path: Path) -> None:
    """Counter-clockwise; a white upper left corner tells in which sense."""
    frames = pictures(4)
    for frame in frames:
        frame[:10, :10] = 255
    path = write(tmp_path / "phone.mp4", frames, prepare=lambda stream: stream.set_display_rotation(degrees))
    video = VideoFrames(path)
    assert video.shape == ((4, 48, 64, 3) if degrees % 180 == 0 else (4, 64, 48, 3))
    np.testing.assert_array_equal(video[:], np.rot90(decoded(path), degrees // 90, axes=(1, 2)))
    corners = {(row, column): int(video[2][row, column].min()) for row in (0, -1) for column in (0, -1)}
    assert max(corners, key=lambda place: corners[place]) == corner


MATRICES = {
    "held upright": ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),  # as phones write it: clockwise
    "upside down": ((-1, 0, 0, -1), lambda frame: frame[::-1, ::-1]),
    "mirrored": ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    "flipped": ((1, 0, 0, -1), lambda frame: frame[::-1]),
    "transposed": ((0, 1, 1, 0), lambda frame: frame.swapaxes(0, 1)),
    "turned by three degrees": ((0.9986, 0.0523, -0.0523, 0.9986), lambda frame: frame),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_turns_and_mirrors(name: str, tmp_path: Path) -> None:
    """Written into the header of the track: a, b, u, c, d, v, x, y, w."""
    (a, b, c, d), turn = MATRICES[name]
    path = write(tmp_path / "phone.mov", pictures(3))
    stored = decoded(path)
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    content = path.read_bytes()
    track = content.index(b"tkhd")
    matrix = struct.pack(">9i", *(round(value * 65536) for value in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    path.write_bytes(content[:track] + content[track:].replace(identity, matrix, 1))
    video = VideoFrames(path)
    for number, frame in enumerate(stored):
        np.testing.assert_array_equal(video[number], turn(frame))


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuv420p"), ("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p"), ("libvpx", "yuv420p")]
)
@pytest.mark.parametrize(("height", "width"), [(47, 65), (48, 67), (51, 64), (1, 33), (17, 9)])
def test_odd_sizes_have_their_last_row_and_column(codec: str, pix_fmt: str, height: int, width: int, tmp_path: Path) -> None:
    frames = [np.full((height, width, 3), 60, np.uint8) for _ in range(3)]
    for frame in frames:
        frame[-1:], frame[:, -1:] = 220, 220
    options = {} if codec == "ffv1" else {"qscale": "2", "b": "2M"}
    video = VideoFrames(write(tmp_path / "odd.mkv", frames, codec, pix_fmt, options=options))
    assert video.shape == (3, height, width, 3)
    for edge in (video[1][-1], video[1][:, -1]):
        np.testing.assert_allclose(edge.astype(float).mean(-1), 220, atol=40)
    if min(height, width) > 8:
        np.testing.assert_allclose(video[1][: height - 4, : width - 4].astype(float), 60, atol=25)


def test_a_variable_frame_rate_gives_each_frame_once(tmp_path: Path) -> None:
    times = [0, 100, 140, 500, 501, 900, 4000, 4040, 4100, 9000]
    for name in ("vfr.mp4", "vfr.mkv"):
        path = write(tmp_path / name, pictures(10), times=times, options=REORDERED)
        video = VideoFrames(path)
        assert video.frame_interval_s is None
        np.testing.assert_array_equal(video[:], decoded(path))
        assert len(video) == 10


@pytest.mark.parametrize("rate", [10, 30, Fraction(30000, 1001), Fraction(1, 60)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_constant_frame_rate_is_told(rate: int | Fraction, suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"constant{suffix}", pictures(20), codec="mpeg4", rate=rate)
    assert VideoFrames(path).frame_interval_s == pytest.approx(float(1 / Fraction(rate)), rel=1e-5)


@pytest.mark.parametrize(
    ("times", "interval"),
    [([0, 33, 67, 100, 133], 1 / 30), ([0, 1, 2, 4, 5], None), ([0, 40, 80, 160, 200], None), ([7, 47, 87], 0.04), ([5], None)],
)
def test_intervals_are_even_but_for_rounding(times: list[int], interval: float | None) -> None:
    found = video_module._constant_interval_s(times, Fraction(1, 1000), [Fraction(30)])
    assert found == (interval if interval is None else pytest.approx(interval))


def test_cover_pictures_are_no_video(tmp_path: Path) -> None:
    """The cover comes first in the file."""
    frames = pictures(6)
    for name, has_video in (("film.mp4", True), ("song.mp4", False)):
        with av.open(str(tmp_path / name), "w") as container:
            cover = container.add_stream("png", rate=1)
            cover.height, cover.width, cover.pix_fmt = 90, 90, "rgb24"
            cover.disposition = av.stream.Disposition.attached_pic
            if has_video:
                stream = container.add_stream("libx264", rate=10)
                stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            else:
                stream = container.add_stream("aac", rate=8000)
            for packet in (*cover.encode(av.VideoFrame(90, 90, "rgb24")), *cover.encode()):
                container.mux(packet)
            for number in range(6):
                if has_video:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frames[number], "rgb24")))
                else:
                    sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                    sound.rate = 8000
                    container.mux(stream.encode(sound))
            container.mux(stream.encode())
    assert VideoFrames(tmp_path / "film.mp4").shape == (6, 48, 64, 3)
    with pytest.raises(ImageFileError, match=r"song\.mp4 cannot be read as a video: there is no video in it"):
        VideoFrames(tmp_path / "song.mp4")


def test_of_several_videos_the_default_is_shown(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams = []
        for width, disposition in ((32, 0), (64, av.stream.Disposition.default)):
            streams.append(container.add_stream("mpeg4", rate=10))
            streams[-1].height, streams[-1].width, streams[-1].pix_fmt = 16, width, "yuv420p"
            streams[-1].disposition = disposition
        for stream in (*streams, *streams):
            container.mux(stream.encode(av.VideoFrame(stream.width, 16, "yuv420p")))
        for stream in streams:
            container.mux(stream.encode())
    assert VideoFrames(tmp_path / "two.mkv").shape == (2, 16, 64, 3)


def test_what_was_trimmed_off_is_left_out(tmp_path: Path) -> None:
    """An edit list says where to begin: in the middle of a group of pictures, which is decoded from its key frame nevertheless."""
    path = write(tmp_path / "trimmed.mp4", pictures(24), options=REORDERED)
    whole = decoded(path)
    content = bytearray(path.read_bytes())
    edit = content.index(b"elst") + 12
    duration, begin = struct.unpack_from(">Ii", content, edit)
    num_cut = 11
    struct.pack_into(">Ii", content, edit, duration - num_cut * 100, begin + num_cut * 1024)
    path.write_bytes(content)
    video = VideoFrames(path)
    assert len(video) == 13
    for number in (12, 0, 5):
        np.testing.assert_array_equal(video[number], whole[number + num_cut])


def test_hidden_references_are_no_frames(tmp_path: Path) -> None:
    """VP8 has packets that are decoded but not shown: one bit of their first byte."""
    path = write(tmp_path / "film.webm", pictures(12), "libvpx", options={"g": "6"})
    hidden = tmp_path / "hidden.webm"
    with av.open(str(path)) as source, av.open(str(hidden), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                content = bytearray(bytes(packet))
                content[0] &= 0xEF if number in (3, 9) else 0xFF
                changed = av.Packet(bytes(content))
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.is_keyframe, changed.stream = packet.is_keyframe, stream
                target.mux(changed)
    whole = decoded(hidden)
    assert len(whole) == 10
    np.testing.assert_array_equal(VideoFrames(hidden)[:], whole)
    np.testing.assert_array_equal(VideoFrames(hidden)[8], whole[8])


# --- in any order ------------------------------------------------------------------------------------------------------

STREAMS: dict[str, dict[str, Any]] = {
    "reordered.mp4": {"options": REORDERED},
    "reordered.mkv": {"options": REORDERED},
    "reordered.avi": {"options": REORDERED},  # no times of display
    "reordered-2.avi": {"codec": "mpeg4", "options": REORDERED},
    "reordered.mov": {"codec": "mpeg4", "options": REORDERED},
    "reordered.m4v": {"options": {"bf": "3", "g": "9"}},
    "reordered-2.mov": {"codec": "libx265", "options": {"x265-params": "keyint=8:bframes=3:log-level=none"}},
    "open-groups.mp4": {"options": {"x264-params": "open-gop=1:keyint=8:bframes=3:b-adapt=0:scenecut=0"}},
    "open-groups.mpg": {"codec": "mpeg2video", "options": REORDERED, "rate": 25},
    "open-groups.ts": {"codec": "mpeg2video", "options": REORDERED, "rate": 25},
    "refreshed.mkv": {"options": {"x264-params": "intra-refresh=1:keyint=8:bframes=0"}},
    "fragments.mp4": {"options": REORDERED, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "only-keys.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "only-keys.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "plain.webm": {"codec": "libvpx", "options": {"g": "8"}},
    "plain-2.webm": {"codec": "libvpx-vp9", "options": {"g": "8", "deadline": "realtime", "cpu-used": "8"}},
    "late.mkv": {"options": REORDERED, "times": [70000 + 100 * number for number in range(40)]},
    "late.mp4": {"options": REORDERED, "times": [500 + 100 * number for number in range(40)]},
    "late.ts": {"options": REORDERED, "times": [70000 + 100 * number for number in range(40)]},
}


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, np.ndarray]]:
    """Write a stream of 40 frames when it is first asked for; return its path and its frames."""
    folder, made = tmp_path_factory.mktemp("streams"), {}

    def make(name: str) -> tuple[Path, np.ndarray]:
        if name not in made:
            path = write(folder / name, pictures(40), **STREAMS[name])
            made[name] = path, decoded(path)
        return made[name]

    return make


@pytest.mark.parametrize("name", STREAMS)
def test_any_order_of_reading_gives_the_same_frames(name: str, streams: Any) -> None:
    path, expected = streams(name)
    assert len(expected) == 40
    shuffled = random.Random(0).sample(range(40), 40)
    for order in (range(40), reversed(range(40)), shuffled, [39, 0, 38, 1], [17], [18, 16, 17]):
        video = VideoFrames(path)
        assert video.shape == (40, 48, 64, 3)
        for number in order:
            np.testing.assert_array_equal(video[number], expected[number], err_msg=f"{number}")


def test_opening_decodes_a_few_frames_only(streams: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", pictures(300), options={"g": "30", "preset": "ultrafast"})
    packets = count_calls(monkeypatch, "decode_next")
    video = VideoFrames(path)
    assert len(packets) <= 24  # as many as decoders have threads, and frames that are reordered
    packets.clear()
    video[299]
    assert len(packets) <= 30 + 24
    video.close()


def test_reading_forward_does_not_seek_and_decodes_each_frame_once(streams: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reordered.mp4", "open-groups.mp4", "only-keys.avi", "reordered.avi", "open-groups.ts"):
        path, _ = streams(name)
        with monkeypatch.context() as patch:
            seeks, packets = count_calls(patch, "start_at"), count_calls(patch, "decode_next")
            video = VideoFrames(path)
            for number in range(40):
                video[number]
            assert (len(seeks), len(packets) <= 41) == (1, True), name


def test_reading_backward_decodes_each_group_of_pictures_once(streams: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = streams("reordered.mp4")
    video = VideoFrames(path)
    seeks = count_calls(monkeypatch, "start_at")
    for number in reversed(range(40)):
        video[number]
    assert len(seeks) <= len(video._key_packets) < 10


def test_frames_are_kept_up_to_a_size(streams: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path, expected = streams("reordered.mp4")
    monkeypatch.setattr(video_module, "KEPT_BYTES", 3 * 48 * 64 * 3 // 2)
    video = VideoFrames(path)
    for number in [*range(40), *reversed(range(40))]:
        np.testing.assert_array_equal(video[number], expected[number])
        assert len(video._kept) <= 3


def test_threads_share_a_video(streams: Any) -> None:
    path, expected = streams("reordered.mp4")
    video = VideoFrames(path)
    wrong: list[int] = []

    def read(seed: int) -> None:
        numbers = random.Random(seed).choices(range(40), k=30)
        wrong.extend(number for number in numbers if not np.array_equal(video[number], expected[number]))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert wrong == []


# --- an array ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        np.int64(3),
        slice(2, 5),
        slice(None, None, -13),
        slice(3, 3),
        (4, slice(5, 9)),
        (slice(1, 3), 7, slice(None), 2),
        ...,
        (),
        (..., 1),
    ],
    ids=str,
)
def test_it_is_indexed_like_an_array(key: Any, streams: Any) -> None:
    path, expected = streams("reordered.mp4")
    found = VideoFrames(path)[key]
    np.testing.assert_array_equal(found, expected[key])
    assert found.dtype == np.uint8


def test_it_is_an_array(streams: Any) -> None:
    path, expected = streams("reordered.mp4")
    video = VideoFrames(str(path))
    assert (len(video), video.shape, video.ndim, video.dtype) == (40, expected.shape, 4, np.uint8)
    np.testing.assert_array_equal(np.asarray(video), expected)
    assert np.asarray(video, np.float32).dtype == np.float32
    for number in (40, -41):
        with pytest.raises(IndexError, match=f"frame {number} does not exist: there are 40"):
            video[number]
    stack = Stack.open(video, "TYXC")
    assert (stack.is_rgb, len(stack)) == (True, 40)
    np.testing.assert_array_equal(stack.frames[[*range(40)][-7]], expected[-7])


def test_what_is_read_belongs_to_the_reader(streams: Any) -> None:
    path, expected = streams("only-keys.mov")
    video = VideoFrames(path)
    video[3][:] = 0
    np.testing.assert_array_equal(video[3], expected[3])


def test_a_file_is_closed(streams: Any) -> None:
    path, _ = streams("reordered.mp4")
    video = VideoFrames(path)
    video.close()
    video.close()
    with pytest.raises(ImageFileError, match=r"frame 0 of .*reordered\.mp4 cannot be read: the file has been closed"):
        video[0]
    video = VideoFrames(path)
    decoder, gone = video._decoder, weakref.ref(video)
    del video
    gc.collect()
    assert gone() is None
    assert decoder.is_closed


# --- other writers, other pixels ---------------------------------------------------------------------------------------


def test_imageio_writes_it(tmp_path: Path) -> None:
    iio = pytest.importorskip("imageio.v3")
    frames = np.stack(pictures(9))
    iio.imwrite(tmp_path / "film.mp4", frames, plugin="pyav", codec="libx264", fps=5)
    video = VideoFrames(tmp_path / "film.mp4")
    assert (video.shape, video.frame_interval_s) == ((9, 48, 64, 3), 0.2)
    np.testing.assert_array_equal(video[:], np.stack(list(iio.imiter(tmp_path / "film.mp4", plugin="pyav"))))
    np.testing.assert_allclose(video[:].mean((1, 2)), frames.mean((1, 2)), atol=6)


def test_bytes_of_an_uncompressed_avi(tmp_path: Path) -> None:
    frames = pictures(5, 20, 32)
    path = write_avi(tmp_path / "plain.avi", [frame[::-1, :, ::-1].tobytes() for frame in frames], 20, 32, b"")
    video = VideoFrames(path)
    np.testing.assert_array_equal(video[:], frames)
    assert video.frame_interval_s == 0.1


def test_bytes_of_a_motion_jpeg_avi(tmp_path: Path) -> None:
    """As ImageJ writes it; frames that were dropped while recording are empty."""
    frames = pictures(6)
    path = write_avi(tmp_path / "dropped.avi", [b"" if number == 2 else jpeg(frame) for number, frame in enumerate(frames)], 48, 64)
    video = VideoFrames(path)
    assert (len(video), video.frame_interval_s) == (5, None)
    for found, number in zip(video, (0, 1, 3, 4, 5), strict=True):
        np.testing.assert_allclose(found.astype(int), frames[number].astype(int), atol=24)


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    contents = [jpeg(np.full((height, width, 3), 90, np.uint8)) for height, width in ((48, 64), (24, 32), (48, 64), (96, 32))]
    video = VideoFrames(write_avi(tmp_path / "sizes.avi", contents, 48, 64))
    assert video.shape == (4, 48, 64, 3)
    np.testing.assert_allclose(video[:].astype(int), 90, atol=3)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "is_grey"),
    [
        ("ffv1", "gray", True),
        ("ffv1", "gray16le", True),
        ("libx265", "yuv420p10le", False),
        ("ffv1", "yuv444p16le", False),
        ("png", "rgba", False),
        ("libvpx-vp9", "yuva420p", False),
        ("libx264", "yuvj444p", False),
    ],
)
def test_any_pixels_become_8_bit_red_green_and_blue(codec: str, pix_fmt: str, is_grey: bool, tmp_path: Path) -> None:
    frames = pictures(3)
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    video = VideoFrames(write(tmp_path / f"pixels.{'mov' if codec == 'png' else 'mkv'}", frames, codec, pix_fmt, options=options))
    assert (video.shape, video[1].dtype) == ((3, 48, 64, 3), np.uint8)
    expected = frames[1].astype(float) @ [0.299, 0.587, 0.114] if is_grey else frames[1].astype(float)
    found = video[1].astype(float).mean(-1) if is_grey else video[1].astype(float)
    assert np.abs(found - expected).mean() < 12


# --- what is wrong -----------------------------------------------------------------------------------------------------


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for _ in range(4):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            sound.rate = 8000
            container.mux(stream.encode(sound))
        container.mux(stream.encode())


def write_without_frames(path: Path) -> None:
    write_avi(path.with_suffix(".avi"), [], 48, 64)
    path.with_suffix(".avi").rename(path)


DAMAGED = r"it is damaged, incomplete or no video"
NO_VIDEOS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), DAMAGED),
    "noise": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(50_000)), DAMAGED),
    "text": (lambda path: path.write_text("not a video at all\n" * 50), DAMAGED),
    "playlist": (lambda path: path.write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/film.mp4\n"), DAMAGED),
    "unfinished": (lambda path: path.write_bytes(write(path, pictures(4)).read_bytes()[:1200]), DAMAGED),
    "unfinished-2": (lambda path: path.write_bytes(write(path, pictures(4)).read_bytes()[:1000]), DAMAGED),
    "beginning": (lambda path: path.write_bytes(write(path, pictures(4)).read_bytes()[:40]), DAMAGED),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
    "sound": (write_sound, "there is no video in it"),
    "no frames": (write_without_frames, "none of its frames can be decoded"),
    "no pictures": (lambda path: write_avi(path, [bytes(500)] * 4, 48, 64), "none of its frames can be decoded"),
}


@pytest.mark.parametrize("kind", NO_VIDEOS)
def test_what_cannot_be_opened_is_told_in_one_sentence(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make, reason = NO_VIDEOS[kind]
    path = tmp_path / "film.mp4"
    make(path)
    with pytest.raises(ImageFileError, match=rf"^{re.escape(str(path))} cannot be read as a video: {reason}$"):
        VideoFrames(path)
    assert capfd.readouterr() == ("", "")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*film\.mp4"):
        VideoFrames(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cut.mp4", {"options": REORDERED, "container_options": {"movflags": "faststart"}}),
        ("cut.mov", {"codec": "png", "pix_fmt": "rgb24", "container_options": {"movflags": "faststart"}}),
        ("cut.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("cut.mkv", {"options": REORDERED}),
        ("cut.webm", {"codec": "libvpx", "options": {"g": "8"}}),
    ],
)
def test_a_file_that_was_cut_off_has_its_frames_up_to_there(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / name, pictures(40), **options)
    whole = decoded(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    video = VideoFrames(path)
    assert len(video) == 40
    readable = []
    for number in range(40):
        with contextlib.suppress(ImageFileError):
            np.testing.assert_array_equal(video[number], whole[number])
            readable.append(number)
    for number in sorted({*range(40)} - {*readable}):
        with pytest.raises(
            ImageFileError, match=rf"^frame {number} of .* cannot be decoded: (the file ends too early|its data are dam)"
        ):
            video[number]
    assert 8 < len(readable) < 39
    assert readable[-1] - readable[0] <= len(readable) + 2  # of reordered frames one may be lost before the last
    with pytest.raises(ImageFileError, match=r"frame 39 of .* cannot be decoded: the file ends too early"):
        video[39]
    np.testing.assert_array_equal(video[3], whole[3])


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("damaged.mov", "png", "rgb24"), ("damaged.avi", "mjpeg", "yuvj420p"), ("damaged.mp4", "libx264", "yuv420p")],
)
def test_a_damaged_frame_raises_and_the_others_are_right(name: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, pictures(12), codec, pix_fmt, options={"g": "1"})
    whole = decoded(path)
    with av.open(str(path)) as container:
        packet = [bytes(packet) for packet in container.demux(video=0) if packet.size][7]
    path.write_bytes(path.read_bytes().replace(packet, bytes(len(packet))))
    for order in (range(12), (7, 6, 8, 11, 0)):
        video = VideoFrames(path)
        for number in order:
            if number == 7:
                with pytest.raises(
                    ImageFileError, match=r"frame 7 of .* cannot be decoded: its data are damaged or missing"
                ) as raised:
                    video[7]
                assert isinstance(raised.value.__cause__, av.error.FFmpegError)
            else:
                np.testing.assert_array_equal(video[number], whole[number])


def test_a_recording_that_begins_in_the_middle_shows_what_can_be_decoded(tmp_path: Path) -> None:
    """A transport stream can be cut anywhere: what comes before the first key frame is not shown."""
    path = write(tmp_path / "whole.ts", pictures(48), "mpeg2video", rate=25, options=REORDERED)
    whole, content = decoded(path), path.read_bytes()
    path.write_bytes(content[len(content) // 188 // 3 * 188 :])
    expected = decoded(path)
    assert 8 < len(expected) < len(whole)
    for number in (*range(len(expected)), len(expected) // 2, 0):
        np.testing.assert_array_equal(VideoFrames(path)[number], expected[number])


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        return original("there_is_no_such_module" if name == "av" else name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"reading video files needs the extra: pip install 'napari-sam2\[video\]'"):
        VideoFrames(tmp_path / "film.mp4")
