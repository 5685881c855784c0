"""Runs of many stacks, watched from outside, and killed in the middle of a propagation."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import numpy as np

from batch_stacks import discs
from napari_sam2.session.session import Session

MAX_WAIT_S = 60.0


def num_tracked(results: Path, name: str) -> int:
    """Count the frames that are in the session file of a stack that is not done."""
    found = list(results.glob(f".{name}-????????????.unfinished.sam2"))
    if not found:
        return 0
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{found[0].absolute().as_uri()}?mode=ro", uri=True)) as file,
    ):
        return int(file.execute("SELECT COUNT(DISTINCT key) FROM state WHERE kind = 'tracked'").fetchone()[0])
    return 0


def wait_until_tracked(results: Path, name: str, num_frames: int) -> int:
    """Wait until so many frames are done, and return how many are."""
    until = time.monotonic() + MAX_WAIT_S
    while (done := num_tracked(results, name)) < num_frames:
        assert time.monotonic() < until, f"{done} frames are done after {MAX_WAIT_S:.0f} s"
        time.sleep(0.01)
    return done


def labels_on_one_machine(path: Path, num_frames: int, seed: int = 0) -> np.ndarray:
    """The labels of a session that nobody killed."""
    with Session(path, device="cpu") as session:
        session.add_labels(discs(num_frames, seed)[1][0], 0)
        session.propagate_all()
        return np.array(session.labels)
