"""Colours of objects: those of napari's Labels layer, and those that were chosen."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.export.colours import object_colours, outline_colours


def test_colours_are_those_that_the_widget_shows() -> None:
    layer = pytest.importorskip("napari.layers").Labels(np.zeros((2, 2), np.uint16))
    ids = [*range(1, 120), 255, 256, 40000, 65535]
    shown = {i: tuple(np.round(255 * layer.get_color(i)[:3]).astype(int).tolist()) for i in ids}
    assert object_colours(ids) == shown


def test_outlines_can_be_seen() -> None:
    """Bright, not grey, of the hue of the label; a chosen colour as it is."""
    ids = range(1, 50)
    vivid = np.array(list(outline_colours(ids).values()))
    assert (vivid.max(1) == 255).all()
    assert (vivid.min(1) <= 90).all()
    labels = np.array(list(object_colours(ids).values()))
    np.testing.assert_array_equal(vivid.argmax(1), labels.argmax(1))
    assert outline_colours([13, 14], {13: "#101010"}) == {13: (16, 16, 16), 14: outline_colours([14])[14]}


def test_what_was_chosen_goes_first() -> None:
    assert object_colours([7, 3], {3: "#ff8000", 5: "#000000"}) == {7: object_colours([7])[7], 3: (255, 128, 0)}
    assert list(object_colours([7, 3])) == [7, 3]
    assert object_colours([]) == {}
