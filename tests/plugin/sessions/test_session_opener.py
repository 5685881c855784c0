import gc
import weakref

import numpy as np
import pytest

from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.plugin.image.layer_file import LayerFile
from napari_sam2.plugin.sessions.autosave import ImageFingerprint
from napari_sam2.plugin.sessions.session_opener import SessionOpener, SessionRequest
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.settings.settings import Settings
from napari_sam2.session.session import Session
from phantoms import GEOMETRIES, write_nrrd
from served_here import served_here  # noqa: F401 - a fixture
from tiny_models import tiny_predictor


def test_the_embedded_model_on_an_image(blobs):
    opener = SessionOpener()
    labels = np.zeros(blobs.shape, np.uint16)
    session = opener.open(SessionRequest(blobs, "TYX", "micro", labels))
    assert session.labels is labels
    assert session.state.model.name == "micro"
    assert opener.load("micro") is session.model, "it is loaded once"


def test_the_latest_model_is_kept(opener):
    first = opener.load("micro")
    assert opener.load("micro") is first
    second = opener.load("other")
    opener.keep("micro", first)
    assert opener.load("micro") is first
    assert opener.load("other") is second
    assert opener.loaded == ["micro", "other", "other"]


def test_a_model_that_cannot_be_loaded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors"):
        SessionOpener().load(str(tmp_path / "gone.safetensors"))


def test_a_released_model_is_held_by_nothing():
    opener = SessionOpener()
    network = weakref.ref(opener.load("micro"))
    opener.release()
    gc.collect()
    assert network() is None


def test_settings_are_used(tmp_path, kept, blobs):
    opener = SessionOpener(kept)
    opener.use(Settings(device="cpu", precision="bfloat16", memories=3))
    assert opener.kept is kept, "the folder is the same"
    session = opener.open(SessionRequest(blobs, "TYX", "micro"))
    assert (session.precision, session.memories, type(session.labels)) == ("bfloat16", 3, np.ndarray)
    first = opener.load("micro")
    opener.use(Settings(autosave_folder=tmp_path, quota_gb=1.0, memory_gb=0.0))
    assert opener.kept.folder == tmp_path
    opener.move_to(Place())
    assert opener.load("micro") is first
    opener.move_to(Place("cpu"))
    assert opener.load("micro") is not first, "it is loaded again for another device"
    session = opener.open(SessionRequest(blobs, "TYX", "micro"))
    assert isinstance(session.labels, np.memmap)
    assert session.memories is None, "as the model was trained"
    assert not session.labels.any()


@pytest.fixture
def loads(monkeypatch):
    """What is loaded: models of any name, which are tiny, by their names and the sides of their inputs."""
    found = []

    def load(model, device, **arguments):
        found.append((model, arguments.get("image_size")))
        return tiny_predictor()

    monkeypatch.setattr("napari_sam2.predictors.build.load_model", load)
    return found


def test_the_input_of_a_released_model_is_a_setting(loads):
    opener = SessionOpener()
    opener.load("sam2.1_hiera_t")
    opener.use(Settings(image_size=512))
    opener.load("sam2.1_hiera_t")
    opener.load("sam2.1_hiera_t")
    opener.load("micro")
    opener.load("/cells.pt")
    assert loads == [("sam2.1_hiera_t", 1024), ("sam2.1_hiera_t", 512), ("micro", None), ("/cells.pt", None)]


def test_a_session_goes_on_with_the_input_that_it_has(tmp_path, kept, blobs):
    session = Session(blobs, "TYX", image_size=192, device="cpu")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.save(tmp_path / "movie.sam2")
    session.close()
    opener = SessionOpener(kept)
    assert opener.load("micro").image_size == 320
    session = opener.open(SessionRequest(blobs, "TYX", "micro", continued=tmp_path / "movie.sam2"))
    assert session.model.image_size == 192
    assert opener.load("micro").image_size == 320, "others are as they were trained"


def test_a_device_that_is_not_here():
    opener = SessionOpener()
    opener.move_to(Place("mps"))
    with pytest.raises(ValueError, match="device 'mps' is not available here; use 'cpu', or 'auto' to have one chosen"):
        opener.load("micro")


def test_a_session_knows_where_the_voxels_of_a_layer_lie_and_not_the_name_of_a_patient(tmp_path, opener, blobs):
    geometry = GEOMETRIES["oblique"]
    path = write_nrrd(tmp_path / "jane.nrrd", blobs, geometry)
    fingerprint = ImageFingerprint.of(blobs, "ZYX", "NRRD volume", str(path))
    file = LayerFile(("Z", "Y", "X"), geometry.calibration, geometry, (path,), True)
    session = SessionOpener.open(opener, SessionRequest(blobs, "ZYX", "micro", fingerprint=fingerprint, file=file))
    assert (session.stack.geometry, session.stack.files, session.image_path) == (geometry, (path,), None)
    other = LayerFile(("Z", "Y", "X"), is_private=True)  # that of another reader
    session = SessionOpener.open(opener, SessionRequest(blobs, "ZYX", "micro", fingerprint=fingerprint, file=other))
    assert (session.stack.geometry, session.stack.files, session.image_path) == (None, (), None)
    assert "jane" not in session.to_json()


THERE = Place(scheduler="tcp://127.0.0.1:1")


def test_sessions_on_another_machine(served_here, blobs):  # noqa: F811
    opener = SessionOpener()
    assert not opener.has("sam2.1_hiera_l")
    here = opener.load("micro")
    opener.move_to(THERE)
    assert opener.has("sam2.1_hiera_l"), "what is missing there is said when it is loaded"
    assert opener.transfers == ""
    opener._reached[THERE] = served_here
    session = opener.open(SessionRequest(blobs, "TYX", "micro"))
    assert session.model.compute is served_here
    assert session.model.computes_on == "cpu at tcp://127.0.0.1:1"
    session.add_points(session.add_object(), 0, [(10, 10)])
    assert opener.transfers.startswith("1 frame and 0 tensors sent")
    there = opener.load("micro")
    opener.keep("micro", here)
    assert opener.load("micro") is there, "a model of this machine is not kept for another one"
    opener.release()
    assert opener.transfers == ""


def test_another_machine_that_cannot_be_reached_leaves_an_earlier_session_as_it_is(kept, blobs):
    opener, fingerprint = SessionOpener(kept), ImageFingerprint.of(blobs, "TYX", "movie", None)
    with Session(blobs, "TYX") as session:
        session.save(kept.new_path(fingerprint))
        path = session.saved_to
    opener.move_to(THERE)
    with pytest.raises(ClusterError, match=r"^the scheduler tcp://127\.0\.0\.1:1 cannot be reached"):
        opener.open(SessionRequest(blobs, "TYX", "micro", continued=path))
    opener.move_to(Place("cpu"))
    with opener.open(SessionRequest(blobs, "TYX", "micro", continued=path)) as session:
        assert session.saved_to == path
