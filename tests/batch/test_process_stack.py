"""The work on one stack, with the embedded model: done once, gone on with, never believed where something changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from batch_stacks import discs, write_stack
from napari_sam2.batch import process_stack as module
from napari_sam2.batch.outcome import StackOutcome, read_outcome
from napari_sam2.batch.process_stack import AttemptError, StackJob, process_stack
from napari_sam2.batch.prompt_sources import SOURCES
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import find_stacks
from napari_sam2.cli.batch import explain
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.session.session import Session
from napari_sam2.weights.load import find_weights

T = 4
SETTINGS = BatchSettings("labels", weights_sha256=file_sha256(find_weights("micro")[1]), device="cpu", precision="float32")
RESULTS = ["a.frames.png", "a.outcome.json", "a.sam2", "a.tif"]


@pytest.fixture
def job(tmp_path: Path) -> StackJob:
    write_stack(tmp_path / "a.tif", T)
    (stack,) = find_stacks([tmp_path / "a.tif"])
    return StackJob(stack, SETTINGS, str(tmp_path / "results"))


@pytest.fixture
def done(job: StackJob) -> StackOutcome:
    return process_stack(job, explain)


def written(job: StackJob) -> list[str]:
    return sorted(path.name for path in job.folder.iterdir())


def labels(job: StackJob) -> np.ndarray:
    return tifffile.imread(job.folder / "a.tif")


def alone(path: Path) -> np.ndarray:
    """The labels of a session on one machine."""
    with Session(path, device="cpu") as session:
        session.add_labels(discs(T)[1][0], 0)
        session.propagate_all()
        return np.array(session.labels)


def refuse(*_: Any, **__: Any) -> None:
    pytest.fail("it was computed again")


def test_a_stack_is_done_as_a_session_does_it(job: StackJob, done: StackOutcome, tmp_path: Path) -> None:
    assert (done.outcome, done.sentence, done.objects, done.frames) == ("done", "", 2, T)
    assert (done.frames_tracked, done.frames_kept, done.device) == (T - 1, 0, "cpu")
    assert 0 < done.mean_uncertainty <= done.max_uncertainty <= 3
    assert written(job) == RESULTS
    np.testing.assert_array_equal(labels(job), alone(tmp_path / "a.tif"))
    assert all((labels(job) == label).any((1, 2)).all() for label in (1, 2))
    with Image.open(job.folder / "a.frames.png") as picture:
        assert picture.width > 4 * 64
    with Session.open(job.session_path) as session:
        assert session.plan() == []
    assert read_outcome(job.folder, "a") == done
    assert job.known_outcome() is not None


def test_a_stack_that_is_done_is_left(job: StackJob, done: StackOutcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_session", refuse)
    again = process_stack(job, explain)
    assert replace(again, seconds=0.0, inputs=[]) == replace(done, seconds=0.0, inputs=[])


def test_a_stack_goes_on_where_it_was_ended(job: StackJob, tmp_path: Path) -> None:
    job.folder.mkdir()
    inputs = [module.InputState.of(path) for path in job.input_paths()]
    path = job.unfinished_path(SETTINGS.key([one.sha256 for one in inputs], None))
    with SOURCES["labels"].begin(job.stack, SETTINGS, None, path) as session:
        results = session.propagate()
        assert [next(results).frame for _ in range(2)] == [1, 2]
    outcome = process_stack(job, explain)
    assert (outcome.frames_kept, outcome.frames_tracked) == (2, T - 3)
    np.testing.assert_array_equal(labels(job), alone(tmp_path / "a.tif"))
    assert written(job) == RESULTS


@pytest.mark.parametrize("changed", ["settings", "image", "prompts"])
def test_what_changed_is_done_again(changed: str, job: StackJob, done: StackOutcome, tmp_path: Path) -> None:
    if changed == "settings":
        job = replace(job, settings=replace(SETTINGS, intensity_range=(0.0, 255.0)))
    elif changed == "image":
        movie = tifffile.imread(tmp_path / "a.tif")
        tifffile.imwrite(tmp_path / "a.tif", 255 - movie, photometric="minisblack", metadata={"axes": "TYX"})
    else:
        tifffile.imwrite(tmp_path / "a.labels.tif", np.where(discs(T)[1][0] == 1, 5, 0).astype(np.uint8), photometric="minisblack")
    assert job.known_outcome() is None
    again = process_stack(job, explain)
    assert (again.outcome, again.frames_tracked) == ("done", T - 1)
    assert again.key != done.key
    assert written(job) == RESULTS


def test_an_output_that_is_missing_is_written_without_tracking(job: StackJob, done: StackOutcome) -> None:
    before = labels(job)
    (job.folder / "a.tif").unlink()
    more = replace(job, settings=replace(SETTINGS, endings=(".tif", ".csv")))
    assert job.known_outcome() is more.known_outcome() is None
    again = process_stack(more, explain)
    assert (again.frames_tracked, again.frames_kept) == (0, T - 1)
    assert written(job) == sorted([*RESULTS, "a.csv"])
    np.testing.assert_array_equal(labels(job), before)


def test_a_session_on_which_somebody_worked_is_kept(job: StackJob, done: StackOutcome, tmp_path: Path) -> None:
    with Session.open(job.session_path) as session:
        session.rename_object(1, "mine")
    assert job.known_outcome() is not None  # it is no input, and nothing is to be done
    tifffile.imwrite(tmp_path / "a.labels.tif", (discs(T)[1][0] == 2).astype(np.uint8), photometric="minisblack")
    process_stack(job, explain)
    (kept,) = job.folder.glob("a before *.sam2")
    with Session.open(kept) as session:
        assert session.objects[1].info.name == "mine"


def test_what_is_at_fault_is_said_and_written(job: StackJob, tmp_path: Path) -> None:
    (tmp_path / "a.labels.tif").unlink()
    outcome = process_stack(job, explain)
    assert outcome.outcome == "failed"
    assert outcome.sentence == f"there is no label image {tmp_path / 'a.labels.tif'}"
    assert read_outcome(job.folder, "a") == outcome
    assert written(job) == ["a.outcome.json"]
    assert job.known_outcome() is None


def test_another_version_is_refused(job: StackJob) -> None:
    outcome = process_stack(replace(job, settings=replace(SETTINGS, software="0.0.0")), explain)
    assert "this worker has napari-sam2" in outcome.sentence
    module._model.cache_clear()
    outcome = process_stack(replace(job, settings=replace(SETTINGS, weights_sha256="v")), explain)
    assert outcome.sentence == "this worker has other weights of micro than the machine that began the run"


def test_a_fault_of_the_machine_is_tried_again(job: StackJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(module, "_segment", full)
    with pytest.raises(AttemptError, match="there is not enough memory"):
        process_stack(job, explain)
    assert read_outcome(job.folder, "a") is None


@pytest.fixture
def unfinished(job: StackJob) -> Path:
    """Where the session of the first attempt lies."""
    job.folder.mkdir()
    inputs = [module.InputState.of(path) for path in job.input_paths()]
    return job.unfinished_path(SETTINGS.key([one.sha256 for one in inputs], None))


def test_a_session_that_another_worker_has_open_is_left(job: StackJob, unfinished: Path) -> None:
    with (
        SOURCES["labels"].begin(job.stack, SETTINGS, None, unfinished),
        pytest.raises(AttemptError, match="another worker still has the session of this stack open"),
    ):
        process_stack(job, explain)


def test_a_damaged_session_is_begun_anew(job: StackJob, unfinished: Path) -> None:
    unfinished.write_bytes(b"SQLite format 3\0" + bytes(4000))
    outcome = process_stack(job, explain)
    assert (outcome.outcome, outcome.frames_kept) == ("done", 0)
    assert written(job) == RESULTS


def test_an_image_that_changes_meanwhile_is_not_believed(job: StackJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = module._segment

    def changed(*arguments: Any) -> StackOutcome:
        outcome = segment(*arguments)
        (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes())
        return outcome

    monkeypatch.setattr(module, "_segment", changed)
    with pytest.raises(AttemptError, match="were changed while they were read"):
        process_stack(job, explain)
    assert read_outcome(job.folder, "a") is None


def test_frames_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "b" / "0.tif").parent
    (path / "0.tif").unlink()
    (path / "0.labels.tif").rename(tmp_path / "b.labels.tif")
    for t, frame in enumerate(discs(T)[0]):
        tifffile.imwrite(path / f"{t}.tif", frame, photometric="minisblack", compression="zlib")
    bad = (path / "2.tif").read_bytes()
    (path / "2.tif").write_bytes(bad[:200] + bytes(400) + bad[600:])
    (stack,) = find_stacks([path])
    job = StackJob(stack, replace(SETTINGS, axes="TYX"), str(tmp_path / "results"))
    outcome = process_stack(job, explain)
    assert (outcome.outcome, outcome.frames_tracked) == ("partly done", 1)
    assert "frame 2" in outcome.sentence
    assert json.loads((job.folder / "b.outcome.json").read_text())["outcome"] == "partly done"
    assert job.known_outcome() is None


@pytest.mark.slow
def test_everything_is_tracked_without_prompts_and_gone_on_with(job: StackJob, tmp_path: Path) -> None:
    job = replace(job, settings=replace(SETTINGS, prompts="everything"))
    job.folder.mkdir()
    inputs = [module.InputState.of(path) for path in job.input_paths()]
    assert [one.path for one in inputs] == [str(tmp_path / "a.tif")]
    path = job.unfinished_path(job.settings.key([one.sha256 for one in inputs], None))
    with SOURCES["everything"].begin(job.stack, job.settings, None, path) as session:
        assert [next(session.track_everything()).frame] == [0]
    outcome = process_stack(job, explain)
    assert (outcome.outcome, outcome.frames_tracked) == ("done", T - 1)
    assert outcome.objects >= 2
    with Session(tmp_path / "a.tif", device="cpu") as session:
        for _ in session.track_everything():
            pass
        np.testing.assert_array_equal(labels(job), session.labels)


def test_cheaper_choices_are_those_of_the_session(job: StackJob) -> None:
    cheaper = replace(job, settings=replace(SETTINGS, image_size=256, memories=2))
    assert process_stack(cheaper, explain).outcome == "done"
    with Session.open(cheaper.session_path) as session:
        assert (session.model.image_size, session.memories) == (256, 2)


def test_a_stack_is_known_by_its_precision(job: StackJob, done: StackOutcome, monkeypatch: pytest.MonkeyPatch) -> None:
    in_auto, in_bfloat16 = (replace(job, settings=replace(SETTINGS, precision=one)) for one in ("auto", "bfloat16"))
    assert done.precision == "float32"
    assert in_auto.known_outcome() is not None
    assert in_bfloat16.known_outcome() is None
    monkeypatch.setattr(module, "resolve_precision", lambda *_: "bfloat16")  # a worker with a GPU
    assert process_stack(in_auto, explain).precision == "bfloat16"
