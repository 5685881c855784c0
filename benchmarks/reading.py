"""How much of a step could reading the next frame meanwhile save? The time to read a frame beside that of the model.

    python benchmarks/reading.py [--frames 64] [--side 1024]

Writes a zarr of noisy frames, chunked in several ways, and prints for each the mean time of a frame in order, along Z and along X;
then the time of a step of ``micro`` with one object.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

from napari_sam2 import Session
from napari_sam2.images.stack import Stack


def read_in_order(path: Path, along: str) -> float:
    """Read all frames along an axis; seconds for each."""
    stack = Stack.open(path, "ZYX", along=along)
    started = time.perf_counter()
    for frame in range(len(stack)):
        stack.frames[frame].sum()
    return (time.perf_counter() - started) / len(stack)


def steps_of_the_model(path: Path, num_steps: int) -> float:
    """Follow one object; seconds for each step, reading included."""
    session = Session(path, "ZYX")
    session.add_points(session.add_object(), 0, [(session.stack.height // 2, session.stack.width // 2)])
    started = time.perf_counter()
    for _ in session.propagate("forward", frames=range(1, num_steps + 1)):
        pass
    return (time.perf_counter() - started) / num_steps


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--side", type=int, default=1024)
    args = parser.parse_args()

    shape = args.frames, args.side, args.side
    volume = np.random.default_rng(0).poisson(200, shape).astype(np.uint16)
    with tempfile.TemporaryDirectory() as folder:
        for chunks in ((1, args.side, args.side), (16, args.side, args.side), (16, 256, 256)):
            path = Path(folder) / f"{chunks}.zarr"
            zarr.create_array(path, data=volume, chunks=chunks)
            times = ", ".join(f"along {along} {1000 * read_in_order(path, along):.1f} ms" for along in "ZX")
            print(f"chunks {chunks}: a frame {times}")
        print(f"a step of micro, one object: {1000 * steps_of_the_model(path, 8):.0f} ms")


if __name__ == "__main__":
    main()
