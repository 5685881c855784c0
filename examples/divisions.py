"""A cell divides: the parent ends, its children begin, and the tracks go to TrackMate."""

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK

session = sam2.Session(FLUO_MITOCHECK.image)
cell = session.add_object("cell")
session.add_points(cell, frame=0, points=[(70, 108)])
session.propagate_all("forward", frames=range(4))

first, second = session.divide_object(cell, frame=4)  # it ends before frame 4, where two cells are seen
session.add_points(first, frame=4, points=[(81, 100)])
session.add_points(second, frame=4, points=[(71, 109)])
session.propagate_all("forward", frames=range(4, 7))

print("parent of each child:", session.lineage)
session.export("tracks.xml", "cells.tracks.csv", interval=60)
