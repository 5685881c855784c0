"""Follow what another program, such as Cellpose or StarDist, segmented on one frame."""

import tifffile

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK

labels = tifffile.imread(FLUO_MITOCHECK.masks)[0]  # a label image: 0 is background, each nucleus a number

session = sam2.Session(FLUO_MITOCHECK.image)
objects = session.add_labels(labels, frame=0, ids=[6, 7, 8])  # without ids, all of them
print("objects", objects)

for done in session.propagate("forward", frames=range(3)):
    print(f"frame {done.frame}")

session.export("labels.tif")
