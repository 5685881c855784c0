import pytest

from napari_sam2.plugin.canvas.mouse import DrawingBegins, Press
from napari_sam2.plugin.canvas.tools.tool import Tool, begins

PLAIN = Press((0.0, 0.0))
RIGHT = Press((0.0, 0.0), is_other=True)
SHIFT = Press((0.0, 0.0), has_shift=True)
ALT = Press((0.0, 0.0), is_other=True, has_alt=True)
NEVER, MOVED, PRESSED = DrawingBegins.NEVER, DrawingBegins.MOVED, DrawingBegins.PRESSED


@pytest.mark.parametrize(
    ("tool", "plain", "right"),
    [
        (Tool.CLICK, NEVER, NEVER),
        (Tool.BOX, MOVED, NEVER),
        (Tool.LASSO, MOVED, MOVED),
        (Tool.SCRIBBLE, MOVED, MOVED),
        (Tool.BRUSH, PRESSED, PRESSED),
        (Tool.ERASER, PRESSED, PRESSED),
    ],
)
def test_what_a_press_begins(tool, plain, right):
    assert [begins(tool, press) for press in (PLAIN, RIGHT, SHIFT, ALT)] == [plain, right, MOVED, NEVER]


def test_which_tools_have_a_size():
    assert [tool for tool in Tool if tool.has_size] == [Tool.BRUSH, Tool.ERASER]
