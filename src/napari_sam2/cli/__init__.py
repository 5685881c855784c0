"""The command ``napari-sam2``."""
