"""What is installed and handed on is what README and docs promise."""

from __future__ import annotations

import email
import email.message
import email.policy
import html.parser
import importlib
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from npe2 import PluginManifest
from npe2 import cli as npe2_cli
from readme_renderer import markdown
from typer.testing import CliRunner

import napari_sam2

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/napari_sam2"
MANIFEST = PACKAGE / "napari.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()
MOST_WHEEL_BYTES, MOST_SDIST_BYTES = 12_000_000, 40_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("sdist")), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.EmailMessage:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    message = email.message_from_bytes(wheel.read(name), policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def test_all_is_every_extra_but_the_other_qt() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    named = re.fullmatch(r"napari-sam2\[([\w,]+)\]", extras["all"][0])
    assert named is not None
    assert set(named[1].split(",")) == set(extras) - {"all", "pyside6"}


# --- the version ---------------------------------------------------------------------------------------------------


def test_the_version_is_written_once() -> None:
    version = re.escape(napari_sam2.__version__)
    assert "version" not in PROJECT["project"]
    written = [path for path in (ROOT / "pyproject.toml", *PACKAGE.rglob("*.py")) if re.search(rf'"{version}"', path.read_text())]
    assert written == [PACKAGE / "version.py"]


def test_the_changelog_begins_with_the_version() -> None:
    titles = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = re.escape(napari_sam2.__version__)
    assert re.fullmatch(rf"{version} \((not released|\d{{4}}-\d\d-\d\d)\)", titles[0])
    numbers = [tuple(int(part) for part in title.split()[0].split(".")) for title in titles]
    assert numbers == sorted(set(numbers), reverse=True)


def test_a_checkout_that_is_not_installed_has_its_version_and_loads_nothing_for_it() -> None:
    code = "import sys; import napari_sam2 as s; print(s.__version__, *sorted({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    version, *modules = done.stdout.split()
    assert version == napari_sam2.__version__
    assert set(modules) & {"torch", "numpy", "importlib_metadata", "email"} == set()


# --- the manifest --------------------------------------------------------------------------------------------------


def npe2_validate(path: Path) -> tuple[int, str]:
    done = CliRunner().invoke(npe2_cli.app, ["validate", str(path), "--imports"])
    return done.exit_code, done.output


def test_npe2_validates_the_manifest() -> None:
    assert npe2_validate(MANIFEST) == (0, "✔ Manifest for 'SAM 2' valid!\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("samples:fluo_mitocheck", "samples:fluo"),
        ("napari_sam2.plugin.samples", "napari_sam2.plugin.sample"),
        ("name: napari-sam2", "name: -sam2"),
        ('categories: ["Annotation"', 'categories: ["Cells"'),
    ],
)
def test_npe2_finds_what_is_wrong(before: str, after: str, tmp_path: Path) -> None:
    text = MANIFEST.read_text()
    assert before in text
    (tmp_path / "napari.yaml").write_text(text.replace(before, after))
    assert npe2_validate(tmp_path / "napari.yaml")[0] == 1


def test_commands_of_the_manifest_can_be_called_and_are_used() -> None:
    contributions = PluginManifest.from_file(MANIFEST).contributions
    for command in contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
    in_menus = (item for items in contributions.menus.values() for item in items)
    in_files = [*contributions.readers, *contributions.writers]
    used = [*contributions.widgets, *contributions.sample_data, *in_files, *in_menus]
    assert {item.command for item in used} == {command.id for command in contributions.commands}


def test_the_manifest_has_an_icon_in_the_package() -> None:
    icon = PluginManifest.from_file(MANIFEST).icon
    assert isinstance(icon, str)
    package, _, resource = icon.partition(":")
    assert ElementTree.fromstring(files(package).joinpath(resource).read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_script_can_be_called() -> None:
    module, _, name = PROJECT["project"]["scripts"]["napari-sam2"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


# --- what is handed on ---------------------------------------------------------------------------------------------


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    folder = f"napari_sam2-{napari_sam2.__version__}.dist-info"
    about = {
        f"{folder}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE")
    }
    assert set(wheel.namelist()) == about | {f"napari_sam2/{name}" for name in files_under(PACKAGE)}
    for name in (
        "napari.yaml",
        "py.typed",
        "weights/micro.safetensors",
        "data/fluo_mitocheck/image.tif",
        "data/fluo_mitocheck/prompts.json",
        "data/vol_embryo_8cell/image.tif",
    ):
        assert wheel.read(f"napari_sam2/{name}") == (PACKAGE / name).read_bytes()
    assert "[napari.manifest]\nnapari-sam2 = napari_sam2:napari.yaml" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_the_metadata_of_the_wheel(metadata: email.message.EmailMessage) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("napari-sam2", napari_sam2.__version__)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload(decode=True) == README.encode()
    assert {"Framework :: napari", "Typing :: Typed"} <= set(metadata.get_all("Classifier") or [])
    urls = dict(entry.split(", ") for entry in metadata.get_all("Project-URL") or [])
    assert set(urls) == {"Homepage", "Documentation", "Repository", "Issues", "Changelog"}
    assert all(url.startswith(urls["Repository"]) for name, url in urls.items() if name != "Documentation")
    assert urls["Documentation"] == "https://napari-sam2.github.io/napari-sam2/"


def test_the_source_distribution_holds_the_folders_that_are_named(sdist: Path) -> None:
    texts = "".join(page.read_text() for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")))
    named = {name for name in ("benchmarks", "docs", "scripts", "src", "tests") if f"{name}/" in texts}
    assert named >= {"benchmarks", "docs", "scripts"}
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    for name in named:
        assert {f"{name}/{file}" for file in files_under(ROOT / name)} <= held
    assert {path.name for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")} <= held


def test_sizes(wheel: zipfile.ZipFile, sdist: Path) -> None:
    assert wheel.filename is not None
    assert Path(wheel.filename).stat().st_size < MOST_WHEEL_BYTES
    assert sdist.stat().st_size < MOST_SDIST_BYTES


def test_twine_and_check_wheel_contents_find_no_fault(wheel: zipfile.ZipFile, sdist: Path) -> None:
    """The package index takes both, and shows their README; nothing lies in the wheel that does not belong there."""
    assert wheel.filename is not None
    for command in (["twine", "check", "--strict", wheel.filename, sdist], ["check_wheel_contents", wheel.filename]):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


class _Addresses(html.parser.HTMLParser):
    """Collects what a page links to and shows."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.ids.add(values.get("id", ""))
        if tag == "a":
            self.links.append(values["href"])
        if tag == "img":
            self.pictures.append(values["src"])


def test_the_package_index_shows_the_readme_whole() -> None:
    page = markdown.render(README)
    assert page is not None
    shown = _Addresses()
    shown.feed(page)
    assert {"h1", "h2", "img", "li", "pre", "table"} <= shown.tags
    assert len(shown.pictures) == README.count("![") >= 2
    pictures = f"{PROJECT['project']['urls']['Repository'].replace('github.com', 'raw.githubusercontent.com')}/main/"
    assert all((ROOT / address.removeprefix(pictures)).is_file() for address in shown.pictures)
    assert all(address.startswith("https://") for address in shown.pictures)
    inside = {address.removeprefix("#") for address in shown.links if address.startswith("#")}
    assert inside <= shown.ids
    assert all(address.startswith(("https://", "#")) for address in shown.links)
