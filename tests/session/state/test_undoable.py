"""Dictionaries whose changes can be undone behave as copies of dictionaries that are put back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.session.state.history import Action, Commit, CommitKind, History
from napari_sam2.session.state.undoable import Address, InMemory, Snapshot, Snapshots, UndoableDict


class OnDisk:
    """A stored value that counts how often it is read; its header is its name without what is large."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.num_reads = 0

    def get(self) -> str:
        self.num_reads += 1
        return self.value

    def header(self) -> str:
        return self.value[:1]


class Noting:
    """A recorder that notes what is there at a key when it is about to change."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, int, str | None]] = []
        self.refreshed: list[tuple[str, int]] = []

    def record_change(self, mapping: UndoableDict[str], key: int) -> None:
        stored = mapping.stored(key)
        self.changes.append((mapping.address.kind, key, None if stored is None else stored.get()))

    def record_refresh(self, mapping: UndoableDict[str], key: int) -> None:
        self.refreshed.append((mapping.address.kind, key))


def dictionary(recorder: Noting | History, kind: str = "a") -> UndoableDict[str]:
    return UndoableDict(recorder, Address(kind, 3), OnDisk)


def reads(mapping: UndoableDict[str]) -> list[int]:
    return [stored.num_reads for key in mapping if isinstance(stored := mapping.stored(key), OnDisk)]


def test_what_is_there_is_recorded_before_it_changes() -> None:
    noting = Noting()
    one, other = dictionary(noting, "one"), dictionary(noting, "other")
    one[4] = "x"
    one[4] = "y"
    one.move(4, other)
    one.move(4, other)
    other.discard(4)
    other.discard(4)
    other[1], other[2] = "v", "w"
    other.clear()
    assert noting.changes == [
        ("one", 4, None),
        ("one", 4, "x"),
        ("other", 4, None),
        ("one", 4, "y"),
        ("other", 4, "y"),
        ("other", 1, None),
        ("other", 2, None),
        ("other", 1, "v"),
        ("other", 2, "w"),
    ]
    assert (one, other, noting.refreshed) == ({}, {}, [])


def test_a_refresh_is_no_change() -> None:
    noting = Noting()
    one = dictionary(noting)
    one[4] = "x"
    one.refresh(4, "x")
    assert (noting.changes, noting.refreshed, one) == ([("a", 4, None)], [("a", 4)], {4: "x"})
    one.restore(5, OnDisk("z"))
    assert (len(noting.changes), len(noting.refreshed), one) == (1, 1, {4: "x", 5: "z"}), "what a file holds nobody undoes"


def test_values_are_read_only_when_they_are_asked_for() -> None:
    history = History(lambda snapshots: None, lambda commit: None)
    one, other = dictionary(history, "one"), dictionary(history, "other")
    one[1], one[2], one[3] = "x", "y", "z"
    values = [one.stored(key) for key in (1, 2, 3)]
    assert reads(one) == [1, 1, 1], "it counts as used just now"
    with history.action():
        one.move(1, other)
        one.discard(2)
        one.clear()
    assert (1 in other, 1 in one, len(one), list(other)) == (True, False, 0, [1])
    history.undo()
    assert [one.stored(key) for key in (1, 2, 3)] == values, "they pass as they are"
    assert (reads(one), one.header(3)) == ([1, 1, 1], "z")
    assert (one[1], reads(one)) == ("x", [2, 1, 1])
    assert one.stored(9) is None


def test_a_dictionary_can_change_while_it_is_gone_through() -> None:
    one = dictionary(Noting())
    one.update({1: "x", 2: "y", 3: "z"})
    for key in one:
        del one[key]
    assert one == {}


def test_what_is_not_there_cannot_be_removed() -> None:
    history = History(lambda snapshots: None, lambda commit: None)
    one = dictionary(history)
    for look in (lambda: one[7], lambda: one.header(7), lambda: one.pop(7)):
        with pytest.raises(KeyError):
            look()

    def remove() -> None:
        with history.action():
            one[1] = "x"
            del one[7]

    with pytest.raises(KeyError):
        remove()
    assert (one, len(history.done)) == ({}, 0)


def test_a_small_value_stays_in_memory() -> None:
    stored = InMemory("x")
    assert (stored.get(), stored.header(), stored.row) == ("x", "x", None)
    assert isinstance(UndoableDict(Noting(), Address("info", 0)).setdefault(1, "x"), str)


def test_the_first_of_several_snapshots_of_a_key_counts() -> None:
    one = dictionary(Noting())
    snapshot = Snapshot(one)
    snapshot.take(1)
    one[1] = "x"
    snapshot.take(1)
    assert snapshot.stored == {1: None}
    replaced = one.exchange(snapshot)
    assert one == {}
    assert one.exchange(replaced).stored == {1: None}
    assert one == {1: "x"}


def test_snapshots_tell_what_was_changed_and_what_was_there() -> None:
    one, equal, untouched = (dictionary(Noting(), kind) for kind in ("one", "one", "untouched"))
    one[1], equal[1] = "x", "x"
    snapshots = Snapshots()
    assert not snapshots
    for key in (1, 2):
        snapshots.of(one).take(key)
    one[1], one[2] = "y", "z"
    assert snapshots.of(one) is snapshots.of(one)
    assert (snapshots.changed(one), snapshots.before(one)) == ({1, 2}, {1: "x"})
    assert (snapshots.changed(equal), snapshots.before(equal)) == (set(), {}), "dictionaries are told apart by identity"
    assert [snapshot.mapping for snapshot in snapshots] == [one], "to ask for others records nothing"
    snapshots.exchange()
    assert (one, snapshots.before(one)) == ({1: "x"}, {1: "y", 2: "z"})
    assert untouched == {}


def test_what_was_there_before_is_found_whether_it_was_changed_or_not() -> None:
    one, other = dictionary(Noting(), "one"), dictionary(Noting(), "other")
    one[1], one[3], other[1] = "x", "z", "w"
    first, third, unchanged = one.stored(1), one.stored(3), other.stored(1)
    snapshots = Snapshots()
    for key in (1, 2):
        snapshots.of(one).take(key)
    one[1], one[2] = "y", "y"
    assert [snapshots.stored_before(one, key) for key in (1, 2, 3, 4)] == [first, None, third, None]
    assert snapshots.stored_before(other, 1) is unchanged
    assert [snapshot.mapping for snapshot in snapshots] == [one]


def test_of_what_came_right_after_only_what_is_new_is_absorbed() -> None:
    one, other = dictionary(Noting(), "one"), dictionary(Noting(), "other")
    first, later = Snapshots(), Snapshots()
    first.of(one).take(1)
    one[1] = "x"
    for mapping, key in ((one, 1), (one, 2), (other, 1)):
        later.of(mapping).take(key)
    one[1], one[2], other[1] = "y", "z", "w"
    first.absorb(later)
    first.exchange()
    assert (one, other) == ({}, {})
    first.exchange()
    assert (one, other) == ({1: "y", 2: "z"}, {1: "w"})


# --- any sequence of actions -------------------------------------------------------------------------------------------

which, keys, values = st.integers(0, 1), st.integers(0, 3), st.sampled_from("uvwxyz")
edits = st.one_of(
    st.tuples(st.just("set"), which, keys, values),
    st.tuples(st.sampled_from(["delete", "pop", "move", "discard", "refresh"]), which, keys),
    st.tuples(st.sampled_from(["clear", "popitem"]), which),
    st.tuples(st.just("update"), which, st.dictionaries(keys, values)),
    st.tuples(st.just("inner"), which, keys, values),
)
outcomes = st.sampled_from(["done"] * 6 + ["raises", "finish fails", "keep fails"])
steps = st.one_of(
    st.tuples(st.just("action"), st.lists(edits, max_size=5), outcomes),
    st.tuples(st.just("continue"), st.lists(edits, max_size=3), outcomes),
    st.tuples(
        st.sampled_from(["undo", "undo", "redo"]), st.just([]), st.sampled_from(["done"] * 4 + ["finish fails", "keep fails"])
    ),
)


class Failing(Exception):
    """What a test lets fail."""


class Tried:
    """Two dictionaries with a history, and the same as plain dictionaries whose copies are kept."""

    def __init__(self) -> None:
        self.outcome = "done"
        self.finished: list[Snapshots] = []
        self.commits: list[Commit] = []
        self.history = History(self.finish, self.keep)
        self.real = dictionary(self.history, "one"), dictionary(self.history, "other")
        self.plain: tuple[dict[int, str], dict[int, str]] = ({}, {})
        self.past: list[Any] = []
        self.future: list[Any] = []
        self.latest = Action()

    def finish(self, snapshots: Snapshots) -> None:
        self.finished.append(snapshots)
        if self.outcome == "finish fails":
            raise Failing

    def keep(self, commit: Commit) -> None:
        self.commits.append(commit)
        if self.outcome == "keep fails":
            raise Failing

    def copy(self) -> Any:
        return tuple(dict(one) for one in self.plain)

    def put_back(self, copies: Any) -> None:
        self.plain = tuple(dict(one) for one in copies)  # type: ignore[assignment]

    def edit(self, kind: str, number: int, *arguments: Any) -> bool:
        """Edit both; return whether that was a change."""
        real, plain = self.real[number], self.plain[number]
        key = arguments[0] if arguments else None
        if kind == "set":
            real[key] = plain[key] = arguments[1]
            return True
        if kind == "update":
            real.update(key)
            plain.update(key)
            return bool(key)
        if kind == "inner":
            with self.history.action():
                real[key] = plain[key] = arguments[1]
            return True
        if kind == "clear":
            was_there = bool(plain)
            real.clear()
            plain.clear()
            return was_there
        if kind == "popitem":
            if plain:
                removed, value = real.popitem()
                assert plain.pop(removed) == value
                return True
            return False
        if kind == "refresh":
            if key in plain:
                real.refresh(key, plain[key])
            return False
        if kind == "discard":
            real.discard(key)
        elif kind == "move":
            real.move(key, self.real[1 - number])
            if key in plain:
                self.plain[1 - number][key] = plain[key]
        elif key not in plain:
            return False
        elif kind == "pop":
            assert real.pop(key) == plain[key]
        else:
            del real[key]
        return plain.pop(key, None) is not None

    def act(self, edits: list[Any], is_continued: bool) -> None:
        before, is_changed = self.copy(), False
        goes_on = is_continued and self.history.is_latest(self.latest)
        try:
            with self.history.action(continued=self.latest if is_continued else None) as self.latest:
                for edit in edits:
                    is_changed |= self.edit(*edit)
                if self.outcome == "raises":
                    raise Failing
        except Failing:
            if self.outcome != "keep fails":
                self.put_back(before)
                return
        if not is_changed:
            return
        self.future.clear()
        if not goes_on:
            self.past.append(before)

    def move(self, kind: str) -> None:
        source, target = (self.past, self.future) if kind == "undo" else (self.future, self.past)
        is_there = bool(source)
        try:
            assert getattr(self.history, kind)() == is_there
        except Failing:
            if self.outcome == "finish fails":
                return
        if is_there:
            target.append(self.copy())
            self.put_back(source.pop())

    def is_as_it_should_be(self) -> bool:
        return self.real == self.plain and len(self.history.done) == len(self.past) and len(self.history.undone) == len(self.future)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(steps, max_size=25))
def test_any_sequence_of_actions_can_be_undone(sequence: list[tuple[str, list[Any], str]]) -> None:
    tried = Tried()
    for kind, given_edits, outcome in sequence:
        before, num_changes, num_kept = tried.copy(), tried.history.num_changes, len(tried.commits)
        tried.outcome = outcome
        tried.act(given_edits, kind == "continue") if kind in ("action", "continue") else tried.move(kind)
        assert tried.is_as_it_should_be()
        is_counted = tried.history.num_changes > num_changes
        assert (tried.copy() == before) or is_counted
        if is_counted:
            assert len(tried.commits) == num_kept + 1
            changed = tried.commits[-1].changed
            for mapping, was, now in zip(tried.real, before, tried.plain, strict=True):
                assert changed.before(mapping) == {key: was[key] for key in changed.changed(mapping) if key in was}
                assert {key for key in was | now if was.get(key) != now.get(key)} <= changed.changed(mapping)
    tried.outcome = "done"
    for kind, number in (("undo", len(tried.past)), ("redo", len(tried.past) + len(tried.future)), ("undo", None)):
        for _ in range(len(tried.past) if number is None else number):
            tried.move(kind)
            assert tried.is_as_it_should_be()
    assert tried.real == ({}, {})


def committed(do: Callable[[History, UndoableDict[str]], None]) -> list[tuple[CommitKind, int, dict[int, str]]]:
    """What is kept of something done: what happened, the number of the action, and what was there before."""
    commits: list[tuple[CommitKind, int, dict[int, str]]] = []
    history = History(
        lambda snapshots: None, lambda commit: commits.append((commit.kind, commit.action.number, commit.changed.before(one)))
    )
    one = dictionary(history)
    do(history, one)
    return commits


def test_of_a_continued_action_only_the_last_step_is_kept() -> None:
    def do(history: History, one: UndoableDict[str]) -> None:
        with history.action() as latest:
            one[1] = "x"
        for value in "yz":
            with history.action(continued=latest):
                one[1] = value
        history.undo()
        history.redo()

    assert committed(do) == [
        (CommitKind.DONE, 1, {}),
        (CommitKind.CONTINUED, 1, {1: "x"}),
        (CommitKind.CONTINUED, 1, {1: "y"}),
        (CommitKind.UNDONE, 1, {1: "z"}),
        (CommitKind.REDONE, 1, {}),
    ]


def test_what_failed_is_not_kept_and_takes_no_number() -> None:
    def do(history: History, one: UndoableDict[str]) -> None:
        with contextlib.suppress(Failing), history.action():
            one[1] = "x"
            raise Failing
        with history.action():
            pass
        with history.action():
            one[2] = "y"

    assert committed(do) == [(CommitKind.DONE, 1, {})]
