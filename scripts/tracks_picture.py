"""Track everything in the bundled time-lapse, and draw its first, middle and last frame with outlines and paths.

    python scripts/tracks_picture.py PICTURE.png [SESSION.sam2]

With a session file it goes on where an earlier run was stopped.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw

from napari_sam2.cli.main import main as napari_sam2
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.export.colours import outline_colours
from napari_sam2.export.pictures import OutlinedFrames, write_strip
from napari_sam2.images.stack import Stack

ZOOM = 3
FRAMES_OF_PATH = 10


def main(picture: Path, session: Path | None = None) -> None:
    """Draw the picture."""
    with tempfile.TemporaryDirectory() as folder:
        labels_path, tracks_path = Path(folder) / "labels.tif", Path(folder) / "a.tracks.csv"
        words = ["track", str(FLUO_MITOCHECK.image), "-o", str(labels_path), "-o", str(tracks_path)]
        if napari_sam2([*words, *([] if session is None else ["--session", str(session)])]):
            raise SystemExit(1)
        labels = tifffile.imread(labels_path)
        rows = list(csv.DictReader(tracks_path.read_text().splitlines()))
    at = {(int(row["track_id"]), int(row["t"])): (float(row["x"]), float(row["y"])) for row in rows}
    parents = {int(row["track_id"]): int(row["parent_id"]) for row in rows if row["parent_id"] != "0"}
    colours = outline_colours({track for track, _ in at})
    outlined = OutlinedFrames(Stack.open(FLUO_MITOCHECK.image), labels, ZOOM)
    frames = [0, len(labels) // 2, len(labels) - 1]
    pictures = []
    for frame in frames:
        image = Image.fromarray(outlined[frame])
        draw = ImageDraw.Draw(image)
        for track, _ in (key for key in at if key[1] == frame):
            path, one = [], track
            for t in range(frame, max(-1, frame - FRAMES_OF_PATH), -1):
                one = one if (one, t) in at else parents.get(one, one)  # a child goes on from its parent
                if (one, t) in at:
                    path.append(tuple(ZOOM * (value + 0.5) for value in at[one, t]))
            draw.line(path, fill=colours[track], width=2)
        pictures.append(np.asarray(image))
    write_strip(picture, pictures, [f"frame {frame}" for frame in frames])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
