import pytest

from napari_sam2.plugin import models
from napari_sam2.plugin.models import MODEL_NAMES, Downloaded, describe_model, download_model, is_on_this_machine, size_mb


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
    assert [describe_model(name) for name in names] == ["micro (built in)", "sam2.1_hiera_t ⭳ 156 MB", "cells"]
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
