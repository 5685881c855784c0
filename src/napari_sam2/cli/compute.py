"""``--compute`` of commands that work on one session: its model computes on another machine; what travelled is printed."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_sam2.cli.arguments import add_certificate_arguments, certificates_of
from napari_sam2.cluster.address import Certificates
from napari_sam2.cluster.remote_compute import RemoteCompute


def add_compute_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--compute``, and the arguments of certificates."""
    parser.add_argument(
        "--compute", metavar="ADDRESS", help="let the model compute on another machine: a scheduler of dask, as tls://gpu-box:8786"
    )
    add_certificate_arguments(parser)


def check_compute(args: argparse.Namespace) -> Certificates | None:
    """Refuse before long work what does not go together, and return the certificates that were given.

    Raises
    ------
    ValueError, OSError, ImportError
        See :func:`~napari_sam2.cli.arguments.certificates_of`; also if a device is given too.
    """
    certificates = certificates_of(args, args.compute, "--compute")
    if args.compute is not None and args.device != "auto":
        raise ValueError("--device does not go with --compute: there the worker chooses its device")
    return certificates


def checkpoint_of(args: argparse.Namespace) -> Path | None:
    """Return the checkpoint that ``--methods`` describes; None where it is not asked for, or lies on another machine.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`~napari_sam2.weights.load.find_weights`.
    """
    if args.methods is None or args.compute is not None:
        return None
    from napari_sam2.weights.load import find_weights  # where the model computes elsewhere, nothing here needs PyTorch

    return find_weights(args.model)[1]


@contextlib.contextmanager
def computing(args: argparse.Namespace, certificates: Certificates | None) -> Iterator[dict[str, Any]]:
    """Give the arguments of a session that say where it computes; in the end, print what travelled.

    Raises
    ------
    ImportError, ClusterError
        If the other machine cannot be reached.
    """
    if args.compute is None:
        yield {"device": args.device}
        return
    with RemoteCompute(args.compute, certificates, args.insecure) as compute:
        yield {"compute": compute}
        print(f"computed on {args.compute}: {compute.transfers}")
