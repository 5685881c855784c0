"""What a session shows and writes: labels are drawn where something changed, and nothing of the user is written over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blob_tracker import BlobTracker, blob_session, squares
from napari_sam2.images.calibration import Calibration
from napari_sam2.predictors import tracker
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.propagate_each import propagate_each

T, SHAPE = 8, (20, 24)
TRUTH = squares(T, SHAPE, {1: [(2, 2 + t, 5) for t in range(T)], 2: [(12, 15 - t, 6) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)
INSIDE = {1: (3, 4), 2: (14, 17)}


class Drawn:
    """Frames and positions whose labels are written, in order, since this was last emptied."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames: list[int] = []
        self.positions: list[int] = []
        writer = session._results._writer
        write, write_position = writer.write, writer.write_position

        def noted(frame: int, shown: Any) -> None:
            self.frames.append(frame)
            write(frame, shown)

        def noted_position(at: Any, packed: Any, hidden: Any = ()) -> None:
            self.positions.append(next(iter(at.values())))
            write_position(at, packed, hidden)

        monkeypatch.setattr(writer, "write", noted)
        monkeypatch.setattr(writer, "write_position", noted_position)

    def take(self) -> list[int]:
        frames, self.frames = self.frames, []
        return frames


def opened(image: Any = MOVIE, *values: int, **options: Any) -> Session:
    session = blob_session(image, **options)
    for value in values or (1, 2):
        session.add_points(session.add_object(object_id=value), 0, [INSIDE[value]])
    return session


def test_only_what_changed_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    drawn = Drawn(session, monkeypatch)
    all_frames, one_on = list(range(T)), list(range(3))
    steps: list[tuple[str, tuple[Any, ...], Iterable[int]]] = [
        ("propagate_all", (), all_frames[1:]),
        ("rename_object", (1, "cell"), []),
        ("set_colour", (1, "#102030"), []),
        ("lock_object", (1,), []),
        ("lock_object", (1, False), []),
        ("propagate_all", (), []),
        ("add_points", (1, 4, [(3, 7)]), [4]),
        ("undo", (), [4]),
        ("redo", (), [4]),
        ("propagate_all", (), [1, 2, 3, 5, 6, 7]),
        ("hide_object", (2,), all_frames),
        ("hide_object", (2,), []),
        ("hide_object", (2, False), all_frames),
        ("split_object", (1, 3), [3, 4, 5, 6, 7]),
        ("remove_object", (1,), one_on),
        ("undo", (), one_on),
        ("undo", (), [3, 4, 5, 6, 7]),
        ("clear_prompts", (1, 4), []),
        ("add_object", (), []),
        ("approve", (2, 5), [5]),
    ]
    for number, (method, arguments, frames) in enumerate(steps):
        getattr(session, method)(*arguments)
        assert sorted(drawn.take()) == list(frames), (number, method)
        np.testing.assert_array_equal(session.labels, np.stack([session.label_plane(frame) for frame in range(T)]))
    assert drawn.positions == []
    session._results.draw_later()
    session.draw_frames(session.undrawn)
    assert drawn.take() == all_frames


def test_each_frame_is_drawn_once_in_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    session.propagate_all()
    drawn = Drawn(session, monkeypatch)
    session.merge_objects(1, 2)
    assert drawn.take() == list(range(T))
    session.undo()
    assert drawn.take() == list(range(T))


def test_what_is_refused_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    drawn = Drawn(session, monkeypatch)
    with pytest.raises(ValueError, match="cannot be cut"):
        session.split_object(1, 0)
    with pytest.raises(ValueError, match="object 1 has no mask from frame 5 on"):
        session.split_object(1, 5)
    assert drawn.take() == []


def test_other_positions_are_drawn_where_something_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    volumes = np.stack([MOVIE] * 3)
    session = opened(volumes, axes="TZYX", along="Z", at={"T": 1})
    drawn = Drawn(session, monkeypatch)
    for _ in propagate_each(session, "T"):
        pass
    assert sorted(drawn.positions) == [0, 2]
    np.testing.assert_array_equal(session.labels, np.stack([TRUTH] * 3))
    drawn.positions.clear()
    session.rename_object(1, "cell")
    session.add_points(2, 3, [(14, 14)])
    assert drawn.positions == []
    session.hide_object(1)
    assert drawn.positions == [0, 2]
    np.testing.assert_array_equal(session.labels[0], np.where(TRUTH == 1, 0, TRUTH))
    session.undo()
    np.testing.assert_array_equal(session.labels[0], TRUTH)


# --- what is asked for -------------------------------------------------------------------------------------------------


def test_planes_masks_and_scores() -> None:
    session = opened()
    session.propagate_all("forward", [2])
    session.hide_object(2)
    np.testing.assert_array_equal(session.label_plane(0), np.where(TRUTH[0] == 1, 1, 0))
    assert session.label_plane(0).dtype == np.uint16
    assert not session.label_plane(3).any()
    np.testing.assert_array_equal(session.mask(2, 3), TRUTH[3] == 2)
    assert not session.mask(1, 3).any(), "nothing is known of it"
    assert list(session.scores(1)) == [0]
    assert list(session.scores(2)) == list(session.quality(2)) == list(range(T))
    record = session.objects[2].shown(5)
    assert record is not None
    assert session.scores(2)[5] == ObjectScore.of(record)
    assert [one.frame for one in session.review_queue()] == sorted(
        range(1, T), key=lambda t: (-session.quality(2)[t].uncertainty, t)
    )
    for ask in (session.label_plane, lambda frame: session.mask(1, frame), session.preview):
        with pytest.raises(ValueError, match=r"^frame 8 does not exist: the stack has 8, counted from 0$"):
            ask(8)


def test_of_equal_uncertainty_the_earlier_frame_and_the_lower_id_come_first() -> None:
    truth = squares(3, SHAPE, {1: [(2, 2, 5)] * 3, 2: [(12, 15, 5)] * 3})
    session = opened(np.where(truth > 0, 200, 10).astype(np.uint8), 2, 1)
    session.propagate_all()
    queue = session.review_queue()
    assert len({item.uncertainty for item in queue}) == 1
    assert [(item.frame, item.object_id) for item in queue] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_result_is_what_is_shown(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, photometric="minisblack")
    session = opened(tmp_path / "movie.tif", axes="TYX")
    session.propagate_all()
    session.rename_object(1, "cell")
    session.set_colour(2, "#102030")
    children = session.divide_object(2, 4)
    result = session.result()
    assert result.labels is session.labels
    assert (result.axes, result.lineage, result.image_path) == ("TYX", dict.fromkeys(children, 2), tmp_path / "movie.tif")
    assert (result.names, result.colours) == (
        {1: "cell", 2: "object 2", 3: "object 2.1", 4: "object 2.2"},
        {2: "#102030"},
    )
    assert {object_id: list(scores) for object_id, scores in result.scores.items()} == {
        1: list(range(T)),
        2: list(range(4)),
        3: [],
        4: [],
    }
    assert result.calibration == session.stack.calibration
    calibration = Calibration(y=0.5, x=0.5)
    assert session.result(calibration).calibration == calibration


# --- export ------------------------------------------------------------------------------------------------------------


def test_it_exports_what_is_shown(tmp_path: Path) -> None:
    session = opened()
    session.propagate_all()
    session.hide_object(2)
    session.export(tmp_path / "labels.tif", str(tmp_path / "objects.csv"), pixel_size=0.5, interval=2)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), np.where(TRUTH == 1, 1, 0))
    assert len((tmp_path / "objects.csv").read_text().splitlines()) == 1 + T


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_neither_image_nor_session_is_written_over(tmp_path: Path) -> None:
    image, session_file = tmp_path / "movie.ome.tif", tmp_path / "movie.sam2"
    tifffile.imwrite(image, MOVIE, photometric="minisblack")
    (tmp_path / "link.tif").symlink_to(image)
    session = opened(image, axes="TYX")
    session.save(session_file)
    before = contents(tmp_path)
    for path in (image, tmp_path / "link.tif", str(image).replace("movie.ome", "./movie.ome")):
        with pytest.raises(ValueError, match=re.escape(Path(path).name)):
            session.export(tmp_path / "objects.csv", path)
        assert contents(tmp_path) == before, "nothing is written, and nothing else either"
    # no format has this ending today: the session file would be safe even so
    (tmp_path / "file.csv").symlink_to(session_file)
    with pytest.raises(ValueError, match=r"file\.csv"):
        session.export(tmp_path / "file.csv")
    assert {name: content for name, content in contents(tmp_path).items() if name != "file.csv"} == before
    session.close()


def test_no_frame_of_a_folder_is_written_over(tmp_path: Path) -> None:
    for frame, plane in enumerate(MOVIE):
        tifffile.imwrite(tmp_path / f"t{frame}.tif", plane, photometric="minisblack")
    before = contents(tmp_path)
    session = opened(tmp_path)
    with pytest.raises(ValueError, match=r"t3\.tif"):
        session.export(tmp_path / "t3.tif")
    assert contents(tmp_path) == before


def test_an_image_that_is_given_as_an_array_can_be_exported_anywhere(tmp_path: Path) -> None:
    session = opened()
    session.save(tmp_path / "movie.sam2")
    session.export(tmp_path / "movie.tif")
    session.export(tmp_path / "movie.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "movie.tif"), session.labels)
    session.close()


def test_the_session_is_protected_where_it_was_saved_last(tmp_path: Path) -> None:
    """Its files are asked for when something is exported, not when it is opened."""
    session = opened()
    for name in ("first", "second"):
        session.save(tmp_path / f"{name}.sam2")
        (tmp_path / f"{name}.csv").symlink_to(tmp_path / f"{name}.sam2")
        with pytest.raises(ValueError, match=rf"{name}\.csv"):
            session.export(tmp_path / f"{name}.csv")
    assert session._results._files() == (None, tmp_path / "second.sam2")
    session.close()


def test_a_session_that_is_opened_is_drawn_later(tmp_path: Path) -> None:
    with blob_session(MOVIE, "TYX") as session:
        for object_id, point in INSIDE.items():
            session.add_object(object_id=object_id)
            session.add_points(object_id, 0, [point])
        session.propagate_all()
        session.save(tmp_path / "movie.sam2")
        expected = session.labels.copy()
        network = session.model
    with Session.open(tmp_path / "movie.sam2", MOVIE, network, draw_later=True) as session:
        assert session.undrawn == set(range(T))
        assert not session.labels_drawn.any()
        session.draw_frames([3, 5])
        assert session.undrawn == set(range(T)) - {3, 5}
        np.testing.assert_array_equal(session.labels_drawn[[3, 5]], expected[[3, 5]])
        assert not session.labels_drawn[[0, 7]].any()
        session.remove_object(1)
        assert not session.undrawn, "all frames on which it was were drawn anew"
        session.undo()
        np.testing.assert_array_equal(session.labels_drawn, expected)
    with Session.open(tmp_path / "movie.sam2", MOVIE, network, draw_later=True) as session:
        np.testing.assert_array_equal(session.result().labels, expected, "an export has all of it")
    with Session.open(tmp_path / "movie.sam2", MOVIE, network) as session:
        assert not session.undrawn
        np.testing.assert_array_equal(session.labels_drawn, expected)
