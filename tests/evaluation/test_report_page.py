"""The page is whole, shows each number where it belongs, and cannot be broken by a text."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from blob_tracker import squares
from evaluation_stacks import write_dataset
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.model_report import LabelledStack, ReportedModel, StackScores
from napari_sam2.evaluation.report_page import Report, page

MODELS = [
    ReportedModel("micro", "micro", "0123456789ab", "cpu", 0.25),
    ReportedModel("own checkpoint 1", "sam2.1_hiera_t", "ff", "cuda", 3),
]


def scores(model: str, stack: str, iou: float, picture: bytes | None = None) -> StackScores:
    keys = ("prompted_iou", "mean_iou", "boundary_f", "j_and_f", "hits_0.75")
    summary: dict[str, Any] = {"dataset": stack, "objects": 1, **dict.fromkeys(keys, iou)}
    return StackScores(model, stack, summary, ({"object_id": 1, "mean": iou},), 2.0, 500.0, picture)


class _Page(html.parser.HTMLParser):
    """Collects cells, addresses and what is in the element of the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.tag = ""
        self.numbers = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""

    def handle_data(self, data: str) -> None:
        if self.tag in ("td", "th"):
            self.rows[-1][-1] += data
        if self.tag == "script":
            self.numbers += data


@pytest.fixture
def report(tmp_path: Path) -> Report:
    dataset = Dataset.read(write_dataset(tmp_path / "secret name", squares(4, (32, 32), {3: [(4, 4, 6)] * 4})))
    stacks = [LabelledStack("bundled", (dataset,), "by <somebody> & co, CC BY", True), LabelledStack("own stack 1", (dataset,))]
    found = [scores("micro", "bundled", 0.5, b"\x89PNG"), scores("own checkpoint 1", "own stack 1", 0.75)]
    return Report("point", "float32", stacks, MODELS, found, [("napari-sam2", "0.1"), ("CPU", "</script><b>")])


def read(text: str) -> _Page:
    parser = _Page()
    parser.feed(text)
    return parser


def test_each_number_is_where_it_belongs(report: Report) -> None:
    rows = read(page(report)).rows
    assert rows[:3] == [["model", "bundled", "own stack 1"], ["micro", "0.500", ""], ["own checkpoint 1", "", "0.750"]]
    assert ["micro", "micro", "0123456789ab", "cpu", "float32", "0.2 s"] in rows
    assert ["own checkpoint 1", "1", "0.750", "0.750", "0.750", "0.750", "0.750", "2.0 s", "500 ms"] in rows


def test_the_page_needs_nothing_beside_it(report: Report) -> None:
    assert read(page(report)).addresses == ["data:image/png;base64,iVBORw=="]


def test_the_numbers_are_in_it_as_json(report: Report) -> None:
    content = json.loads(read(page(report)).numbers)
    assert [(one["model"], one["stack"], one["summary"]["mean_iou"]) for one in content["scores"]] == [
        ("micro", "bundled", 0.5),
        ("own checkpoint 1", "own stack 1", 0.75),
    ]
    assert content["machine"]["CPU"] == "</script><b>"
    assert content["models"][1]["architecture"] == "sam2.1_hiera_t"


def test_no_text_is_taken_for_markup(report: Report) -> None:
    text = page(report)
    assert "by &lt;somebody&gt; &amp; co" in text
    assert text.count("</script>") == 1
    assert "<b></" not in re.sub(r"<b>[^<]+</b>", "", text)


def test_no_path_is_in_it(report: Report, tmp_path: Path) -> None:
    text = page(report)
    assert "secret" not in text
    assert str(tmp_path) not in text
