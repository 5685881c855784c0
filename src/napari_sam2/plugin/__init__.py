"""napari: layers, keys and the controller. Nothing here knows Qt; the widgets are in :mod:`napari_sam2.plugin.qt`."""
