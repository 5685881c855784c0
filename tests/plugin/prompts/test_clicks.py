from napari_sam2.plugin.prompts.clicks import Click, clicks_of, points_and_labels
from napari_sam2.session.state.prompts import FramePrompts


def test_points_of_prompts_and_back():
    prompts = FramePrompts(((1.5, 2), (3, 4)), (1, 0), box_rc=(0, 0, 5, 5))
    clicks = clicks_of(prompts)
    assert clicks == (Click(1.5, 2, True), Click(3, 4, False))
    assert points_and_labels(clicks) == ([(1.5, 2), (3, 4)], [1, 0])
    assert clicks_of(None) == clicks_of(FramePrompts(box_rc=(0, 0, 5, 5))) == ()
