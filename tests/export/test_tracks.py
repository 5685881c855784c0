"""Objects as tracks, and as napari's Tracks layer has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dividing_cells import EMPTY, LABELS, LINKS, PLACES, SEEN, TIME, VOLUMES, stack_of
from napari_sam2.export.ctc import write_ctc
from napari_sam2.export.geff import write_geff
from napari_sam2.export.result import Result
from napari_sam2.export.trackmate import write_trackmate
from napari_sam2.export.tracks import find_tracks, napari_tracks, write_napari_tracks
from wheels import needs_geff


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


@needs_geff
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


@pytest.mark.parametrize("result", [TIME, VOLUMES], ids=["images", "volumes"])
def test_links_go_on_across_a_gap_and_from_a_mother_to_her_daughters(result: Result) -> None:
    tracks = find_tracks(result)
    key = [(row.object_id, row.frame) for row in tracks.rows]
    assert key == SEEN
    assert {(key[a], key[b]) for a, b in tracks.links()} == LINKS
    assert tracks.links() == sorted(tracks.links())
    assert tracks.frames() == {3: [1], 7: [0, 1, 2], 8: [3, 5], 900: [3, 4, 5]}


def test_a_mother_that_lives_on_is_linked_from_where_she_was_seen_before() -> None:
    budding = find_tracks(Result(stack_of({1: [0, 1, 3, 4], 2: [3, 4]}, 5), "TYX", lineage={2: 1}))
    key = [(row.object_id, row.frame) for row in budding.rows]
    links = [(key[a], key[b]) for a, b in budding.links()]
    assert links == [((1, 0), (1, 1)), ((1, 1), (1, 3)), ((1, 1), (2, 3)), ((1, 3), (1, 4)), ((2, 3), (2, 4))]
