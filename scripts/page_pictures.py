"""Photograph the windows that the pages of docs/ describe, worked on by mouse and keyboard on an X server.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/page_pictures.py docs/images ["volume" ...]

Each scene does what its page says, and takes a picture of each step.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["NAPARI_CONFIG"] = ""  # the settings of whoever runs it are left alone
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # and sessions
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # beside this folder, which is there already

import napari
import numpy as np
import tifffile
from phantom_pictures import abdomen, tomogram
from PIL import Image
from qtpy.QtCore import QPoint, QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QTableView, QToolButton, QWidget

from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.images.geometry import Geometry
from napari_sam2.plugin.qt.layer_actions import LayerActions
from person import RIGHT, Person, pause, wait_until
from phantoms import write_dicom, write_mrc

COLOURS = 128
"""Of a picture: windows have few, and the files stay small."""
NUCLEI = ((0, 44, 37), (0, 73, 82), (0, 101, 89))
"""Of the bundled time-lapse, frame, row and column."""
MANY_NUCLEI = ((0, 44, 37), (0, 46, 20), (0, 53, 124), (0, 57, 77), (0, 73, 30), (0, 73, 82), (0, 96, 62), (0, 101, 89))
DIVIDING = 0, 71, 108
CHILDREN = (4, 71, 109), (4, 82, 101)
"""The first frame on which there are two."""
POPUP_S = 0.8
"""So long a menu is open before it is photographed."""


class Window:
    """A viewer with the dock, somebody in front of it, and a camera.

    Parameters
    ----------
    folder : Path
        Where pictures are written.
    open_image : callable
        Opens something in the viewer.
    """

    def __init__(self, folder: Path, open_image: Callable[[Any], Any]) -> None:
        self.folder = folder
        os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()  # no session of an earlier scene is continued
        self.viewer = napari.Viewer()
        open_image(self.viewer)
        self.image = self.viewer.layers[0]
        if self.image.ndim > 2:
            self.viewer.dims.set_point(0, 0)
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam2")
        self.controller = self.widget.controller
        self.person = Person(self.viewer)
        self.viewer.reset_view()
        self.person.settle()

    def close(self) -> None:
        """Close the viewer."""
        self.person.leave()
        self.viewer.close()

    def photograph(self, name: str) -> None:
        """Save what the screen shows."""
        pause(0.5)
        self._save(name)

    def photograph_popup(self, name: str, open_it: Callable[[], object], chosen: str = "") -> None:
        """Open a menu or a list, photograph it, and choose an action or close it.

        Where a menu waits in a loop of its own, timers still come.
        """
        photographed = []

        def shoot() -> None:
            shown = QApplication.activePopupWidget() or QApplication.activeModalWidget()
            if shown is None:
                QTimer.singleShot(round(POPUP_S * 1000), shoot)
                return
            shown.repaint()
            QTimer.singleShot(round(POPUP_S * 1000), lambda: finish(shown))

        def finish(shown: QWidget) -> None:
            self._save(name)
            photographed.append(name)
            shown.close()
            for action in shown.actions():
                if action.text() == chosen:
                    action.trigger()

        QTimer.singleShot(round(POPUP_S * 1000), shoot)
        open_it()
        wait_until(lambda: bool(photographed))

    def _save(self, name: str) -> None:
        path = self.folder / f"{name}.png"
        window, popup = self.person.window, QApplication.activePopupWidget()
        right = window.width() if popup is None else max(window.width(), popup.geometry().right() + 1)
        window.screen().grabWindow(0, 0, 0, right, window.height()).save(str(path))
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
        print(path, path.stat().st_size // 1000, "kB", flush=True)

    # --- what a person does ----------------------------------------------------------------------------------------

    def go_to(self, frame: int) -> None:
        """Move the slider of the frames."""
        at = self.image.data_to_world((frame, *(0,) * (self.image.ndim - 1)))
        self.viewer.dims.set_point(0, float(at[0]))
        pause(0.2)

    def click(self, *at: float) -> None:
        """Click on a position of the image, on its frame."""
        self.go_to(int(at[0]))
        self.person.click(self.image.data_to_world(at))
        self.wait()

    def press(self, key: str, held: Sequence[str] = ()) -> None:
        """Press a key, and wait for what it does."""
        self.person.press(key, held)
        pause(0.3)
        self.wait()

    def wait(self) -> None:
        """Wait until nothing is computed any more."""
        wait_until(lambda: bool(self.controller.is_idle), 600)

    def press_button(self, text: str) -> None:
        """Click on the button whose text begins so."""
        self.person.click_on(self.person.button(text))
        pause(0.3)

    def cell(self, row: int, column: int = 2) -> tuple[QTableView, QPoint]:
        """Return the table of objects, and where a cell of it is."""
        table = next(one for one in self.person.window.findChildren(QTableView) if one.isVisible() and one.model().rowCount() > row)
        return table.viewport(), table.visualRect(table.model().index(row, column)).center()

    def fold_out(self, text: str) -> None:
        """Click on the line of the dock that unfolds something."""
        lines = [one for one in self.person.window.findChildren(QToolButton) if one.isVisible() and text in one.text()]
        self.person.click_on(lines[0])
        pause(0.5)


def frames_of_sample(viewer: Any, num_frames: int = 12) -> None:
    """Open the first frames of the bundled time-lapse."""
    viewer.add_image(
        tifffile.imread(FLUO_MITOCHECK.image)[:num_frames], name="nuclei", axis_labels=("t", "y", "x"), contrast_limits=(4, 110)
    )


def volume(folder: Path) -> None:
    """docs/jobs/volume.md: three nuclei of the bundled volume."""
    window = Window(folder, lambda viewer: viewer.open_sample("napari-sam2", "vol_embryo_8cell"))
    for at in ((26, 63, 29), (27, 34, 68), (14, 93, 64)):
        window.click(*at)
    window.go_to(26)
    window.photograph("volume-1-clicks")
    window.press("g")
    window.go_to(23)
    window.photograph("volume-2-propagated")
    window.close()


def everything(folder: Path) -> None:
    """docs/track_everything.md: the options, and what is found."""
    window = Window(folder, frames_of_sample)
    window.press("g", ("Shift_L",))
    window.go_to(8)
    window.photograph("everything-1-found")
    window.close()


def many(folder: Path) -> None:
    """docs/jobs/many-cells.md: everything on one frame."""
    window = Window(folder, frames_of_sample)
    window.press("0")
    window.photograph("many-1-found")
    window.close()


def labels_as_prompts(folder: Path) -> None:
    """docs/jobs/labels-as-prompts.md: labels of the first frame become objects."""

    def open_both(viewer: Any) -> None:
        frames_of_sample(viewer)
        labels = tifffile.imread(FLUO_MITOCHECK.masks)[:12].astype(np.int32)
        labels[1:] = 0
        viewer.add_labels(labels, name="Cellpose")
        viewer.layers.selection.active = viewer.layers["Cellpose"]

    window = Window(folder, open_both)
    form = window.widget.findChild(LayerActions).open_use()
    combos = form.findChildren(QComboBox)
    for combo in combos:
        index = combo.findText("the shown frame")
        if index >= 0:
            combo.setCurrentIndex(index)
    pause(0.5)
    window.photograph("labels-1-form")
    window.person.click_on(form.do_it)
    pause(0.5)
    window.wait()
    window.viewer.layers["Cellpose"].visible = False
    window.photograph("labels-2-objects")
    window.close()


def review(folder: Path) -> None:
    """docs/jobs/correct-and-review.md and measure-the-error.md: the list, and a sample of masks."""
    window = Window(folder, frames_of_sample)
    for at in MANY_NUCLEI:
        window.click(*at)
    window.press("g")
    window.fold_out("Review")
    window.press("Next")
    window.photograph("review-1-list")
    window.press_button("Error rate")
    window.photograph("error-1-form")
    window.press_button("Draw")
    window.wait()
    for _ in range(3):
        window.press("y")
    window.photograph("error-2-judging")
    window.close()


def divisions(folder: Path) -> None:
    """docs/jobs/tracks-and-divisions.md: a division, and the tracks."""
    window = Window(folder, frames_of_sample)
    window.click(*DIVIDING)
    window.press("g")
    window.go_to(CHILDREN[0][0])
    table, at = window.cell(0)
    window.photograph_popup("division-1-menu", lambda: window.person.click_on(table, at, RIGHT), "Divide here")
    window.wait()
    for row, child in enumerate(CHILDREN, 1):
        table, at = window.cell(row)
        window.person.click_on(table, at)
        window.wait()
        window.click(*child)
    window.photograph("division-2-children")
    window.press("g")
    window.press_button("Tracks")
    window.wait()
    window.go_to(CHILDREN[0][0] + 2)
    window.photograph("division-3-tracks")
    window.close()


def exports(folder: Path) -> None:
    """docs/jobs/other-programs.md: the menu."""
    window = Window(folder, frames_of_sample)
    window.click(*NUCLEI[0])
    window.press("g")
    window.photograph_popup("export-1-menu", lambda: window.press_button("Export"))
    window.close()


def model(folder: Path) -> None:
    """docs/jobs/choose-a-model.md: a released model that is not here."""
    window = Window(folder, frames_of_sample)
    combos = window.widget.findChildren(QComboBox)
    combo = next(one for one in combos if one.findText("micro (built in)") >= 0)
    window.photograph_popup("model-1-list", lambda: window.person.click_on(combo))
    window.close()


def _abdomen_clicked_on(folder: Path) -> Window:
    """Open a phantom of CT, and click on its organs."""
    values, _ = abdomen()
    scan = Path(tempfile.mkdtemp(), "scan")
    write_dicom(scan, values, Geometry.of(np.diag([1.5, 1.5, 5.0, 1.0])))
    window = Window(folder, lambda viewer: viewer.open(str(scan), plugin="napari-sam2"))
    for at in ((14, 56, 50), (14, 82, 116), (14, 98, 80)):
        window.click(*at)
    return window


def medical(folder: Path) -> None:
    """docs/medical.md: a phantom of CT, its windows, and organs."""
    window = _abdomen_clicked_on(folder)
    window.fold_out("CT")
    window.photograph("medical-1-window")
    window.close()


def orthogonal(folder: Path) -> None:
    """docs/medical.md: the phantom in three views; needs ``pip install napari-orthogonal-views``."""
    window = _abdomen_clicked_on(folder)
    window.press("g")
    window.widget.findChild(LayerActions).views.trigger()
    pause(2)
    window.go_to(14)
    window.viewer.dims.set_point([1, 2], [90.0, 120.0])
    pause(1)
    window.photograph("medical-2-orthogonal")
    window.close()


def microscopy(folder: Path) -> None:
    """docs/electron-microscopy.md: a phantom of a tomogram."""
    values, _ = tomogram()
    path = Path(tempfile.mkdtemp(), "cell.mrc")
    write_mrc(path, values, 20.0)
    window = Window(folder, lambda viewer: viewer.open(str(path), plugin="napari-sam2"))
    window.go_to(16)
    image = window.image
    for low, high in (((54, 20), (107, 101)), ((27, 117), (54, 144)), ((70, 126), (99, 155))):
        corners = [image.data_to_world((16, *corner)) for corner in (low, high)]
        window.person.drag(corners, held=("Shift_L",))
        window.wait()
        window.press("Escape")
    window.photograph("tomogram-1-boxes")
    window.close()


SCENES = {
    "volume": volume,
    "everything": everything,
    "many": many,
    "labels": labels_as_prompts,
    "review": review,
    "divisions": divisions,
    "exports": exports,
    "model": model,
    "medical": medical,
    "orthogonal": orthogonal,
    "microscopy": microscopy,
}


def main(folder: Path, *names: str) -> None:
    """Photograph some scenes, by default all that can be made here."""
    can_be_made = [name for name in SCENES if name != "orthogonal" or importlib.util.find_spec("napari_orthogonal_views")]
    for name in names or can_be_made:
        SCENES[name](folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
