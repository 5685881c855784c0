import numpy as np
import pytest

from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.prompts.fusion_command import FuseAxes
from widget_driving import labels, plain_click


@pytest.fixture
def volume():
    """A cuboid of which each axis sees the same."""
    volume = np.zeros((8, 20, 24), np.uint8)
    volume[2:6, 5:12, 8:15] = 200
    return volume


def test_a_volume_is_fused_by_one_action(shown, volume):
    controller = shown(volume, "ZYX")
    texts, steps = [], []
    controller.status_changed.connect(texts.append)
    controller.progressed.connect(lambda done, total: steps.append((done, total)))
    controller.go_to_frame(3)
    plain_click(controller, (3, 8, 11))
    controller.fuse_axes()
    np.testing.assert_array_equal(labels(controller), volume > 0)
    assert controller.session.document().calls[-1].method == "fuse_axes"
    assert texts[-1] == "1 object propagated along Z, Y and X, and fused."
    assert {total for _, total in steps} == {8 + 20 + 24}
    controller.undo()
    assert set(labels(controller).nonzero()[0].tolist()) == {3}


def test_stopped_it_is_propagated_as_far_as_it_was(shown, volume):
    controller = shown(volume, "ZYX")
    texts = []
    controller.status_changed.connect(texts.append)
    controller.go_to_frame(3)
    plain_click(controller, (3, 8, 11))
    controller.progressed.connect(controller.cancel)
    controller.fuse_axes()
    assert texts[-1] == "Stopped before the axes were fused: what was tracked along Z is kept."
    assert len(set(labels(controller).nonzero()[0].tolist())) == 2


def test_only_some_objects(shown, volume):
    volume[2:6, 5:12, 18:22] = 150
    controller = shown(volume, "ZYX")
    controller.go_to_frame(3)
    plain_click(controller, (3, 8, 11))
    plain_click(controller, (3, 8, 20))
    controller.propagation = PropagationOptions(objects=(2,))
    controller.fuse_axes()
    np.testing.assert_array_equal(labels(controller) == 2, volume == 150)
    assert set((labels(controller) == 1).nonzero()[0].tolist()) == {3}


def test_where_nothing_can_be_fused(shown, volume, notices):
    controller = shown(volume, "TYX")
    controller.fuse_axes()
    assert notices()[-1][1] == "There is nothing to propagate: click on an object first."
    plain_click(controller, (0, 8, 11))
    controller.fuse_axes()
    assert notices()[-1][1] == "Axes of a volume are fused: its frames follow each other along Z, Y or X."
    with pytest.raises(ValueError, match="axes of a volume are fused"):
        FuseAxes().run(controller.session)
