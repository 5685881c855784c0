import os
import time
from datetime import date, datetime

import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.images.stack import Stack
from napari_sam2.plugin.sessions.autosave import MOVED, ImageFingerprint, KeptSessions, SessionSummary
from napari_sam2.session.store.file_lock import FileLock
from napari_sam2.session.store.header import ImageIdentity

DAY_S = 24 * 3600


@pytest.fixture
def kept(tmp_path):
    return KeptSessions(tmp_path / "sessions")


def fingerprint(image, name="movie", source="/data/movie.tif"):
    return ImageFingerprint.of(image, "TYX", name, source)


def keep(kept, image, num_objects=1, name="movie", source="/data/movie.tif", age_days=0.0):
    """Save a session with objects on the left blob, and close it."""
    session = blob_session(image, "TYX")
    session.save(kept.new_path(fingerprint(image, name, source)))
    for frame in range(num_objects):
        session.add_points(session.add_object(), frame, [(10, 10)])
    path = session.saved_to
    session.close()
    then = time.time() - age_days * DAY_S
    os.utime(path, (then, then))
    return path


def found(kept, image, name="movie", source="/data/movie.tif"):
    return kept.find([fingerprint(image, name, source)], lambda *_: ImageIdentity.of(Stack.open(image, "TYX")))


def test_a_session_is_found_by_its_image(kept, blobs):
    path = keep(kept, blobs, num_objects=2)
    (summary,) = found(kept, blobs.copy())
    assert summary.path == path
    assert (summary.num_objects, summary.num_frames, summary.max_object_id, summary.is_in_use) == (2, 2, 2, False)
    assert summary.model == "tiny"


@pytest.mark.parametrize(
    ("name", "source", "is_found"),
    [
        ("renamed", "/data/movie.tif", True),
        ("movie", "/elsewhere/movie.tif", True),
        ("movie", None, True),
        ("renamed", "/elsewhere/movie.tif", False),
        ("renamed", None, False),
    ],
)
def test_an_image_that_was_renamed_or_moved(kept, blobs, name, source, is_found):
    keep(kept, blobs)
    assert bool(found(kept, blobs, name, source)) == is_found


def test_without_a_file_only_the_name_counts(kept, blobs):
    keep(kept, blobs, source=None)
    assert found(kept, blobs, source=None)
    assert not found(kept, blobs, "renamed", None)


def test_other_images_of_the_same_name(kept, blobs):
    keep(kept, blobs)
    assert not found(kept, blobs[:2])
    assert not found(kept, blobs.astype(np.uint16))
    assert not found(kept, 255 - blobs)


def test_no_pixel_is_read_of_an_image_that_nobody_worked_on(kept, blobs):
    keep(kept, blobs)
    assert kept.find([fingerprint(blobs[:2])], pytest.fail) == []
    assert kept.find([fingerprint(blobs, "renamed", None)], pytest.fail) == []


@pytest.mark.parametrize("name", ["a/b\\c:d*?", "~~~", "", "ü 𝛼 細胞", "x" * 300, "...", "name\nwith lines"])
def test_any_name_of_a_layer(kept, blobs, name):
    path = keep(kept, blobs, name=name, source=None)
    assert path.parent == kept.folder
    assert len(found(kept, blobs, name, None)) == 1
    assert len(path.name.encode()) < 255


def test_what_was_changed_last_comes_first_and_empty_ones_are_not_offered(kept, blobs):
    paths = [keep(kept, blobs, age_days=days) for days in (1, 3, 2)]
    keep(kept, blobs, num_objects=0)
    assert [one.path for one in found(kept, blobs)] == [paths[0], paths[2], paths[1]]
    assert len(kept.sessions()) == 4
    assert {one.image_name for one in kept.sessions()} == {"movie"}
    assert kept.total_bytes() == sum(path.stat().st_size for path in kept.folder.iterdir()) > 0


def test_a_session_in_use_says_so(kept, blobs):
    lock = FileLock(keep(kept, blobs))
    assert [one.is_in_use for one in found(kept, blobs)] == [True]
    lock.release()
    assert [one.is_in_use for one in found(kept, blobs)] == [False]


def test_damaged_sessions_are_named_only_if_no_other_is_there(kept, blobs):
    path = keep(kept, blobs)
    other = keep(kept, blobs)
    path.write_bytes(b"not a session")
    assert [one.path for one in found(kept, blobs)] == [other]
    other.write_bytes(other.read_bytes()[:5000])
    with pytest.raises(ValueError, match="an earlier session on this image cannot be continued: "):
        found(kept, blobs)
    assert path.exists()
    assert other.exists()


# --- what is pruned ------------------------------------------------------------------------------------------------


def test_old_sessions_are_removed(kept, blobs):
    old, recent = keep(kept, blobs, age_days=181), keep(kept, blobs, age_days=179)
    assert not old.exists(), "when the next one began"
    assert kept.prune() == []
    assert recent.exists()


def test_the_oldest_are_removed_until_all_fit(tmp_path, blobs):
    kept = KeptSessions(tmp_path)
    paths = [keep(kept, blobs, age_days=days) for days in (40, 30, 20, 6)]
    sizes = [path.stat().st_size for path in paths]
    assert KeptSessions(tmp_path, quota_gb=sum(sizes) / 1e9).prune() == []
    assert KeptSessions(tmp_path, quota_gb=(sum(sizes) - 1) / 1e9).prune() == paths[:1]
    assert KeptSessions(tmp_path, quota_gb=0).prune() == paths[1:3], "what was changed in the last week stays"
    assert [one.path for one in kept.sessions()] == paths[3:]


def test_a_session_in_use_is_never_removed(kept, blobs):
    path = keep(kept, blobs, age_days=400)
    lock = FileLock(path)
    assert kept.prune() == []
    lock.release()
    assert kept.prune() == [path]
    assert list(kept.folder.iterdir()) == []


# --- saved elsewhere -----------------------------------------------------------------------------------------------


def test_a_session_that_was_saved_elsewhere_is_found_there(kept, blobs, tmp_path):
    path, mine = keep(kept, blobs), tmp_path / "mine.sam2"
    mine.write_bytes(path.read_bytes())
    kept.moved(path, mine)
    assert not path.exists()
    assert [one.path for one in found(kept, blobs)] == [mine]
    assert kept.current(path) == mine
    assert kept.total_bytes() < 500
    mine.unlink()
    assert found(kept, blobs) == []
    assert kept.current(path) is None


def test_a_file_that_is_not_in_the_folder_is_left_alone(kept, blobs, tmp_path):
    mine = tmp_path / "mine.sam2"
    mine.write_bytes(b"mine")
    kept.moved(mine, tmp_path / "other.sam2")
    assert mine.read_bytes() == b"mine"
    assert not mine.with_suffix(MOVED).exists()
    assert kept.current(mine) == mine


def test_a_folder_that_cannot_be_made(tmp_path, blobs):
    (tmp_path / "file").write_text("a file")
    kept = KeptSessions(tmp_path / "file" / "sessions")
    with pytest.raises(OSError, match=r"the folder .*sessions for sessions cannot be made: ") as raised:
        kept.new_path(fingerprint(blobs))
    assert "Errno" not in str(raised.value)
    assert kept.sessions() == []
    assert found(kept, blobs) == []


# --- what is shown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (datetime(2026, 3, 1, 9, 5), "today 09:05"),
        (datetime(2026, 2, 28, 14, 2), "yesterday 14:02"),
        (datetime(2026, 2, 7, 23, 59), "7 February 2026 23:59"),
    ],
)
def test_a_session_in_a_few_words(tmp_path, when, shown):
    summary = SessionSummary(tmp_path, 3, 12, 7, "micro", when.timestamp())
    assert summary.describe(date(2026, 3, 1)) == f"3 objects, 12 frames, {shown}"
    assert SessionSummary(tmp_path, 1, 1, 1, "micro", 0).describe().startswith("1 object, 1 frame, ")


def test_a_file_that_was_opened_is_remembered_once(kept, tmp_path):
    fingerprint = ImageFingerprint("movie", None, "TYX 3 × 4 × 5 uint8")
    path = tmp_path / "mine.sam2"
    path.write_bytes(b"session")
    kept.remember(fingerprint, path)
    kept.remember(fingerprint, path)
    (one,) = kept.sessions()
    assert (one.path, one.image_name, one.entry.suffix) == (path, "movie", MOVED)
    kept.remember(fingerprint, kept.folder / "own.sam2")
    assert len(list(kept.folder.iterdir())) == 1
    path.unlink()
    assert kept.sessions() == []
