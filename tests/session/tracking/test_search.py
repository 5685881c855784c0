import numpy as np
import pytest

from lively_movie import SIDE_PX, movie, truth
from napari_sam2.predictors.zoom import View
from napari_sam2.session.editing.everything import FindingStopped, watched
from napari_sam2.session.session import Session
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.search import BATCH, Found, _windows, search, without_overlaps


@pytest.fixture(scope="module")
def in_use():
    return Session(movie()[:1], "TYX")._in_use


def centre(label):
    return Region.of_plane(truth()[0] == label).centroid_rc


def test_each_point_gives_its_object(in_use):
    found = search(in_use, 0, [centre(1), centre(2), (centre(2)[0] + 2, centre(2)[1] - 2), centre(3)], 9)
    assert len(found) == 3, "two points on one object give it once"
    ious = [one.predicted_iou for one in found]
    assert ious == sorted(ious, reverse=True)
    for label in (1, 2, 3):
        wanted = Region.of_plane(truth()[0] == label)
        best = max(found, key=lambda one: one.region.shared_px(wanted)).region
        assert best.shared_px(wanted) > 0.8 * (best.area_px + wanted.area_px - best.shared_px(wanted))


def test_small_objects_are_looked_for_in_windows(in_use):
    assert _windows(in_use, 9) == [in_use.whole]
    windows = _windows(in_use, 0.5)
    assert len(windows) > 4
    seen = np.zeros((SIDE_PX, SIDE_PX), int)
    for view in windows:
        assert isinstance(view, View)
        assert view.row >= 0
        assert view.row + view.height <= SIDE_PX
        seen[view.window] += 1
    assert seen.min() >= 1
    assert len(search(in_use, 0, [centre(1), centre(3)], 1.9)) == 2, "each in the window that is nearest"


def test_it_is_stopped_between_batches(in_use):
    asked = []

    def once(done, total):
        asked.append((done, total))
        return len(asked) < 2

    points = [centre(1)] * (BATCH + 1)
    with watched(once), pytest.raises(FindingStopped):
        search(in_use, 0, points, 9)
    assert asked == [(0, 0), (0, 0)], "before each batch"


def test_of_masks_that_overlap_the_better_one_is_kept():
    plane = np.zeros((10, 10), bool)
    plane[2:6, 2:6] = True
    beside = np.zeros((10, 10), bool)
    beside[2:6, 4:8] = True
    inside = np.zeros((10, 10), bool)
    inside[2:5, 2:6] = True
    one, two, three = (Found(Region.of_plane(mask), iou) for mask, iou in ((plane, 0.7), (beside, 0.6), (inside, 0.9)))
    assert without_overlaps([one, two, three]) == [three, two], "of two that share half of themselves both are kept"
    assert without_overlaps([Found(Region.of_plane(plane & False), 0.9)]) == []
