"""One line about where the session is: an earlier one to continue, or why what is done is not saved."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller


class SessionLine(QWidget):  # type: ignore[misc]
    """Offers the earlier session on an image; hidden where there is nothing to tell.

    Parameters
    ----------
    controller : Controller
        Whose image it is about.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.text = QLabel(wordWrap=True)
        self.go_on = QPushButton("", toolTip="Open the earlier session, with its objects and everything that can be undone.")
        self.go_on.clicked.connect(lambda: controller.continue_session())
        self.anew = QPushButton("Begin anew", toolTip="Begin with no objects. The earlier session is kept.")
        self.anew.clicked.connect(lambda: controller.begin_anew())
        self._buttons = QWidget()
        layout = QHBoxLayout(self._buttons)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self.go_on, self.anew):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            layout.addWidget(button)
        layout.setStretch(0, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        column.addWidget(self._buttons)

    def show_state(self) -> None:
        """Show what is so by now."""
        workspace: Any = self._controller.workspace
        offer = None if workspace is None else workspace.kept.offer
        not_kept = "" if workspace is None else workspace.kept.not_kept
        if offer is not None:
            self.go_on.setText(f"Continue where you were\n({offer.describe()})")
            self.text.setText("" if workspace.is_offer_possible else f"It was made with {offer.model}, which is not here.")
        else:
            self.text.setText(f"Not saved: {not_kept}. File › Save saves the result as .sam2 elsewhere." if not_kept else "")
        self.text.setVisible(bool(self.text.text()))
        self._buttons.setVisible(offer is not None)
        self.setVisible(offer is not None or bool(not_kept))
