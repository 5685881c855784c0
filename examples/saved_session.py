"""Save a session, go on with it later, take a step back, and repeat all of it with a script."""

from pathlib import Path

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK

with sam2.Session(FLUO_MITOCHECK.image) as session:
    session.add_points(session.add_object("first"), frame=0, points=[(44, 37)])
    session.save("movie.sam2")  # from now on each step is saved as it is done
    session.add_points(session.add_object("second"), frame=0, points=[(73, 82)])

with sam2.Session.open("movie.sam2") as session:
    print(session.labels.max(), "objects")
    session.undo()  # also steps of an earlier day
    print(session.labels.max(), "after undo")
    Path("repeat.py").write_text(session.to_script())

with sam2.replay("movie.sam2") as again:  # computes everything anew, here or on another machine
    print(again.labels.max(), "again")
