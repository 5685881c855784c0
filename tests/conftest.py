"""PyTorch comes through the door of the package, so that tests are as fast beside other work as the package is."""

from napari_sam2 import torch_threads  # noqa: F401
