"""``napari-sam2 <command>``: reads the arguments, runs the command, and prints errors as one sentence."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

from napari_sam2.cli.errors import DONE, MEANINGS, code_of, sentence_of, traceback_of
from napari_sam2.version import __version__

COMMANDS = ("demo", "segment", "track", "batch", "replay", "export", "weights", "evaluate", "report", "train", "info")
"""Each is a module beside this one."""


class _Parser(argparse.ArgumentParser):
    """A parser with ``--debug``, as those of its commands have it too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Suppressed: the default of a command would replace what was given before it.
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show where an error arose, with all that led to it"
        )


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Make the parser; each command adds its own arguments and sets ``run``.

    Parameters
    ----------
    commands : sequence of str
        The commands to add. Only their modules are imported: ``info`` works without PyTorch.
    """
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
    parser = _Parser(
        prog="napari-sam2",
        description="Segment and track objects in image stacks, volumes and time-lapses with SAM 2.",
        epilog=f"exit codes of all commands:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"napari-sam2 {__version__}")
    parser.set_defaults(debug=False)
    added = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in commands:
        importlib.import_module(f"napari_sam2.cli.{command}").add_parser(added)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        One of :data:`~napari_sam2.cli.errors.MEANINGS`.
    """
    logging.basicConfig(level=logging.WARNING, format="napari-sam2: %(message)s")
    words = sys.argv[1:] if argv is None else argv
    named = next((word for word in words if not word.startswith("-")), None)
    args = argparse.Namespace(debug="--debug" in words)
    try:
        args = build_parser([named] if named in COMMANDS else COMMANDS).parse_args(argv)
        args.run(args)
    except BrokenPipeError:
        return DONE
    except KeyboardInterrupt as error:
        print(f"napari-sam2: interrupted{'; ' if str(error) else ''}{error}", file=sys.stderr)
        return code_of(error)
    except Exception as error:  # any error is printed as one sentence
        if args.debug:
            print(traceback_of(error), file=sys.stderr, end="")
        print(f"napari-sam2: {sentence_of(error)}", file=sys.stderr)
        return code_of(error)
    return DONE
