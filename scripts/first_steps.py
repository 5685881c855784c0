"""Photograph the steps of docs/start/first-napari.md, done by mouse and keyboard on an X server.

xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/first_steps.py docs/images
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
from PIL import Image

from person import Person, pause, wait_until

NUCLEI = ((0, 44, 37), (0, 73, 82), (0, 101, 89))
"""Frame, row and column of the clicks."""
SHOWN_FRAME = 12
COLOURS = 128
"""Of a picture: windows have few, and the files stay small."""


def main(folder: Path) -> None:
    """Do the steps of the page, and photograph each."""
    viewer = napari.Viewer()
    viewer.open_sample("napari-sam2", "fluo_mitocheck")
    image = viewer.layers[0]
    viewer.dims.set_point(0, 0)
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2")
    controller = widget.controller
    person = Person(viewer)

    def photograph(name: str) -> None:
        pause(0.5)
        path = folder / f"first-{name}.png"
        person.photograph(path)
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
        print(path, path.stat().st_size // 1000, "kB", flush=True)

    viewer.reset_view()
    person.settle()
    photograph("1-open")
    for at in NUCLEI:
        person.click(image.data_to_world(at))
        wait_until(lambda: bool(controller.is_idle))
    photograph("2-clicks")
    person.press("g")
    wait_until(lambda: bool(controller.is_busy))
    wait_until(lambda: bool(controller.is_idle), 300)
    viewer.dims.set_point(0, SHOWN_FRAME)
    photograph("3-propagated")
    person.click_on(person.button("Table"))
    person.click_on(person.button("Tracks"))
    wait_until(lambda: bool(controller.is_idle))
    photograph("4-results")
    person.leave()
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
