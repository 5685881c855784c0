"""Whatever fails: one sentence in the status line, the widget stays usable, and nothing that was done is lost."""

from contextlib import contextmanager

from napari_sam2.torch_threads import torch

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel

from broken_images import broken_zarr
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.image_stack import Pixel
from napari_sam2.plugin.notices import notify_error
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.settings.settings import SettingsFile, StoredSettings
from napari_sam2.session.labels.label_writer import empty_labels
from napari_sam2.weights.registry import RELEASED
from widget_driving import check_agreement, click, expected, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)
NO_MEMORY = "There is not enough memory: choose a smaller model or another device, or close other images; what was done is kept."


def one_sentence(texts, notices):
    """What was told last: as a notification, and in the status line."""
    ((_, message),) = notices()
    assert texts[-1] == message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def as_with(text, sentence):
    assert sentence.startswith(text), sentence


def goes_on(controller, blobs):
    """Everything can be done again."""
    assert controller.is_idle
    click(controller, SQUARE)
    controller.propagate()
    np.testing.assert_array_equal(labels(controller) == 1, expected(blobs, object_1=range(3)) == 1)
    check_agreement(controller)


def opened_on(data, opener, **arguments):
    viewer = ViewerModel()
    viewer.add_image(data, name="movie", contrast_limits=(0, 255))
    viewer.dims.set_point(0, 0)
    texts = []
    controller = Controller(viewer, opener=opener, **arguments)
    controller.status_changed.connect(texts.append)
    return controller, texts


# --- the image -----------------------------------------------------------------------------------------------------


def test_no_image(opener, notices):
    controller = Controller(ViewerModel(), opener=opener)
    texts = []
    controller.status_changed.connect(texts.append)
    controller.click((0, 1, 1))
    assert one_sentence(texts, notices) == "There is no image to click on: open one first."


def test_a_line_is_no_image(controller, texts, blobs):
    """Napari makes no layer of it."""
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        controller._viewer.add_image(blobs[0, 0])
    goes_on(controller, blobs)
    assert texts[-1].startswith("2 frames done in ")


# --- the weights ---------------------------------------------------------------------------------------------------


def test_missing_weights_and_no_network(controller, texts, blobs, notices, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    monkeypatch.setenv("NAPARI_SAM2_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    controller.choose_model("sam2.1_hiera_t")
    click(controller, SQUARE)
    assert one_sentence(texts, notices) == (
        "The weights of sam2.1_hiera_t are not on this machine: download 156 MB, or choose micro. The click is kept."
    )
    controller.models.download()
    (_, (severity, told)) = notices()
    assert (severity, told) == ("warning", texts[-1])
    as_with("Http://127.0.0.1:9/sam2.1_hiera_tiny.pt cannot be reached (ConnectionError): ", told)
    address = RELEASED["sam2.1_hiera_t"].url
    assert told.endswith(f"or fetch {address} by other means and put it at {tmp_path / 'sam2.1_hiera_tiny.pt'}.")
    assert not list(tmp_path.iterdir()), "nothing is left of it"
    controller.choose_model("micro")
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    check_agreement(controller)


# --- memory --------------------------------------------------------------------------------------------------------


def test_a_click_for_which_memory_does_not_suffice(controller, texts, blobs, notices, monkeypatch):
    click(controller, SQUARE)
    tracker = controller.session._in_use.tracker
    with monkeypatch.context() as patch:
        patch.setattr(tracker, "segment", lambda *_, **__: torch.empty(2**50, dtype=torch.float32, device="cpu"))
        controller.next_object()
        click(controller, MOVING)
        assert one_sentence(texts, notices) == NO_MEMORY
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
        (waiting,) = controller.workspace.points.pending.by_id.values()
        assert waiting.click == Click(24, 35, True), "it is kept"
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3), object_2=range(3)))
    check_agreement(controller)


def test_a_propagation_for_which_memory_does_not_suffice(controller, texts, blobs, notices, monkeypatch):
    click(controller, SQUARE)
    tracker = controller.session._in_use.tracker
    track = tracker.track

    def limited(frame, *arguments, **named):
        if frame == 2:
            return np.empty(2**50)
        return track(frame, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(tracker, "track", limited)
        controller.propagate()
    assert one_sentence(texts, notices) == NO_MEMORY
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    goes_on(controller, blobs)


@pytest.mark.parametrize("max_bytes_in_memory", [1e9, 1e18])
def test_a_result_for_which_there_is_no_room(notices, max_bytes_in_memory):
    with pytest.raises((OSError, MemoryError)) as raised:
        empty_labels((10**6, 2**16, 2**16), max_bytes_in_memory)  # larger than all memory and all disks
    told = notify_error(raised.value)
    assert notices() == [("warning", told)]
    if max_bytes_in_memory == 1e9:
        as_with("Labels of 8589934592 MB cannot be put into a temporary file in ", told)
        assert told.endswith("; make room, or set the variable TMPDIR to another.")
    else:
        assert told == NO_MEMORY


# --- an error that nobody expected ---------------------------------------------------------------------------------


def test_an_exception_in_the_worker(controller, texts, blobs, notices, monkeypatch, caplog):
    click(controller, SQUARE)
    with monkeypatch.context() as patch:
        patch.setattr(controller.session._in_use.tracker, "segment", lambda *_, **__: 1 // 0)
        click(controller, (0, 11, 11))
    assert one_sentence(texts, notices) == "ZeroDivisionError: integer division or modulo by zero. Your clicks are kept."
    assert "a task of the plugin failed" in caplog.text
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    goes_on(controller, blobs)
    assert len(controller.session.objects[1].prompts[0].points_rc) == 3


# --- a chunk that cannot be read -----------------------------------------------------------------------------------


def test_a_chunk_that_cannot_be_read(opener, blobs, notices, tmp_path):
    path = broken_zarr(tmp_path / "movie.zarr", blobs, [(2,)])
    controller, texts = opened_on(zarr.open_array(path), opener)
    click(controller, SQUARE)
    controller.workspace.click(Pixel(2, 10, 10), True)
    told = one_sentence(texts, notices)
    assert told == "Frame 2 along T cannot be read: its data are damaged or missing."
    controller.workspace.click(Pixel(1, 11, 11), True)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    waiting = controller.workspace.points.pending.by_id.values()
    assert [one.click for one in waiting] == [Click(10, 10, True)], "it is kept"
    controller.propagate()
    assert texts[-1] == told
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    assert controller.is_idle
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


# --- a disk that is full -------------------------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(num_bytes):
    """Let the system refuse to make a file larger, as a full disk does."""
    resource = pytest.importorskip("resource", reason="not on Windows")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full(keeping, blobs, notices):
    controller, texts = opened_on(blobs, keeping)
    click(controller, SQUARE)
    with files_no_larger_than(4096):
        controller.workspace.click(Pixel(1, 10, 10), True)
        as_with("The session is not saved: ", one_sentence(texts, notices))
        controller.workspace.click(Pixel(2, 10, 10), True)
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))
        assert len(notices()) == 1, "it is told once"
        assert controller.workspace.kept.not_kept, "the line of the session goes on to tell it"
    click(controller, (0, 11, 11))
    assert controller.workspace.kept.not_kept == ""
    controller.close()
    again, _ = opened_on(blobs, keeping)
    again.continue_session()
    np.testing.assert_array_equal(labels(again), expected(blobs, object_1=range(3)))
    assert sum(len(prompts.points_rc) for prompts in again.session.objects[1].prompts.values()) == 4
    again.close()


def test_a_disk_that_is_full_at_the_first_click(keeping, blobs, notices):
    controller, texts = opened_on(blobs, keeping)
    with files_no_larger_than(1000):
        click(controller, SQUARE)
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
        as_with("The session is not saved: ", one_sentence(texts, notices))
    controller.close()
    again, _ = opened_on(blobs, keeping)
    again.continue_session()
    np.testing.assert_array_equal(labels(again), expected(blobs, object_1=[0]))
    again.close()


# --- the device ----------------------------------------------------------------------------------------------------


def test_a_device_that_is_not_here(viewer, blobs, notices):
    settings = StoredSettings(SettingsFile(None))
    controller = Controller(viewer, settings=settings)
    texts = []
    controller.status_changed.connect(texts.append)
    settings.write({"device": "mps"})
    assert texts[-1] == "Device 'mps' is not available here; use 'cpu', or 'auto' to have one chosen."
    controller.click(viewer.layers[0].data_to_world(SQUARE))
    assert texts[-1] == "Device 'mps' is not available here; use 'cpu', or 'auto' to have one chosen."
    settings.write({"device": "cpu"})
    controller.propagate()
    assert controller.session.objects[1].prompts[0].points_rc == ((10.0, 10.0),)
    assert set(notices()) == {("warning", "Device 'mps' is not available here; use 'cpu', or 'auto' to have one chosen.")}


def test_sessions_go_on_on_another_device(keeping, blobs):
    settings = StoredSettings(SettingsFile(None))
    controller, texts = opened_on(blobs, keeping, settings=settings)
    click(controller, SQUARE)
    controller.propagate()
    first = controller.session
    settings.write({"device": "cpu"})
    assert controller.session is not first
    assert controller.session._device == "cpu"
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert texts[-1] == "Undone."


def test_a_session_that_is_not_saved_stays_where_it_is(opener, blobs, notices):
    settings = StoredSettings(SettingsFile(None))
    controller, texts = opened_on(blobs, opener, settings=settings)
    click(controller, SQUARE)
    first = controller.session
    settings.write({"device": "cpu"})
    as_with("The session is not saved, so it stays on the device that it has", one_sentence(texts, notices))
    assert controller.session is first
    goes_on(controller, blobs)
