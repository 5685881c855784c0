import numpy as np
import pytest

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.settings.machine import SelfTested
from napari_sam2.plugin.settings.models import MODEL_NAMES
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.settings.settings import SettingsFile, StoredSettings
from served_here import served_here  # noqa: F401 - a fixture
from widget_driving import check_agreement, click, expected, labels, one_warning

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


def test_the_model_is_loaded_before_the_first_click(controller, opener):
    assert opener.loaded == ["micro"]
    assert opener.opened == []


def test_another_model_keeps_everything(controller, opener, blobs, all_models_here):
    click(controller, SQUARE)
    controller.propagate()
    controller.choose_model(MODEL_NAMES[1])
    (session,) = opener.opened
    assert session.state.model.name == controller.model == MODEL_NAMES[1]
    assert session.objects[1].prompts.keys() == {0}
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))  # what was propagated is still shown
    check_agreement(controller)


def test_each_image_has_its_model(viewer, controller, opener, blobs, all_models_here):
    click(controller, SQUARE)
    first = controller.image
    controller.choose_image(viewer.add_image(blobs, name="other"))
    controller.choose_model(MODEL_NAMES[1])
    click(controller, SQUARE)
    controller.choose_image(first)
    assert controller.model == "micro"
    click(controller, MOVING)
    assert [session.state.model.name for session in opener.opened] == ["micro", MODEL_NAMES[1]]


def test_the_undo_of_a_model_change_is_shown(controller, all_models_here):
    click(controller, SQUARE)
    controller.choose_model(MODEL_NAMES[1])
    shown = []
    controller.changed.connect(lambda: shown.append(controller.model))
    controller.undo()
    assert controller.model == shown[-1] == "micro"
    controller.redo()
    assert controller.model == shown[-1] == MODEL_NAMES[1]


def test_weights_that_are_not_there(controller, opener, monkeypatch, tmp_path, notices, blobs):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    click(controller, SQUARE)
    controller.choose_model("sam2.1_hiera_t")
    assert controller.describe() == "The weights of sam2.1_hiera_t are not on this machine: download 156 MB, or choose micro."
    click(controller, (1, 10, 10))
    assert one_warning(notices) == f"{controller.describe()} The click is kept."
    controller.propagate()
    assert len(opener.opened) == 1
    controller.choose_model("micro")
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    with pytest.raises(ValueError, match="there is no model"):
        controller.choose_model("large")


def test_a_checkpoint_file_is_a_model(controller, opener, tmp_path):
    checkpoint = tmp_path / "cells.safetensors"
    checkpoint.touch()
    click(controller, SQUARE)
    controller.choose_model(str(checkpoint))
    assert opener.loaded == ["micro", str(checkpoint)]
    assert controller.session.state.model.name == str(checkpoint)
    checkpoint.unlink()
    assert controller.describe() == f"The file {checkpoint} is not there any more: choose another model."
    with pytest.raises(ValueError, match="nor is there such a file"):
        controller.choose_model(str(tmp_path / "gone.safetensors"))


def test_download(controller, opener, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    click(controller, SQUARE)
    controller.choose_model("sam2.1_hiera_t")
    here, seen = [], []

    def download(name, progress):
        progress.total = 3_000_000
        progress.reset()
        for _ in range(30):
            progress.update(100_000)
        here.append(name)
        progress.close()

    monkeypatch.setattr("napari_sam2.plugin.settings.models.download", download)
    controller.progressed.connect(lambda done, total: seen.append((done, total)))
    controller.models.download()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert controller.session.state.model.name == "sam2.1_hiera_t"

    here.clear()
    seen.clear()
    controller.progressed.connect(lambda done, total: controller.cancel())
    controller.models.download()
    assert len(seen) == 1
    assert here == []


@pytest.fixture
def settings():
    return StoredSettings(SettingsFile(None))


@pytest.fixture
def with_settings(viewer, opener, settings):
    return Controller(viewer, opener=opener, settings=settings)


def test_settings_are_followed_until_it_is_closed(with_settings, opener, settings):
    assert opener.settings == settings.settings
    settings.write({"precision": "bfloat16"})
    assert opener.settings.precision == "bfloat16"
    with_settings.close()
    settings.write({"precision": "float32"})
    assert opener.settings.precision == "bfloat16"


def test_a_session_that_is_not_saved_stays_on_its_device(with_settings, settings, notices):
    click(with_settings, SQUARE)
    session = with_settings.session
    settings.write({"device": "cpu"})
    assert one_warning(notices).startswith("The session is not saved, so it stays on the device that it has")
    assert with_settings.session is session


def test_saved_sessions_are_opened_again_on_another_device(keeping, with_settings, settings):
    click(with_settings, SQUARE)
    session = with_settings.session
    settings.write({"device": "cpu"})
    assert with_settings.session is not session
    assert with_settings.session.objects[1].prompts.keys() == {0}


def test_the_machine_is_surveyed_and_another_device_is_untested(with_settings, settings):
    models = with_settings.models
    assert models.machine is models.self_test is None
    models.survey_machine()
    assert "cpu" in models.machine.devices
    tested = SelfTested(True, "passed")
    models.machine_reported(tested)
    assert models.self_test == tested
    settings.write({"device": "cpu"})
    assert models.self_test is None
    assert models.machine.place == Place("cpu")


ADDRESS = "tcp://127.0.0.1:1"


def test_another_machine_is_reached_before_sessions_move_there(keeping, with_settings, settings, served_here, monkeypatch):  # noqa: F811
    monkeypatch.setattr(served_here, "run", lambda function, *arguments: function(*arguments), raising=False)
    keeping._reached[Place(scheduler=ADDRESS)] = served_here
    texts, models = [], with_settings.models
    with_settings.status_changed.connect(texts.append)
    click(with_settings, SQUARE)
    session = with_settings.session
    models.compute_on(ADDRESS)
    assert f"Connecting to {ADDRESS} …" in texts
    assert models.place.name == models.machine.place.name == ADDRESS
    assert with_settings.session is not session
    assert with_settings.session.objects[1].prompts.keys() == {0}
    models.compute_on("this machine")
    assert not models.place.is_elsewhere
    assert (settings.settings.compute_on, settings.settings.last_scheduler) == ("this machine", ADDRESS)


def test_where_it_cannot_be_reached_sessions_stay_and_it_is_tried_again(keeping, with_settings, settings, notices):
    models = with_settings.models
    click(with_settings, SQUARE)
    session = with_settings.session
    models.compute_on(ADDRESS)
    assert one_warning(notices) == f"The scheduler {ADDRESS} cannot be reached: it does not run, or a firewall is between."
    assert with_settings.session is session
    assert not models.place.is_elsewhere
    click(with_settings, MOVING)
    assert set(with_settings.session.objects) == {1}
    models.compute_on(ADDRESS)
    assert len(notices()) == 2
    models.compute_on("gpu-box")
    assert notices()[-1][1].startswith("The address of a scheduler is tls://HOST:PORT")
    assert settings.settings.compute_on == ADDRESS
