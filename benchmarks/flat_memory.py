"""Does memory stay flat on a long stack?

    python benchmarks/flat_memory.py [--frames 2000] [--objects 4] [--model micro]

Frames are made when they are read: nothing of the stack is in memory. Prints the resident memory after 200 frames and at the end,
which with 5000 frames and one object differ by less than 60 MB.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_sam2 import Session, load_model


class DriftingDiscs:
    """A stack (T, H, W), uint8, of bright discs that drift; each frame is drawn when it is asked for."""

    def __init__(self, num_frames: int, num_discs: int, size: int = 256) -> None:
        self.shape = (num_frames, size, size)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 3
        rng = np.random.default_rng(0)
        self.starts = rng.uniform(0.2, 0.8, (num_discs, 2)) * size
        self.rows, self.columns = np.mgrid[:size, :size]

    def __len__(self) -> int:
        return self.shape[0]

    def centres(self, frame: int) -> np.ndarray:
        """Where the discs are, (discs, 2)."""
        return self.starts + 12 * np.sin(frame / 40 + np.arange(len(self.starts)))[:, None]

    def __getitem__(self, frame: int) -> np.ndarray:
        image = np.random.default_rng(frame).normal(30, 5, self.shape[1:])
        for row, column in self.centres(frame):
            image[(self.rows - row) ** 2 + (self.columns - column) ** 2 < 14**2] += 150
        return np.clip(image, 0, 255).astype(np.uint8)


def resident_mb() -> float:
    """Resident memory of this process, without shared pages of files."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--model", default="micro")
    args = parser.parse_args()

    model = load_model(args.model)
    stack = DriftingDiscs(args.frames, args.objects)
    with TemporaryDirectory() as folder:
        labels = np.memmap(Path(folder) / "labels.dat", np.uint16, "w+", shape=stack.shape)
        session = Session(stack, model=model, labels=labels)
        for row, column in stack.centres(0):
            session.add_points(session.add_object(), 0, [(row, column)])
        started, at_200 = time.perf_counter(), None
        for done in session.propagate():
            if done.frame == 200:
                at_200 = resident_mb()
        seconds = time.perf_counter() - started
        print(f"{args.frames} frames, {args.objects} objects: {seconds / args.frames:.3f} s per frame")
        if at_200 is not None:
            print(f"memory after 200 frames {at_200:.0f} MB, after {args.frames} {resident_mb():.0f} MB")


if __name__ == "__main__":
    main()
