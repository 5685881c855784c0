import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.plugin.image.alignment import FramePlaces
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layer_prompts.shapes import (
    PlacedShape,
    ShapeLeftOutError,
    box_around,
    ellipse_vertices,
    outline_around,
    points_along,
    read_shapes,
)
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.prompts.drawn_prompts import DrawnPrompts, outline_mask, outline_of

STACK = ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8)))
FRAME = STACK.frame_shape


def placed(kind, *vertices):
    return PlacedShape(kind, FramePlaces.of(STACK, np.array(vertices, float)))


def rectangle(frame, row0, col0, row1, col1):
    return placed("rectangle", (frame, row0, col0), (frame, row0, col1), (frame, row1, col1), (frame, row1, col0))


def test_boxes_are_cut_at_the_edge_of_the_image():
    assert box_around([(-5, 3.5), (9.5, 3.5), (9.5, 80), (-5, 80)], FRAME) == (0, 4, 10, 50)
    with pytest.raises(ShapeLeftOutError, match="outside the image"):
        box_around([(-5, -5), (-2, -2)], FRAME)
    with pytest.raises(ShapeLeftOutError, match="without an area"):
        box_around([(5, 3), (5, 9)], FRAME)


def test_an_ellipse_that_is_turned():
    turn = np.array([(0.8, -0.6), (0.6, 0.8)])
    corners = np.array([(-4, -9), (-4, 9), (4, 9), (4, -9)]) @ turn.T + (20, 25)
    away = (ellipse_vertices(corners) - (20, 25)) @ turn
    np.testing.assert_allclose((away / (4, 9)) ** 2 @ [1, 1], 1)
    outline = outline_around("ellipse", corners, FRAME)
    assert outline_mask(outline, FRAME).sum() == pytest.approx(np.pi * 36, rel=0.05)


def test_an_outline_needs_three_vertices():
    with pytest.raises(ShapeLeftOutError, match="without an area"):
        outline_around("polygon", [(3, 3), (6, 6)], FRAME)


def test_points_along_a_stroke_that_leaves_the_image():
    assert points_along([(8, 6), (8, 14)], FRAME) == (Click(8, 8, True), Click(8, 12, True))
    clicks = points_along([(8, 40), (8, 400)], FRAME, False)
    assert all(40 <= click.col < 49.5 and not click.is_inside for click in clicks)
    with pytest.raises(ShapeLeftOutError, match="outside the image"):
        points_along([(60, 6), (60, 14)], FRAME)


def test_shapes_of_one_object_on_a_frame_are_joined():
    polygon = placed("polygon", (1, 4, 4), (1, 4, 9), (1, 9, 9))
    shapes = [rectangle(0, 4.5, 4.5, 9.5, 9.5), rectangle(0, 7.5, 2.5, 19.5, 5.5), polygon, polygon]
    found = read_shapes(shapes, ["a"] * 4, FRAME)
    outline = outline_of([(4, 4), (4, 9), (9, 9)])
    assert found.prompts == (DrawnPrompts("a", 0, box=(5, 3, 20, 10)), DrawnPrompts("a", 1, outlines=(outline, outline)))


def test_a_path_through_frames():
    path = placed("path", (0, 4, 4), (1, 5, 4), (2, 6, 4), (3, 7, 4), (2, 60, 4))
    found = read_shapes([path], [1], FRAME)
    assert found.prompts == tuple(DrawnPrompts(1, frame, (Click(4 + frame, 4, True),)) for frame in range(3))
    assert read_shapes([path], [1], FRAME, only=1).prompts == (DrawnPrompts(1, 1, (Click(5, 4, True),)),)


def test_only_what_is_on_a_frame_is_counted():
    shapes = [rectangle(0, 4, 4, 9, 9), rectangle(1, 60, 4, 69, 9), rectangle(1, 4, 4, 9, 9), rectangle(1, 4, 4, 9, 9)]
    found = read_shapes(shapes, [1, 2, 3, None], FRAME, only=1)
    assert [one.name for one in found.prompts] == [3]
    assert found.left_out == {("shape", "outside the image"): 1, ("shape", "without an object"): 1}
    assert read_shapes(shapes, [1, 2, 3, None], FRAME, only=0).left_out == {}
