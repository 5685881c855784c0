"""The report: what programs read, and what people do."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

from napari_sam2.batch.outcome import StackOutcome
from napari_sam2.batch.report import Report, page, write_report
from napari_sam2.batch.settings import BatchSettings

DONE = StackOutcome("plate/A 1/#0", "/d/x", None, "done", outputs=["x"], objects=2, frames=9, mean_uncertainty=0.125, seconds=2.04)
FAILED = StackOutcome("b", "/d/b", None, "failed", "there is no label image <b.labels.tif>")
REPORT = Report(BatchSettings("labels"), [DONE, FAILED])


class Parsed(html.parser.HTMLParser):
    """Texts, pictures, links and names of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def of(self, tag: str, name: str) -> list[str]:
        return [value for one, key, value in self.attributes if (one, key) == (tag, name)]


def test_it_counts(tmp_path: Path) -> None:
    assert REPORT.sentence == "2 stacks: 1 done, 1 failed"
    assert REPORT.failures == [FAILED]
    assert Report(REPORT.settings, []).sentence == "0 stacks: none"
    assert [path.name for path in write_report(tmp_path, REPORT)] == ["report.json", "report.html"]
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["settings"]["model"] == "micro"
    assert [(one["name"], one["outcome"], one["objects"]) for one in content["outcomes"]] == [
        ("plate/A 1/#0", "done", 2),
        ("b", "failed", 0),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_the_page_shows_each_stack_and_each_failure() -> None:
    parsed = Parsed(page(REPORT))
    assert parsed.of("img", "src") == ["plate/A%201/%230.frames.png"]
    assert [link.removeprefix("#") for link in parsed.of("a", "href")] == ["b"]
    assert set(parsed.of("tr", "id")) == {"b", "plate/A%201/%230"}
    for text in ("2 stacks: 1 done, 1 failed", ": there is no label image <b.labels.tif>", "0.12", "2.0", "9"):
        assert text in parsed.texts


def test_a_page_without_failures_has_no_list_of_them() -> None:
    assert "Not done" not in page(Report(REPORT.settings, [DONE]))
