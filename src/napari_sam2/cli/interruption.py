"""Ctrl-C during long work: once to stop where everything is in order, twice to stop at once."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def stop_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` at the first Ctrl-C and raise KeyboardInterrupt when the work has ended; the second Ctrl-C is the usual one."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    was_asked = False
    before = signal.getsignal(signal.SIGINT)

    def ask(_signal: int, _frame: Any) -> None:
        nonlocal was_asked
        was_asked = True
        signal.signal(signal.SIGINT, before)
        print("\nstopping after this step; Ctrl-C again stops at once", file=sys.stderr)
        stop()

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if was_asked:
        raise KeyboardInterrupt
