import os
import sys
import threading

import pytest

from napari_sam2.plugin.qt.background import BackgroundRunner


@pytest.fixture
def runner(qtbot):
    runner = BackgroundRunner()
    yield runner
    runner.close()
    runner.wait()


class Listener:
    def __init__(self):
        self.items, self.ends, self.threads = [], [], set()

    def item(self, item):
        self.items.append(item)
        self.threads.add(threading.current_thread())

    def end(self, error):
        self.ends.append(error)
        self.threads.add(threading.current_thread())


def test_results_come_to_the_gui_thread_in_order(runner, qtbot):
    listener, threads = Listener(), []

    def task(report):
        threads.append(threading.current_thread())
        for number in range(20):
            assert report(number)

    runner.run(task, listener.item, listener.end)
    qtbot.waitUntil(lambda: bool(listener.ends))
    assert listener.items == list(range(20))
    assert listener.ends == [None]
    assert listener.threads == {threading.main_thread()}
    assert threads[0] is not threading.main_thread()


def test_an_exception_is_the_end_of_a_task_not_of_the_thread(runner, qtbot):
    def task(report):
        report("done so far")
        raise RuntimeError("out of memory")

    listener = Listener()
    for _ in range(2):
        runner.run(task, listener.item, listener.end)
        qtbot.waitUntil(lambda: bool(listener.ends))
        assert listener.items == ["done so far"]
        assert str(listener.ends[0]) == "out of memory"
        listener.items, listener.ends = [], []


def test_stop(runner, qtbot):
    listener = Listener()

    def task(report):
        number = 0
        while report(number):
            number += 1

    def stop_at_three(item):
        listener.item(item)
        if item == 3:
            runner.stop()

    runner.run(task, stop_at_three, listener.end)
    qtbot.waitUntil(lambda: bool(listener.ends))
    assert listener.ends == [None]
    assert listener.items[:4] == [0, 1, 2, 3]
    assert len(listener.items) <= 10


def test_the_worker_does_not_run_far_ahead_of_the_window(runner, qtbot):
    reported, listener = [], Listener()

    def task(report):
        for number in range(50):
            report(number)
            reported.append(number)

    runner.run(task, listener.item, listener.end)
    threading.Event().wait(0.5)  # no events are processed: the window is busy
    assert len(reported) == 4
    qtbot.waitUntil(lambda: bool(listener.ends))
    assert len(listener.items) == 50


def test_nothing_is_called_back_after_close(runner, qtbot):
    started, listener = threading.Event(), Listener()

    def task(report):
        started.set()
        while report(0):
            pass
        raise RuntimeError("nobody hears this")

    runner.run(task, listener.item, listener.end)
    assert started.wait(5)
    runner.close()
    runner.wait()
    before = len(listener.items)
    qtbot.wait(50)
    assert len(listener.items) == before
    assert listener.ends == []


def test_one_task_at_a_time(runner, qtbot):
    listener, go_on = Listener(), threading.Event()
    runner.run(lambda report: go_on.wait(5), listener.item, listener.end)
    with pytest.raises(RuntimeError, match="running already"):
        runner.run(lambda report: None, listener.item, listener.end)
    go_on.set()
    qtbot.waitUntil(lambda: bool(listener.ends))


def test_what_is_posted_comes_after_what_was_reported(runner, qtbot):
    came, reported = [], threading.Event()

    def task(report):
        report("reported")
        reported.set()

    runner.run(task, came.append, lambda error: came.append("end"))
    assert reported.wait(5)
    runner.post(lambda: came.append("posted"))
    assert came == [], "also from the thread of the windows"
    qtbot.waitUntil(lambda: "end" in came and "posted" in came)
    assert came.index("reported") < came.index("posted")
    threading.Thread(target=lambda: runner.post(lambda: came.append(threading.current_thread()))).start()
    qtbot.waitUntil(lambda: threading.main_thread() in came)


def test_nothing_is_posted_after_close(runner, qtbot):
    came = []
    runner.post(lambda: came.append("before"))
    runner.close()
    runner.post(lambda: came.append("after"))
    qtbot.wait(20)
    assert came == []


def test_what_is_last_is_also_done_when_the_threads_of_the_program_have_ended(qtbot):
    runner, done = BackgroundRunner(), []
    runner._pool.shutdown(wait=True)  # as Python does it before objects are destroyed
    runner.close(lambda: done.append("closed"))
    assert done == ["closed"]


def test_a_core_is_left_to_the_windows_once_torch_is_there(runner, qtbot, monkeypatch):
    """Nothing loads it for that: where models compute on another machine, nobody does."""
    told = []

    class Torch:
        @staticmethod
        def set_num_threads(number):
            told.append((number, threading.current_thread() is threading.main_thread()))

    def work():
        listener = Listener()
        runner.run(lambda report: None, listener.item, listener.end)
        qtbot.waitUntil(lambda: bool(listener.ends))

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    work()
    assert "torch" not in sys.modules
    monkeypatch.setitem(sys.modules, "torch", Torch)
    work()
    work()
    assert told == [(max(1, os.cpu_count() - 1), False)]
