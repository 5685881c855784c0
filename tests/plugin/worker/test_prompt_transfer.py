import numpy as np

from blob_tracker import blob_session
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.worker.prompt_transfer import carry_prompts


def test_prompts_names_and_colours_are_carried(blobs):
    source, target = blob_session(blobs, "TYX"), blob_session(blobs.copy(), "TYX")
    source.add_object("nucleus", 4, "#ff8000")
    source.add_points(4, 0, [(10, 10), (20, 5)], [1, 0])
    source.add_box(4, 1, (5, 5, 15, 15))
    source.add_points(4, 1, [(11, 11)])
    source.add_object("other", 2)
    source.add_mask(2, 1, blobs[1] == 150)
    source.propagate_all()
    assert carry_prompts(source, target) == {}
    assert {key: item.info for key, item in target.objects.items()} == {key: item.info for key, item in source.objects.items()}
    assert all(dict(item.prompts) == dict(source.objects[key].prompts) for key, item in target.objects.items())
    np.testing.assert_array_equal(
        target.labels[:2], np.where(blobs == 200, 4, np.where(blobs == 150, [[[0]], [[2]], [[2]]], 0))[:2]
    )


def test_what_the_other_refuses_is_returned(blobs):
    source, target = blob_session(blobs, "TYX"), blob_session(blobs, "TYX")
    source.add_object(object_id=1)
    source.add_points(1, 0, [(10, 10)])
    source.propagate_all()
    source.add_points(1, 2, [(20, 5)], [0])
    assert carry_prompts(source, target) == {(1, 2): (Click(20, 5, False),)}
    assert list(target.objects[1].prompts) == [0]
