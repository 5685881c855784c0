"""Do memory and the time of a frame stay the same on a long stack, and how much room does it take on disk?

    python benchmarks/flat_memory.py [--frames 2000] [--objects 4] [--model micro] [--side 512]

Frames are made when they are read: nothing of the stack is in memory. Prints the resident memory after 200 frames and at the end,
the processor time of a frame before either, as a median of 50 frames, and the size of the session file.
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
    parser.add_argument("--side", type=int, default=512)
    args = parser.parse_args()

    model = load_model(args.model)
    stack = DriftingDiscs(args.frames, args.objects, args.side)
    with TemporaryDirectory() as folder:
        labels = np.memmap(Path(folder) / "labels.dat", np.uint16, "w+", shape=stack.shape)
        session = Session(stack, model=model, labels=labels)
        file = Path(folder) / "discs.sam2"
        session.save(file)
        for row, column in stack.centres(0):
            session.add_points(session.add_object(), 0, [(row, column)])
        seconds, at_200 = [time.process_time()], None
        for done in session.propagate():
            seconds.append(time.process_time())
            if done.frame == 200:
                at_200 = resident_mb()
        at_end = resident_mb()
        took = np.diff(seconds)
        session.close()
        room = file.stat().st_size / (args.frames * args.objects)
        print(f"{args.frames} frames, {args.objects} objects: {np.median(took):.3f} s a frame, {room:.0f} bytes a mask on disk")
        if at_200 is not None:
            before, after = (1000 * np.median(part) for part in (took[150:200], took[-50:]))
            print(f"memory after 200 frames {at_200:.0f} MB, after {args.frames} {at_end:.0f} MB")
            print(f"a frame before the 200th {before:.1f} ms, at the end {after:.1f} ms: {after / before:.3f}")


if __name__ == "__main__":
    main()
