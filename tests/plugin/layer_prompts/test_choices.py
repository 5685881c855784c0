import numpy as np
import pytest

from napari_sam2.plugin.layer_prompts.choices import guess_object_column, guess_side_column, read_object, read_side


@pytest.mark.parametrize(
    ("features", "objects", "sides"),
    [
        ({}, None, None),
        ({"object": [1, 2], "side": ["inside", "outside"]}, "object", "side"),
        ({"Track_ID": [1, 2], "sign": [1, -1]}, "Track_ID", "sign"),
        ({"label": [1, 0]}, None, "label"),
        ({"label": [4, 7]}, "label", None),
        ({"side": ["left", "right"], "area": [1.5, 2.5]}, None, None),
        ({"positive": [True, True]}, None, None),
    ],
)
def test_what_columns_suggest(features, objects, sides):
    assert (guess_object_column(features), guess_side_column(features)) == (objects, sides)


@pytest.mark.parametrize(
    ("value", "side"),
    [
        (True, True),
        (np.bool_(False), False),
        (1, True),
        (0.0, False),
        (-1, False),
        (np.nan, None),
        (" Outside", False),
        ("+", True),
        ("left", None),
        (None, None),
    ],
)
def test_sides(value, side):
    assert read_side(value) is side


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3, 3),
        (np.uint16(3), 3),
        (3.0, 3),
        (2.5, "2.5"),
        (np.nan, None),
        ("", None),
        (None, None),
        (" 12 ", 12),
        ("12.0", 12),
        ("1.5", "1.5"),
        ("inf", "inf"),
        ("cell A", "cell A"),
        (True, "True"),
    ],
)
def test_objects(value, name):
    found = read_object(value)
    assert (found, type(found)) == (name, type(name))
