import numpy as np
import pytest

from napari_sam2.plugin.region import Region


def test_a_region_is_the_part_of_a_mask_that_is_not_empty():
    mask = np.zeros((6, 8), bool)
    mask[2, 3:6] = mask[4, 5] = True
    region = Region.of(mask)
    assert (region.row0, region.col0, region.pixels.shape) == (2, 3, (3, 3))
    np.testing.assert_array_equal(region.mask((6, 8)), mask)
    mask[2, 3] = False
    assert region.pixels[0, 0], "it is a copy"
    assert not region.pixels.flags.writeable


def test_an_empty_mask_is_no_region():
    with pytest.raises(ValueError, match="Nothing was drawn on the image"):
        Region.of(np.zeros((6, 8), bool))
