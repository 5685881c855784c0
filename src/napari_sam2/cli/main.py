"""``napari-sam2 <command>``: reads the arguments, runs the command, and says in one sentence what went wrong."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from napari_sam2 import __version__
from napari_sam2.cli import demo, evaluate, export, info, replay, segment, train, weights

COMMANDS = (demo, segment, replay, export, weights, evaluate, train, info)
USER_ERROR, INTERRUPTED = 2, 130


def build_parser() -> argparse.ArgumentParser:
    """Make the parser; each command adds its own arguments and sets ``run``."""
    parser = argparse.ArgumentParser(
        prog="napari-sam2", description="Follow objects through image stacks, volumes and time-lapses with SAM 2."
    )
    parser.add_argument("--version", action="version", version=f"napari-sam2 {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0; 2 where what was asked for cannot be done; 130 when interrupted.
    """
    logging.basicConfig(level=logging.WARNING, format="napari-sam2: %(message)s")
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except KeyboardInterrupt:
        print("napari-sam2: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"napari-sam2: {_sentence(error)}", file=sys.stderr)
        return USER_ERROR
    return 0


def _sentence(error: Exception) -> str:
    """Say in one line what an exception says."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename}: {error.strerror}"
    return " ".join(text.split())
