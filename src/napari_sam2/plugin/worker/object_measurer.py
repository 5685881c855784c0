"""Objects measured plane by plane on the worker, for the table and the Tracks layer: again only where labels changed. N rows."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.images.calibration import Calibration
from napari_sam2.plugin.tasks.runner import Report

if TYPE_CHECKING:
    from napari_sam2.export.measure import Measurement
    from napari_sam2.export.result import Result
    from napari_sam2.export.table import Table
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.session_state import StateChange

_REPORTED_EACH_S = 0.05


@dataclass(frozen=True, eq=False)
class ObjectsMeasured:
    """All objects were measured.

    Attributes
    ----------
    num_changes : int
        Of the history of the session when that began.
    table : Table
        (N,) columns by name, see :func:`~napari_sam2.export.table.tabulate`; without columns where none was wanted.
    tracks : ndarray or None
        (N, 4) or (N, 5), see :func:`~napari_sam2.export.tracks.napari_tracks`; None where there are none.
    graph : dict
        The parents of each child.
    no_tracks : str
        Why there are no tracks; empty where there are.
    """

    num_changes: int
    table: Table
    tracks: npt.NDArray[np.float64] | None
    graph: dict[int, list[int]]
    no_tracks: str = ""


class ObjectMeasurer:
    """Measures the objects of a session. All methods are called on the worker, but for the constructor."""

    def __init__(self) -> None:
        self._session: weakref.ref[Session] | None = None
        self._planes: dict[tuple[int, int], list[Measurement]] = {}

    def measure(self, session: Session, calibration: Calibration, report: Report, has_table: bool = True) -> None:
        """Measure what changed since the last time, and report :class:`ObjectsMeasured`; stopped, it goes on the next time.

        Parameters
        ----------
        session : Session
            Whose objects.
        calibration : Calibration
            Size of pixels and time between frames.
        report : callable
            Receives None now and then, to see whether to stop.
        has_table : bool
            The table is wanted, and not the tracks alone.

        Raises
        ------
        OSError
            If labels lie on disk and cannot be read.
        """
        from napari_sam2.export.measure import measure_plane, merge_planes
        from napari_sam2.export.table import tabulate

        self._follow(session)
        num_changes = session.state.history.num_changes
        result = session.result(calibration)
        reported_s = 0.0
        for at in [(t, z) for t in range(result.size("T")) for z in range(result.size("Z"))]:
            if at not in self._planes:
                self._planes[at] = measure_plane(result, *at)
                if time.monotonic() - reported_s >= _REPORTED_EACH_S:
                    reported_s = time.monotonic()
                    if not report(None):
                        return
        rows = merge_planes(self._planes.values())
        tracks, graph, no_tracks = _tracks(result, rows)
        table = tabulate(result, rows) if has_table else {}
        report(ObjectsMeasured(num_changes, table, tracks, graph, no_tracks))

    def _follow(self, session: Session) -> None:
        if self._session is None or self._session() is not session:
            self._planes.clear()
            self._session = weakref.ref(session)
            session.state.changed.connect(self._changed)

    def _changed(self, change: StateChange) -> None:
        session = None if self._session is None else self._session()
        if session is None:
            return
        layout = session.stack.layout
        if change.positions or (change.frames and layout.along not in "TZN"):
            self._planes.clear()
            return
        from napari_sam2.export.result import known_axes

        names = dict(zip(session.stack.axes, known_axes(session.stack.axes), strict=True))
        for frame in change.frames:
            at = {names.get(axis, axis): index for axis, index in {**layout.at, layout.along: frame}.items()}
            self._planes.pop((at.get("T", 0), at.get("Z", 0)), None)


def _tracks(result: Result, rows: list[Measurement]) -> tuple[npt.NDArray[np.float64] | None, dict[int, list[int]], str]:
    from napari_sam2.export.tracks import napari_tracks

    try:
        data, graph = napari_tracks(replace(result, stack=None), rows)
    except ValueError as error:
        return None, {}, str(error)
    return data, graph, ""


def reader(measurer: ObjectMeasurer, calibration: Calibration, has_table: bool) -> Callable[[Session, Report], None]:
    """Return what measures a session; see :meth:`ObjectMeasurer.measure`."""

    def read(session: Session, report: Report) -> None:
        measurer.measure(session, calibration, report, has_table)

    return read
