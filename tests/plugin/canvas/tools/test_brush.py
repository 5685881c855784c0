import numpy as np
import pytest

from napari_sam2.plugin.canvas.tools.brush import MAX_DIAMETER_PX, BrushDrawing, next_diameter_px


def begun(desk, diameter_px):
    return BrushDrawing(desk.sheet, desk.preview, (1, 20, 20), diameter_px, lambda *drawn: desk.drawn.append(drawn))


def test_a_press_is_a_dab(desk):
    begun(desk, 5).finish()
    ((region, path),) = desk.drawn
    assert path == ((10.0, 10.0),)
    assert (region.row0, region.col0, int(region.pixels.sum())) == (8, 8, 21)


def test_a_stroke_is_painted_on(desk):
    stroke = begun(desk, 1)
    stroke.move((1, 20, 26))
    stroke.move((1, 26, 26))
    stroke.finish()
    ((region, path),) = desk.drawn
    assert path == ((10.0, 10.0), (10.0, 13.0), (13.0, 13.0))
    pixels = np.argwhere(region.mask((40, 50))).tolist()
    assert pixels == [[10, 10], [10, 11], [10, 12], [10, 13], [11, 13], [12, 13], [13, 13]]


def test_a_stroke_that_is_given_up(desk):
    begun(desk, 5).cancel()
    assert (desk.drawn, desk.preview.mask.any()) == ([], False)


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [(10, 1, 11), (10, -1, 9), (1, -1, 1), (60, 1, 66), (400, 1, MAX_DIAMETER_PX), (0, 0, 1)],
)
def test_steps_of_the_size(before, step, after):
    assert next_diameter_px(before, step) == after
