"""What is seen at a console: a propagation before it is done, all of it in one call, sessions, objects and stacks in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sam2
from blob_tracker import blob_session, squares
from napari_sam2.session.session import Session

T = 8
TRUTH = squares(T, (32, 40), {1: [(4, 3 + t, 6) for t in range(T)], 2: [(20, 20, 5)] * T})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)


def opened() -> Session:
    session = blob_session(MOVIE)
    session.add_points(session.add_object("mother"), 2, [(6, 8)])
    session.add_points(session.add_object(), 0, [(22, 22)])
    return session


def test_a_propagation_says_what_it_would_do() -> None:
    session = opened()
    propagation = session.propagate()
    assert repr(propagation) == "<propagation of 2 objects to 8 frames, 0 to 7: iterate over it, or use propagate_all()>"
    assert not session.labels[5].any(), "nothing is done before it is iterated"
    assert [step.frame for step in propagation.plan()] == [step.frame for step in session.plan()]
    assert len(list(propagation)) > 0
    assert repr(session.propagate()) == "<propagation: nothing to do>"
    assert repr(session.propagate("up")).startswith("<propagation that cannot run: direction must be ")
    assert repr(session.propagate(objects=[9])) == "<propagation that cannot run: there is no object 9; objects are [1, 2]>"


def test_propagate_all_is_the_whole_propagation(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = opened(), opened()
    frames = [done.frame for done in one.propagate("forward", [1], range(6))]
    assert other.propagate_all("forward", [1], range(6)) == len(frames) == 3
    np.testing.assert_array_equal(one.labels, other.labels)
    assert other.document().calls == one.document().calls
    assert capsys.readouterr().err == "", "there is no terminal to draw a bar on"
    assert other.propagate_all() > 0
    np.testing.assert_array_equal(other.labels, TRUTH)
    assert other.propagate_all() == 0


def test_propagate_all_with_nothing_to_propagate() -> None:
    with pytest.raises(ValueError, match="there is nothing to propagate: add points, a box or a mask first"):
        blob_session(MOVIE).propagate_all()


def test_objects_are_for_reading_only() -> None:
    session = opened()
    with pytest.raises(TypeError):
        session.objects[3] = session.objects[1]  # type: ignore[index]
    with pytest.raises(TypeError):
        del session.objects[1]  # type: ignore[attr-defined]
    session.lock_object(1)
    mother = "<object 1 'mother': on 1 frame, 2 to 2; prompted on 2; locked>"
    other = "<object 2 'object 2': on 1 frame, 0 to 0; prompted on 0>"
    assert repr(session.objects) == f"{{1: {mother}, 2: {other}}}"
    session.add_object("later")
    assert repr(session.objects[3]) == "<object 3 'later': on no frame; not prompted>"


def test_many_prompted_frames_are_counted() -> None:
    session = opened()
    for frame in range(T):
        session.approve(1, frame) if frame in session.scores(1) else session.add_points(1, frame, [(6, 6 + frame)])
    assert "; prompted on 0, 1, 2, 3, 4 and 3 more>" in repr(session.objects[1])


def test_a_session_in_words_and_as_a_context(tmp_path: Path) -> None:
    path = tmp_path / "movie.sam2"
    with opened() as session:
        assert re.fullmatch(
            r"<session on <stack: T 8 x Y 32 x X 40, uint8, frames along T>, 2 objects, model .+, not saved>", repr(session)
        )
        session.save(path)
        assert repr(session).endswith("saved to movie.sam2>")
    assert session.saved_to is None, "the file is free"


def test_a_stack_in_words(tmp_path: Path) -> None:
    volumes = np.zeros((2, 3, 4, 5), np.int16)
    assert repr(napari_sam2.Stack.open(volumes, "TZYX", along="Z", at={"T": 1})) == (
        "<stack: T 2 x Z 3 x Y 4 x X 5, int16, frames along Z at T 1>"
    )
    tifffile.imwrite(tmp_path / "image.tif", volumes[0, 0], photometric="minisblack")
    assert repr(napari_sam2.Stack.open(tmp_path / "image.tif")) == "<stack image.tif: Y 4 x X 5, int16>"
