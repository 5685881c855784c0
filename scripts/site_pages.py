"""Pages of the documentation site that are made from the code, and links that lead out of it; called by MkDocs (``mkdocs.yml``)."""

from __future__ import annotations

import argparse
import inspect
import os
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import napari_sam2
from napari_sam2.cli.main import COMMANDS, build_parser
from napari_sam2.export.formats import FORMATS, Format
from napari_sam2.session.replay import REPLAYABLE, VOLUME_FUNCTIONS
from napari_sam2.session.store.database import TABLES, VERSION

ROOT = Path(__file__).parents[1]
HELP_COLUMNS = "100"
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
# What Sphinx would make a link of: the role, and the code after it.
_ROLE = re.compile(r":(?:class|func|meth|data|mod|attr|exc):<code>~?(?:[\w.]*\.)?(\w+)</code>")


def keys() -> str:
    """All keys of the dock with their defaults, from the manifest."""
    manifest = yaml.safe_load((ROOT / "src/napari_sam2/napari.yaml").read_text(encoding="utf-8"))
    chosen = manifest["contributions"]["configurations"]["keys"]["properties"].values()
    rows = [f"| {one['title']} | `{one['default']}` |" for one in chosen]
    return "\n".join(
        [
            "# Keys",
            "",
            "These keys work in the napari window while the dock is open. Change them in *Settings …* of the dock, or with napari "
            "0.9 or newer in *Preferences*. The button *Keys* of the dock shows those that are in use.",
            "",
            "| what | key |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def commands() -> str:
    """What ``--help`` of each command prints."""
    with patch.dict(os.environ, {"COLUMNS": HELP_COLUMNS, "NO_COLOR": "1"}):
        parser = build_parser()
        (added,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        helps = [(f"napari-sam2 {name}", added.choices[name].format_help()) for name in COMMANDS]
        parts = [
            "# Commands",
            "",
            "`napari-sam2 COMMAND --help` prints the same. A word in capitals stands for what you type there.",
            "",
            f"```text\n{parser.format_help()}```",
        ]
    parts += [f"## {title}\n\n```text\n{text}```\n" for title, text in helps]
    return "\n".join([*parts, ""])


def file_formats() -> str:
    """What is written, from the formats of the package: results, and the session file."""
    rows = []
    for one in FORMATS:
        needs = [f"extra `{one.extra}`"] if one.modules else []
        needs += [text for text, is_so in _NEEDS if is_so(one)]
        options = ", ".join(f"`{option.name}` ({option.default})" for option in one.options)
        rows.append(f"| `{one.ending.replace('_res', '…_RES')}` | {one.what} | {', '.join(needs)} | {options} |")
    return "\n".join(
        [
            "# File formats",
            "",
            "What each format holds, in words: [Export](../export.md). Which images are read: [Stacks](../stacks.md). "
            "The prompts file: [README](../../README.md#in-the-shell).",
            "",
            "## Results",
            "",
            "The end of a name chooses the format. Options are asked for in the dock, and are arguments of "
            "`napari_sam2.export.formats.write_result`; their defaults are in brackets.",
            "",
            "| end of the name | what | needs | options |",
            "|---|---|---|---|",
            *rows,
            "",
            "## The session file",
            "",
            f"An SQLite database, version {VERSION} (`PRAGMA user_version`), with these tables. What they hold, in words: "
            "[Session](../session.md#the-file).",
            "",
            f"```sql\n{TABLES.strip()}\n```",
            "",
            "The log of a session has calls of these methods, and no others: "
            f"{', '.join(f'`{name}`' for name in sorted([*REPLAYABLE, *VOLUME_FUNCTIONS]))}.",
            "",
        ]
    )


_NEEDS: tuple[tuple[str, Callable[[Format], bool]], ...] = (
    ("time axis", lambda one: one.needs_time),
    ("no time axis", lambda one: not one.takes_time),
    ("the image", lambda one: one.needs_image and not one.needs_dicom),
    ("an image read from DICOM files", lambda one: one.needs_dicom),
)


def api() -> str:
    """The public names, each with its docstring."""
    names = sorted(napari_sam2._HOME_OF, key=lambda name: (name != "Session", name.lower()))
    intro = "Everything here is imported from `napari_sam2`: `from napari_sam2 import Session`."
    parts = [f"::: {napari_sam2._HOME_OF[name]}.{name}" for name in names]
    parts[1:1] = ["## Methods of Session", *(f"::: {path}\n    options: {{ heading_level: 3 }}" for path in _methods_of_parts())]
    return "\n\n".join(["# Python", intro, *parts]) + "\n"


def _methods_of_parts() -> list[str]:
    """Methods that a session has from its parts, by the paths of where they are written."""
    methods = [inspect.unwrap(one) for one in vars(napari_sam2.Session).values() if inspect.isfunction(one)]
    return [f"{one.__module__}.{one.__qualname__}" for one in methods if not one.__qualname__.startswith("Session.")]


GENERATED: dict[str, Callable[[], str]] = {
    "reference/keys.md": keys,
    "reference/commands.md": commands,
    "reference/api.md": api,
    "reference/file-formats.md": file_formats,
    "changelog.md": lambda: (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    "contributing.md": lambda: _moved((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
}
"""Pages that are made when the site is built."""


def _moved(text: str) -> str:
    """Write the links of a page of the top folder as from ``docs/``."""

    def moved(link: re.Match[str]) -> str:
        target = link[2]
        if "://" in target or target.startswith("#"):
            return link[0]
        return f"{link[1]}{target.removeprefix('docs/') if target.startswith('docs/') else f'../{target}'}{link[3]}"

    return _LINK.sub(moved, text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Let links to files of the repository lead to where it is published."""
    folder = posixpath.dirname(page.file.src_uri)

    def absolute(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, link[2]))
        is_page = target.startswith("docs/") and not posixpath.basename(target).startswith(".")
        is_outside = "://" not in link[2] and not link[2].startswith("#") and not is_page
        return f"{link[1]}{config.repo_url.rstrip('/')}/blob/main/{target}{link[3]}" if is_outside else link[0]

    return _LINK.sub(absolute, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Show the last part of the names that docstrings refer to."""
    return _ROLE.sub(r"<code>\1</code>", html)
