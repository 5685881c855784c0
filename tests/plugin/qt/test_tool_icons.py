import pytest
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QIcon

from napari_sam2.plugin.canvas.tools.tool import Tool
from napari_sam2.plugin.qt.tool_icons import tool_cursor, tool_icon

NAMES = [*(tool.value for tool in Tool), "everything", "track"]


def drawn(image, colour):
    """Count the pixels of a colour."""
    return sum(image.pixelColor(x, y) == QColor(colour) for x in range(image.width()) for y in range(image.height()))


def image_of(icon, mode=QIcon.Mode.Normal):
    return icon.pixmap(QSize(20, 20), mode).toImage()


@pytest.mark.parametrize("name", NAMES)
def test_icons_have_the_colour_that_is_asked_for(qtbot, name):
    icon = tool_icon(name, QColor("#ff0000"), QColor("#0000ff"))
    assert drawn(image_of(icon), "#ff0000") > 10
    assert drawn(image_of(icon, QIcon.Mode.Disabled), "#0000ff") > 10


def test_all_icons_differ(qtbot):
    images = [image_of(tool_icon(name, QColor("white"), QColor("gray"))) for name in NAMES]
    assert all(one != other for index, one in enumerate(images) for other in images[:index])


def test_cursors_show_tool_and_sign(qtbot):
    plus, minus = (tool_cursor("lasso", sign, QColor("#19e05a")) for sign in "+−")
    assert (plus.hotSpot().x(), plus.hotSpot().y()) == (8, 8)
    images = [cursor.pixmap().toImage() for cursor in (plus, minus, tool_cursor("box", "+", QColor("#19e05a")))]
    counts = [drawn(image, "#19e05a") for image in images]
    assert counts[0] > counts[1] > 20
    assert images[0] != images[2]
