import numpy as np
import pytest

from napari_sam2.plugin.prompts.drawn_pixels import DrawnPixels


def test_drawn_pixels_are_the_part_of_a_mask_that_is_not_empty():
    mask = np.zeros((6, 8), bool)
    mask[2, 3:6] = mask[4, 5] = True
    drawn = DrawnPixels.of(mask)
    assert (drawn.row0, drawn.col0, drawn.pixels.shape) == (2, 3, (3, 3))
    np.testing.assert_array_equal(drawn.mask((6, 8)), mask)
    mask[2, 3] = False
    assert drawn.pixels[0, 0], "it is a copy"
    assert not drawn.pixels.flags.writeable


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="Nothing was drawn on the image"):
        DrawnPixels.of(np.zeros((6, 8), bool))
