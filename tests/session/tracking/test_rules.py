import numpy as np
import pytest

from napari_sam2.session.tracking import rules
from napari_sam2.session.tracking.regions import Region
from napari_sam2.session.tracking.search import Found


def square(row, column, height=10, width=10):
    return Region(row, column, np.ones((height, width), bool))


def past(*areas, first=0, elongation=1.0):
    frames = range(first, first + len(areas))
    return rules.Past(first, dict(zip(frames, areas, strict=True)), dict.fromkeys(frames, elongation), dict.fromkeys(frames, 90.0))


def test_the_usual_area_is_that_before_it_condensed():
    assert past(100, 100, 102, 98, 50, 40, 30).usual_area_px(7) == 100, "frames 0 to 4"
    assert past(10, 20, 30).usual_area_px(3) == 10
    assert past(10).usual_area_px(1) == 10
    assert past(0, 0).usual_area_px(2) == 0
    assert past(100, 0, 0).frames_absent(2) == 2
    assert past(100, 0, 90).frames_absent(2) == 0
    assert past(100, 100, elongation=1.4).usual_elongation(2) == 1.4


def test_the_track_that_changed_loses_and_of_equal_ones_the_less_certain():
    same, shrunk = past(100, 100, 100, 100), past(300, 300, 300, 300)
    assert rules.loser((same, square(0, 0), 0.8), (shrunk, square(0, 0), 0.9), 4) == 1
    assert rules.loser((shrunk, square(0, 0), 0.9), (same, square(0, 0), 0.8), 4) == 0
    assert rules.loser((same, square(0, 0), 0.7), (same, square(0, 0), 0.8), 4) == 0
    assert rules.loser((same, square(0, 0), 0.8), (same, square(0, 0), 0.7), 4) == 1


def test_two_are_on_one_object_by_the_smaller_mask():
    assert rules.is_on_one_object(square(0, 0), square(0, 4)), "60 of 100"
    assert not rules.is_on_one_object(square(0, 0), square(0, 5)), "50 of 100"
    assert rules.is_on_one_object(square(0, 0, 20, 20), square(3, 3, 4, 4))
    assert not rules.is_on_one_object(square(0, 0), square(0, 0, 0, 0))


def test_pieces_are_children_if_they_are_alike_and_large_enough():
    def apart(width):
        pixels = np.ones((10, 12 + width), bool)
        pixels[:, 10:12] = False
        return Region(5, 5, pixels)

    assert [piece.area_px for piece in rules.children_in_pieces(apart(6), 100)] == [100, 60]
    assert rules.children_in_pieces(apart(4), 100) == [], "40 beside 100"
    assert rules.children_in_pieces(apart(6), 500) == [], "a speck beside others"
    assert rules.children_in_pieces(square(0, 0), 100) == []


def test_halves_are_children_if_together_they_are_the_long_object():
    whole = square(10, 10, 10, 30)
    halves = [Found(square(10, 10, 10, 14), 0.9), Found(square(10, 25, 10, 15), 0.8)]
    assert [one.area_px for one in rules.children_in_halves(whole, halves, 300)] == [140, 150]
    assert rules.children_in_halves(whole, halves[:1], 300) == []
    assert rules.children_in_halves(whole, [halves[0], Found(square(10, 34, 10, 15), 0.8)], 300) == [], "mostly beside it"
    assert rules.children_in_halves(square(10, 10, 30, 30), halves, 300) == [], "only a part of it"


def test_long_is_longer_than_usual():
    bar = square(0, 0, 5, 20)
    assert rules.is_long(bar, past(100, 100, elongation=1.2), 2)
    assert not rules.is_long(bar, past(100, 100, elongation=4.0), 2)
    assert not rules.is_long(square(0, 0, 1, 8), past(8, 8), 2)


def test_newcomers_are_of_a_usual_size_and_in_a_free_place():
    found = [Found(region, 0.9) for region in (square(0, 0), square(50, 50), square(70, 70, 2, 2), square(0, 40, 30, 30))]
    known = [square(0, 6)]
    assert [one.region.row for one in rules.newcomers(found, known, 100)] == [50], "covered, right, too small, too large"
    assert [one.region.row for one in rules.newcomers(found, [square(0, 7)], 100)] == [0, 50], "30 of 100 covered"


@pytest.mark.parametrize(
    ("areas", "size", "distance", "is_parent"),
    [
        ((100, 100, 100), 7, 12, True),
        ((100, 100, 100), 9, 12, False),  # it has not shrunk
        ((100, 100, 100), 7, 20, False),  # too far
        ((100,), 7, 12, False),  # too young
        ((0, 0, 0), 7, 12, False),  # it was not there
    ],
)
def test_a_parent_shrank_and_is_near(areas, size, distance, is_parent):
    track = past(*areas)
    found = rules.parent_of(square(0, distance, 7, 7), [(4, track, square(0, 0, size, size))], len(areas))
    assert found == (4 if is_parent else None)


def test_of_two_possible_parents_the_nearer_one_in_its_own_radii():
    small, large = past(100, 100, 100), past(400, 400, 400)
    tracks = [(1, small, square(0, 0, 7, 7)), (2, large, square(0, 26, 12, 12))]
    assert rules.parent_of(square(0, 12, 7, 7), tracks, 3) == 2


def test_a_division_began_where_both_children_are_there_already():
    children = [square(10, 0), square(10, 12)]
    before = [square(10, 2), square(10, 12)]
    parent = square(10, 2, 10, 20)
    known = past(100, 100, elongation=1.2)
    assert rules.has_divided_before(parent, known, children, before, 2), "it is twice as long and as large"
    assert not rules.has_divided_before(parent, past(200, 200, elongation=2.0), children, before, 2), "it was like that"
    assert not rules.has_divided_before(parent, known, children, [before[0], square(10, 4)], 2), "both on one half"
    assert not rules.has_divided_before(parent, known, children, [before[0], square(30, 12)], 2), "one elsewhere"
    assert not rules.has_divided_before(parent, known, children, [before[0], square(0, 0, 0, 0)], 2), "one is absent"
    assert not rules.has_divided_before(parent, known, [square(10, 0, 20, 20)] * 2, before, 2), "of half the size"
    lengthwise = [square(10, 2, 5, 20), square(15, 2, 5, 20)]
    assert not rules.has_divided_before(parent, known, children, lengthwise, 2), "cut along, as a plate may be"


def test_children_are_not_larger_than_their_parent_was():
    pieces = [square(0, 0), square(0, 20)]
    assert rules.are_too_large(pieces, past(120, 120, 200), 3)
    assert not rules.are_too_large(pieces, past(140, 140, 200), 3)
    assert not rules.are_too_large(pieces, past(0, 0), 2), "nothing is known of it"


def test_what_comes_apart_unchanged_was_two():
    pieces = square(0, 0, 5), square(0, 20, 5)

    def was_two(areas, brightness, elongation):
        known = past(*areas, elongation=elongation)._replace(brightness=dict(enumerate(brightness)))
        return rules.were_two(pieces, known, len(areas))

    assert was_two([100, 100, 100], [90, 90, 91], 1.6)
    assert not was_two([100, 100, 100], [90, 90, 110], 1.6), "it became brighter"
    assert not was_two([100, 100, 80], [90, 90, 91], 1.6), "it became smaller"
    assert not was_two([100, 100, 100], [90, 90, 91], 1.1)
    assert was_two([80, 80, 80], [90, 90, 91], 1.1), "it was smaller than its pieces"
    assert not was_two([], [], 1.0)


def test_siblings_are_alike_near_their_parent_and_smaller():
    parent, one = square(10, 10, 10, 10), square(8, 12, 6, 8)
    assert rules.are_siblings(one, square(18, 12, 6, 8), parent)
    assert not rules.are_siblings(one, square(18, 12, 6, 3), parent)
    assert not rules.are_siblings(one, square(48, 12, 6, 8), parent)
    assert not rules.are_siblings(one, square(18, 12, 11, 10), parent)


def test_a_track_has_shrunk_where_it_may_be_one_of_two_children():
    areas = {area: rules.has_shrunk(square(0, 0, 1, area), past(*[100] * 8), 8) for area in (0, 74, 75)}
    assert areas == {0: False, 74: True, 75: False}
