"""The picture of the worst objects: which, on which frames, and outlines in the right place and colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blob_tracker import Square, squares
from napari_sam2.evaluation import worst_objects
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.scores import Evaluation, score
from napari_sam2.evaluation.simulated_prompts import simulated_prompts
from napari_sam2.evaluation.worst_objects import (
    BOTH_COLOUR,
    PREDICTION_COLOUR,
    TRUTH_COLOUR,
    Scored,
    chosen_frames,
    write_worst_objects,
)
from napari_sam2.images.stack import Stack

SHAPE = (64, 64)
PLACE: Square = (20, 20, 12)


def written(
    path: Path,
    truth: np.ndarray,
    labels: np.ndarray,
    image: np.ndarray | None = None,
    seen: tuple[float, float] = (0, 255),
) -> np.ndarray:
    """Write the picture of a stack with the objects of ``truth``, and read it."""
    ids = [int(i) for i in np.unique(truth) if i]
    dataset = Dataset(Path("squares"), truth, dict.fromkeys(ids, 0))
    evaluation = score(dataset, simulated_prompts(dataset), labels)
    stack = Stack.open(np.zeros_like(truth) if image is None else image)
    write_worst_objects(path, [Scored(stack, dataset, evaluation, labels, seen)])
    with Image.open(path) as picture:
        return np.asarray(picture)


def tiles(picture: np.ndarray, row: int = 0) -> list[np.ndarray]:
    """Cut out the tiles of a row without their captions."""
    side, gap, line = worst_objects.TILE_PX, worst_objects.GAP_PX, worst_objects.LINE_PX
    top = line + gap + row * (side + line + 2 * gap) + line
    columns = (picture.shape[1] - gap) // (side + gap)
    return [picture[top + 20 : top + side, gap + c * (side + gap) : c * (side + gap) + gap + side] for c in range(columns)]


def colours(tile: np.ndarray) -> set[Any]:
    return {colour for colour in (TRUTH_COLOUR, PREDICTION_COLOUR, BOTH_COLOUR) if (tile == colour).all(-1).any()}


def test_colours_tell_truth_from_prediction(tmp_path: Path) -> None:
    """Right, nothing found, something else found, a part found."""
    truth = squares(4, SHAPE, {1: [PLACE] * 4})
    labels = squares(4, SHAPE, {1: [PLACE, None, (34, 34, 4), (20, 20, 6)]})
    right, missed, elsewhere, part = tiles(written(tmp_path / "p.png", truth, labels))[:4]
    assert colours(right) == {BOTH_COLOUR}
    assert colours(missed) == {TRUTH_COLOUR}
    assert colours(elsewhere) == {TRUTH_COLOUR, PREDICTION_COLOUR}
    assert colours(part) == {TRUTH_COLOUR, PREDICTION_COLOUR, BOTH_COLOUR}


def test_outline_encloses_the_object(tmp_path: Path) -> None:
    """The crop is twice as wide as the object, which fills its middle."""
    truth = squares(2, SHAPE, {1: [PLACE, (40, 30, 12)]})
    for tile in tiles(written(tmp_path / "p.png", truth, truth))[:2]:
        rows, cols = np.nonzero((tile == BOTH_COLOUR).all(-1))
        assert (rows.min() + 20, rows.max() + 20, cols.min(), cols.max()) == (40, 119, 40, 119)


def test_worst_on_top_and_not_too_many(tmp_path: Path) -> None:
    """Nine objects, of which the first is right and the others are missed: eight rows, all missed."""
    places = {i: (2 + 20 * ((i - 1) // 3), 2 + 20 * ((i - 1) % 3), 10) for i in range(1, 10)}
    truth = squares(4, SHAPE, {i: [place] * 4 for i, place in places.items()})
    picture = written(tmp_path / "p.png", truth, np.where(truth == 1, truth, 0))
    assert len(picture) == 20 + 4 + 8 * (160 + 20 + 8)
    assert all(colours(tiles(picture, row)[0]) == {TRUTH_COLOUR} for row in range(8))


@pytest.mark.parametrize(
    ("first", "last", "anchor", "expected"),
    [
        (0, 20, 0, [0, 4, 8, 12, 16, 20]),
        (0, 20, 9, [0, 4, 9, 12, 16, 20]),
        (3, 5, 3, [3, 4, 5]),
        (7, 7, 7, [7]),
        (10, 20, 20, [10, 12, 14, 16, 18, 20]),
    ],
)
def test_chosen_frames(first: int, last: int, anchor: int, expected: list[int]) -> None:
    truth = np.zeros((21, 4, 4), np.uint16)
    truth[first : last + 1, 1, 1] = 1
    assert chosen_frames(Dataset(Path("squares"), truth, {1: anchor}), 1) == expected


def test_absent_for_some_frames_at_the_border(tmp_path: Path) -> None:
    truth = squares(3, SHAPE, {1: [(1, 51, 12), None, (52, 1, 12)]})
    here, gone, there = tiles(written(tmp_path / "p.png", truth, truth))[:3]
    assert (colours(here), colours(gone), colours(there)) == ({BOTH_COLOUR}, set(), {BOTH_COLOUR})


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_any_image(dtype: type, tmp_path: Path) -> None:
    """A single image, and colours; the object is bright and its surroundings are dark."""
    truth = squares(1, SHAPE, {1: [PLACE]})
    image = np.where(truth[0] > 0, 100, 0).astype(dtype)
    grey = tiles(written(tmp_path / "p.png", truth, truth[0], image))[0]
    colour = tiles(written(tmp_path / "p.png", truth, truth[0], np.repeat(image[..., None], 3, -1)))[0]
    np.testing.assert_array_equal(grey, colour)
    assert grey[60, 80].tolist() == [255] * 3
    assert grey[60, 5].tolist() == [0] * 3


def test_contrast_of_what_the_model_saw(tmp_path: Path) -> None:
    """Bone beside an object of soft tissue does not make the object dark: both are white in its window."""
    truth = squares(1, SHAPE, {1: [PLACE]})
    image = np.where(truth[0] > 0, 240, -160).astype(np.int16)
    image[:, 34:] = 2000
    tile = tiles(written(tmp_path / "p.png", truth, truth[0], image, (-160, 240)))[0]
    assert (tile[60, 80].tolist(), tile[60, 5].tolist(), tile[60, 150].tolist()) == ([255] * 3, [0] * 3, [255] * 3)


def test_objects_of_a_single_image_stand_side_by_side(tmp_path: Path) -> None:
    """The worst first, eight of nine: six in a line."""
    places = {i: (2 + 20 * ((i - 1) // 3), 2 + 20 * ((i - 1) % 3), 10) for i in range(1, 10)}
    truth = squares(1, SHAPE, {i: [place] for i, place in places.items()})
    picture = written(tmp_path / "p.png", truth, np.where(truth == 1, 0, truth))
    assert picture.shape[:2] == (20 + 4 + 2 * (160 + 20 + 8), 6 * 164 + 4)
    first, second = (tiles(picture, row) for row in range(2))
    assert [colours(tile) for tile in (*first, *second[:2])] == [{TRUTH_COLOUR}] + [{BOTH_COLOUR}] * 7
    assert not any(tile.any() for tile in second[2:])


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    truth = squares(1, SHAPE, {1: [PLACE]})
    with pytest.raises(ValueError, match="there is no folder"):
        written(tmp_path / "gone" / "p.png", truth, truth)


def test_evaluation_of_some_objects(tmp_path: Path) -> None:
    """Those that were scored, and no other."""
    truth = squares(2, SHAPE, {1: [PLACE] * 2, 2: [(40, 40, 8)] * 2})
    dataset = Dataset(Path("squares"), truth, {1: 0, 2: 0})
    (first, _) = score(dataset, simulated_prompts(dataset), truth).objects
    write_worst_objects(tmp_path / "p.png", [Scored(Stack.open(truth), dataset, Evaluation("squares", (first,)), truth, (0, 2))])
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.height == 20 + 4 + (160 + 20 + 8)


def a_collection(tmp_path: Path, **others: Any) -> np.ndarray:
    """Object 1 of the first image is right, of the second it is missed, and of the third a part is found: the picture."""
    truth = squares(3, SHAPE, {1: [PLACE, (30, 30, 12), (40, 8, 12)]})
    labels = squares(3, SHAPE, {1: [PLACE, None, (40, 8, 6)]})
    scored = []
    for number, (plane, found) in enumerate(zip(truth, labels, strict=True)):
        dataset = Dataset(Path("squares"), plane[None], {1: 0}, number=number, **others)
        evaluation = score(dataset, simulated_prompts(dataset), found)
        scored.append(Scored(Stack.open(plane * 100), dataset, evaluation, found, (0, 255)))
    write_worst_objects(tmp_path / "p.png", scored)
    with Image.open(tmp_path / "p.png") as picture:
        return np.asarray(picture)


def test_objects_of_a_collection_are_each_on_its_own_image(tmp_path: Path) -> None:
    """The worst first: missed on the second image, in part on the third, right on the first."""
    missed, part, right = tiles(a_collection(tmp_path))[:3]
    assert colours(missed) == {TRUTH_COLOUR}
    assert colours(part) == {TRUTH_COLOUR, PREDICTION_COLOUR, BOTH_COLOUR}
    assert colours(right) == {BOTH_COLOUR}
    for tile in (missed, right):  # the object is white, and lies in the middle of its tile
        assert tile[60, 80].tolist() == [255] * 3
        assert tile[60, 5].tolist() == [0] * 3


def test_channels_are_named_in_the_legend(tmp_path: Path) -> None:
    without = a_collection(tmp_path)
    with_channels = a_collection(tmp_path, file=Stack.open(np.zeros((3, 2, *SHAPE), np.uint8), "NCYX"))
    title = worst_objects.LINE_PX
    assert with_channels[:title].sum() > without[:title].sum() > 0
    np.testing.assert_array_equal(with_channels[title:], without[title:])
