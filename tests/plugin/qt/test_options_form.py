from qtpy.QtWidgets import QPushButton

from napari_sam2.plugin.qt.options_form import OptionsForm, area_field


def pair(least_px: int = 2, many: int = 3) -> tuple[int, int]:
    return least_px, many


def test_each_edit_is_told_and_the_form_opens_below_a_button(qtbot):
    told = []
    form = OptionsForm(pair, {"least_px": area_field("least", "of any")}, told.append)
    button = QPushButton("open")
    for widget in (form, button):
        qtbot.addWidget(widget)
    form.form["many"].value = 7
    form.form["least_px"].value = 10**8
    assert told == [(2, 7), (10**8, 7)]
    assert (form.form["least_px"].label, form.form["least_px"].tooltip) == ("least", "of any")
    button.show()
    form.open_below(button)
    assert form.isVisible()
    assert form.pos().y() >= button.mapToGlobal(button.rect().bottomLeft()).y()
