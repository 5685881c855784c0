"""Ctrl-C once and twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from napari_sam2.cli.interruption import stop_on_interrupt


@pytest.fixture(autouse=True)
def _usual_handler() -> Iterator[None]:
    """A shell's background job ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_work_goes_on_to_where_everything_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def work() -> None:
        with stop_on_interrupt(lambda: done.append("asked")):
            signal.raise_signal(signal.SIGINT)
            done.append("ended")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["asked", "ended"]
    assert capsys.readouterr().err == "\nstopping after this step; Ctrl-C again stops at once\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ctrl_c_stops_at_once() -> None:
    done: list[str] = []

    def work() -> None:
        with stop_on_interrupt(lambda: done.append("asked")):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("ended")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["asked"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_ctrl_c_nothing_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with stop_on_interrupt(lambda: pytest.fail("nobody asked")):
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capsys.readouterr().err == ""


def test_an_error_passes_and_the_usual_handler_is_back() -> None:
    def work() -> None:
        with stop_on_interrupt(lambda: None):
            signal.raise_signal(signal.SIGINT)
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_signals_are_left_alone() -> None:
    found = []

    def work() -> None:
        with stop_on_interrupt(lambda: None):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
