"""Tracks for TrackMate, read back by geff's converter."""

from __future__ import annotations

import os
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dividing_cells import EMPTY, LABELS, LINKS, PLACES, SEEN, TIME, UNITS, VOLUMES, stack_of
from napari_sam2.export.result import Result
from napari_sam2.export.trackmate import write_trackmate
from napari_sam2.images.calibration import Calibration

geff = pytest.importorskip("geff")
from_trackmate_xml_to_geff = pytest.importorskip("geff.convert").from_trackmate_xml_to_geff


def read_trackmate(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Missing tag\(s\): \['DisplaySettings'\]")
        warnings.filterwarnings("ignore", message=".*image.*|.*not in valid OME-Zarr units.*")
        from_trackmate_xml_to_geff(path, path.with_suffix(".geff"))
        return geff.read(path.with_suffix(".geff"))


@pytest.mark.parametrize("result", [TIME, VOLUMES], ids=["images", "volumes"])
def test_trackmate(result: Result, tmp_path: Path) -> None:
    write_trackmate(tmp_path / "a.xml", result)
    assert os.listdir(tmp_path) == ["a.xml"]
    graph, metadata = read_trackmate(tmp_path / "a.xml")
    key = {node: (told["OBJECT_ID"], told["FRAME"]) for node, told in graph.nodes(data=True)}
    assert sorted(key.values()) == SEEN
    assert {(key[a], key[b]) for a, b in graph.edges} == LINKS
    for _, told in graph.nodes(data=True):
        y, x = PLACES[told["OBJECT_ID"]]
        assert (told["POSITION_Y"], told["POSITION_X"]) == (y * 0.5, x * 0.25)
        assert told["POSITION_Z"] == (3.0 if result is VOLUMES else 0)
        assert told["POSITION_T"] == told["FRAME"] * 3
    (seven,) = [told for node, told in graph.nodes(data=True) if key[node] == (7, 0)]
    size = 15 * 0.125 * (4 if result is VOLUMES else 1)
    expected = (3 * size / (4 * np.pi)) ** (1 / 3) if result is VOLUMES else (size / np.pi) ** 0.5
    np.testing.assert_allclose(seven["RADIUS"], expected)
    assert [axis.unit for axis in metadata.axes] == ["µm", "µm", "µm", "sec"]


def test_trackmate_outlines_lie_around_the_object(tmp_path: Path) -> None:
    """Three rows by five columns: from the centre 1.5 rows and 2.5 columns, in units; a lone pixel has one too."""
    write_trackmate(tmp_path / "a.xml", TIME)
    graph, _ = read_trackmate(tmp_path / "a.xml")
    outlines = {(told["OBJECT_ID"], told["FRAME"]): np.array(told["ROI_coords"]) for _, told in graph.nodes(data=True)}
    np.testing.assert_allclose(np.abs(outlines[7, 0]).max(0), (2.5 * 0.25, 1.5 * 0.5))
    np.testing.assert_allclose(outlines[7, 0].min(0), -outlines[7, 0].max(0))
    np.testing.assert_allclose(np.abs(outlines[3, 1]).max(0), (0.5 * 0.25, 0.5 * 0.5))


def test_trackmate_finds_the_image(tmp_path: Path) -> None:
    write_trackmate(tmp_path / "a.xml", Result(LABELS, "TYX", UNITS, image_path=tmp_path / "movie & more.tif"))
    text = (tmp_path / "a.xml").read_text(encoding="utf-8")
    assert f'<ImageData filename="movie &amp; more.tif" folder="{tmp_path}" width="30" height="20" nslices="1" nframes="6"' in text
    assert 'pixelwidth="0.25" pixelheight="0.5" voxeldepth="1.0" timeinterval="3.0"' in text


def test_trackmate_without_objects(tmp_path: Path) -> None:
    write_trackmate(tmp_path / "a.xml", EMPTY)
    assert '<AllSpots nspots="0" />' in (tmp_path / "a.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (("inch", "day"), ("in", "d")),
        (("foot", "microsecond"), ("ft", "µs")),
        (("picometer", "hour"), ("pm", "h")),
        (("kilometer", "nanosecond"), ("km", "ns")),
        (("thou", "decasecond"), ("thou", "das")),
        (("decameter", "second"), ("dam", "sec")),
        (("pixel", "frame"), ("pixel", "frame")),
    ],
)
def test_other_units(unit: tuple[str, str], expected: tuple[str, str], tmp_path: Path) -> None:
    write_trackmate(tmp_path / "a.xml", Result(LABELS, "TYX", Calibration(0.5, 0.25, None, 3.0, *unit)))
    model = ET.parse(tmp_path / "a.xml").find("Model")
    assert model is not None
    assert (model.get("spatialunits"), model.get("timeunits")) == expected


def test_names_without_what_xml_cannot_hold(tmp_path: Path) -> None:
    write_trackmate(tmp_path / "a.xml", replace(TIME, names={7: "mother <1>\x07", 900: "größer"}))
    spots = ET.parse(tmp_path / "a.xml").iter("Spot")
    expected = {7: "mother <1>", 900: "größer", 8: "8", 3: "3"}
    assert {int(spot.get("OBJECT_ID", 0)): spot.get("name") for spot in spots} == expected


def test_a_track_is_what_is_linked_and_a_lone_spot_is_none(tmp_path: Path) -> None:
    """Two families, each a mother and her daughters, and an object that is seen once."""
    seen = {1: [0, 1], 2: [2], 3: [2, 3], 5: [0], 6: [1, 3]}
    write_trackmate(tmp_path / "a.xml", Result(stack_of(seen, 4), "TYX", lineage={2: 1, 3: 1}))
    root = ET.parse(tmp_path / "a.xml").getroot()
    object_of = {spot.get("ID"): int(spot.get("OBJECT_ID", 0)) for spot in root.iter("Spot")}
    tracks = [
        (
            track.get("TRACK_ID"),
            int(track.get("NUMBER_SPOTS", 0)),
            {object_of[edge.get(end)] for edge in track for end in ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")},
        )
        for track in root.iter("Track")
    ]
    assert tracks == [("0", 5, {1, 2, 3}), ("1", 2, {6})]
    assert [track.get("TRACK_ID") for track in root.iter("TrackID")] == ["0", "1"]
    assert [frame.get("frame") for frame in root.iter("SpotsInFrame")] == ["0", "1", "2", "3"]
