"""Buttons that name their key, also after another one was chosen for it."""

from __future__ import annotations

from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_sam2.plugin.settings.keys import Key, all_keys

_KEY, _TEXT, _MORE = "napari_sam2_key", "napari_sam2_text", "napari_sam2_more"


def show_key(button: QAbstractButton, text: str, key: Key, more: str = "") -> None:
    """Let a button say what it does and by which key.

    Parameters
    ----------
    button : QAbstractButton
        The button; :func:`refresh_keys` shows another key that was chosen.
    text : str
        What stands on it, in which ``{key}`` is the key.
    key : Key
        What it does.
    more : str
        Further sentences about that, for the tooltip.
    """
    button.setProperty(_KEY, key.setting)
    button.setProperty(_TEXT, text)
    button.setProperty(_MORE, more)
    button.setText(text.format(key=key.shown))
    button.setToolTip(tool_tip(key, more))


def tool_tip(key: Key, more: str = "") -> str:
    """Describe a key for a tooltip, with more sentences on what it does."""
    return " ".join(filter(None, (f"{key.description[:1].upper()}{key.description[1:]}.", more, f"Key: {key.shown}.")))


def refresh_keys(widget: QWidget) -> None:
    """Show the keys that are chosen by now on all buttons in a widget."""
    table = all_keys()
    for button in widget.findChildren(QAbstractButton):
        setting = button.property(_KEY)
        if setting in table:
            show_key(button, button.property(_TEXT), table[setting], button.property(_MORE))
