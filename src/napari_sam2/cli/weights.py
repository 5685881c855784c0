"""``napari-sam2 weights``: lists released models, and downloads them."""

from __future__ import annotations

import argparse
from typing import Any

from tqdm import tqdm

from napari_sam2.weights.download import cache_folder, download, find_checkpoint
from napari_sam2.weights.registry import EMBEDDED, RELEASED, resolve_model_name


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "weights", help="list and download released models", description="List and download released models."
    )
    actions = parser.add_subparsers(dest="action", metavar="action")
    listing = actions.add_parser("list", help="list models (default)")
    listing.set_defaults(run=list_weights)
    fetch = actions.add_parser("download", help="download models")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="such as sam2.1_hiera_tiny")
    fetch.set_defaults(run=download_weights)
    parser.set_defaults(run=list_weights)


def list_weights(args: argparse.Namespace) -> None:
    """Print every model, its size, and whether it is there."""
    del args
    print(f"{'micro':<18} {EMBEDDED.stat().st_size / 1e6:>6.0f} MB  embedded")
    for name, checkpoint in RELEASED.items():
        state = "downloaded" if find_checkpoint(name) else "-"
        print(f"{name:<18} {checkpoint.size_bytes / 1e6:>6.0f} MB  {state}")
    print(f"folder: {cache_folder()}")


def download_weights(args: argparse.Namespace) -> None:
    """Download models with a progress bar."""
    for name in [resolve_model_name(name) for name in args.names]:
        with tqdm(unit="B", unit_scale=True, desc=name) as bar:
            path = download(name, progress=bar)
        print(path)
