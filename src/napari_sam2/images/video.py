"""Video files as frames in the order and the orientation in which players show them, decoded when they are asked for.

T frames · H, W height and width as shown · packets are compressed frames, in the order in which they are stored
"""

from __future__ import annotations

import contextlib
import operator
import os
import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.images.errors import ImageFileError

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})

KEPT_BYTES = 256 * 2**20
"""Frames decoded last are kept up to this size: reading backwards decodes each once, not all those before it again and again."""

MAX_REORDERED_FRAMES = 16
"""A decoder holds back at most so many frames to bring them into the order in which they are shown (H.264 and HEVC allow 16)."""

MAX_ROUNDING_TICKS = 1
"""Times of frames at a constant rate differ from even ones by rounding, at most so many ticks of the clock of the file."""

NO_VIDEO = "it is damaged, incomplete or no video"


class VideoFrames:
    """Frames of a video file as an array (T, H, W, 3) of red, green and blue (extra ``video``).

    Opening reads the packets and decodes the first frame only. Any other frame is decoded from the key frame before it when it is
    asked for, the one after it from there on. Threads may share one: they read one at a time.

    Parameters
    ----------
    path : str or Path
        A file that FFmpeg reads, such as MP4, MOV, AVI, MKV or WebM.

    Attributes
    ----------
    shape : tuple of int
        (T, H, W, 3), as shown.
    dtype : dtype
        uint8.
    ndim : int
        4.
    frame_interval_s : float or None
        Seconds from one frame to the next; None where they vary or are not known.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageFileError
        If it cannot be read, or has no video or no frame that can be decoded.
    ImportError
        If the extra is not installed.

    Notes
    -----
    As in players, frames are turned (in quarter turns) and mirrored as the file demands, cover pictures and what was trimmed off
    are left out, and frames of another size than the first are scaled to it. Pixels that are not square stay as they are stored.
    More than eight bits become eight, transparency is dropped.

    A file that was cut off has as many frames as it had before, if their number is known; reading one that is lost raises.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.RLock()
        self._decoder = _Decoder(self._path)
        # Nobody reads once this is not referred to. At exit a thread still may: the system closes the file then.
        weakref.finalize(self, self._decoder.close).atexit = False
        try:
            first = self._open()
        except BaseException:
            self._decoder.close()
            raise
        self._stored_size = first.height, first.width
        self._orientation = _Orientation.of(first)
        height, width = reversed(self._stored_size) if self._orientation.is_transposed else self._stored_size
        self._num_readable = len(self._numbers)
        self.frame_interval_s = _constant_interval_s(self._numbers.times, self._decoder.time_base, self._decoder.rates)
        num_lost = self._decoder.num_lost(self.frame_interval_s)
        self.shape = self._num_readable + num_lost, int(height), int(width), 3

    def _open(self) -> Any:
        """Read the packets, number the frames and decode the first."""
        decoder = self._decoder
        packets = decoder.read_packets()
        self._key_packets = [index for index, packet in enumerate(packets) if packet.is_key] or [0]
        self._numbers = _FrameNumbers(packets, self._key_packets[0], decoder.has_times())
        self._kept: dict[int, Any] = {}
        self._first, self._latest, self._has_begun = 0, -1, True
        frames: list[tuple[int, Any]] = []
        if packets:
            decoder.start_at(self._key_packets[0])
        while not frames and not decoder.is_at_end:
            frames = decoder.decode_next()
        if not frames:
            raise ImageFileError(f"{self._path} cannot be read as a video: none of its frames can be decoded") from decoder.error
        self._numbers.begin_at(frames[0][0], self._key_packets[0])
        self._max_kept = max(1, KEPT_BYTES // sum(plane.buffer_size for plane in frames[0][1].planes))
        self._keep(frames)
        return frames[0][1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        index = key if isinstance(key, tuple) else (key,)
        if not index or index[0] is ...:
            return self[:][index]
        first, rest = index[0], index[1:]
        if not isinstance(first, slice):
            return self._read(operator.index(first))[rest]
        picked = range(len(self))[first]
        frames = np.empty((len(picked), *self.shape[1:]), self.dtype)
        for row, number in enumerate(picked):
            frames[row] = self._read(number)
        return frames[(slice(None), *rest)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def close(self) -> None:
        """Close the file. Frames can no longer be read then."""
        with self._lock:
            self._kept.clear()
            self._decoder.close()

    def _read(self, number: int) -> npt.NDArray[np.uint8]:
        """Read a frame as it is shown, (H, W, 3).

        Raises
        ------
        IndexError
            If there is no such frame.
        ImageFileError
            If it cannot be decoded, or the file has been closed.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(f"frame {number} does not exist: there are {len(self)}")
        number %= len(self)
        with self._lock:
            if self._decoder.is_closed:
                raise ImageFileError(f"frame {number} of {self._path} cannot be read: the file has been closed")
            frame = self._decode(number)
            try:
                pixels = self._decoder.as_rgb(frame, *self._stored_size)
            except (self._decoder.library_error, ValueError) as error:
                raise ImageFileError(f"frame {number} of {self._path} cannot be shown as red, green and blue") from error
        return self._orientation.turn(pixels)

    def _decode(self, number: int) -> Any:
        decoder = self._decoder
        if number >= self._num_readable:
            raise ImageFileError(f"frame {number} of {self._path} cannot be decoded: the file ends too early")
        if number in self._kept:
            return self._kept[number]
        decoder.error = None
        key = self._key_packets[self._key_before(number)]
        if decoder.started_at <= key <= decoder.next_packet and self._latest < number:
            self._decode_until(number)
        # Decoders with several threads drop more of what is damaged than they must.
        for num_threads in (0, 1):
            if number not in self._kept:
                self._decode_from_key(number, num_threads)
        if number not in self._kept:
            raise ImageFileError(
                f"frame {number} of {self._path} cannot be decoded: its data are damaged or missing"
            ) from decoder.error
        return self._kept[number]

    def _decode_from_key(self, number: int, num_threads: int) -> None:
        while True:
            key = self._key_before(number)
            self._decoder.start_at(self._key_packets[key], num_threads)
            self._first = self._numbers.known(self._key_packets[key]) if key > 0 else 0
            self._latest, self._has_begun = -1, self._first <= 0
            self._decode_until(number)
            if self._has_begun or self._latest < self._first:
                return
            # It is no key frame: where pictures are refreshed piece by piece, not all of what follows has to be right.
            del self._key_packets[key]

    def _decode_until(self, number: int) -> None:
        """Decode until the frame comes, or cannot come any more."""
        num_later = 0
        while number not in self._kept and num_later < MAX_REORDERED_FRAMES and not self._decoder.is_at_end:
            num_later += sum(later > number for later in self._keep(self._decoder.decode_next(), number))

    def _keep(self, frames: Sequence[tuple[int, Any]], wanted: int = 0) -> list[int]:
        """Keep frames that were decoded, and give up those kept for longest; return what their numbers are."""
        numbers = [self._numbers.of_packet(packet) for packet, _ in frames]
        for number, (_, frame) in zip(numbers, frames, strict=True):
            self._latest = max(self._latest, number)
            self._has_begun |= number == self._first
            # What is shown before the key frame builds on others. What a decoder puts for damaged data was not recorded.
            if self._has_begun and number >= self._first and not frame.is_corrupt:
                self._kept.setdefault(number, frame)
        while len(self._kept) > self._max_kept:
            del self._kept[next(number for number in self._kept if number != wanted)]
        return numbers

    def _key_before(self, number: int) -> int:
        """Find the key frame, by its index among them, from which on a frame can be decoded.

        One that is stored before it, but shown after it, is not enough: what lies between may build on the group before.
        """
        key = bisect_right(self._key_packets, self._numbers.packet_of(number)) - 1
        while key > 0 and self._numbers.known(self._key_packets[key]) > number:
            key -= 1
        return max(key, 0)


class _Packet(NamedTuple):
    """What is known of a compressed frame without decoding it; times in ticks."""

    pts: int | None
    dts: int | None
    pos: int | None
    is_key: bool
    is_shown: bool


class _FrameNumbers:
    """Which frame comes out of which packet: by time of display where that is known, else as they come out of the decoder.

    Parameters
    ----------
    packets : sequence of _Packet
        All there are.
    first_key : int
        Packets before cannot be decoded.
    has_times : bool
        Whether times of display are known.
    """

    def __init__(self, packets: Sequence[_Packet], first_key: int, has_times: bool) -> None:
        shown = [index for index, packet in enumerate(packets) if packet.is_shown]
        self._is_learning = not has_times
        self._not_known = len(packets)
        self._numbers = [self._not_known if packet.is_shown else -1 for packet in packets]
        if has_times:
            self._packets = sorted(shown, key=lambda index: packets[index].pts or 0)
            self._num_frames = len(shown)
            self.times = [packets[index].pts or 0 for index in self._packets]
            for number, index in enumerate(self._packets):
                self._numbers[index] = number
        else:
            self._packets = []
            self._num_frames = sum(index >= first_key for index in shown)
            times = [packets[index].dts for index in shown]
            self.times = [] if None in times else sorted(time for time in times if time is not None)

    def __len__(self) -> int:
        return self._num_frames

    def begin_at(self, first: int, first_key: int) -> None:
        """Leave out what is shown before the packet that gave the first frame and before the first key frame.

        That builds on frames which are not in the file, as in a recording that was cut between two.
        """
        if self._is_learning:
            return
        num_before = min(self._numbers[first], max(self._numbers[first_key], 0))
        self._packets, self.times = self._packets[num_before:], self.times[num_before:]
        self._num_frames -= num_before
        self._numbers = [max(number - num_before, -1) for number in self._numbers]

    def of_packet(self, packet: int) -> int:
        """Number the frame that came out of a packet; -1 for one that is not shown."""
        if self._numbers[packet] == self._not_known and self._is_learning:
            self._numbers[packet] = len(self._packets)
            self._packets.append(packet)
        return self._numbers[packet]

    def known(self, packet: int) -> int:
        """Return the number of the frame of a packet as far as it is known, else more than any."""
        return self._numbers[packet]

    def packet_of(self, number: int) -> int:
        """Return the packet of a frame; if it is not known yet, the last of all."""
        return self._packets[number] if number < len(self._packets) else len(self._numbers) - 1


class _Orientation(NamedTuple):
    """How a stored picture is turned to be shown: rows become columns, then the order of rows and of columns is reversed."""

    is_transposed: bool
    reverses_rows: bool
    reverses_columns: bool

    @classmethod
    def of(cls, frame: Any) -> _Orientation:
        """Read the display matrix of a frame: x, y are shown at a·x + c·y, b·x + d·y; other turns than quarters are rounded."""
        try:
            found = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:  # PyAV does not know each kind of side data.
            found = None
        if found is not None:
            matrix = np.frombuffer(bytes(found), np.int32)
            a, b, c, d = (int(matrix[index]) for index in (0, 1, 3, 4))
        else:
            # counter-clockwise
            a, b = [(1, 0), (0, -1), (-1, 0), (0, 1)][round(frame.rotation / 90) % 4]
            c, d = -b, a
        is_transposed = abs(b) > abs(a)
        return cls(is_transposed, (b if is_transposed else d) < 0, (c if is_transposed else a) < 0)

    def turn(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Turn a picture (rows, columns, 3)."""
        turned = pixels.swapaxes(0, 1) if self.is_transposed else pixels
        return np.ascontiguousarray(turned[:: -1 if self.reverses_rows else 1, :: -1 if self.reverses_columns else 1])


class _Decoder:
    """An open file: gives its packets, and from any of them on the frames that come out of them.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    library_error : type of Exception
        Of all that the library raises.
    error : Exception or None
        What it raised last.
    started_at, next_packet : int
        Places of the packet with which decoding began, and of the one to be decoded next: after the last, their number.
    is_at_end : bool
        The last frame has come out.

    Raises
    ------
    FileNotFoundError, ImageFileError, ImportError
        See :class:`VideoFrames`.
    """

    def __init__(self, path: Path) -> None:
        try:
            import av
        except ImportError as error:
            raise ImportError("reading video files needs the extra: pip install 'napari-sam2[video]'") from error
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
        self._av, self._path = av, path
        # One for all: a frame that converts itself keeps what that takes, nearly as much as its pixels.
        self._reformatter = av.video.reformatter.VideoReformatter()
        self.library_error: type[Exception] = av.error.FFmpegError
        self.error: Exception | None = None
        self.is_closed = False
        self._closing = contextlib.ExitStack()
        self._identity, self._indices = "", dict[int, int]()
        self._pending: Any = None
        self.started_at, self.next_packet, self.is_at_end = -1, -1, True
        self._open(num_threads=0)

    def close(self) -> None:
        """Close the file."""
        self.is_closed = True
        self._closing.close()

    def _open(self, num_threads: int) -> None:
        """Open the file at its start, also again; 0 threads are as many as are good."""
        self._closing.close()
        try:
            # Whatever the file asks for, no other is opened.
            self._container = self._av.open(f"file:{self._path}", options={"protocol_whitelist": "file"})
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise self._unreadable(os.strerror(error.errno or 0)) from error
        except (self.library_error, ValueError) as error:
            raise self._unreadable(NO_VIDEO) from error
        self._closing.enter_context(self._container)
        self._stream = self._video()
        self._num_threads = num_threads
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = num_threads
        self._demuxed = self._demux()

    def _unreadable(self, reason: str) -> ImageFileError:
        return ImageFileError(f"{self._path} cannot be read as a video: {reason}")

    def _video(self) -> Any:
        """Choose the stream that players show."""
        Disposition = self._av.stream.Disposition
        pictures = Disposition.attached_pic | Disposition.timed_thumbnails
        streams = [stream for stream in self._container.streams.video if not stream.disposition & pictures]
        if not streams:
            has_other = any(stream.type in ("audio", "subtitle", "video") for stream in self._container.streams)
            raise self._unreadable("there is no video in it" if has_other else NO_VIDEO)
        known = [stream for stream in streams if stream.codec_context is not None]
        if not known:
            raise self._unreadable("its video is compressed in a way that is not known")
        return next((stream for stream in known if stream.disposition & Disposition.default), known[0])

    @property
    def time_base(self) -> Fraction:
        """Seconds in a tick."""
        return Fraction(self._stream.time_base)

    @property
    def rates(self) -> list[Fraction]:
        """Frames per second that the file claims, in one way or another."""
        rates = (self._stream.guessed_rate, self._stream.average_rate, self._stream.base_rate)
        return [Fraction(rate) for rate in rates if rate]

    def read_packets(self) -> list[_Packet]:
        """Read what is known of all packets without decoding them; after this, :meth:`start_at` one."""
        self._packets, self._ends_in_packet = [], False
        for _, packet in self._demuxed:
            is_shown = not packet.is_discard and self._is_visible(packet)
            self._packets.append(_Packet(packet.pts, packet.dts, packet.pos, packet.is_keyframe, is_shown))
            self._ends_in_packet = packet.is_corrupt
        self._num_stored = self._num_demuxed
        for identity in ("pts", "dts", "pos"):
            values = [getattr(packet, identity) for packet in self._packets]
            if None not in values and len(set(values)) == len(values):
                self._identity, self._indices = identity, {value: index for index, value in enumerate(values)}
                break
        return self._packets

    def _is_visible(self, packet: Any) -> bool:
        """Return whether a packet is more than a reference for others, which VP8 has in packets of their own."""
        return self._stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] & 0x10)

    def has_times(self) -> bool:
        """Return whether all packets have a time of display; in AVI those of frames that are stored in another order do not."""
        times = [packet.pts for packet in self._packets if packet.is_shown]
        is_guessed = self._container.format.name == "avi" and self._stream.codec_context.has_b_frames
        return not is_guessed and None not in times and len(set(times)) == len(times)

    def num_lost(self, frame_interval_s: float | None) -> int:
        """Count the frames lost with the end of a file that was cut off; where their number is not known, one at least."""
        if not _is_cut_off(self._path, self._container.format.name):
            return 0
        num_frames = self._stream.frames
        if not num_frames and frame_interval_s and self._container.duration:
            num_frames = round(self._container.duration / 1e6 / frame_interval_s)
        return max(0, num_frames - self._num_stored) if num_frames else int(not self._ends_in_packet)

    def _demux(self) -> Iterator[tuple[int, Any]]:
        """Read packets, each with its index, from where the file is now."""
        self._num_demuxed = 0
        num_packets = 0
        try:
            for packet in self._container.demux(self._stream):
                # Frames dropped while recording are empty packets in AVI; the last packet of all is empty, without a time.
                self._num_demuxed += bool(packet.size) or packet.dts is not None
                index = self._indices.get(getattr(packet, self._identity)) if self._identity else num_packets
                if packet.size and index is not None:
                    num_packets += 1
                    yield index, packet
        except self.library_error as error:
            self.error = error

    def start_at(self, packet: int, num_threads: int = 0) -> None:
        """Go to the packet at a index, from which :meth:`decode_next` goes on.

        Raises
        ------
        ImageFileError
            If the file can no longer be opened.
        """
        if num_threads != self._num_threads or not self._seek(self._packets[packet]):
            self._open(num_threads)
        self._advance()
        if self.next_packet > packet:
            self._open(num_threads)
            self._advance()
        while self.next_packet < packet:
            self._advance()
        self.started_at, self.is_at_end = self.next_packet, False

    def _seek(self, packet: _Packet) -> bool:
        # Some kinds of files seek by the time of decoding, the others by that of display, which is not before it.
        time = packet.pts if packet.dts is None else packet.dts
        if not self._identity or time is None:
            return False
        try:
            self._container.seek(time, stream=self._stream)
        except self.library_error:
            return False
        self._demuxed = self._demux()
        return True

    def _advance(self) -> None:
        self.next_packet, self._pending = next(self._demuxed, (len(self._packets), None))

    def decode_next(self) -> list[tuple[int, Any]]:
        """Decode the next packet; return the frames that come out of the decoder, each with the index of its packet."""
        packet = self._pending
        if packet is not None:
            # Decoders hand on the time of display as it is: so each frame is matched to its packet.
            packet.pts = self.next_packet
        try:
            frames = self._stream.codec_context.decode(packet)
        except self.library_error as error:
            self.error, frames = error, []
        self.is_at_end = packet is None
        self._advance()
        return [(frame.pts, frame) for frame in frames if frame.pts is not None]

    def as_rgb(self, frame: Any, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Convert a frame to red, green and blue, (height, width, 3).

        Raises
        ------
        ValueError, library_error
            If its kind of pixels cannot be converted.
        """
        converted = self._reformatter.reformat(frame, width=width, height=height, format="rgb24")
        pixels = converted.to_ndarray()
        # Where there is nothing to convert they are those of the frame that is kept.
        return pixels.copy() if converted is frame else pixels


def _constant_interval_s(times: Sequence[int], time_base: Fraction, rates: Sequence[Fraction]) -> float | None:
    """Return the seconds between frames if they are the same for all: of a rate that is claimed, or on the mean.

    Parameters
    ----------
    times : sequence of int
        When frames are shown, in ticks, in order.
    time_base : Fraction
        Seconds in a tick.
    rates : sequence of Fraction
        Frames per second that are claimed.
    """
    if len(times) < 2:
        return None
    passed = np.asarray(times) - times[0]
    for ticks in [*(1 / (rate * time_base) for rate in rates), Fraction(times[-1] - times[0], len(times) - 1)]:
        away = np.abs(passed - float(ticks) * np.arange(len(times))).max()
        if ticks > 0 and away <= min(MAX_ROUNDING_TICKS, float(ticks) / 4):
            return float(ticks * time_base)
    return None


def _is_cut_off(path: Path, kind: str) -> bool:
    """Return whether a file is shorter than its header claims; ``kind`` is FFmpeg's name of what it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if "matroska" in kind:
            return _matroska_end(file) > size
        if "mp4" not in kind and kind != "avi":
            return False
        end = 0
        while end + 8 <= size:
            file.seek(end)
            head = file.read(16)
            if kind == "avi":
                length = 8 + int.from_bytes(head[4:8], "little")
                is_told = 8 < length < 2**32
            else:
                length = int.from_bytes(head[:4], "big")
                length = int.from_bytes(head[8:], "big") if length == 1 else length
                is_told = length >= 8
            if not is_told:
                return False
            end += length
    return end > size


def _matroska_end(file: BinaryIO) -> int:
    """Return the end of a Matroska or WebM by its header; 0 where it has none."""
    file.seek(4)
    file.seek(_matroska_number(file) or 0, 1)
    is_segment = file.read(4) == b"\x18\x53\x80\x67"
    length = _matroska_number(file) if is_segment else None
    return 0 if length is None else file.tell() + length


def _matroska_number(file: BinaryIO) -> int | None:
    """Read a number of one to eight bytes: zeros before the first one bit are how many bytes follow; all ones mean unknown."""
    first = file.read(1)[0]
    num_more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (0x7F >> num_more)]) + file.read(num_more), "big")
    return None if value == (1 << 7 * (num_more + 1)) - 1 else value
