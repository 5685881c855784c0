"""Connections to schedulers in this process: with certificates, with wrong ones, and to where none is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster
from distributed.security import Security

from certificates import make_certificates
from napari_sam2.cluster import connection
from napari_sam2.cluster.address import Certificates
from napari_sam2.cluster.connection import connect, reach_directly
from napari_sam2.cluster.refusal import ClusterError


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(connection, "DIRECT_TIMEOUT_S", 1.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def address(files: Certificates) -> Iterator[str]:
    """A scheduler that takes certificates of the lab only."""
    pair = str(files.certificate), str(files.key)
    names = {
        f"tls_{role}_{what}": path for role in ("scheduler", "client") for what, path in zip(("cert", "key"), pair, strict=True)
    }
    security = Security(tls_ca_file=str(files.authority), require_encryption=True, **names)
    with LocalCluster(n_workers=0, protocol="tls", security=security, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        yield str(cluster.scheduler_address)


def test_with_the_certificates_of_the_lab(address: str, files: Certificates) -> None:
    with connect(address, files) as client:
        assert client.status == "running"
        assert not client.scheduler_info()["workers"]


def test_with_those_of_another_lab(address: str, tmp_path: Path) -> None:
    sentence = f"^the scheduler {address} is not trusted, or does not trust us: the certificates are not of one authority$"
    with pytest.raises(ClusterError, match=sentence):
        connect(address, make_certificates(tmp_path))


def test_without_any(address: str) -> None:
    with pytest.raises(ClusterError, match="needs certificates"):
        connect(address)
    with pytest.raises(ClusterError, match="cannot be reached"):
        connect(address.replace("tls://", "tcp://"))


def test_workers_are_reached_directly_where_that_can_be(address: str, files: Certificates) -> None:
    with connect(address, files) as client:
        assert reach_directly(client, address)  # a scheduler greets as a worker does
        assert client.direct_to_workers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            assert not reach_directly(client, f"tls://127.0.0.1:{free.getsockname()[1]}")
        assert not client.direct_to_workers


def test_where_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        sentence = f"^the scheduler {address} cannot be reached: it does not run, or a firewall is between$"
        with pytest.raises(ClusterError, match=sentence):
            connect(address)


def test_where_something_else_listens() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(ClusterError, match="does not answer as a scheduler of dask"),
    ):
        connect(f"tcp://127.0.0.1:{other.getsockname()[1]}")
