"""A session as a Python script."""

from __future__ import annotations

import math
from typing import Any

from napari_sam2.session.log.document import Document
from napari_sam2.session.state.calls import LoggedCall

VOLUME_FUNCTIONS = ("fuse_axes", "propagate_each")
"""Functions that take a session."""
STEP_BY_STEP = ("propagate", "track_everything", *VOLUME_FUNCTIONS)
"""Those that do one frame after another, as long as they are asked for more."""

_MOST_FRAMES_LISTED = 4
"""Of more frames in a row, the first and the end are written."""


def script(document: Document) -> str:
    """Write what was done as a Python script.

    Parameters
    ----------
    document : Document
        The log.

    Returns
    -------
    str
        A script with a function ``run``, which takes the image and returns the session, and which a file name on the command line
        runs too. Masks and label images are packed texts in it.
    """
    arguments = document.arguments()
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    lines = [line for call in document.calls for line in _lines(call)]
    path = document.header.source.path
    return "\n".join(
        [
            f'"""Written by napari-sam2 {document.header.software}: finds the labels of a session again."""',
            "",
            "import itertools",
            "import sys",
            "",
            "import numpy as np",
            "",
            "import napari_sam2 as sam2",
            *(["from napari_sam2.predictors.memory_bank import MemoryGate"] if "MemoryGate(" in given else []),
            *(["from napari_sam2 import StopRules"] if any("StopRules(" in line for line in lines) else []),
            *(["from napari_sam2.session.state.calls import decode"] if any("decode(" in line for line in lines) else []),
            "",
            "",
            f"def run(image{'' if path is None else f'={path!r}'}):",
            f'    """Of an image of {document.header.image.dtype} and shape {tuple(document.header.image.shape)}."""',
            f"    session = sam2.Session(image, {given})",
            *(f"    {line}" for line in lines),
            "    return session",
            "",
            "",
            'if __name__ == "__main__":',
            '    np.save("labels.npy", run(*sys.argv[1:]).labels)',
            "",
        ]
    )


def _lines(call: LoggedCall) -> list[str]:
    # Those that go step by step are written down with all their defaults, the others as they were called: there None is meant.
    is_meant = call.method not in STEP_BY_STEP
    arguments = {name: value for name, value in call.arguments.items() if name != "steps" and (is_meant or value is not None)}
    given = ", ".join(f"{name}={_written(value)}" for name, value in arguments.items())
    if call.method not in STEP_BY_STEP:
        return [f"session.{call.method}({given})"]
    steps = call.arguments.get("steps")
    is_function = call.method in VOLUME_FUNCTIONS
    frames = f"sam2.{call.method}(session, {given})" if is_function else f"session.{call.method}({given})"
    return [f"for _ in {frames if steps is None else f'itertools.islice({frames}, {steps})'}:", "    pass"]


def _written(value: Any) -> str:
    """Write an argument: packed arrays are unpacked by the script."""
    if isinstance(value, dict) and set(value) == {"stop_rules"}:
        rules = {name: one for name, one in value["stop_rules"].items() if one not in (None, False)}
        return f"StopRules({', '.join(f'{name}={_written(one)}' for name, one in rules.items())})"
    if isinstance(value, dict):
        return f"decode({value!r})"
    if isinstance(value, list) and len(value) > _MOST_FRAMES_LISTED and isinstance(value[0], int):
        in_a_row = range(value[0], value[0] + len(value))
        if value == list(in_a_row):
            return repr(in_a_row)
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    # There is no literal for a bound that is none.
    return f"float({str(value)!r})" if isinstance(value, float) and not math.isfinite(value) else repr(value)
