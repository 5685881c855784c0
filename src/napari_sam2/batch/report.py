"""The report of a run: ``report.json``, and ``report.html`` with a picture of each stack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from napari_sam2.batch.outcome import StackOutcome
from napari_sam2.batch.process_stack import PICTURE
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.files import atomic_path
from napari_sam2.structured import to_json
from napari_sam2.wording import counted

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title><style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.number, th.number { text-align: right }
.failed { color: #a40000 } .partly { color: #8a5a00 }
img { max-width: 100%; display: block; margin: .3em 0 }
</style></head><body>
<h1>{{ title }}</h1>
<p>napari-sam2 {{ settings.software }}, model {{ settings.model or "of each session" }}, prompts from {{ settings.prompts }},
direction {{ settings.direction }}.</p>
{% if failures %}<h2>Not done</h2><ul>
{% for one in failures %}<li><a href="#{{ one.name|urlencode }}">{{ one.name }}</a>: {{ one.sentence }}</li>
{% endfor %}</ul>{% endif %}
<h2>All stacks</h2>
<table><tr><th>stack</th><th>outcome</th><th class="number">objects</th><th class="number">frames</th>
<th class="number">uncertainty, mean</th><th class="number">highest</th><th class="number">seconds</th><th>worker</th></tr>
{% for one in outcomes %}<tr id="{{ one.name|urlencode }}"><td>{{ one.name }}</td>
<td class="{{ one.outcome.split()[0] }}">{{ one.outcome }}</td>
<td class="number">{{ one.objects }}</td><td class="number">{{ one.frames }}</td>
<td class="number">{{ "%.2f"|format(one.mean_uncertainty) }}</td><td class="number">{{ "%.2f"|format(one.max_uncertainty) }}</td>
<td class="number">{{ "%.1f"|format(one.seconds) }}</td><td>{{ one.worker }} {{ one.device }}</td></tr>
{% if one.outputs %}<tr><td colspan="8"><img loading="lazy" alt="frames of {{ one.name }}" src="{{ picture(one) }}"></td></tr>
{% endif %}
{% endfor %}</table></body></html>
"""


@dataclass(frozen=True)
class Report:
    """What came of a run.

    Attributes
    ----------
    settings : BatchSettings
        Of the run.
    outcomes : list of StackOutcome
        Of all stacks, also those that were done before.
    """

    settings: BatchSettings
    outcomes: list[StackOutcome]

    @property
    def failures(self) -> list[StackOutcome]:
        """Stacks that are not done, or partly."""
        return [one for one in self.outcomes if one.outcome != "done"]

    @property
    def sentence(self) -> str:
        """How many are done, and how many are not."""
        counts = Counter(one.outcome for one in self.outcomes)
        parts = [f"{counts[kind]} {kind}" for kind in ("done", "partly done", "failed") if counts[kind]]
        return f"{counted(len(self.outcomes), 'stack')}: {', '.join(parts) or 'none'}"


def write_report(results: Path, report: Report) -> list[Path]:
    """Write the report.

    Parameters
    ----------
    results : Path
        The folder of the results.
    report : Report
        The report.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ValueError, OSError
        If it cannot be written.
    """
    texts = {"report.json": to_json(report, indent=1) + "\n", "report.html": page(report)}
    for name, text in texts.items():
        with atomic_path(results / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return [results / name for name in texts]


def page(report: Report) -> str:
    """Return the page of a report, whose pictures lie beside it."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    return template.render(
        title=report.sentence,
        settings=report.settings,
        outcomes=report.outcomes,
        failures=report.failures,
        picture=_picture,
    )


def _picture(outcome: StackOutcome) -> str:
    return quote(f"{outcome.name}{PICTURE}")
