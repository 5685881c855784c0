"""Labels as OME-Zarr, read back by zarr: values, axes, scale, colours; alone and among the labels of an image."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_sam2.export import ome_zarr as ome_zarr_module
from napari_sam2.export.colours import object_colours
from napari_sam2.export.ome_zarr import image_around, is_label_image, write_ome_zarr
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.stack import Stack
from napari_sam2.images.units import OME_ZARR_UNITS
from napari_sam2.images.units import UNITS as KNOWN_UNITS
from napari_sam2.images.zarr_attributes import zarr_attributes
from napari_sam2.plugin.files.volume_files import get_reader
from phantoms import GEOMETRIES, SHAPE, volume, write_nifti

LABELS = np.zeros((2, 3, 20, 30), np.uint16)
LABELS[0, 1, 2:5, 3:8] = 7
LABELS[1, 2, 10:12, 20:21] = 65535
UNITS = Calibration(0.5, 0.25, 2.0, 3.0, "micrometer", "second")


def colours(labels: np.ndarray) -> list[Any]:
    return [{"label-value": i, "rgba": [*rgb, 255]} for i, rgb in object_colours([i for i in (7, 65535) if i in labels]).items()]


def image(path: Path, zarr_format: Any) -> Path:
    """An OME-Zarr image without labels."""
    group = zarr.create_group(path, zarr_format=zarr_format)
    group.create_array("0", shape=LABELS.shape, dtype="u1")
    multiscales = [{"axes": [{"name": axis} for axis in "tzyx"], "datasets": [{"path": "0"}]}]
    group.attrs.update(
        {"ome": {"version": "0.5", "multiscales": multiscales}} if zarr_format == 3 else {"multiscales": multiscales}
    )
    return path


@pytest.mark.parametrize(
    ("labels", "axes", "scale"),
    [
        (LABELS, "TZYX", [3, 2, 0.5, 0.25]),
        (LABELS[:, 1], "TYX", [3, 0.5, 0.25]),
        (LABELS[1], "ZYX", [2, 0.5, 0.25]),
        (LABELS[0, 1], "YX", [0.5, 0.25]),
    ],
    ids=["volumes", "time", "depth", "single"],
)
def test_labels_as_ome_zarr(labels: np.ndarray, axes: str, scale: list[float], tmp_path: Path) -> None:
    path = tmp_path / "labels.zarr"
    write_ome_zarr(path, Result(labels, axes, UNITS))
    group = zarr.open_group(path, mode="r", zarr_format=3)
    np.testing.assert_array_equal(group["0"], labels)
    assert group["0"].chunks == (1,) * (len(axes) - 2) + (20, 30)
    assert group["0"].metadata.dimension_names == tuple(axes.lower())
    kind = {"t": ("time", "second")}
    assert dict(group.attrs) == {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {
                    "name": "labels.zarr",
                    "type": "nearest",
                    "axes": [
                        dict(zip(("name", "type", "unit"), (axis, *kind.get(axis, ("space", "micrometer"))), strict=True))
                        for axis in axes.lower()
                    ],
                    "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
                }
            ],
            "image-label": {"version": "0.5", "colors": colours(labels)},
        }
    }
    again = Stack.open(path, at={"Z": 0} if axes == "TZYX" else None)
    assert (again.axes, again.labels_shape) == (axes, labels.shape)
    assert open_image_file(path).calibration.steps("YX") == (0.5, 0.25)
    assert os.listdir(tmp_path) == ["labels.zarr"]


def test_any_unit(tmp_path: Path) -> None:
    """What OME-Zarr does not list is in micrometres and seconds."""
    names = {kind: [unit.name for unit in KNOWN_UNITS.values() if unit.kind == kind] for kind in ("length", "time")}
    for length, time in itertools.zip_longest(names["length"], names["time"], fillvalue="day"):
        pixel = Calibration(0.5, 0.25, 2.0, 3.0, length, time)
        write_ome_zarr(tmp_path / "a.zarr", Result(LABELS[:1, :1, :2, :2], "TZYX", pixel))
        said = {axis["unit"] for axis in zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["ome"]["multiscales"][0]["axes"]}
        assert said <= OME_ZARR_UNITS
        expected = pixel.in_units(
            *(unit if name not in OME_ZARR_UNITS else None for name, unit in ((length, "micrometer"), (time, "second")))
        )
        assert open_image_file(tmp_path / "a.zarr").calibration == expected


def test_no_object_and_no_units(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", Result(LABELS * 0, "TZYX"))
    told = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["ome"]
    assert told["image-label"] == {"version": "0.5"}
    assert told["multiscales"][0]["axes"][0] == {"name": "t", "type": "time"}


def test_large_planes_are_cut_into_chunks(tmp_path: Path) -> None:
    labels = np.zeros((1500, 10), np.uint16)
    labels[1400, 4] = 5
    write_ome_zarr(tmp_path / "a.zarr", Result(labels, "YX"))
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert [(key, group[key].chunks) for key in sorted(group)] == [("0", (1024, 10)), ("1", (750, 5))]
    np.testing.assert_array_equal(group["0"], labels)
    np.testing.assert_array_equal(group["1"], labels[::2, ::2])
    assert group["1"][700, 2] == 5


@pytest.mark.parametrize(("side", "num_levels"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (33, 4)])
@pytest.mark.parametrize("axes", ["YX", "TYX", "TZYX"])
def test_levels(axes: str, side: int, num_levels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half as high and wide as the one before; ids are never mixed; a pixel lies where the scale says."""
    monkeypatch.setattr(ome_zarr_module, "MAX_CHUNK_PX", 8)
    shape = (2, 3, 5, side)[4 - len(axes) :] if len(axes) > 2 else (5, side)
    labels = np.random.default_rng(0).choice(np.array([0, 7, 300, 65535], np.uint16), shape)
    path = tmp_path / "a.zarr"
    write_ome_zarr(path, Result(labels, axes, UNITS))
    group = zarr.open_group(path, mode="r")
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    assert [dataset["path"] for dataset in datasets] == sorted(group) == [str(level) for level in range(num_levels)]
    for level, dataset in enumerate(datasets):
        np.testing.assert_array_equal(group[dataset["path"]], labels[..., :: 2**level, :: 2**level])
        (scale,) = dataset["coordinateTransformations"]
        assert scale == {"type": "scale", "scale": [*UNITS.steps(axes[:-2]), 0.5 * 2**level, 0.25 * 2**level]}
    assert max(group[datasets[-1]["path"]].shape[-2:]) <= 8
    np.testing.assert_array_equal(Stack.open(path, at={"Z": 0} if axes == "TZYX" else None).image, labels)


def test_napari_reads_the_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = pytest.importorskip("napari_builtins.io")
    monkeypatch.setattr(ome_zarr_module, "MAX_CHUNK_PX", 8)
    write_ome_zarr(tmp_path / "a.zarr", Result(LABELS, "TZYX", UNITS))
    levels, shape = reader.read_zarr_dataset(str(tmp_path / "a.zarr"))
    assert [level.shape for level in levels] == [(2, 3, 20, 30), (2, 3, 10, 15), (2, 3, 5, 8)]
    assert shape == LABELS.shape


class Planes:
    """Labels of which one plane is read at a time."""

    shape, dtype, num_read = (6, 40, 50), np.dtype(np.uint16), 0

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        assert isinstance(index[0], int)
        self.num_read += 1
        return np.full(self.shape[1:], index[0], np.uint16)


def test_labels_are_read_once_plane_by_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ome_zarr_module, "MAX_CHUNK_PX", 8)
    labels = Planes()
    write_ome_zarr(tmp_path / "a.zarr", Result(labels, "TYX"))
    assert labels.num_read == 6
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert {key: group[key][:, -1, -1].tolist() for key in group} == {key: [0, 1, 2, 3, 4, 5] for key in "0123"}


def test_colours_and_names_of_objects(tmp_path: Path) -> None:
    """Those that a person gave; both are listed for the same objects, as ome-zarr-models asks."""
    result = Result(LABELS, "TZYX", names={7: "mother", 9: "not seen"}, colours={7: "#ff8000"})
    write_ome_zarr(tmp_path / "a.zarr", result)
    told = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["ome"]["image-label"]
    assert told["colors"] == [{"label-value": 7, "rgba": [255, 128, 0, 255]}, *colours(LABELS)[1:]]
    assert told["properties"] == [{"label-value": 7, "name": "mother"}, {"label-value": 65535, "name": "65535"}]


@pytest.mark.parametrize(("zarr_format", "version"), [(2, "0.4"), (3, "0.5")])
def test_among_the_labels_of_an_image(zarr_format: Any, version: str, tmp_path: Path) -> None:
    """In the version of that image, listed with what is there already, each once."""
    labels = image(tmp_path / "image.zarr", zarr_format) / "labels"
    for name in ("nuclei", "cells", "nuclei"):
        assert image_around(labels / name) == tmp_path / "image.zarr"
        write_ome_zarr(labels / name, Result(LABELS, "TZYX", UNITS))
    listed = zarr.open_group(labels, mode="r", zarr_format=zarr_format).attrs
    group = zarr.open_group(labels / "nuclei", mode="r", zarr_format=zarr_format)
    np.testing.assert_array_equal(group["0"], LABELS)
    if version == "0.5":
        assert dict(listed) == {"ome": {"version": "0.5", "labels": ["cells", "nuclei"]}}
        told = group.attrs["ome"]
        assert told["image-label"] == {"version": "0.5", "colors": colours(LABELS), "source": {"image": "../../"}}
    else:
        assert dict(listed) == {"labels": ["cells", "nuclei"]}
        told = dict(group.attrs)
        assert told["image-label"] == {"version": "0.4", "colors": colours(LABELS), "source": {"image": "../../"}}
        assert told["multiscales"][0]["version"] == "0.4"
        # 0.4 demands chunks in folders.
        assert json.loads((labels / "nuclei" / "0" / ".zarray").read_text())["dimension_separator"] == "/"
    assert told["multiscales"][0]["datasets"][0]["coordinateTransformations"] == [{"type": "scale", "scale": [3, 2, 0.5, 0.25]}]
    assert sorted(name for name in os.listdir(labels) if "zarr" not in name and not name.startswith(".z")) == ["cells", "nuclei"]


def test_only_an_earlier_result_is_replaced(tmp_path: Path) -> None:
    """Not the image, whose name is easily typed."""
    path = image(tmp_path / "image.zarr", 3)
    with pytest.raises(ValueError, match=r"image\.zarr is there already and is not an earlier result of this kind"):
        write_ome_zarr(path, Result(LABELS, "TZYX"))
    assert (path / "0").is_dir()
    for labels in (LABELS, LABELS[0]):
        write_ome_zarr(tmp_path / "a.zarr", Result(labels, "TZYX"[-labels.ndim :]))
    assert is_label_image(tmp_path / "a.zarr")
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "a.zarr", mode="r")["0"], LABELS[0])


@pytest.mark.parametrize("content", [None, "{", '{"zarr_format": 3, "node_type": "array"}'])
def test_a_folder_of_labels_that_is_no_group(content: str | None, tmp_path: Path) -> None:
    labels = image(tmp_path / "image.zarr", 3) / "labels"
    labels.mkdir()
    if content is not None:
        (labels / "zarr.json").write_text(content)
    with pytest.raises(ValueError, match=r"labels is not a group of zarr, or is damaged: labels cannot be listed in it$") as caught:
        write_ome_zarr(labels / "nuclei", Result(LABELS, "TZYX"))
    assert caught.value.__cause__ is not None
    assert os.listdir(labels) == ([] if content is None else ["zarr.json"])


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(array: Any, key: Any, value: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(OSError, match=r"cannot be written: the disk is full$"):
        write_ome_zarr(tmp_path / "a.zarr", Result(LABELS, "TZYX"))
    labels = image(tmp_path / "image.zarr", 3) / "labels"
    with pytest.raises(OSError, match=r"cannot be written: the disk is full$"):
        write_ome_zarr(labels / "nuclei", Result(LABELS, "TZYX"))
    assert os.listdir(tmp_path) == ["image.zarr"]
    assert not labels.exists()
    zarr.create_group(labels).create_array("cells", data=LABELS)
    with pytest.raises(OSError, match=r"cannot be written: the disk is full$"):
        write_ome_zarr(labels / "nuclei", Result(LABELS, "TZYX"))
    assert sorted(os.listdir(labels)) == ["cells", "zarr.json"]


@pytest.mark.parametrize(
    ("labels", "axes"), [(LABELS, "TZYX"), (LABELS[:, 1], "TYX"), (LABELS[1], "ZYX"), (LABELS[:, 0] * 0, "TYX")]
)
def test_another_reader_finds_it_valid(labels: np.ndarray, axes: str, tmp_path: Path) -> None:
    """ome-zarr-models checks attributes and arrays against each other."""
    models = pytest.importorskip("ome_zarr_models")
    path = tmp_path / "labels.zarr"
    write_ome_zarr(path, Result(labels, axes, UNITS, names={7: "cell"}, colours={7: "#ff8000"}))
    found = models.open_ome_zarr(zarr.open_group(path, mode="r"), version="0.5")
    assert type(found).__name__ == "ImageLabel"


@pytest.mark.parametrize("kind", ["straight", "oblique", "flipped"])
def test_a_volume_of_a_patient_lies_where_napari_shows_its_scan(kind: str, tmp_path: Path) -> None:
    """Also beside others with the same directions. ome-zarr-models reads it: napari-ome-zarr 0.10 leaves translations out."""
    models = pytest.importorskip("ome_zarr_models")
    geometry, path = GEOMETRIES[kind], tmp_path / "labels.zarr"
    write_ome_zarr(path, Result(np.ones(SHAPE, np.uint16), "ZYX", geometry.calibration, geometry=geometry))
    found = models.open_ome_zarr(zarr.open_group(path, mode="r"), version="0.5")
    scale, translation = found.attributes.ome.multiscales[0].datasets[0].coordinateTransformations
    scan = str(write_nifti(tmp_path / "scan.nii", volume(), geometry))
    ((_, layer, _),) = get_reader(scan)(scan)
    assert translation.translation == pytest.approx(layer["translate"], abs=1e-4)
    assert scale.scale == pytest.approx(layer["scale"], abs=1e-4)


def test_labels_of_an_image_lie_on_it(tmp_path: Path) -> None:
    """With translations of a level and of all levels; those in another unit, or that say nothing, are left out."""
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=3)
    group.create_array("0", shape=LABELS.shape, dtype="u1")
    axes = [{"name": "t", "type": "time", "unit": "second"}] + [
        {"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"
    ]

    def transforms_with(**more: Any) -> list[Any]:
        level = [{"type": "scale", "scale": [1.5, 1, 0.25, 0.125]}, {"type": "translation", "translation": [0, 5, 0, -1]}]
        multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": level}], **more}
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
        path = tmp_path / "a.zarr" / "labels" / "cells"
        write_ome_zarr(path, Result(LABELS, "TZYX", UNITS))
        return list(zarr_attributes(path)["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"])

    whole = [{"type": "scale", "scale": [2, 2, 2, 2]}, {"type": "translation", "translation": [0, 0, 7, 0]}]
    scale = {"type": "scale", "scale": [3.0, 2.0, 0.5, 0.25]}
    assert transforms_with(coordinateTransformations=whole) == [scale, {"type": "translation", "translation": [0, 10, 7, -2]}]
    assert transforms_with() == [scale, {"type": "translation", "translation": [0, 5, 0, -1]}]
    axes[3]["unit"] = "inch"
    assert transforms_with() == [scale, {"type": "translation", "translation": [0, 5, 0, 0]}]
    assert transforms_with(coordinateTransformations=[{"type": "scale"}]) == [scale]
