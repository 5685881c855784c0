"""TIFF as its specification has it, written without a library: what other writers than tifffile leave behind."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ASCII, SHORT, LONG = 2, 3, 4
_SIZES = {1: 1, ASCII: 1, SHORT: 2, LONG: 4, 7: 1, 16: 8}
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


@dataclass(frozen=True)
class Page:
    """(H, W) or (H, W, 3); ``tags`` are (code, type, value as bytes in the order of the file)."""

    pixels: npt.NDArray[Any]
    description: bytes = b""
    num_strips: int = 1
    is_deflated: bool = False
    tags: tuple[tuple[int, int, bytes], ...] = ()


def tiff_by_hand(
    path: Path,
    pages: Sequence[Page],
    *,
    order: str = "<",
    data_first: bool = False,
    trailing: bytes = b"",
    cut: float | None = None,
) -> Path:
    """Write pages one after another, each as its directory and its strips (or the other way round).

    ``trailing`` comes directly after the strips of the last page; ``cut`` is how many pages are on disk when the writer is stopped.
    """
    content = bytearray(struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0))
    link, starts = 4, []
    for page in pages:
        starts.append(len(content))
        link = _add_page(content, page, link, order, data_first)
    starts.append(len(content))
    content += trailing
    if cut is not None:
        whole = int(cut)
        end = starts[whole] + int((cut - whole) * (starts[whole + 1] - starts[whole])) if whole < len(pages) else len(content)
        del content[end:]
    path.write_bytes(content)
    return path


def pages_of(frames: npt.NDArray[Any], first: bytes = b"", **options: Any) -> list[Page]:
    """One page for each frame; the first has a description."""
    descriptions = itertools.chain([first], itertools.repeat(b""))
    return [Page(frame, text, **options) for frame, text in zip(frames, descriptions, strict=False)]


def imagej_by_hand(path: Path, frames: npt.NDArray[Any], description: bytes, cut: float | None = None) -> Path:
    """ImageJ's way above 4 GB: one directory, and all frames behind each other."""
    data = frames.astype(frames.dtype.newbyteorder("<")).tobytes()
    size = len(data) // len(frames)
    end = len(data) if cut is None else int(cut * size)
    return tiff_by_hand(path, [Page(frames[0], description)], trailing=data[size:end])


def _add_page(content: bytearray, page: Page, link: int, order: str, data_first: bool) -> int:
    pixels = page.pixels.astype(page.pixels.dtype.newbyteorder(order))
    strips = [part.tobytes() for part in np.array_split(pixels, page.num_strips)]
    strips = [zlib.compress(strip) for strip in strips] if page.is_deflated else strips
    rows = len(np.array_split(pixels, page.num_strips)[0])
    samples = pixels.shape[2] if pixels.ndim == 3 else 1

    def short(*values: int) -> tuple[int, bytes]:
        return SHORT, struct.pack(f"{order}{len(values)}H", *values)

    def long(*values: int) -> tuple[int, bytes]:
        return LONG, struct.pack(f"{order}{len(values)}I", *values)

    tags: dict[int, tuple[int, bytes]] = {
        256: long(pixels.shape[1]),
        257: long(pixels.shape[0]),
        258: short(*[8 * pixels.itemsize] * samples),
        259: short(8 if page.is_deflated else 1),
        262: short(2 if samples == 3 else 1),
        273: long(*[0] * len(strips)),
        277: short(samples),
        278: long(rows),
        279: long(*map(len, strips)),
        339: short(*[_SAMPLE_FORMATS[pixels.dtype.kind]] * samples),
    }
    if page.description:
        tags[270] = (ASCII, page.description + b"\0")
    tags |= {code: (kind, value) for code, kind, value in page.tags}
    size = 2 + 12 * len(tags) + 4
    outside = sum(len(value) + len(value) % 2 for _, value in tags.values() if len(value) > 4)
    size_of_data = sum(map(len, strips))
    start = len(content) + len(content) % 2
    directory = start + size_of_data + size_of_data % 2 if data_first else start
    data = start if data_first else directory + size + outside
    tags[273] = long(*itertools.accumulate([data, *map(len, strips[:-1])]))
    values, entries = bytearray(), bytearray()
    for code, (kind, value) in sorted(tags.items()):
        count = len(value) // _SIZES[kind]
        if len(value) > 4:
            entries += struct.pack(order + "HHII", code, kind, count, directory + size + len(values))
            values += value + bytes(len(value) % 2)
        else:
            entries += struct.pack(order + "HHI", code, kind, count) + value.ljust(4, b"\0")
    block = struct.pack(order + "H", len(tags)) + entries + bytes(4) + values
    struct.pack_into(order + "I", content, link, directory)
    content += bytes(start - len(content))
    joined = b"".join(strips)
    content += joined + bytes(len(joined) % 2) + block if data_first else block + joined
    return directory + size - 4
