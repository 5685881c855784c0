"""A scheduler and a worker of dask as processes of their own, as a lab begins them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from napari_sam2.cluster.address import Certificates


@contextlib.contextmanager
def dask_processes(files: Certificates, folder: str) -> Iterator[str]:
    """Begin both on loopback with certificates, and return the address of the scheduler."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    tls = ["--tls-ca-file", str(files.authority), "--tls-cert", str(files.certificate), "--tls-key", str(files.key)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    address = f"tls://127.0.0.1:{port}"
    begun = ["scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = ["worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", folder]
    processes = []
    try:
        for arguments in (begun, worker):
            command = [sys.executable, "-m", "dask", *arguments, *tls]
            processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
            until = time.monotonic() + 30
            while arguments is begun and time.monotonic() < until:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=1):
                    break
                time.sleep(0.1)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(20)
