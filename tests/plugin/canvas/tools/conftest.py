from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.canvas.rubber_band import RubberBand
from napari_sam2.plugin.canvas.stroke_preview import StrokePreview
from napari_sam2.plugin.canvas.tools.sheet import Sheet
from napari_sam2.plugin.image.image_stack import ImageStack


@pytest.fixture
def desk():
    """A frame to draw on, and what shows it: sheet, band, preview and image, in a viewer; what was drawn goes to a list."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(1, 2, 2))
    viewer.dims.set_point(0, 1)
    preview = StrokePreview(viewer)
    sheet = Sheet(viewer, image, ImageStack.of(image))
    preview.begin(image, sheet.stack, "#19e05a")
    return SimpleNamespace(viewer=viewer, image=image, sheet=sheet, band=RubberBand(viewer), preview=preview, drawn=[])
