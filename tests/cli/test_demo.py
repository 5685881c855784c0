"""The main job on a bundled time-lapse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.cli.main import main
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.predictors import build, tracker

T = 4
TRUTH = squares(T, (32, 32), {3: [(4, 3 + t, 6) for t in range(T)], 8: [(20 - t, 20, 5) for t in range(T)]})
FRAMES = np.arange(T)[:, None, None]
CLICKS = [{"object": 3, "frame": 0, "points": [[5, 5]]}, {"object": 8, "frame": 2, "points": [[20, 22]]}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    movie = np.where(TRUTH > 0, 3000, 100).astype(np.uint16)
    tifffile.imwrite("image.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    Path("prompts.json").write_text(json.dumps({"prompts": CLICKS}))
    sample = type(FLUO_MITOCHECK)("squares", "nobody's", tmp_path)
    monkeypatch.setattr("napari_sam2.cli.demo.FLUO_MITOCHECK", sample)
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda model, device: tiny_model())
    return tmp_path


def test_demo(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that the demo writes, with the double in place of the model and a bright square in place of nuclei."""
    assert main(["demo", "--output", "out/deep/demo"]) == 0
    assert sorted(os.listdir("out/deep/demo")) == [
        *("labels.tif", "movie.tif", "objects.csv", "outlines.gif", "outlines.png", "prompts.json")
    ]
    # Each is followed forward from where it appears.
    expected = np.where((TRUTH == 8) & (FRAMES < 2), 0, TRUTH)
    np.testing.assert_array_equal(tifffile.imread("out/deep/demo/labels.tif"), expected)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "squares: 4 frames, one click on each of 2 nuclei, model micro"
    assert lines[1].startswith("tracked 2 nuclei through 4 frames in ")
    assert lines[-1] == "nobody's"


def test_a_folder_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before the work."""
    (folder / "file").touch()
    assert main(["demo", "--output", "file/demo"]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert len(found.err.splitlines()) == 1
    assert "file" in found.err
