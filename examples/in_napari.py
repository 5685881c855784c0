"""Show what a script found in napari: image, labels and tracks; and open the dock, to go on by hand."""

import napari

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.export.tracks import napari_tracks

session = sam2.Session(FLUO_MITOCHECK.image)
for row, column in [(44, 37), (73, 82)]:
    session.add_points(session.add_object(), frame=0, points=[(row, column)])
session.propagate_all(frames=range(3))

viewer = napari.Viewer()
viewer.open_sample("napari-sam2", "fluo_mitocheck")
viewer.add_labels(session.labels, name="objects")
data, graph = napari_tracks(session.result())
viewer.add_tracks(data, graph=graph, name="tracks")
dock, widget = viewer.window.add_plugin_dock_widget("napari-sam2")

if __name__ == "__main__":
    napari.run()
