import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.canvas.rubber_band import PREVIEW_KEY
from napari_sam2.plugin.canvas.stroke_preview import StrokePreview, draw_line
from napari_sam2.plugin.image.image_stack import ImageStack


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(1, 2, 3))
    return viewer


def test_a_stroke_lies_on_the_image_until_it_is_removed(viewer):
    image, preview = viewer.layers["movie"], StrokePreview(viewer)
    preview.remove()
    preview.clear()
    preview.begin(image, ImageStack.of(image), "#19e05a")
    assert viewer.layers.selection.active == image
    _, layer = viewer.layers
    assert (tuple(layer.scale), PREVIEW_KEY in layer.metadata) == ((1, 2, 3), True)
    preview.line((5, 5), (5, 9), 1)
    expected = np.zeros((40, 50), bool)
    expected[5, 5:10] = True
    np.testing.assert_array_equal(preview.mask, expected)
    for frame in range(3):
        np.testing.assert_array_equal(layer.data[frame] > 0, expected)
    assert layer.data.base.nbytes <= 40 * 50, "it is one frame in memory"
    preview.clear()
    assert not layer.data.any()
    preview.line((5, 5), (5, 9), 1)
    preview.begin(image, ImageStack.of(image), "#ff3b6b")
    assert (viewer.layers[-1], layer.data.any()) == (layer, False), "the layer stays between strokes"
    np.testing.assert_allclose(layer.get_color(1), (1, 59 / 255, 107 / 255, 1), atol=1e-6)
    other = viewer.add_image(np.zeros((20, 20), np.uint8))
    preview.begin(other, ImageStack.of(other), "#ff3b6b")
    assert [one.ndim for one in viewer.layers] == [3, 2, 2], "another image has another layer"
    preview.remove()
    assert list(viewer.layers) == [image, other]
    assert viewer.layers.selection.active == other


def test_a_stroke_whose_layer_was_trashed(viewer):
    image, preview = viewer.layers["movie"], StrokePreview(viewer)
    preview.begin(image, ImageStack.of(image), "#19e05a")
    viewer.layers.remove(viewer.layers[-1])
    preview.line((5, 5), (5, 9), 1)
    preview.begin(image, ImageStack.of(image), "#19e05a")
    assert len(viewer.layers) == 2
    preview.remove()
    assert list(viewer.layers) == [image]


def drawn(first, last, diameter_px, shape=(7, 9)):
    plane = np.zeros(shape, np.uint8)
    draw_line(plane, first, last, diameter_px)
    return ["".join("#" if pixel else "." for pixel in row) for row in plane]


def test_lines():
    assert drawn((2, 2), (2, 2), 3) == [".........", *[".###....."] * 3, *["........."] * 3]
    assert drawn((1, 1), (1, 6), 1) == [".........", ".######..", *["........."] * 5]
    assert drawn((0, 0), (6, 6), 1)[3] == "...#.....", "a slanting line"
    assert drawn((0.4, 0.4), (0.4, 0.4), 0.1)[0] == "#........", "at least the nearest pixel"
    assert drawn((-0.5, 8.4), (-0.5, 8.4), 3)[0] == ".......##", "what is outside is cut off"


def test_a_disk_has_its_diameter():
    plane = np.zeros((40, 40), np.uint8)
    draw_line(plane, (20, 20), (20, 20), 11)
    assert (plane.any(axis=1).sum(), plane.any(axis=0).sum(), plane.sum()) == (11, 11, 97)
