"""Which intensities become black and white."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam2.images.intensity import CT_WINDOWS_HU, choose_range, looks_like_ct, map_intensity


def ct(dtype: str = "int16", air: float = -1000) -> Any:
    rng = np.random.default_rng(0)
    values = rng.normal(40, 30, (4, 20, 20))
    values[:, :5] = air
    values[:, 18:] = 900
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", ["int16", ">i2", "int32", "float32", "float64"])
def test_ct_is_shown_in_the_soft_tissue_window(dtype: str) -> None:
    assert choose_range(ct(dtype)) == (-160, 240)


def test_padding_outside_the_scanner_is_no_obstacle() -> None:
    padded = ct()
    padded[:, :2] = -3024
    assert looks_like_ct(padded)


@pytest.mark.parametrize(
    "values",
    [
        ct().astype(np.int32) + 1024,
        ct("uint16", air=0),
        ct(air=-500),
        ct() * 20,
        np.where(ct("float32") < 0, np.nan, 1),
        np.full((1, 4, 4), -1000, np.int16),
    ],
    ids=["shifted", "unsigned", "no air", "too bright", "nan", "air alone"],
)
def test_what_is_not_ct_is_shown_by_its_own_range(values: Any) -> None:
    assert not looks_like_ct(values)


def test_a_range_or_a_window_wins() -> None:
    assert choose_range(ct(), (0, 50)) == (0, 50)
    for name, window in CT_WINDOWS_HU.items():
        assert choose_range(ct(), window=name) == window


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"window": "liver"}, "there is no window 'liver': choose one of soft tissue, brain, lung, bone"),
        (
            {"window": "bone", "intensity_range": (0, 1)},
            "a window or an intensity range or percentiles, not two of them",
        ),
        ({"intensity_range": (5, 5)}, "an intensity range is two numbers, black below white, got 5 and 5"),
        ({"intensity_range": (0, float("nan"))}, "an intensity range is two numbers, black below white, got 0 and nan"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        choose_range(ct(), **arguments)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "<i2", ">u2", ">i2", "<i4", "<f4"])
def test_a_large_frame_is_mapped_as_each_of_its_rows(dtype):
    rng, extent = np.random.default_rng(0), np.iinfo(dtype) if np.dtype(dtype).kind != "f" else np.iinfo("i2")
    plane = rng.integers(extent.min, extent.max, (300, 512), endpoint=True).astype(dtype)[:, ::-1]
    low, high = float(extent.min) + 3, float(extent.max) / 3
    mapped = map_intensity(plane, low, high)
    assert mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped[:, :100], np.array([map_intensity(row[:100], low, high) for row in plane]))
    np.testing.assert_array_equal(map_intensity(plane, (low,), (high,)), mapped)
