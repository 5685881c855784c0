"""Wheel and sdist, built as a release builds them, are installed in clean environments, on every Python that is here."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from clean_environments import make_environment, outside, pythons
from napari_sam2.version import __version__

ROOT = Path(__file__).parents[1]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
TORCH = "torch==2.13.0"
"""What scripts/test.sh installs: where a build of it for the CPU is at hand, pip takes that one."""
MOST_MB = {"whl": 12, "tar.gz": 40}

WITHOUT_TORCH = """
import importlib, sys
from pathlib import Path
import numpy as np, tifffile
import napari_sam2
assert not str(Path(napari_sam2.__file__)).startswith(sys.argv[1]), "the checkout is tried, not what was installed"
from napari_sam2.data.samples import SAMPLES
from napari_sam2.images.stack import Stack
print(*(f"{stack.axes}:{len(stack)}" for stack in (Stack.open(sample.image) for sample in SAMPLES)))
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build and check both, and install each in an environment of this Python, where the self-test has to pass."""
    folder = tmp_path_factory.mktemp("distributions") / "dist"
    command = ["bash", ROOT / "scripts/distributions.sh", folder, pythons()[HERE]]
    done = subprocess.run(command, capture_output=True, text=True, env=outside() | {"TORCH": TORCH})
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^check +passed: micro loads in ", done.stdout, re.MULTILINE)) == 2
    return {"whl": next(folder.glob("*.whl")), "tar.gz": next(folder.glob("*.tar.gz"))}


def test_sizes(distributions: dict[str, Path]) -> None:
    assert {path.name for path in distributions.values()} == {
        f"napari_sam2-{__version__}-py3-none-any.whl",
        f"napari_sam2-{__version__}.tar.gz",
    }
    for kind, path in distributions.items():
        assert path.stat().st_size < MOST_MB[kind] * 1e6, path.name


def test_the_wheel_of_the_sdist_is_the_wheel(distributions: dict[str, Path], tmp_path: Path) -> None:
    """What the package index offers in both forms is the same."""
    with tarfile.open(distributions["tar.gz"]) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again"]
    subprocess.run(command, cwd=unpacked, check=True, capture_output=True, env=outside())
    (again,) = (tmp_path / "again").glob("*.whl")
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(distributions["whl"]) as other:
        assert {name: one.getinfo(name).CRC for name in one.namelist()} == {
            name: other.getinfo(name).CRC for name in other.namelist()
        }


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_other_pythons(version: str, kind: str, distributions: dict[str, Path], tmp_path: Path) -> None:
    """All dependencies but PyTorch, which is gigabytes for other Pythons: images are read, and info tells what is missing."""
    if version == HERE:
        pytest.skip("this Python is tried with PyTorch")
    if version not in pythons():
        pytest.skip(f"Python {version} is not here")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    others = [name for name in needed if not name.startswith("torch")]
    python = make_environment(tmp_path / "clean", *others, python=pythons()[version])
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", distributions[kind]], check=True, env=outside())
    done = subprocess.run([python, "-c", WITHOUT_TORCH, ROOT], capture_output=True, text=True, env=outside(), cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("TYX:30 ZYX:51\n", "", 0)
    command = [python.with_name("napari-sam2"), "info"]
    told = subprocess.run(command, capture_output=True, text=True, env=outside(), cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert re.search(rf"^Python +{re.escape(version)}\.", told.stdout, re.MULTILINE)
    assert re.search(r"^torch +not installed$", told.stdout, re.MULTILINE)
