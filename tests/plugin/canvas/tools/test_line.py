import numpy as np

from napari_sam2.plugin.canvas.tools.line import LineDrawing


def begun(desk, is_closed=False):
    return LineDrawing(desk.sheet, desk.preview, (1, 10, 10), 1, desk.drawn.append, is_closed)


def shown(desk):
    return [tuple(map(int, pixel)) for pixel in np.argwhere(desk.preview.mask)]


def test_a_line_has_the_positions_of_the_mouse(desk):
    line = begun(desk)
    for world in ((1, 10, 10.4), (1, 10, 14), (1, 14, 14)):
        line.move(world)
    line.finish()
    assert desk.drawn == [((5.0, 5.0), (5.0, 7.0), (7.0, 7.0))], "a step of less than half a pixel is none"
    assert shown(desk) == [(5, 5), (5, 6), (5, 7), (6, 7), (7, 7)]


def test_a_closed_line_is_shown_closed(desk):
    line = begun(desk, is_closed=True)
    for world in ((1, 10, 18), (1, 18, 18), (1, 18, 10)):
        line.move(world)
    line.finish()
    assert len(desk.drawn[0]) == 4
    assert len(shown(desk)) == 16, "a ring of five by five"


def test_a_line_that_is_given_up(desk):
    line = begun(desk)
    line.move((1, 10, 18))
    line.cancel()
    assert (desk.drawn, shown(desk)) == ([], [])
