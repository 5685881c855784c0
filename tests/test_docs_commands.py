"""The commands of README and docs are run, page by page, in a folder that has the files that they name."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from blob_tracker import BlobTracker, tiny_model
from napari_sam2.cli.main import main
from napari_sam2.images.geometry import Geometry
from napari_sam2.predictors import build, tracker
from napari_sam2.session.session import Session
from phantoms import write_dicom, write_mrc, write_nifti
from wheels import HAS_GEFF, HAS_HIGHDICOM

ROOT = Path(__file__).parents[1]
COMMANDS = "segment", "export", "replay"
"""The others take a network, a server, minutes or several processes, and have tests of their own."""
NOT_HERE = ("--compute", "--model sam2.1_hiera_large")
"""What there is no server for, and no checkpoint."""
T, Z, H, W = 51, 7, 100, 80
BLOB = np.s_[..., 85:96, 55:66]
CLICK = {"frame": 3, "points": [[90, 60]]}
FROM_THE_SIDE = {"frame": 60, "points": [[3, 90]]}


def commands(page: Path) -> list[str]:
    """Commands in the blocks of a page, in order, without comments."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for language, block in fenced if not language for line in block.splitlines()]
    found = [shlex.join(shlex.split(line, comments=True)) for line in lines if line.startswith("napari-sam2 ")]
    left_out = (*NOT_HERE, *(() if HAS_GEFF else (".geff",)), *(() if HAS_HIGHDICOM else (".dcm",)))
    return [line for line in found if line.split()[1] in COMMANDS and not any(text in line for text in left_out)]


PAGES = {page.relative_to(ROOT).as_posix(): page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))}
RUN = {name: commands(page) for name, page in PAGES.items() if commands(page)}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Movies and volumes with one bright blob, under all names that the pages use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda *_arguments: tiny_model())
    movie, volume = np.full((T, H, W), 10, np.uint8), np.full((Z, H, W), -1000, np.int16)
    movie[BLOB], volume[BLOB] = 200, 200
    tifffile.imwrite("movie.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    tifffile.imwrite("volume.tif", volume, photometric="minisblack", metadata={"axes": "ZYX"})
    tifffile.imwrite("volumes.tif", np.stack([volume] * 2), photometric="minisblack", metadata={"axes": "TZYX"})
    for folder, image, count in (("frames", movie, T), ("sections", volume, Z)):
        Path(folder).mkdir()
        for number in range(count):
            tifffile.imwrite(f"{folder}/{number:03}.tif", image[number], photometric="minisblack")
    group = zarr.create_group("movie.ome.zarr")
    group.create_array("0", data=movie)
    multiscale = {"axes": [{"name": axis} for axis in "tyx"], "datasets": [{"path": "0"}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    geometry = Geometry.of(np.diag([0.5, 0.5, 3.0, 1.0]))
    write_dicom(Path("scan"), volume, geometry)
    write_nifti(Path("brain.nii.gz"), volume, geometry)
    write_mrc(Path("cell.mrc"), volume)
    Path("divisions.csv").write_text("id,parent\n1,0\n", encoding="utf-8")
    with Session("movie.tif") as session:
        session.add_points(session.add_object(), CLICK["frame"], CLICK["points"])
        session.propagate_all()
        session.save("movie.sam2")
        session.export("labels.tif")


@pytest.mark.parametrize("page", RUN)
def test_commands_run(page: str) -> None:
    for command in RUN[page]:
        click = FROM_THE_SIDE if "--along sagittal" in command else CLICK
        Path("prompts.json").write_text(json.dumps({"prompts": [{"object": 1, **click}]}), encoding="utf-8")
        arguments = shlex.split(command)[1:]
        assert main([*arguments, *(["--device", "cpu"] if arguments[0] == "segment" else [])]) == 0, command
        for output in re.findall(r"-o (\S+)", command):
            assert Path(output).exists(), command


def test_pages_have_commands() -> None:
    assert set(RUN) >= {
        "README.md",
        "docs/medical.md",
        "docs/electron-microscopy.md",
        "docs/start/first-shell.md",
        "docs/jobs/volume.md",
    }
