"""Each module that does something has a test file of its name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import napari_sam2

PACKAGE = Path(napari_sam2.__file__).parent
TESTS = Path(__file__).parent


def does_something(module: Path) -> bool:
    """There is more in it than imports, constants and classes that are only names."""
    body = ast.parse(module.read_text(encoding="utf-8")).body
    inner = [node for item in body if isinstance(item, ast.ClassDef) for node in item.body]
    is_class_with_more = any(isinstance(node, ast.FunctionDef | ast.AnnAssign) for node in inner)
    return is_class_with_more or any(isinstance(node, ast.FunctionDef | ast.If) for node in body)


def path_of_tests(module: Path) -> Path:
    """tests/<folder>/test_<module>.py."""
    return TESTS / module.relative_to(PACKAGE).with_name(f"test_{module.name}")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" and does_something(path))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_has_a_test_file_of_its_name(module: Path) -> None:
    assert path_of_tests(module).is_file(), f"there is no {path_of_tests(module).relative_to(TESTS)}"


@pytest.mark.parametrize("test", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_a_test_file_holds_tests(test: Path) -> None:
    tree = ast.parse(test.read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in ast.walk(tree))
