"""What does a run of many stacks cost beyond its work, and how much do two workers help?

    OMP_NUM_THREADS=1 python benchmarks/batch.py [--stacks 40] [--frames 8] [--side 64]

Writes as many small stacks, does the work on each in this process without a run, then `napari-sam2 batch` on 1 and 2 workers, and
again when all are done. The overhead of a stack is what 1 worker takes longer than this process, divided by their number; half of
the stacks are done here before that run and half after it, so that both meet much the same load of other programs. The processor
time of all processes is given too: it does not depend on that load.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2 import Session, load_model
from napari_sam2.batch.process_stack import StackJob
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import StackFile, find_stacks
from napari_sam2.cli.main import main as shell
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.weights.load import find_weights

PATTERN = "[0-9][0-9][0-9].tif"
Seconds = npt.NDArray[np.float64]


def write_stacks(folder: Path, count: int, frames: int, side: int) -> None:
    """Write stacks of one moving disc, each with labels of its first frame."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] - side / 2
    for number in range(count):
        discs = [np.hypot(rows, columns - t) < side / 7 for t in range(frames)]
        movie = np.stack([150 * disc + rng.normal(40, 5, disc.shape) for disc in discs]).clip(0, 255).astype(np.uint8)
        tifffile.imwrite(folder / f"{number:03}.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
        tifffile.imwrite(folder / f"{number:03}.labels.tif", discs[0].astype(np.uint8), photometric="minisblack")


class Stopwatch:
    """Wall time, and processor time of this process and its ended children, since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self._processor()

    @staticmethod
    def _processor() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    def read(self) -> Seconds:
        """Return both, in seconds, (2,)."""
        return np.array([time.perf_counter() - self._wall, self._processor() - self._cpu])


def seconds_alone(folder: Path, stacks: Sequence[StackFile]) -> Seconds:
    """Do the same work one after another, with one model, saved and exported."""
    model, watch = load_model("micro", "cpu"), Stopwatch()
    for stack in stacks:
        with Session(Path(stack.path), model=model) as session:
            session.save(folder / f"{stack.name}.alone.sam2")
            session.add_labels(tifffile.imread(f"{stack.beside}.labels.tif"), 0)
            for _ in session.propagate():
                pass
            session.export(folder / f"{stack.name}.alone.tif")
            session.export(folder / f"{stack.name}.alone.frames.png")
    return watch.read()


def seconds_of_run(folder: Path, workers: int) -> Seconds:
    """Run the command."""
    watch = Stopwatch()
    arguments = [str(folder / PATTERN), "--prompts-from", "labels", "-o", str(folder / f"results{workers}")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = shell(["batch", *arguments, "--device", "cpu", "--workers", str(workers)])
    if code != 0:
        raise SystemExit(f"the run ended with exit code {code}")
    return watch.read()


def milliseconds_to_know(folder: Path) -> list[float]:
    """Ask each stack whether it is done."""
    settings = BatchSettings("labels", weights_sha256=file_sha256(find_weights("micro")[1]))
    found = []
    for stack in find_stacks([folder / PATTERN]):
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
        stacks = find_stacks([folder / PATTERN])
        before = seconds_alone(folder, stacks[::2])
        one = seconds_of_run(folder, 1)
        alone = before + seconds_alone(folder, stacks[1::2])
        two = seconds_of_run(folder, 2)
        again, known = seconds_of_run(folder, 1), milliseconds_to_know(folder)
    print(f"{args.stacks} stacks of {args.frames} frames, in seconds, and of the processor:")
    for name, (wall, processor) in {"in this process": alone, "1 worker": one, "2 workers": two, "again": again}.items():
        print(f"{name:>16} {wall:6.1f} {processor:6.1f}")
    wall, processor = (one - alone) / args.stacks
    print(
        f"overhead per stack {wall:.2f} s, of the processor {processor:.2f} s; speed-up by the second worker {one[0] / two[0]:.2f}"
    )
    print(f"each is known in {np.median(known):.1f} ms, at most {max(known):.1f} ms")


if __name__ == "__main__":
    main()
