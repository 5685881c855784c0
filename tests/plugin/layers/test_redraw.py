import pytest

from napari_sam2.plugin.layers import redraw
from napari_sam2.plugin.layers.redraw import Redraw


class Layer:
    def __init__(self, now):
        self.now, self.calls = now, []

    def refresh(self, **arguments):
        self.calls.append((self.now[0], arguments["thumbnail"]))


@pytest.mark.parametrize(("is_3d", "drawn"), [(False, 17), (True, 1)])
def test_it_is_not_drawn_more_often_than_one_can_see(monkeypatch, is_3d, drawn):
    now = [0.0]
    monkeypatch.setattr(redraw.time, "monotonic", lambda: now[0])
    layer = Layer(now)
    drawing = Redraw(layer)
    for step in range(65):
        now[0] = step / 64
        drawing.written(is_3d)
    assert len(layer.calls) == drawn, "in one second"
    drawing.written(is_3d)
    drawing.finish()
    drawing.finish()
    assert len(layer.calls) == drawn + 1, "the last of it, once"
    drawing.finish(thumbnail=True)
    assert layer.calls[-1] == (1.0, True)


def test_it_is_drawn_less_often_where_that_takes_long(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(redraw.time, "monotonic", lambda: now[0])
    layer = Layer(now)
    drawing = Redraw(layer)
    drawing.written(False)
    now[0] = 0.5
    drawing.was_late(0.25)  # 20 times as long from now on
    for now[0] in (1.0, 5.4, 5.5, 5.6):
        drawing.written(False)
    assert [at for at, _ in layer.calls] == [0.0, 5.5]
    for _ in range(60):
        drawing.was_late(0.01)
    now[0] = 5.7
    drawing.written(False)
    assert layer.calls[-1][0] == 5.7, "it is quick again"


def test_who_is_late_for_another_reason_is_drawn_as_often(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(redraw.time, "monotonic", lambda: now[0])
    layer = Layer(now)
    drawing = Redraw(layer)
    drawing.was_late(2.0)  # a model is loaded: nothing was drawn
    now[0] = 0.1
    drawing.written(False)
    assert [at for at, _ in layer.calls] == [0.1]


def test_what_was_put_off_is_drawn_when_it_is_due(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(redraw.time, "monotonic", lambda: now[0])
    layer = Layer(now)
    drawing = Redraw(layer)
    drawing.written(False)
    drawing.draw_if_due(False)
    now[0] = 0.01
    drawing.written(False)
    for now[0] in (0.02, 0.06, 0.2):
        drawing.draw_if_due(False)
    assert [at for at, _ in layer.calls] == [0.0, 0.06], "once"
