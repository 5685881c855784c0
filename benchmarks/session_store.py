"""What does it cost that a session is written to its file with each action?

    python benchmarks/session_store.py [--objects 5] [--frames 40] [--rounds 5] [--folder FOLDER]

The network is replaced by one that finds the same at once, in records as large as those of micro and of released models. Sessions
that are saved to a file and sessions that write nothing take turns: prints milliseconds for a click, and for each object on each
frame of a propagation, of both, and the difference. The folder says on which disk.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2 import Session, load_model
from napari_sam2.predictors import tracker
from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.memory_bank import FrameRecord, ObjectMemory
from napari_sam2.predictors.packed_tensor import PackedTensor

SIZES = {"micro": (64, 16), "large": (256, 64)}
"""Sides of logits and of memories; these have 64 channels."""


class ConstantTracker:
    """What a session asks of a tracker, found at once."""

    sides = SIZES["micro"]

    def __init__(self, *_: Any, **__: Any) -> None:
        logits, memory = self.sides
        self.logits = np.where(np.eye(logits) > 0, np.float32(4), np.float32(-4))
        self.memory = torch.randn(64, memory, memory, generator=torch.Generator().manual_seed(0)).bfloat16()

    def _record(self, has_memory: bool) -> FrameRecord:
        memory = PackedTensor.pack(self.memory.clone()) if has_memory else None
        return FrameRecord(self.logits.copy(), PackedTensor.pack(torch.zeros(256)), 9.0, 0.9, memory)

    def segment(self, _frame: int, prompts: Sequence[Prompt], *_: Any, **__: Any) -> list[FrameRecord]:
        """Answer prompts."""
        return [self._record(False) for _ in prompts]

    def remember(self, _frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        """Encode memories."""
        return [record.with_memory(PackedTensor.pack(self.memory.clone())) for record in records]

    def track(self, _frame: int, memories: Sequence[ObjectMemory], *_: Any) -> list[FrameRecord]:
        """Track objects to a frame."""
        return [self._record(True) for _ in memories]


class WritesNothing:
    """In place of a session's store."""

    saved_to = None

    def keep(self, *_: Any) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Close nothing."""


def times_ms(session: Session, num_objects: int, num_frames: int) -> tuple[list[float], list[float]]:
    """Click and propagate: return the milliseconds of each click, and of each object on each frame."""
    clicks, frames = [], []
    for _ in range(num_objects):
        session.add_object()
    for count in range(num_objects * 4):
        started = time.perf_counter()
        session.add_points(1 + count % num_objects, 0, [(count, count)])
        clicks.append(1000 * (time.perf_counter() - started))
    started = time.perf_counter()
    for _ in session.propagate():
        frames.append(1000 * (time.perf_counter() - started) / num_objects)
        started = time.perf_counter()
    assert len(frames) == num_frames - 1
    return clicks, frames


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=5)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the sessions are saved (default: a temporary folder)")
    args = parser.parse_args()

    torch.set_num_threads(1)
    tracker.Tracker = ConstantTracker  # type: ignore[misc, assignment]
    model = load_model("micro", "cpu")
    image = np.random.default_rng(0).integers(0, 255, (args.frames, 256, 256), np.uint8)
    for name, sides in SIZES.items():
        ConstantTracker.sides = sides
        found: dict[bool, tuple[list[float], list[float]]] = {True: ([], []), False: ([], [])}
        for number in range(2 * args.rounds):
            writes = bool(number % 2)
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                session = Session(image, "TYX", model=model, zoom=None)
                session._budget.budget_bytes = 2**31
                if writes:
                    session.save(Path(folder) / "session.sam2")
                else:
                    session._store = WritesNothing()  # type: ignore[assignment]
                for all_times, times in zip(found[writes], times_ms(session, args.objects, args.frames), strict=True):
                    all_times += times
                session.close()
        for what, index in (("click", 0), ("object on a frame", 1)):
            written, nothing = (statistics.median(found[writes][index]) for writes in (True, False))
            print(f"{name:6} {what:18} {nothing:7.2f} ms, written {written:7.2f} ms: {written - nothing:+.2f} ms")


if __name__ == "__main__":
    main()
