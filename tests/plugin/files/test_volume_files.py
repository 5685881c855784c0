"""Volumes of scanners in napari: opened, shown at their size, clicked, and exported in the geometry of the file."""

from pathlib import Path

import napari
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManager, PluginManifest

import napari_sam2
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import is_same_place
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.volume_files import get_reader, read_volumes
from napari_sam2.plugin.image.layer_file import FILE_KEY
from napari_sam2.plugin.worker.exports import ResultExport
from phantoms import GEOMETRIES, SHAPE, write_dicom, write_metaimage, write_mrc, write_nifti, write_nrrd
from phantoms import volume as numbered
from wheels import needs_highdicom
from widget_driving import click

BALL = np.full((7, 24, 20), -1000, np.int16)
BALL[1:6, 6:17, 4:13] = 200


def opened(viewer, path):
    return [viewer._add_layer_from_data(data, {**attributes}, kind)[0] for data, attributes, kind in read_volumes(str(path))]


def test_which_files_are_read(tmp_path):
    assert get_reader(str(tmp_path)) is read_volumes
    assert get_reader(str(tmp_path / "no.nii")) is None
    write_nifti(tmp_path / "v.nii", BALL, GEOMETRIES["straight"])
    assert get_reader([str(tmp_path / "v.nii")]) is read_volumes
    manager = PluginManager()
    manager.register(PluginManifest.from_file(Path(napari_sam2.__file__).with_name("napari.yaml")))
    for name, is_read in (("a.nii.gz", True), ("B.DCM", True), ("a.tif", False), ("a.gz", False), (str(tmp_path), True)):
        assert [one.command for one in manager.iter_compatible_readers([name])] == ["napari-sam2.read_volumes"] * is_read, name


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_layer_has_the_size_and_the_place_of_its_file(name, tmp_path):
    geometry = GEOMETRIES[name]
    paths = [
        write_nifti(tmp_path / "jane.nii.gz", numbered(), geometry),
        write_nrrd(tmp_path / "jane.nrrd", numbered(), geometry),
        write_metaimage(tmp_path / "jane.mha", numbered(), geometry),
    ]
    viewer = ViewerModel()
    for path in paths:
        (layer,) = opened(viewer, path)
        np.testing.assert_array_equal(layer.data, numbered())
        assert layer.axis_labels == ("z", "y", "x")
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
        np.testing.assert_allclose(layer.scale, geometry.spacing, rtol=1e-5)
        np.testing.assert_allclose(layer.translate, geometry.frame_origin, atol=1e-4)
        assert is_same_place(layer.metadata[FILE_KEY].geometry, geometry, 1e-3, SHAPE)
        assert "jane" not in layer.name


def test_another_series_with_the_same_directions_lies_on_the_first(tmp_path):
    geometry = GEOMETRIES["oblique"]
    write_dicom(tmp_path / "d", numbered(), geometry)
    shifted = geometry.of_axes(geometry.world([2, 3, 4]), geometry.steps)
    write_dicom(tmp_path / "d", numbered()[2:, 3:, 4:], shifted, "b", SeriesNumber=9)
    first, second = opened(ViewerModel(), tmp_path / "d")
    assert (first.name, second.name) == ("CT 3", "CT 9")
    np.testing.assert_allclose(first.data_to_world((3, 4, 5)), second.data_to_world((1, 1, 1)), atol=1e-6)


def test_ct_is_shown_in_the_window_of_soft_tissue_and_mr_by_percentiles(tmp_path):
    write_nifti(tmp_path / "ct.nii", BALL, GEOMETRIES["straight"])
    (layer,) = opened(ViewerModel(), tmp_path / "ct.nii")
    assert tuple(layer.contrast_limits) == (-160, 240)
    write_nifti(tmp_path / "mr.nii", np.abs(numbered()), GEOMETRIES["straight"])
    (layer,) = opened(ViewerModel(), tmp_path / "mr.nii")
    np.testing.assert_allclose(layer.contrast_limits, np.percentile(np.abs(numbered()), (0.1, 99.9)))


def test_electron_tomograms_times_colours_and_other_folders(tmp_path):
    write_mrc(tmp_path / "cell.mrc", numbered(), 12.5)
    (layer,) = opened(ViewerModel(), tmp_path / "cell.mrc")
    assert (layer.name, [str(unit) for unit in layer.units], layer.scale.tolist()) == ("cell", ["angstrom"] * 3, [12.5] * 3)
    image = nibabel.Nifti1Image(numbered((2, 3, 4, 5)).T, np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 2.5
    nibabel.save(image, tmp_path / "t.nii")
    (layer,) = opened(ViewerModel(), tmp_path / "t.nii")
    assert (layer.axis_labels, layer.scale.tolist(), str(layer.units[0])) == (("t", "z", "y", "x"), [2.5, 1, 1, 1], "second")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4, 3), np.uint8), isVector=True), str(tmp_path / "c.mha"))
    (layer,) = opened(ViewerModel(), tmp_path / "c.mha")
    assert (layer.rgb, layer.ndim) == (True, 3)
    (tmp_path / "frames").mkdir()
    for number in range(3):
        tifffile.imwrite(tmp_path / f"frames/t{number}.tif", numbered()[number])
    (layer,) = opened(ViewerModel(), tmp_path / "frames")
    np.testing.assert_array_equal(layer.data, numbered()[:3])


def test_a_missing_plane_leaves_the_others(tmp_path, caplog, notices):
    paths = write_dicom(tmp_path / "d", BALL, GEOMETRIES["straight"])
    paths[4].unlink()
    (layer,) = opened(ViewerModel(), tmp_path / "d")
    assert layer.data.shape == BALL.shape
    np.testing.assert_array_equal(layer.data[5].compute(), BALL[5])
    with pytest.raises(ImageFileError, match=r"^plane 4 of the DICOM series CT 3 is missing$"):
        layer.data[4].compute()
    assert len(caplog.records) == 1
    assert notices() == [("warning", "1 of 7 planes of the DICOM series CT 3 is missing and cannot be read, the first is Z 4.")]


def test_complex_numbers_are_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 3, 2), np.complex64), np.eye(4)), tmp_path / "phase.nii")
    with pytest.raises(ValueError, match=r"^an image must hold integers, floats or booleans, got complex64$"):
        read_volumes(str(tmp_path / "phase.nii"))


def test_a_series_that_cannot_be_read_leaves_the_others(tmp_path, notices):
    write_dicom(tmp_path / "d", numbered(), GEOMETRIES["straight"])
    broken = write_dicom(tmp_path / "d", numbered()[:2], GEOMETRIES["straight"], "b", SeriesNumber=9)
    for path in broken:
        dataset = pydicom.dcmread(path)
        dataset.PixelSpacing = [0, 1]
        dataset.save_as(path)
    (layer,) = opened(ViewerModel(), tmp_path / "d")
    assert layer.name == "CT 3"
    for path in (tmp_path / "d").glob("series*"):
        path.unlink()
    with pytest.raises(
        ImageFileError, match=r"^the DICOM series CT 9 cannot be placed in space: the affine of a volume is singular"
    ):
        read_volumes(str(tmp_path / "d"))


@needs_highdicom
@pytest.mark.parametrize("name", ["straight", "flipped", "oblique"])
def test_a_click_becomes_labels_in_the_geometry_of_the_file(name, tmp_path, opener):
    """In the widget without its window: opened, clicked at a place of the world, exported, and read by another library."""
    write_dicom(tmp_path / "jane_doe", BALL, GEOMETRIES[name])
    viewer = ViewerModel()
    (layer,) = opened(viewer, tmp_path / "jane_doe")
    controller = Controller(viewer, opener=opener)
    geometry = layer.metadata[FILE_KEY].geometry
    place = geometry.voxels(GEOMETRIES[name].world([3, 11, 8]))
    viewer.dims.set_point(0, layer.data_to_world(place)[0])
    click(controller, place)
    session = controller.workspace.worker.session
    list(session.propagate())
    assert session.image_path is None
    assert len(session.stack.files) == 7
    reports = []
    for ending in ("nii.gz", "dcm"):
        export = ResultExport(tmp_path / f"labels.{ending}", controller.workspace.source.calibration)
        export(session, lambda item: reports.append(item) or True)
        assert (reports[-1].path, reports[-1].shortfall) == (tmp_path / f"labels.{ending}", "")
    image = sitk.ReadImage(str(tmp_path / "labels.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(labels > 0, layer.data > 0)
    middle = np.argwhere(labels > 0).mean(axis=0)
    found = image.TransformContinuousIndexToPhysicalPoint(middle[::-1].tolist())
    np.testing.assert_allclose(found, geometry.in_space("LPS").world(np.argwhere(layer.data > 0).mean(axis=0)), atol=1e-3)
    assert pydicom.dcmread(tmp_path / "labels.dcm").NumberOfFrames == 5
    controller.close()


@pytest.mark.usefixtures("found_plugins")
def test_napari_opens_a_file_with_our_reader(tmp_path):
    write_nifti(tmp_path / "v.nii.gz", BALL, GEOMETRIES["oblique"])
    viewer = ViewerModel()
    (layer,) = viewer.open(str(tmp_path / "v.nii.gz"), plugin="napari-sam2")
    assert isinstance(layer, napari.layers.Image)
    np.testing.assert_allclose(layer.scale, GEOMETRIES["oblique"].spacing, rtol=1e-5)
