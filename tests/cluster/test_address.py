"""Addresses of schedulers, and which of them are reached without certificates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from certificates import make_certificates
from napari_sam2.cluster.address import Certificates, check_address, is_loopback, security_of
from napari_sam2.cluster.refusal import ClusterError


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("tcp://127.0.0.1:8786", ("tcp", "127.0.0.1")),
        ("tls://gpu-box:8786", ("tls", "gpu-box")),
        ("tls://[::1]:8786", ("tls", "::1")),
    ],
)
def test_addresses(address: str, parts: tuple[str, str]) -> None:
    assert check_address(address) == parts


@pytest.mark.parametrize(
    "address", ["", "gpu-box", "gpu-box:8786", "tcp://gpu-box", "http://gpu-box:1", "tcp://a b:1", "tcp://a:70000"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ClusterError, match=r"the address of a scheduler is tls://HOST:PORT or tcp://HOST:PORT, got '"):
        check_address(address)


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True)])
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.0.7", "10.0.0.1", "gpu-box", "localhost.example.org", "127.0.0.1.example.org", "::"]
)
def test_what_others_reach_too(host: str) -> None:
    assert not is_loopback(host)


def test_on_loopback_no_certificates_are_needed() -> None:
    assert security_of("tcp://127.0.0.1:1") is None


def test_beyond_loopback_they_are_unless_somebody_says_insecure() -> None:
    with pytest.raises(ClusterError, match=r"^tcp://192\.168\.0\.7:8786 is not encrypted, and whoever reaches .* give --insecure"):
        security_of("tcp://192.168.0.7:8786")
    assert security_of("tcp://192.168.0.7:8786", is_insecure=True) is None
    with pytest.raises(ClusterError, match="tls://gpu-box:8786 needs certificates: give --tls-ca"):
        security_of("tls://gpu-box:8786", is_insecure=True)


def test_certificates(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    security = security_of("tls://127.0.0.1:1", files)
    assert security is not None
    assert security.require_encryption is True
    assert (security.tls_ca_file, security.tls_client_key) == (str(files.authority), str(files.key))
    with pytest.raises(ClusterError, match="would not use them: write tls://"):
        security_of("tcp://127.0.0.1:1", files)


def test_certificates_that_are_none(tmp_path: Path) -> None:
    files, others = make_certificates(tmp_path / "a"), make_certificates(tmp_path / "b")
    (tmp_path / "text").write_text("no certificate")
    no_pem = tmp_path / "text"

    def refused(changed: Certificates, sentence: str, error: type[Exception] = ClusterError) -> None:
        with pytest.raises(error, match=sentence):
            security_of("tls://127.0.0.1:1", changed)

    refused(replace(files, authority=no_pem), r"text is no certificate in PEM")
    refused(replace(files, key=no_pem), "are no certificate and its private key in PEM, without a password")
    refused(replace(files, key=others.key), "are no certificate and its private key in PEM")
    refused(replace(files, key=tmp_path / "none"), "there is no certificate .*none", FileNotFoundError)
