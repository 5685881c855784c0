"""The pixels of a file as those of a layer."""

import dask.array
import numpy as np
import pytest

from napari_sam2.images.errors import ImageFileError
from napari_sam2.plugin.image import layer_pixels as module
from napari_sam2.plugin.image.layer_pixels import layer_pixels

VALUES = np.arange(24).reshape(2, 3, 4)


class Damaged:
    """A stack whose second plane cannot be read."""

    shape, ndim, dtype = VALUES.shape, 3, VALUES.dtype

    def __getitem__(self, key):
        if 1 in np.atleast_1d(np.arange(2)[key[0]]):
            raise ImageFileError("plane 1 is damaged")
        return VALUES[key]


def test_few_pixels_are_read_at_once():
    found = layer_pixels(VALUES, 1)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, VALUES)


def test_many_are_read_plane_by_plane(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES_AT_ONCE", 100)
    found = layer_pixels(VALUES, 1)
    assert isinstance(found, dask.array.Array)
    assert found.chunks == ((1, 1), (3,), (4,))
    np.testing.assert_array_equal(found[1].compute(), VALUES[1])


def test_a_plane_that_cannot_be_read_leaves_the_others():
    found = layer_pixels(Damaged(), 1)
    np.testing.assert_array_equal(found[0].compute(), VALUES[0])
    with pytest.raises(ImageFileError, match=r"^plane 1 is damaged$"):
        found[1].compute()


def test_an_image_that_cannot_be_read_is_none():
    class Image(Damaged):
        shape, ndim = (3, 4), 2

    with pytest.raises(ImageFileError, match=r"^plane 1 is damaged$"):
        layer_pixels(Image(), 0)
