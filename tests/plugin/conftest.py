import os

os.environ["NAPARI_CONFIG"] = ""  # else napari's fixtures overwrite the settings of whoever runs the tests

from dataclasses import dataclass, field

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from scipy import ndimage

from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts, check_points


@pytest.fixture
def blobs():
    """Three frames with two bright squares, the second of which moves down by two rows a frame."""
    stack = np.zeros((3, 40, 50), np.uint8)
    for frame in range(3):
        stack[frame, 5:15, 5:15] = 200
        stack[frame, 20 + 2 * frame : 28 + 2 * frame, 30:42] = 150
    return stack


@pytest.fixture
def notices():
    """What people were told during the test, as (severity, message)."""
    start = len(notification_manager.records)

    class Notices:
        def __call__(self):
            return [(str(record.severity), record.message) for record in list(notification_manager.records)[start:]]

    yield Notices()
    del notification_manager.records[start:]


@dataclass
class BlobObject:
    object_id: int
    info: ObjectInfo = field(default_factory=lambda: ObjectInfo("cell"))
    prompts: dict = field(default_factory=dict)
    masks: dict = field(default_factory=dict)


@dataclass(frozen=True)
class BlobResult:
    frame: int
    scores: dict


class BlobSession:
    """A double with meaning: an object is all of a frame's blobs with a click inside and none outside."""

    def __init__(self, image, axes, labels, model="micro"):
        self.image = np.asarray(image) if image.ndim == 3 else np.asarray(image)[None]
        self.axes, self.labels, self.model = axes, labels, model
        self.objects = {}

    def __len__(self):
        return len(self.image)

    def add_object(self, name=None, object_id=None, colour=None):
        assert object_id not in self.objects
        self.objects[object_id] = BlobObject(object_id, ObjectInfo(name or "cell", colour))
        return object_id

    def close(self):
        pass

    def set_colour(self, object_id, colour):
        self.objects[object_id].info = ObjectInfo("cell", colour)

    def add_points(self, object_id, frame, points, labels=None):
        points, labels = check_points(points, labels, self.image.shape[1:])
        item = self.objects[object_id]
        prompts = item.prompts.get(frame, FramePrompts()).with_points(points, labels)
        if not prompts.says_where and frame not in item.masks:
            raise ValueError(f"object {object_id} has only points outside it on frame {frame}: add a point inside, a box or a mask")
        item.prompts[frame] = prompts
        item.masks[frame] = self._mask(prompts, frame)
        self._write(frame)
        return item.masks[frame]

    def set_points(self, object_id, frame, points, labels=None):
        self.objects[object_id].prompts.pop(frame)
        return self.add_points(object_id, frame, points, labels)

    def clear_prompts(self, object_id, frame):
        item = self.objects[object_id]
        del item.prompts[frame]
        frames = [frame] if item.prompts else list(item.masks)
        for shown in frames:
            del item.masks[shown]
            self._write(shown)

    def plan(self, direction="both"):
        prompted = [min(item.prompts) for item in self.objects.values() if item.prompts]
        if not prompted:
            return []
        todo = [
            frame for frame in range(len(self)) if any(frame not in item.masks for item in self.objects.values() if item.prompts)
        ]
        return [frame for frame in todo if direction == "both" or (frame > min(prompted)) == (direction == "forward")]

    def propagate(self, direction="both"):
        if not any(item.prompts for item in self.objects.values()):
            raise ValueError("there is nothing to propagate: add points, a box or a mask first")
        for frame in self.plan(direction):
            for item in self.objects.values():
                if item.prompts and frame not in item.masks:
                    item.masks[frame] = self._mask(item.prompts[min(item.prompts)], frame)
            self._write(frame)
            yield BlobResult(frame, {})

    def _mask(self, prompts, frame):
        blobs, _ = ndimage.label(self.image[frame] > 100)
        picked = {1: set(), 0: set()}
        for (row, col), label in zip(prompts.points_rc, prompts.labels, strict=True):
            picked[label].add(blobs[round(row), round(col)])
        return np.isin(blobs, list(picked[1] - picked[0] - {0}))

    def _write(self, frame):
        plane = np.zeros(self.image.shape[1:], np.uint16)
        for item in self.objects.values():
            if frame in item.masks:
                plane[item.masks[frame]] = item.object_id
        if self.labels.ndim == 2:
            self.labels[...] = plane
        else:
            self.labels[frame] = plane


class BlobOpener:
    """Opens such sessions, and remembers what was asked for."""

    def __init__(self):
        self.loaded, self.opened = [], []

    def load(self, model):
        self.loaded.append(model)

    def __call__(self, order):
        self.opened.append(BlobSession(order.image, order.axes, order.labels, order.model))
        return self.opened[-1]


@pytest.fixture
def opener():
    return BlobOpener()
