import pytest

from napari_sam2.plugin.work_queue import Job, JobKind, WorkQueue


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

    def close(self):
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


PROMPTS, PROPAGATE, DOWNLOAD, WARM_UP = (
    job(kind) for kind in (JobKind.PROMPTS, JobKind.PROPAGATE, JobKind.DOWNLOAD, JobKind.WARM_UP)
)


def finish_all(runner):
    while runner.task is not None:
        runner.finish()


def test_what_a_person_waits_for_comes_first(queue, runner, started):
    for one in (WARM_UP, PROPAGATE, PROMPTS, DOWNLOAD):
        queue.put(one)
    finish_all(runner)
    assert started == [WARM_UP, DOWNLOAD, PROMPTS, PROPAGATE]
    assert not queue.is_busy


def test_a_click_interrupts_propagation_which_goes_on_after_it(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(PROMPTS)
    assert runner.is_stopped
    queue.put(PROMPTS)
    finish_all(runner)
    assert started == [PROPAGATE, PROMPTS, PROPAGATE]


def test_twice_is_once(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(PROPAGATE)
    assert not runner.is_stopped
    finish_all(runner)
    assert started == [PROPAGATE]


def test_a_click_on_a_click_is_not_lost(queue, runner, started):
    queue.put(PROMPTS)
    queue.put(PROMPTS)
    finish_all(runner)
    assert started == [PROMPTS, PROMPTS]


def test_stop_keeps_clicks(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(PROMPTS)
    queue.stop()
    queue.put(job(JobKind.PROMPTS, "another image"))
    finish_all(runner)
    assert [one.kind for one in started] == [JobKind.PROPAGATE, JobKind.PROMPTS, JobKind.PROMPTS]


def test_propagation_can_begin_again_while_it_stops(queue, runner, started):
    queue.put(PROPAGATE)
    queue.stop()
    queue.put(PROPAGATE)
    finish_all(runner)
    assert started == [PROPAGATE, PROPAGATE]


def test_what_failed_is_not_tried_again(queue, runner, started):
    queue.put(PROPAGATE)
    queue.put(PROMPTS)
    runner.finish(RuntimeError("out of memory"))
    finish_all(runner)
    assert started == [PROPAGATE, PROMPTS]


def test_forget(queue, runner, started):
    other = job(JobKind.PROPAGATE, "another image")
    for one in (PROPAGATE, other, PROMPTS):
        queue.put(one)
    queue.forget("image")
    assert runner.is_stopped
    finish_all(runner)
    assert started == [PROPAGATE, other]


def test_close(queue, runner, started):
    queue.put(WARM_UP)
    queue.put(PROMPTS)
    queue.close()
    assert runner.is_closed
    runner.finish()
    assert started == [WARM_UP]
