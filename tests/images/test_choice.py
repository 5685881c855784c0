"""Which of several images: by number, by name, by path; sentences for those that are not there."""

from __future__ import annotations

from typing import Any

import pytest

from napari_sam2.images.choice import ANY, Choice, listed


def test_nothing_is_asked_for() -> None:
    assert ANY.is_open
    assert ANY.find("movie.tif", ["a", "b"]) is None


@pytest.mark.parametrize(
    ("choice", "number"),
    [({"series": 0}, 0), ({"series": 2}, 2), ({"image_name": "b"}, 1), ({"image_name": "A/1/2"}, 2), ({"image_name": "a"}, 0)],
)
def test_find(choice: dict[str, Any], number: int) -> None:
    assert not Choice(**choice).is_open
    assert Choice(**choice).find("plate.zarr", ["a", "b", ""], ["A/1/0", "A/1/1", "A/1/2"]) == number


def test_path_goes_before_name() -> None:
    assert Choice(image_name="1").find("image.zarr", ["1", "0"], ["0", "1"]) == 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"series": 3}, "movie.tif has no image 3: it holds 3 images: 0 'a', 1 'b', 2 'b'"),
        ({"image_name": "c"}, "movie.tif has no image 'c': it holds 3 images: 0 'a', 1 'b', 2 'b'"),
        ({"image_name": ""}, "movie.tif has no image '': it holds 3 images: 0 'a', 1 'b', 2 'b'"),
        ({"image_name": "b"}, "movie.tif has 2 images 'b': choose one by series=1 (--series 1)"),
    ],
)
def test_not_found(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"^movie\.tif has") as caught:
        Choice(**choice).find("movie.tif", ["a", "b", "b"])
    assert str(caught.value) == message


@pytest.mark.parametrize("paths", [None, [""]])
def test_not_found_where_there_is_one(paths: list[str] | None) -> None:
    with pytest.raises(ValueError, match=r"^movie\.zarr has no image 'labels/a': the only one in it is 0$"):
        Choice(image_name="labels/a").find("movie.zarr", [""], paths)
    with pytest.raises(ValueError, match=r"^movie\.zarr has no image 1: the only one in it is 0 'raw'$"):
        Choice(series=1).find("movie.zarr", ["raw"], paths)


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ({"series": -1}, ValueError),
        ({"series": 0.5}, (TypeError, ValueError)),
        ({"series": "0"}, (TypeError, ValueError)),
        ({"series": True}, (TypeError, ValueError)),
        ({"image_name": 0}, (TypeError, ValueError)),
        ({"series": 0, "image_name": "a"}, ValueError),
    ],
)
def test_wrong_choice(choice: dict[str, Any], error: Any) -> None:
    with pytest.raises(error) as caught:
        Choice(**choice)
    assert "\n" not in str(caught.value)


def test_listed() -> None:
    assert listed(["", "b"]) == "0, 1 'b'"
    assert listed(["", "left", "1"], ["0", "1", "1"]) == "0, 1 'left', 1"
    assert listed([str(i) for i in range(8)]) == "0, 1, 2, 3, 4, 5 and 2 more"
