"""What is installed and handed on is what README and docs promise."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_all_is_every_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    named = re.fullmatch(r"napari-sam2\[([\w,]+)\]", extras["all"][0])
    assert named is not None
    assert set(named[1].split(",")) == set(extras) - {"all"}


def test_the_source_distribution_holds_the_folders_that_are_named() -> None:
    texts = "".join(page.read_text() for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    named = {name for name in ("benchmarks", "docs", "scripts", "src", "tests") if f"{name}/" in texts}
    assert named >= {"benchmarks", "docs", "scripts"}
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert named <= set(included)
    assert all((ROOT / name).exists() for name in included)
