"""The examples are short, run as they are, with the embedded model, and write what they name."""

from __future__ import annotations

import csv
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
NAMES = [path.name for path in EXAMPLES]
MOST_LINES = 40


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run an example in a folder of its own, and return its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return lambda name: runpy.run_path(str(EXAMPLES[NAMES.index(name)]))


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_short_and_listed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < MOST_LINES
    assert text.startswith('"""')
    assert f"({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")


def numbers(name: str) -> set[int]:
    """Objects of a label image."""
    return {int(value) for value in np.unique(tifffile.imread(name))} - {0}


def rows(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_time_lapse(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("time_lapse.py")
    assert numbers("labels.tif") == {1, 2, 3}
    assert len(rows("objects.csv")) == 3 * 4
    assert Path("outlines.gif").stat().st_size > 0
    assert re.findall(r"^object (\d): \d+ pixels$", capsys.readouterr().out, re.MULTILINE) == ["1", "2", "3"]


def test_volume(run: Any) -> None:
    run("volume.py")
    assert numbers("labels.tif") == {1, 2}
    assert {row["name"] for row in rows("nuclei.csv")} == {"nucleus on plane 6", "nucleus on plane 10"}
    assert all(float(row["volume_um3"]) > 100 for row in rows("nuclei.csv"))


def test_labels_as_prompts(run: Any) -> None:
    assert len(run("labels_as_prompts.py")["objects"]) == 3
    assert len(numbers("labels.tif")) == 3


def test_review(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("review.py")
    *shown, corrected, undone = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    before, after = map(int, re.fullmatch(r"(\d+) pixels before, (\d+) after", corrected).groups())  # type: ignore[union-attr]
    assert before > after == 0
    assert undone == f"{before} after undo"


def test_divisions(run: Any) -> None:
    names = run("divisions.py")
    assert names["session"].lineage == {names["first"]: names["cell"], names["second"]: names["cell"]}
    assert {row["parent_id"] for row in rows("cells.tracks.csv")} == {"0", "1"}
    assert "<Edge" in Path("tracks.xml").read_text()


def test_saved_session(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("saved_session.py")
    assert capsys.readouterr().out.splitlines() == ["2 objects", "1 after undo", "1 again"]
    assert "add_points" in Path("repeat.py").read_text()


def test_many_files(run: Any) -> None:
    run("many_files.py")
    assert len({row["object_id"] for row in rows("a.csv")}) == 3
    assert rows("a.csv") == rows("b.csv")


def test_official_api(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("official_api.py")
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\d+ pixels", "_ pixels", line) for line in lines] == [f"frame {t}: object 1 has _ pixels" for t in range(4)]


@pytest.mark.xdist_group("windows")
def test_in_napari(run: Any, qtbot: Any) -> None:
    viewer = run("in_napari.py")["viewer"]
    try:
        assert [layer.name for layer in viewer.layers][:3] == ["fluo_mitocheck", "objects", "tracks"]
        assert list(viewer.window.dock_widgets)
    finally:
        viewer.close()


def test_every_example_is_run() -> None:
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES} <= tests
