"""How much slower is a session whose model is in another process?

    OMP_NUM_THREADS=1 python benchmarks/remote.py [--frames 20] [--side 512] [--model micro] [--rounds 5]

Begins one worker on loopback. Clicks and propagates an object in two sessions, one with the model here and one with the model
there, in turn: a click here, a click there, a frame here, a frame there. So both meet the same load of other programs, and each
pair gives a ratio. Prints medians with quartiles of the pairs, the processor time of both processes together, which does not depend
on that load, and what travelled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from napari_sam2 import Session, load_model
from napari_sam2.cluster.local import local_cluster, worker_options
from napari_sam2.cluster.remote_compute import RemoteCompute, Transfers


def steps(movie: Any, session: Session) -> Iterator[Callable[[], object]]:
    """Yield what is timed: the first click, and each frame of the propagation."""
    click = movie.shape[1] // 2, movie.shape[2] // 2
    yield lambda: session.add_points(session.add_object(), 0, [click])
    results = session.propagate()
    for _ in range(len(movie) - 1):
        yield lambda: next(results)


def seconds_of(step: Callable[[], object], processes: Sequence[psutil.Process]) -> tuple[float, float]:
    """Time a step: seconds, and those of the processor in all processes."""
    started, before = time.perf_counter(), processor_s(processes)
    step()
    return time.perf_counter() - started, processor_s(processes) - before


def processor_s(processes: Sequence[psutil.Process]) -> float:
    """Seconds of the processor that processes took; the system counts hundredths."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def one_round(
    movie: Any, places: list[dict[str, Any]], number: int, processes: Sequence[psutil.Process]
) -> npt.NDArray[np.float64]:
    """Return seconds of all steps, (steps, here and there, 2); which of them is first changes from step to step."""
    sessions = [Session(movie, "TYX", **where) for where in places]
    times = []
    for count, pair in enumerate(zip(*(steps(movie, session) for session in sessions), strict=True)):
        order = (0, 1) if (count + number) % 2 else (1, 0)
        found = {side: seconds_of(pair[side], processes) for side in order}
        times.append([found[0], found[1]])
    for session in sessions:
        session.close()
    return np.array(times)


def quartiles(values: npt.NDArray[np.float64], digits: int) -> str:
    """Write a median, and the quartiles in brackets."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.{digits}f} ({low:.{digits}f} .. {high:.{digits}f})"


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
        places = [{"model": load_model(args.model, "cpu")}, {"model": args.model, "compute": compute}]
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        one_round(movie[:3], places, 0, processes)  # the first use of a model takes longer
        compute.transfers = Transfers()
        found = np.array([one_round(movie, places, number, processes) for number in range(args.rounds)])
        travelled = compute.transfers
    clicks, frames = 1000 * found[:, 0, :, 0], 1000 * found[:, 1:, :, 0].reshape(-1, 2)
    here, there = np.median(clicks, 0)
    print(f"first click: here {here:.0f} ms, there {there:.0f} ms, more by {quartiles(clicks[:, 1] - clicks[:, 0], 0)} ms")
    here, there = np.median(frames, 0)
    print(
        f"a frame: here {here:.0f} ms, there {there:.0f} ms: {here / there:.2f} of the speed; "
        f"pairs {quartiles(frames[:, 0] / frames[:, 1], 2)}"
    )
    here, there = 1000 * found[:, 1:, :, 1].mean((0, 1))
    print(f"a frame, of the processors: here {here:.0f} ms, there {there:.0f} ms: {here / there:.2f}")
    sent, received = (count / args.rounds / args.frames / 1024 for count in (travelled.sent_bytes, travelled.received_bytes))
    print(f"a frame: {sent:.0f} KiB sent, {received:.0f} KiB received")


if __name__ == "__main__":
    main()
