"""What tests of the widget do and look at, without the widget."""

import numpy as np

from napari_sam2.plugin.clicks import Click, ObjectFrame, clicks_of


def click(controller, position, is_inside=None):
    controller.click(controller.image.data_to_world(position), is_inside)


def labels(controller):
    return controller.workspace.result.layer.data


def expected(blobs, **objects):
    """Labels in which object_1=frames means that the left blob is object 1 on those frames; object_2 the right one."""
    plane = np.zeros(blobs.shape, np.uint16)
    for name, frames in objects.items():
        for frame in frames:
            half = np.s_[:, :25] if name == "object_1" else np.s_[:, 25:]
            plane[frame][half][blobs[frame][half] > 0] = int(name[-1])
    return plane


def in_session(session):
    """Return the clicks of a session by object and frame."""
    found = {}
    for object_id, item in session.objects.items():
        for frame, prompts in item.prompts.items():
            if prompts.points_rc:
                found[ObjectFrame(object_id, frame)] = clicks_of(prompts)
    return found


def in_layer(controller):
    """Return the points of the layer by object and frame, as napari has them."""
    found = {}
    layer, stack = controller.workspace.points.layer, controller.workspace.stack
    if layer is None:
        return found
    for position, object_id, side in zip(layer.data, layer.features["object"], layer.features["side"], strict=True):
        pixel = stack.pixel(position)
        key = ObjectFrame(int(object_id), pixel.frame)
        found[key] = (*found.get(key, ()), Click(pixel.row, pixel.col, side == "inside"))
    return found


def check_agreement(controller):
    """The points of the layer are those of the prompts of the session, followed by those that it has not taken."""
    session = controller.workspace.worker.session
    expected = {} if session is None else in_session(session)
    for pending in controller.workspace.points.pending.by_id.values():
        assert not pending.is_sent
        expected[pending.key] = (*expected.get(pending.key, ()), pending.click)
    assert {key: sorted(clicks) for key, clicks in in_layer(controller).items()} == {
        key: sorted(clicks) for key, clicks in expected.items()
    }
