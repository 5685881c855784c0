"""Arguments that several commands share."""

from __future__ import annotations

import argparse

from napari_sam2.predictors.device import PRECISIONS


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--device`` and ``--precision``."""
    parser.add_argument(
        "--model", default="micro", help="micro, a released model such as sam2.1_hiera_tiny, or a checkpoint file (default: micro)"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto (default)")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="in which the network computes (default: float32)"
    )
