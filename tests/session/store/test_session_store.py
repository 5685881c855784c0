"""Saved as it goes, opened again: labels are exact, as the tracker is the double."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings

from blob_tracker import BlobTracker, tiny_model
from known_sessions import (
    ACTIONS,
    MOVIE,
    SHAPE,
    TRUTH,
    Doer,
    T,
    begun,
    everything_done,
    header_of,
    inside,
    known,
    opened,
    unused_rows,
)
from napari_sam2.predictors import record_store, tracker
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.session.store import session_store, values
from napari_sam2.session.store.database import open_to_read
from napari_sam2.session.store.session_store import read_header
from napari_sam2.session.store.temporary import unsaved_folder, unsaved_sessions
from packed_records import bits
from thoroughness import examples
from tiny_models import tiny_predictor


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def full_disk(session: Session, pages: int = 0) -> None:
    """Let the file of a session grow no more than by so many pages, as on a disk that is full."""
    database = session._store._rows.database
    assert database is not None
    ((count,),) = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {count + pages}").fetchone()


def with_room(session: Session) -> None:
    database = session._store._rows.database
    assert database is not None
    database.execute("PRAGMA max_page_count = 1000000").fetchone()


@pytest.mark.parametrize("is_saved_as_it_goes", [True, False])
def test_opened_again_it_is_the_same_and_goes_on(path: Path, is_saved_as_it_goes: bool) -> None:
    session = begun()
    if is_saved_as_it_goes:
        session.save(path)
    everything_done(session)
    if not is_saved_as_it_goes:
        session.save(path)
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    for one in (session, again):
        list(one.propagate())
        one.add_points(1, 2, [(0, 0)], [0])
    assert known(again) == known(session)
    again.close()
    third = opened(path)
    assert known(third) == known(session)
    third.close()
    assert [one.name for one in path.parent.iterdir()] == ["movie.sam2"]


@settings(max_examples=examples(12), deadline=None, derandomize=True, database=None)
@given(ACTIONS)
def test_saved_equals_opened_equals_replayed(sequence: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "Tracker", BlobTracker)
        path = Path(folder) / "a.sam2"
        session = begun(axes="ZYX")
        session.save(path)
        doer = Doer(session)
        for step in sequence:
            doer.do(*step)
        log = path.with_suffix(".json")
        log.write_text(session.to_json(), encoding="utf-8")
        session.close()
        again = opened(path)
        assert known(again) == known(session)
        again.close()
        for file in (path, log):
            assert known(replay(file, MOVIE, tiny_model())) == known(session)
        assert unused_rows(path) == 0


def test_records_of_the_network_are_the_same_to_the_bit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    movie = np.random.default_rng(0).integers(0, 255, (6, 64, 64), np.uint8)
    model = tiny_predictor()
    model.fill_hole_area = 8.0
    session = Session(movie, model=model, zoom=4.0)
    session.save(path)
    session.add_points(session.add_object(), 1, [(30, 30)])
    for _, _ in zip(range(2), session.propagate(), strict=False):
        pass
    session.close()
    again = Session.open(path, movie, model)
    for one in (session, again):
        list(one.propagate())
    for frame in range(6):
        record, other = session.objects[1].shown(frame), again.objects[1].shown(frame)
        assert record is not None
        assert other is not None
        np.testing.assert_array_equal(record.mask_logits, other.mask_logits)
        np.testing.assert_array_equal(record.remembered_logits, other.remembered_logits)
        assert (record.view, record.object_score, record.origin) == (other.view, other.object_score, other.origin)
    again.close()
    again = Session.open(path, movie, model)
    memory = again.objects[1].memory
    assert any(memory.tracked[frame].remembered is not None for frame in memory.tracked), "no hole was filled"
    for frame in range(6):
        before, kept = session.objects[1].memory.get(frame), memory.get(frame)
        assert before is not None
        assert before.memory is not None
        assert kept is not None
        assert kept.memory is None, "memories are not in the file"
        with again._in_use.inference():
            (encoded,) = again._in_use.tracker.remember(frame, [kept])
        assert before.memory.dtype == "bfloat16"
        assert bits(encoded.memory) == bits(before.memory)
    again.close()


def test_numbers_of_numpy(path: Path) -> None:
    session = begun()
    session.save(path)
    one, frame = np.int64(session.add_object()), np.uint8(2)
    session.add_points(one, frame, np.array(inside(1, 2)), np.ones(1, np.int64))
    session.change_point(one, frame, np.int64(0), label=np.int64(1))
    list(session.propagate(objects=np.array([1]), frames=np.arange(T)))
    session.add_box(one, np.int64(4), np.array([4, 7, 10, 13]))
    session.approve(one, np.int64(6))
    session.clear_prompts(one, np.int64(4))
    session.rename_object(one, "mother")
    session.set_colour(one, "#ff0000")
    session.hide_object(one, np.bool_(True))
    children = session.divide_object(one, np.int64(5), np.int64(2))
    session.merge_objects(np.int64(children[0]), np.int64(children[1]))
    session.remove_object(np.int64(session.split_object(one, np.int64(3))))
    assert all(type(key) is int for item in session.objects.values() for key in (item.object_id, *item.prompts))
    assert session.objects[1].anchors == [2]
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    again.close()
    assert known(replay(path, MOVIE, tiny_model()))["labels"] == known(session)["labels"]


@pytest.mark.parametrize("value", [1e20, 1e308, -1e20])
def test_an_image_of_one_large_number(path: Path, value: float) -> None:
    image = np.full((2, *SHAPE), value)
    session = begun(image)
    session.add_mask(session.add_object(), 0, TRUTH[0] == 1)
    list(session.propagate())
    session.save(path)
    session.close()
    again = opened(path, image)
    assert known(again) == known(session)
    again.close()


def test_the_highest_id_and_many_objects(path: Path) -> None:
    session = begun()
    session.save(path)
    for object_id in (65535, 1, 40000):
        session.add_object(object_id=object_id)
        session.add_points(object_id, 0, inside(1, 0))
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    assert again.add_object() == 2
    again.close()


# --- each action is in the file when it is done --------------------------------------------------------------------


def in_file(path: Path) -> list[str]:
    """Methods that a file holds, as another program sees it while the session is open."""
    database = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
    try:
        texts = database.execute("SELECT call FROM actions WHERE NOT is_undone ORDER BY number")
        return [
            f"{call['method']} {call['arguments'].get('steps', '')}".strip() for (text,) in texts for call in [json.loads(text)]
        ]
    finally:
        database.close()


def test_the_file_follows_each_action(path: Path) -> None:
    session = begun()
    session.save(path)
    assert in_file(path) == []
    session.add_points(session.add_object(), 0, inside(1, 0))
    assert in_file(path) == ["add_object", "add_points"]
    running = session.propagate()
    for count in (1, 2, 3):
        next(running)
        assert in_file(path)[2:] == [f"propagate {count}"]
    list(running)
    assert in_file(path)[2:] == ["propagate None"]
    session.undo()
    assert in_file(path) == ["add_object", "add_points"]
    session.redo()
    assert in_file(path)[2:] == ["propagate None"]
    session.close()
    assert [entry.name for entry in sorted(path.parent.iterdir())] == ["movie.sam2"]


def test_what_another_session_sees_while_it_goes_on(path: Path) -> None:
    """Whoever reads while somebody writes reads what was last written, and leaves nothing behind."""
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    replayed = replay(path, MOVIE, tiny_model())
    assert known(replayed) == known(session)
    session.add_object("later")
    assert in_file(path)[-1] == "add_object"
    session.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["movie.sam2"]


# --- unsaved -------------------------------------------------------------------------------------------------------


def test_a_session_that_is_not_saved_lies_in_the_data_folder_until_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    session = begun()
    assert not (tmp_path / "data").exists()
    session.add_points(session.add_object(), 0, inside(1, 0))
    (file,) = unsaved_folder().glob("*.sam2")
    assert in_file(file) == ["add_object", "add_points"]
    assert (session.saved_to, unsaved_sessions()) == (None, [])  # that of another program, which may be at work
    session.close()
    assert not list(unsaved_folder().iterdir())


def test_the_image_of_a_session_that_is_not_saved_is_not_sampled(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Its first click reads one frame alone; it is sampled when it is saved, or found after a crash and opened."""
    monkeypatch.setenv("XDG_DATA_HOME", str(path.with_name("data")))
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    (file,) = unsaved_folder().glob("*.sam2")
    assert header_of(file)["image"]["sample"] == {}
    left = path.with_name("left.sam2")
    session._store._rows.database.copy_to(left, "")
    session.save(path)
    session.close()
    opened(left).close()
    for one in (path, left):
        assert sorted(header_of(one)["image"]["sample"]) == ["0", "2", "5", "7"]


@pytest.mark.parametrize("how", ["saved", "gone"])
def test_nothing_of_it_is_left_when_it_is(how: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(path.with_name("data")))
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    assert len(list(unsaved_folder().glob("*.sam2"))) == 1
    if how == "saved":
        session.save(path)
        assert not list(unsaved_folder().iterdir())
        session.close()
    del session
    gc.collect()
    assert not list(unsaved_folder().iterdir())


def test_where_there_is_no_data_folder_a_warning_is_given_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere() -> Path:
        raise OSError("nothing can be written to the data folder")

    monkeypatch.setattr("napari_sam2.session.store.rows.new_unsaved_path", nowhere)
    session = begun()
    with caplog.at_level(logging.WARNING):
        session.add_points(session.add_object(), 0, inside(1, 0))
        list(session.propagate())
    assert [record.message for record in caplog.records] == [
        "the session is in memory alone, and would be lost if the program were ended: nothing can be written to the data folder"
    ]
    session.save(path)
    assert (session.saved_to, session.has_unsaved_changes) == (path, False)
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    again.undo()
    assert not again.objects[1].tracked
    again.close()


def test_a_session_that_is_closed_goes_on_in_memory_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.close()
    content = path.read_bytes()
    list(session.propagate())
    assert session.labels[5].any()
    assert caplog.records[0].message.endswith("the session is closed: open its file again to go on")
    with pytest.raises(ValueError, match=r"^the session is closed, and cannot be saved any more: open its file again to go on$"):
        session.save(path.with_name("other.sam2"))
    session.close()
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == ["movie.sam2"]


# --- under another name --------------------------------------------------------------------------------------------


def test_where_it_cannot_be_saved_it_is_still_saved_to_the_file_before(path: Path) -> None:
    session, other = begun(), begun()
    session.save(path)
    other.save(path.with_name("other.sam2"))
    with pytest.raises(ValueError, match="there is no folder"):
        session.save(path.parent / "nowhere" / "movie.sam2")
    with pytest.raises(ValueError, match="is open in another session"):
        session.save(path.with_name("other.sam2"))
    for name in ("movie", "movie.json", "movie.tif", "movie.SAM2"):
        with pytest.raises(ValueError, match=rf"a session is saved to a file that ends in \.sam2: give movie\.sam2, not {name}"):
            session.save(path.with_name(name))
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path.with_name("third.sam2"))
    before = opened(path)
    assert known(before) == known(session)
    session.add_object()
    assert list(before.objects) == [1]
    for one in (session, other, before):
        one.close()
    assert sorted(one.name for one in path.parent.iterdir()) == ["movie.sam2", "other.sam2", "third.sam2"]


def test_saved_again_to_the_same_file(path: Path) -> None:
    session = begun()
    session.save(path)
    everything_done(session)
    session.save(path)
    session.save(path.parent / "." / path.name)
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    again.close()


@pytest.mark.parametrize("other", [b"", b"{}", b'{"schema": "prompts"}', b"x,y\n1,2\n" * 99, "another database"])
def test_only_a_session_is_replaced_by_a_session(path: Path, other: bytes | str) -> None:
    if isinstance(other, str):
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE cells (id INTEGER)")
        database.close()
        other = path.read_bytes()
    path.write_bytes(other)
    session = begun()
    with pytest.raises(ValueError, match="is there already and is no session file: give another name, or move it away"):
        session.save(path)
    assert path.read_bytes() == other
    assert [one.name for one in path.parent.iterdir()] == ["movie.sam2"]


def test_a_session_of_another_version_or_a_damaged_one_may_be_replaced(path: Path) -> None:
    for fault in ("PRAGMA user_version = 99", "DROP TABLE stored"):
        session = begun()
        session.save(path)
        session.close()
        with sqlite3.connect(path) as database:
            database.execute(fault)
        database.close()
    session = begun()
    session.save(path)
    session.close()
    opened(path).close()


def test_the_image_is_not_replaced_by_the_session(tmp_path: Path) -> None:
    image = tmp_path / "movie.tif"
    tifffile.imwrite(image, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    (tmp_path / "link.sam2").symlink_to(image)
    session = begun(image)
    with pytest.raises(ValueError, match=r"movie\.tif is there already and is no session file"):
        session.save(tmp_path / "link.sam2")
    np.testing.assert_array_equal(tifffile.imread(image), MOVIE)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.sam2", "movie.tif"]


def test_what_a_killed_program_left_beside_an_earlier_session_is_not_taken_for_the_new_one(path: Path) -> None:
    earlier = begun()
    earlier.save(path)
    for _ in range(3):
        earlier.add_object()
    left = {ending: path.with_name(path.name + ending).read_bytes() for ending in ("-wal", "-shm")}
    assert len(left["-wal"]) > 0
    earlier.close()
    for ending, content in left.items():
        path.with_name(path.name + ending).write_bytes(content)
    session = begun()
    session.add_object("new")
    session.save(path)
    session.close()
    again = opened(path)
    assert [item.name for item in again.objects.values()] == ["new"]
    again.close()


def test_a_session_that_is_read_is_not_replaced(path: Path) -> None:
    """Whoever reads it would remove, at the end, what belongs to the new one."""
    session = begun()
    session.add_object("before")
    session.save(path)
    session.close()
    reader = open_to_read(path)
    reader.execute("SELECT * FROM header").fetchall()
    session = begun()
    session.add_object("after")
    with pytest.raises(ValueError, match=r"^\S+movie\.sam2 is open in another program: close it there first$"):
        session.save(path)
    reader.close()
    assert [one.name for one in path.parent.iterdir()] == ["movie.sam2"]
    session.save(path)
    session.close()
    again = opened(path)
    assert again.objects[1].name == "after"
    again.close()


def test_a_link_is_the_file_that_it_leads_to(path: Path) -> None:
    link = path.with_name("link.sam2")
    session = begun()
    session.save(path)
    link.symlink_to(path)
    with pytest.raises(ValueError, match=r"movie\.sam2 is open in another session"):
        opened(link)
    with pytest.raises(ValueError, match=r"movie\.sam2 is open in another session"):
        begun().save(link)
    session.add_object("cell")
    session.close()
    again = opened(link)
    assert again.saved_to == path
    again.save(link)
    again.close()
    other = begun()
    other.save(link)
    other.close()
    assert link.is_symlink()
    assert sorted(one.name for one in path.parent.iterdir()) == ["link.sam2", "movie.sam2"]
    again = opened(path)
    assert not again.objects
    again.close()


def test_the_folder_may_be_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begun()
    monkeypatch.chdir(path.parent)
    session.save(path.name)
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    session.add_object("cell")
    session.close()
    assert not list(elsewhere.iterdir())
    again = opened(path)
    assert again.objects[1].name == "cell"
    again.close()


@pytest.mark.parametrize("what", ["removed", "moved", "replaced"])
def test_a_file_that_is_taken_away_while_it_is_open(path: Path, what: str) -> None:
    """It is said with the next action, and all is there when it is saved again."""
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    if what == "removed":
        path.unlink()
    else:
        path.rename(path.with_name("moved.sam2"))
    if what == "replaced":
        path.write_bytes(b"")
    with pytest.raises(
        FileNotFoundError,
        match=r"^what was done is still there, but could not be saved to \S+movie\.sam2: the file was removed, moved or replaced "
        "meanwhile; save the session again$",
    ):
        session.add_object("cell")
    if what == "replaced":
        with pytest.raises(ValueError, match="is there already and is no session file"):
            session.save(path)
        path.unlink()
    session.save(path)
    list(session.propagate())
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    again.close()


# --- a disk that is full -------------------------------------------------------------------------------------------


def test_what_cannot_be_saved_is_said_and_stays_done(path: Path) -> None:
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    full_disk(session)
    with pytest.raises(
        OSError, match=r"^what was done is still there, but could not be saved to \S+movie\.sam2: the disk is full$"
    ) as caught:
        session.add_object("x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert list(session.objects) == [1, 2]
    with pytest.raises(OSError, match="the disk is full"):
        session.undo()
    assert list(session.objects) == [1]
    with pytest.raises(OSError, match="the disk is full"):
        session.redo()
    with_room(session)
    list(session.propagate())
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    while session.undo():
        assert again.undo()
        assert known(again) == known(session)
    again.close()
    assert unused_rows(path) == 0


@pytest.fixture
def _large_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are not packed, and as large as those of the embedded model."""
    monkeypatch.setattr(values, "pack_logits", lambda logits: logits.tobytes())
    monkeypatch.setattr(values, "unpack_logits", lambda data, shape: np.frombuffer(data, np.float32).reshape(shape).copy())


@pytest.mark.usefixtures("_large_records")
def test_the_middle_of_a_propagation_on_a_disk_that_is_full(path: Path) -> None:
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    full_disk(session, pages=5)
    done = []
    with pytest.raises(OSError, match="the disk is full"):
        done.extend(result.frame for result in session.propagate())
    assert 0 < len(done) < T - 1
    with_room(session)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    session.close()
    again = opened(path)
    assert known(again) == known(session)
    again.close()
    assert unused_rows(path) == 0


@pytest.fixture
def no_room() -> Callable[[], AbstractContextManager[None]]:
    """The system takes no byte of any file."""
    resource = pytest.importorskip("resource", reason="limits are POSIX")

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


def group(session: Session) -> None:
    with session.grouped():
        session.rename_object(1, "cell")
        with session.grouped():
            session.add_points(session.add_object(), 4, inside(2, 4))
        session.lock_object(2)


NOT_SAVED = (
    r"^what was done is still there, but could not be saved to \S+movie\.sam2: the disk(, or the connection to it, fails| is full)$"
)


def test_a_group_stays_done_on_a_disk_that_is_full(path: Path, no_room: Callable[[], AbstractContextManager[None]]) -> None:
    session = begun()
    assert not session.has_unsaved_changes
    session.add_points(session.add_object(), 0, inside(1, 0))
    assert session.has_unsaved_changes
    session.save(path)
    assert not session.has_unsaved_changes
    before = known(session)
    with no_room(), pytest.raises(OSError, match=NOT_SAVED):
        group(session)
    after = known(session)
    assert (session.objects[1].name, session.objects[2].anchors, session.objects[2].info.is_locked) == ("cell", [4], True)
    assert session.has_unsaved_changes
    for move, expected in ((session.undo, before), (session.redo, after), (session.undo, before)):
        with no_room(), pytest.raises(OSError, match=NOT_SAVED):
            move()
        assert known(session) == expected, "as a whole"
        assert session.has_unsaved_changes
    assert session.redo()
    assert not session.has_unsaved_changes
    session.close()
    assert not session.has_unsaved_changes
    again = opened(path)
    assert (known(again), again.has_unsaved_changes) == (after, False)
    again.undo()
    assert known(again) == before
    again.close()


def test_a_group_that_fails_on_a_disk_that_is_full_is_not_done(
    path: Path, no_room: Callable[[], AbstractContextManager[None]]
) -> None:
    """What is raised is why it failed, not that it could not be saved."""
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path)
    before = known(session)

    def fail() -> None:
        with session.grouped():
            group(session)
            session.lock_object(77)

    with no_room(), pytest.raises(ValueError, match="there is no object 77"):
        fail()
    assert (known(session), session.has_unsaved_changes) == (before, True)
    with session.grouped():
        session.hide_object(1)
    session.close()
    again = opened(path)
    again.undo()
    assert known(again) == before
    again.close()


def test_a_group_whose_end_finds_room_is_saved(path: Path, no_room: Callable[[], AbstractContextManager[None]]) -> None:
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path)
    with session.grouped():
        with no_room():
            session.rename_object(1, "cell")
        session.lock_object(1)
    with session.grouped():
        with no_room():
            session.rename_object(1, "other")
        session.save(path.with_name("other.sam2"))
    assert not session.has_unsaved_changes
    session.close()
    again = opened(path.with_name("other.sam2"))
    assert known(again) == known(session)
    again.close()


def test_a_session_moves_from_a_full_disk_to_another(path: Path) -> None:
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    full_disk(session)
    with pytest.raises(OSError, match="the disk is full"):
        session.add_object("x" * 100_000)
    with pytest.raises(OSError, match="the disk is full"):
        session.close()
    session.save(path.with_name("other.sam2"))
    session.close()
    for name, objects in ((path.name, [1]), ("other.sam2", [1, 2])):
        again = opened(path.with_name(name))
        assert list(again.objects) == objects
        again.close()


def test_nothing_is_left_of_what_cannot_be_saved_under_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session goes on in the file before, which names what lies beside it as seen from there."""
    image = path.with_name("movie.tif")
    tifffile.imwrite(image, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    session = begun(image)
    session.save(path)
    (path.parent / "a" / "b").mkdir(parents=True)

    def no_space(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(session_store.os, "replace", no_space)
        with pytest.raises(OSError, match=r"^the session could not be saved to \S+b/movie\.sam2: the disk is full$"):
            session.save(path.parent / "a" / "b" / "movie.sam2")
    assert not list((path.parent / "a" / "b").iterdir())
    session.add_object("cell")
    session.close()
    database = open_to_read(path)
    assert read_header(database).source.relative_path == "movie.tif"
    database.close()


@pytest.fixture
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is memory for one record alone."""
    monkeypatch.setattr(record_store, "MOST_BYTES", 0)
    make = record_store.RecordBudget.__init__
    monkeypatch.setattr(record_store.RecordBudget, "__init__", lambda budget, _=0, file=None: make(budget, 0, file))


@pytest.mark.usefixtures("_no_memory", "_large_records")
def test_records_that_do_not_fit_into_memory_on_a_disk_that_is_full(path: Path) -> None:
    """The action in work is not done; with room, it is."""
    session = begun()
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.add_points(1, 4, inside(1, 4))
    full_disk(session)
    with pytest.raises(
        OSError, match=r"^what was found does not fit into memory, and could not be written to .+\.sam2: the disk is full$"
    ):
        list(session.propagate())
    with_room(session)
    session.save(path)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    session.close()
    again = opened(path)
    list(again.propagate())
    np.testing.assert_array_equal(again.labels, np.where(TRUTH == 1, 1, 0))
    again.close()


@pytest.mark.usefixtures("_no_memory")
def test_spilled_and_saved_are_the_same_rows(path: Path) -> None:
    """Each record is read from the file; nothing is written twice."""
    session, other = begun(), begun()
    other._budget.budget_bytes = 2**30
    for one in (session, other):
        everything_done(one)
    assert known(session) == known(other)
    session.save(path)
    with sqlite3.connect(path) as database:
        ((count,),) = database.execute("SELECT COUNT(*) FROM stored WHERE kind = 'record'")
        referred = "SELECT value FROM state UNION SELECT value FROM changes"
        ((used,),) = database.execute(f"SELECT COUNT(*) FROM stored WHERE kind = 'record' AND id IN ({referred})")
    database.close()
    assert count == used
    held = [stored for item in session.objects.values() for one in item.records.values() for stored in one._stored.values()]
    assert sum(stored.is_in_memory for stored in held) == 1
    session.undo()
    other.undo()
    assert known(session) == known(other)
    session.close()
    again = opened(path)
    assert known(again) == known(other)
    again.close()
    other.close()


@pytest.mark.usefixtures("_no_memory")
def test_a_record_that_cannot_be_read_back(path: Path) -> None:
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    database = session._store._rows.database
    assert database is not None
    database.execute("UPDATE stored SET data = x'00' WHERE kind = 'record'")
    with pytest.raises(ValueError, match=r"movie\.sam2 is damaged"):
        session.mask(1, 3)
    assert isinstance(session.objects[1].tracked.header(3), FrameRecord)
