"""What people and machines find beside the code: citation, issue templates, workflows, and the notes of a release."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import napari_sam2

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((GITHUB / "workflows").glob("*.yml"))}
TEMPLATES = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def steps(workflow: dict[str, Any]) -> list[str]:
    """What all jobs of a workflow run."""
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_citation_is_of_this_project() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert "version" not in citation, "it is written once, in version.py"
    assert "2408.00714" in citation["references"][0]["url"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_issue_templates_have_the_form_that_is_expected(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    asked = [item for item in form["body"] if item["type"] != "markdown"]
    assert all(item["attributes"]["label"] for item in asked)
    assert len({item["id"] for item in asked}) == len(asked)


def test_reports_of_faults_ask_for_info() -> None:
    asked = {path.stem: path.read_text(encoding="utf-8") for path in TEMPLATES}
    assert set(asked) == {"bug", "quality", "wish"}
    assert "napari-sam2 info" in asked["bug"]
    assert "napari-sam2 report" in asked["quality"]


def test_the_matrix_has_each_python_system_and_qt() -> None:
    strategy = WORKFLOWS["test"]["jobs"]["matrix"]["strategy"]["matrix"]
    minor = int(PROJECT["requires-python"].removeprefix(">=3."))
    assert strategy["python"] == [f"3.{number}" for number in range(minor, 15)]
    assert {system.partition("-")[0] for system in strategy["os"]} == {"ubuntu", "macos", "windows"}
    assert {*strategy["qt"], *(one["qt"] for one in strategy["include"])} == {"pyqt6", "pyside6"}
    assert {"oldest", "without_qt", "distribution", "whole"} <= set(WORKFLOWS["test"]["jobs"])


def test_pythons_of_the_classifiers_are_in_the_matrix() -> None:
    named = {
        match[1] for item in PROJECT["classifiers"] if (match := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", item))
    }
    assert named <= set(WORKFLOWS["test"]["jobs"]["matrix"]["strategy"]["matrix"]["python"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_scripts_that_workflows_run_are_there(name: str) -> None:
    named = [match for line in steps(WORKFLOWS[name]) for match in re.findall(r"(?:scripts|examples)/[\w.]+", line)]
    assert [script for script in named if not (ROOT / script).is_file()] == []


def test_a_release_is_tested_built_and_checked_before_it_is_published() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    ran = "\n".join(step["run"] for step in jobs["build"]["steps"] if "run" in step)
    assert ran.index("release_notes.py") < ran.index("scripts/test.sh") < ran.index("distributions.sh")
    assert jobs["publish"]["needs"] == "build"
    assert jobs["announce"]["needs"] == "publish"
    assert WORKFLOWS["release"][True] == {"push": {"tags": ["v*"]}}, "YAML reads `on` as true"


def test_scripts_are_sound_shell() -> None:
    for path in (ROOT / "scripts").glob("*.sh"):
        subprocess.run(["bash", "-n", path], check=True)


# --- the notes of a release ------------------------------------------------------------------------------------------


def release_notes(folder: Path, tag: str, changelog: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a copy of the files that it reads."""
    for name in ("scripts/release_notes.py", "src/napari_sam2/version.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return subprocess.run([sys.executable, folder / "scripts/release_notes.py", tag], capture_output=True, text=True)


VERSION = napari_sam2.__version__


def test_the_notes_of_a_release_are_its_section(tmp_path: Path) -> None:
    changelog = f"# Changelog\n\nFor users.\n\n## {VERSION} (2026-12-01)\n\n- größer\n\n## 0.0.1 (2026-01-01)\n\n- old\n"
    done = release_notes(tmp_path, f"v{VERSION}", changelog)
    assert (done.stdout, done.returncode) == ("- größer\n", 0)


@pytest.mark.parametrize(
    ("tag", "title", "message"),
    [
        ("v9.9.9", f"{VERSION} (2026-12-01)", f"the tag is v9.9.9, but the version of the package is {VERSION}"),
        (f"v{VERSION}", f"{VERSION} (not released)", f"CHANGELOG.md should begin with {VERSION} and the date of the release"),
        (f"v{VERSION}", "9.9.9 (2026-12-01)", f"CHANGELOG.md should begin with {VERSION} and the date of the release"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(tag: str, title: str, message: str, tmp_path: Path) -> None:
    done = release_notes(tmp_path, tag, f"# Changelog\n\n## {title}\n\n- new\n")
    assert done.returncode == 1
    assert done.stderr.startswith(message)
