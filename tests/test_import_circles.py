"""No circle of imports in the package, those for types alone and those inside functions counted."""

from __future__ import annotations

import ast
from pathlib import Path

import napari_sam2

ROOT = Path(napari_sam2.__file__).parent


def imports() -> dict[str, set[str]]:
    """Modules that each module imports, anywhere in it."""
    files = {".".join(("napari_sam2", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        targets = set[str]()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {name if name in files else node.module for name in named}
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
        found[module] = (targets & set(files)) - {module}
    return found


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen, ahead = set[str](), [start]
    while ahead:
        for target in graph[ahead.pop()] - seen:
            seen.add(target)
            ahead.append(target)
    return seen


def test_no_circle() -> None:
    graph = {module: targets for module, targets in imports().items() if module != "napari_sam2"}
    graph = {module: targets & set(graph) for module, targets in graph.items()}
    reach = {module: reached(module, graph) for module in graph}
    circles = {frozenset(other for other in reach[module] if module in reach[other]) for module in graph if module in reach[module]}
    assert circles == set()
