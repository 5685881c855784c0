"""Names, download, verification and loading of checkpoints.

- :mod:`~napari_sam2.weights.registry` lists the released models with all their names; importing it costs nothing.
- :mod:`~napari_sam2.weights.download` fetches their files, and verifies them.
- :mod:`~napari_sam2.weights.load` reads, identifies and writes checkpoints.
"""
