import time
from itertools import combinations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPalette
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolTip

from napari_sam2.plugin.qt.timeline import HEIGHTS, Timeline, colours
from napari_sam2.plugin.reports.frame_states import FrameState

NONE, FOUND, ABSENT, APPROVED, PROMPTED, STALE, UNCERTAIN = FrameState
LEFT, NO_BUTTON, NO_MODIFIER = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
STATES = np.array([PROMPTED, FOUND, FOUND, UNCERTAIN, ABSENT, NONE, APPROVED, STALE, FOUND, FOUND], np.uint8)
OF_ALL = np.array([PROMPTED, FOUND, STALE, UNCERTAIN, FOUND, UNCERTAIN, APPROVED, STALE, FOUND, NONE], np.uint8)
BACKGROUND = {True: "#262930", False: "#efebe9"}


@pytest.fixture(params=[True, False], ids=["dark", "light"])
def is_dark(request):
    return request.param


@pytest.fixture
def timeline(qtbot, is_dark):
    timeline = Timeline()
    qtbot.addWidget(timeline)
    palette = timeline.palette()
    palette.setColor(QPalette.ColorRole.Window, QColor(BACKGROUND[is_dark]))
    palette.setColor(QPalette.ColorRole.WindowText, QColor("#f0f1f2" if is_dark else "#3b3a39"))
    timeline.setPalette(palette)
    timeline.resize(210, timeline.sizeHint().height())
    timeline.setValue(STATES, OF_ALL, (0,), "nucleus")
    timeline.show()
    qtbot.waitExposed(timeline)
    return timeline


@pytest.fixture
def chosen(timeline):
    chosen = []
    timeline.frameChosen.connect(chosen.append)
    return chosen


def middle(timeline, frame):
    return QPoint(timeline.column_of(frame), timeline.height() // 2)


def colour_at(timeline, frame, y):
    return timeline.grab().toImage().pixelColor(timeline.column_of(frame), y).name()


def test_the_states_are_painted(timeline, is_dark):
    expected = colours(is_dark)
    for y, states in ((25, STATES), (34, OF_ALL)):
        for frame, state in enumerate(states):
            if state not in (NONE, STALE, ABSENT):
                assert colour_at(timeline, frame, y) == expected[FrameState(state)], (y, frame)
    assert colour_at(timeline, 4, 25) == expected[ABSENT]
    assert colour_at(timeline, 3, 11) == expected[UNCERTAIN], "a bar of the whole height"
    ground = colour_at(timeline, 5, 25)
    assert ground not in expected.values()
    assert colour_at(timeline, 1, 11) == ground, "a lower bar"
    image = timeline.grab().toImage()
    hatched = {image.pixelColor(timeline.column_of(7) + dx, 24 + dy).name() for dx in range(-4, 4) for dy in range(2)}
    assert hatched == {expected[STALE], ground}


def test_diamonds_and_the_shown_frame(timeline, is_dark):
    text = timeline.palette().color(QPalette.ColorRole.WindowText).name()
    assert colour_at(timeline, 0, 5) == text, "a prompt"
    assert colour_at(timeline, 6, 5) != text
    before = timeline.grab().toImage()
    timeline.setFrame(8)
    after = timeline.grab().toImage()
    changed = {x for x in range(210) if any(before.pixel(x, y) != after.pixel(x, y) for y in range(timeline.height()))}
    assert {timeline.frame_at(x) for x in (min(changed) + 1, max(changed) - 1)} == {8}
    assert after.pixelColor(min(changed), 20).name() == text


def test_more_frames_than_pixels(timeline, is_dark):
    states = np.full(5000, FOUND, np.uint8)
    states[2500] = UNCERTAIN
    timeline.setValue(states, states, (), "nucleus")
    image = timeline.grab().toImage()
    uncertain = [x for x in range(210) if image.pixelColor(x, 25).name() == colours(is_dark)[UNCERTAIN]]
    assert uncertain == [timeline.column_of(2500)], "one of 25 frames in a column is seen"


def test_a_click_and_a_drag_choose_frames(timeline, chosen):
    QTest.mouseClick(timeline, LEFT, NO_MODIFIER, middle(timeline, 3))
    assert chosen == [3]
    timeline.setFrame(3)
    QTest.mouseClick(timeline, LEFT, NO_MODIFIER, middle(timeline, 3))
    assert chosen == [3], "it is shown already"
    QTest.mousePress(timeline, LEFT, NO_MODIFIER, middle(timeline, 5))
    for frame in (6, 8):
        move(timeline, middle(timeline, frame), LEFT)
    move(timeline, QPoint(400, 10), LEFT)
    QTest.mouseRelease(timeline, LEFT, NO_MODIFIER, QPoint(400, 10))
    move(timeline, middle(timeline, 1), NO_BUTTON)
    QTest.mouseClick(timeline, Qt.MouseButton.RightButton, NO_MODIFIER, middle(timeline, 2))
    assert chosen == [3, 5, 6, 8, 9]


def move(timeline, at, button):
    point = QPointF(at)
    event = QMouseEvent(QEvent.Type.MouseMove, point, QPointF(timeline.mapToGlobal(at)), NO_BUTTON, button, NO_MODIFIER)
    QApplication.sendEvent(timeline, event)


def test_tool_tips(timeline):
    texts = [timeline.tip_at(timeline.column_of(frame), y) for frame, y in ((0, 20), (3, 20), (5, 20), (2, 36), (9, 36))]
    assert texts == [
        "Frame 0, nucleus: prompted ◆",
        "Frame 3, nucleus: uncertain",
        "Frame 5, nucleus: not propagated yet",
        "Frame 2, all objects: stale: propagate again",
        "Frame 9, all objects: not propagated yet",
    ]
    at = middle(timeline, 3)
    QApplication.sendEvent(timeline, QHelpEvent(QEvent.Type.ToolTip, at, timeline.mapToGlobal(at)))
    assert QToolTip.text() == f"<p>Frame 3, nucleus: uncertain</p>{timeline.legend()}"
    QToolTip.hideText()


def test_the_legend_names_each_colour(timeline, is_dark):
    for state, colour in colours(is_dark).items():
        assert f'<span style="color: {colour}">■</span> {state.description}' in timeline.legend()
    assert "◆ frames with prompts" in timeline.legend()


def test_1000_frames_are_painted_without_a_stutter(timeline):
    states = np.random.default_rng(0).integers(0, len(FrameState), 1000).astype(np.uint8)
    timeline.resize(600, timeline.height())
    durations_s = []
    for _ in range(10):
        started_s = time.perf_counter()
        timeline.setValue(states, states[::-1], range(0, 1000, 7), "nucleus")
        timeline.repaint()
        durations_s.append(time.perf_counter() - started_s)
    assert min(durations_s) < 0.1, durations_s  # a few milliseconds on a machine that does nothing else


def test_without_frames_nothing_happens(qtbot):
    timeline = Timeline()
    qtbot.addWidget(timeline)
    chosen = []
    timeline.frameChosen.connect(chosen.append)
    timeline.show()
    QTest.mouseClick(timeline, LEFT, NO_MODIFIER, QPoint(20, 10))
    assert (chosen, timeline.tip_at(20, 10), timeline.frame()) == ([], "", None)


def linear(colour):
    values = np.array(QColor(colour).getRgbF()[:3])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(rgb):
    return float(rgb @ (0.2126, 0.7152, 0.0722))


SEEN = {
    "all": np.eye(3),
    # Machado, Oliveira and Fernandes 2009, of linear RGB
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}


def test_colours_stand_out_from_the_background(is_dark):
    ground = luminance(linear(BACKGROUND[is_dark]))
    for state, colour in colours(is_dark).items():
        light, dark = sorted((luminance(linear(colour)), ground), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, f"{state.name}, by WCAG 1.4.11"


@pytest.mark.parametrize("seen", SEEN)
def test_bars_of_one_height_have_colours_that_anyone_tells_apart(is_dark, seen):
    for (one, first), (other, second) in combinations(colours(is_dark).items(), 2):
        if HEIGHTS[one] == HEIGHTS[other] and STALE not in (one, other):
            difference = SEEN[seen] @ linear(first).clip(0, 1) - SEEN[seen] @ linear(second).clip(0, 1)
            assert np.abs(difference).max() > 0.12, (one.name, other.name)
