"""PyTorch, imported so that its threads wait sparingly. All modules of the package take it from here.

On Linux PyTorch computes in threads of libgomp. One that has done its part of an operation turns in a loop for milliseconds before
it sleeps, in case the next operation comes at once. On a machine with other work to do it takes a core from that work, and often
from the very thread it waits for: beside two busy programs on two cores, tracking takes more than twice as long. A short wait
costs nothing on a quiet machine, whereas no wait at all costs 40 %.

The library reads the environment once, when it is loaded. So the variable is there for the first import, and gone after it: other
programs that are started from this process do not find it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

SPIN_COUNT = "GOMP_SPINCOUNT"
TURNS = "1000"
"""Some microseconds."""


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """Set the number of turns, unless a person has said how threads wait, or the library is there already."""
    if "torch" in sys.modules or SPIN_COUNT in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ[SPIN_COUNT] = TURNS
    try:
        yield
    finally:
        os.environ.pop(SPIN_COUNT, None)


with _short_waits():
    import torch

__all__ = ["torch"]
