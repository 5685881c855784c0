"""Look at the most uncertain masks, correct one, follow it again, and take it back."""

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK

session = sam2.Session(FLUO_MITOCHECK.image)
for row, column in [(44, 37), (73, 82)]:
    session.add_points(session.add_object(), frame=0, points=[(row, column)])
session.propagate_all(frames=range(5))

for item in session.review_queue()[:3]:
    print(f"object {item.object_id} on frame {item.frame}: uncertainty {item.uncertainty:.2f}")

worst = session.review_queue()[0]
area = (session.labels[worst.frame] == worst.object_id).sum()
session.end_object(worst.object_id, worst.frame)  # it is not there any more; or a click: session.add_points(...)
print(f"{area} pixels before, {(session.labels[worst.frame] == worst.object_id).sum()} after")

session.undo()
print(f"{(session.labels[worst.frame] == worst.object_id).sum()} after undo")
