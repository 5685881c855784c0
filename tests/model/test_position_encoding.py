from __future__ import annotations

import math

import pytest
import torch

from napari_sam2.model.position_encoding import (
    PositionEmbeddingRandom,
    PositionEmbeddingSine,
    apply_rotary,
    can_rotate_in_place,
    compute_axial_rotary,
    get_1d_sine_pe,
    rotate_in_place,
)

HEIGHT, WIDTH, DIM = 3, 5, 8


def test_rotation_is_complex_multiplication_by_column_and_row() -> None:
    x = torch.randn(2, HEIGHT * WIDTH, DIM, generator=torch.Generator().manual_seed(0))
    found = apply_rotary(x, compute_axial_rotary(DIM, HEIGHT, WIDTH))
    rates = [10000.0 ** -(4 * i / DIM) for i in range(DIM // 4)]
    for cell in range(HEIGHT * WIDTH):
        row, column = divmod(cell, WIDTH)
        angles = [column * rate for rate in rates] + [row * rate for rate in rates]
        for pair, angle in enumerate(angles):
            for batch in range(2):
                before = complex(*x[batch, cell, 2 * pair : 2 * pair + 2].tolist())
                after = before * complex(math.cos(angle), math.sin(angle))
                assert found[batch, cell, 2 * pair].item() == pytest.approx(after.real, abs=1e-5)
                assert found[batch, cell, 2 * pair + 1].item() == pytest.approx(after.imag, abs=1e-5)


def test_rotation_in_place_is_the_same_and_leaves_what_lies_beside() -> None:
    rotation = compute_axial_rotary(DIM, HEIGHT, WIDTH)
    keys = torch.randn(2, 3, 2 * HEIGHT * WIDTH + 4, DIM, generator=torch.Generator().manual_seed(2))
    before = keys.clone()
    maps = keys[:, 1:, :-4].unflatten(2, (2, -1))
    expected = apply_rotary(maps, rotation)
    rotate_in_place(maps, rotation)
    assert torch.equal(maps, expected)
    assert torch.equal(keys[:, 0], before[:, 0])
    assert torch.equal(keys[:, :, -4:], before[:, :, -4:])


def test_what_is_learnt_or_not_float32_is_not_rotated_in_place() -> None:
    x = torch.zeros(1, 2)
    assert can_rotate_in_place(x)
    assert not can_rotate_in_place(x.bfloat16())
    assert not can_rotate_in_place(x.requires_grad_())


def test_rotation_keeps_the_product_of_two_cells_that_move_together() -> None:
    """What attention sees is the offset between two cells, on a map that is not square too."""
    rotation = compute_axial_rotary(DIM, HEIGHT, WIDTH)
    q, k = torch.randn(2, 1, DIM, generator=torch.Generator().manual_seed(1))

    def product(cell_q: int, cell_k: int) -> float:
        rotated = [apply_rotary(x, rotation[cell : cell + 1]) for x, cell in ((q, cell_q), (k, cell_k))]
        return float((rotated[0] * rotated[1]).sum())

    # One row down and two columns to the right, from two places.
    assert product(0, WIDTH + 2) == pytest.approx(product(WIDTH + 1, 2 * WIDTH + 3), abs=1e-5)


def test_sine_code_is_rows_first_and_ends_at_a_full_turn() -> None:
    code = PositionEmbeddingSine(8)(torch.zeros(1, 1, HEIGHT, WIDTH))[0]
    assert code.shape == (8, HEIGHT, WIDTH)
    rows, columns = code[:4], code[4:]
    assert torch.equal(rows[:, :, 0], rows[:, :, 1])
    assert torch.equal(columns[:, 0], columns[:, 1])
    assert rows[0, :, 0].tolist() == pytest.approx([math.sin(2 * math.pi * (i + 1) / HEIGHT) for i in range(HEIGHT)], abs=1e-5)
    assert columns[1, 0].tolist() == pytest.approx([math.cos(2 * math.pi * (i + 1) / WIDTH) for i in range(WIDTH)], abs=1e-5)


def test_sine_code_takes_no_memory_per_object() -> None:
    code = PositionEmbeddingSine(8)(torch.zeros(7, 1, HEIGHT, WIDTH))
    assert code.untyped_storage().nbytes() == 8 * HEIGHT * WIDTH * 4


def test_random_code_of_a_map_equals_that_of_its_pixel_centres() -> None:
    embedding = PositionEmbeddingRandom(4)
    code = embedding((HEIGHT, WIDTH))
    centres = torch.tensor([[[column + 0.5, row + 0.5] for row in range(HEIGHT) for column in range(WIDTH)]])
    at_centres = embedding.forward_with_coords(centres, (HEIGHT, WIDTH))
    assert torch.allclose(code.flatten(1).T, at_centres[0], atol=1e-6)


def test_coordinates_keep_their_precision_under_autocast() -> None:
    embedding = PositionEmbeddingRandom(4)
    coords = torch.tensor([[[100.0, 900.0], [101.0, 900.0]]])
    exact = embedding.forward_with_coords(coords, (1024, 1024))
    with torch.autocast("cpu", torch.bfloat16):
        found = embedding.forward_with_coords(coords, (1024, 1024))
    assert torch.equal(found, exact)


def test_time_code_has_sines_then_cosines_with_paired_frequencies() -> None:
    code = get_1d_sine_pe(torch.tensor([0.0, 0.5]), 8)
    assert code[0].tolist() == [0.0] * 4 + [1.0] * 4
    expected = [math.sin(0.5 / 10000 ** (2 * (i // 2) / 4)) for i in range(4)]
    assert code[1, :4].tolist() == pytest.approx(expected, abs=1e-6)
