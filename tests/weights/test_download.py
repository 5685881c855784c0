"""Downloads from a server on the loopback interface, which answers well or badly in every way that was thought of."""

import dataclasses
import hashlib
import os
import re
import shutil
import socket
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tqdm import tqdm

from napari_sam2.weights import download as download_module
from napari_sam2.weights.download import (
    DownloadCancelled,
    DownloadError,
    cache_folder,
    checkpoint_path,
    download,
    find_checkpoint,
)
from napari_sam2.weights.registry import RELEASED

NAME = "sam2.1_hiera_t"
FILE = RELEASED[NAME].file_name
CONTENT = np.random.default_rng(0).bytes(700_001)


class Answers(BaseHTTPRequestHandler):
    """The first part of the path says how the file is offered."""

    def do_GET(self):
        kind, _, file_name = self.path.strip("/").partition("/")
        self.server.requested.append(self.path)
        if kind == "missing" or file_name != FILE:
            self.send_error(404)
        elif kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/good/{FILE}")
            self.end_headers()
        else:
            self.offer(kind)

    def offer(self, kind):
        body = {"wrong": CONTENT[::-1], "page": b"<html>please log in</html>", "long": CONTENT * 3}.get(kind, CONTENT)
        self.send_response(503 if kind == "busy" else 200)
        if kind != "silent":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind in ("truncated", "silent") else body)

    def log_message(self, *_):
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = False  # joined when the server is closed, so that no socket is left open

    def handle_error(self, request, client_address):
        """A client that hangs up is what some of the tests are about."""


@pytest.fixture(scope="module")
def server():
    with QuietServer(("127.0.0.1", 0), Answers) as server:
        server.requested = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def small_release(monkeypatch, server):
    """A release of 700 kB; no mirror, no proxy, and nothing asked of the server so far."""
    small = dataclasses.replace(RELEASED[NAME], size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(RELEASED, NAME, small)
    monkeypatch.delenv("NAPARI_SAM2_BASE_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.requested.clear()


@pytest.fixture
def offer(server):
    """Address of the folder that offers the file in a certain way."""
    return lambda kind: f"http://127.0.0.1:{server.server_port}/{kind}"


class Bar:
    """Follows a download; hangs up after so many bytes."""

    def __init__(self, cancel_after_bytes=10**9):
        self.total = None
        self.n = 7  # left from before
        self.closed = 0
        self.cancel_after_bytes = cancel_after_bytes

    def update(self, n):
        self.n += n
        if self.n > self.cancel_after_bytes:
            raise DownloadCancelled

    def reset(self):
        self.n = 0

    def close(self):
        self.closed += 1


def is_sentence(text):
    return "\n" not in text and not text.endswith(".") and ". " not in text


@pytest.mark.parametrize("kind", ["good", "moved", "good/"])
def test_good_file(tmp_path, offer, kind):
    folder, bar = tmp_path / "a" / "new folder", Bar()
    path = download("facebook/sam2.1-hiera-tiny", folder=folder, base_url=offer(kind), progress=bar)
    assert path == folder / FILE
    assert path.read_bytes() == CONTENT
    assert os.listdir(folder) == [FILE]
    assert (bar.total, bar.n, bar.closed) == (len(CONTENT), len(CONTENT), 1)
    assert find_checkpoint(NAME, folder=folder) == path


def test_progress_may_be_a_tqdm_bar(tmp_path, offer):
    with (tmp_path / "terminal").open("w") as terminal:
        bar = tqdm(file=terminal, unit="B")
        download(NAME, folder=tmp_path / "cache", base_url=offer("good"), progress=bar)
    assert (bar.n, bar.total) == (len(CONTENT), len(CONTENT))


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_shared_cache_can_be_read_by_others(tmp_path, offer):
    usual = tmp_path / "usual"
    usual.touch()
    path = download(NAME, folder=tmp_path, base_url=offer("good"))
    assert path.stat().st_mode == usual.stat().st_mode


FAILURES = {
    "truncated": "broke off before its 700,001 bytes had come",
    "silent": "sent 350,000 bytes instead of 700,001",
    "page": "sent 26 bytes instead of 700,001",
    "long": "sends more than the 700,001 bytes",
    "wrong": "SHA-256",
    "missing": "answered by 404 Not Found",
    "busy": "answered by 503 Service Unavailable",
}


@pytest.mark.parametrize(("kind", "reason"), FAILURES.items())
def test_failure_says_why_and_leaves_nothing(tmp_path, offer, kind, reason):
    bar = Bar()
    with pytest.raises(DownloadError) as caught:
        download(NAME, folder=tmp_path, base_url=offer(kind), progress=bar)
    message = str(caught.value)
    assert message.startswith(f"{offer(kind)}/{FILE} ")
    assert reason in message
    assert f"fetch {RELEASED[NAME].url} by other means and put it at {tmp_path / FILE}" in message
    assert is_sentence(message)
    assert os.listdir(tmp_path) == []
    assert bar.closed == 1


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


UNREACHABLE = {
    "refused": lambda: f"http://127.0.0.1:{closed_port()}/mirror",
    "no address": lambda: "mirror of the institute",
    "unknown scheme": lambda: "gopher://127.0.0.1/mirror",
}


@pytest.mark.parametrize("address", UNREACHABLE.values(), ids=UNREACHABLE)
def test_no_network(tmp_path, address):
    with pytest.raises(DownloadError, match="cannot be reached") as caught:
        download(NAME, folder=tmp_path, base_url=address())
    assert f"put it at {tmp_path / FILE}" in str(caught.value)
    assert is_sentence(str(caught.value))
    assert os.listdir(tmp_path) == []


def test_cancel_in_the_middle(tmp_path, offer):
    bar = Bar(cancel_after_bytes=300_000)
    with pytest.raises(DownloadCancelled):
        download(NAME, folder=tmp_path, base_url=offer("good"), progress=bar)
    assert 300_000 < bar.n < len(CONTENT)
    assert bar.closed == 1
    assert os.listdir(tmp_path) == []


def test_what_a_program_left_that_was_ended_is_removed(tmp_path, offer):
    left, others = tmp_path / f".{Path(FILE).stem}-0123abcd.partial.pt", tmp_path / f".{Path(FILE).stem}-89abcdef.partial.pt"
    for path in (left, others):
        path.write_bytes(b"a part")
    os.utime(left, (0, 0))
    download(NAME, folder=tmp_path, base_url=offer("good"))
    assert sorted(tmp_path.iterdir()) == sorted([others, tmp_path / FILE])


def test_no_room(tmp_path, server, offer, monkeypatch):
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 600_000))
    with pytest.raises(DownloadError, match=r"there is no room for .*: 0\.7 MB are needed and 0\.6 MB are free; make room, or"):
        download(NAME, folder=tmp_path, base_url=offer("good"))
    assert server.requested == []
    assert not list(tmp_path.iterdir())


def test_already_there_is_verified_and_not_fetched_again(tmp_path, server, offer):
    (tmp_path / FILE).write_bytes(CONTENT)
    assert download(NAME, folder=tmp_path, base_url=offer("good")) == tmp_path / FILE
    assert server.requested == []


ALREADY_BROKEN = {
    "other size": (CONTENT[:1000], "it has 1,000 bytes instead of 700,001"),
    "empty": (b"", "it has 0 bytes instead of 700,001"),
    "other hash": (CONTENT[::-1], "its SHA-256 is another one"),
}


@pytest.mark.parametrize(("content", "fault"), ALREADY_BROKEN.values(), ids=ALREADY_BROKEN)
def test_a_wrong_file_that_is_there_is_neither_used_nor_overwritten(tmp_path, server, offer, content, fault):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DownloadError) as caught:
        download(NAME, folder=tmp_path, base_url=offer("good"))
    assert str(tmp_path / FILE) in str(caught.value)
    assert fault in str(caught.value)
    assert "move it away" in str(caught.value)
    assert is_sentence(str(caught.value))
    assert server.requested == []
    assert (tmp_path / FILE).read_bytes() == content
    assert os.listdir(tmp_path) == [FILE]


@pytest.mark.parametrize("content", [None, CONTENT[:1000], "folder"], ids=["absent", "other size", "folder"])
def test_find_checkpoint_warns_of_what_it_does_not_take(tmp_path, caplog, content):
    if content == "folder":
        (tmp_path / FILE).mkdir()
    elif content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert find_checkpoint(NAME, folder=tmp_path) is None
    assert [str(tmp_path / FILE) in record.getMessage() for record in caplog.records] == ([] if content is None else [True])


def test_mirror_variable(tmp_path, monkeypatch, server, offer):
    monkeypatch.setenv("NAPARI_SAM2_BASE_URL", offer("good"))
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    assert download("sam2.1_hiera_tiny") == tmp_path / "cache" / FILE == checkpoint_path(NAME) == find_checkpoint(NAME)
    assert server.requested == [f"/good/{FILE}"]


def test_argument_wins_over_mirror_variable(tmp_path, monkeypatch, server, offer):
    monkeypatch.setenv("NAPARI_SAM2_BASE_URL", offer("missing"))
    download(NAME, folder=tmp_path, base_url=offer("good"))
    assert server.requested == [f"/good/{FILE}"]


def test_cache_folder(monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", "~/models")
    assert cache_folder() == Path.home() / "models"
    monkeypatch.setenv("NAPARI_SAM2_CACHE", "")
    assert "napari-sam2" in cache_folder().parts


def assert_cannot_write(folder, offer):
    with pytest.raises(DownloadError, match="cannot write") as caught:
        download(NAME, folder=folder, base_url=offer("good"))
    assert str(folder / FILE) in str(caught.value)
    assert "NAPARI_SAM2_CACHE" in str(caught.value)
    assert is_sentence(str(caught.value))


def test_folder_that_cannot_be_made(tmp_path, offer, server):
    (tmp_path / "file").touch()
    assert_cannot_write(tmp_path / "file" / "cache", offer)
    assert server.requested == []
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("module", "name"), [(tempfile, "TemporaryFile"), (os, "fsync"), (os, "replace")])
def test_system_that_refuses(tmp_path, offer, monkeypatch, module, name):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, name, fail)
    with pytest.raises(DownloadError, match=re.escape(f"cannot write {tmp_path / FILE} (permission is denied): make room")):
        download(NAME, folder=tmp_path, base_url=offer("good"))
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder(tmp_path, offer):
    tmp_path.chmod(0o500)
    try:
        assert_cannot_write(tmp_path, offer)
    finally:
        tmp_path.chmod(0o700)
    assert os.listdir(tmp_path) == []


def test_disk_that_takes_no_more(tmp_path, offer):
    resource = pytest.importorskip("resource", reason="limits are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        assert_cannot_write(tmp_path, offer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_micro_is_never_downloaded(tmp_path, monkeypatch, server, offer):
    embedded = tmp_path / "micro.safetensors"
    monkeypatch.setattr(download_module, "EMBEDDED", embedded)
    assert find_checkpoint("micro") is None
    with pytest.raises(DownloadError, match="install napari-sam2 again"):
        download("micro", base_url=offer("good"))
    embedded.touch()
    assert download("micro", base_url=offer("good")) == find_checkpoint("micro") == embedded
    assert server.requested == []
    with pytest.raises(ValueError, match="micro comes with the package"):
        checkpoint_path("micro")


def test_unknown_name(tmp_path):
    with pytest.raises(ValueError, match="did you mean sam2"):
        download("sam2.1_hiera_tyni", folder=tmp_path)
