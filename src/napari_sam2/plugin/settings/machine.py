"""What is found out about the machine that computes: devices, the best model for them, and whether that segments as it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.plugin.settings.models import best_model, models_here
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.tasks.runner import Report

if TYPE_CHECKING:
    from napari_sam2.cluster.remote_compute import RemoteCompute
    from napari_sam2.predictors.device import DeviceFacts

Reach = Callable[[Place], "RemoteCompute"]
"""Connects to another machine, or returns the connection that there is."""


@dataclass(frozen=True)
class MachineSurveyed:
    """What can be used here.

    Attributes
    ----------
    place : Place
        The device or the other machine that was asked for.
    facts : DeviceFacts
        Of the device there.
    devices : tuple of str
        Those that are on this machine; where another one was asked for, nobody looked.
    best_model : str
        The best model there.
    models : tuple of str
        Released models whose weights are there.
    """

    place: Place
    facts: DeviceFacts
    devices: tuple[str, ...]
    best_model: str
    models: tuple[str, ...] = ()

    def describe(self) -> str:
        """Describe the device in a few words."""
        facts = self.facts
        where = f" at {self.place.scheduler}" if self.place.is_elsewhere else ""
        if facts.kind == "cpu":
            return f"cpu{where}"
        memory = f", {facts.memory_bytes / 1e9:.0f} GB" if facts.memory_bytes else ""
        return f"{facts.kind} ({facts.name}{memory}){where}"


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


def survey(place: Place, reach: Reach, report: Report) -> None:
    """Find out what can be used at a place, and report a :class:`MachineSurveyed`.

    Raises
    ------
    ValueError
        If the device is not here, or the other machine cannot be used.
    OSError
        If the connection is lost.
    """
    devices: tuple[str, ...] = ()
    if place.is_elsewhere:
        from napari_sam2.cluster.workers import survey_of_worker

        found = reach(place).run(survey_of_worker)
        facts, models = found.facts, found.models
    else:
        from napari_sam2.predictors.device import available_devices, device_facts

        facts, models, devices = device_facts(place.device), models_here(), available_devices()
    report(MachineSurveyed(place, facts, devices, best_model(models, facts), models))


def run_self_test(place: Place, reach: Reach, precision: str, report: Report) -> None:
    """Let the embedded model segment an object whose area is known, and report a :class:`SelfTested`.

    Raises
    ------
    ValueError, OSError
        As :func:`survey`.
    """
    from napari_sam2.session.self_test import self_test

    if place.is_elsewhere:
        test = reach(place).run(self_test, "auto", precision)
    else:
        test = self_test(place.device, precision)
    report(SelfTested(test.is_passed, f"self-test {test.describe()}"))
