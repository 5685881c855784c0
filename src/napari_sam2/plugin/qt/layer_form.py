"""A dialog in which a layer is chosen, and what is done with it: a form made from the signature of the function behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any

from magicgui.signature import MagicSignature
from magicgui.widgets import Container
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_sam2.plugin.layer_prompts.choices import Anchors, Frames

Options = Mapping[str, dict[str, Any]]
"""What a form shows for a parameter: its label, choices, first value, least and largest value."""


class LayerForm(QDialog):  # type: ignore[misc]
    """Chooses a layer and the other arguments of a function, which is called when the form is accepted.

    Parameters
    ----------
    title : str
        Of the window.
    text : str
        What it is for.
    action : str
        What the button says that calls the function.
    layers : sequence of Layer
        Of which one is chosen; the first at first.
    function_for : callable
        Returns the function for a layer, which takes that first, and raises a ValueError if it cannot be done.
    options_for : callable
        Returns what the form shows for the other parameters of the function for a layer; those without are not shown.
    parent : QWidget
        Of the window.
    """

    def __init__(
        self,
        title: str,
        text: str,
        action: str,
        layers: Sequence[Any],
        function_for: Callable[[Any], Callable[..., Any]],
        options_for: Callable[[Any], Options],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._function_for = function_for
        self._options_for = options_for
        self.layer = QComboBox()
        for layer in layers:
            self.layer.addItem(layer.name, layer)
        self.form: Container[Any] | None = None
        self.error = QLabel(wordWrap=True)
        self.error.setVisible(False)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.do_it = self.buttons.addButton(action, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        rows = QFormLayout()
        rows.addRow("Layer", self.layer)
        self._layout = QVBoxLayout(self)
        self._layout.addWidget(QLabel(text, wordWrap=True))
        self._layout.addLayout(rows)
        self._layout.addWidget(self.error)
        self._layout.addWidget(self.buttons)
        self.layer.currentIndexChanged.connect(self._show_form)
        self._show_form()

    def choose(self, layer: Any) -> None:
        """Choose a layer, if it is one of those that can be chosen."""
        index = next((index for index in range(self.layer.count()) if self.layer.itemData(index) == layer), -1)
        if index >= 0:
            self.layer.setCurrentIndex(index)

    def _show_form(self) -> None:
        """Show the form of the function for the layer that is chosen."""
        if self.form is not None:
            self._layout.removeWidget(self.form.native)
            self.form.native.hide()
            self.form.native.deleteLater()
        layer = self.layer.currentData()
        self.form = form_of(partial(self._function_for(layer), layer), self._options_for(layer))
        self.form.margins = (0, 0, 0, 0)
        self._layout.insertWidget(2, self.form.native)
        self.error.setVisible(False)
        if "frames" in self.form.asdict():
            self.form["frames"].changed.connect(self._show_frames)
            self._show_frames(self.form["frames"].value)
        if "anchors" in self.form.asdict():
            self.form["anchors"].changed.connect(self._show_anchors)
        self._layout.activate()
        self.adjustSize()

    def _show_frames(self, frames: Frames) -> None:
        """Ask only for what depends on the frames that are chosen."""
        assert self.form is not None
        if "frame" in self.form.asdict():
            self.form["frame"].enabled = frames is Frames.ONE
        if "anchors" in self.form.asdict() and frames is not Frames.ALL and self.form["anchors"].value is Anchors.LINKED:
            self.form["anchors"].value = Anchors.EVERY

    def _show_anchors(self, anchors: Anchors) -> None:
        """Take all frames, where they are linked."""
        if self.form is not None and anchors is Anchors.LINKED:
            self.form["frames"].value = Frames.ALL

    def accept(self) -> None:
        """Call the function; where that is refused, say why and stay open."""
        layer = self.layer.currentData()
        try:
            self._function_for(layer)(layer, **({} if self.form is None else self.form.asdict()))
        except ValueError as error:
            text = str(error)
            self.error.setText(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))
            self.error.setVisible(True)
        else:
            super().accept()


def form_of(function: Callable[..., Any], options: Options) -> Container[Any]:
    """Make a form from the signature of a function; parameters without options are not shown."""
    signature = inspect.signature(function, eval_str=True)
    shown = [parameter for name, parameter in signature.parameters.items() if name in options]
    filled = {parameter.name: {**_choices(parameter.annotation), **options[parameter.name]} for parameter in shown}
    return MagicSignature.from_signature(inspect.Signature(shown), gui_options=filled).to_container(labels=True)


def _choices(annotation: Any) -> dict[str, Any]:
    """Show the values of an enumeration, and not its names."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {"choices": [(one.value, one) for one in annotation]}
    return {}
