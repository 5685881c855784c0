"""What several commands write, and say of it."""

from __future__ import annotations

from pathlib import Path

from napari_sam2.images.calibration import Calibration
from napari_sam2.session.export.formats import write_result
from napari_sam2.session.export.result import Result
from napari_sam2.session.session import Session


def write_results(session: Session, outputs: list[Path], calibration: Calibration, image: Path | None, where: str = "") -> None:
    """Write what a session has found, and say so.

    Parameters
    ----------
    session : Session
        With what was found.
    outputs : list of Path
        Results; the ends of their names say in which format.
    calibration : Calibration
        Size of pixels and time between frames.
    image : Path or None
        The file of the image, for intensities and movies.
    where : str
        What is said after the number of frames, such as `` at each place of T``.

    Raises
    ------
    ImportError, OSError, ValueError
        See :func:`~napari_sam2.session.export.formats.write_result`.
    """
    result = Result.of(session, calibration=calibration, image_path=image)
    for path in outputs:
        write_result(path, result)
    print(f"{len(session.objects)} objects on {len(session.stack)} frames{where}: {', '.join(map(str, outputs))}")
