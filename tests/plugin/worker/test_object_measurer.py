import gc
import weakref

import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.export import measure
from napari_sam2.export.table import tabulate
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.plugin.worker.object_measurer import ObjectMeasurer, ObjectsMeasured

MICRONS = Calibration(0.5, 0.25, None, 60, "micrometer", "second")


@pytest.fixture
def planes(monkeypatch):
    """The planes that were measured."""
    found = []
    before = measure.measure_plane

    def measure_plane(result, time, z):
        found.append((time, z))
        return before(result, time, z)

    monkeypatch.setattr(measure, "measure_plane", measure_plane)
    return found


def measured(measurer, session, calibration=PIXELS):
    found = []
    measurer.measure(session, calibration, lambda item: found.append(item) or True)
    assert isinstance(found[-1], ObjectsMeasured)
    return found[-1]


def check(item, session, calibration=PIXELS):
    wanted = tabulate(session.result(calibration))
    assert list(item.table) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(item.table[name], values)


def test_only_changed_frames_are_measured_again(blobs, planes):
    session = blob_session(blobs, "TYX")
    left = session.add_object("left")
    session.add_points(left, 0, [(10, 10)])
    session.propagate_all()
    measurer = ObjectMeasurer()
    check(measured(measurer, session, MICRONS), session, MICRONS)
    planes.clear()
    measured(measurer, session)
    assert planes == []
    right = session.add_object("right")
    session.add_points(right, 1, [(24, 35)])
    item = measured(measurer, session)
    assert planes == [(1, 0)]
    check(item, session)
    planes.clear()
    session.hide_object(left)
    check(measured(measurer, session), session)
    assert [at for at in planes if at[0] in (0, 1, 2)][:3] == [(0, 0), (1, 0), (2, 0)]
    session.undo()
    session.rename_object(right, "other")
    planes.clear()
    item = measured(measurer, session)
    check(item, session)
    assert set(item.table["name"]) == {"left", "other"}
    assert item.num_changes == session.state.history.num_changes


def test_tracks_and_lineage(blobs):
    session = blob_session(blobs, "TYX")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.propagate_all()
    for child, click in zip(session.divide_object(1, 2), ((10, 10), (26, 35)), strict=True):
        session.add_points(child, 2, [click])
    item = measured(ObjectMeasurer(), session)
    assert item.graph == {2: [1], 3: [1]}
    np.testing.assert_allclose(item.tracks, [(1, 0, 9.5, 9.5), (1, 1, 9.5, 9.5), (2, 2, 9.5, 9.5), (3, 2, 27.5, 35.5)])
    assert item.no_tracks == ""


def test_tracks_alone(blobs):
    session = blob_session(blobs, "TYX")
    session.add_points(session.add_object(), 0, [(10, 10)])
    found = []
    ObjectMeasurer().measure(session, PIXELS, lambda item: found.append(item) or True, has_table=False)
    assert found[-1].table == {}
    np.testing.assert_allclose(found[-1].tracks, [(1, 0, 9.5, 9.5)])


def test_a_volume_has_no_tracks(blobs):
    session = blob_session(blobs, "ZYX")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.propagate_all()
    item = measured(ObjectMeasurer(), session)
    assert item.tracks is None
    assert "go through time" in item.no_tracks
    check(item, session)
    assert item.table["volume_px"].tolist() == [300]


def test_stopped_it_goes_on_where_it_was(blobs, planes, monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.worker.object_measurer._REPORTED_EACH_S", 0)
    session = blob_session(blobs, "TYX")
    session.add_points(session.add_object(), 0, [(10, 10)])
    measurer, found = ObjectMeasurer(), []
    measurer.measure(session, PIXELS, lambda item: found.append(item))
    assert found == [None]
    check(measured(measurer, session), session)
    assert planes == [(0, 0), (1, 0), (2, 0), (0, 0), (1, 0), (2, 0)], "each once, and once to compare"


def test_other_axes(blobs):
    volumes = np.stack([blobs, blobs], axis=1)
    session = blob_session(volumes, "TZYX", along="T", at={"Z": 1})
    session.add_points(session.add_object(), 0, [(10, 10)])
    measurer = ObjectMeasurer()
    measured(measurer, session)
    session.propagate_all()
    item = measured(measurer, session)
    check(item, session)
    assert item.tracks.shape == (3, 5)


def test_another_session_begins_anew_and_none_is_held(blobs):
    measurer = ObjectMeasurer()
    for row in (10, 24):
        session = blob_session(blobs, "TYX")
        session.add_points(session.add_object(), 0, [(row, row + (row == 24) * 11)])
        item = measured(measurer, session)
        check(item, session)
    reference = weakref.ref(session)
    del session
    gc.collect()
    assert reference() is None
