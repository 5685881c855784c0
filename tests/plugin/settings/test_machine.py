import pytest

from napari_sam2.plugin.settings import machine
from napari_sam2.plugin.settings.machine import MachineSurveyed, SelfTested, run_self_test, survey
from napari_sam2.predictors.device import DeviceFacts


def test_the_machine_is_surveyed():
    reports = []
    survey("cpu", reports.append)
    (found,) = reports
    assert (found.device, found.facts.kind, found.devices[-1]) == ("cpu", "cpu", "cpu")
    assert found.best_model == "micro", "no other is here"
    assert found.describe() == "cpu"


def test_the_best_of_the_models_that_are_here(monkeypatch):
    monkeypatch.setattr(machine, "models_here", lambda: ("sam2.1_hiera_t", "sam2.1_hiera_l"))
    gpu = DeviceFacts("cuda", "H100", 80 * 10**9, 40_000.0)
    monkeypatch.setattr("napari_sam2.predictors.device.device_facts", lambda device: gpu)
    reports = []
    survey("auto", reports.append)
    assert reports[0].best_model == "sam2.1_hiera_l"
    assert reports[0].describe() == "cuda (H100, 80 GB)"


def test_a_device_that_is_not_here():
    with pytest.raises(ValueError, match="device 'nowhere' is not available here; use 'cpu', or 'auto' to have one chosen"):
        survey("nowhere", [].append)


def test_the_self_test_is_reported():
    reports = []
    run_self_test("cpu", "float32", reports.append)
    (tested,) = reports
    assert isinstance(tested, SelfTested)
    assert tested.is_passed
    assert tested.text.startswith("self-test passed: micro loads in ")


def test_what_was_surveyed_is_a_value():
    facts = DeviceFacts("mps", "arm64", 0, 900.0)
    assert MachineSurveyed("auto", facts, ("mps", "cpu"), "micro").describe() == "mps (arm64)"
