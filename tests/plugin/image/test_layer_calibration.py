import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_calibration import calibration_of_layer
from napari_sam2.plugin.image.reading import Reading

MICRONS = {"axis_labels": ("t", "y", "x"), "units": ("s", "um", "um"), "scale": (60, 0.5, 0.25)}
FILE = Calibration(0.1, 0.2, 3.0, 5.0, "nanometer", "minute")


def of(layer, of_file=PIXELS):
    return calibration_of_layer(layer, ImageStack.of(layer), of_file)


def test_lengths_and_times():
    assert of(Image(np.zeros((3, 4, 5)), **MICRONS)) == Calibration(0.5, 0.25, None, 60, "micrometer", "second")


def test_a_volume_has_the_distance_of_planes():
    layer = Image(np.zeros((3, 4, 5)), axis_labels=("z", "y", "x"), units=("um", "nm", "nm"), scale=(2, 100, 50))
    assert of(layer) == Calibration(100, 50, 2000, 1, "nanometer", "frame")


def test_units_of_rows_and_columns_may_differ():
    layer = Image(np.zeros((4, 5)), units=("mm", "um"), scale=(0.002, 3))
    assert of(layer) == Calibration(2, 3, None, 1, "micrometer", "frame")


def test_short_axes_are_left_out():
    layer = Image(np.zeros((1, 3, 1, 4, 5)), axis_labels=tuple("ptzyx"), units=("", "s", "um", "um", "um"), scale=(9, 7, 4, 2, 1))
    assert of(layer) == Calibration(2, 1, None, 7, "micrometer", "second")


def test_what_the_layer_does_not_know_is_that_of_the_file():
    assert of(Image(np.zeros((3, 4, 5)), scale=(7, 2, 2)), FILE) == FILE
    assert of(Image(np.zeros((3, 4, 5)), scale=(7, 2, 2))) == PIXELS
    times = Image(np.zeros((3, 4, 5)), units=("s", "pixel", "pixel"), scale=(7, 2, 2))
    assert of(times, FILE) == Calibration(0.1, 0.2, 3.0, 7, "nanometer", "second")


def test_units_of_the_layer_come_before_those_of_its_file():
    of_file = Calibration(y=9, x=9, z=9, t=9, length_unit="millimeter", time_unit="hour")
    layer = Image(
        np.zeros((3, 2, 40, 50)), axis_labels=("t", "z", "y", "x"), scale=(30, 2, 500, 0.25), units=("s", "um", "nm", "um")
    )
    stack = ImageStack.of(layer)
    expected = Calibration(y=0.5, x=0.25, z=2, t=30, length_unit="micrometer", time_unit="second")
    found = calibration_of_layer(layer, stack, of_file)
    assert (found.length_unit, found.time_unit) == ("micrometer", "second")
    assert (found.y, found.x, found.z, found.t) == pytest.approx((expected.y, expected.x, expected.z, expected.t))
    layer.units = ("pixel",) * 4
    assert calibration_of_layer(layer, stack, of_file) == of_file
    assert calibration_of_layer(layer, stack) == PIXELS


def test_pixels_of_a_lower_resolution_are_larger():
    layer = Image([np.zeros((3, 40, 50)), np.zeros((3, 20, 25))], multiscale=True, axis_labels=("z", "y", "x"))
    stack = ImageStack.of(layer, Reading(level=1))
    assert calibration_of_layer(layer, stack, Calibration(0.5, 0.5, 2.0, length_unit="micrometer")) == Calibration(
        1.0, 1.0, 2.0, length_unit="micrometer"
    )
    layer.units, layer.scale = ("um",) * 3, (2, 0.25, 0.25)
    assert calibration_of_layer(layer, stack) == Calibration(0.5, 0.5, 2.0, length_unit="micrometer")
