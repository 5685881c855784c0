from types import SimpleNamespace

import pytest

from napari_sam2.plugin.jobs.job_status import JobStatus
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.commands import Outcome
from napari_sam2.plugin.reports.reports import (
    CommandRejected,
    EverythingFound,
    FrameDone,
    HistoryMoved,
    ObjectSegmented,
    SessionNotKept,
    StepDone,
)
from napari_sam2.plugin.tasks.work_queue import Job, JobKind


class Queue:
    """What the status asks of a queue."""

    is_stopping = False
    waiting = ()

    def is_waiting(self, job):
        return job in self.waiting


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def told():
    return []


@pytest.fixture
def status(queue, told):
    return JobStatus(
        queue,
        lambda done, total: told.append((done, total)),
        told.append,
        lambda text: told.append(f"frame: {text}"),
    )


def job(kind, text="", frame_axis=0):
    workspace = SimpleNamespace(
        stack=SimpleNamespace(frame_axis=frame_axis), is_closed=False, objects=SimpleNamespace(infos={1: 1})
    )
    return Job(kind, lambda: None, workspace, text)


@pytest.mark.parametrize(
    ("kind", "item", "texts"),
    [
        (JobKind.COMMAND, ObjectSegmented(ObjectFrame(3, 7), 20), ["frame: Object 3: 20 px on frame 7"]),
        (JobKind.FIND, EverythingFound(2, ()), ["frame: Nothing was found on frame 2 that is no object yet."]),
        (JobKind.LONG_COMMAND, StepDone(2, 6), [(2, 6), "Segmenting: 2 of 6 done"]),
        (JobKind.FIND, StepDone(2, 6), [(2, 6)]),
        (JobKind.FIND, StepDone(0, 0), []),
        (JobKind.COMMAND, Outcome("2 objects from mine."), ["2 objects from mine."]),
        (JobKind.COMMAND, CommandRejected(None, None), []),
        (JobKind.COMMAND, HistoryMoved(True, True), ["Undone."]),
        (JobKind.COMMAND, HistoryMoved(False, False), ["There is nothing to redo."]),
    ],
)
def test_what_is_told_of_an_item(status, told, kind, item, texts):
    status.show_item(job(kind), item, True)
    assert told == texts


def test_what_is_no_news_is_not_told(status, told):
    for item in (SessionNotKept("the disk is full"), CommandRejected(None, "there is no object 9")):
        status.show_item(job(JobKind.COMMAND), item, False)
    assert told == []


def test_of_a_single_image_no_frame_is_named(status, told):
    status.show_item(job(JobKind.COMMAND, frame_axis=None), ObjectSegmented(ObjectFrame(3, 0), 20), True)
    assert told == ["frame: Object 3: 20 px"]


def test_a_run_that_a_command_interrupts_is_one(status, queue, told):
    run = job(JobKind.PROPAGATE)
    status.job_started(run)
    status.show_item(run, FrameDone(1, 1, 3), True)
    queue.waiting = (run,)
    status.job_ended(run, None)
    command = Job(JobKind.COMMAND, lambda: None, run.workspace, "Segmenting …")
    status.job_started(command)
    status.job_ended(command, None)
    queue.waiting = ()
    status.job_started(run)
    status.show_item(run, FrameDone(2, 1, 2), True)
    status.show_item(run, FrameDone(3, 2, 2), True)
    status.job_ended(run, None)
    assert told == [
        (1, 3),
        "Frame 1: 1 of 3 done, 0 s left",
        "Segmenting …",
        "",
        (2, 3),
        "Frame 2: 2 of 3 done, 0 s left",
        (3, 3),
        "Frame 3: 3 of 3 done, 0 s left",
        "3 frames done in 0 s.",
    ]


def test_what_is_stopped_says_what_is_kept(status, queue, told):
    run = job(JobKind.PROPAGATE)
    status.job_started(run)
    status.show_item(run, FrameDone(1, 1, 3), True)
    queue.is_stopping = True
    status.job_ended(run, None)
    status.job_ended(job(JobKind.EXPORT), None)
    status.job_ended(job(JobKind.LONG_COMMAND), None)
    assert told[2:] == ["Stopped: 1 frame done and kept, 2 left.", "Stopped. Nothing was written."]


def test_an_image_that_is_gone_is_not_told_about(status, told):
    ended = job(JobKind.COMMAND)
    ended.workspace.is_closed = True
    status.job_ended(ended, ValueError("nothing"))
    assert told == []
