"""The documentation site builds without network and without a warning, and shows each page, key, command and name."""

from __future__ import annotations

import html.parser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import napari_sam2
from napari_sam2.cli.main import COMMANDS
from napari_sam2.export.formats import FORMATS
from napari_sam2.session.replay import REPLAYABLE, VOLUME_FUNCTIONS
from napari_sam2.session.store.database import TABLES
from site_building import GENERATED, site_pages

ROOT = Path(__file__).parents[1]
WITHOUT_NETWORK = """
import socket, sys

def refuse(*_arguments, **_options):
    raise OSError("there is no network")

socket.socket.connect = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(["build", "--strict", "--quiet", "--config-file", sys.argv[1], "--site-dir", sys.argv[2]])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", WITHOUT_NETWORK, ROOT / "mkdocs.yml", folder]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    return folder


class _Page(html.parser.HTMLParser):
    """Collects what a page loads, where its navigation leads, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(values["href"])
        elif tag in ("script", "img", "iframe") and "src" in values:
            self.loaded.append(values["src"])
        elif tag == "a" and "md-nav__link" in values.get("class", ""):
            self.links.append(values["href"])

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def sources() -> list[str]:
    """Pages of the site, as they are named in ``docs/``."""
    return sorted([path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")] + list(GENERATED))


def built(source: str) -> str:
    return "index.html" if source == "index.md" else f"{source.removesuffix('.md')}/index.html"


@pytest.mark.xdist_group("site")
def test_each_page_is_built_and_in_the_navigation(site: Path) -> None:
    home = read(site / "index.html")
    shown = {os.path.normpath(link.partition("#")[0] or ".") for link in home.links}
    for source in sources():
        assert (site / built(source)).is_file(), source
        assert os.path.dirname(built(source)) in {"" if link == "." else link for link in shown}, f"{source} is in no menu"


@pytest.mark.xdist_group("site")
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(sources())
    loaded = {address for path in pages for address in read(path).loaded}
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    assert any(address.endswith(".css") for address in loaded)


@pytest.mark.xdist_group("site")
def test_keys_commands_and_names_are_those_of_the_code(site: Path) -> None:
    keys = read(site / "reference/keys/index.html").text
    manifest = yaml.safe_load((ROOT / "src/napari_sam2/napari.yaml").read_text(encoding="utf-8"))
    for chosen in manifest["contributions"]["configurations"]["keys"]["properties"].values():
        assert chosen["title"] in keys
        assert chosen["default"] in keys
    commands = read(site / "reference/commands/index.html").text
    assert all(f"usage: napari-sam2 {name} " in commands for name in COMMANDS)
    api = read(site / "reference/api/index.html").text
    assert all(re.search(rf"\b{name}\b", api) for name in napari_sam2.__all__ if name != "__version__")
    assert "add_points" in api
    assert not re.search(r":(class|func|meth|attr|data):", api), "the roles of Sphinx mean nothing here"


@pytest.mark.xdist_group("site")
def test_file_formats_are_those_of_the_code(site: Path) -> None:
    text = read(site / "reference/file-formats/index.html").text
    assert all(one.what in text for one in FORMATS)
    assert "frames_per_second" in text
    assert re.findall(r"CREATE TABLE (\w+)", text) == re.findall(r"CREATE TABLE (\w+)", TABLES)
    assert all(name in text for name in [*REPLAYABLE, *VOLUME_FUNCTIONS])


@pytest.mark.xdist_group("site")
def test_links_out_of_the_documentation_lead_to_the_repository(site: Path) -> None:
    text = (site / "start/first-python/index.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/napari-sam2/napari-sam2/blob/main/examples"' in text
    assert "../../examples" not in text


def test_links_of_pages_of_the_top_folder_are_moved() -> None:
    text = "[a](docs/info.md) [b](CHANGELOG.md) [c](https://example.org) [d](#here)"
    assert site_pages._moved(text) == "[a](info.md) [b](../CHANGELOG.md) [c](https://example.org) [d](#here)"


def test_a_new_page_needs_no_entry_in_the_navigation() -> None:
    """Those of guides are found by their place."""
    nav = yaml.safe_load((ROOT / "docs/.nav.yml").read_text(encoding="utf-8"))["nav"]
    (guides,) = [section["Guides"] for section in nav if "Guides" in section]
    assert "jobs/*" in guides
    assert {"glob": "*.md", "ignore_no_matches": True} in guides
