"""The image and the model of a session, found again where they are now, and refused where they are others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr

from blob_tracker import BlobTracker, squares, tiny_model
from known_sessions import MOVIE, SHAPE, TRUTH, T, begun, change_header, header_of, inside, known, opened
from napari_sam2.cli.main import main
from napari_sam2.predictors import build, tracker
from napari_sam2.predictors.build import load_model
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.weights.load import save_checkpoint
from tiny_models import tiny_predictor

BLOB = squares(3, (32, 32), {1: [(4, 3 + t, 6) for t in range(3)]})
FOREIGN = [
    "C:\\Users\\me\\Data\\movie.tif",
    "D:/Data/movie.tif",
    "\\\\server\\share\\Data\\movie.tif",
    "//server/share/Data/movie.tif",
    "/Volumes/lab/Data/movie.tif",
    "/mnt/nas/Data/movie.tif",
    "/home/somebody/Data/movie.tif",
]


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def saved(path: Path, image: Any = MOVIE) -> None:
    session = begun(image)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    session.save(path)
    session.close()


def refused(message: str, path: Path, *arguments: Any, error: type[Exception] = ValueError) -> None:
    before = path.read_bytes()
    with pytest.raises(error, match=message) as caught:
        Session.open(path, *arguments)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


# --- the image -----------------------------------------------------------------------------------------------------


def test_another_image(path: Path) -> None:
    saved(path)
    refused(r"^the image of movie\.sam2 was an array, not a file: give it as image= \(in the shell --image\)$", path)
    refused(
        r"^this is another image than movie\.sam2 was saved with, the same size with other pixels: give image= .*, or begin a new "
        "session on it$",
        path,
        255 - MOVIE,
        tiny_model(),
    )
    refused(r"uint8 of shape \(7, 32, 32\), not uint8 of shape \(8, 32, 32\)", path, MOVIE[:7], tiny_model())
    refused(r"uint16 of shape \(8, 32, 32\), not uint8", path, MOVIE.astype(np.uint16), tiny_model())
    opened(path).close()


@pytest.mark.parametrize("is_broken_when_saved", [True, False])
def test_an_image_of_which_a_part_cannot_be_read(path: Path, is_broken_when_saved: bool) -> None:
    """What was known of it before stays known, whatever could be read last."""
    movie = path.with_name("movie.zarr")
    zarr.create_array(movie, data=MOVIE, chunks=(1, *SHAPE))
    last = movie / f"c/{T - 1}/0/0"
    content = last.read_bytes()
    last.write_bytes(b"\0" if is_broken_when_saved else content)
    session = begun(movie)
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path)
    session.close()
    assert len(header_of(path)["image"]["sample"]) == (3 if is_broken_when_saved else 4)
    last.write_bytes(content if is_broken_when_saved else b"\0")
    again = opened(path, None)
    assert known(again) == known(session)
    again.close()
    assert len(header_of(path)["image"]["sample"]) == 4
    zarr.create_array(movie, data=255 - MOVIE, chunks=(1, *SHAPE), overwrite=True)
    refused("the same size with other pixels", path, None, tiny_model())


def test_an_image_that_told_its_axes_may_come_back_as_an_array(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = xr.DataArray(np.ascontiguousarray(MOVIE.T), dims=("x", "y", "time"))
    saved(path, image)
    session = opened(path, image.values)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0).T)
    monkeypatch.setattr(build, "load_model", lambda name, device: tiny_model())
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(session.to_script(), "script", "exec"), names)
    np.testing.assert_array_equal(names["run"](image.values).labels, session.labels)
    session.close()


def test_an_image_file_that_was_moved(path: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    image = tmp_path / "there" / "movie.tif"
    tifffile.imwrite(image, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    saved(path, image)
    assert header_of(path)["source"]["path"] == str(image)
    session = opened(path, None)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    session.close()
    moved = image.rename(tmp_path / "elsewhere.tif")
    refused(
        r"^the image \S+there.movie\.tif of movie\.sam2 is not there: put it back, or give image= \(in the shell --image\), where "
        r"it is; nor is movie\.tif in \S+$",
        path,
        None,
        tiny_model(),
        error=FileNotFoundError,
    )
    opened(path, moved).close()
    opened(path, None).close()  # from now on it is known where it is
    assert header_of(path)["source"]["relative_path"] == "elsewhere.tif"
    moved.rename(tmp_path / "movie.tif")
    refused(r"the image \S+elsewhere.tif of movie\.sam2 is not there", path, None, tiny_model(), error=FileNotFoundError)
    change_header(path, lambda header, _: header["source"].update(path=str(image), relative_path=None))
    opened(path, None).close()  # found beside the file
    assert header_of(path)["source"]["path"] == str(tmp_path / "movie.tif")


# --- the model -----------------------------------------------------------------------------------------------------


def test_another_session_of_the_same_image_names_the_files_of_image_and_model(path: Path) -> None:
    image = path.with_name("volume.tif")
    tifffile.imwrite(image, MOVIE, metadata={"axes": "ZYX"}, photometric="minisblack")
    checkpoint = path.with_name("tuned.safetensors")
    save_checkpoint(checkpoint, tiny_model().state_dict(), tiny_model().config)
    session = Session(image, model=checkpoint).reslice("X")
    session.add_points(session.add_object(), 4, [(0, 5)])
    session.save(path)
    session.close()
    again = Session.open(path)
    assert (again.stack.along, again.image_path) == ("X", image)
    assert known(again) == known(session)
    again.close()


def test_a_model_file_that_was_moved(path: Path) -> None:
    checkpoint = path.with_name("tuned.safetensors")
    save_checkpoint(checkpoint, tiny_model().state_dict(), tiny_model().config)
    session = Session(MOVIE, model=checkpoint)
    session.add_points(session.add_object(), 0, [(3, 4)])
    session.save(path)
    session.close()
    moved = checkpoint.rename(path.with_name("moved.safetensors"))
    refused(
        r"^movie\.sam2 was saved with the model \S+tuned\.safetensors, which is not there: put it back, or give model= \(in the "
        r"shell --model\), where it is; nor is tuned\.safetensors in \S+$",
        path,
        MOVIE,
        error=FileNotFoundError,
    )
    opened(path).close()  # a model in memory has no file
    assert header_of(path)["now"]["name"] == header_of(path)["model"]["name"] == str(checkpoint)
    Session.open(path, MOVIE, moved).close()
    Session.open(path, MOVIE).close()
    for model in ("model", "now"):
        assert header_of(path)[model]["name"] == str(moved)
        assert header_of(path)[model]["relative_path"] == "moved.safetensors"
    np.testing.assert_array_equal(replay(path, MOVIE).labels, session.labels)


def test_a_model_that_was_loaded_from_a_file_is_known_by_it(path: Path) -> None:
    checkpoint = path.with_name("tuned.safetensors")
    save_checkpoint(checkpoint, tiny_model().state_dict(), tiny_model().config)
    session = Session(MOVIE, model=load_model(checkpoint, "cpu"))
    assert session.document().model.name == str(checkpoint)
    assert f"model={str(checkpoint)!r}" in session.to_script()
    session.save(path)
    session.close()
    Session.open(path, MOVIE).close()


def test_another_model(path: Path) -> None:
    saved(path)
    other = tiny_predictor(seed=1)
    refused(
        r"^movie\.sam2 was saved with other weights of tiny: .*; give model= .*, or find everything again with napari-sam2 replay "
        r"movie\.sam2$",
        path,
        MOVIE,
        other,
    )
    np.testing.assert_array_equal(replay(path, MOVIE, other).labels, np.where(TRUTH == 1, 1, 0))
    with pytest.raises(
        (ValueError, FileNotFoundError), match=r"^movie\.sam2 was saved with the model tiny: .*; give model= .* it is$"
    ):
        Session.open(path, MOVIE)


def test_a_model_that_is_used_in_a_saved_session_is_known_by_its_weights(path: Path) -> None:
    saved(path)
    session = opened(path)
    session.use_model(tiny_predictor(seed=1))
    session.close()
    assert header_of(path)["now"]["sha256"] != header_of(path)["model"]["sha256"]
    refused("was saved with other weights of tiny", path, MOVIE, tiny_model())
    Session.open(path, MOVIE, tiny_predictor(seed=1)).close()


# --- on another system, or after all was moved ---------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session beside the folder of its image, with a model from a file."""
    monkeypatch.chdir(tmp_path)
    for name in ("lab/raw", "lab/sessions"):
        Path(name).mkdir(parents=True)
    tifffile.imwrite("lab/raw/movie.tif", np.where(BLOB > 0, 3000, 100).astype(np.uint16), imagej=True, metadata={"axes": "TYX"})
    save_checkpoint(Path("lab/raw/tuned.safetensors"), tiny_model().state_dict(), tiny_model().config)
    session = Session("lab/raw/movie.tif", model="lab/raw/tuned.safetensors")
    session.add_points(session.add_object(), 0, [(6, 5)])
    list(session.propagate())
    session.save("lab/sessions/movie.sam2")
    session.close()
    return Path("lab/sessions/movie.sam2")


def name_files(path: Path, image: str, model: str, *, has_relative_path: bool) -> None:
    def change(header: dict[str, Any], now: dict[str, Any]) -> None:
        header["source"]["path"] = image
        for one in (header["model"], now):
            one["name"] = model
        if not has_relative_path:
            for one in (header["source"], header["model"], now):
                one["relative_path"] = None

    change_header(path, change)


@pytest.mark.parametrize("image", FOREIGN)
@pytest.mark.parametrize("lies", ["beside", "moved along"])
def test_a_session_from_elsewhere(image: str, lies: str, elsewhere: Path) -> None:
    """Opened, exported and done again where it is; and from then on it names the files where they are."""
    name_files(elsewhere, image, image.replace("movie.tif", "tuned.safetensors"), has_relative_path=lies == "moved along")
    if lies == "beside":
        for name in ("movie.tif", "tuned.safetensors"):
            Path("lab/raw", name).rename(elsewhere.with_name(name))
    assert main(["export", str(elsewhere), "table.csv"]) == 0
    assert "intensity_mean_c0" in Path("table.csv").read_text()
    assert main(["replay", str(elsewhere), "-o", "labels.tif", "--device", "cpu"]) == 0
    np.testing.assert_array_equal(tifffile.imread("labels.tif"), BLOB)
    session = Session.open(elsewhere, device="cpu")
    np.testing.assert_array_equal(session.labels, BLOB)
    session.undo()
    session.redo()
    np.testing.assert_array_equal(session.labels, BLOB)
    session.close()
    header = header_of(elsewhere)
    for name in (header["source"]["path"], header["model"]["name"], header["now"]["name"]):
        assert Path(name).is_file()


def test_a_folder_that_was_moved_as_a_whole(elsewhere: Path) -> None:
    shutil.move("lab", "archive")
    session = Session.open("archive/sessions/movie.sam2", device="cpu")
    assert session.image_path == Path("archive/raw/movie.tif").absolute()
    session.close()
    assert elsewhere.name == "movie.sam2"


def test_a_copy_of_a_file_and_its_image_on_another_machine(elsewhere: Path) -> None:
    """While the session goes on here, and both go on for themselves."""
    session = Session.open(elsewhere, device="cpu")
    Path("usb").mkdir()
    shutil.copy("lab/raw/movie.tif", "usb")
    shutil.copy("lab/raw/tuned.safetensors", "usb")
    session.close()
    shutil.copy(elsewhere, "usb")
    session = Session.open(elsewhere, device="cpu")
    copy = Session.open("usb/movie.sam2", device="cpu")
    assert copy.image_path == Path("usb/movie.tif").absolute() or copy.image_path == session.image_path
    copy.add_object("there")
    session.add_object("here")
    for one, name in ((copy, "there"), (session, "here")):
        assert one.objects[2].name == name
        one.close()
    shutil.rmtree("lab")
    again = Session.open("usb/movie.sam2", device="cpu")
    assert (again.image_path, again.objects[2].name) == (Path("usb/movie.tif").absolute(), "there")
    again.close()


def test_the_relative_path_is_kept_where_the_image_is_given_as_an_array(elsewhere: Path) -> None:
    """And is not that from another folder, where it is saved to one."""
    image = tifffile.imread("lab/raw/movie.tif")
    name_files(elsewhere, FOREIGN[0], "E:\\models\\tuned.safetensors", has_relative_path=True)
    session = Session.open(elsewhere, image, device="cpu")
    session.save("other.sam2")
    session.close()
    for path, relative in (
        (elsewhere, ("../raw/movie.tif", "../raw/tuned.safetensors")),
        (Path("other.sam2"), (None, "lab/raw/tuned.safetensors")),
    ):
        header = header_of(path)
        assert header["source"]["path"] == FOREIGN[0]
        assert (header["source"]["relative_path"], header["now"]["relative_path"]) == relative
        assert header["model"]["relative_path"] == relative[1]


def test_nowhere(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name_files(elsewhere, FOREIGN[0], "E:\\models\\tuned.safetensors", has_relative_path=False)
    folder = elsewhere.parent.absolute()
    assert main(["replay", str(elsewhere), "-o", "labels.tif"]) == 2
    assert capsys.readouterr().err == (
        f"napari-sam2: the image {FOREIGN[0]} of movie.sam2 is not there: put it back, or give image= (in the shell --image), "
        f"where it is; nor is movie.tif in {folder}\n"
    )
    assert main(["replay", str(elsewhere), "-o", "labels.tif", "--image", "lab/raw/movie.tif"]) == 2
    assert capsys.readouterr().err == (
        "napari-sam2: movie.sam2 was saved with the model E:\\models\\tuned.safetensors, which is not there: put it back, or give "
        f"model= (in the shell --model), where it is; nor is tuned.safetensors in {folder}\n"
    )
    with pytest.raises(FileNotFoundError, match=r"the image C:.*movie\.tif of movie\.sam2 is not there"):
        Session.open(elsewhere)
