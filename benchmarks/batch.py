"""What does a run of many stacks cost beyond its work, and how much do two workers help?

    OMP_NUM_THREADS=1 python benchmarks/batch.py [--stacks 40] [--frames 8] [--side 64]

Writes as many small stacks, does the work on each in this process without a run, then `napari-sam2 batch` on 1 and 2 workers, and
again when all are done. The overhead of a stack is what 1 worker takes longer than this process, divided by their number.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_sam2 import Session, load_model
from napari_sam2.batch.process_stack import StackJob
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import find_stacks
from napari_sam2.cli.main import main as shell
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.weights.load import find_weights


def write_stacks(folder: Path, count: int, frames: int, side: int) -> None:
    """Write stacks of one moving disc, each with labels of its first frame."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] - side / 2
    for number in range(count):
        discs = [np.hypot(rows, columns - t) < side / 7 for t in range(frames)]
        movie = np.stack([150 * disc + rng.normal(40, 5, disc.shape) for disc in discs]).clip(0, 255).astype(np.uint8)
        tifffile.imwrite(folder / f"{number:03}.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
        tifffile.imwrite(folder / f"{number:03}.labels.tif", discs[0].astype(np.uint8), photometric="minisblack")


def seconds_alone(folder: Path) -> float:
    """Do the same work one after another, with one model, saved and exported."""
    model, started = load_model("micro", "cpu"), time.perf_counter()
    for stack in find_stacks([folder / "*.tif"]):
        with Session(Path(stack.path), model=model) as session:
            session.save(folder / f"{stack.name}.alone.sam2")
            session.add_labels(tifffile.imread(f"{stack.beside}.labels.tif"), 0)
            for _ in session.propagate():
                pass
            session.export(folder / f"{stack.name}.alone.frames.png")
    return time.perf_counter() - started


def seconds_of_run(folder: Path, workers: int) -> float:
    """Run the command."""
    started = time.perf_counter()
    arguments = [str(folder / "[0-9][0-9][0-9].tif"), "--prompts-from", "labels", "-o", str(folder / f"results{workers}")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = shell(["batch", *arguments, "--device", "cpu", "--workers", str(workers)])
    if code != 0:
        raise SystemExit(f"the run ended with exit code {code}")
    return time.perf_counter() - started


def milliseconds_to_know(folder: Path) -> list[float]:
    """Ask each stack whether it is done."""
    settings = BatchSettings("labels", weights_sha256=file_sha256(find_weights("micro")[1]))
    found = []
    for stack in find_stacks([folder / "[0-9][0-9][0-9].tif"]):
        job, started = StackJob(stack, settings, str(folder / "results1")), time.perf_counter()
        if job.known_outcome() is None:
            raise SystemExit(f"{stack.name} is not known")
        found.append(1000 * (time.perf_counter() - started))
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stacks", type=int, default=40)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stacks(folder, args.stacks, args.frames, args.side)
        alone, one, two = seconds_alone(folder), seconds_of_run(folder, 1), seconds_of_run(folder, 2)
        again, known = seconds_of_run(folder, 1), milliseconds_to_know(folder)
    print(
        f"{args.stacks} stacks of {args.frames} frames: in this process {alone:.1f} s, 1 worker {one:.1f} s, 2 workers {two:.1f} s"
    )
    print(f"overhead per stack {(one - alone) / args.stacks:.2f} s, speed-up by the second worker {one / two:.2f}")
    print(f"again, all done: {again:.1f} s; each is known in {np.median(known):.1f} ms, at most {max(known):.1f} ms")


if __name__ == "__main__":
    main()
