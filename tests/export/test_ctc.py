"""Tracks as the Cell Tracking Challenge has them, checked by py-ctcmetrics."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from ctc_metrics.metrics.validation.valid import valid
from hypothesis import given, settings
from hypothesis import strategies as st

from dividing_cells import EMPTY, LABELS, TIME, VOLUMES, stack_of
from napari_sam2.export import ctc as ctc_module
from napari_sam2.export.ctc import CtcTrack, ctc_tracks, is_ctc, read_ctc_lineage, write_ctc
from napari_sam2.export.result import Result
from napari_sam2.export.tracks import find_tracks


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


def test_one_frame() -> None:
    assert cut(Result(LABELS[:1], "TYX")) == [CtcTrack(7, 0, 0, 0, 7)]


def test_mothers_are_read_from_the_text_file(tmp_path: Path) -> None:
    assert read_ctc_lineage(tmp_path) == read_ctc_lineage(tmp_path / "gone") == {}
    (tmp_path / "man_track.txt").write_text("1 0 5 0\n2 6 9 1\n\t3  6 8 1 \n900 9 9 3\n")
    assert read_ctc_lineage(tmp_path) == {2: 1, 3: 1, 900: 3}


def test_mothers_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_ctc(tmp_path / "01_RES", TIME)
    assert read_ctc_lineage(tmp_path / "01_RES") == {1: 8, 8: 7, 900: 7}


@pytest.mark.parametrize("line", ["2 6 9", "2 6 9 1 0", "2 6 9 -1", "2 6 9 one", "2,6,9,1"])
def test_a_line_that_is_not_four_whole_numbers(line: str, tmp_path: Path) -> None:
    (tmp_path / "man_track.txt").write_text(f"1 0 5 0\n{line}\n")
    with pytest.raises(ValueError, match="line 2: expected label, first frame, last frame and parent") as caught:
        read_ctc_lineage(tmp_path)
    expected = f"{tmp_path / 'man_track.txt'}, line 2: expected label, first frame, last frame and parent, got {line!r}"
    assert str(caught.value) == expected


def test_a_folder_of_tracks_and_nothing_else(tmp_path: Path) -> None:
    assert not is_ctc(tmp_path)
    (tmp_path / "mask000.tif").touch()
    assert not is_ctc(tmp_path)
    (tmp_path / "res_track.txt").touch()
    assert is_ctc(tmp_path)
    (tmp_path / "t000.tif").touch()
    assert not is_ctc(tmp_path)
