"""Does the viewer stay quick while the widget works?

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/widget_latency.py [--cases clicks rest propagate …] [--seconds 15]

A timer of 10 ms measures how late the event loop calls it, in each case: at rest, while 50 objects of a field of 2048 x 2048
are clicked on, while ten objects are propagated through a stack, and scrubbing and with a 3-D display of it, with and without
propagation: what is drawn takes its time without us. Prints the median, the 99th percentile and the longest lateness, how long the
thread of the windows itself computed between two calls (99th percentile and longest: what other programs take is not in it), and
for clicks how long it takes from a click to its mask.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ["NAPARI_CONFIG"] = ""  # the settings of whoever runs it stay as they are

import napari
import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEventLoop, Qt, QTimer

from napari_sam2.plugin.qt.dock_widget import SegmentWidget

TICK_S = 0.01
PATIENCE_S = 120.0


def discs(num_frames: int, side: int, num_objects: int, radius: int) -> tuple[npt.NDArray[np.uint8], list[tuple[int, int]]]:
    """Draw bright discs that move a little, (T, H, W), and where they begin."""
    rng = np.random.default_rng(0)
    columns = int(np.ceil(np.sqrt(num_objects)))
    step = side // columns
    centres = [(step // 2 + step * (i // columns), step // 2 + step * (i % columns)) for i in range(num_objects)]
    stack = rng.integers(10, 40, (num_frames, side, side), np.uint8)
    rows, cols = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.hypot(rows, cols) <= radius
    for frame in range(num_frames):
        for row, col in centres:
            row += frame // 4
            part = stack[frame, row - radius : row + radius + 1, col - radius : col + radius + 1]
            part[disc[: part.shape[0], : part.shape[1]]] += 150
    return stack, centres


class Lateness:
    """How late the event loop calls a timer."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self.computed_s: list[float] = []
        self._computed_until_s = 0.0
        self._due_s = 0.0
        self._timer = QTimer(interval=round(TICK_S * 1000))
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now_s = time.perf_counter()
        self.late_s.append(max(0.0, now_s - self._due_s))
        self._due_s = now_s + TICK_S
        computed_s = time.thread_time()
        self.computed_s.append(computed_s - self._computed_until_s)
        self._computed_until_s = computed_s

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Measure, and print, what is late meanwhile."""
        self.late_s.clear()
        self.computed_s.clear()
        self._due_s, self._computed_until_s = time.perf_counter() + TICK_S, time.thread_time()
        self._timer.start()
        yield
        self._timer.stop()
        p50, p99, longest = np.percentile(self.late_s, (50, 99, 100)) * 1000
        own_p99, own_longest = np.percentile(self.computed_s, (99, 100)) * 1000
        late = f"lateness median {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms"
        print(f"{what}: {late}; own computing p99 {own_p99:.0f} ms, longest {own_longest:.0f} ms", flush=True)


def pump(until: Callable[[], bool], most_s: float = PATIENCE_S) -> None:
    """Let events be handled until something is so; between them the thread rests, as it does when napari runs."""
    end_s = time.perf_counter() + most_s
    loop, timer = QEventLoop(), QTimer(interval=2)

    def look() -> None:
        if until() or time.perf_counter() >= end_s:
            loop.quit()

    timer.timeout.connect(look)
    timer.start()
    loop.exec()
    timer.stop()


def opened(stack: npt.NDArray[np.uint8]) -> tuple[napari.Viewer, SegmentWidget]:
    """Open the widget on a stack, and wait for the model."""
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    viewer.add_image(stack, name="stack", axis_labels=("t", "y", "x")[-stack.ndim :])
    if stack.ndim == 3:
        viewer.dims.set_point(0, 0)
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2")
    pump(lambda: False, 0.5)
    pump(lambda: widget.controller.is_idle)
    return viewer, widget


def click_on(widget: SegmentWidget, position: tuple[int, ...]) -> float:
    """Click on a position, and return how many seconds it takes to its mask."""
    controller, began_s = widget.controller, time.perf_counter()
    controller.click(controller.image.data_to_world(position))
    workspace = controller.workspace
    assert workspace is not None
    pixel = workspace.stack.pixel(position)
    pump(lambda: workspace.result.label_at(pixel) > 0 or controller.is_idle)
    taken_s = time.perf_counter() - began_s
    pump(lambda: controller.is_idle)
    return taken_s


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["clicks", "rest", "propagate", "scrub-rest", "scrub", "3d-rest", "3d"]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--seconds", type=float, default=15.0)
    args = parser.parse_args()
    lateness = Lateness()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        if "clicks" in args.cases:
            measure_clicks(lateness)
        if set(args.cases) - {"clicks"}:
            measure_propagation(lateness, args.cases, args.seconds)


def measure_clicks(lateness: Lateness) -> None:
    """Click on 50 objects, one after another."""
    field, centres = discs(1, 2048, 50, 24)
    viewer, widget = opened(field[0])
    first_s = click_on(widget, centres[0])
    with lateness.measured("50 clicks on 2048 x 2048"):
        seconds = [click_on(widget, centre) for centre in centres[1:]]
    found = len(np.unique(widget.controller.session.labels)) - 1
    print(f"  from a click to its mask: first {first_s:.2f} s, then median {np.median(seconds):.2f} s, {found} of 50 objects found")
    viewer.close()


def measure_propagation(lateness: Lateness, cases: list[str], seconds: float) -> None:
    """Propagate ten objects, with the display as the case has it."""
    stack, centres = discs(100, 256, 10, 10)
    viewer, widget = opened(stack)
    controller = widget.controller
    for centre in centres:
        click_on(widget, (0, *centre))
    for case in cases:
        if case == "clicks":
            continue
        is_working = not case.endswith("rest")
        viewer.dims.ndisplay = 3 if case.startswith("3d") else 2
        pump(lambda: False, 1.0)
        scrubber = QTimer(interval=50)
        scrubber.timeout.connect(lambda: viewer.dims.set_point(0, (viewer.dims.point[0] + 1) % 40))
        if is_working:
            controller.propagate()
            pump(lambda: bool(widget._propagate.bar.value() > 0))
        if case.startswith("scrub"):
            scrubber.start()
        with lateness.measured(case):
            pump(lambda is_working=is_working: is_working and controller.is_idle, seconds)
        scrubber.stop()
        done = widget._propagate.bar.value()
        controller.cancel()
        pump(lambda: controller.is_idle)
        if is_working:
            print(f"  {done} frames of 10 objects in it")
            controller.undo()
            pump(lambda: controller.is_idle)
    viewer.close()


if __name__ == "__main__":
    main()
