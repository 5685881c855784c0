import pytest

from napari_sam2.plugin.settings import machine
from napari_sam2.plugin.settings.machine import MachineSurveyed, SelfTested, run_self_test, survey
from napari_sam2.plugin.settings.place import Place
from napari_sam2.predictors.device import DeviceFacts


def reach(place):
    pytest.fail("nothing is to be reached")


class Reached:
    """Another machine, whose worker runs in this process."""

    def run(self, function, *arguments):
        return function(*arguments)


def test_another_machine_is_surveyed_and_tested(monkeypatch):
    place, reports = Place(scheduler="tls://gpu-box:8786"), []
    survey(place, lambda asked: Reached(), reports.append)
    run_self_test(place, lambda asked: Reached(), "float32", reports.append)
    found, tested = reports
    assert (found.place, found.models, found.best_model) == (place, (), "micro")
    assert found.describe().endswith(" at tls://gpu-box:8786")
    assert found.devices == ()
    assert tested.is_passed


def test_the_machine_is_surveyed():
    reports = []
    survey(Place("cpu"), reach, reports.append)
    (found,) = reports
    assert (found.place.device, found.facts.kind, found.devices[-1]) == ("cpu", "cpu", "cpu")
    assert found.best_model == "micro", "no other is here"
    assert found.describe() == "cpu"


def test_the_best_of_the_models_that_are_here(monkeypatch):
    monkeypatch.setattr(machine, "models_here", lambda: ("sam2.1_hiera_t", "sam2.1_hiera_l"))
    gpu = DeviceFacts("cuda", "H100", 80 * 10**9, 40_000.0)
    monkeypatch.setattr("napari_sam2.predictors.device.device_facts", lambda device: gpu)
    reports = []
    survey(Place(), reach, reports.append)
    assert reports[0].best_model == "sam2.1_hiera_l"
    assert reports[0].describe() == "cuda (H100, 80 GB)"


def test_a_device_that_is_not_here():
    with pytest.raises(ValueError, match="device 'nowhere' is not available here; use 'cpu', or 'auto' to have one chosen"):
        survey(Place("nowhere"), reach, [].append)


def test_the_self_test_is_reported():
    reports = []
    run_self_test(Place("cpu"), reach, "float32", reports.append)
    (tested,) = reports
    assert isinstance(tested, SelfTested)
    assert tested.is_passed
    assert tested.text.startswith("self-test passed: micro loads in ")


def test_what_was_surveyed_is_a_value():
    facts = DeviceFacts("mps", "arm64", 0, 900.0)
    assert MachineSurveyed(Place(), facts, ("mps", "cpu"), "micro").describe() == "mps (arm64)"
