"""Environments in which nothing is installed yet, and the Pythons to make them with. The package index is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

OLDEST = (3, 11)


@cache
def pythons() -> dict[str, Path]:
    """Find all Pythons that the package can be used with, by version such as ``3.12``: on the path, and those of pyenv."""
    named = [shutil.which(f"python3.{minor}") for minor in range(OLDEST[1], 30)]
    candidates = [
        Path(sys.executable),
        *(Path(name) for name in named if name),
        *Path.home().glob(".pyenv/versions/3.*/bin/python"),
    ]
    found: dict[str, Path] = {}
    for path in candidates:
        done = subprocess.run(
            [path, "-c", "import ensurepip, sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True
        )
        version = tuple(int(part) for part in done.stdout.split())
        if done.returncode == 0 and version >= OLDEST:
            found.setdefault(".".join(map(str, version)), path)
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def outside() -> dict[str, str]:
    """Return the variables of this process without those that lead to this checkout and its environment."""
    return {name: value for name, value in os.environ.items() if not re.match(r"PYTHON|VIRTUAL_ENV", name)}


def make_environment(folder: Path, *packages: str, python: Path | None = None) -> Path:
    """Make an environment, install packages, and return its Python."""
    subprocess.run([python or sys.executable, "-m", "venv", folder], check=True, env=outside())
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [inside, "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages]
    done = subprocess.run(command, capture_output=True, text=True, env=outside())
    assert done.returncode == 0, done.stderr
    return inside
