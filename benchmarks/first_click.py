"""Is the first click as fast on a long stack as on a single image?

    python benchmarks/first_click.py [--frames 10000] [--side 256] [--model micro] [--rounds 9]

Writes a zarr of as many frames, one in a chunk, and prints, for the middle frame of it and for that frame alone, in turn: how long
opening takes (a sample of at most 16 frames is read for the intensities) and how long from a click to its mask.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_sam2 import Session, load_model


def seconds_to_open_and_click(image: Any, frame: int, model: Any) -> tuple[float, float]:
    """Open an image and click on the middle of a frame."""
    started = time.perf_counter()
    session = Session(image, model=model)
    opened = time.perf_counter()
    session.add_points(session.add_object(), frame, [(session.stack.height // 2, session.stack.width // 2)])
    return opened - started, time.perf_counter() - opened


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--model", default="micro")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()

    model = load_model(args.model)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: args.side, : args.side] - args.side // 2
    disc = 150 * (np.hypot(rows, columns) < args.side / 10)
    with tempfile.TemporaryDirectory() as folder:
        stack = zarr.create_array(
            Path(folder) / "stack.zarr", shape=(args.frames, args.side, args.side), chunks=(1, args.side, args.side), dtype="uint8"
        )
        noisy = [np.clip(rng.normal(30, 5, disc.shape) + disc, 0, 255).astype(np.uint8) for _ in range(16)]
        for frame in range(args.frames):
            stack[frame] = noisy[frame % 16]
        middle = args.frames // 2
        images: dict[str, tuple[Any, int]] = {"one image": (stack[middle], 0), f"{args.frames} frames": (stack, middle)}
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in images}
        seconds_to_open_and_click(*images["one image"], model)  # what only the first of all has to wait for
        for _ in range(args.rounds):
            for name, (image, frame) in images.items():
                seconds[name].append(seconds_to_open_and_click(image, frame, model))
    for name, rounds in seconds.items():
        parts = [
            f"{part} {np.median(times):.3f} s ({min(times):.3f} to {max(times):.3f})"
            for part, times in zip(("open", "click"), zip(*rounds, strict=True), strict=True)
        ]
        print(f"{name}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
