"""A napari in a process of its own, at which somebody works, to be killed: each transaction is logged when it is done.

What is logged is what the session holds: its labels and how many actions can be undone.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any

import numpy as np


def seen_of(session: Any) -> list[Any]:
    """Describe what a session holds."""
    done = session.state.history
    return [len(done.done), len(done.undone), hashlib.sha1(np.ascontiguousarray(session.labels).tobytes()).hexdigest()]


def _work(log_path: str, num_frames: int, seed: int) -> None:
    import napari
    import tifffile

    from napari_sam2.data.samples import FLUO_MITOCHECK
    from napari_sam2.session.session import Session
    from napari_sam2.session.store.session_store import SessionStore
    from person import Person, pause, wait_until

    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sessions: list[Session] = []
    make, keep = Session.__init__, SessionStore.keep

    def made(session: Session, *arguments: Any, **named: Any) -> None:
        make(session, *arguments, **named)
        sessions.append(session)

    def kept(store: SessionStore, commit: Any) -> None:
        keep(store, commit)
        if sessions:
            os.write(log, (json.dumps(seen_of(sessions[-1])) + "\n").encode())

    Session.__init__, SessionStore.keep = made, kept  # type: ignore[method-assign]
    viewer = napari.Viewer()
    image = viewer.add_image(tifffile.imread(FLUO_MITOCHECK.image)[:num_frames], name="nuclei")
    viewer.dims.set_point(0, 0)
    _, widget = viewer.window.add_plugin_dock_widget("napari-sam2")
    person = Person(viewer)
    entries = json.loads(FLUO_MITOCHECK.prompts.read_text(encoding="utf-8"))["prompts"]
    nuclei = [tuple(entry["points"][0]) for entry in entries if entry["frame"] == 0]
    choose = np.random.default_rng(seed)
    for first in range(0, 9, 3):
        for nucleus in nuclei[first : first + 3]:
            person.click(image.data_to_world((0, *nucleus)))
            pause(float(choose.uniform(0, 0.3)))
        person.press("g")
        pause(float(choose.uniform(0, 1.0)))
        if first:
            person.press("z", ["Control_L"])
        wait_until(lambda: bool(widget.controller.is_idle))
    pause(60)


if __name__ == "__main__":
    _work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
