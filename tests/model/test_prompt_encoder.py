"""From clicks, boxes and masks to tokens."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.model.prompt_encoder import PromptEncoder

C, SIZE, IMAGE = 8, (4, 6), (64, 96)


def encoder() -> PromptEncoder:
    torch.manual_seed(0)
    return PromptEncoder(C, SIZE, IMAGE, mask_in_chans=16)


def place(model: PromptEncoder, x: float, y: float) -> torch.Tensor:
    """The code of a pixel's centre, by the formula: random directions, sine and cosine."""
    at = 2 * torch.tensor([(x + 0.5) / IMAGE[1], (y + 0.5) / IMAGE[0]]) - 1
    angles = 2 * torch.pi * at @ model.pe_layer.positional_encoding_gaussian_matrix
    return torch.cat([angles.sin(), angles.cos()])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 95), st.floats(0, 63), st.integers(-1, 3)), min_size=1, max_size=4))
def test_a_point_is_its_place_and_what_it_says(points: list[tuple[float, float, int]]) -> None:
    model = encoder()
    coords, labels = torch.tensor([[point[:2] for point in points]]), torch.tensor([[point[2] for point in points]])
    sparse, _ = model((coords, labels), None, None)
    assert sparse.shape == (1, len(points) + 1, C)
    for token, (x, y, label) in zip(sparse[0], points, strict=False):
        no_point = model.not_a_point_embed.weight[0]
        expected = no_point if label == -1 else place(model, x, y) + model.point_embeddings[label].weight[0]
        torch.testing.assert_close(token, expected, rtol=1e-4, atol=1e-4)
    # points end with one that is none
    assert torch.equal(sparse[0, -1], model.not_a_point_embed.weight[0])


def test_a_box_is_its_two_corners() -> None:
    model = encoder()
    boxes = torch.tensor([[3.0, 4.0, 50.0, 60.0], [0.0, 0.0, 1.0, 1.0]])
    sparse, _ = model(None, boxes, None)
    corners, _ = model((boxes.reshape(2, 2, 2), torch.tensor([[2, 3], [2, 3]])), None, None)
    assert torch.equal(sparse, corners[:, :2])
    # beside a box, points do not end with one that is none
    both, _ = model((torch.zeros(2, 1, 2), torch.ones(2, 1)), boxes, None)
    assert torch.equal(both[:, 1:], sparse)
    assert both.shape == (2, 3, C)


def test_without_a_mask_all_pixels_have_the_code_of_none() -> None:
    model = encoder()
    for points, batch in ((None, 1), ((torch.zeros(3, 1, 2), torch.ones(3, 1)), 3)):
        sparse, dense = model(points, None, None)
        assert torch.equal(dense, model.no_mask_embed.weight[0][None, :, None, None].expand(batch, C, *SIZE))
        assert len(sparse) == batch
    assert model(None, None, None)[0].shape == (1, 0, C)


def test_a_mask_is_four_times_the_size_of_the_features() -> None:
    model = encoder()
    assert model.mask_input_size == (16, 24)
    masks = torch.randn(2, 1, 16, 24)
    sparse, dense = model(None, None, masks)
    assert (sparse.shape, dense.shape) == ((2, 0, C), (2, C, *SIZE))
    # each pixel of the features is made of its own four by four pixels
    masks[0, 0, 4:8, 8:12] *= -2
    changed = (model(None, None, masks)[1] != dense).any(1)
    assert changed.nonzero().tolist() == [[0, 1, 2]]


def test_positions_of_the_features_are_those_of_the_centres_of_their_pixels() -> None:
    model = encoder()
    code = model.get_dense_pe()
    assert code.shape == (1, C, *SIZE)
    for row, column in ((0, 0), (3, 5), (2, 1)):
        # a pixel of the features covers 16 of the image
        torch.testing.assert_close(code[0, :, row, column], place(model, 16 * column + 7.5, 16 * row + 7.5), rtol=1e-4, atol=1e-4)
