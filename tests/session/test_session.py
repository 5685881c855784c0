"""Exact labels of a session whose tracker finds the bright blob under the click."""

from __future__ import annotations

import gc
import inspect
import re
import tracemalloc
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from blob_tracker import BlobTracker, blob_session, tiny_model
from napari_sam2.images.stack import Stack
from napari_sam2.predictors import record_store, tracker
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session import session as session_module
from napari_sam2.session.editing.object_editor import ObjectEditor
from napari_sam2.session.editing.prompt_editor import PromptEditor
from napari_sam2.session.propagation.propagator import Propagator
from napari_sam2.session.results.results import Results
from napari_sam2.session.review.error_sampling import ErrorSampling
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import MAX_ACTIONS
from napari_sam2.session.store.rows import Rows
from napari_sam2.session.tracking.track_everything import EverythingTracker
from packed_records import contents
from square_movies import JUMP, JUMP_MOVIE, MOVIE, SHAPE, TRUTH, T, click, followed, put_right

# --- any stack -----------------------------------------------------------------------------------------------------

RANGES = {
    "bool": (0, 1),
    "|u1": (10, 200),
    "|i1": (-100, 100),
    "<u2": (1000, 3000),
    ">u2": (1000, 3000),
    "<i2": (-1000, 400),
    ">i2": (-1000, 400),
    "<u4": (0, 2**31),
    ">i4": (-5, 5),
    "<i8": (-(2**40), 2**40),
    ">u8": (2**62, 2**63),
    "<f2": (-0.5, 0.25),
    "<f4": (0.0, 1e-6),
    ">f4": (-1.0, 1.0),
    "<f8": (1e9, 2e9),
    ">f8": (0.0, 1.0),
}


@pytest.mark.parametrize("dtype", RANGES)
def test_any_integer_or_float(dtype: str) -> None:
    low, high = np.array(RANGES[dtype]).astype(dtype)
    np.testing.assert_array_equal(followed(blob_session(np.where(TRUTH > 0, high, low).astype(dtype))).labels, TRUTH)


def in_colour(image: np.ndarray, channels: int) -> np.ndarray:
    """Objects are blue; alpha is there to be overlooked."""
    coloured = np.full((*image.shape, channels), 10, image.dtype)
    coloured[..., 2] = image
    coloured[..., 3:] = 255
    return coloured


@pytest.mark.parametrize(
    ("image", "axes"),
    [
        (MOVIE, None),
        (MOVIE, "tyx"),
        (MOVIE, "ZYX"),
        (in_colour(MOVIE, 3), None),
        (in_colour(MOVIE, 4), "TYXC"),
        (in_colour(MOVIE.astype(">u2"), 3), "ZYXC"),
        (MOVIE[:, None], "TZYX"),
        (MOVIE[None, :], "TZYX"),
        (MOVIE.tolist(), None),
    ],
    ids=["TYX", "named", "ZYX", "RGB", "RGBA", "RGB 16 bit", "one plane per time", "one time", "list"],
)
def test_any_stack(image: Any, axes: str | None) -> None:
    if isinstance(image, list):
        image = np.array(image, np.uint8).tolist() if axes else np.array(image).astype(np.int16)
    session = followed(blob_session(image, axes))
    assert session.labels.dtype == np.uint16
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
@pytest.mark.parametrize("colour", [False, True])
def test_zarr(dtype: str, colour: bool, tmp_path: Path) -> None:
    image = MOVIE.astype(dtype)
    image = in_colour(image, 3) if colour else image
    zarr.create_array(tmp_path / "movie.zarr", data=image, chunks=(1, *image.shape[1:]))
    np.testing.assert_array_equal(followed(blob_session(tmp_path / "movie.zarr")).labels, TRUTH)


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_single_image(channels: int | None) -> None:
    session = blob_session(MOVIE[3] if channels is None else in_colour(MOVIE[3], channels))
    for object_id in (1, 2, 3):
        click(session, object_id, 0, TRUTH[3:])
    assert session.plan() == []
    assert list(session.propagate()) == []
    np.testing.assert_array_equal(session.labels, TRUTH[3])


def test_stack_of_one_frame_stays_a_stack() -> None:
    session = blob_session(MOVIE[:1])
    click(session, 1, 0)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH[:1] == 1, 1, 0))


def test_not_a_number_is_black_and_infinity_white() -> None:
    image = np.where(TRUTH > 0, 2.0, 1.0).astype(np.float32)
    image[:, 0, :] = np.nan
    image[:, 31, :] = -np.inf
    image[:, 6, :][TRUTH[:, 6, :] > 0] = np.inf
    session = followed(blob_session(image))
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize("value", [0, 77, np.nan, np.inf])
def test_constant_image_is_said(value: float, caplog: pytest.LogCaptureFixture) -> None:
    session = blob_session(np.full((3, *SHAPE), value, np.uint8 if value == 77 else np.float32))
    assert [record.message for record in caplog.records] == ["the image is constant: no object can be segmented in it"]
    session.add_points(session.add_object(), 0, [(5, 5)])
    assert (session.labels == (1 if value == np.inf else 0))[0].all()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_a_blank_frame_does_not_make_an_image_constant(dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    image = MOVIE.astype(dtype)
    image[0] = 0
    blob_session(image)
    assert caplog.records == []


class CountedReads:
    """A long stack that says which of its frames were read."""

    def __init__(self, num_frames: int, dtype: str) -> None:
        self.shape, self.dtype, self.ndim = (num_frames, *SHAPE), np.dtype(dtype), 3
        self.read: set[int] = set()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frame: int) -> np.ndarray:
        self.read.add(int(frame))
        return MOVIE[frame % T].astype(self.dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_first_click_reads_one_frame_beside_the_sample(dtype: str) -> None:
    frames = CountedReads(10_000, dtype)
    session = Session(frames, model=tiny_model())
    assert len(frames.read) <= 16
    before = set(frames.read)
    session.add_points(session.add_object(), 1237, [(5, 5)])
    assert frames.read - before == {1237}


def test_unknown_precision() -> None:
    with pytest.raises(ValueError, match=r"precision must be one of \('auto', 'float32', 'bfloat16'\), got 'float8'"):
        Session(MOVIE, model=tiny_model(), precision="float8")


def test_removing_an_object_frees_its_records() -> None:
    session = followed(blob_session(MOVIE))
    records = weakref.ref(session.objects[1].tracked.stored(3))
    session.remove_object(1)
    gc.collect()
    assert records() is not None, "they can be taken back"
    session.undo()
    session.add_object()
    session.remove_object(1)
    for _ in range(MAX_ACTIONS):
        session.add_object()
    gc.collect()
    assert records() is None
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 0, TRUTH))
    assert 1 not in session.objects


# --- records on disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("double", [True, False], ids=["double", "network"])
def test_records_on_disk_change_nothing(double: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the last used record are on disk; a correction recalls, moves and replaces them."""

    def run(budget_bytes: int) -> Session:
        monkeypatch.setattr(session_module, "RecordBudget", partial(RecordBudget, budget_bytes))
        monkeypatch.setattr(record_store, "MOST_BYTES", budget_bytes)
        if double:
            monkeypatch.setattr(tracker, "Tracker", BlobTracker)
        session = Session(JUMP_MOVIE, model=tiny_model())
        for object_id in (1, 2):
            click(session, object_id, 0, JUMP)
        list(session.propagate())
        put_right(session, 6)
        running = session.propagate()
        for _ in range(3):
            next(running)
        session.remove_object(2)
        list(session.propagate())
        return session

    roomy, tight = run(16 * 2**20), run(0)
    np.testing.assert_array_equal(tight.labels, roomy.labels)
    assert tight.scores(1) == roomy.scores(1)
    for frame, record in roomy.objects[1].memory.tracked.items():
        assert contents(tight.objects[1].memory.tracked[frame]) == contents(record)


def discs(num_frames: int, num_discs: int) -> Session:
    """Follow discs through a session that keeps no record in memory that it does not need."""
    truth = np.zeros((16, 8 * num_discs), np.uint8)
    for value in range(num_discs):
        truth[4:12, 8 * value + 1 : 8 * value + 7] = 255
    session = blob_session(np.broadcast_to(truth, (num_frames, *truth.shape)))
    session._budget.budget_bytes = 0
    for value in range(num_discs):
        session.add_points(session.add_object(), 0, [(8, 8 * value + 4)])
    return session


def test_no_frame_reads_from_disk_however_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    session = discs(40, 16)
    running = session.propagate()
    next(running)
    reads: list[int] = []
    monkeypatch.setattr(Rows, "read_record", lambda rows, number, header: reads.append(number))
    assert len(list(running)) == 38
    assert reads == []
    assert not session.objects[1].tracked.stored(1).is_in_memory


def test_memory_of_a_long_stack_is_flat() -> None:
    """All that a frame of an object leaves in memory, its record's place on disk and the undo of it included."""
    session = discs(300, 1)
    held = {}
    tracemalloc.start()
    try:
        for done in session.propagate():
            if done.frame in (100, 299):
                gc.collect()
                held[done.frame] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (held[299] - held[100]) / 199 < 1000


# --- the session as a whole ----------------------------------------------------------------------------------------


def test_a_session_in_words_and_as_a_context(tmp_path: Path) -> None:
    path = tmp_path / "movie.sam2"
    with blob_session(MOVIE) as session:
        session.add_object()
        assert re.fullmatch(
            r"<session on <stack: T 8 x Y 32 x X 32, uint8, frames along T>, 1 object, model .+, not saved>", repr(session)
        )
        session.add_object()
        session.save(path)
        assert repr(session).endswith(", 2 objects, model tiny, saved to movie.sam2>")
    assert session.saved_to is None, "the file is free"


PARTS = {
    "_objects": ObjectEditor,
    "_prompts": PromptEditor,
    "_propagator": Propagator,
    "_results": Results,
    "_error_sampling": ErrorSampling,
    "_everything_tracker": EverythingTracker,
}
OF_PARTS_ALONE = {
    "free_id",
    "draw",
    "draw_all",
    "draw_later",
    "labels",
    "labels_drawn",
    "undrawn",
    "is_linking_stopped",
    "mark_found",
    "add_found",
    "tracked",
}
"""What the parts have for each other; four of them are attributes of a session too."""

PUBLIC = """
    add_box add_labels add_mask add_object add_points add_polygon add_scribble approve approve_range begin begin_object can_redo
    can_undo change_point clear_prompts close divide_object document draw_error_sample draw_frames end_object error_sample
    export grouped has_unsaved_changes hide_object image_path is_linking_stopped judge_mask label_plane labels labels_drawn
    lineage link_labels lock_object mask memories merge_objects model objects open plan preview propagate propagate_all quality
    redo release_features remove_box remove_mask remove_object remove_point rename_object reslice result review_queue save
    saved_to scores segment_everything set_colour set_points split_object state to_json to_script track_everything undo undrawn
    use_model window
"""
"""Scripts rely on each of these: a new one is added on purpose, and none is taken away."""


def test_these_are_the_names_of_a_session() -> None:
    assert sorted(name for name in dir(Session) if not name.startswith("_")) == PUBLIC.split()
    own = {name for name in vars(blob_session(MOVIE[:1])) if not name.startswith("_")}
    assert own == {"stack", "intensity_ranges", "precision", "memory_gate"}


@pytest.mark.parametrize("part", PARTS)
def test_all_that_a_part_does_for_people_is_on_the_session(part: str) -> None:
    methods = {name: method for name, method in vars(PARTS[part]).items() if not name.startswith("_")}
    assert isinstance(getattr(blob_session(MOVIE[:1]), part), PARTS[part])
    for name in set(methods) - OF_PARTS_ALONE:
        method = vars(Session)[name]
        assert vars(method)["__wrapped__"] is methods[name]
        assert inspect.getclosurevars(method).nonlocals["part"] == part
        assert inspect.signature(method) == inspect.signature(methods[name])
        assert (method.__name__, method.__doc__) == (name, methods[name].__doc__)
        assert method.__doc__


def test_a_method_of_a_part_is_given_what_the_session_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a method of the session would have for itself too, such as ``self``, pass as options."""
    given: list[Any] = []

    def take(part: Any, /, *arguments: Any, **options: Any) -> str:
        given.append((type(part), arguments, options))
        return "result"

    face = type("Face", (), {"_part": 5, "take": session_module._of("_part", take)})()
    assert face.take(1, "two", three=3, self=4) == "result"
    assert given == [(int, (1, "two"), {"three": 3, "self": 4})]
    with pytest.raises(ValueError, match="there is no option 'self' for finding everything"):
        blob_session(MOVIE).segment_everything(0, self=1)


def test_every_public_name_is_documented() -> None:
    undocumented = [name for name in PUBLIC.split() if not inspect.getdoc(inspect.getattr_static(Session, name))]
    assert undocumented == []


def test_a_session_on_a_stack_that_is_open_takes_no_axes() -> None:
    stack = Stack.open(MOVIE, "TYX")
    session = blob_session(stack)
    assert session.stack is stack
    for options in ({"axes": "TYX"}, {"channel": 0}, {"along": "T"}, {"at": {}}, {"series": 0}, {"image_name": "x"}):
        with pytest.raises(ValueError, match=r"^axes, channel, along, at, series and image_name belong to a stack that is"):
            blob_session(stack, **options)


def test_where_the_image_is(tmp_path: Path) -> None:
    assert blob_session(MOVIE).image_path is None
    for frame in range(2):
        tifffile.imwrite(tmp_path / f"t{frame}.tif", MOVIE[frame], photometric="minisblack")
    assert blob_session(tmp_path / "t1.tif").image_path == tmp_path / "t1.tif"
    assert blob_session([tmp_path / "t0.tif", tmp_path / "t1.tif"]).image_path == tmp_path / "t0.tif"


def test_what_can_be_undone_and_redone() -> None:
    session = blob_session(MOVIE)
    assert (session.can_undo, session.can_redo, session.undo(), session.redo()) == (False, False, False, False)
    session.add_object()
    assert (session.can_undo, session.can_redo) == (True, False)
    assert session.undo()
    assert (session.can_undo, session.can_redo) == (False, True)
    assert session.redo()
    assert (session.can_undo, session.can_redo) == (True, False)


@pytest.mark.parametrize("shared", [True, False])
def test_a_session_on_other_frames_of_the_image(shared: bool) -> None:
    """It has the model, the settings and the intensities of this one, and, unless others are given, its labels."""
    volumes = np.stack([MOVIE, MOVIE // 2])
    gate, half = MemoryGate(look_back=5), "bfloat16"
    session = blob_session(
        volumes, "TZYX", along="Z", at={"T": 0}, intensity_range=(3, 300), memory_gate=gate, precision="bfloat16"
    )
    session.add_object()
    session.state.models.refresh(0, replace(session.state.model, relative_path="models/tiny.pt"))
    labels = None if shared else np.zeros(volumes.shape, np.uint16)
    other = session.reslice("T", {"Z": 3}, labels)
    assert (other.stack.along, len(other.stack), dict(other.stack.at)) == ("T", 2, {"Z": 3})
    assert other.labels is (session.labels if shared else labels)
    assert (other.model, other.precision, other.memory_gate) == (session.model, half, gate)
    assert other.intensity_ranges == session.intensity_ranges == ((3, 300),)
    assert (dict(other.objects), other.can_undo, other.state.model) == ({}, False, session.state.model)
    with pytest.raises(ValueError, match="labels must be uint16"):
        session.reslice("T", {"Z": 3}, np.zeros(3, np.uint16))


@pytest.mark.parametrize("name", ["movie.sam2.json", "movie.tif", "movie"])
def test_a_session_is_saved_to_a_file_of_its_kind(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^a session is saved to a file that ends in \.sam2: give movie\.sam2, not {name}"):
        blob_session(MOVIE).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_features_are_released_and_computed_again() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 16, 22), np.uint8)
    session = Session(frames, "TYX", model=tiny_model())
    cell = session.add_object()
    before = session.add_points(cell, 0, [(8, 11)])
    features = session._in_use.tracker.features
    features.num_encoded = 0
    np.testing.assert_array_equal(session.set_points(cell, 0, [(8, 11)], [1]), before)
    assert features.num_encoded == 0
    session.release_features()
    np.testing.assert_array_equal(session.set_points(cell, 0, [(8, 11)], [1]), before)
    assert features.num_encoded > 0


def test_nothing_of_a_session_waits_for_the_search_for_cycles() -> None:
    session = blob_session(MOVIE)
    session.add_points(session.add_object(), 0, [tuple(np.argwhere(TRUTH[0] == 1)[0])])
    session.propagate_all()
    memory = session.objects[1].memory.get(1)
    held = [weakref.ref(one) for one in (session, session.state, memory, session._in_use.tracker.features)]
    gc.disable()
    try:
        del session, memory
        assert [reference() for reference in held] == [None] * 4
    finally:
        gc.enable()
