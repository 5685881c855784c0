"""Addresses of schedulers, and whether they may be used: off loopback a connection is encrypted, and both sides show certificates.

Whoever reaches the port of a scheduler can run code on its workers: dask has no passwords, certificates are its only lock.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.file_errors import reading

if TYPE_CHECKING:
    from distributed.security import Security

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(\d{1,5})")


@dataclass(frozen=True)
class Certificates:
    """The files that TLS needs, each in PEM.

    Attributes
    ----------
    authority : Path
        The certificate of the authority that signed those of both sides.
    certificate, key : Path
        Our own certificate, and its private key.
    """

    authority: Path
    certificate: Path
    key: Path


def check_address(address: str) -> tuple[str, str]:
    """Take an address apart.

    Returns
    -------
    protocol, host : str
        ``tcp`` or ``tls``, and the host.

    Raises
    ------
    ClusterError
        If it is none.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[3]) < 2**16:
        raise ClusterError(f"the address of a scheduler is tls://HOST:PORT or tcp://HOST:PORT, got {address!r:.80}")
    return match[1], match[2].strip("[]")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, reached by nobody else; no name is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def security_of(address: str, certificates: Certificates | None = None, is_insecure: bool = False) -> Security | None:
    """Return how a scheduler is connected to.

    Parameters
    ----------
    address : str
        Its address.
    certificates : Certificates, optional
        Needed for ``tls://``.
    is_insecure : bool
        Allow ``tcp://`` beyond loopback.

    Returns
    -------
    Security or None
        None for an unencrypted connection.

    Raises
    ------
    ClusterError
        If the address is none, would be reached without encryption, certificates are missing or do not fit, or they are given for
        an address that uses none.
    FileNotFoundError, OSError
        If a certificate is not there, or cannot be read.
    """
    protocol, host = check_address(address)
    if protocol == "tls":
        if certificates is None:
            raise ClusterError(f"{address} needs certificates: give --tls-ca, --tls-cert and --tls-key")
        return _checked(certificates)
    if certificates is not None:
        raise ClusterError(f"certificates were given, and {address} would not use them: write tls:// instead of tcp://")
    if not is_loopback(host) and not is_insecure:
        raise ClusterError(
            f"{address} is not encrypted, and whoever reaches the port of a scheduler can run code on its workers: use tls:// with "
            "certificates, or give --insecure on a network where you trust everybody"
        )
    return None


def _checked(certificates: Certificates) -> Security:
    from distributed.security import Security

    for path in (certificates.authority, certificates.certificate, certificates.key):
        with reading(path, "the certificate"):
            if not path.exists():
                raise FileNotFoundError(f"there is no certificate {path}")
            path.read_bytes()
    try:
        ssl.create_default_context(cafile=certificates.authority)
    except ssl.SSLError as error:
        raise ClusterError(f"{certificates.authority} is no certificate in PEM") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificates.certificate, certificates.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ClusterError(
            f"{certificates.certificate} and {certificates.key} are no certificate and its private key in PEM, without a password"
        ) from error
    return Security(
        tls_ca_file=str(certificates.authority),
        tls_client_cert=str(certificates.certificate),
        tls_client_key=str(certificates.key),
        require_encryption=True,
    )


def _no_password() -> str:
    """Keep OpenSSL from asking for a password on the terminal."""
    return ""
