"""What names a patient leaves the files of an image only where the person says so; clicks are where they are in the patient."""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from blob_tracker import BlobTracker, blob_session, tiny_model
from napari_sam2.images.geometry import Geometry
from napari_sam2.images.stack import Stack
from napari_sam2.predictors import tracker
from napari_sam2.session.methods import methods_paragraph
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from phantoms import GEOMETRIES, PATIENT, PATIENT_ID, TILTED, organs, write_dicom, write_metaimage, write_nifti, write_nrrd

PRIVATE = "jane_doe"
SECRETS = (PRIVATE, PATIENT, PATIENT_ID, "Jane")


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    folder = tmp_path / PRIVATE
    write_dicom(folder, organs(), GEOMETRIES["oblique"])
    return folder


def content(path: Path) -> bytes:
    """Read a session file, also what is in its journal."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint")
    database.close()
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


def segmented(scan: Path, folder: Path, keep_path: bool = False) -> Session:
    session = blob_session(scan, None, keep_path=keep_path)
    session.add_points(session.add_object("ball"), 3, [(11, 8)])
    list(session.propagate())
    session.save(folder / "work.sam2")
    return session


def test_nothing_of_the_patient_is_in_sessions_and_results(
    scan: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with caplog.at_level(logging.DEBUG, "napari_sam2"):
        session = segmented(scan, out)
        names = ("a.csv", "a.nii.gz", "a.seg.nrrd", "a.tif", "a.ome.tif", "a.zarr", "a.parquet", "a.mrc", "a.frames.png")
        session.export(*(out / name for name in names))
        texts = [session.to_json(), session.to_script(), methods_paragraph(session.document()), repr(session), repr(session.stack)]
        session.close()
    written = [one for one in out.rglob("*") if one.is_file()]
    assert len(written) > len(names)
    texts += [content(one).decode("latin-1") if one.suffix == ".sam2" else one.read_bytes().decode("latin-1") for one in written]
    texts += [record.getMessage() for record in caplog.records] + list(capsys.readouterr())
    assert [secret for secret in SECRETS for text in texts if secret in text] == []


def test_the_session_is_opened_again_with_its_image(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = segmented(scan, tmp_path)
    labels = np.asarray(expected.labels).copy()
    expected.close()
    text = r"^work\.sam2 does not name its image, which is of a patient: give it as image= \(in the shell --image\)"
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    with pytest.raises(ValueError, match=f"{text}$"):
        Session.open(tmp_path / "work.sam2", model=tiny_model())
    session = Session.open(tmp_path / "work.sam2", scan, tiny_model())
    np.testing.assert_array_equal(session.labels, labels)
    assert session.image_path is None
    session.close()
    assert PRIVATE.encode() not in content(tmp_path / "work.sam2")
    saved = SavedSession.read(tmp_path / "work.sam2", scan)
    result = saved.result(saved.stack.calibration)
    assert (result.image_path, result.geometry) == (None, saved.stack.geometry)


def test_a_person_may_keep_the_path(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segmented(scan, tmp_path, keep_path=True).close()
    assert PRIVATE.encode() in content(tmp_path / "work.sam2")
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    session = Session.open(tmp_path / "work.sam2", model=tiny_model())
    assert session.image_path == scan
    session.close()
    with pytest.raises(ValueError, match=r"^keep_path is True or False, got 1$"):
        blob_session(scan, None, keep_path=1)


def test_the_window_is_kept_by_name(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = blob_session(scan, None, window="lung")
    session.save(tmp_path / "work.sam2")
    assert session.window == "lung"
    assert "(the lung window for CT)" not in session.to_json()
    session.close()
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    session = Session.open(tmp_path / "work.sam2", scan, tiny_model())
    assert (session.window, session.intensity_ranges) == ("lung", ((-1350, 150),))
    session.close()
    assert blob_session(scan, None).window == "soft tissue"
    assert blob_session(scan, None, intensity_range=(-1000, 300)).window is None
    assert blob_session(scan, None, percentiles=(1, 99)).window is None


def test_the_name_of_planes_is_kept_as_their_axis(scan: Path, tmp_path: Path) -> None:
    session = blob_session(scan, None, along="coronal")
    assert session.stack.along == "Y"
    assert json.loads(session.to_json())["header"]["source"]["along"] == "Y"


def read_again(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Read labels and their place by other libraries: NIfTI by nibabel, which reads tilted planes too, NRRD by SimpleITK."""
    if path.suffix == ".nrrd":
        image = sitk.ReadImage(str(path))
        steps = np.reshape(image.GetDirection(), (3, 3)).T * np.array(image.GetSpacing())[:, None]
        return sitk.GetArrayFromImage(image), Geometry.of_axes(image.GetOrigin(), steps)
    found = nibabel.load(path)
    return np.asarray(found.dataobj).T, Geometry.of(found.affine, "RAS").in_space("LPS")


WRITERS: dict[str, Any] = {"nii.gz": write_nifti, "nrrd": write_nrrd, "mha": write_metaimage}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, name) for kind in ("dicom", *WRITERS) for name in GEOMETRIES),
        *((kind, "tilted") for kind in ("dicom", "nii.gz", "nrrd")),
    ],
)
@pytest.mark.parametrize("along", ["Z", "Y", "X"])
def test_an_object_is_where_it_is_in_the_patient(kind: str, name: str, along: str, tmp_path: Path) -> None:
    """A click at a place of the patient finds the ball there, and the labels of another library have its centre there."""
    geometry = GEOMETRIES.get(name, TILTED)
    path = tmp_path / "scan"
    if kind == "dicom":
        write_dicom(path, organs(), geometry)
    else:
        path = WRITERS[kind](tmp_path / f"v.{kind}", organs(), geometry)
    stack = Stack.open(path, along=along)
    assert stack.geometry is not None
    voxel = stack.geometry.in_space("LPS").voxels(geometry.world([3, 11, 8]))
    np.testing.assert_allclose(voxel, np.round(voxel), atol=0.1)  # a tenth of a voxel
    position = dict(zip("ZYX", np.round(voxel).astype(int).tolist(), strict=True))
    session = blob_session(stack, None)
    session.add_points(session.add_object(), position[along], [tuple(position[axis] for axis in "ZYX" if axis != along)])
    list(session.propagate())
    session.export(tmp_path / "labels.nii.gz", tmp_path / "labels.nrrd")
    for output in ("labels.nii.gz", "labels.nrrd"):
        labels, placed = read_again(tmp_path / output)
        np.testing.assert_array_equal(labels > 0, np.asarray(stack.image[:]) > 0)
        middle = np.argwhere(labels > 0).mean(axis=0)
        assert np.abs(geometry.voxels(placed.world(middle)) - [3, 11, 8]).max() < 0.1
    session.close()
