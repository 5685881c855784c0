"""Sessions at work in processes of their own, to be killed. A server forks them: to import PyTorch each time would take too long.

Each transaction is logged when it is done: the file must hold what was logged, or what was logged and one transaction more.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blob_tracker import BlobTracker, tiny_model
from known_sessions import MOVIE, RENUMBERED, Doer, T, begun, calls, known
from napari_sam2.predictors import build, tracker
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import Commit
from napari_sam2.session.store import database, file_lock, first_format, rows, session_store

Step = tuple[Any, ...]
NUM_STEPS = 16


class SlowTracker(BlobTracker):
    """The double, which takes a while for each frame."""

    def track(self, *arguments: Any) -> Any:
        """Track, later."""
        time.sleep(0.002)
        return super().track(*arguments)


def steps_of(seed: int, saves: bool = False) -> list[Step]:
    """Choose what is done, the same for the same seed."""
    choose = random.Random(seed)
    kinds: list[Callable[[], Step]] = [
        lambda: ("click", choose.randint(1, 3), choose.randrange(T)),
        lambda: ("click", 1, choose.randrange(T)),
        lambda: ("propagate", choose.randint(1, 6)),
        lambda: ("go on", choose.randint(1, 3)),
        lambda: (choose.choice(["divide", "split", "clear", "approve", "remove"]), choose.randint(1, 3), choose.randrange(T)),
        lambda: (choose.choice(["undo", "undo", "redo", "hide"]),),
    ]
    if saves:
        kinds.append(lambda: ("save", choose.choice("abc")))
    steps = [("click", 1, 0), ("propagate", 2), *(choose.choice(kinds)() for _ in range(NUM_STEPS))]
    return [*steps[:7], ("open again",), *steps[7:]]


class Ended(Exception):
    """As many transactions were done as was wanted."""


def state_of(session: Session) -> Any:
    """All that a file is to hold."""
    return known(session), calls(session), len(session.state.history.done), len(session.state.history.undone)


def watched(session: Session, after_each: Callable[[], None]) -> Session:
    """Let something be called after each transaction."""
    keep = session._store.keep

    def kept(commit: Commit) -> None:
        keep(commit)
        after_each()

    session._store.keep = kept  # type: ignore[method-assign]
    return session


def never_killed(steps: list[Step], num_transactions: int | None = None) -> tuple[Session, list[Any]]:
    """Do the same in this process, as far as it is wanted, and return the state after each transaction."""
    session = begun()
    states = [state_of(session)]

    def after_each() -> None:
        states.append(state_of(session))
        if len(states) - 1 == num_transactions:
            raise Ended

    watched(session, after_each)
    doer = Doer(session)
    try:
        for step in steps if num_transactions != 0 else ():
            if step[0] == "open again":
                doer = Doer(session)
            elif step[0] != "save":
                doer.do(*step)
    except Ended:
        pass
    del session._store.keep  # type: ignore[method-assign]
    return session, states


# --- in the process that is killed ---------------------------------------------------------------------------------


@dataclass
class Order:
    """What a process is to do, and when it kills itself: at a point where it writes, counted from 1; 0 for never."""

    work: str
    seed: int
    folder: str
    kill_at: int = 0


def _count_points(kill_at: int) -> list[int]:
    """Count the calls that write, before and after, and be killed at one of them."""
    count = [0]

    def point() -> None:
        count[0] += 1
        if count[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(owner: Any, name: str) -> None:
        call = getattr(owner, name)

        def watched_call(*arguments: Any, **named: Any) -> Any:
            point()
            result = call(*arguments, **named)
            point()
            return result

        setattr(owner, name, watched_call)

    for name in ("execute", "execute_many", "copy_to"):
        watch(database.Database, name)
    watch(file_lock.FileLock, "release")
    for module in (rows, session_store, first_format):
        watch(module, "remove")
    watch(os, "replace")
    watch(os, "fsync")
    return count


def _work(order: Order) -> None:
    folder = Path(order.folder)
    os.environ["XDG_DATA_HOME"] = str(folder / "data")
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    tracker.Tracker = SlowTracker
    points = _count_points(order.kill_at)

    def write(line: str) -> None:
        os.write(log, f"{line}\n".encode())

    if order.work == "convert":
        build.load_model = lambda name, device: tiny_model()
        session = Session.open(folder / "movie.sam2.json")
        write("opened")
    elif order.work == "link labels":
        session = begun()
        session.save(folder / "a.sam2")
        write(f"saved by {points[0]}")
        watched(session, lambda: write("done"))
        list(session.link_labels(RENUMBERED))
    else:
        session = begun()
        if order.work in ("saved", "opened again"):
            session.save(folder / "a.sam2")
        write("begun")
        watched(session, lambda: write("done"))
        doer = Doer(session)
        for step in steps_of(order.seed, saves=order.work == "save as"):
            if step[0] == "save":
                write(f"saving {step[1]}")
                session.save(folder / f"{step[1]}.sam2")
                write(f"saved {step[1]}")
            elif step[0] == "open again":
                if order.work == "opened again":
                    session.close()
                    session = watched(Session.open(folder / "a.sam2", MOVIE, tiny_model()), lambda: write("done"))
                doer = Doer(session)
            else:
                doer.do(*step)
    write(f"points {points[0]}")
    time.sleep(60)


def _serve() -> None:
    """Fork a process for each line, and print its id, then that it ended."""
    tiny_model()
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            try:
                _work(Order(**json.loads(line)))
            except BaseException as error:
                with open(json.loads(line)["folder"] + "/error", "w", encoding="utf-8") as file:
                    file.write(repr(error))
            os._exit(1)
        print(process, flush=True)  # noqa: T201
        os.waitpid(process, 0)
        print("ended", flush=True)  # noqa: T201


# --- in the test ---------------------------------------------------------------------------------------------------


class Server:
    """Processes to be killed."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._read() == "ready"

    def _read(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()

    def killed(self, order: Order, after_lines: int = 0, after_s: float = 0) -> list[str]:
        """Let a process work until it is killed, by itself or when it logged so many lines and a while after; return the lines."""
        assert self._server.stdin is not None
        log = Path(order.folder) / "log"
        log.touch()
        self._server.stdin.write(json.dumps(vars(order)) + "\n")
        self._server.stdin.flush()
        process = int(self._read())
        if not order.kill_at:
            until = time.monotonic() + 30
            while (text := log.read_text()).count("\n") < after_lines and "points" not in text and time.monotonic() < until:
                time.sleep(0.0005)
            time.sleep(after_s)
            os.kill(process, signal.SIGKILL)
        assert self._read() == "ended"
        assert not (Path(order.folder) / "error").exists(), (Path(order.folder) / "error").read_text()
        return log.read_text().splitlines()

    def num_points(self, order: Order) -> int:
        """Let a process work to the end, and return how many points it passed."""
        lines = self.killed(order, after_lines=10**9)
        return int(lines[-1].removeprefix("points "))

    def close(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for the tests of a module."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked")
    one = Server()
    yield one
    one.close()


if __name__ == "__main__":
    _serve()
