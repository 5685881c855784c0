import numpy as np

from napari_sam2.plugin.canvas.tools.box import BoxDrawing


def begun(desk):
    desk.preview.remove()
    return BoxDrawing(desk.sheet, desk.band, (1, 7, 11), lambda *drawn: desk.drawn.append(drawn), desk.drawn.append)


def test_a_box_is_shown_until_it_is_drawn(desk):
    box = begun(desk)
    box.move((1, 27, 31))
    _, layer = desk.viewer.layers
    np.testing.assert_array_equal(layer.data[0].max(axis=0), (1, 13.5, 15.5))
    box.finish()
    assert desk.drawn == [(1, (4.0, 6.0, 14.0, 16.0))]
    assert len(layer.data) == 0


def test_a_box_that_is_given_up(desk):
    box = begun(desk)
    box.move((1, 27, 31))
    box.cancel()
    assert (desk.drawn, len(desk.viewer.layers[-1].data)) == ([], 0)


def test_a_box_beside_the_image(desk):
    box = BoxDrawing(desk.sheet, desk.band, (1, -7, -11), lambda *drawn: desk.drawn.append(drawn), desk.drawn.append)
    box.move((1, -27, -31))
    box.finish()
    assert desk.drawn == ["The box is outside the image, which has 40 rows and 50 columns."]


def test_the_layer_of_the_last_box_is_removed(desk):
    desk.preview.remove()
    box = BoxDrawing(desk.sheet, desk.band, (1, 7, 11), lambda *drawn: desk.drawn.append(drawn), desk.drawn.append, is_last=True)
    box.move((1, 27, 31))
    box.finish()
    assert (len(desk.drawn), list(desk.viewer.layers)) == (1, [desk.image])
