"""What a JSON file holds, checked and made into dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import types
from typing import Any, Union, get_args, get_origin, get_type_hints


def structure(kind: Any, content: Any, where: str) -> Any:
    """Read a value of a kind.

    Parameters
    ----------
    kind : type
        A dataclass, or a type made of str, int, float, bool, None, Any, unions, ``list[...]``, ``dict[...]`` and ``tuple[...]``.
    content : Any
        What JSON gave.
    where : str
        Its place in the file, for messages.

    Returns
    -------
    Any
        Of that kind.

    Raises
    ------
    ValueError
        If it is of another kind; the place is named.
    """
    origin = get_origin(kind)
    if kind is Any:
        return content
    if dataclasses.is_dataclass(kind):
        return _structure_dataclass(kind, content, where)
    if origin in (Union, types.UnionType):
        return _structure_union(kind, content, where)
    if origin is list and isinstance(content, list):
        (item,) = get_args(kind)
        return [structure(item, one, f"{where}[{place}]") for place, one in enumerate(content)]
    if origin is tuple and isinstance(content, list):
        return _structure_tuple(kind, content, where)
    if origin is dict and isinstance(content, dict):
        key, value = get_args(kind)
        return {_structure_key(key, name, where): structure(value, one, f"{where}.{name}") for name, one in content.items()}
    if kind is float and isinstance(content, int | float) and not isinstance(content, bool):
        return float(content)
    if kind is type(None) and content is None:
        return None
    if isinstance(kind, type) and kind in (str, int, bool) and type(content) is kind:
        return content
    raise ValueError(f"{where} must be {_name(kind)}, got {content!r:.80}")


def _structure_dataclass(kind: Any, content: Any, where: str) -> Any:
    if not isinstance(content, dict):
        raise ValueError(f"{where} must hold {kind.__name__}, got {content!r:.80}")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in content:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            raise ValueError(f"{where} has an unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    needed = [name for name, field in fields.items() if field.default is field.default_factory is dataclasses.MISSING]
    for name in needed:
        if name not in content:
            raise ValueError(f"{where} has no {name!r}")
    return kind(**{name: structure(hints[name], one, f"{where}.{name}") for name, one in content.items()})


def _structure_union(kind: Any, content: Any, where: str) -> Any:
    kinds = get_args(kind)
    if content is None and type(None) in kinds:
        return None
    chosen = [one for one in kinds if one is not type(None)]
    for one in chosen[:-1]:
        try:
            return structure(one, content, where)
        except ValueError:
            continue
    return structure(chosen[-1], content, where)


def _structure_tuple(kind: Any, content: list[Any], where: str) -> tuple[Any, ...]:
    kinds = get_args(kind)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(content)
    if len(kinds) != len(content):
        raise ValueError(f"{where} must have {len(kinds)} entries, got {len(content)}")
    return tuple(structure(one, value, f"{where}[{place}]") for place, (one, value) in enumerate(zip(kinds, content, strict=True)))


def _structure_key(kind: Any, name: str, where: str) -> Any:
    if kind is not int:
        return name
    try:
        return int(name)
    except ValueError as error:
        raise ValueError(f"{where} has a key {name!r}, where a whole number is expected") from error


def _name(kind: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    return names.get(kind) or names.get(get_origin(kind)) or {list: "a list", tuple: "a list", dict: "an object"}[get_origin(kind)]
