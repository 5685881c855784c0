import numpy as np
import pytest
from scipy import ndimage

from napari_sam2.session.tracking.likelihood import LEAST_LIKELIHOOD, likely_points

CENTRES = [(30, 30), (30, 90), (80, 40), (90, 100), (60, 68)]
KNOWN = 3


def drawn(scale=1, is_dark=False):
    rows, columns = np.ogrid[: 120 * scale, : 130 * scale]
    discs = [np.hypot(rows - r * scale, columns - c * scale) <= 9 * scale for r, c in CENTRES]
    light = ndimage.gaussian_filter(np.any(discs, 0).astype(float), scale)
    noise = np.random.default_rng(0).normal(0, 6, light.shape)
    image = np.clip(60 + 120 * light + noise, 0, 255).astype(np.uint8)
    return 255 - image if is_dark else image, np.any(discs[:KNOWN], 0)


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("scale", [1, 4])
def test_it_finds_what_looks_like_the_known_objects(scale, is_dark):
    image, covered = drawn(scale, is_dark)
    points = likely_points(image, covered, 9 * scale, 2)
    assert len(points) == 2
    for centre in CENTRES[KNOWN:]:
        assert min(np.hypot(*(np.array(point) - np.array(centre) * scale)) for point in points) < 5 * scale


def test_colours_count_as_their_mean():
    image, covered = drawn()
    assert likely_points(np.stack([image] * 3, -1), covered, 9, 5) == likely_points(image, covered, 9, 5)


def test_nothing_is_likely_where_nothing_or_everything_is_known():
    image, covered = drawn()
    assert likely_points(image, np.zeros_like(covered), 9, 5) == []
    assert likely_points(image, np.ones_like(covered), 9, 5) == []
    everything = np.any([covered, drawn()[0] > 120], 0)
    assert all(not everything[round(r), round(c)] for r, c in likely_points(image, everything, 9, 50))
    assert 0 < LEAST_LIKELIHOOD < 1


def test_a_known_object_smaller_than_a_coarse_pixel_is_no_error():
    image = np.zeros((64, 64), np.uint8)
    covered = np.zeros((64, 64), bool)
    covered[3, 3] = True
    assert likely_points(image, covered, 60, 5) == []
