import numpy as np
import pytest

from napari_sam2.plugin.prompts.object_commands import RenameObject
from widget_driving import click

MOVING = (0, 24, 35)


@pytest.fixture
def moves(controller):
    moves = []

    def moved():
        moves.append(controller.frame)

    controller.frame_moved.connect(moved)
    yield moves
    controller.frame_moved.disconnect(moved)


def test_the_shown_frame(viewer, controller, moves):
    controller.go_to_frame(2)
    assert (controller.frame, moves) == (2, [2])
    viewer.dims.set_point(0, viewer.layers[0].data_to_world((1, 0, 0))[0])
    assert moves == [2, 1]
    viewer.layers.clear()
    assert controller.frame is None
    controller.go_to_frame(1)
    controller.show_object(1)
    controller.next_uncertain()
    controller.edit_objects(RenameObject(1, "nobody"))
    controller.close()
    count = len(moves)
    viewer.add_image(np.zeros((3, 4, 5)))
    viewer.dims.set_point(0, 2)
    assert len(moves) == count


def test_an_object_is_shown_where_it_was_prompted_or_found(controller):
    click(controller, (1, 10, 10))
    controller.go_to_frame(0)
    controller.show_object(1)
    assert (controller.frame, controller.current_object) == (1, 1)
    controller.propagate()
    controller.go_to_frame(2)
    controller.show_object(1)
    assert controller.frame == 2, "it is there, too"
    controller.show_object(9)
    assert (controller.frame, controller.current_object) == (2, 9), "there is no such object yet"


def test_over_uncertain_frames(controller, texts):
    click(controller, (0, 10, 10))
    controller.propagate()
    frames = controller.workspace.rows.frames
    uncertain = [frame for frame in range(3) if frames.next_uncertain(1, frame - 1, 1) == frame]
    shown = []
    for _ in range(len(uncertain) + 1):
        controller.next_uncertain()
        shown.append(controller.frame)
    last = uncertain[-1] if uncertain else 0
    assert shown[-1] == last
    assert texts[-1] == f"Object 1 has no uncertain frame after frame {last}."
    controller.go_to_frame(0)
    controller.previous_uncertain()
    assert texts[-1] == "Object 1 has no uncertain frame before frame 0."
