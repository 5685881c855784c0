"""N objects are N clicks and a key, on all kinds of images; the pictures of it are made by scripts/photographs.py."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

from kinds_of_images import KINDS

pytestmark = pytest.mark.skipif(
    not os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb", reason="needs an X server"
)
LEAST_IOU = {"volume": 0.4}
"""What the built-in model reaches on 51 planes of dim nuclei that touch; elsewhere it is more than 0.7."""
FAST = ("time-lapse", "channels over time", "channels of volumes over time")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in KINDS])
def test_n_objects_are_n_clicks_and_a_key(name, make_napari_viewer):
    from loop_of_a_person import LoopOfAPerson

    kind = KINDS[name]()
    loop = LoopOfAPerson(kind, lambda: make_napari_viewer(show=True))
    loop.click_and_propagate()
    loop.leave()
    has_frames = len(kind.clicks[0]) > 2
    assert (loop.num_clicks, loop.num_keys) == (len(kind.clicks), has_frames + bool(kind.num_followed))
    assert np.median(loop.scores()) > LEAST_IOU.get(name, 0.7), loop.scores()


def test_what_was_reviewed_is_there_after_reopening_and_is_exported(make_napari_viewer, tmp_path, monkeypatch):
    from loop_of_a_person import NUM_REVIEWED, LoopOfAPerson

    monkeypatch.setenv("HOME", str(tmp_path))
    loop = LoopOfAPerson(KINDS["time-lapse"](), lambda: make_napari_viewer(show=True))
    loop.click_and_propagate()
    loop.review()
    assert loop.num_approved + loop.num_corrected + loop.num_ended == NUM_REVIEWED
    labels, num_objects, num_done = loop.state()
    loop.reopen()
    again = loop.state()
    np.testing.assert_array_equal(again[0], labels)
    assert again[1:] == (num_objects, num_done)
    np.testing.assert_array_equal(tifffile.imread(loop.export(tmp_path)), labels)
    loop.leave()
