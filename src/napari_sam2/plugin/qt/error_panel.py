"""Measures the rate of wrong masks: a form for the sample, and what is known by now."""

from __future__ import annotations

from magicgui import magicgui
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2.plugin.qt.rows import make_narrow, narrow_button, row
from napari_sam2.plugin.review.error_rate import ErrorRate
from napari_sam2.plugin.settings.keys import JUDGE_RIGHT, JUDGE_WRONG


class ErrorPanel(QWidget):  # type: ignore[misc]
    """Draws a sample, and takes judgements.

    Parameters
    ----------
    rate : ErrorRate
        What does the work.

    Attributes
    ----------
    form : FunctionGui
        Size and seed of a sample to be drawn.
    text : QLabel
        What is known by now; placed by whoever has the panel.
    """

    def __init__(self, rate: ErrorRate) -> None:
        super().__init__()
        self._rate = rate

        def draw(size: int = 100, seed: int = 0) -> None:
            rate.draw(size, seed)

        self.form = magicgui(
            draw,
            layout="horizontal",
            call_button="Draw",
            size={"label": "masks", "min": 1, "max": 10_000, "tooltip": "How many masks are drawn at random, to be judged."},
            seed={"min": 0, "max": 10_000, "tooltip": "The same seed draws the same masks."},
        )
        self.form.margins = (0, 0, 0, 0)
        for number in (self.form.size, self.form.seed):
            make_narrow(number.native)
        self.text = QLabel(wordWrap=True)
        self.right = narrow_button("Right", JUDGE_RIGHT, rate.judge_right)
        self.wrong = narrow_button("Wrong", JUDGE_WRONG, rate.judge_wrong)
        self.go_on = narrow_button("", "Judge the masks that are left, or stop.", self._go_on_or_stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.form.native)
        layout.addWidget(row(self.right, self.wrong, self.go_on, spacing_px=2))
        for one in self.form.native.findChildren(QPushButton):
            one.setToolTip("Draw the sample, and show the first of its masks.")
            one.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        rate.changed.connect(self._show)
        self._show()

    def tear_down(self) -> None:
        """Stop judging, and disconnect."""
        self._rate.stop()
        self._rate.changed.disconnect(self._show)

    def _go_on_or_stop(self) -> None:
        if self._rate.is_judging:
            self._rate.stop()
        else:
            self._rate.go_on()

    def _show(self) -> None:
        rate = self._rate
        self.text.setText(rate.text or "A random sample of masks, each judged by you, gives the rate of wrong ones.")
        for one in (self.right, self.wrong):
            one.setEnabled(rate.is_judging)
        self.go_on.setText("Stop" if rate.is_judging else "Go on")
        self.go_on.setEnabled(rate.is_judging or rate.current is not None)
