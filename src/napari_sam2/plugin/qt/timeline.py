"""A strip along the frames: the state of an object on each, and that of all objects."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QPointF, QRect, QSize, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_sam2.plugin.reports.frame_states import FrameState, columns_of_frame, frame_of_column, states_by_column

_MARGIN_PX = 5
_DIAMONDS_PX = 10
_STRIP_PX = 16
_GAP_PX = 3
_ALL_PX = 7
_DIAMOND_PX = 4

HEIGHTS = {
    FrameState.NONE: 0.0,
    FrameState.FOUND: 0.6,
    FrameState.ABSENT: 0.15,
    FrameState.APPROVED: 1.0,
    FrameState.PROMPTED: 1.0,
    FrameState.STALE: 0.6,
    FrameState.UNCERTAIN: 1.0,
}
"""Of a bar in the strip: with the colours, and hatching of what is stale, states can be told apart without seeing colours."""

_DARK = {
    FrameState.FOUND: "#5a9bd4",
    FrameState.ABSENT: "#b0b0b0",
    FrameState.APPROVED: "#3fc79a",
    FrameState.PROMPTED: "#cfe4fa",
    FrameState.STALE: "#8c8c8c",
    FrameState.UNCERTAIN: "#f0a020",
}
_LIGHT = {
    FrameState.FOUND: "#3a78b5",
    FrameState.ABSENT: "#6e6e6e",
    FrameState.APPROVED: "#078a80",
    FrameState.PROMPTED: "#1a2f80",
    FrameState.STALE: "#747474",
    FrameState.UNCERTAIN: "#c25a00",
}


def colours(is_dark: bool) -> dict[FrameState, str]:
    """Return the colours of states, ``#rrggbb``, in a dark or a light theme."""
    return dict(_DARK if is_dark else _LIGHT)


class Timeline(QWidget):  # type: ignore[misc]
    """Shows states along the frames; a click or a drag chooses a frame. F frames."""

    frameChosen = Signal(int)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self._states = np.zeros(0, np.uint8)
        self._of_all = np.zeros(0, np.uint8)
        self._prompted: tuple[int, ...] = ()
        self._name = ""
        self._frame: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    # --- the value -------------------------------------------------------------------------------------------------

    def setValue(  # noqa: N802
        self, states: npt.NDArray[np.uint8], of_all: npt.NDArray[np.uint8], prompted: Iterable[int], name: str
    ) -> None:
        """Show other states.

        Parameters
        ----------
        states, of_all : ndarray
            (F,), the :class:`~napari_sam2.plugin.reports.frame_states.FrameState` of the object, and of all objects, on each frame.
        prompted : iterable of int
            Frames with prompts of the object.
        name : str
            What the object is called.
        """
        self._states, self._of_all, self._prompted, self._name = states.copy(), of_all.copy(), tuple(prompted), name
        self.update()

    def value(self) -> npt.NDArray[np.uint8]:
        """Return the states of the object, (F,)."""
        return self._states.copy()

    def setFrame(self, frame: int | None) -> None:  # noqa: N802
        """Mark the frame that is shown; None for none."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def frame(self) -> int | None:
        """Return the frame that is marked."""
        return self._frame

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the height of both strips."""
        return QSize(200, _DIAMONDS_PX + _STRIP_PX + _GAP_PX + _ALL_PX + 2)

    # --- painted ---------------------------------------------------------------------------------------------------

    @property
    def _num_columns(self) -> int:
        return max(self.width() - 2 * _MARGIN_PX, 1)

    def column_of(self, frame: int) -> int:
        """Return the horizontal position at the middle of a frame."""
        first, end = columns_of_frame(frame, self._num_columns, len(self._states))
        return _MARGIN_PX + (first + end - 1) // 2

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Paint both strips, diamonds and the mark."""
        if not len(self._states):
            return
        painter = QPainter(self)
        text = self.palette().color(self.foregroundRole())
        palette = colours(text.lightness() > 127)
        ground = QColor(text)
        ground.setAlpha(28)
        strip = QRect(_MARGIN_PX, _DIAMONDS_PX, self._num_columns, _STRIP_PX)
        below = QRect(_MARGIN_PX, strip.bottom() + 1 + _GAP_PX, self._num_columns, _ALL_PX)
        for rectangle, states in ((strip, self._states), (below, self._of_all)):
            painter.fillRect(rectangle, ground)
            self._paint_states(painter, rectangle, states, palette)
        self._paint_diamonds(painter, text)
        self._paint_mark(painter, text)

    def _paint_states(
        self, painter: QPainter, rectangle: QRect, states: npt.NDArray[np.uint8], palette: dict[FrameState, str]
    ) -> None:
        for first, end, state in _runs(states_by_column(states, rectangle.width())):
            if state == FrameState.NONE:
                continue
            height = max(round(HEIGHTS[state] * rectangle.height()), 2)
            bar = QRect(rectangle.left() + first, rectangle.bottom() + 1 - height, end - first, height)
            hatched = Qt.BrushStyle.Dense4Pattern if state == FrameState.STALE else Qt.BrushStyle.SolidPattern
            painter.fillRect(bar, QBrush(QColor(palette[state]), hatched))

    def _paint_diamonds(self, painter: QPainter, colour: QColor) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        middle = _DIAMONDS_PX / 2
        for x in sorted({self.column_of(frame) + 0.5 for frame in self._prompted}):
            corners = ((x, middle - _DIAMOND_PX), (x + _DIAMOND_PX, middle), (x, middle + _DIAMOND_PX), (x - _DIAMOND_PX, middle))
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_mark(self, painter: QPainter, colour: QColor) -> None:
        if self._frame is None or not 0 <= self._frame < len(self._states):
            return
        first, end = columns_of_frame(self._frame, self._num_columns, len(self._states))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 1))
        width = max(end - first + 1, 3)
        left = _MARGIN_PX + first + (end - first - width) // 2
        painter.drawRect(QRect(left, _DIAMONDS_PX - 1, width - 1, _STRIP_PX + _GAP_PX + _ALL_PX + 1))

    # --- what a person does ----------------------------------------------------------------------------------------

    def frame_at(self, x: int) -> int:
        """Return the frame at a horizontal position; beyond the ends, the first or the last one."""
        return frame_of_column(x - _MARGIN_PX, self._num_columns, len(self._states))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Choose a frame."""
        self._choose(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Choose the frames that are passed while the button is down."""
        self._choose(event)

    def _choose(self, event: QMouseEvent) -> None:
        if len(self._states) and event.buttons() & Qt.MouseButton.LeftButton:
            frame = self.frame_at(round(event.position().x()))
            if frame != self._frame:
                self.frameChosen.emit(frame)

    def tip_at(self, x: int, y: int) -> str:
        """Return what is to be said of a position: the frame, and its state."""
        if not len(self._states):
            return ""
        frame = self.frame_at(x)
        if y >= _DIAMONDS_PX + _STRIP_PX:
            return f"Frame {frame}, all objects: {FrameState(self._of_all[frame]).description}"
        prompts = " ◆" if frame in self._prompted else ""
        return f"Frame {frame}, {self._name}: {FrameState(self._states[frame]).description}{prompts}"

    def legend(self) -> str:
        """Return what the colours mean, as rich text."""
        palette = colours(self.palette().color(self.foregroundRole()).lightness() > 127)
        lines = [f'<span style="color: {colour}">■</span> {state.description}' for state, colour in palette.items()]
        return "<p>" + "<br>".join([*lines, "◆ frames with prompts"]) + "</p>"

    def event(self, event: QEvent) -> bool:
        """Show tool tips."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            tip = self.tip_at(event.pos().x(), event.pos().y())
            QToolTip.showText(event.globalPos(), f"<p>{html.escape(tip)}</p>{self.legend()}" if tip else "", self)
            return True
        return bool(super().event(event))


def _runs(states: npt.NDArray[np.uint8]) -> Iterator[tuple[int, int, FrameState]]:
    """Split columns into runs of one state: the first, the one after the last, the state."""
    for first, end in pairwise([0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]):
        if end > first:
            yield first, end, FrameState(states[first])
