"""Tracks in every format, read back by others: geff, py-ctcmetrics, and TrackMate files by geff's converter."""

from __future__ import annotations

import builtins
import os
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import geff
import numpy as np
import pytest
import tifffile
from ctc_metrics.metrics.validation.valid import valid
from geff.convert import from_trackmate_xml_to_geff
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.export import ctc as ctc_module
from napari_sam2.export.ctc import CtcTrack, ctc_tracks, write_ctc
from napari_sam2.export.geff import write_geff
from napari_sam2.export.result import Result
from napari_sam2.export.trackmate import write_trackmate
from napari_sam2.export.tracks import find_tracks, napari_tracks, write_napari_tracks
from napari_sam2.images.calibration import Calibration

UNITS = Calibration(0.5, 0.25, 2.0, 3.0, "micrometer", "second")
LABELS = np.zeros((6, 20, 30), np.uint16)
"""7 divides after frame 2 into 8 and 900; 8 is gone on frame 4; 3 is on one frame."""
LABELS[0:3, 2:5, 3:8] = 7
LABELS[[3, 5], 2:5, 3:6] = 8
LABELS[3:, 2:5, 9:11] = 900
LABELS[1, 10, 20] = 3
PARENTS = {8: 7, 900: 7}
TIME = Result(LABELS, "TYX", UNITS, PARENTS)
VOLUMES = Result(np.stack([LABELS * 0, LABELS, LABELS], axis=1), "TZYX", UNITS, PARENTS)
EMPTY = Result(LABELS * 0, "TYX", UNITS, PARENTS)
PLACES = {7: (3, 5), 8: (3, 4), 900: (3, 9.5), 3: (10, 20)}
SEEN = [(3, 1), (7, 0), (7, 1), (7, 2), (8, 3), (8, 5), (900, 3), (900, 4), (900, 5)]
LINKS = {
    ((7, 0), (7, 1)),
    ((7, 1), (7, 2)),
    ((7, 2), (8, 3)),
    ((8, 3), (8, 5)),
    ((7, 2), (900, 3)),
    ((900, 3), (900, 4)),
    ((900, 4), (900, 5)),
}


def stack_of(seen: dict[int, list[int]], num_frames: int) -> np.ndarray:
    """Labels of objects that are one pixel each."""
    labels = np.zeros((num_frames, 1, max(seen, default=0) + 1), np.uint16)
    for object_id, frames in seen.items():
        labels[frames, 0, object_id] = object_id
    return labels


# --- napari --------------------------------------------------------------------------------------------------------


def test_napari_tracks() -> None:
    data, graph = napari_tracks(TIME)
    np.testing.assert_allclose(data, [(i, t, *PLACES[i]) for i, t in SEEN])
    assert graph == {8: [7], 900: [7]}
    data, _ = napari_tracks(VOLUMES)
    np.testing.assert_allclose(data, [(i, t, 1.5, *PLACES[i]) for i, t in SEEN])
    data, graph = napari_tracks(EMPTY)
    assert (data.shape, graph) == ((0, 4), {})


def test_napari_takes_them() -> None:
    layers = pytest.importorskip("napari.layers")
    data, graph = napari_tracks(TIME)
    layer = layers.Tracks(data, graph=graph)
    np.testing.assert_allclose(layer.data, data)
    assert layer.graph == graph


def test_napari_tracks_as_csv(tmp_path: Path) -> None:
    write_napari_tracks(tmp_path / "a.tracks.csv", VOLUMES)
    lines = (tmp_path / "a.tracks.csv").read_text().splitlines()
    assert lines[:2] == ["track_id,t,z,y,x,parent_id", "3,1,1.5,10,20,0"]
    assert lines[5] == "8,3,1.5,3,4,7"
    assert len(lines) == 10


# --- Cell Tracking Challenge ---------------------------------------------------------------------------------------


def cut(result: Result) -> list[CtcTrack]:
    tracks = find_tracks(result)
    return ctc_tracks(tracks.frames(), tracks.lineage)


def test_gaps_and_divisions_cut_tracks() -> None:
    assert cut(TIME) == [
        CtcTrack(1, 5, 5, 8, 8),  # 8 after its gap
        CtcTrack(3, 1, 1, 0, 3),
        CtcTrack(7, 0, 2, 0, 7),
        CtcTrack(8, 3, 3, 7, 8),
        CtcTrack(900, 3, 5, 7, 900),
    ]


def test_a_mother_that_lives_on_is_cut_where_the_bud_appears() -> None:
    budding = Result(stack_of({1: [0, 1, 2, 3], 2: [2, 3]}, 4), "TYX", lineage={2: 1})
    assert cut(budding) == [CtcTrack(1, 0, 1, 0, 1), CtcTrack(2, 2, 3, 1, 2), CtcTrack(3, 2, 3, 1, 1)]


def lineages() -> Any:
    """Objects on any frames, and mothers of a lower number that were seen before."""
    seen = st.dictionaries(st.integers(1, 8), st.lists(st.integers(0, 6), min_size=1, unique=True).map(sorted), min_size=1)
    return st.tuples(seen, st.dictionaries(st.integers(2, 8), st.integers(1, 7)))


@settings(deadline=None, max_examples=40)
@given(lineages())
def test_what_is_written_is_valid_for_the_challenge(drawn: Any) -> None:
    seen, mothers = drawn
    parents = {
        child: mother for child, mother in mothers.items() if {child, mother} <= set(seen) and seen[mother][0] < seen[child][0]
    }
    labels = stack_of(seen, 7)
    pieces = cut(Result(labels, "TYX", lineage=parents))
    table = np.array([(piece.label, piece.first, piece.last, piece.parent) for piece in pieces])
    in_frames = [
        [piece.label for piece in pieces if t in seen[piece.object_id] and piece.first <= t <= piece.last] for t in range(7)
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty frame")
        assert valid(["" for _ in range(7)], table, in_frames) == 1
    # nothing is lost, nothing is there twice
    assert sorted((piece.object_id, t) for piece in pieces for t in range(piece.first, piece.last + 1)) == sorted(
        (i, t) for i, frames in seen.items() for t in frames
    )
    assert len(pieces) == len({piece.label for piece in pieces})
    # the first piece keeps its label, and comes from the mother
    label_owner = {piece.label: piece.object_id for piece in pieces}
    for child, mother in parents.items():
        (first,) = [piece for piece in pieces if piece.label == child]
        assert first.first == seen[child][0]
        assert label_owner[first.parent] == mother


@pytest.mark.parametrize("result", [TIME, VOLUMES], ids=["images", "volumes"])
def test_ctc(result: Result, tmp_path: Path) -> None:
    folder = tmp_path / "01_RES"
    for _ in range(2):  # an earlier result is replaced
        write_ctc(folder, result)
    assert (folder / "res_track.txt").read_text() == "1 5 5 8\n3 1 1 0\n7 0 2 0\n8 3 3 7\n900 3 5 7\n"
    assert sorted(os.listdir(folder)) == [*(f"mask{t:03d}.tif" for t in range(6)), "res_track.txt"]
    for t in range(6):
        picture = tifffile.imread(folder / f"mask{t:03d}.tif")
        assert picture.dtype == np.uint16
        given = result.labels[t]
        np.testing.assert_array_equal(picture, np.where(given == 8, 1, given) if t == 5 else given)
    assert os.listdir(tmp_path) == ["01_RES"]


@pytest.mark.parametrize("other", ["notes.txt", "man_track000.tif"])
def test_a_folder_with_anything_else_in_it_is_not_replaced(other: str, tmp_path: Path) -> None:
    write_ctc(tmp_path / "01_RES", EMPTY)
    (tmp_path / "01_RES" / other).touch()
    with pytest.raises(ValueError, match="01_RES is there already and is not an earlier result"):
        write_ctc(tmp_path / "01_RES", TIME)


def test_ctc_without_objects(tmp_path: Path) -> None:
    write_ctc(tmp_path / "01_RES", EMPTY)
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == ""
    assert len(os.listdir(tmp_path / "01_RES")) == 7


def test_more_than_a_thousand_frames(tmp_path: Path) -> None:
    write_ctc(tmp_path / "01_RES", Result(np.zeros((1001, 1, 1), np.uint8), "TYX"))
    assert {"mask0000.tif", "mask1000.tif"} < set(os.listdir(tmp_path / "01_RES"))


def test_too_many_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All labels are taken, and one object has a gap."""
    monkeypatch.setattr(ctc_module, "MAX_LABEL", 5)
    seen = {1: [0], 2: [0], 3: [0], 4: [0], 5: [0]}
    write_ctc(tmp_path / "01_RES", Result(stack_of(seen, 3), "TYX"))
    assert len((tmp_path / "01_RES" / "res_track.txt").read_text().splitlines()) == 5
    with pytest.raises(ValueError, match="there are more than 5 tracks"):
        write_ctc(tmp_path / "02_RES", Result(stack_of({**seen, 5: [0, 2]}, 3), "TYX"))
    assert os.listdir(tmp_path) == ["01_RES"]


# --- graphs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [TIME, VOLUMES], ids=["images", "volumes"])
def test_geff(result: Result, tmp_path: Path) -> None:
    for _ in range(2):  # an earlier result is replaced
        write_geff(tmp_path / "a.geff", result)
    graph, metadata = geff.read(tmp_path / "a.geff", structure_validation=True)
    key = {node: (told["object_id"], told["t"]) for node, told in graph.nodes(data=True)}
    assert sorted(key.values()) == SEEN
    assert {(key[a], key[b]) for a, b in graph.edges} == LINKS
    for _, told in graph.nodes(data=True):
        assert (told["y"], told["x"]) == PLACES[told["object_id"]]
        assert told.get("z") == (1.5 if result is VOLUMES else None)
    assert [(axis.name, axis.type, axis.unit, axis.scale, axis.scaled_unit) for axis in metadata.axes] == [
        ("t", "time", "frame", 3, "second"),
        *([("z", "space", "pixel", 2, "micrometer")] if result is VOLUMES else []),
        ("y", "space", "pixel", 0.5, "micrometer"),
        ("x", "space", "pixel", 0.25, "micrometer"),
    ]
    assert metadata.directed
    assert os.listdir(tmp_path) == ["a.geff"]


@pytest.mark.parametrize(
    ("unit", "in_geff", "in_trackmate"),
    [
        (("inch", "day"), (0.25, "inch", 3, "day"), ("in", "d")),
        (("foot", "microsecond"), (0.25, "foot", 3, "microsecond"), ("ft", "µs")),
        (("picometer", "hour"), (0.25, "picometer", 3, "hour"), ("pm", "h")),
        (("kilometer", "nanosecond"), (0.25, "kilometer", 3, "nanosecond"), ("km", "ns")),
        # which GEFF, like OME-Zarr, does not list
        (("thou", "decasecond"), (6.35, "micrometer", 30, "second"), ("thou", "das")),
        (("decameter", "second"), (2_500_000, "micrometer", 3, "second"), ("dam", "sec")),
    ],
)
def test_other_units(unit: tuple[str, str], in_geff: Any, in_trackmate: tuple[str, str], tmp_path: Path) -> None:
    result = Result(LABELS, "TYX", Calibration(0.5, 0.25, None, 3.0, *unit))
    write_geff(tmp_path / "a.geff", result)
    t, _, x = geff.read(tmp_path / "a.geff")[1].axes
    assert (x.scale, x.scaled_unit, t.scale, t.scaled_unit) == in_geff
    write_trackmate(tmp_path / "a.xml", result)
    model = ET.parse(tmp_path / "a.xml").find("Model")
    assert model is not None
    assert (model.get("spatialunits"), model.get("timeunits")) == in_trackmate


def test_names(tmp_path: Path) -> None:
    """In GEFF, and as the name of a spot; what XML cannot hold is left out."""
    named = replace(TIME, names={7: "mother <1>\x07", 900: "größer"})
    expected = {7: "mother <1>", 900: "größer", 8: "8", 3: "3"}
    write_geff(tmp_path / "a.geff", named)
    graph, _ = geff.read(tmp_path / "a.geff")
    assert {told["object_id"]: told["name"].rstrip("\x07") for _, told in graph.nodes(data=True)} == expected
    write_trackmate(tmp_path / "a.xml", named)
    spots = ET.parse(tmp_path / "a.xml").iter("Spot")
    assert {int(spot.get("OBJECT_ID", 0)): spot.get("name") for spot in spots} == expected


def test_geff_without_objects(tmp_path: Path) -> None:
    write_geff(tmp_path / "a.geff", Result(LABELS * 0, "TYX"))
    graph, metadata = geff.read(tmp_path / "a.geff")
    assert (len(graph), [axis.scale for axis in metadata.axes]) == (0, [None] * 3)


def test_geff_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: whole("there_is_none" if name == "geff.core_io" else name, *rest)
    )
    with pytest.raises(ImportError, match=r"GEFF needs an extra: pip install 'napari-sam2\[export\]'"):
        write_geff(tmp_path / "a.geff", TIME)


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


# --- what has no tracks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_napari_tracks, write_ctc, write_geff, write_trackmate])
def test_without_time_or_with_a_daughter_before_her_mother(write: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tracks go through time: labels with the axes ZYX have none"):
        write(tmp_path / "a", Result(LABELS, "ZYX"))
    with pytest.raises(ValueError, match="object 8 cannot be the parent of 7: it begins on frame 3, its child on frame 0"):
        write(tmp_path / "a", Result(LABELS, "TYX", lineage={7: 8}))
    assert os.listdir(tmp_path) == []


def test_one_frame() -> None:
    tracks = find_tracks(Result(LABELS[:1], "TYX"))
    assert (len(tracks.rows), tracks.links()) == (1, [])
    assert cut(Result(LABELS[:1], "TYX")) == [CtcTrack(7, 0, 0, 0, 7)]
