"""Photograph the widget on seven kinds of images, worked on by mouse and keyboard on an X server.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/photographs.py FOLDER ["time-lapse" ...]

Prints what each took, and how well the objects were found by the built-in model.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""  # the settings of whoever runs it are left alone
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # and sessions
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import napari
import numpy as np

from loop_of_a_person import work_through
from seven_kinds import KINDS


def main(folder: Path, *names: str) -> None:
    """Photograph each kind into a folder of its own."""
    print(f"{'':30} objects actions  median IoU")
    for name in names or KINDS:
        viewer = napari.Viewer()
        loop = work_through(KINDS[name](), viewer, folder / name.replace(" ", "_"))
        print(f"{name:30} {loop.num_objects:7} {loop.num_actions:7} {np.median(loop.intersections_over_unions):11.2f}", flush=True)
        viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
