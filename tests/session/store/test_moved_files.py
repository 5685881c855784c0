"""Files named on another system, on another mount, or before a folder was moved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import squares
from napari_sam2.images.file_names import named_path
from napari_sam2.session.prompts_file import read_prompts
from napari_sam2.session.store.moved_files import find_moved, path_from

TRUTH = squares(3, (32, 32), {1: [(4, 3 + t, 6) for t in range(3)]})
FOREIGN = [
    "C:\\Users\\me\\Data\\movie.tif",
    "D:/Data/movie.tif",
    "\\\\server\\share\\Data\\movie.tif",
    "//server/share/Data/movie.tif",
    "/Volumes/lab/Data/movie.tif",
    "/mnt/nas/Data/movie.tif",
    "/home/somebody/Data/movie.tif",
]


@pytest.mark.parametrize("text", [*FOREIGN, "Data\\movie.tif", "Data/movie.tif", "movie.tif"])
def test_the_name_is_known_on_any_system(text: str) -> None:
    assert named_path(text).name == "movie.tif"
    assert named_path(text).suffix == ".tif"


def test_a_backslash_in_a_name_of_posix_is_a_letter() -> None:
    assert named_path("/data/a\\b.tif").name == "a\\b.tif"


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    (tmp_path / "raw").mkdir()
    way = path_from(folder, tmp_path / "raw" / "movie.tif")
    assert way == "../raw/movie.tif"
    assert find_moved(FOREIGN[0], folder, way) is None
    beside = folder / "movie.tif"
    beside.touch()
    assert find_moved(FOREIGN[0], folder, way) == beside
    moved_along = tmp_path / "raw" / "movie.tif"
    moved_along.touch()
    assert find_moved(FOREIGN[0], folder, way) == moved_along
    assert find_moved(str(beside), folder, way) == beside
    (folder / "masks").mkdir()
    (folder / "masks" / "a.tif").touch()
    for name in ("masks\\a.tif", "masks/a.tif", ".\\masks\\a.tif"):
        assert find_moved(name, folder) == folder / "masks" / "a.tif"
    assert find_moved("x" * 5000, folder) is None
    assert find_moved("a\0b", folder) is None


@pytest.mark.parametrize(
    "name", ["C:\\Users\\me\\masks.tif", "\\\\server\\share\\masks.tif", "sub\\masks.tif", "/mnt/nas/masks.tif"]
)
def test_a_mask_of_a_prompts_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("sub/masks.tif" if name.startswith("sub") else "masks.tif")
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, TRUTH[0])
    (tmp_path / "prompts.json").write_text(json.dumps({"prompts": [{"object": 1, "mask": name}]}))
    (entry,) = read_prompts(tmp_path / "prompts.json")
    assert entry.mask is not None
    np.testing.assert_array_equal(entry.mask, TRUTH[0] == 1)
