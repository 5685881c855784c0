"""*Compute on* in a real window, with a scheduler and a worker as processes of their own on loopback."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from batch_stacks import discs
from certificates import make_certificates
from dask_processes import free_port, scheduler, worker
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.qt.background import BackgroundRunner
from napari_sam2.plugin.qt.dock_widget import SegmentWidget
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.plugin.settings.place import CERTIFICATE_FILES, THIS_MACHINE
from napari_sam2.plugin.settings.settings import SettingsFile, StoredSettings
from napari_sam2.session.session import Session

pytestmark = pytest.mark.slow
T = 6
MOVIE, TRUTH = discs(T)
CENTRE = tuple(float(one) for one in np.argwhere(TRUTH[0] == 1).mean(0))
TIMEOUT_MS = 180_000


@pytest.fixture
def settings(tmp_path):
    return StoredSettings(SettingsFile(tmp_path / "settings.json"))


@pytest.fixture
def open_dock(make_napari_viewer_proxy, qtbot, kept, settings):
    """Open napari with a movie and the dock, as somebody does the next day; end its thread after the test."""
    runners = []

    def open_one():
        viewer, runner = make_napari_viewer_proxy(show=True), BackgroundRunner()
        viewer.add_image(MOVIE, name="movie", axis_labels=("t", "y", "x"))
        viewer.dims.set_point(0, 0)
        runners.append(runner)
        widget = SegmentWidget(viewer, Controller(viewer, runner, SessionOpener(kept), settings))
        viewer.window.add_dock_widget(widget, name="SAM 2")
        widget._model_panel.fold.setChecked(True)
        return viewer, Dock(widget, qtbot)

    yield open_one
    for runner in runners:
        runner.close()
        runner.wait()


class Dock:
    """What somebody does in the dock, and reads there."""

    def __init__(self, widget, qtbot):
        self.widget, self.controller, self.panel, self.qtbot = widget, widget.controller, widget._model_panel, qtbot
        self.texts = []
        self.controller.status_changed.connect(self._shown)
        self.wait()

    def _shown(self, text):
        self.texts.append(text)

    def wait(self):
        """Wait until nothing runs any more."""
        self.qtbot.waitUntil(lambda: self.controller.is_idle, timeout=TIMEOUT_MS)
        QApplication.processEvents()

    def compute_on(self, name):
        """Type a place, and Enter; return the last sentence."""
        line = self.panel.compute_on.lineEdit()
        line.setFocus()
        line.selectAll()
        QTest.keyClicks(line, name)
        QTest.keyClick(line, Qt.Key.Key_Return)
        self.wait()
        return self.texts[-1]

    def click(self, frame=0, at=CENTRE):
        self.controller.click(self.controller.image.data_to_world((frame, *at)))
        self.wait()
        return self.texts[-1]

    def propagate(self):
        self.controller.propagate()
        self.wait()
        return self.texts[-1]


def expected(clicks):
    with Session(MOVIE, "TYX", device="cpu") as session:
        for frame, centre in clicks:
            session.add_points(session.add_object(), frame, [centre])
        session.propagate_all()
        return np.array(session.labels)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_model_computes_on_another_machine_which_is_lost_and_comes_back(open_dock, settings, tmp_path):
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    _, dock = open_dock()
    assert dock.panel.compute_on.currentText() == THIS_MACHINE
    sentence = f"The scheduler {address} cannot be reached: it does not run, or a firewall is between."
    assert dock.compute_on(address) == sentence
    assert not dock.controller.models.place.is_elsewhere
    assert dock.panel.about_device.text().endswith(f", until {address} is reached")
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(scheduler(port))
        stack.enter_context(worker(address, tmp_path / "scratch"))
        dock.compute_on(address)
        assert dock.panel.about_device.text().endswith(f" at {address}")
        dock.click()
        assert dock.controller.workspace.device.endswith(f" at {address}")
        assert set(dock.controller.session.objects) == {1}
        assert " sent, " in dock.panel.about_device.toolTip()
        process.kill()
        process.wait()
    text = dock.propagate()
    assert "cannot be reached" in text or "the session is whole" in text
    assert set(dock.controller.session.objects) == {1}
    other = tuple(float(one) for one in np.argwhere(TRUTH[0] == 2).mean(0))
    assert "cannot be reached" in dock.click(at=other), "the click waits"
    assert set(dock.controller.session.objects) == {1}
    with scheduler(port), worker(address, tmp_path / "scratch"):
        dock.propagate()
        assert set(dock.controller.session.objects) == {1, 2}
        np.testing.assert_array_equal(dock.controller.session.labels, expected([(0, CENTRE), (0, other)]))
        dock.panel.self_test.click()
        dock.wait()
        assert dock.controller.models.self_test.is_passed
        dock.compute_on(THIS_MACHINE)
    assert not dock.controller.models.place.is_elsewhere
    assert dock.panel.compute_on.findText(address) >= 0, "it is remembered"
    assert settings.settings.last_scheduler == address
    np.testing.assert_array_equal(dock.controller.workspace.result.layer.data, expected([(0, CENTRE), (0, other)]))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_place_is_remembered_and_an_earlier_session_waits_for_it(open_dock, settings, tmp_path):
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    viewer, dock = open_dock()
    dock.click()
    dock.propagate()
    viewer.close()
    settings.write({"compute_on": address})
    _, dock = open_dock()
    assert any("cannot be reached" in text for text in dock.texts) or "cannot be reached" in dock.widget._status.text()
    assert dock.panel.compute_on.currentText() == address
    dock.controller.continue_session()
    dock.wait()
    assert "cannot be reached" in dock.texts[-1]
    with scheduler(port), worker(address, tmp_path / "scratch"):
        dock.click(2)
        assert set(dock.controller.session.objects) >= {1}, "it is the earlier session"
        assert dock.controller.workspace.device.endswith(f" at {address}")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_workers_and_certificates_that_do_not_fit_are_one_sentence_each(open_dock, settings, tmp_path):
    files, others = make_certificates(tmp_path / "lab"), make_certificates(tmp_path / "other lab")
    for lab, made in (("ours", files), ("theirs", others)):
        (tmp_path / lab).mkdir()
        for path, name in zip(vars(made).values(), CERTIFICATE_FILES, strict=True):
            (tmp_path / lab / name).write_bytes(path.read_bytes())
    _, dock = open_dock()
    port = free_port()
    address = f"tls://127.0.0.1:{port}"
    assert dock.compute_on("gpu-box").startswith("The address of a scheduler is tls://HOST:PORT")
    assert dock.compute_on("tcp://10.0.0.1:8786").startswith("Tcp://10.0.0.1:8786 is not encrypted")
    assert dock.compute_on(address) == f"{address.capitalize()} needs certificates: choose their folder in the settings."
    with scheduler(port, files):
        settings.write({"certificates": str(tmp_path / "theirs")})
        dock.wait()
        assert "is not trusted, or does not trust us: the certificates are not of one authority" in dock.texts[-1]
        settings.write({"certificates": str(tmp_path / "ours")})
        with worker(address, tmp_path / "scratch", files, memory="500MB"):
            dock.wait()
            assert "GiB of memory" in dock.texts[-1] or "GiB of memory" in dock.compute_on(address)
        with worker(address, tmp_path / "scratch", files):
            dock.compute_on(address)
            dock.click()
            assert set(dock.controller.session.objects) == {1}
            assert dock.controller.models.place.is_elsewhere
            # released models lie on the worker, and this one has none
            dock.controller.choose_model("sam2.1_hiera_t")
            dock.wait()
            assert "does not have the model sam2.1_hiera_t" in dock.texts[-1]
            assert dock.controller.model == "micro"
