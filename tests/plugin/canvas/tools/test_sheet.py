import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.canvas.tools.sheet import Sheet
from napari_sam2.plugin.image.image_stack import ImageStack


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(1, 2, 3))
    viewer.dims.set_point(0, 2)
    return viewer


def sheet(viewer):
    image = viewer.layers["movie"]
    return Sheet(viewer, image, ImageStack.of(image))


def test_positions_on_the_frame_that_is_shown(viewer):
    paper = sheet(viewer)
    assert paper.frame == 2
    assert paper.point((2, 20, 30)) == (10, 10)
    np.testing.assert_array_equal(paper.position((2, 20, 30)), (2, 10, 10))


def test_beside_the_image_the_nearest_position_on_it_counts(viewer):
    row, col = sheet(viewer).point((2, -90, 999))
    assert row == -0.5
    assert 49.4 < col < 49.5


def test_there_is_nothing_to_draw_on(viewer):
    viewer.add_image(np.zeros((9, 40, 50), np.uint8))
    viewer.dims.set_point(0, 8)
    with pytest.raises(ValueError, match="its frames are 0 to 2"):
        sheet(viewer)
    viewer.dims.ndisplay = 3
    with pytest.raises(ValueError, match="has no depth"):
        sheet(viewer)
