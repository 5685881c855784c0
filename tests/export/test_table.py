"""Tables: exact numbers in calibrated units, CSV read by pandas, Parquet by pyarrow."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from napari_sam2.export.measure import measure
from napari_sam2.export.result import Result
from napari_sam2.export.table import tabulate, write_csv, write_parquet
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.geometry import Geometry
from napari_sam2.images.stack import Stack
from napari_sam2.images.units import UNITS
from napari_sam2.session.propagation.propagator import ObjectScore

LABELS = np.zeros((4, 20, 30), np.uint16)
LABELS[0, 2:5, 3:8] = 7
LABELS[1, 2:6, 4:9] = 7
LABELS[1, 10:12, 20:21] = 65535
LABELS[3, 10:13, 20:23] = 65535
IMAGE = np.zeros((4, 2, 20, 30), np.float32)
IMAGE[:, 0] = np.arange(4)[:, None, None]
IMAGE[:, 1] = np.arange(30)


def columns(result: Result) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in tabulate(result).items()}


def test_a_time_lapse_without_units() -> None:
    assert columns(Result(LABELS, "TYX")) == {
        "object_id": [7, 7, 65535, 65535],
        "frame": [0, 1, 1, 3],
        "area_px": [15, 20, 2, 9],
        "perimeter_px": [12, 14, 0, 8],
        "centroid_y_px": [3, 3.5, 10.5, 11],
        "centroid_x_px": [5, 6, 20, 21],
        "bbox_y0_px": [2, 2, 10, 10],
        "bbox_x0_px": [3, 4, 20, 20],
        "bbox_y1_px": [5, 6, 12, 13],
        "bbox_x1_px": [8, 9, 21, 23],
    }


@pytest.mark.parametrize("axes", ["TYX", "QYX", "IYX"])
def test_scores_belong_to_their_frames_whatever_the_axis_is_called(axes: str) -> None:
    scores = {7: {0: ObjectScore(5.0, 0.9), 1: ObjectScore(4.0, 0.8)}, 65535: {1: ObjectScore(-1.0, 0.25)}}
    result = Result(LABELS, axes, stack=Stack.open(IMAGE[:, 0], axes), scores=scores)
    np.testing.assert_array_equal(tabulate(result)["object_score"], [5, 4, -1, np.nan])


def test_a_time_lapse_in_units_with_channels_and_scores() -> None:
    pixel = Calibration(0.5, 0.5, None, 3, "micrometer", "minute")
    scores = {7: {0: ObjectScore(5.0, 0.9), 1: ObjectScore(4.0, 0.8)}, 65535: {1: ObjectScore(-1.0, 0.25)}}
    found = tabulate(Result(LABELS, "TYX", pixel, stack=Stack.open(IMAGE, "TCYX"), scores=scores))
    expected = {
        "time_min": [0, 3, 3, 9],
        "area_um2": [3.75, 5, 0.5, 2.25],
        "perimeter_um": [6, 7, 0, 4],
        "centroid_y_um": [1.5, 1.75, 5.25, 5.5],
        "bbox_x1_px": [8, 9, 21, 23],
        "intensity_mean_c0": [0, 1, 1, 3],
        "intensity_min_c1": [3, 4, 20, 20],
        "intensity_mean_c1": [5, 6, 20, 21],
        "intensity_max_c1": [7, 8, 20, 22],
        "object_score": [5, 4, -1, np.nan],
        "predicted_iou": [0.9, 0.8, 0.25, np.nan],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("units", "area", "time"),
    [
        (("inch", "microsecond"), "area_in2", "time_us"),
        (("foot", "day"), "area_ft2", "time_d"),
        (("picometer", "hour"), "area_pm2", "time_h"),
        (("kilometer", "nanosecond"), "area_km2", "time_ns"),
        (("angstrom", "millisecond"), "area_angstrom2", "time_ms"),
        (("millimeter", "minute"), "area_mm2", "time_min"),
        # a program that ignores case would take Mm for mm
        (("megameter", "megasecond"), "area_megameter2", "time_megasecond"),
    ],
)
def test_names_of_columns_in_other_units(units: tuple[str, str], area: str, time: str) -> None:
    found = columns(Result(LABELS, "TYX", Calibration(0.5, 0.25, None, 3, *units)))
    assert found[area] == [15 / 8, 20 / 8, 2 / 8, 9 / 8]
    assert found[time] == [0, 3, 3, 9]
    assert f"centroid_y_{area[5:-1]}" in found


def test_names_of_columns_of_all_units_differ_in_any_case() -> None:
    for kind, wanted in (("length", "centroid_x_"), ("time", "time_")):
        names = [unit.name for unit in UNITS.values() if unit.kind == kind]
        units = [(name, "second") if kind == "length" else ("inch", name) for name in names]
        found = [columns(Result(LABELS[:1, :8, :8], "TYX", Calibration(1, 1, None, 1, *pair))) for pair in units]
        endings = {name.removeprefix(wanted).lower() for table in found for name in table if name.startswith(wanted)}
        assert len(endings) == len(names)
        assert all(ending.isascii() and ending.replace("_", "").isalpha() for ending in endings)


def test_a_volume_has_one_row_for_each_object() -> None:
    pixel = Calibration(0.5, 0.25, 2, 3, "micrometer", "second")
    scores = {7: {0: ObjectScore(5.0, 0.9), 1: ObjectScore(4.0, 0.8), 2: ObjectScore(-9.0, 0.0)}}
    found = columns(Result(LABELS, "ZYX", pixel, stack=Stack.open(IMAGE, "ZCYX"), scores=scores))
    assert "time_s" not in found
    assert not any("perimeter" in name for name in found)
    assert found["object_id"] == [7, 65535]
    assert found["frame"] == [0, 0]
    assert found["volume_um3"] == [35 * 0.25, 11 * 0.25]
    np.testing.assert_allclose(found["centroid_z_um"], [2 * 20 / 35, 2 * (2 + 27) / 11])
    np.testing.assert_allclose(found["centroid_x_um"], [0.25 * (15 * 5 + 20 * 6) / 35, 0.25 * (2 * 20 + 9 * 21) / 11])
    assert [found[f"bbox_{edge}_px"] for edge in ("z0", "y0", "x0", "z1", "y1", "x1")] == [
        [0, 1],
        [2, 10],
        [3, 20],
        [2, 4],
        [6, 13],
        [9, 23],
    ]
    np.testing.assert_allclose(found["intensity_mean_c0"], [20 / 35, 29 / 11])
    assert found["intensity_min_c0"] == [0, 1]
    assert found["intensity_max_c0"] == [1, 3]
    # over the planes it is on, not the one where it is gone
    np.testing.assert_allclose(found["predicted_iou"], [0.85, np.nan])


def test_volumes_in_time() -> None:
    labels = np.stack([LABELS, np.roll(LABELS, 1, axis=0)])
    found = columns(Result(labels, "TZYX", Calibration(1, 1, 2, 5, "micrometer", "second")))
    assert found["object_id"] == [7, 7, 65535, 65535]
    assert found["time_s"] == [0, 5, 0, 5]
    assert found["volume_um3"] == [70, 70, 22, 22]
    np.testing.assert_allclose(found["centroid_z_um"][:2], [40 / 35, 40 / 35 + 2])


def test_scores_of_volumes_in_time_belong_to_the_place_looked_at() -> None:
    labels = np.stack([LABELS, LABELS])
    stack = Stack.open(np.zeros(labels.shape), "TZYX", along="Z", at={"T": 1})
    found = tabulate(Result(labels, "TZYX", stack=stack, scores={7: {0: ObjectScore(1, 0.5)}}))
    np.testing.assert_allclose(found["predicted_iou"], [np.nan, 0.5, np.nan, np.nan])


def test_names_are_a_column(tmp_path: Path) -> None:
    table = tabulate(Result(LABELS, "TYX", names={7: 'nucleus "a", bright', 3: "not seen"}))
    assert list(table)[:3] == ["object_id", "name", "frame"]
    write_csv(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text().splitlines()[1].startswith('7,"nucleus ""a"", bright",0,')
    write_parquet(tmp_path / "a.parquet", table)
    names = ['nucleus "a", bright'] * 2 + ["65535"] * 2
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet")["name"].to_pylist() == names


def test_oblong_pixels_have_no_perimeter() -> None:
    found = tabulate(Result(LABELS, "TYX", Calibration(0.5, 0.25, length_unit="micrometer")))
    assert np.isnan(found["perimeter_um"]).all()
    assert found["area_um2"].tolist() == [15 / 8, 20 / 8, 2 / 8, 9 / 8]


@pytest.mark.parametrize("axes", ["TYX", "ZYX", "TZYX"])
def test_no_object(axes: str, tmp_path: Path) -> None:
    labels = np.zeros((2,) * (len(axes) - 2) + (3, 4), np.uint8)
    table = tabulate(Result(labels, axes, stack=Stack.open(labels, axes, at={"Z": 0} if axes == "TZYX" else None)))
    assert {len(values) for values in table.values()} == {0}
    write_csv(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text().splitlines() == [",".join(table)]
    write_parquet(tmp_path / "a.parquet", table)
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").column_names == list(table)


def test_csv_and_parquet(tmp_path: Path) -> None:
    table = tabulate(Result(LABELS, "TYX", Calibration(0.123456789, 0.25, None, 2, "nanometer", "second")))
    write_csv(tmp_path / "a.csv", table)
    head, first, *_ = (tmp_path / "a.csv").read_text().splitlines()
    assert head == ",".join(table)
    assert first == "7,0,0,0.462963,,0.3703704,1.25,2,3,5,8"
    write_parquet(tmp_path / "a.parquet", table)
    read = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert list(read) == list(table)
    assert read["perimeter_nm"] == [None] * 4
    assert read["object_id"] == [7, 7, 65535, 65535]
    np.testing.assert_array_equal(read["area_nm2"], table["area_nm2"])


def test_parquet_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: whole("there_is_none" if name == "pyarrow" else name, *rest))
    with pytest.raises(ImportError, match=r"Parquet needs an extra: pip install 'napari-sam2\[export\]'"):
        write_parquet(tmp_path / "a.parquet", tabulate(Result(LABELS, "TYX", PIXELS)))


def test_a_volume_in_a_patient_is_measured_as_radiologists_do() -> None:
    labels = np.zeros((4, 6, 8), np.uint16)
    labels[1:3, 1:4, 2:6] = 5
    image = np.where(labels > 0, np.arange(8) * 10, -1000).astype(np.int16)
    geometry = Geometry.of(np.diag([0.5, 1, 2, 1]))
    result = Result(labels, "ZYX", geometry.calibration, stack=Stack.open(image, "ZYX"), geometry=geometry, names={5: "liver"})
    found = columns(result)
    assert list(found) == [
        *("object_id", "name", "frame", "volume_mm3", "centroid_z_mm", "centroid_y_mm", "centroid_x_mm"),
        *("bbox_z0_px", "bbox_y0_px", "bbox_x0_px", "bbox_z1_px", "bbox_y1_px", "bbox_x1_px"),
        *("volume_ml", "diameter_mm", "diameter_z_px", "surface_mm2"),
        *("intensity_mean_c0", "intensity_std_c0", "intensity_median_c0", "intensity_min_c0", "intensity_max_c0"),
    ]
    expected = {"volume_mm3": 24, "volume_ml": 0.024, "diameter_mm": np.hypot(3, 1.5), "diameter_z_px": 1}
    expected |= {"intensity_mean_c0": 35, "intensity_std_c0": np.std([20, 30, 40, 50]), "intensity_median_c0": 35}
    for name, value in expected.items():
        assert found[name] == pytest.approx([value]), name
    rows = measure(result)
    assert "surface_mm2" not in tabulate(result, rows)
    micrometres = Result(labels, "ZYX", Calibration(1000, 500, 2000, length_unit="micrometer"), geometry=geometry)
    for name in ("volume_ml", "diameter_mm", "surface_mm2"):
        assert columns(micrometres)[name] == pytest.approx(found[name]), name
