"""What the worker finds out about the machine: its devices, the best model for them, and whether that segments as it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.plugin.settings.models import best_model, models_here
from napari_sam2.plugin.tasks.runner import Report

if TYPE_CHECKING:
    from napari_sam2.predictors.device import DeviceFacts


@dataclass(frozen=True)
class MachineSurveyed:
    """What can be used here.

    Attributes
    ----------
    device : str
        The one that was asked for, such as ``auto``.
    facts : DeviceFacts
        Of that device.
    devices : tuple of str
        Those that are here.
    best_model : str
        The best model on that device.
    """

    device: str
    facts: DeviceFacts
    devices: tuple[str, ...]
    best_model: str

    def describe(self) -> str:
        """Describe the device in a few words."""
        facts = self.facts
        if facts.kind == "cpu":
            return "cpu"
        memory = f", {facts.memory_bytes / 1e9:.0f} GB" if facts.memory_bytes else ""
        return f"{facts.kind} ({facts.name}{memory})"


@dataclass(frozen=True)
class SelfTested:
    """A self-test was made.

    Attributes
    ----------
    is_passed : bool
        The result was the expected one.
    text : str
        The same in one line, with times and device.
    """

    is_passed: bool
    text: str


def survey(device: str, report: Report) -> None:
    """Find out what can be used here, and report a :class:`MachineSurveyed`.

    Raises
    ------
    ValueError
        If the device is not here.
    """
    from napari_sam2.predictors.device import available_devices, device_facts

    facts = device_facts(device)
    report(MachineSurveyed(device, facts, available_devices(), best_model(models_here(), facts)))


def run_self_test(device: str, precision: str, report: Report) -> None:
    """Let the embedded model segment an object whose area is known, and report a :class:`SelfTested`.

    Raises
    ------
    ValueError
        If the device is not here.
    """
    from napari_sam2.session.self_test import self_test

    test = self_test(device, precision)
    report(SelfTested(test.is_passed, f"self-test {test.describe()}"))
