"""Words of sentences that people read."""

from __future__ import annotations

from napari_sam2.wording import counted


def test_a_number_of_things() -> None:
    assert [counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert [counted(number, "mask") for number in (0, 1, 2)] == ["0 masks", "1 mask", "2 masks"]
    assert [counted(number, "box") for number in (1, 5)] == ["1 box", "5 boxes"]
