"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_sam2.cluster.address import Certificates, security_of
from napari_sam2.cluster.refusal import check_extra
from napari_sam2.images.choice import Choice
from napari_sam2.images.intensity import CT_WINDOWS_HU
from napari_sam2.predictors.device import AUTO, PRECISIONS


def path_argument(text: str) -> Path:
    """Read a path; an empty text, as of a variable that is not set, would be the folder one is in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return Path(text)


def add_intensity_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--window``, ``--intensity-range`` and ``--percentiles``."""
    parser.add_argument("--window", choices=tuple(CT_WINDOWS_HU), help="CT window (default: soft tissue, for CT)")
    parser.add_argument(
        "--intensity-range", type=float, nargs=2, metavar=("BLACK", "WHITE"), help="intensities that become black and white"
    )
    parser.add_argument(
        "--percentiles",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="percentiles of intensities, 0 to 100, that become black and white, as for MR (default: 0.1 and 99.9)",
    )


def add_image_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``image``."""
    parser.add_argument(
        "image",
        type=path_argument,
        nargs="+",
        help="TIFF, zarr, video, NIfTI, NRRD, MetaImage, MRC, DICOM, a folder of frames or of DICOM, a pattern in quotes, or "
        "several files of frames",
    )


def add_axes_arguments(parser: argparse.ArgumentParser, along: str = "T, else Z") -> None:
    """Add ``--axes``, ``--channel``, ``--along`` and ``--at``; ``along`` says what the default of ``--along`` is."""
    parser.add_argument("--axes", help="axes of the image, such as TYX, ZYX or CYX (default: those of the file)")
    parser.add_argument(
        "--channel",
        type=int,
        action="append",
        help="channel to use, counted from 0; up to three in colour (default: the first)",
    )
    parser.add_argument(
        "--along",
        help="axis to propagate objects along: T, Z, Y or X; or the planes, axial, coronal or sagittal, of a volume that gives its "
        f"orientation (default: {along})",
    )
    parser.add_argument("--at", type=_position, action="append", metavar="AXIS=INDEX", help="position on another axis, as T=3")


def _position(text: str) -> tuple[str, int]:
    axis, _, index = text.partition("=")
    if len(axis) != 1 or not index.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an axis and an index, as T=3, got {text!r}")
    return axis.upper(), int(index)


def add_choice_arguments(parser: argparse.ArgumentParser, what: str = "the file") -> None:
    """Add ``--series`` and ``--image-name``; see :func:`choice_of`."""
    parser.add_argument("--series", type=int, metavar="N", help=f"which image of {what}, counted from 0, where it holds several")
    parser.add_argument("--image-name", metavar="NAME", help=f"which image of {what}, by its name or its path in it, as A/1/0")


def choice_of(args: argparse.Namespace) -> Choice:
    """Return the choice of an image."""
    return Choice(args.series, args.image_name)


def add_calibration_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--pixel-size`` and ``--interval``."""
    parser.add_argument(
        "--pixel-size",
        type=float,
        nargs="+",
        metavar="UM",
        help="size of a pixel in micrometres: one number, or height and width, or plane distance, height and width "
        "(default: that of the file)",
    )
    parser.add_argument("--interval", type=float, metavar="S", help="seconds from frame to frame (default: those of the file)")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--device`` and ``--precision``."""
    parser.add_argument(
        "--model", default="micro", help="micro, a released model such as sam2.1_hiera_tiny, or a checkpoint file (default: micro)"
    )
    add_device_arguments(parser)


def add_image_size_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--image-size``."""
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="PIXELS",
        help="side of the square that the model gets, a multiple of 32; smaller than the default is faster, and an approximation",
    )


def add_memories_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--memories``."""
    parser.add_argument(
        "--memories",
        type=int,
        metavar="N",
        help="recall memories of at most N frames, 1 to 7; fewer than the default are faster, and an approximation",
    )


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--precision``."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto (default)")
    parser.add_argument(
        "--precision",
        choices=(AUTO, *PRECISIONS),
        default=AUTO,
        help="precision of the network (default: auto, bfloat16 on a CUDA GPU that computes in it natively, else float32)",
    )


def add_certificate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--tls-ca``, ``--tls-cert``, ``--tls-key`` and ``--insecure``; see :func:`certificates_of`."""
    for name, what in (("ca", "of the authority that signed both sides"), ("cert", "ours"), ("key", "the private key of ours")):
        parser.add_argument(f"--tls-{name}", type=path_argument, metavar="FILE", help=f"certificate for tls:// in PEM: {what}")
    parser.add_argument(
        "--insecure", action="store_true", help="allow tcp:// beyond this machine: whoever reaches the port can run code there"
    )


def certificates_of(args: argparse.Namespace, address: str | None, option: str) -> Certificates | None:
    """Return the certificates that were given, and refuse before long work those that do not fit an address.

    Parameters
    ----------
    args : argparse.Namespace
        Has the arguments.
    address : str or None
        Of the scheduler; None where none is used.
    option : str
        The option that gives the address, for the message.

    Raises
    ------
    ValueError
        If they are not complete, or do not go with the address.
    FileNotFoundError, OSError
        If one is not there, or cannot be read.
    ImportError
        If the extra is not installed.
    """
    files = [args.tls_ca, args.tls_cert, args.tls_key]
    if any(files) and not all(files):
        raise ValueError("--tls-ca, --tls-cert and --tls-key belong together: give all three")
    if address is None:
        if any(files) or args.insecure:
            raise ValueError(f"certificates and --insecure go with {option} only")
        return None
    check_extra(option)
    certificates = Certificates(*files) if all(files) else None
    security_of(address, certificates, args.insecure)
    return certificates


def add_methods_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--methods``."""
    parser.add_argument("--methods", type=path_argument, help="also write a paragraph for the methods section of a paper (.txt)")


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--output``."""
    parser.add_argument(
        "-o",
        "--output",
        type=path_argument,
        required=True,
        action="append",
        help="output: labels (.tif, .zarr), a table (.csv), or another format of `napari-sam2 export --help`; may be repeated",
    )
