"""``napari-sam2 evaluate``: scores of a model on labelled stacks."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from napari_sam2.cli.arguments import add_model_arguments
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import evaluate
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.predictors.build import load_model


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score a model on labelled stacks",
        description="Prompt each object of a labelled stack once, follow it, and print the IoU with its true mask.",
    )
    parser.add_argument("dataset", nargs="+", type=Path, help="folder with image.tif, masks.tif and, for stacks, objects.csv")
    parser.add_argument(
        "--kind", choices=("point", "box", "mask"), default="point", help="how objects are prompted (default: point)"
    )
    parser.add_argument("--channel", type=int, help="channel to look at, counted from 0")
    parser.add_argument("--json", action="store_true", help="print every object's scores as JSON")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    datasets = [Dataset.read(folder) for folder in args.dataset]
    model = load_model(args.model, args.device)
    for dataset in datasets:
        steps = evaluate(dataset, model, args.kind, args.channel, args.precision)
        frames = tqdm(steps, unit="frame", desc=dataset.folder.name, leave=False)
        for item in frames:
            if isinstance(item, Evaluation):
                frames.close()
                rows = {"rows": [asdict(row) for row in item.objects]} if args.json else {}
                print(json.dumps(item.summary() | rows))
