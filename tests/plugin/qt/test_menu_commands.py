import pytest
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2.plugin.qt import menu_commands
from napari_sam2.plugin.qt.dock_widget import SegmentWidget

NOTHING = "There is nothing to export yet: click on an object, or continue the earlier session."


@pytest.fixture
def viewer(make_napari_viewer_proxy, blobs):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(blobs, name="movie", axis_labels=("t", "y", "x"))
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def widget(viewer, open_widget, opener, robot, qtbot):
    """With one object on all frames."""
    widget = open_widget(viewer, opener)
    until_idle(qtbot, widget)
    robot(viewer).click((0, 10, 10))
    until_idle(qtbot, widget)
    menu_commands.propagate(viewer)
    until_idle(qtbot, widget)
    return widget


def until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


def test_they_act_on_the_dock_that_is_open(viewer, widget, qtbot):
    assert menu_commands.widget_in(viewer) is widget
    menu_commands.show_tracks(viewer)
    until_idle(qtbot, widget)
    assert len(viewer.layers["movie – tracks"].data) == 3
    menu_commands.show_table(viewer)
    qtbot.waitUntil(lambda: widget.output_panel.table.model.rowCount() == 3, timeout=10_000)
    menu_commands.copy_as_python(viewer)
    until_idle(qtbot, widget)
    assert QApplication.clipboard().text() == widget.session.to_script()
    for command, menu in (
        (menu_commands.export, widget.output_panel.exports),
        (menu_commands.recent_sessions, widget.output_panel.sessions),
    ):
        command(viewer)
        qtbot.waitUntil(menu.isVisible)
        QTest.qWait(50)
        menu.close()


@pytest.mark.usefixtures("finding")
def test_everything_is_tracked(viewer, widget, qtbot):
    menu_commands.track_everything(viewer)
    until_idle(qtbot, widget)
    assert [item.info.is_found for item in widget.session.objects.values()] == [False, True]


def test_without_objects_there_is_a_sentence(viewer, open_widget, opener, notices, qtbot):
    widget = open_widget(viewer, opener)
    for command in (menu_commands.show_tracks, menu_commands.copy_as_python):
        command(viewer)
    assert [text for _, text in notices()] == [NOTHING] * 2
    until_idle(qtbot, widget)


def test_the_dock_is_opened_where_there_is_none(viewer):
    widget = menu_commands.widget_in(viewer)
    assert isinstance(widget, SegmentWidget)
    assert menu_commands.widget_in(viewer) is widget
    assert list(viewer.window.dock_widgets) == ["Segment and track (napari-sam2)"]
    viewer.window.remove_dock_widget(widget)
