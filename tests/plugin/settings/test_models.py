import pytest

from napari_sam2.plugin.settings import models
from napari_sam2.plugin.settings.models import (
    BEARABLE_S,
    MODEL_NAMES,
    Downloaded,
    best_model,
    checked_file,
    describe_download,
    describe_model,
    download_model,
    expected_frame_s,
    is_on_this_machine,
    model_to_begin_with,
    models_here,
    size_mb,
)
from napari_sam2.predictors.device import DeviceFacts
from napari_sam2.weights.registry import RELEASED


def test_models_are_named_by_whether_they_are_here(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    assert MODEL_NAMES[0] == "micro"
    assert is_on_this_machine("micro")
    assert not is_on_this_machine("sam2.1_hiera_t")
    checkpoint = tmp_path / "cells.safetensors"
    assert not is_on_this_machine(str(checkpoint))
    checkpoint.touch()
    assert is_on_this_machine(str(checkpoint))
    names = ["micro", "sam2.1_hiera_t", str(checkpoint)]
    assert [describe_model(name) for name in names] == ["micro (built in)", "sam2.1_hiera_t (fetch 156 MB)", "cells"]
    assert [size_mb(name) for name in names] == [0, 156, 0]


@pytest.mark.parametrize(("stop_at", "has_come"), [(99, True), (2, False)])
def test_a_download_is_reported_by_the_megabyte(monkeypatch, stop_at, has_come):
    def download(name, progress):
        progress.total = 3_000_000
        progress.update(2_500_000)
        progress.reset()  # of a connection that broke
        for _ in range(30):
            progress.update(100_000)
        progress.close()

    heard = []

    def report(item):
        heard.append(item)
        return len(heard) < stop_at

    monkeypatch.setattr(models, "download", download)
    assert download_model("sam2.1_hiera_t", report) is has_come
    assert heard == [Downloaded(2, 3), Downloaded(1, 3), Downloaded(2, 3), Downloaded(3, 3)][:stop_at]


def device(gflops, memory_gb=64):
    return DeviceFacts("cpu", "x86_64", int(memory_gb * 1e9), gflops)


ALL = tuple(RELEASED)


@pytest.mark.parametrize(
    ("here", "facts", "best"),
    [
        ((), device(50_000), "micro"),
        (ALL, device(50_000), "sam2.1_hiera_l"),
        (("sam2_hiera_l", "sam2.1_hiera_b+"), device(50_000), "sam2_hiera_l"),
        (ALL, device(100), "micro"),  # two cores
        (ALL, device(583), "micro"),
        (ALL, device(585), "sam2.1_hiera_t"),
        (ALL, device(800), "sam2.1_hiera_s"),
        (("sam2_hiera_s", "sam2.1_hiera_t"), device(800), "sam2_hiera_s"),
        (("sam2.1_hiera_l",), device(800), "micro"),
        (ALL, device(1300), "sam2.1_hiera_b+"),
        (ALL, device(50_000, memory_gb=3), "sam2.1_hiera_b+"),
        (ALL, device(50_000, memory_gb=0.5), "micro"),
        (ALL, device(50_000, memory_gb=0), "sam2.1_hiera_l"),  # not known
    ],
)
def test_the_best_model_is_the_largest_that_is_here_and_bearable(here, facts, best):
    assert best_model(here, facts) == best


def test_a_frame_is_expected_to_take():
    assert expected_frame_s("sam2.1_hiera_t", device(584)) == BEARABLE_S
    assert expected_frame_s("sam2_hiera_l", device(1823)) == 4.0


def test_where_weights_are_and_what_would_be_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    assert models_here() == ()
    assert describe_download("sam2.1_hiera_t") == ("156 MB, Apache-2.0", tmp_path / "sam2.1_hiera_tiny.pt")
    with (tmp_path / "sam2.1_hiera_tiny.pt").open("wb") as file:
        file.truncate(RELEASED["sam2.1_hiera_t"].size_bytes)
    assert models_here() == ("sam2.1_hiera_t",)
    assert describe_model("sam2.1_hiera_t") == "sam2.1_hiera_t"


def test_a_file_that_may_be_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*cells\.pt"):
        checked_file(str(tmp_path / "cells.pt"))
    for name in ("cells.pt", "cells.txt"):
        (tmp_path / name).touch()
    assert checked_file(str(tmp_path / "cells.pt")) == str(tmp_path / "cells.pt")
    with pytest.raises(ValueError, match=r"cells\.txt is not a checkpoint: these end in \.pt, \.pth, \.safetensors"):
        checked_file(str(tmp_path / "cells.txt"))


def test_the_model_to_begin_with():
    assert model_to_begin_with("best") == "micro"
    assert model_to_begin_with("sam2.1_hiera_l") == "sam2.1_hiera_l"
