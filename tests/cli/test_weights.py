"""Released models listed and downloaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_sam2.cli.main import main
from napari_sam2.weights.download import cache_folder
from napari_sam2.weights.registry import RELEASED


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("argv", [["weights"], ["weights", "list"]])
def test_weights_are_listed(argv: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert re.fullmatch(r"micro +\d+ MB  embedded", lines[0])
    assert re.fullmatch(r"sam2\.1_hiera_t +156 MB  -", lines[1])
    assert lines[-1].startswith("folder: ")


def test_download_checks_all_names_first(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fetched: list[str] = []
    monkeypatch.setattr("napari_sam2.cli.weights.download", lambda name, progress: fetched.append(name) or Path(name))
    assert main(["weights", "download", "sam2.1_hiera_tiny", "sam3"]) == 2
    assert fetched == []
    assert main(["weights", "download", "sam2.1_hiera_tiny", "facebook/sam2-hiera-large"]) == 0
    assert fetched == ["sam2.1_hiera_t", "sam2_hiera_l"]
    assert capsys.readouterr().out == "sam2.1_hiera_t\nsam2_hiera_l\n"


def test_what_is_there_is_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    there = list(RELEASED)[2]
    monkeypatch.setattr("napari_sam2.cli.weights.find_checkpoint", lambda name: folder if name == there else None)
    assert main(["weights"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.endswith(" MB  downloaded")] == [there]
    assert [line.split()[0] for line in lines[1:-1]] == list(RELEASED)
    assert lines[-1] == f"folder: {cache_folder()}"
