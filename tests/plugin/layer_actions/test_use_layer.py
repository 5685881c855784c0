"""Layers that somebody has become prompts, with the real session and no display."""

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.layer_actions.use_layer import LayerReader
from napari_sam2.plugin.layer_prompts.choices import Anchors, Frames, Objects
from napari_sam2.plugin.options.tracking_options import TrackingLeft
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from widget_driving import expected, in_session, labels, plain_click

LAYER = {"axis_labels": ("t", "y", "x"), "units": ("s", "um", "um"), "scale": (60, 0.5, 0.25), "translate": (3, 2, 1)}
SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


def reader(controller):
    return LayerReader(controller._viewer, controller.workspace)


def use(controller, layer, **choices):
    read = reader(controller)
    controller.use_prompts(read.function_for(layer)(layer, **choices))


def boxes_of(session):
    return {(i, t): p.box_rc for i, item in session.objects.items() for t, p in item.prompts.items() if p.box_rc is not None}


def masks_of(session):
    return {(i, t): p.mask for i, item in session.objects.items() for t, p in item.prompts.items() if p.mask is not None}


# --- points --------------------------------------------------------------------------------------------------------


def test_each_point_is_an_object(viewer, controller, texts, blobs):
    mine = viewer.add_points(np.array([SQUARE, MOVING]), name="nuclei", **LAYER)
    use(controller, mine)
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),), (2, 0): (Click(24, 35, True),)}
    assert texts[-1] == "2 objects from nuclei: 2 points on 1 frame."
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0], object_2=[0]))
    controller.undo()
    assert not controller.session.objects, "one undo takes all of it back"
    controller.redo()
    assert sorted(controller.session.objects) == [1, 2]


def test_all_points_are_one_object(viewer, controller, texts):
    mine = viewer.add_points(np.array([SQUARE, (1, 11, 10), (2, 12, 10)]), name="one", **LAYER)
    use(controller, mine, objects=Objects.ALL)
    assert list(in_session(controller.session)) == [(1, 0), (1, 1), (1, 2)]
    assert texts[-1] == "1 object from one: 3 points on 3 frames."


def test_columns_say_object_and_side(viewer, controller, texts):
    features = {"cell": ["b", "b", "a", 7], "sign": [1, 0, 1, 1]}
    points = np.array([SQUARE, (0, 2, 40), MOVING, (2, 28, 35)])
    mine = viewer.add_points(points, features=features, name="mine", **LAYER)
    use(controller, mine, objects="cell", sides="sign")
    objects = controller.session.objects
    assert {number: item.name for number, item in objects.items()} == {7: "object 7", 8: "b", 9: "a"}
    assert in_session(controller.session)[8, 0] == (Click(10, 10, True), Click(2, 40, False))
    assert texts[-1] == "3 objects from mine: 4 points on 2 frames."


def test_what_of_points_is_left_out(viewer, controller, texts):
    features = {"object": [1, 1, np.nan, 2, 1, 3], "side": ["inside", "inside", "inside", "outside", "maybe", "inside"]}
    points = np.array([SQUARE, (0, 50, 10), MOVING, MOVING, SQUARE, (3, 5, 5)])
    mine = viewer.add_points(points, features=features, name="mine", **LAYER)
    use(controller, mine, objects="object", sides="side")
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}
    assert texts[-1] == (
        "1 object from mine: 1 point on 1 frame. Left out: 1 point outside the image, 1 point without an object, "
        "1 point neither inside nor outside, 1 point on frames that the image does not have, "
        "1 point outside objects that are nowhere inside on that frame."
    )


def test_nothing_can_be_used(viewer, controller, notices):
    mine = viewer.add_points(np.array([(0, 50, 10), (0, 60, 10)]), name="mine", **LAYER)
    use(controller, mine)
    assert not controller.session.objects
    assert not controller.can_undo
    assert notices() == [("warning", "Nothing of mine could be used. Left out: 2 points outside the image.")]


def test_points_without_frames_lie_on_the_shown_one(viewer, controller):
    mine = viewer.add_points(np.array([SQUARE[1:]]), name="mine", scale=LAYER["scale"][1:], translate=LAYER["translate"][1:])
    controller.go_to_frame(2)
    use(controller, mine)
    assert list(in_session(controller.session)) == [(1, 2)]
    use(controller, mine, frames=Frames.ONE, frame=1)
    assert list(in_session(controller.session)) == [(1, 2), (2, 1)]
    with pytest.raises(ValueError, match="there is no frame 3: the image has frames 0 to 2"):
        use(controller, mine, frames=Frames.ONE, frame=3)


def test_points_of_one_frame_alone(viewer, controller):
    mine = viewer.add_points(np.array([SQUARE, (1, 26, 35), (2, 28, 35)]), name="mine", **LAYER)
    use(controller, mine, frames=Frames.SHOWN)
    assert list(in_session(controller.session)) == [(1, 0)]
    use(controller, mine, frames=Frames.ONE, frame=2)
    assert list(in_session(controller.session)) == [(1, 0), (3, 2)]


def test_points_in_other_units_and_with_more_axes(viewer, controller):
    at = np.array(viewer.layers["movie"].data_to_world(MOVING)) * (1, 1000, 1000)
    mine = viewer.add_points([(0, *at)], name="mine", units=("pixel", "s", "nm", "nm"))
    use(controller, mine)
    ((key, (click,)),) = in_session(controller.session).items()
    assert key == (1, 0)
    assert (click.row, click.col) == pytest.approx((24, 35))


# --- shapes --------------------------------------------------------------------------------------------------------


def corners(frame, row0, col0, row1, col1):
    return np.array([(frame, row0, col0), (frame, row0, col1), (frame, row1, col1), (frame, row1, col0)], float)


def test_shapes_are_boxes_masks_and_points(viewer, controller, texts, blobs):
    mine = viewer.add_shapes(ndim=3, name="mine", **LAYER)
    mine.add_rectangles([corners(0, 3.5, 3.5, 15.5, 15.5)])
    mine.add_ellipses([corners(1, 20.5, 28.5, 31.5, 43.5)])
    mine.add_polygons([corners(0, 19.5, 29.5, 27.5, 41.5)])
    mine.add_paths([[(2, 8, 6), (2, 8, 14)]])
    use(controller, mine)
    session = controller.session
    assert boxes_of(session) == {(1, 0): (4, 4, 16, 16)}
    masks = masks_of(session)
    assert list(masks) == [(2, 1), (3, 0)]
    assert masks[2, 1].sum() == pytest.approx(np.pi * 5.5 * 7.5, rel=0.03)
    np.testing.assert_array_equal(masks[3, 0], blobs[0] == 150)
    assert in_session(session) == {(4, 2): (Click(8, 8, True), Click(8, 12, True))}
    assert texts[-1] == "4 objects from mine: 1 box, 2 masks, 2 points on 3 frames."
    controller.undo()
    assert not session.objects


def test_shapes_of_one_object_over_frames(viewer, controller, texts):
    mine = viewer.add_shapes(
        [corners(t, 19.5 + 2 * t, 29.5, 27.5 + 2 * t, 41.5) for t in range(3)], features={"track": [5, 5, 5]}, name="mine", **LAYER
    )
    use(controller, mine, objects="track")
    assert list(boxes_of(controller.session)) == [(5, 0), (5, 1), (5, 2)]
    assert texts[-1] == "1 object from mine: 3 boxes on 3 frames."


def test_a_path_through_frames_is_a_point_on_each(viewer, controller):
    mine = viewer.add_shapes([[(0, 24, 35), (1, 26, 35), (2, 28, 35)]], shape_type="path", name="track", **LAYER)
    use(controller, mine)
    assert in_session(controller.session) == {(1, t): (Click(24 + 2 * t, 35, True),) for t in range(3)}


def test_what_of_shapes_is_left_out(viewer, controller, texts):
    mine = viewer.add_shapes(
        [
            corners(0, 4, 4, 15, 15),
            corners(0, 60, 4, 70, 15),
            corners(4, 4, 4, 15, 15),
            corners(0, 4, 4, 4, 15),
            [(0, 4, 4), (0, 4, 9), (1, 9, 9), (1, 9, 4)],
        ],
        name="mine",
        **LAYER,
    )
    mine.add_polygons([corners(0, 0.2, 0.2, 0.4, 0.4)])
    use(controller, mine)
    assert list(boxes_of(controller.session)) == [(1, 0)]
    assert texts[-1] == (
        "1 object from mine: 1 box on 1 frame. Left out: 1 shape outside the image, "
        "1 shape on frames that the image does not have, 1 shape without an area, 1 shape across several frames, "
        "1 mask that the session refuses: the polygon is empty: it holds the centre of no pixel."
    )


# --- labels --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cells(blobs):
    """Labels as of Cellpose: 3 is the left blob, 7 the moving one, on all frames."""
    return np.where(blobs == 200, 3, np.where(blobs == 150, 7, 0)).astype(np.int32)


def test_labels_of_the_shown_frame(viewer, controller, cells, texts, blobs):
    mine = viewer.add_labels(cells, name="cp_masks", **LAYER)
    controller.go_to_frame(1)
    use(controller, mine)
    np.testing.assert_array_equal(labels(controller)[1], cells[1])
    assert not labels(controller)[[0, 2]].any()
    assert texts[-1] == "2 objects from cp_masks: 2 masks on 1 frame."
    assert {key: mask.sum() for key, mask in masks_of(controller.session).items()} == {(3, 1): 100, (7, 1): 96}
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), cells)
    controller.undo()
    controller.undo()
    assert not controller.session.objects
    assert not controller.can_undo


@pytest.mark.parametrize(("anchors", "frames"), [(Anchors.EVERY, [0, 1, 2]), (Anchors.FIRST, [0])])
def test_labels_of_all_frames(viewer, controller, cells, texts, anchors, frames):
    mine = viewer.add_labels(cells, name="mine", **LAYER)
    use(controller, mine, frames=Frames.ALL, anchors=anchors)
    masks = masks_of(controller.session)
    assert list(masks) == [(i, t) for i in (3, 7) for t in frames]
    for (object_id, frame), mask in masks.items():
        np.testing.assert_array_equal(mask, cells[frame] == object_id)
    assert [text.split(",")[0] for text in texts[1:-1]] == [
        f"Segmenting: {done} of {2 * len(frames)} done" for done in range(2, 2 * len(frames) + 1, 2)
    ]
    controller.undo()
    assert not controller.can_undo


@pytest.fixture
def renumbered(cells):
    """The same labels, with other numbers on each frame."""
    return np.where(cells > 0, cells + 20 * np.arange(3)[:, None, None], 0)


def check_linked(found, blobs):
    # the mask of a prompt is that of the model: the double reads it from its input
    assert np.count_nonzero(found != np.where(blobs == 200, 1, np.where(blobs == 150, 2, 0))) <= 1


def test_labels_whose_numbers_differ_are_linked(viewer, controller, renumbered, texts, blobs):
    mine = viewer.add_labels(renumbered, name="stardist", **LAYER)
    use(controller, mine, frames=Frames.ALL, anchors=Anchors.LINKED)
    check_linked(labels(controller), blobs)
    assert texts[0] == "Linking the labels of stardist …"
    assert texts[-1] == "3 frames done in 0 s: 2 objects."
    assert not controller.workspace.tracking_left.is_begun
    controller.undo()
    assert not controller.session.objects
    assert not controller.can_undo


def test_linking_is_stopped_and_continued(viewer, controller, renumbered, texts, blobs):
    mine = viewer.add_labels(renumbered, name="stardist", **LAYER)

    def stop(_done, _total):
        controller.cancel()

    controller.progressed.connect(stop)
    use(controller, mine, frames=Frames.ALL, anchors=Anchors.LINKED)
    assert texts[-1] == "Stopped: 1 frame done and kept, 2 left. Shift+G continues."
    assert not labels(controller)[1:].any()
    controller.progressed.disconnect(stop)
    controller.track_everything()
    check_linked(labels(controller), blobs)
    assert texts[-1] == "2 frames done in 0 s: 2 objects."
    assert not controller.workspace.is_linking_stopped


def test_linking_goes_on_after_a_restart(viewer, keeping, renumbered, blobs):
    controller = Controller(viewer, opener=keeping)
    controller.progressed.connect(controller.cancel)
    use(controller, viewer.add_labels(renumbered, name="stardist", **LAYER), frames=Frames.ALL, anchors=Anchors.LINKED)
    controller.close()
    later = ViewerModel()
    later.add_image(blobs.copy(), name="movie", **LAYER)
    controller = Controller(later, opener=keeping)
    controller.continue_session()
    assert not labels(controller)[1:].any()
    assert controller.workspace.tracking_left == TrackingLeft(True, 2)
    texts = []
    controller.status_changed.connect(texts.append)
    controller.track_everything()
    assert texts[0] == "Linking labels …"
    assert texts[-1] == "2 frames done in 0 s: 2 objects."
    check_linked(labels(controller), blobs)


def test_labels_that_cannot_be_linked(viewer, controller, renumbered, shown):
    flat = viewer.add_labels(renumbered[0], name="flat")
    with pytest.raises(ValueError, match="flat has no frames of its own: there is nothing to link"):
        reader(controller).labels(flat, Frames.ALL, anchors=Anchors.LINKED)
    image = shown(renumbered[0].astype(np.uint8))
    mine = image._viewer.add_labels(renumbered[0])
    with pytest.raises(ValueError, match="this is a single image"):
        reader(image).labels(mine, Frames.ALL, anchors=Anchors.LINKED)


def test_what_takes_long_is_stopped_by_esc(viewer, controller, cells, texts):
    mine = viewer.add_labels(cells, name="mine", **LAYER)
    steps = []

    def stop(done, total):
        steps.append((done, total, controller.is_busy))
        controller.cancel()

    controller.progressed.connect(stop)
    use(controller, mine, frames=Frames.ALL)
    assert steps == [(2, 6, True)]
    assert texts[-2:] == ["Stopping …", "Stopped, and kept what is done: 2 objects from mine: 2 masks on 1 frame."]
    assert list(masks_of(controller.session)) == [(3, 0), (7, 0)]
    controller.undo()
    assert not controller.can_undo


def test_numbers_that_are_taken(viewer, controller, cells, texts):
    for _ in range(3):
        controller.keeps_object = False
        controller.next_object()
        plain_click(controller, SQUARE)
    mine = viewer.add_labels(cells, name="mine", **LAYER)
    use(controller, mine, frames=Frames.ONE, frame=2)
    assert sorted(controller.session.objects) == [1, 2, 3, 7, 10]
    assert texts[-1] == "2 objects from mine: 2 masks on 1 frame. New numbers, since theirs are taken: 3 → 10."


@pytest.mark.parametrize("kind", ["dask", "2D", "half", "shifted", "more axes"])
def test_labels_of_other_shapes(viewer, controller, cells, kind):
    scale, translate = np.array(LAYER["scale"]), np.array(LAYER["translate"])
    if kind == "dask":
        mine = viewer.add_labels(da.from_array(cells, chunks=(1, 20, 50)), **LAYER)
    elif kind == "2D":
        mine = viewer.add_labels(cells[0], scale=scale[1:], translate=translate[1:])
    elif kind == "half":
        # the pixels of half of the resolution begin where those of the image begin
        mine = viewer.add_labels(cells[:, ::2, ::2], scale=scale * (1, 2, 2), translate=translate + scale * (0, 0.5, 0.5))
    elif kind == "shifted":
        mine = viewer.add_labels(cells[:, 4:30, 3:45], scale=scale, translate=translate + scale * (0, 4, 3))
    else:
        mine = viewer.add_labels(cells[None], scale=(1, *scale), translate=(0, *translate))
    use(controller, mine)
    masks = masks_of(controller.session)
    assert list(masks) == [(3, 0), (7, 0)]
    exact = np.repeat(np.repeat(cells[0, ::2, ::2], 2, 0), 2, 1) if kind == "half" else cells[0]
    np.testing.assert_array_equal(np.where(masks[3, 0], 3, np.where(masks[7, 0], 7, 0)), exact)


def test_labels_that_cannot_be_used(viewer, controller, cells, notices):
    use(controller, viewer.add_labels(np.zeros_like(cells), name="empty", **LAYER))
    askew = viewer.add_labels(cells, name="askew", **LAYER, shear=(0.3, 0, 0.2))
    with pytest.raises(ValueError, match="askew cannot be used: its planes are not parallel to the frames of the image"):
        use(controller, askew)
    assert notices() == [("warning", "Nothing of empty could be used.")]


def test_labels_with_the_embedded_model(notices):
    rows, cols = np.mgrid[:64, :64]
    discs = (rows - 20) ** 2 + (cols - 18) ** 2 < 81, (rows - 42) ** 2 + (cols - 44) ** 2 < 121
    cells = np.select(discs, [4, 9]).astype(np.uint8)
    viewer = ViewerModel()
    viewer.add_image(np.stack([20 + 30 * (cells > 0)] * 2).astype(np.uint8), name="movie")
    viewer.dims.set_point(0, 0)
    controller = Controller(viewer, opener=SessionOpener())
    use(controller, viewer.add_labels(cells, name="cells"))
    assert notices() == []
    for value in (4, 9):
        found, true = labels(controller)[0] == value, cells == value
        assert (found & true).sum() / (found | true).sum() > 0.9


# --- which layers --------------------------------------------------------------------------------------------------


def test_our_own_layers_are_not_offered(viewer, controller, cells):
    plain_click(controller, SQUARE)
    controller.session.add_box(1, 1, (3, 3, 17, 17))
    assert reader(controller).layers == []
    mine = viewer.add_labels(cells, name="mine")
    copy = viewer.add_points(viewer.layers["movie – clicks"].data, metadata=viewer.layers["movie – clicks"].metadata)
    assert reader(controller).layers == [copy, mine]


def test_an_earlier_session_is_continued_first(viewer, keeping, cells, kept):
    first = Controller(viewer, opener=keeping)
    plain_click(first, SQUARE)
    first.close()
    later = ViewerModel()
    later.add_image(viewer.layers["movie"].data, name="movie", **LAYER)
    second = Controller(later, opener=keeping)
    assert second.workspace.kept.offer is not None
    use(second, later.add_labels(cells, **LAYER))
    assert sorted(second.session.objects) == [1, 3, 7]
    assert len(kept.sessions()) == 1


def test_without_an_image_or_weights(controller, viewer, cells, notices, monkeypatch):
    command = reader(controller).labels(viewer.add_labels(cells, **LAYER))
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: False)
    controller.use_prompts(command)
    viewer.layers.remove("movie")
    controller.use_prompts(command)
    (_, weights), (_, image) = notices()
    assert weights.startswith("The weights of micro are not on this machine")
    assert image == "There is no image to prompt: open one first."
