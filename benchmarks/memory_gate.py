"""Effect of the memory gate on the masks: uncertain frames are kept out of the memory.

    python benchmarks/memory_gate.py FOLDER [FOLDER ...] [--model micro] [--kind point] [--min-iou 0.0 0.3 0.5 0.7]

Folders are data sets as ``napari-sam2 evaluate`` takes them. Each object is prompted once and propagated: with every frame
remembered, as in the official implementation, and with gates that admit only frames on which the object is present and its
predicted IoU above a threshold. Prints mean IoU and J&F over objects; ``beyond``, the share of frames outside its true span on
which an object was found nevertheless; and ``left out``, the share of tracked frames that the gate kept out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from napari_sam2 import Session, load_model
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.evaluation.simulated_prompts import KINDS
from napari_sam2.predictors.memory_bank import MemoryGate


def found_beyond(session: Session, dataset: Dataset) -> float:
    """Share of frames outside the true spans on which objects were found."""
    spans = {i: dataset.span(i) for i in session.objects}
    absent = [(i, t) for i, span in spans.items() for t in range(len(session.stack)) if t not in span]
    return float(np.mean([session.mask(i, t).any() for i, t in absent])) if absent else 0.0


def left_out(session: Session, gate: MemoryGate | None) -> float:
    """Share of tracked frames that a gate kept out."""
    tracked = [record for item in session.objects.values() for record in item.memory.tracked.values()]
    return 0.0 if gate is None or not tracked else float(np.mean([not gate.admits(record) for record in tracked]))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--kind", choices=KINDS, default="point")
    parser.add_argument("--min-iou", type=float, nargs="+", default=[0.0, 0.3, 0.5, 0.7])
    args = parser.parse_args()

    model = load_model(args.model)
    gates = [None, *(MemoryGate(min_predicted_iou=threshold) for threshold in args.min_iou)]
    print(f"{'data set':28} {'gate':>8} {'mean IoU':>9} {'J&F':>7} {'beyond':>7} {'left out':>9} {'s':>6}")
    for folder in args.folders:
        dataset = Dataset.read(folder)
        for gate in gates:
            started = time.perf_counter()
            session = Session(dataset.image, model=model, memory_gate=gate)
            evaluation = [step for step in prompt_and_score(session, dataset, args.kind) if isinstance(step, Evaluation)][-1]
            seconds = time.perf_counter() - started
            summary = evaluation.summary()
            print(
                f"{folder.name:28} {'official' if gate is None else f'> {gate.min_predicted_iou:g}':>8} "
                f"{summary['mean_iou']:9.4f} {summary['j_and_f']:7.4f} {found_beyond(session, dataset):7.3f} "
                f"{left_out(session, gate):9.3f} {seconds:6.1f}"
            )


if __name__ == "__main__":
    main()
