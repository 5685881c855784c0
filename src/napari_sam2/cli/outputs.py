"""What several commands write: checked before long work, written after it."""

from __future__ import annotations

from pathlib import Path

from napari_sam2.session.calibration import Calibration
from napari_sam2.session.export.formats import check_output, write_result
from napari_sam2.session.export.result import Result
from napari_sam2.session.files import check_writable
from napari_sam2.session.session import Session


def check_outputs(
    outputs: list[Path], inputs: list[Path | None], has_time: bool, has_image: bool, methods: Path | None = None
) -> None:
    """Refuse before long work what cannot be written, and what would replace what it is made from.

    Parameters
    ----------
    outputs : list of Path
        Results; the ends of their names say in which format.
    inputs : list of Path or None
        Files that are read, which no output may replace; None where there is no such file.
    has_time, has_image : bool
        What the result has, for formats that need it.
    methods : Path, optional
        Where the methods paragraph goes.

    Raises
    ------
    ImportError, ValueError
        See :func:`~napari_sam2.session.export.formats.check_output`.
    """
    read = {path.resolve() for path in inputs if path is not None}
    for path in (*outputs, *([] if methods is None else [methods])):
        if path.resolve() in read:
            raise ValueError(f"{path} is what is read: give another name for what is written")
    for path in outputs:
        check_output(path, has_time, has_image)
    if methods is not None:
        check_writable(methods)


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
