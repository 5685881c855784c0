"""A connection to a scheduler, and the sentence where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from napari_sam2.cluster.address import Certificates, security_of
from napari_sam2.cluster.refusal import ClusterError, check_extra

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

CONNECT_TIMEOUT_S = 10.0
DIRECT_TIMEOUT_S = 2.0


def connect(address: str, certificates: Certificates | None = None, is_insecure: bool = False) -> Client:
    """Connect to a scheduler; close the client in the end.

    Parameters
    ----------
    address : str
        ``tls://HOST:PORT``, or ``tcp://HOST:PORT``.
    certificates, is_insecure : optional
        See :func:`~napari_sam2.cluster.address.security_of`.

    Raises
    ------
    ImportError
        If the extra is not installed.
    ClusterError
        If it cannot be reached, is none, or refuses our certificate or we its.
    FileNotFoundError, OSError
        If a certificate is not there, or cannot be read.
    """
    check_extra("a scheduler")
    from distributed import Client

    security = security_of(address, certificates, is_insecure)
    with _quiet():
        try:
            asyncio.run(_greet(address, security, CONNECT_TIMEOUT_S))
            return Client(address, security=security, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(_why_not(address, error)) from error


def reach_directly(client: Client, worker: str) -> bool:
    """Let a client speak to workers without the scheduler between, if one can be reached; return whether it can.

    What travels takes half as long then. Behind a firewall that is open for the scheduler alone, the scheduler passes it on.

    Parameters
    ----------
    client : Client
        Connected.
    worker : str
        The address of the worker.
    """
    try:
        client.sync(_greet, worker, client.security, DIRECT_TIMEOUT_S)
        client.direct_to_workers = True
    except (OSError, ValueError):
        client.direct_to_workers = False
    return bool(client.direct_to_workers)


async def _greet(address: str, security: Security | None, timeout_s: float) -> None:
    """Exchange the first messages; dask itself waits for their answer without end.

    Raises
    ------
    TimeoutError
        If there is none.
    OSError
        If there is no connection.
    """
    from distributed.comm import connect as connect_to

    arguments = {} if security is None else security.get_connection_args("client")
    connection = await asyncio.wait_for(connect_to(address, timeout=timeout_s, **arguments), timeout_s + 1)
    await connection.close()


def _why_not(address: str, error: BaseException) -> str:
    causes = list(_causes(error))
    text = " ".join(map(str, causes)).lower()
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "certificate" in text or "ssl" in text:
        return f"the scheduler {address} is not trusted, or does not trust us: the certificates are not of one authority"
    if type(error) is TimeoutError or isinstance(error, ValueError):
        return f"{address} does not answer as a scheduler of dask does"
    return f"the scheduler {address} cannot be reached: it does not run, or a firewall is between"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask from logging what an exception says."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
