"""Photograph the widget on all kinds of images, worked on by mouse and keyboard on an X server.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/photographs.py FOLDER ["time-lapse" ...]

On each image the whole loop of a person: click, propagate, find what is wrong, correct it, close napari, open it again, export.
Prints what each took, how well the objects were found by the built-in model, and whether everything was there again.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""  # the settings of whoever runs it are left alone
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # and sessions
os.environ["HOME"] = tempfile.mkdtemp()  # where exports go by default
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import napari
import numpy as np
import tifffile

from kinds_of_images import KINDS
from loop_of_a_person import LoopOfAPerson

COLUMNS = "objects clicks keys    IoU | right wrong  IoU | reopened exported | clicks keys seconds"


def main(folder: Path, *names: str) -> None:
    """Photograph each kind into a folder of its own."""
    print(f"{'':30} {COLUMNS}")
    for name in names or KINDS:
        kind = KINDS[name]()
        loop = LoopOfAPerson(kind, napari.Viewer, folder / name.replace(" ", "_"))
        loop.click_and_propagate()
        num_clicks, num_keys, score = loop.person.num_clicks, loop.person.num_keys, np.median(loop.scores())
        loop.review()
        before, corrected = loop.state(), np.median(loop.scores())
        loop.reopen()
        after = loop.state()
        is_same = before[1:] == after[1:] and np.array_equal(before[0], after[0])
        exported = "-"
        if not kind.num_followed:  # labels of 6000 frames are long in writing
            path = loop.export(Path(os.environ["HOME"]))
            is_exported = np.array_equal(tifffile.imread(path).reshape(after[0].shape), after[0])
            exported = "same" if is_exported else "OTHER"
            path.unlink()
        viewer = loop.person.viewer
        loop.leave()
        viewer.close()
        print(
            f"{name:30} {before[1]:7} {num_clicks:6} {num_keys:4} {score:6.2f} | {loop.num_approved:5}"
            f" {loop.num_corrected + loop.num_ended:5} {corrected:4.2f} | {'all' if is_same else 'NOT ALL':>8}"
            f" {exported:>8} | {loop.num_clicks:6} {loop.num_keys:4} {loop.seconds:7.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
