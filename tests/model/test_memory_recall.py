"""Which frames are recalled: the cases the specification names, and rules that hold always."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.model.memory_recall import OfficialRecall, RecalledFrame, select_closest_cond_frames


def memories(recall: OfficialRecall, *arguments: object, **keywords: object) -> list[tuple[int, int]]:
    return [(item.frame, item.offset) for item in recall(*arguments, **keywords).memories]


def pointers(recall: OfficialRecall, *arguments: object, **keywords: object) -> list[tuple[int, int]]:
    return [(item.frame, item.offset) for item in recall(*arguments, **keywords).pointers]


@pytest.mark.parametrize(
    ("frame", "conditioning", "tracked", "reverse", "expected"),
    [
        (10, [0], range(1, 10), False, [(0, 0), (4, 6), (5, 5), (6, 4), (7, 3), (8, 2), (9, 1)]),
        (3, [0], [1, 2], False, [(0, 0), (1, 2), (2, 1)]),
        (10, [0], [3, 9], False, [(0, 0), (9, 1)]),  # frame 3 is too far away, and no gap is filled by it
        (2, [5], [0, 1], False, [(5, 0), (0, 2), (1, 1)]),  # a conditioning frame ahead counts
        (2, [5], [3, 4], True, [(5, 0), (4, 2), (3, 1)]),
        (4, [5], [], True, [(5, 0)]),  # a selected conditioning frame is not recalled twice
    ],
)
def test_official_memories(frame: int, conditioning: list, tracked: list, reverse: bool, expected: list) -> None:
    assert memories(OfficialRecall(), frame, conditioning, tracked, 20, reverse) == expected


@pytest.mark.parametrize(
    ("frame", "reverse", "expected"),
    [
        (10, False, [(0, 6), (2, 5), (4, 4), (6, 3), (8, 2), (9, 1)]),
        (9, False, [(0, 5), (2, 4), (4, 3), (6, 2), (8, 1)]),
        (5, True, [(14, 5), (12, 4), (10, 3), (8, 2), (6, 1)]),
    ],
)
def test_a_stride_takes_every_second_frame_before_the_previous_one(frame: int, reverse: bool, expected: list) -> None:
    recall = OfficialRecall(memory_temporal_stride=2)
    assert memories(recall, frame, [20], range(15), 21, reverse)[1:] == expected


def test_pointers_are_signed_and_only_from_the_past() -> None:
    recall = OfficialRecall()
    assert pointers(recall, 5, [0, 8], [1, 3, 4], 20, False) == [(0, 5), (4, 1), (3, 2), (1, 4)]
    assert pointers(recall, 5, [0, 8], [6, 7], 20, True) == [(8, 3), (6, 1), (7, 2)]
    with_future = OfficialRecall(only_past_pointers=False)
    assert pointers(with_future, 5, [0, 8], [], 20, False) == [(0, 5), (8, -3)]
    unsigned = OfficialRecall(only_past_pointers=False, signed_pointer_offsets=False)
    assert pointers(unsigned, 5, [0, 8], [], 20, False) == [(0, 5), (8, 3)]


def test_pointers_reach_as_far_as_the_video_is_long_and_no_farther() -> None:
    assert len(pointers(OfficialRecall(), 40, [0], range(1, 40), 100)) == 1 + 15
    short = OfficialRecall()(2, [0], [1], 3)
    assert short.longest_pointer_offset == 2
    assert [p.frame for p in short.pointers] == [0, 1]


@pytest.mark.parametrize(
    ("frame", "conditioning", "limit", "expected"),
    [
        (10, [0, 5, 9, 12, 30], 2, [9, 12]),
        (10, [0, 5, 9, 12, 30], 3, [9, 12, 5]),
        (10, [0, 5, 10, 12], 2, [5, 10]),
        (10, [0, 5, 9], 2, [9, 5]),
        (10, [0, 5], -1, [0, 5]),
    ],
)
def test_closest_conditioning_frames(frame: int, conditioning: list, limit: int, expected: list) -> None:
    selected, unselected = select_closest_cond_frames(frame, conditioning, limit)
    assert selected == expected
    assert unselected == set(conditioning) - set(expected)


def test_one_conditioning_frame_is_too_few_to_choose_from() -> None:
    with pytest.raises(ValueError, match="at least two"):
        select_closest_cond_frames(0, [1, 2, 3], 1)


frames = st.sets(st.integers(0, 30), max_size=12)


@given(
    frame=st.integers(0, 30),
    conditioning=st.sets(st.integers(0, 30), min_size=1, max_size=8),
    tracked=frames,
    reverse=st.booleans(),
    limit=st.sampled_from([-1, 2, 3, 5]),
    stride=st.integers(1, 4),
)
def test_what_is_recalled_is_known_once_per_slot_and_from_the_right_side(
    frame: int, conditioning: set, tracked: set, reverse: bool, limit: int, stride: int
) -> None:
    tracked = tracked - conditioning
    recall = OfficialRecall(max_cond_frames_in_attn=limit, memory_temporal_stride=stride)(
        frame, sorted(conditioning), tracked, 31, reverse
    )

    def known(item: RecalledFrame) -> bool:
        return item.frame in (conditioning if item.is_conditioning else tracked)

    assert all(known(item) for item in (*recall.memories, *recall.pointers))
    recent = [item for item in recall.memories if item.offset]
    assert [item.offset for item in recent] == sorted({item.offset for item in recent}, reverse=True)
    assert all((item.frame > frame) if reverse else (item.frame < frame) for item in recent)
    initial = [item for item in recall.memories if not item.offset]
    assert len(initial) == (len(conditioning) if limit == -1 else min(limit, len(conditioning)))
    assert all(item.offset >= 0 for item in recall.pointers)
