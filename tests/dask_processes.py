"""Schedulers and workers of dask as processes of their own, as a lab begins them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_sam2.cluster.address import Certificates

MAX_WAIT_S = 60.0


def free_port() -> int:
    """A port of loopback at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def begun(
    arguments: Sequence[str], files: Certificates | None = None, first_path: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Begin ``dask`` with arguments; in ``first_path`` packages are found before all others."""
    tls = []
    if files is not None:
        tls = ["--tls-ca-file", str(files.authority), "--tls-cert", str(files.certificate), "--tls-key", str(files.key)]
    paths = [str(first_path)] if first_path is not None else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [*paths, *sys.path]))}
    command = [sys.executable, "-m", "dask", *arguments, *tls]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def scheduler(port: int, files: Certificates | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Begin a scheduler on loopback, and wait until it listens."""
    protocol = "tcp" if files is None else "tls"
    arguments = ["scheduler", "--protocol", protocol, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    with begun(arguments, files) as process:
        until = time.monotonic() + MAX_WAIT_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield process


def worker(
    address: str,
    folder: Path,
    files: Certificates | None = None,
    memory: str = "auto",
    first_path: Path | None = None,
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Begin a worker with a folder of its own; nobody waits for it."""
    options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder), "--memory-limit", memory]
    return begun(["worker", address, *options], files, first_path)


@contextlib.contextmanager
def dask_processes(folder: Path, files: Certificates | None = None) -> Iterator[str]:
    """Begin a scheduler and a worker on loopback, and return the address of the scheduler."""
    port = free_port()
    address = f"{'tcp' if files is None else 'tls'}://127.0.0.1:{port}"
    with scheduler(port, files), worker(address, folder, files):
        yield address
