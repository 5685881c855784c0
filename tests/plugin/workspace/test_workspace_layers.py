from napari_sam2.plugin.image.image_stack import Pixel
from napari_sam2.plugin.prompts.clicks import Click
from widget_driving import session_opened


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_layers_come_in_their_order(viewer, open_one, calls):
    workspace = open_one()
    workspace.layers.show()
    assert names(viewer) == ["movie"], "not before the first click"
    workspace.click(Pixel(0, 10, 10), True)
    assert names(viewer) == ["movie", "movie – clicks"]
    assert calls == [("clicks_added", workspace)]
    assert workspace.objects.ids == {1}
    workspace.apply(session_opened(workspace))
    assert names(viewer) == ["movie", "movie – objects", "movie – clicks"]
    assert viewer.layers.selection.active == viewer.layers["movie"]
    for name in ("movie – objects", "movie – clicks"):
        removed = viewer.layers[name]
        viewer.layers.remove(removed)
        workspace.layers.removed(removed)
        assert not removed.keymap
    assert workspace.points.layer is workspace.result.layer is None
    workspace.layers.show()
    assert names(viewer) == ["movie", "movie – objects", "movie – clicks"]


def test_what_comes_back_lies_on_the_image(viewer, open_one):
    """Where somebody put the image above the clicks, a result below these would not be seen."""
    workspace = open_one()
    workspace.click(Pixel(0, 10, 10), True)
    viewer.layers.move(0, 2)
    assert names(viewer) == ["movie – clicks", "movie"]
    workspace.apply(session_opened(workspace))
    assert names(viewer) == ["movie – clicks", "movie", "movie – objects"]


def test_a_result_of_an_earlier_widget_is_written_to(viewer, open_one):
    earlier = open_one()
    earlier.click(Pixel(0, 10, 10), True)
    earlier.apply(session_opened(earlier))
    earlier.close()
    later = open_one()
    assert later.points.layer == viewer.layers["movie – clicks"]
    assert later.request().labels is viewer.layers["movie – objects"].data
    assert [one.click for one in later.points.pending.by_id.values()] == [Click(10, 10, True)]


def test_keys_and_data_of_the_image(viewer, open_one, calls, blobs):
    workspace = open_one()
    image = viewer.layers["movie"]
    for function in list(image.keymap.values()):
        function(image)
    assert calls == [("undo", workspace), ("redo", workspace), ("cancel",)]
    image.data = blobs.copy()
    assert len(calls) == 3
    image.data = blobs[:2]
    assert calls[3:] == [("outgrown", workspace)]
    workspace.close()
    assert workspace.is_closed
    assert not image.keymap
    image.data = blobs[:1]
    assert len(calls) == 4
