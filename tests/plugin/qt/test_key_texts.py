import pytest
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_sam2.plugin.qt.key_texts import refresh_keys, show_key, tool_tip
from napari_sam2.plugin.settings.keys import CHOSEN, LASSO_TOOL, NEXT_OBJECT, PROPAGATE


@pytest.fixture(autouse=True)
def _default_keys():
    yield
    CHOSEN.choose({})


def test_buttons_show_the_keys_that_are_chosen(qtbot):
    panel = QWidget()
    qtbot.addWidget(panel)
    layout = QVBoxLayout(panel)
    first, second, other = QPushButton(), QPushButton(), QPushButton("Other", toolTip="Something else.")
    for button in (first, second, other):
        layout.addWidget(button)
    show_key(first, "Propagate ({key})", PROPAGATE)
    show_key(second, "Next", NEXT_OBJECT)
    assert [button.text() for button in (first, second, other)] == ["Propagate (G)", "Next", "Other"]
    assert first.toolTip() == tool_tip(PROPAGATE) == "Propagate all objects through the stack. Key: G."
    CHOSEN.choose({"propagate": "Ctrl+P", "next_object": "Escape"})
    refresh_keys(panel)
    assert [button.text() for button in (first, second, other)] == ["Propagate (Ctrl+P)", "Next", "Other"]
    assert first.toolTip() == "Propagate all objects through the stack. Key: Ctrl+P."
    assert second.toolTip() == "Begin a new object with the next click, wherever it is. Key: Esc."
    assert other.toolTip() == "Something else."


def test_what_more_is_said_of_a_key_stays_when_another_is_chosen(qtbot):
    panel = QWidget()
    qtbot.addWidget(panel)
    button = QPushButton(panel)
    show_key(button, "", LASSO_TOOL, "Hold Space.")
    text = "Drag the outline of an object; with the right button, cut off what it encloses. Hold Space. Key: {}."
    assert button.toolTip() == text.format("J")
    CHOSEN.choose({LASSO_TOOL.setting: "F9"})
    refresh_keys(panel)
    assert button.toolTip() == text.format("F9")
