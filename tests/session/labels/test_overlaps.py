"""Objects that lie over each other in the labels."""

from __future__ import annotations

import torch

from napari_sam2.predictors.zoom import View
from napari_sam2.session.labels.overlaps import resolve_duplicates

WHOLE = View(0, 0, 8, 8)


def chequered(side: int, even: float, odd: float) -> torch.Tensor:
    """Logits of a square of a side, (8, 8)."""
    logits = torch.full((8, 8), -5.0)
    logits[:side, :side] = torch.where((torch.arange(side)[:, None] + torch.arange(side)) % 2 == 0, even, odd)
    return logits


def test_what_was_found_twice_belongs_to_one_as_a_whole() -> None:
    often, seldom = chequered(7, 3.0, 2.0), chequered(6, 2.0, 2.6)  # 36 of 49 pixels
    for order in (1, -1):
        masks = [often.clone(), seldom.clone()][::order]
        resolve_duplicates(masks, [WHOLE, WHOLE], [1.0, 1.0])
        larger, smaller = masks[::order]
        assert torch.equal(larger, often)
        assert not (smaller > 0).any()


def test_it_belongs_to_the_one_that_is_trusted() -> None:
    masks = [chequered(7, 3.0, 2.0), chequered(6, 2.0, 2.6)]
    resolve_duplicates(masks, [WHOLE, WHOLE], [0.5, 1.0])
    assert [(mask > 0).sum().item() for mask in masks] == [49 - 36, 36]


def test_in_views_of_their_own() -> None:
    one, other = chequered(6, 2.0, 2.0), chequered(6, 3.0, 3.0)[:6, :6].clone()
    masks = [one, other]
    resolve_duplicates(masks, [WHOLE, View(0, 1, 6, 6)], [1.0, 1.0])  # 30 of 42 pixels
    kept = (masks[0] > 0).numpy()
    assert kept[:6, 0].all()
    assert kept.sum() == 6
    assert (masks[1] > 0).all()


def test_of_equal_ones_the_first() -> None:
    masks = [chequered(4, 2.0, 2.0), chequered(4, 2.0, 2.0)]
    resolve_duplicates(masks, [WHOLE, WHOLE], [1.0, 1.0])
    assert [(mask > 0).sum().item() for mask in masks] == [16, 0]


def test_what_lies_in_or_beside_another_stays() -> None:
    cell, nucleus, empty = chequered(6, 3.0, 1.0), chequered(4, 2.0, 2.0), torch.full((8, 8), -1.0)  # 16 of 36 pixels
    masks = [cell.clone(), nucleus.clone(), empty.clone()]
    resolve_duplicates(masks, [WHOLE] * 3, [1.0] * 3)
    assert all(torch.equal(mask, before) for mask, before in zip(masks, (cell, nucleus, empty), strict=True))


def test_pieces_of_a_mother_on_each_daughter_are_found_twice() -> None:
    """Neither daughter is mostly the same as all of the mother, but as her piece there; a speck is decided by its pixels."""
    mother = torch.full((8, 20), -5.0)
    mother[1:6, 1:6] = mother[1:6, 10:15] = 2.0
    mother[7, 19] = 3.0
    daughters = [torch.full((8, 20), -5.0) for _ in range(2)]
    daughters[0][1:6, 1:6] = torch.where(torch.arange(25).reshape(5, 5) % 2 == 0, 5.0, 1.0)
    daughters[1][1:6, 10:16] = 1.0
    daughters[1][7, 19] = 1.0
    masks = [mother, *daughters]
    resolve_duplicates(masks, [View(0, 0, 8, 20)] * 3, [1.0, 1.0, 1.0])
    assert not (mother[1:6, 1:6] > 0).any(), "she has 3.08 on the mean"
    assert (daughters[0] > 0).sum() == 25
    assert (mother[1:6, 10:15] > 0).all()
    assert (daughters[1] > 0).sum() == 5 + 1, "what is hers alone, and the speck"
    assert mother[7, 19] == 3
