from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.reports.reports import StateChanged
from napari_sam2.plugin.selection.image_summary import (
    Intensities,
    along_choices,
    axes_text,
    changed_only,
    channel_choices,
    describe_intensities,
    intensities_of,
    intensity_choices,
    level_choices,
    numbers_for,
    read_image,
    summarize,
)
from napari_sam2.session.state.session_state import StateChange
from widget_driving import plain_click


@pytest.fixture
def shown(opener):
    def show(pixels, axes="", **layer):
        viewer = ViewerModel()
        viewer.add_image(pixels, name="movie", **({"axis_labels": tuple(axes)} if axes else {}), **layer)
        viewer.dims.set_point(range(viewer.dims.ndim), (0,) * viewer.dims.ndim)
        return Controller(viewer, opener=opener)

    return show


def summary(controller):
    return summarize("movie", controller.workspace, controller.model)


def test_the_line_before_and_after_the_session_is_opened(shown, blobs):
    controller = shown(blobs, "tyx")
    assert summary(controller) == "movie · TYX along T · intensities automatic · micro"
    plain_click(controller, (0, 10, 10))
    assert summary(controller) == "movie · TYX along T · intensities 0 – 200 · micro · cpu"


@pytest.mark.parametrize(
    ("reading", "part"),
    [
        (Reading(intensity_range=(10, 4000)), "10 – 4000"),
        (Reading(percentiles=(1, 99.5)), "1 – 99.5 %"),
        (Reading(follows_contrast=True), "contrast of the layer"),
    ],
)
def test_intensities_in_the_line(shown, blobs, reading, part):
    controller = shown(blobs, "tyx")
    controller.choose_reading(reading)
    assert summary(controller) == f"movie · TYX along T · {part} · micro"


def test_axes_channels_and_position_in_the_line(shown, blobs):
    controller = shown(np.stack([np.stack([blobs] * 2, 1)] * 5, 2), "tczyx")
    controller._viewer.dims.set_point(2, 4)
    assert summary(controller).startswith("movie · TCZYX along T, Z 4 · channel 0, 1 · ")
    assert summary(shown(blobs)).startswith("movie · TYX? along T · ")
    assert summary(shown(np.stack([blobs] * 3, -1), rgb=True)).startswith("movie · TYX? in colour along T · ")
    assert summarize("", None, "micro") == "no image · micro"


def test_an_approximate_input_is_in_the_line(shown, blobs):
    controller = shown(blobs, "tyx")
    plain_click(controller, (0, 10, 10))
    assert "approximate" not in summary(controller)
    identity = replace(controller.session.state.model, architecture="sam2.1_hiera_t", image_size=512)
    controller.workspace.apply(StateChanged(StateChange(model=identity)))
    assert summary(controller).endswith(" at 512 px (approximate) · cpu")


def test_choices(shown, blobs):
    levels = [np.zeros((3, 1, 40, 50)), np.zeros((3, 1, 20, 25))]
    controller = shown(levels, multiscale=True)
    stack = controller.workspace.stack
    assert axes_text(stack) == "TZYX"
    assert along_choices(stack.letters, {}) == [("T", "T")]
    assert level_choices(controller.image) == [("0: 50 × 40 px", 0), ("1: 25 × 20 px", 1)]
    assert level_choices(shown(blobs).image) == [("0: 50 × 40 px", 0)]
    assert channel_choices(["", "DAPI"]) == [("none", None), ("0", 0), ("DAPI", "DAPI")]


def test_what_a_form_holds_is_a_reading():
    assert read_image() == Reading()
    assert read_image(" tcyx ", "T", 2, None, 0, 1) == Reading("TCYX", "T", (2, 0), level=1)
    assert read_image(intensities=Intensities.PERCENTILES, low=1, high=99).percentiles == (1, 99)
    assert read_image(intensities=Intensities.RANGE, low=-100, high=300).intensity_range == (-100, 300)
    assert read_image(intensities=Intensities.CONTRAST, low=5, high=1).follows_contrast


@pytest.mark.parametrize(
    ("kind", "low", "high", "part"),
    [
        (Intensities.RANGE, 5, 5, "two intensities, the lower one first, got 5 and 5."),
        (Intensities.PERCENTILES, 1, 101, "two percentiles from 0 to 100"),
        (Intensities.PERCENTILES, -1, 99, "two percentiles"),
    ],
)
def test_numbers_that_are_no_window(kind, low, high, part):
    with pytest.raises(ValueError, match=part):
        read_image(intensities=kind, low=low, high=high)


def test_what_nobody_changed_stays_a_guess(shown, blobs):
    controller = shown(np.stack([blobs] * 2, 1), "tcyx")
    workspace = controller.workspace
    assert changed_only(read_image("TCYX", "T", 0, 1), workspace) == Reading()
    assert changed_only(read_image("TCYX", "T", 1), workspace) == Reading(channels=(1,))
    assert changed_only(read_image("ZCYX", "T", 0, 1), workspace) == Reading("ZCYX")


def test_windows_of_ct_by_name(shown, blobs):
    controller = shown(blobs.astype(np.int16), "tyx")
    choices = dict(intensity_choices(controller.image))
    assert list(choices)[4:] == ["CT: soft tissue", "CT: brain", "CT: lung", "CT: bone"]
    reading = read_image(intensities=choices["CT: lung"], low=3, high=1)
    assert reading == Reading(intensity_range=(-1350, 150))
    assert intensities_of(reading) == Intensities.LUNG
    controller.choose_reading(reading)
    assert describe_intensities(controller.workspace) == "CT: lung"
    assert [text for text, _ in intensity_choices(shown(np.abs(blobs).astype(np.uint8), "tyx").image)] == list(choices)[:4]


def test_numbers_to_begin_with(shown, blobs):
    controller = shown(blobs, "tyx", contrast_limits=(3, 77))
    workspace = controller.workspace
    assert [numbers_for(kind, workspace) for kind in Intensities] == [
        *((3, 77), (0.1, 99.9), (3, 77), (3, 77)),
        *((-160, 240), (0, 80), (-1350, 150), (-500, 1300)),
    ]
    for reading, kind, numbers in (
        (Reading(follows_contrast=True), Intensities.CONTRAST, (3, 77)),
        (Reading(percentiles=(1, 99)), Intensities.PERCENTILES, (1, 99)),
        (Reading(intensity_range=(5, 6)), Intensities.RANGE, (5, 6)),
        (Reading(), Intensities.AUTOMATIC, (3, 77)),
    ):
        controller.choose_reading(reading)
        assert (intensities_of(reading), numbers_for(kind, workspace)) == (kind, numbers)
    plain_click(controller, (0, 10, 10))
    assert numbers_for(Intensities.RANGE, workspace) == (0, 200)
