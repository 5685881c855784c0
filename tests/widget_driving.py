"""What tests of the widget do and look at, without the widget."""

from collections import deque
from functools import partial

import numpy as np

from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame, clicks_of
from napari_sam2.plugin.reports.reports import SessionOpened
from napari_sam2.session.state.session_state import StateChange


def camera_of(viewer):
    """The camera, which moved in napari 0.9."""
    return getattr(viewer, "scene", viewer).camera


def click(controller, position, is_inside=None):
    """Click on the object in hand, which is kept so: clicks are about it until another is chosen."""
    controller.keeps_object = True
    controller.click(controller.image.data_to_world(position), is_inside)


def plain_click(controller, position, is_inside=None):
    """Click as people do who keep no object in hand."""
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
    """The points of the layer are those of the prompts of the session, in their order, and those that it has not taken."""
    points, session = controller.workspace.points, controller.workspace.worker.session
    if points.layer is None:
        assert session is None or not in_session(session)
        assert not points.pending.by_id
        return
    taken, waiting = {}, {}
    for point in points.shown:
        if point.pending is None:
            taken[point.key] = (*taken.get(point.key, ()), point.click)
        else:
            waiting[point.pending] = point.key, point.click
    assert taken == ({} if session is None else in_session(session))
    assert waiting == {number: (one.key, one.click) for number, one in points.pending.by_id.items()}
    assert not any(one.is_sent for one in points.pending.by_id.values())
    by_key = {}
    for point in points.shown:
        by_key[point.key] = (*by_key.get(point.key, ()), point.click)
    assert in_layer(controller) == by_key
    assert [str(symbol) for symbol in points.layer.symbol] == ["disc" if one.click.is_inside else "x" for one in points.shown]


def go_to(controller, *indices):
    """Move the sliders of the axes before the last two."""
    viewer, image = controller._viewer, controller.image
    world = image.data_to_world((*indices, *(0,) * (image.ndim - len(indices))))
    viewer.dims.set_point(list(range(len(indices))), [float(one) for one in world[: len(indices)]])


def found(controller):
    """Positions of the result at which there are labels, with these."""
    array = labels(controller)
    places = sorted({tuple(int(one) for one in index[:-2]) for index in np.argwhere(array)})
    return {place: set(np.unique(array[place]).tolist()) - {0} for place in places}


def volumes(blobs, num_planes=2):
    """A time-lapse of volumes, (T, Z, Y, X), with the same in each plane."""
    return np.stack([blobs] * num_planes, axis=1)


def one_warning(notices):
    assert [severity for severity, _ in notices()] == ["warning"]
    message = notices()[0][1]
    assert not message[0].islower()
    assert message.endswith(".")
    return message


def session_opened(workspace, model="micro", **state):
    """Report that a session was opened, with an empty result."""
    return SessionOpened(model, np.zeros(workspace.stack.shape, np.uint16), StateChange(**state), {})


class LateRunner:
    """Runs a task, and delivers what it reports, when the test says so, as a thread may."""

    def __init__(self):
        self.task, self.on_item, self.on_end = None, None, None
        self.waiting = deque()
        self.is_stopped = self.is_closed = False

    def run(self, task, on_item, on_end):
        assert self.task is None
        self.task, self.on_item, self.on_end, self.is_stopped = task, on_item, on_end, False

    def work(self):
        """Run the task that is to be run, if there is one, to its end."""
        if self.task is None:
            return
        task, self.task, error = self.task, None, None

        def report(item):
            self.waiting.append(partial(self.on_item, item))
            return not self.is_stopped

        try:
            task(report)
        except Exception as raised:
            error = raised
        self.waiting.append(partial(self.on_end, error))

    def post(self, function):
        self.waiting.append(function)

    def deliver(self, count=None):
        """Deliver so many reports; all by default."""
        while self.waiting and count != 0:
            deliver = self.waiting.popleft()
            if not self.is_closed:
                deliver()
            count = None if count is None else count - 1

    def finish(self):
        """Run and deliver until nothing is left."""
        while self.task is not None or self.waiting:
            self.work()
            self.deliver()

    def stop(self):
        self.is_stopped = True

    def close(self, last=None):
        self.is_closed = True
        if last is not None:
            last()
