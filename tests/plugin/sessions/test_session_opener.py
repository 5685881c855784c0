import gc
import weakref

import numpy as np
import pytest

from napari_sam2.plugin.image.layer_file import LayerFile
from napari_sam2.plugin.sessions.autosave import ImageFingerprint
from napari_sam2.plugin.sessions.session_opener import SessionOpener, SessionRequest
from napari_sam2.plugin.settings.settings import Settings
from phantoms import GEOMETRIES, write_nrrd


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
    opener.use(Settings(device="cpu", precision="bfloat16"))
    assert opener.kept is kept, "the folder is the same"
    session = opener.open(SessionRequest(blobs, "TYX", "micro"))
    assert (session.precision, type(session.labels)) == ("bfloat16", np.ndarray)
    first = opener.load("micro")
    opener.use(Settings(autosave_folder=tmp_path, quota_gb=1.0, memory_gb=0.0))
    assert opener.kept.folder == tmp_path
    assert opener.load("micro") is not first, "it is loaded again for another device"
    session = opener.open(SessionRequest(blobs, "TYX", "micro"))
    assert isinstance(session.labels, np.memmap)
    assert not session.labels.any()


def test_a_device_that_is_not_here():
    opener = SessionOpener()
    opener.use(Settings(device="mps"))
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
