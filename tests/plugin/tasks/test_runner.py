from napari_sam2.plugin.tasks.runner import DirectRunner


def test_a_task_is_run_to_its_end():
    heard, ends = [], []
    DirectRunner().run(lambda report: [report(number) for number in range(3)], heard.append, ends.append)
    assert (heard, ends) == ([0, 1, 2], [None])


def test_a_task_that_is_stopped_or_fails():
    runner, heard, ends = DirectRunner(), [], []

    def task(report):
        number = 0
        while report(number):
            number += 1
        raise ValueError("at its end")

    def stop_at_two(item):
        heard.append(item)
        if item == 2:
            runner.stop()

    runner.run(task, stop_at_two, ends.append)
    assert heard == [0, 1, 2]
    assert [str(error) for error in ends] == ["at its end"]


def test_what_is_posted_is_called():
    called = []
    DirectRunner().post(lambda: called.append(1))
    assert called == [1]
