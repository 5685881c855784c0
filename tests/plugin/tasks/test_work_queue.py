import pytest

from napari_sam2.plugin.tasks.work_queue import Job, JobKind, WorkQueue


class HeldRunner:
    """Runs nothing until the test says so."""

    def __init__(self):
        self.task = None
        self.is_stopped = self.is_closed = False

    def run(self, task, on_item, on_end):
        assert self.task is None
        self.task, self.on_end, self.is_stopped = task, on_end, False

    def finish(self, error=None):
        self.task = None
        self.on_end(error)

    def stop(self):
        self.is_stopped = True

    def close(self, last=None):
        self.is_closed = True


@pytest.fixture
def runner():
    return HeldRunner()


@pytest.fixture
def started():
    return []


@pytest.fixture
def queue(runner, started):
    return WorkQueue(runner, started.append, lambda job, item: None, lambda job, error: None)


def job(kind, workspace="image"):
    return Job(kind, lambda: lambda report: None, workspace)


COMMAND, PROPAGATE, DOWNLOAD = (job(kind) for kind in (JobKind.COMMAND, JobKind.PROPAGATE, JobKind.DOWNLOAD))
UNDO = Job(JobKind.COMMAND, lambda: lambda report: None, "image", ends_propagation=True)


def finish_all(runner):
    while runner.task is not None:
        runner.finish()


def test_what_a_person_waits_for_comes_first(queue, runner, started):
    other = job(JobKind.COMMAND, "another image")
    for one in (other, PROPAGATE, COMMAND, DOWNLOAD):
        queue.put(one)
    finish_all(runner)
    assert started == [other, DOWNLOAD, COMMAND, PROPAGATE]
    assert not queue.is_busy


def test_a_click_interrupts_propagation_which_goes_on_after_it(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(COMMAND)
    assert runner.is_stopped
    queue.put(COMMAND)
    finish_all(runner)
    assert started == [PROPAGATE, COMMAND, COMMAND, PROPAGATE]


@pytest.mark.parametrize("kind", [JobKind.COMMAND, JobKind.FIND, JobKind.LONG_COMMAND])
def test_tracking_everything_is_interrupted_as_a_propagation_is(queue, runner, started, kind):
    track, other = job(JobKind.TRACK), job(kind)
    queue.put(track)
    queue.put(track)
    assert not runner.is_stopped
    queue.put(other)
    assert runner.is_stopped
    finish_all(runner)
    assert started == [track, other, track]
    queue.put(track)
    queue.put(UNDO)
    finish_all(runner)
    assert started[3:] == [track, UNDO], "after an undo it does not go on"


def test_tracking_everything_and_a_propagation_follow_each_other(queue, runner, started):
    track = job(JobKind.TRACK)
    queue.put(track)
    queue.put(PROPAGATE)
    assert not runner.is_stopped
    finish_all(runner)
    assert started == [track, PROPAGATE]


def test_finding_everything_interrupts_propagation_and_can_be_stopped(queue, runner, started):
    find = job(JobKind.FIND)
    queue.put(PROPAGATE)
    queue.put(find)
    assert runner.is_stopped
    finish_all(runner)
    assert started == [PROPAGATE, find, PROPAGATE]
    queue.put(find)
    assert queue.is_busy
    queue.stop()
    assert queue.is_stopping
    finish_all(runner)


def test_twice_is_once(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(PROPAGATE)
    assert not runner.is_stopped
    finish_all(runner)
    assert started == [PROPAGATE]


def test_each_command_counts(queue, runner, started):
    for _ in range(3):
        queue.put(COMMAND)
    finish_all(runner)
    assert started == [COMMAND] * 3


def test_commands_are_run_in_the_order_in_which_they_were_given(queue, runner, started):
    jobs = [COMMAND, UNDO, job(JobKind.COMMAND, "another image"), UNDO, COMMAND]
    for one in jobs:
        queue.put(one)
    finish_all(runner)
    assert started == jobs


@pytest.mark.parametrize("is_running", [True, False])
def test_undo_ends_the_propagation_of_its_image(queue, runner, started, is_running):
    if not is_running:
        queue.put(COMMAND)
    queue.put(PROPAGATE)
    queue.put(UNDO)
    assert runner.is_stopped == queue.is_stopping == is_running
    finish_all(runner)
    assert started == [PROPAGATE if is_running else COMMAND, UNDO]


def test_undo_interrupts_the_propagation_of_another_image(queue, runner, started):
    other = job(JobKind.PROPAGATE, "another image")
    queue.put(other)
    queue.put(UNDO)
    assert runner.is_stopped
    assert not queue.is_stopping
    finish_all(runner)
    assert started == [other, UNDO, other]


def test_a_job_with_nothing_to_do_is_at_its_end(queue, runner, started):
    nothing = Job(JobKind.COMMAND, lambda: None, "image")
    queue.put(nothing)
    assert queue.running is None
    queue.put(COMMAND)
    queue.put(nothing)
    queue.put(COMMAND)
    finish_all(runner)
    assert started == [nothing, COMMAND, nothing, COMMAND]


def test_stop_keeps_clicks(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(COMMAND)
    queue.stop()
    queue.put(job(JobKind.COMMAND, "another image"))
    finish_all(runner)
    assert [one.kind for one in started] == [JobKind.PROPAGATE, JobKind.COMMAND, JobKind.COMMAND]


def test_propagation_can_begin_again_while_it_stops(queue, runner, started):
    queue.put(PROPAGATE)
    queue.stop()
    queue.put(PROPAGATE)
    finish_all(runner)
    assert started == [PROPAGATE, PROPAGATE]


def test_what_failed_is_not_tried_again(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(COMMAND)
    runner.finish(RuntimeError("out of memory"))
    finish_all(runner)
    assert started == [PROPAGATE, COMMAND]


def test_forget(queue, runner, started):
    other = job(JobKind.PROPAGATE, "another image")
    for one in (PROPAGATE, other, COMMAND):
        queue.put(one)
    queue.forget("image")
    assert runner.is_stopped
    finish_all(runner)
    assert started == [PROPAGATE, other]


def test_close(queue, runner, started):
    queue.put(DOWNLOAD)
    queue.put(COMMAND)
    queue.close()
    assert runner.is_closed
    runner.finish()
    assert started == [DOWNLOAD]


EXPORT, MEASURE = job(JobKind.EXPORT), job(JobKind.MEASURE)


def test_every_export_is_done_after_what_was_begun(queue, runner, started):
    other = job(JobKind.EXPORT)
    for one in (PROPAGATE, EXPORT, other, COMMAND):
        queue.put(one)
    assert runner.is_stopped, "a command interrupts a propagation"
    finish_all(runner)
    assert started == [PROPAGATE, COMMAND, PROPAGATE, EXPORT, other]


def test_an_export_is_not_interrupted_but_stopped_with_all_that_wait(queue, runner, started):
    for one in (EXPORT, job(JobKind.EXPORT), COMMAND):
        queue.put(one)
    assert not runner.is_stopped
    queue.stop()
    assert runner.is_stopped
    assert queue.is_stopping
    finish_all(runner)
    assert started == [EXPORT, COMMAND]


@pytest.mark.parametrize("kind", [JobKind.DOWNLOAD, JobKind.COMMAND, JobKind.PROPAGATE, JobKind.EXPORT])
def test_a_measurement_gives_way_to_everything_and_goes_on(queue, runner, started, kind):
    queue.put(MEASURE)
    assert not queue.is_busy, "nobody waits for it"
    one = job(kind)
    queue.put(one)
    assert runner.is_stopped
    assert not queue.is_stopping
    finish_all(runner)
    assert started == [MEASURE, one, MEASURE]


def test_of_several_measurements_that_wait_one_is_enough(queue, runner, started):
    for one in (MEASURE, job(JobKind.MEASURE), latest := job(JobKind.MEASURE), job(JobKind.MEASURE, "another image")):
        queue.put(one)
    finish_all(runner)
    assert len(started) == 3
    assert started[:2] == [MEASURE, latest]
