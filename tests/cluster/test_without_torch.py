"""Where the model is on another machine, nothing here needs PyTorch: it cannot be imported in this process, and all goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from batch_stacks import discs
from dask_processes import dask_processes
from napari_sam2.session.session import Session

T = 4
MOVIE, TRUTH = discs(T)

BLOCKED = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("there is no PyTorch here")

sys.meta_path.insert(0, NoTorch())
"""

IMPORTED = """
import importlib, pkgutil
import napari_sam2.session, napari_sam2.cluster, napari_sam2.export, napari_sam2.images

for package in (napari_sam2.session, napari_sam2.cluster, napari_sam2.export, napari_sam2.images):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name != "napari_sam2.cluster.model_server":  # on the worker
            importlib.import_module(module.name)
for name in ("cli.main", "cli.segment", "cli.track", "plugin.controller", "plugin.worker.session_worker"):
    importlib.import_module("napari_sam2." + name)
"""

WORK = """
import numpy as np
from napari_sam2 import Session

address, folder = sys.argv[1:]
movie, truth = np.load(folder + "/movie.npy"), np.load(folder + "/truth.npy")
with Session(movie, "TYX", compute=address) as session:
    first, second = session.add_object(), session.add_object()
    session.add_points(first, 0, [np.argwhere(truth[0] == 1).mean(0)])
    session.add_mask(second, 1, truth[1] == 2)
    session.propagate_all()
    session.add_points(first, 2, [np.argwhere(truth[2] == 1).mean(0), [60, 60]], [1, 0])
    session.propagate_all()
    session.add_points(second, 3, [np.argwhere(truth[3] == 2).mean(0)], [0])
    session.undo()
    session.approve(first, 3)
    assert session.preview(0).shape == (320, 320, 3)
    np.save(folder + "/labels.npy", session.labels)
    session.export(folder + "/labels.tif")
    session.export(folder + "/tracks.csv")
    session.save(folder + "/movie.sam2")
with Session.open(folder + "/movie.sam2", movie, compute=address) as session:
    np.testing.assert_array_equal(session.labels, np.load(folder + "/labels.npy"))
    session.merge_objects(first, second)
    session.segment_everything(0, points_per_side=2)
    session.undo()
    session.undo()
"""

DOCK = """
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.settings.settings import SettingsFile, StoredSettings

address, folder = sys.argv[1:]
movie, truth = np.load(folder + "/movie.npy"), np.load(folder + "/truth.npy")
viewer = ViewerModel()
viewer.add_image(movie, name="movie", axis_labels=("t", "y", "x"))
viewer.dims.set_point(0, 0)
controller = Controller(viewer, settings=StoredSettings(SettingsFile(Path(folder) / "settings.json")))
controller.models.compute_on(address)
assert controller.models.place.is_elsewhere
controller.click(controller.image.data_to_world((0, *np.argwhere(truth[0] == 1).mean(0))))
controller.propagate()
(labels,) = (layer.data for layer in viewer.layers if isinstance(layer, Labels))
assert all(np.asarray(labels[frame]).any() for frame in range(len(movie)))
controller.close()
"""

ENDS = """
assert not [name for name in sys.modules if name.partition(".")[0] == "torch"]
"""


def run(code: str, *arguments: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", BLOCKED + code + ENDS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr


def test_modules_of_a_client_are_imported_without_it() -> None:
    run(IMPORTED)


def test_a_session_and_a_dock_whose_model_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    np.save(tmp_path / "movie.npy", MOVIE)
    np.save(tmp_path / "truth.npy", TRUTH)
    with dask_processes(tmp_path / "worker") as address:
        run(WORK, address, str(tmp_path))
        run(DOCK, address, str(tmp_path))
    with Session(MOVIE, "TYX", device="cpu") as local:
        local.add_points(local.add_object(), 0, [np.argwhere(TRUTH[0] == 1).mean(0)])
        local.add_mask(local.add_object(), 1, TRUTH[1] == 2)
        local.propagate_all()
        local.add_points(1, 2, [np.argwhere(TRUTH[2] == 1).mean(0), [60, 60]], [1, 0])
        local.propagate_all()
        np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), local.labels)
