"""Files named on another system, on another mount, or before a folder was moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.cli.main import main
from napari_sam2.session.inference import model_in_use
from napari_sam2.session.prompts_file import read_prompts
from napari_sam2.session.session import Session
from napari_sam2.session.store.moved_files import find_moved, named_path, path_from
from napari_sam2.weights.load import save_checkpoint

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


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session beside the folder of its image, with a model from a file."""
    monkeypatch.setattr(model_in_use, "Tracker", BlobTracker)
    monkeypatch.chdir(tmp_path)
    for name in ("lab/raw", "lab/sessions"):
        Path(name).mkdir(parents=True)
    tifffile.imwrite("lab/raw/movie.tif", np.where(TRUTH > 0, 3000, 100).astype(np.uint16), imagej=True, metadata={"axes": "TYX"})
    save_checkpoint("lab/raw/tuned.safetensors", tiny_model().state_dict(), tiny_model().config)
    session = Session("lab/raw/movie.tif", model="lab/raw/tuned.safetensors")
    session.add_points(session.add_object(), 0, [(6, 5)])
    list(session.propagate())
    session.save("lab/sessions/movie.json")
    session.close()
    return Path("lab/sessions/movie.json")


def name_files(path: Path, image: str, model: str, *, has_way: bool) -> None:
    content = json.loads(path.read_text())
    content["source"]["path"], content["model"]["name"] = image, model
    if not has_way:  # as it was written before there was one
        del content["source"]["way"], content["model"]["way"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("image", FOREIGN)
@pytest.mark.parametrize("lies", ["beside", "moved along"])
def test_a_session_from_elsewhere(image: str, lies: str, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Opened, exported and done again where it is; and from then on it names the files where they are."""
    name_files(saved, image, image.replace("movie.tif", "tuned.safetensors"), has_way=lies == "moved along")
    if lies == "beside":
        for name in ("movie.tif", "tuned.safetensors"):
            Path("lab/raw", name).rename(saved.with_name(name))
    assert main(["export", str(saved), "table.csv"]) == 0
    assert "intensity_mean_c0" in Path("table.csv").read_text()
    assert main(["replay", str(saved), "-o", "labels.tif", "--device", "cpu"]) == 0
    np.testing.assert_array_equal(tifffile.imread("labels.tif"), TRUTH)
    session = Session.open(saved, device="cpu")
    np.testing.assert_array_equal(session.labels, TRUTH)
    session.close()
    assert Path(json.loads(saved.read_text())["source"]["path"]).is_file()
    assert Path(json.loads(saved.read_text())["model"]["name"]).is_file()


def test_a_folder_that_was_moved_as_a_whole(saved: Path) -> None:
    shutil.move("lab", "archive")
    session = Session.open("archive/sessions/movie.json", device="cpu")
    assert session.image_path == Path("archive/raw/movie.tif").absolute()
    session.close()


def test_the_way_is_kept_where_the_image_is_given_as_an_array(saved: Path) -> None:
    """And is not that from another folder, where it is saved to one."""
    image = tifffile.imread("lab/raw/movie.tif")
    name_files(saved, FOREIGN[0], "E:\\models\\tuned.safetensors", has_way=True)
    session = Session.open(saved, image, device="cpu")
    session.save("other.json")
    session.close()
    for path, ways in (
        (saved, ("../raw/movie.tif", "../raw/tuned.safetensors")),
        (Path("other.json"), (None, "lab/raw/tuned.safetensors")),
    ):
        content = json.loads(path.read_text())
        assert content["source"]["path"] == FOREIGN[0]
        assert (content["source"]["way"], content["model"]["way"]) == ways


def test_nowhere(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name_files(saved, FOREIGN[0], "E:\\models\\tuned.safetensors", has_way=False)
    assert main(["replay", str(saved), "-o", "labels.tif"]) == 2
    assert capsys.readouterr().err == (
        f"napari-sam2: the image {FOREIGN[0]} of movie.json is not there: put it back, or give image= (in the shell --image), "
        f"where it is; nor is movie.tif in {saved.parent}\n"
    )
    assert main(["replay", str(saved), "-o", "labels.tif", "--image", "lab/raw/movie.tif"]) == 2
    assert capsys.readouterr().err == (
        "napari-sam2: movie.json was saved with the model E:\\models\\tuned.safetensors, which is not there: put it back, or give "
        f"model= (in the shell --model), where it is; nor is tuned.safetensors in {saved.parent}\n"
    )
    with pytest.raises(FileNotFoundError, match=r"the image C:.*movie\.tif of movie\.json is not there"):
        Session.open(saved)


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
