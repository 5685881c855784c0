"""Attributes of a zarr group, read without zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zarr

from napari_sam2.images.zarr_attributes import zarr_attributes
from zarr_by_hand import group_by_hand

ATTRIBUTES: dict[str, Any] = {"ome": {"version": "0.5"}, "name": "größer", "list": [1, {"a": None}]}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("by", ["zarr", "hand"])
def test_attributes_of_a_group(by: str, zarr_format: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    if by == "zarr":
        zarr.create_group(path, zarr_format=zarr_format, attributes=ATTRIBUTES)
    else:
        path.mkdir()
        group_by_hand(path, ATTRIBUTES, zarr_format)
    assert zarr_attributes(path) == ATTRIBUTES


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("zarr.json", "{"),
        ("zarr.json", "[]"),
        ("zarr.json", '{"zarr_format": 3}'),
        ("zarr.json", '{"attributes": null}'),
        (".zattrs", "7"),
        (".zattrs", ""),
        ("notes.txt", "{}"),
    ],
)
def test_what_is_no_group_has_none(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert zarr_attributes(tmp_path) == {}
    assert zarr_attributes(tmp_path / "gone") == {}
    assert zarr_attributes(tmp_path / name) == {}


def test_the_newer_format_counts_where_both_are_there(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text('{"attributes": {"version": 3}}')
    (tmp_path / ".zattrs").write_text('{"version": 2}')
    assert zarr_attributes(tmp_path) == {"version": 3}
    (tmp_path / "zarr.json").write_text("{")
    assert zarr_attributes(tmp_path) == {"version": 2}
