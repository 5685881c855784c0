"""How much slower is a session whose model is in another process?

    OMP_NUM_THREADS=1 python benchmarks/remote.py [--frames 20] [--side 512] [--model micro] [--rounds 5]

Begins one worker on loopback, and in turn clicks and propagates an object with the model here and there. Prints medians, and
what travelled.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from napari_sam2 import Session, load_model
from napari_sam2.cluster.local import local_cluster, worker_options
from napari_sam2.cluster.remote_compute import RemoteCompute


def seconds_of(movie: Any, **where: Any) -> tuple[float, float]:
    """Click on the object of the first frame, and propagate it; return seconds of the click, and of a frame."""
    with Session(movie, "TYX", **where) as session:
        started = time.perf_counter()
        session.add_points(session.add_object(), 0, [(movie.shape[1] // 2, movie.shape[2] // 2)])
        clicked = time.perf_counter()
        frames = sum(1 for _ in session.propagate())
        return clicked - started, (time.perf_counter() - clicked) / frames


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--model", default="micro")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: args.side, : args.side] - args.side / 2
    discs = [150 * (np.hypot(rows, columns - t) < args.side / 12) + rng.normal(40, 5, rows.shape) for t in range(args.frames)]
    movie = np.stack(discs).clip(0, 255).astype(np.uint8)
    with local_cluster(worker_options(1, 4 * 2**30)) as cluster, RemoteCompute(cluster.scheduler_address) as compute:
        places = {"here": {"model": load_model(args.model, "cpu")}, "there": {"model": args.model, "compute": compute}}
        for where in places.values():
            seconds_of(movie[:3], **where)
        compute.transfers = type(compute.transfers)()
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
        for _ in range(args.rounds):
            for name, where in places.items():
                found[name].append(seconds_of(movie, **where))
        travelled = compute.transfers
    (click, frame), (click_there, frame_there) = (np.median(found[name], axis=0) for name in places)
    print(f"first click: here {1000 * click:.0f} ms, there {1000 * (click_there - click):+.0f} ms")
    print(f"propagation: here {1000 * frame:.0f} ms, there {1000 * frame_there:.0f} ms: {frame / frame_there:.2f} of the speed")
    steps = args.rounds * args.frames
    sent, received = (count / steps / 1024 for count in (travelled.sent_bytes, travelled.received_bytes))
    print(f"a frame: {sent:.0f} KiB sent, {received:.0f} KiB received")


if __name__ == "__main__":
    main()
