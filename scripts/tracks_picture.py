"""Track everything in the bundled time-lapse, and draw it with outlines and paths: three frames as a picture, all as a movie.

    python scripts/tracks_picture.py PICTURE.png MOVIE.gif [SESSION.sam2]

With a session file it goes on where an earlier run was stopped.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageDraw

from napari_sam2.cli.main import main as napari_sam2
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.export.colours import outline_colours
from napari_sam2.export.pictures import OutlinedFrames, write_strip
from napari_sam2.images.stack import Stack

ZOOM = 3
ZOOM_OF_MOVIE = 2
FRAMES_OF_PATH = 10
GREYS_OF_MOVIE = 16
MS_PER_FRAME = 250
MS_AT_END = 1500


class DrawnTracks:
    """The frames of the time-lapse with what was tracked in them.

    Parameters
    ----------
    labels : ndarray
        (T, H, W).
    tracks : Path
        The table of tracks.
    """

    def __init__(self, labels: npt.NDArray[np.integer], tracks: Path) -> None:
        rows = list(csv.DictReader(tracks.read_text().splitlines()))
        self._labels = labels
        self._at = {(int(row["track_id"]), int(row["t"])): (float(row["x"]), float(row["y"])) for row in rows}
        self._parents = {int(row["track_id"]): int(row["parent_id"]) for row in rows if row["parent_id"] != "0"}
        self._colours = outline_colours({track for track, _ in self._at})

    def frames(self, numbers: list[int], zoom: int) -> list[npt.NDArray[np.uint8]]:
        """Draw frames, enlarged."""
        outlined = OutlinedFrames(Stack.open(FLUO_MITOCHECK.image), self._labels, zoom)
        pictures = []
        for frame in numbers:
            image = Image.fromarray(outlined[frame])
            draw = ImageDraw.Draw(image)
            for track, _ in (key for key in self._at if key[1] == frame):
                path = [(zoom * (x + 0.5), zoom * (y + 0.5)) for x, y in self._path(track, frame)]
                draw.line(path, fill=self._colours[track], width=2)
            pictures.append(np.asarray(image))
        return pictures

    def _path(self, track: int, frame: int) -> list[tuple[float, float]]:
        """Positions on the latest frames; a child goes on from its parent."""
        path, one = [], track
        for t in range(frame, max(-1, frame - FRAMES_OF_PATH), -1):
            one = one if (one, t) in self._at else self._parents.get(one, one)
            if (one, t) in self._at:
                path.append(self._at[one, t])
        return path


def write_movie(path: Path, frames: list[npt.NDArray[np.uint8]]) -> None:
    """Write a GIF that begins again, of few greys and all colours of the tracks."""
    pixels = np.concatenate(frames).reshape(-1, 3)
    colours, counts = np.unique(pixels[np.ptp(pixels, axis=1) > 0], axis=0, return_counts=True)
    frequent = colours[np.argsort(-counts)[: 256 - GREYS_OF_MOVIE]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*np.repeat(np.linspace(0, 255, GREYS_OF_MOVIE).astype(int), 3).tolist(), *frequent.ravel().tolist()])
    first, *others = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [MS_PER_FRAME] * len(others) + [MS_AT_END]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)


def main(picture: Path, movie: Path, session: Path | None = None) -> None:
    """Draw the picture and the movie."""
    with tempfile.TemporaryDirectory() as folder:
        labels_path, tracks_path = Path(folder) / "labels.tif", Path(folder) / "a.tracks.csv"
        words = ["track", str(FLUO_MITOCHECK.image), "-o", str(labels_path), "-o", str(tracks_path)]
        if napari_sam2([*words, *([] if session is None else ["--session", str(session)])]):
            raise SystemExit(1)
        labels = tifffile.imread(labels_path)
        drawn = DrawnTracks(labels, tracks_path)
    frames = [0, len(labels) // 2, len(labels) - 1]
    write_strip(picture, drawn.frames(frames, ZOOM), [f"frame {frame}" for frame in frames])
    write_movie(movie, drawn.frames(list(range(len(labels))), ZOOM_OF_MOVIE))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
