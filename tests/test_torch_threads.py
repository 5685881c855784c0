"""PyTorch comes through one door, with short waits of its threads; everything else finds the environment as it was."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import napari_sam2

PACKAGE = Path(napari_sam2.__file__).parent
DOOR = "napari_sam2.torch_threads"
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name not in ("torch_threads.py", "__main__.py")]
MODULES = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in FILES]
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_DISPLAY_ENV")


def run(script: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter, whose environment has of these variables only those that are given."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *sys.path])
    command = [sys.executable, *options, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


# Whoever imports torch is stopped there, and what the environment says then is noted: each module is as if it came first.
STOP_AT_TORCH = """
import importlib, json, os, sys

class Stopped(BaseException):
    pass

class Finder:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise Stopped(os.environ.get("GOMP_SPINCOUNT"))

sys.meta_path.insert(0, Finder)
found, before = {}, dict(os.environ)
for module in json.loads(MODULES):
    try:
        importlib.import_module(module)
        found[module] = "without torch"
    except Stopped as stopped:
        found[module] = stopped.args[0]
        assert "torch" not in sys.modules and "napari_sam2.torch_threads" not in sys.modules
    assert dict(os.environ) == before, module
print(json.dumps(found))
"""


def what_each_finds(modules: list[str], **variables: str) -> dict[str, str | None]:
    done = run(f"MODULES = {json.dumps(modules)!r}\n{STOP_AT_TORCH}", **variables)
    found: dict[str, str | None] = json.loads(done.stdout)
    assert set(found) == set(modules)
    return found


def test_whichever_module_is_imported_first() -> None:
    """The plugin is left out: it takes seconds, and imports no torch until something is to be computed."""
    found = what_each_finds([module for module in MODULES if ".plugin" not in module])
    assert set(found.values()) == {"1000", "without torch"}
    without = {module for module, value in found.items() if value == "without torch"}
    packages = {
        module for module, file in zip(MODULES, FILES, strict=True) if file.name == "__init__.py" and ".plugin" not in module
    }
    light = {
        "napari_sam2.weights.registry",
        "napari_sam2.weights.download",
        "napari_sam2.model.config",
        "napari_sam2.structured",
    }
    images = {module for module in MODULES if module.startswith(("napari_sam2.images", "napari_sam2.data"))}
    assert packages | light | images <= without
    assert len(found) - len(without) > 40


@pytest.mark.parametrize("module", ["napari_sam2.cli.train", "napari_sam2.predictors.tracker", "napari_sam2.model.layers"])
def test_what_a_person_has_set(module: str) -> None:
    assert what_each_finds([module], GOMP_SPINCOUNT="77") == {module: "77"}
    assert what_each_finds([module], GOMP_SPINCOUNT="") == {module: ""}
    assert what_each_finds([module], OMP_WAIT_POLICY="active") == {module: None}


def test_torch_that_is_there_already() -> None:
    """Stands for it: a module that notes whether the environment is changed while it is asked for."""
    script = """
import os, sys, types
sys.modules["torch"] = types.ModuleType("torch")
class Environment(dict):
    def __setitem__(self, name, value):
        raise AssertionError(name)
os.environ = Environment(os.environ)
import napari_sam2.torch_threads
print(napari_sam2.torch_threads.torch is sys.modules["torch"])
"""
    assert run(script).stdout == "True\n"


def test_an_import_that_fails() -> None:
    script = """
import os, sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            print(os.environ["GOMP_SPINCOUNT"])
            raise ImportError("there is no torch")
sys.meta_path.insert(0, Finder)
try:
    import napari_sam2.model.layers
except ImportError as error:
    print(error)
print("GOMP_SPINCOUNT" in os.environ)
"""
    assert run(script).stdout == "1000\nthere is no torch\nFalse\n"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_have_another_library(platform: str) -> None:
    """Nothing there reads the variable, and it is taken away again."""
    script = f"""
import os, sys
sys.platform = {platform!r}
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ImportError
sys.meta_path.insert(0, Finder)
before = dict(os.environ)
try:
    import napari_sam2.torch_threads
except ImportError:
    print(dict(os.environ) == before)
"""
    assert run(script).stdout == "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is the library of PyTorch on Linux")
@pytest.mark.parametrize(
    ("variables", "read"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
    ids=["ours", "a person's", "a person's policy"],
)
def test_what_the_library_reads(variables: dict[str, str], read: str) -> None:
    """As it says itself; a program that is started afterwards has the environment as it was."""
    script = """
import os, subprocess, sys
before = dict(os.environ)
import napari_sam2.model.layers
assert dict(os.environ) == before
print(subprocess.check_output([sys.executable, "-c", "import os; print(os.environ.get('GOMP_SPINCOUNT'))"], text=True))
"""
    done = run(script, OMP_DISPLAY_ENV="verbose", **variables)
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this PyTorch was built with another library")
    assert f"GOMP_SPINCOUNT = '{read}'" in done.stderr
    assert done.stdout.strip() == variables.get("GOMP_SPINCOUNT", "None")


# --- the rule --------------------------------------------------------------------------------------------------------


def past_the_door(source: str) -> list[str]:
    """Imports of PyTorch, or of what imports it, in a module that does not take it from the door."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node: [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names] for node in nodes}
    if [DOOR] in names.values():
        return [ast.unparse(node) for node, imported in names.items() if "torch" in imported and isinstance(node, ast.Import)]
    return [ast.unparse(node) for node in nodes if any(f"{name}.".startswith(WITH_TORCH) for name in names[node])]


WITH_TORCH = ("torch.", "safetensors.torch.", "lightning_fabric.")


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("import torch", 1),
        ("import numpy\nfrom torch import nn", 1),
        ("def load():\n    import torch", 1),
        ("from safetensors.torch import save_file", 1),
        ("from safetensors import deserialize", 0),
        ("from napari_sam2.torch_threads import torch\nimport torch", 1),
        ("from napari_sam2.torch_threads import torch\nimport torch.nn.functional as F\nfrom torch import nn", 0),
        ("from napari_sam2.torch_threads import torch\ndef load():\n    import lightning_fabric", 0),
    ],
)
def test_the_rule_finds(source: str, number: int) -> None:
    assert len(past_the_door(source)) == number


def test_no_module_imports_torch_past_the_door() -> None:
    """Also not later, in a function."""
    found = {path.name: imports for path in FILES if (imports := past_the_door(path.read_text(encoding="utf-8")))}
    assert found == {}
