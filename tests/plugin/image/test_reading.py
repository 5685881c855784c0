import numpy as np
from napari.layers import Image

from napari_sam2.plugin.image.reading import READING_KEY, Reading, choose_reading, reading_of


def test_what_was_chosen_lies_in_the_layer():
    layer = Image(np.zeros((4, 4)))
    assert reading_of(layer) == Reading()
    choose_reading(layer, Reading("YX", level=1))
    assert reading_of(layer) == Reading("YX", level=1)
    layer.metadata[READING_KEY] = "what another program wrote"
    assert reading_of(layer) == Reading()
