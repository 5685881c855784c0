import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.canvas.status_bar import StatusBar


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.mouse_over_canvas = True
    return viewer


@pytest.fixture
def shown(viewer):
    """What napari's status bar was given; it listened before."""
    shown = []
    viewer.events.status.connect(lambda event: shown.append(event.value))
    return shown


def test_the_name_follows_what_napari_shows(viewer, shown):
    bar = StatusBar(viewer, lambda position: "object 3" if position[0] > 0 else "")
    viewer.cursor.position = (1, 1)
    viewer.status = "[1 1]"
    assert (viewer.status, shown[-1]) == ("[1 1] · object 3", "[1 1] · object 3")
    viewer.status = {"layer_base": "movie", "coordinates": "[1 1]: 7"}
    assert viewer.status == shown[-1] == {"layer_base": "movie", "coordinates": "[1 1]: 7 · object 3"}
    viewer.cursor.position = (-1, 1)
    viewer.status = "[-1 1]"
    assert viewer.status == "[-1 1]"
    viewer.cursor.position = (1, 1)
    viewer.mouse_over_canvas = False
    viewer.status = "Ready"
    assert viewer.status == "Ready"
    viewer.mouse_over_canvas = True
    bar.close()
    viewer.status = "[2 2]"
    assert viewer.status == "[2 2]"
