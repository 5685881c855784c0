"""``python -m napari_sam2``."""

from __future__ import annotations

import runpy
import sys

import pytest

from napari_sam2.version import __version__


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        (["--version"], 0, f"napari-sam2 {__version__}\n"),
        (["nothing"], 2, ""),
        # what a command returns is the exit code
        (["weights", "download", "sam3"], 2, ""),
    ],
)
def test_the_module_is_the_command(
    words: list[str], code: int, out: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["napari-sam2", *words])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("napari_sam2", run_name="__main__")
    assert caught.value.code == code
    assert capsys.readouterr().out == out
    # imported, it does nothing
    runpy.run_module("napari_sam2.__main__", run_name="napari_sam2.__main__")
