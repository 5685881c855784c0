"""How long does a frame take with many objects, each in a window of its own?

    python benchmarks/many_objects.py [--frames 22] [--model micro] [--precision float32]

Sixteen discs of 40 pixels drift in a field of 512 x 512, with a click on each. Prints, for an object on a frame from the tenth
frame on, when all memories are recalled, the median time with its range, and the median processor time. To compare two versions,
run either with its ``src`` on ``PYTHONPATH``, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from napari_sam2 import Session, load_model

SIDE, RADIUS, NUM_OBJECTS, STEADY_FROM = 512, 20, 16, 10


def centres(t: int) -> np.ndarray:
    """Where the discs are on a frame, (NUM_OBJECTS, 2)."""
    numbers = np.arange(NUM_OBJECTS)
    return 70 + 120 * np.stack([numbers // 4, numbers % 4], 1) + 6 * np.sin(t / 10 + numbers)[:, None]


def drawn(t: int) -> np.ndarray:
    """A frame, (SIDE, SIDE), uint8."""
    image = np.random.default_rng(t).normal(30, 5, (SIDE, SIDE))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number, (row, column) in enumerate(centres(t)):
        image[(rows - row) ** 2 + (columns - column) ** 2 < RADIUS**2] += 100 + 5 * number
    return image.clip(0, 255).astype(np.uint8)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=22)
    parser.add_argument("--model", default="micro")
    parser.add_argument("--precision", default="float32")
    args = parser.parse_args()

    session = Session(np.stack([drawn(t) for t in range(args.frames)]), model=load_model(args.model), precision=args.precision)
    for row, column in centres(0):
        session.add_points(session.add_object(), 0, [(row, column)])
    times = [(time.perf_counter(), time.process_time())]
    times += [(time.perf_counter(), time.process_time()) for _ in session.propagate()]
    wall_ms, processor_ms = 1000 / NUM_OBJECTS * np.diff(times, axis=0)[STEADY_FROM - 1 :].T
    print(f"{args.precision}: {statistics.median(wall_ms):.1f} ms an object and frame ({wall_ms.min():.1f} to {wall_ms.max():.1f})")
    print(f"processor time {statistics.median(processor_ms):.1f} ms")


if __name__ == "__main__":
    main()
