"""README and docs agree with the code: links and file names exist, commands are parsed, examples run."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
import zarr

import napari_sam2
from blob_tracker import BlobTracker, blob_session, tiny_model
from evaluation_stacks import write_dataset
from napari_sam2.cli.main import COMMANDS, build_parser
from napari_sam2.predictors import build, tracker
from napari_sam2.session.prompts_file import KEYS, add_prompts, read_prompts
from napari_sam2.session.store.database import TABLES, VERSION
from napari_sam2.training.run_file import read_run_file
from phantoms import GEOMETRIES, organs, write_dicom
from site_building import GENERATED
from wheels import HAS_HIGHDICOM

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "examples/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
REPOSITORY = URLS["Repository"]
# How the addresses of a page, a folder and a picture of the repository begin.
IN_REPOSITORY = (
    f"{REPOSITORY}/blob/main/",
    f"{REPOSITORY}/tree/main/",
    f"{REPOSITORY.replace('github.com', 'raw.githubusercontent.com')}/main/",
)
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
T, Z, H, W = 4, 14, 100, 80
WITH_A_FILE = ("docs/jobs/remote-gpu.md",)
"""Pages that begin with a session file."""
NOT_RUN = {"docs/fine-tuning.md": "trains for twenty minutes", "docs/cluster.md": "needs a server"}


def blocks(text: str, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for found, block in fenced if found == language]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands() -> list[str]:
    lines = [line for text in TEXTS.values() for block in blocks(text, "") for line in block.splitlines()]
    return [line for line in lines if line.startswith("napari-sam2 ")]


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", text)


def target_of(page: str, link: str) -> Path | None:
    """The file of the repository that a link leads to; None where it leads out of the project."""
    name = link.partition("#")[0]
    for beginning in IN_REPOSITORY:
        if name.startswith(beginning):
            return ROOT / name.removeprefix(beginning)
    if "://" in name:
        return None
    return (ROOT / page).parent / name if name else ROOT / page


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(TEXTS[page]):
        target, anchor = target_of(page, link), link.partition("#")[2]
        is_made = target is not None and os.path.relpath(target, ROOT / "docs") in GENERATED
        assert target is None or is_made or target.exists(), link
        assert not anchor or target is None or is_made or anchor in anchors(target.read_text()), link


def is_of_the_project(address: str) -> bool:
    """Tell whether an address is one of the project's, and of something that is there."""
    target = target_of("README.md", address)
    return address in (REPOSITORY, URLS["Issues"], URLS["Documentation"]) or (target is not None and target.exists())


@pytest.mark.parametrize("page", [*TEXTS, "pyproject.toml"])
def test_addresses_of_the_project_lead_somewhere(page: str) -> None:
    addresses = re.findall(r"https?://[^\s)\"<>]+", (ROOT / page).read_text())
    assert [address for address in addresses if "napari-sam2" in address and not is_of_the_project(address)] == []


@pytest.mark.parametrize(
    "address",
    [
        f"{REPOSITORY}/blob/main/docs/no_such_page.md",
        f"{REPOSITORY}/blob/master/docs/stacks.md",
        f"{REPOSITORY}/docs/stacks.md",
        f"{REPOSITORY}/issue",
        f"{IN_REPOSITORY[2]}docs/images/no_such_picture.png",
        "https://raw.githubusercontent.com/napari-sam2/napari-sam/main/docs/images/demo.png",
        "https://github.com/napari-sam/napari-sam2/blob/main/docs/stacks.md",
    ],
)
def test_addresses_with_a_slip_are_found(address: str) -> None:
    assert "napari-sam2" in address
    assert not is_of_the_project(address)


def test_links_of_the_readme_are_absolute() -> None:
    """The package index and napari's hub show the page far from its repository."""
    assert [link for link in links(TEXTS["README.md"]) if not link.startswith(("https://", "#"))] == []


@pytest.mark.parametrize("page", [page for page in TEXTS if page != "README.md"])
def test_links_of_other_pages_are_relative(page: str) -> None:
    """They lead to the pages of the same version, in a clone too."""
    assert [link for link in links(TEXTS[page]) if link.startswith(IN_REPOSITORY)] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        name = page.relative_to(ROOT).as_posix()
        if page not in reached and name in TEXTS:
            reached.add(page)
            targets = (target_of(name, link) for link in links(TEXTS[name]))
            found = [Path(os.path.normpath(target)) for target in targets if target is not None]
            left += [target / "README.md" if target.is_dir() else target for target in found]
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str) -> None:
    assert callable(build_parser().parse_args(shlex.split(command, comments=True)[1:]).run)


def test_the_readme_names_every_command() -> None:
    lines = [line for block in blocks(TEXTS["README.md"], "") for line in block.splitlines()]
    named = {line.split()[1] for line in lines if line.startswith("napari-sam2 ")}
    assert set(COMMANDS) <= named


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if blocks(text, "python")])
def test_what_examples_import_is_there(page: str) -> None:
    for block in blocks(TEXTS[page], "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if blocks(text, "python") and page not in NOT_RUN])
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not HAS_HIGHDICOM and ".dcm" in "".join(blocks(TEXTS[page], "python")):
        pytest.skip("highdicom is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(build, "load_model", lambda *_args: tiny_model())
    plane = np.zeros((H, W), np.uint16)
    plane[85:96, 55:66] = 1
    movie = np.where(np.stack([plane] * 40), 200, 10).astype(np.uint8)
    tifffile.imwrite("movie.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    write_dataset(Path("my_stack"), np.stack([plane] * 6))
    write_files_of_the_table(movie[:T])
    image = np.broadcast_to(movie[0], (T, Z, H, W))
    # What a reader has at hand where an example begins in the middle.
    names = {"sam2": napari_sam2, "image": image, "volume": image[0].transpose(), "session": session_on_movie()}
    if page in WITH_A_FILE:
        with session_on_movie() as clicked:
            clicked.save("movie.sam2")
    for block in blocks(TEXTS[page], "python"):
        exec(block, names)


def write_files_of_the_table(movie: np.ndarray) -> None:
    """A file of each kind that an example opens."""
    write_dicom(Path("scan"), organs(), GEOMETRIES["straight"])
    zarr.create_array("volumes.zarr", data=movie)
    Path("frames").mkdir()
    for t, frame in enumerate(movie):
        tifffile.imwrite(f"frames/t{t}.tif", frame, photometric="minisblack")
    with tifffile.TiffWriter("positions.ome.tif", ome=True) as tiff:
        for number in range(3):
            tiff.write(movie, photometric="minisblack", metadata={"axes": "TYX", "Name": f"position {number}"})
    plate = zarr.open_group("plate.zarr", mode="w")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}, {"path": "B/3"}]}}
    for well in ("A/1", "B/3"):
        plate.create_group(well).attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
        field = plate.create_group(f"{well}/0")
        field.create_array("0", data=movie)
        axes = [{"name": name} for name in "tyx"]
        field.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    with av.open("movie.mp4", "w") as video:
        stream = video.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = movie.shape[2], movie.shape[1], "yuv420p"
        for frame in movie:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([frame] * 3, -1), format="rgb24")))
        video.mux(stream.encode(None))


def files_named(text: str) -> list[str]:
    """Files that a page names in backticks, by their paths in the package."""
    return re.findall(r"`([a-z_0-9/]+\.py)`", text)


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if files_named(text)])
def test_files_that_pages_name_exist(page: str) -> None:
    roots = (ROOT / "src/napari_sam2", ROOT / "src/napari_sam2/session", ROOT)
    assert [name for name in files_named(TEXTS[page]) if not any((root / name).is_file() for root in roots)] == []


def texts_of_the_code() -> str:
    """All texts in the package, one below the other; what is filled in is left out."""
    found = set[str]()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return "\n".join(found).replace("`", "")


def test_questions_are_about_sentences_of_the_code() -> None:
    """Each part of a message, between names and numbers, is for the most part a text of the package."""
    messages = re.findall(r"\*\*`+(.*?)`+\*\*", TEXTS["docs/jobs/questions.md"])
    assert len(messages) > 10
    texts, unknown = texts_of_the_code(), []
    for message in messages:
        for part in re.split(r"…|\S*[\d_/.]\S*", message):
            length = round(0.6 * len(part.strip()))
            beginnings = range(len(part.strip()) - length + 1)
            if length > 8 and not any(part.strip()[start : start + length] in texts for start in beginnings):
                unknown.append((message, part))
    assert unknown == []


def glossary() -> list[str]:
    """Words of the glossary, in the order of its rows."""
    rows = re.findall(r"^\| \*\*(.*?)\*\* \|", TEXTS["docs/glossary.md"], re.MULTILINE)
    return [word.strip() for row in rows for word in row.split(",")]


def test_a_word_of_the_glossary_has_one_row() -> None:
    assert len(glossary()) == len(set(glossary())) > 40


REPLACED = (
    "consensus", "vote", "votes", "voted", "daughter", "daughters", "mother", "mothers", "outdated", "doubt", "doubtful", "lesson",
    "lessons", "follow_each", "elsewhere()", "gone_for", "session.parents",
)  # fmt: skip
"""Words that others have replaced, see the glossary; biologists do speak of daughter cells."""


@pytest.mark.parametrize("page", TEXTS)
def test_pages_use_the_words_of_the_glossary(page: str) -> None:
    text = re.sub("daughter cells?", "", TEXTS[page], flags=re.IGNORECASE)
    assert [word for word in REPLACED if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)] == []


def test_the_tables_of_a_session_file_are_described() -> None:
    text = TEXTS["docs/session.md"]
    for table, columns in re.findall(r"CREATE TABLE (\w+) \((.*?)\)(?: WITHOUT ROWID)?;", TABLES, re.DOTALL):
        described = re.search(rf"^\| `{table}` \| (.*) \|$", text, re.MULTILINE)
        assert described is not None, table
        named = re.findall(r"(?:^|, ?|\n\s*)(\w+) (?:TEXT|INTEGER|BLOB)", columns.partition("PRIMARY KEY (")[0])
        assert [name for name in named if f"`{name}`" not in described[1]] == [], table
    assert f"`PRAGMA user_version` the version, {VERSION}" in text


def test_a_prompts_file_with_all_keys_of_the_readme_is_read(tmp_path: Path) -> None:
    (prompts,) = blocks(TEXTS["README.md"], "json")
    (tmp_path / "prompts.json").write_text(prompts)
    tifffile.imwrite(tmp_path / "masks.tif", np.full((100, 100), 3, np.uint8))
    session = blob_session(np.zeros((8, 100, 100), np.uint8), "TYX")
    add_prompts(session, read_prompts(tmp_path / "prompts.json"))
    assert list(session.objects) == [1, 2, 3, 4, 5]
    assert all(f'"{key}"' in prompts for key in KEYS)
    session.close()


def session_on_movie() -> napari_sam2.Session:
    session = napari_sam2.Session("movie.tif")
    session.add_points(session.add_object(), 0, [(90, 60)])
    return session


def test_run_files_are_understood(tmp_path: Path) -> None:
    examples = [path.read_text() for path in (ROOT / "docs/examples").glob("*.toml")]
    for text in (*blocks(TEXTS["docs/fine-tuning.md"], "toml"), *examples):
        (tmp_path / "cells.toml").write_text(text)
        assert read_run_file(tmp_path / "cells.toml").data
