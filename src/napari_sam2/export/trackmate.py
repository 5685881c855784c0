"""Tracks as TrackMate XML, which Fiji opens with *Load a TrackMate file*: spots with their outlines, and links.

No kept package writes this format. Elements and attributes have the names of TrackMate 7, ``fiji.plugin.trackmate.io.TmXmlKeys``.
"""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import approximate_polygon, find_contours

from napari_sam2.export.measure import Measurement
from napari_sam2.export.result import Result
from napari_sam2.export.tracks import Tracks, find_tracks
from napari_sam2.files import atomic_path
from napari_sam2.images.units import UNITS
from napari_sam2.version import __version__

VERSION = "7.11.1"
CONTOUR_TOLERANCE_PX = 0.3
_SPOT_FEATURES = (
    ("QUALITY", "Quality", "QUALITY", False),
    ("POSITION_X", "X", "POSITION", False),
    ("POSITION_Y", "Y", "POSITION", False),
    ("POSITION_Z", "Z", "POSITION", False),
    ("POSITION_T", "T", "TIME", False),
    ("FRAME", "Frame", "NONE", True),
    ("RADIUS", "Radius", "LENGTH", False),
    ("VISIBILITY", "Visibility", "NONE", True),
    ("OBJECT_ID", "Label of the object", "NONE", True),
)
_EDGE_FEATURES = (
    ("SPOT_SOURCE_ID", "Source spot ID", "NONE", True),
    ("SPOT_TARGET_ID", "Target spot ID", "NONE", True),
)
_TRACK_FEATURES = (
    ("TRACK_ID", "Track ID", "NONE", True),
    ("TRACK_INDEX", "Track index", "NONE", True),
    ("NUMBER_SPOTS", "Number of spots in track", "NONE", True),
)


def write_trackmate(path: Path, result: Result) -> None:
    """Write tracks for TrackMate, in calibrated units.

    Parameters
    ----------
    path : Path
        ``.xml``.
    result : Result
        Labels with a time axis. A track has all linked spots: a parent and its children are one. Outlines are written of images
        only; spots of volumes are spheres of the same volume.

    Raises
    ------
    ValueError
        If there is no time axis, a parent begins after its child, a label is not between 0 and 65535, or it cannot be written
        there.
    """
    tracks = find_tracks(result)
    root = ET.Element("TrackMate", version=VERSION)
    ET.SubElement(root, "Log").text = f"Written by napari-sam2 {__version__}."
    pixel = result.calibration
    model = ET.SubElement(
        root,
        "Model",
        spatialunits=_unit(pixel.length_unit),
        timeunits=_unit(pixel.time_unit),
    )
    declared = ET.SubElement(model, "FeatureDeclarations")
    for kind, features in (("SpotFeatures", _SPOT_FEATURES), ("EdgeFeatures", _EDGE_FEATURES), ("TrackFeatures", _TRACK_FEATURES)):
        group = ET.SubElement(declared, kind)
        for key, name, dimension, is_whole in features:
            ET.SubElement(
                group, "Feature", feature=key, name=name, shortname=name, dimension=dimension, isint=str(is_whole).lower()
            )
    _add_spots(model, result, tracks)
    _add_tracks(model, tracks)
    _add_settings(root, result)
    ET.indent(root)
    with atomic_path(path) as partial:
        ET.ElementTree(root).write(partial, encoding="UTF-8", xml_declaration=True)


def _unit(name: str) -> str:
    # "sec" is what TrackMate itself writes; any other text is shown as it is.
    return "sec" if name == "second" else UNITS[name].symbol if name in UNITS else name


def _add_spots(model: ET.Element, result: Result, tracks: Tracks) -> None:
    group = ET.SubElement(model, "AllSpots", nspots=str(len(tracks.rows)))
    numbered = sorted(enumerate(tracks.rows), key=lambda item: item[1].frame)
    for frame, spots in itertools.groupby(numbered, key=lambda item: item[1].frame):
        of_frame = ET.SubElement(group, "SpotsInFrame", frame=str(frame))
        plane = None if result.is_volume else result.cut({"T": frame})
        for number, row in spots:
            spot = ET.SubElement(of_frame, "Spot", _spot(number, row, result))
            if plane is not None:
                outline = _outline(plane == row.object_id, row, result)
                spot.set("ROI_N_POINTS", str(len(outline)))
                spot.text = " ".join(f"{value:.6g}" for value in outline.ravel())


def _spot(number: int, row: Measurement, result: Result) -> dict[str, str]:
    pixel, steps = result.calibration, result.calibration.steps(result.space)
    *depth, y, x = (index * step for index, step in zip(row.centroid_px, steps, strict=True))
    size = row.size_px * float(np.prod(steps))
    radius = (3 * size / (4 * np.pi)) ** (1 / 3) if result.is_volume else (size / np.pi) ** 0.5
    values = {"QUALITY": 1.0, "POSITION_X": x, "POSITION_Y": y, "POSITION_Z": depth[0] if depth else 0.0}
    values |= {"POSITION_T": row.frame * pixel.t, "RADIUS": radius}
    whole = {"ID": number, "FRAME": row.frame, "VISIBILITY": 1, "OBJECT_ID": row.object_id}
    # XML has no way to write most control characters.
    name = "".join(letter for letter in result.name(row.object_id) if letter.isprintable())
    return {"name": name, **{k: f"{v:.9g}" for k, v in values.items()}, **{k: str(v) for k, v in whole.items()}}


def _outline(mask: npt.NDArray[np.bool_], row: Measurement, result: Result) -> npt.NDArray[np.float64]:
    """Outline of the largest part, (N, 2): x and y from the centre, in calibrated units."""
    row0, col0, row1, col1 = row.bbox_px
    contours = find_contours(np.pad(mask[row0:row1, col0:col1], 1).astype(float), 0.5)
    contour = approximate_polygon(max(contours, key=len), CONTOUR_TOLERANCE_PX)[:-1] + np.array([row0 - 1, col0 - 1])
    return ((contour - np.array(row.centroid_px)) * result.calibration.steps("YX"))[:, ::-1]


def _add_tracks(model: ET.Element, tracks: Tracks) -> None:
    group, shown = ET.SubElement(model, "AllTracks"), ET.SubElement(model, "FilteredTracks")
    links = np.array(tracks.links(), np.intp).reshape(-1, 2)
    linked = coo_array((np.ones(len(links)), links.T), shape=(len(tracks.rows),) * 2)
    parts = connected_components(linked, directed=False)[1]
    # A spot without a link is no track.
    for number, part in enumerate(dict.fromkeys(parts[links[:, 0]].tolist())):
        num_spots = int((parts == part).sum())
        named = {"name": f"Track_{number}", "TRACK_ID": str(number), "TRACK_INDEX": str(number), "NUMBER_SPOTS": str(num_spots)}
        track = ET.SubElement(group, "Track", named)
        for source, target in links[parts[links[:, 0]] == part].tolist():
            ET.SubElement(track, "Edge", SPOT_SOURCE_ID=str(source), SPOT_TARGET_ID=str(target))
        ET.SubElement(shown, "TrackID", TRACK_ID=str(number))


def _add_settings(root: ET.Element, result: Result) -> None:
    pixel, image = result.calibration, result.image_path
    sizes = {"width": result.size("X"), "height": result.size("Y"), "nslices": result.size("Z"), "nframes": result.size("T")}
    steps = {"pixelwidth": pixel.x, "pixelheight": pixel.y, "voxeldepth": pixel.z or 1.0, "timeinterval": pixel.t}
    file = {"filename": image.name, "folder": str(image.resolve().parent)} if image else {"filename": "", "folder": ""}
    settings = ET.SubElement(root, "Settings")
    ET.SubElement(settings, "ImageData", file | {key: str(value) for key, value in {**sizes, **steps}.items()})
    ends = {"xend": "width", "yend": "height", "zend": "nslices", "tend": "nframes"}
    whole = {f"{axis}start": "0" for axis in "xyzt"} | {key: str(sizes[size] - 1) for key, size in ends.items()}
    ET.SubElement(settings, "BasicSettings", whole)
    ET.SubElement(settings, "InitialSpotFilter", feature="QUALITY", value="0.0", isabove="true")
    for empty in ("SpotFilterCollection", "TrackFilterCollection", "AnalyzerCollection"):
        ET.SubElement(settings, empty)
    ET.SubElement(root, "GUIState", state="ConfigureViews")
