import pytest

from napari_sam2.plugin.options.everything_options import EverythingOptions, area_bounds


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (EverythingOptions(), {"points_per_side": 32}),
        (EverythingOptions(8, 20), {"points_per_side": 8, "area_px": (20, 1000)}),
        (EverythingOptions(8, 0, 99), {"points_per_side": 8, "area_px": (1, 99)}),
        (
            EverythingOptions(least_iou=0.7, least_stability=0.9),
            {"points_per_side": 32, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.9},
        ),
    ],
)
def test_what_is_0_is_left_to_the_model(options, arguments):
    assert options.arguments((40, 50)) == arguments


@pytest.mark.parametrize(("given", "bounds"), [((0, 0), None), ((7, 0), (7, 1000)), ((0, 9), (1, 9)), ((7, 9), (7, 9))])
def test_of_areas_0_is_any(given, bounds):
    assert area_bounds(*given, (40, 50)) == bounds
