"""Click on nuclei of a time-lapse, follow them, and write labels, a table and a movie."""

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK

session = sam2.Session(FLUO_MITOCHECK.image)  # or your own: sam2.Session("movie.tif")

for row, column in [(44, 37), (73, 82), (101, 89)]:
    nucleus = session.add_object()
    mask = session.add_points(nucleus, frame=0, points=[(row, column)])
    print(f"object {nucleus}: {mask.sum()} pixels")

for done in session.propagate(frames=range(4)):  # without frames, through all of the movie
    print(f"frame {done.frame}")

session.export("labels.tif", "objects.csv", "outlines.gif")
