"""``napari-sam2 report``: which models and stacks, the page, and that nobody is named in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from blob_tracker import BlobTracker, squares, tiny_model
from evaluation_stacks import write_dataset
from napari_sam2.cli import report
from napari_sam2.cli.main import main
from napari_sam2.evaluation import model_report
from napari_sam2.predictors import tracker
from napari_sam2.weights.registry import RELEASED

T = 4
TRUTH = squares(T, (32, 32), {3: [(4, 3 + t, 6) for t in range(T)], 8: [(20, 20, 5)] * T})
FACTS = [("napari-sam2", "0.1"), ("CPU", "some CPU")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundled stack of squares, a person's own, and the blob under the click in place of the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(report, "load_model", lambda name, device: tiny_model())
    monkeypatch.setattr(report, "find_weights", lambda name: None)
    monkeypatch.setattr(report, "facts", lambda: iter(FACTS))
    sample = model_report.SAMPLES[0]
    bundled = type(sample)(sample.title, sample.credit, write_dataset(tmp_path / "bundled_squares", TRUTH))
    monkeypatch.setattr(model_report, "SAMPLES", (bundled,))
    write_dataset(tmp_path / "Jane Doe 1970", TRUTH)
    return tmp_path


def numbers(page: Path) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="scores">(.*?)</script>', page.read_text(encoding="utf-8"))
    content: dict[str, Any] = json.loads(found)
    return content


def test_the_embedded_model_on_bundled_and_own_stacks(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["report", "Jane Doe 1970", "-o", "page.html"]) == 0
    out = capsys.readouterr().out
    lines = [re.sub(r"\d+\.\d s$", "_ s", line) for line in out.splitlines()]
    assert lines == [
        "own stack 1: Jane Doe 1970",
        f"{tiny_model().config.name}, on cpu",
        "data set         objects  prompted    IoU      F    J&F  IoU>0.75",
        "bundled_squares        2     1.000  1.000  1.000  1.000     1.000     _ s",
        "own stack 1            2     1.000  1.000  1.000  1.000     1.000     _ s",
        "page.html: one page, without paths and names of your files; look at it before you share it",
        "no released model is downloaded: `napari-sam2 weights download sam2.1_hiera_tiny` fetches one",
    ]
    content = numbers(folder / "page.html")
    assert [(one["stack"], one["summary"]["mean_iou"]) for one in content["scores"]] == [("bundled_squares", 1), ("own stack 1", 1)]
    assert content["machine"] == dict(FACTS)
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "Doe" not in re.sub(r"data:image/png;base64,[^\"]*", "", text), "in the letters of a picture it may be by chance"
    assert str(folder) not in text
    assert text.count("<img ") == 1, "no picture of a person's own stack"


def test_pictures_of_own_stacks_where_they_are_asked_for(folder: Path) -> None:
    assert main(["report", "Jane Doe 1970", "--pictures"]) == 0
    assert (folder / "napari-sam2-report.html").read_text(encoding="utf-8").count("<img ") == 2


def test_released_models_that_are_downloaded_are_scored_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(report, "load_model", lambda name, device: (loaded.append(name), tiny_model())[1])
    cache = folder / "cache"
    cache.mkdir()
    with (cache / RELEASED["sam2.1_hiera_s"].file_name).open("wb") as file:
        file.truncate(RELEASED["sam2.1_hiera_s"].size_bytes)
    assert main(["report"]) == 0
    assert loaded == ["micro", "sam2.1_hiera_s"]


def test_a_checkpoint_of_a_person_has_a_number_in_place_of_its_path(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--model", "/home/doe/best.pt", "--model", "micro", "--model", "/home/doe/best.pt"]) == 0
    assert "own checkpoint 1: /home/doe/best.pt, on cpu" in capsys.readouterr().out
    text = (folder / "napari-sam2-report.html").read_text(encoding="utf-8")
    assert "doe" not in text
    names = [model["name"] for model in numbers(folder / "napari-sam2-report.html")["models"]]
    assert names == ["own checkpoint 1", tiny_model().config.name]


def test_what_is_done_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score, calls = report.score_stack, list[str]()

    def fail_at_the_second(model: Any, name: str, stack: Any, kind: str, precision: str) -> Any:
        calls.append(stack.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(model, name, stack, kind, precision)

    monkeypatch.setattr(report, "score_stack", fail_at_the_second)
    assert main(["report", "Jane Doe 1970"]) == 130
    assert [one["stack"] for one in numbers(folder / "napari-sam2-report.html")["scores"]] == ["bundled_squares"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "page.pdf"], "page.pdf is to be a page: its name should end in .html"),
        (["-o", "nowhere/page.html"], "there is no folder nowhere to write page.html to"),
        (["gone"], "gone is not a data set: there is no image.tif"),
    ],
)
def test_what_cannot_be_done_is_refused_before_long_work(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments]) == 2
    assert capsys.readouterr().err.strip().startswith(f"napari-sam2: {message}")
    assert not list(folder.glob("*.html"))


def test_a_model_that_is_not_there_is_refused_before_any_is_scored(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(folder / "cache"))
    assert main(["report", "--model", "micro", "--model", "sam2.1_hiera_tiny"]) == 2
    assert "sam2.1_hiera_t" in capsys.readouterr().err
    assert not list(folder.glob("*.html"))
