import pytest

from napari_sam2.plugin.image.axis_guess import guess_letters, letters_by_labels


@pytest.mark.parametrize(
    ("labels", "letters"),
    [
        (("-3", "-2", "-1"), [None, "Y", "X"]),
        (("t", "z", "y", "x"), ["T", "Z", "Y", "X"]),
        (("Time", "channel", "row", "col"), ["T", "C", "Y", "X"]),
        (("c", "-2", "-1"), ["C", "Y", "X"]),
        (("x", "y", "z"), [None, "Y", "X"]),
        (("z", "y", "z"), ["Z", "Y", "X"]),
        (("t", "t", "y", "x"), [None, None, "Y", "X"]),
        (("angle", "y", "x"), [None, "Y", "X"]),
        (("y", "x", "t"), ["Y", "X", "T"]),
        (("y", "t", "x"), ["Y", "T", "X"]),
        (("-3", "x", "t"), [None, "Y", "X"]),
    ],
)
def test_letters_by_labels(labels, letters):
    assert letters_by_labels(labels) == letters


@pytest.mark.parametrize(
    ("shape", "letters"),
    [
        ((40, 50), "YX"),
        ((3, 40, 50), "TYX"),
        ((2, 3, 40, 50), "TZYX"),
        ((30, 12, 40, 50), "TZYX"),
        ((30, 2, 40, 50), "TCYX"),
        ((3, 30, 40, 50), "CTYX"),
        ((30, 12, 2, 40, 50), "TZCYX"),
        ((30, 7, 12, 40, 50), "TCZYX"),
        ((30, 9, 12, 40, 50), "TZPYX"),
        ((2, 2, 2, 40, 50), "TZPYX"),
        ((9, 8, 30, 20, 2, 40, 50), "TZPACYX"),
    ],
)
def test_a_guess_from_the_shape(shape, letters):
    known = [None] * (len(shape) - 2) + ["Y", "X"]
    assert "".join(guess_letters(known, shape)) == letters


def test_axes_of_length_1_have_no_letter():
    assert guess_letters([None, "Z", None, "Y", "X"], (1, 1, 5, 1, 9)) == ("", "", "T", "Y", "X")


@pytest.mark.parametrize(
    ("known", "shape", "letters"),
    [
        (["Z", None, "Y", "X"], (30, 12, 40, 50), "ZTYX"),
        (["C", None, "Y", "X"], (30, 2, 40, 50), "CTYX"),
        (["T", None, "Y", "X"], (30, 3, 40, 50), "TCYX"),
        ([None, "C", None, "Y", "X"], (4, 2, 30, 40, 50), "TCZYX"),
    ],
)
def test_what_is_known_stays(known, shape, letters):
    assert "".join(guess_letters(known, shape)) == letters


def test_an_image_in_colour_has_no_channels():
    assert guess_letters([None, None, "Y", "X"], (30, 3, 40, 50), has_colour=True) == ("T", "Z", "Y", "X")
