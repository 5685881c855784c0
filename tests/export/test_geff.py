"""Tracks as a graph, read back by geff."""

from __future__ import annotations

import builtins
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dividing_cells import LABELS, LINKS, PLACES, SEEN, TIME, VOLUMES
from napari_sam2.export.geff import is_geff, write_geff
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration

geff = pytest.importorskip("geff")


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


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (("inch", "day"), (0.25, "inch", 3, "day")),
        (("foot", "microsecond"), (0.25, "foot", 3, "microsecond")),
        (("picometer", "hour"), (0.25, "picometer", 3, "hour")),
        (("kilometer", "nanosecond"), (0.25, "kilometer", 3, "nanosecond")),
        # which GEFF, like OME-Zarr, does not list
        (("thou", "decasecond"), (6.35, "micrometer", 30, "second")),
        (("decameter", "second"), (2_500_000, "micrometer", 3, "second")),
    ],
)
def test_other_units(unit: tuple[str, str], expected: Any, tmp_path: Path) -> None:
    write_geff(tmp_path / "a.geff", Result(LABELS, "TYX", Calibration(0.5, 0.25, None, 3.0, *unit)))
    t, _, x = geff.read(tmp_path / "a.geff")[1].axes
    assert (x.scale, x.scaled_unit, t.scale, t.scaled_unit) == expected


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        (Calibration(1, 1, None, 3.0, "pixel", "second"), [(3.0, "second"), (None, None)]),
        (Calibration(0.5, 0.25, None, 1.0, "micrometer", "frame"), [(None, None), (0.25, "micrometer")]),
    ],
)
def test_what_is_not_known_has_no_scale(calibration: Calibration, expected: Any, tmp_path: Path) -> None:
    write_geff(tmp_path / "a.geff", Result(LABELS, "TYX", calibration))
    t, _, x = geff.read(tmp_path / "a.geff")[1].axes
    assert [(axis.scale, axis.scaled_unit) for axis in (t, x)] == expected


def test_names(tmp_path: Path) -> None:
    write_geff(tmp_path / "a.geff", replace(TIME, names={7: "mother <1>\x07", 900: "größer"}))
    graph, _ = geff.read(tmp_path / "a.geff")
    expected = {7: "mother <1>\x07", 900: "größer", 8: "8", 3: "3"}
    assert {told["object_id"]: told["name"] for _, told in graph.nodes(data=True)} == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("zarr.json", '{"zarr_format": 3, "node_type": "group", "attributes": {"geff": {}}}', True),
        (".zattrs", '{"geff": {}}', True),
        ("zarr.json", '{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {}}}', False),
        ("notes.txt", "geff", False),
    ],
)
def test_a_graph_is_known_by_its_attributes(name: str, content: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert is_geff(tmp_path) is expected
