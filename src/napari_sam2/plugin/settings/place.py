"""Where models compute: on a device of this machine, or on another one, which a scheduler of dask leads to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sam2.cluster.address import Certificates, check_address, is_loopback

THIS_MACHINE = "this machine"
CERTIFICATE_FILES = ("ca.pem", "cert.pem", "key.pem")
"""Names of the files in the folder of certificates, as docs/cluster.md makes them."""


@dataclass(frozen=True)
class Place:
    """Where models compute.

    Attributes
    ----------
    device : str
        Of this machine; elsewhere the worker chooses.
    scheduler : str
        The address of a scheduler; empty for this machine.
    folder : Path or None
        The folder of certificates.
    """

    device: str = "auto"
    scheduler: str = ""
    folder: Path | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Another machine computes."""
        return bool(self.scheduler)

    @property
    def name(self) -> str:
        """What it is called in the list of places."""
        return self.scheduler or THIS_MACHINE

    def certificates(self) -> Certificates | None:
        """Return the certificates by which the scheduler is reached; None where it is reached without.

        Raises
        ------
        ValueError
            If they are needed, and there is no folder of them.
        """
        if not self.scheduler.startswith("tls://"):
            return None
        if self.folder is None:
            raise ValueError(f"{self.scheduler} needs certificates: choose their folder in the settings")
        return Certificates(*(self.folder / name for name in CERTIFICATE_FILES))


def checked_scheduler(text: str) -> str:
    """Check the address of a scheduler.

    Raises
    ------
    ValueError
        If it is none, or would be reached without encryption.
    """
    protocol, host = check_address(text)
    if protocol == "tcp" and not is_loopback(host):
        raise ValueError(f"{text} is not encrypted, and tcp:// is for this machine alone: give tls://{text.partition('://')[2]}")
    return text


def checked_folder(folder: Path) -> Path:
    """Check a folder of certificates.

    Raises
    ------
    ValueError
        If one of its files is missing.
    """
    missing = [name for name in CERTIFICATE_FILES if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} is no folder of certificates: there is no {' and no '.join(missing)} in it")
    return folder
