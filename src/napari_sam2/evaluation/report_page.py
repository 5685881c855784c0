"""Scores of models as one HTML page that needs nothing beside it: tables, pictures, the machine, and all numbers as JSON."""

from __future__ import annotations

import base64
import datetime
import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from napari_sam2.evaluation.model_report import LabelledStack, ReportedModel, StackScores
from napari_sam2.structured import to_json
from napari_sam2.version import __version__

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1 { font-size: 1.6rem } h2 { font-size: 1.25rem; margin-top: 2.2rem } h3 { font-size: 1rem; margin-bottom: .3rem }
table { border-collapse: collapse; margin: .6rem 0; display: block; overflow-x: auto }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d5dae1; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
img { max-width: 100%; background: #000 }
small { color: #57606a }
pre { background: #f4f6f8; padding: .8rem; overflow-x: auto; font-size: .8rem }
"""

_EXPLANATION = """
<p><b>IoU, prompted frame</b> is how well one prompt finds an object; <b>IoU, all frames</b> is the mean from the object's first to
its last true frame; <b>F</b> is how well the boundaries match (DAVIS), <b>J&amp;F</b> the mean of both; <b>IoU above 0.75</b> is
the share of objects. Times include prompts and propagation, not the loading of the model;
<b>a mask</b> is the time for one object on one frame. Scores of one model say nothing about
another one. The page was written by <code>napari-sam2 report</code>; names and paths of files are left out, and so are pictures of
a person's own stacks, unless they were asked for.</p>
"""

_KINDS = {"point": "one click where it is deepest", "box": "its box", "mask": "its mask on one frame"}
_COLUMNS = {
    "objects": "objects",
    "prompted_iou": "IoU, prompted frame",
    "mean_iou": "IoU, all frames",
    "boundary_f": "F",
    "j_and_f": "J&F",
    "hits_0.75": "IoU above 0.75",
}


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Attributes
    ----------
    kind, precision : str
        How objects were prompted, and in which precision the network computed.
    stacks : sequence of LabelledStack
        In the order of the page.
    models : sequence of ReportedModel
        Those that were loaded so far.
    scores : sequence of StackScores
        Those that are there so far.
    machine : sequence of tuple of str
        Names and texts of facts, as ``napari-sam2 info`` prints them.
    """

    kind: str
    precision: str
    stacks: Sequence[LabelledStack]
    models: Sequence[ReportedModel]
    scores: Sequence[StackScores]
    machine: Sequence[tuple[str, str]]


def page(report: Report) -> str:
    """Return the page.

    Returns
    -------
    str
        HTML. There is no path and no name of a file in it; pictures only of stacks that may be shown.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    body = [
        "<h1>Models of napari-sam2 on labelled stacks</h1>",
        f"<p>napari-sam2 {html.escape(__version__)}, {today}. Each object is prompted once, by {_KINDS[report.kind]}, and "
        "propagated; nothing is corrected. The result is compared with the true masks. IoU is the overlap of the two: "
        "1 where they are equal.</p>",
        "<h2>In short: mean IoU over all frames</h2>",
        _overview(report),
        "<h2>Models</h2>",
        _models(report),
        *(part for stack in report.stacks for part in _stack(report, stack)),
        "<h2>The machine</h2>",
        f"<pre>{html.escape(_lines(report.machine))}</pre>",
        "<h2>How to read this page</h2>",
        _EXPLANATION,
        f'<script type="application/json" id="scores">{_json(report)}</script>',
    ]
    head = f'<meta charset="utf-8"><title>Models of napari-sam2 on labelled stacks</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _overview(report: Report) -> str:
    rows = [
        [
            model.name,
            *(_value(one.summary["mean_iou"]) if one else "" for one in (_find(report, model, stack) for stack in report.stacks)),
        ]
        for model in report.models
    ]
    return _table(["model", *(stack.name for stack in report.stacks)], rows)


def _models(report: Report) -> str:
    titles = ["model", "architecture", "SHA-256 of the parameters", "device", "precision", "loads in"]
    rows = [
        [model.name, model.architecture, model.sha256, model.device, report.precision, f"{model.load_s:.1f} s"]
        for model in report.models
    ]
    return _table(titles, rows)


def _stack(report: Report, stack: LabelledStack) -> list[str]:
    found = [(model, scores) for model in report.models if (scores := _find(report, model, stack))]
    rows = [
        [model.name, *(_value(scores.summary[key]) for key in _COLUMNS), f"{scores.seconds:.1f} s", f"{scores.ms_per_mask:.0f} ms"]
        for model, scores in found
    ]
    parts = [
        f"<h2>{html.escape(stack.name)}</h2>",
        f"<p>{html.escape(stack.description)}. <small>{html.escape(stack.credit)}</small></p>",
        _table(["model", *_COLUMNS.values(), "time", "a mask"], rows),
    ]
    for model, scores in found:
        if scores.picture is not None:
            encoded = base64.b64encode(scores.picture).decode("ascii")
            text = html.escape(f"The objects of {stack.name} with the lowest scores of {model.name}", quote=True)
            parts += [f"<h3>{text}</h3>", f'<img alt="{text}" src="data:image/png;base64,{encoded}">']
    return parts


def _find(report: Report, model: ReportedModel, stack: LabelledStack) -> StackScores | None:
    return next((scores for scores in report.scores if (scores.model, scores.stack) == (model.name, stack.name)), None)


def _value(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    lines = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _lines(facts: Sequence[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in facts), default=0) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in facts)


def _json(report: Report) -> str:
    content = {
        "software": __version__,
        "kind": report.kind,
        "precision": report.precision,
        "models": [asdict(model) for model in report.models],
        "stacks": [{"name": stack.name, "description": stack.description} for stack in report.stacks],
        "scores": [{key: value for key, value in asdict(scores).items() if key != "picture"} for scores in report.scores],
        "machine": dict(report.machine),
    }
    return to_json(content).replace("<", "\\u003c")  # no text in it can end the element
