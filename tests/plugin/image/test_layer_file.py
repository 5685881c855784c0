from pathlib import Path

import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.images.calibration import Calibration
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_file import FILE_KEY, NO_FILE, LayerFile, fitting_letters, read_layer_file
from phantoms import GEOMETRIES, write_nifti
from widget_driving import plain_click


@pytest.mark.parametrize(
    ("axes", "file_shape", "shape", "letters"),
    [
        ("ZYX", (3, 40, 50), (3, 40, 50), "ZYX"),
        ("TCZYX", (5, 2, 3, 40, 50), (5, 2, 3, 40, 50), "TCZYX"),
        ("TCZYX", (1, 2, 3, 40, 50), (2, 3, 40, 50), "CZYX"),
        ("TZYX", (1, 3, 40, 50), (1, 3, 40, 50), "-ZYX"),
        ("TCZYX", (5, 2, 3, 40, 50), (5, 3, 40, 50), "TZYX"),
        ("QYX", (3, 40, 50), (3, 40, 50), "-YX"),
        ("TYX", (3, 40, 50), (4, 40, 50), ""),
        ("YX", (40, 50), (3, 40, 50), ""),
        ("YX", (1, 50), (1, 50), "YX"),
    ],
)
def test_letters_of_a_layer_from_its_file(axes, file_shape, shape, letters):
    found = fitting_letters(axes, file_shape, shape, has_colour=False)
    assert "".join(letter or "-" for letter in found) == letters


@pytest.mark.parametrize(("axes", "file_shape"), [("TYXS", (3, 40, 50, 3)), ("TYXC", (3, 40, 50, 4))])
def test_colours_have_no_letter(axes, file_shape):
    assert fitting_letters(axes, file_shape, (3, 40, 50), has_colour=True) == ("T", "Y", "X")


@pytest.fixture
def volume(tmp_path, blobs):
    """An ImageJ file of a volume, as napari reads it: without its axes and the size of its pixels."""
    path = tmp_path / "volume.tif"
    metadata = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(path, blobs, imagej=True, resolution=(4, 2), metadata=metadata)
    viewer = ViewerModel()
    viewer.add_layer(Image(blobs, name="volume"))
    viewer.layers[0]._source = viewer.layers[0].source.model_copy(update={"path": str(path)})
    return viewer


def test_axes_and_size_of_pixels_are_those_of_the_file(volume, opener):
    calibration = Calibration(y=0.5, x=0.25, z=2.0, length_unit="micrometer")
    assert read_layer_file(volume.layers[0]) == LayerFile(("Z", "Y", "X"), calibration)
    controller = Controller(volume, opener=opener)
    assert controller.workspace.stack.describe().startswith("Z 3 · ")
    plain_click(controller, (0, 10, 10))
    assert controller.session.stack.calibration == calibration
    assert controller.session.stack.along == "Z"
    assert controller.session.image_path.name == "volume.tif"


def test_labels_of_the_layer_come_before_its_file(volume):
    layer = volume.layers[0]
    layer.axis_labels = ("t", "y", "x")
    assert ImageStack.of(layer, None, read_layer_file(layer).letters).along == "T"


@pytest.mark.parametrize("name", ["gone.tif", "text.tif"])
def test_a_file_that_tells_nothing(tmp_path, blobs, name):
    (tmp_path / "text.tif").write_text("no image")
    layer = Image(blobs)
    layer._source = layer.source.model_copy(update={"path": str(tmp_path / name)})
    assert read_layer_file(layer) == NO_FILE
    assert read_layer_file(Image(blobs)) == NO_FILE


def test_a_layer_of_our_reader_has_what_its_file_told(blobs):
    known = LayerFile(("Z", "Y", "X"), Calibration(2, 2, 5), GEOMETRIES["oblique"], (Path("a"),), True)
    assert read_layer_file(Image(blobs, metadata={FILE_KEY: known})) == known
    assert read_layer_file(Image(blobs[0], metadata={FILE_KEY: known})) == NO_FILE


def test_a_layer_of_another_reader_has_no_place_but_the_patient_is_known(tmp_path, blobs):
    write_nifti(tmp_path / "v.nii", blobs, GEOMETRIES["oblique"])
    layer = Image(blobs)
    layer._source = layer.source.model_copy(update={"path": str(tmp_path / "v.nii")})
    found = read_layer_file(layer)
    assert (found.letters, found.geometry, found.files, found.is_private) == (("Z", "Y", "X"), None, (), True)
