"""Nuclei in a volume: each is clicked on where it is largest, and followed to both of its ends."""

import napari_sam2 as sam2
from napari_sam2.data.samples import VOL_EMBRYO_8CELL

session = sam2.Session(VOL_EMBRYO_8CELL.image, along="Z")

for plane, row, column in [(6, 54, 71), (10, 74, 25)]:
    nucleus = session.add_object(f"nucleus on plane {plane}")
    session.add_points(nucleus, frame=plane, points=[(row, column)])

for done in session.propagate(frames=range(5, 12)):  # without frames, through the whole volume
    print(f"plane {done.frame}")

# Planes are 2.18 times as far apart as pixels; with real sizes, volumes are in cubic micrometres.
session.export("labels.tif", "nuclei.csv", pixel_size=[2.18, 1, 1])
