"""Text to dataclasses and back: what JSON or TOML holds is checked against the types of the fields, and refused in one sentence.

pydantic checks. Its rules are made those of JSON here: no text is taken for a number and no truth value for a whole number, but a
whole number is taken for a number, a list for a tuple, and the text of a whole number for a key where keys are whole numbers.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator, ValidationError

T = TypeVar("T")

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "none_required": "null",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
}
_CHOICE = "\0choice "
"""Begins what stands for a choice of a union in the location of an error, where else are keys and positions."""


@overload
def parse(kind: type[T], content: Any, where: str) -> T: ...
@overload
def parse(kind: Any, content: Any, where: str) -> Any: ...
def parse(kind: Any, content: Any, where: str) -> Any:
    """Check content and make it a value of a kind.

    Parameters
    ----------
    kind : type
        A dataclass of the standard library, or a type made of such, str, int, float, bool, None, Any, unions, ``Literal[...]``,
        ``list[...]``, ``dict[str, ...]``, ``dict[int, ...]`` and ``tuple[...]``.
    content : Any
        As ``json.loads`` gives it.
    where : str
        Its place, which begins the message, such as ``movie.sam2.json``; after a colon and a blank at its end, names of keys stand
        alone, as in ``run.toml: steps must be a whole number``.

    Returns
    -------
    Any
        Of that kind.

    Raises
    ------
    ValueError
        If it is of another kind, or a dataclass refuses it in ``__post_init__``; the place in it is named.
    """
    from pydantic_core import ValidationError

    try:
        return _validator(kind).validate_python(content)
    except ValidationError as error:
        raise ValueError(_sentence(error, where)) from error


@overload
def parse_json(kind: type[T], text: str | bytes, where: str) -> T: ...
@overload
def parse_json(kind: Any, text: str | bytes, where: str) -> Any: ...
def parse_json(kind: Any, text: str | bytes, where: str) -> Any:
    """Read JSON and make it a value of a kind; see :func:`parse`.

    Raises
    ------
    ValueError
        If it is not JSON, or of another kind.
    """
    return parse(kind, json_content(text, where), where)


def json_content(text: str | bytes, where: str) -> Any:
    """Read JSON, in UTF-8 where it comes as bytes; infinities may stand where a number does.

    Raises
    ------
    ValueError
        If it is not JSON; line and column are named.
    """
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not JSON: it is no text in UTF-8, from byte {error.start} on") from error
    except RecursionError as error:
        raise ValueError(f"{where} is not JSON: it is nested too deeply to be read") from error
    except ValueError as error:  # Python reads no number of more than some thousand digits
        raise ValueError(f"{where} cannot be read: a number in it has too many digits") from error


def to_content(value: Any) -> Any:
    """Bring a value to what JSON holds: dataclasses as objects, tuples as lists, keys as texts; infinities stay.

    Raises
    ------
    TypeError
        If something in it is of none of the kinds of :func:`parse`.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [to_content(one) for one in value]
    if isinstance(value, dict):
        return {_key(key): to_content(one) for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_content(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    raise TypeError(f"JSON holds numbers, texts, lists and objects, got {type(value).__name__}")


def to_json(value: Any, indent: int | None = None) -> str:
    """Write a value as JSON in ASCII, from which :func:`parse_json` reads the same value.

    Raises
    ------
    TypeError
        If something in it is of none of the kinds of :func:`parse`.
    """
    return json.dumps(to_content(value), indent=indent)


def _key(key: Any) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise TypeError(f"keys are texts or whole numbers, got {type(key).__name__}")
    return str(key)


# --- what is checked -------------------------------------------------------------------------------------------------


@functools.cache
def _validator(kind: Any) -> SchemaValidator:
    from pydantic import PydanticSchemaGenerationError, TypeAdapter
    from pydantic_core import SchemaValidator

    try:
        schema = TypeAdapter(kind).core_schema
    except PydanticSchemaGenerationError as error:
        raise TypeError(f"{kind} is no kind of value that can be read from a text") from error
    return SchemaValidator(_by_rules_of_json(schema))


def _by_rules_of_json(schema: Any) -> Any:
    """Change what pydantic would check, which is lax, to the rules of this module."""
    kind = schema["type"]
    if kind in ("any", "none", "definition-ref"):
        return schema
    if kind in ("str", "int", "float", "bool"):
        return schema | {"strict": True}
    if kind == "literal":
        return _function("plain", functools.partial(_check_choice, tuple(schema["expected"])))
    if kind == "union":
        choices = enumerate(schema["choices"])
        return schema | {"choices": [(_by_rules_of_json(one), f"{_CHOICE}{number}") for number, one in choices]}
    changed = schema | {name: _parts(schema[name]) for name in _PARTS.get(kind, ()) if name in schema}
    if kind == "dict" and schema.get("keys_schema", {}).get("type") == "int":
        return changed | {"keys_schema": _function("plain", _whole_number_of)}
    if kind == "tuple" and "variadic_item_index" not in schema:
        return _function("before", functools.partial(_check_length, len(schema["items_schema"])), changed)
    if kind == "dataclass":
        # A reference is to all of it.
        named = {name: changed.pop(name) for name in ("ref",) if name in changed}
        return _function("before", _names_check(schema), changed) | named
    if kind not in _PARTS:
        raise TypeError(f"{kind} is no kind of value that can be read from a text")
    return changed


_PARTS: dict[str, tuple[str, ...]] = {
    "definitions": ("definitions", "schema"),
    "dataclass": ("schema",),
    "dataclass-args": ("fields",),
    "dataclass-field": ("schema",),
    "default": ("schema",),
    "nullable": ("schema",),
    "list": ("items_schema",),
    "tuple": ("items_schema",),
    "dict": ("keys_schema", "values_schema"),
}
"""Where a schema of pydantic holds others, by its type."""


def _parts(schemas: Any) -> Any:
    return [_by_rules_of_json(one) for one in schemas] if isinstance(schemas, list) else _by_rules_of_json(schemas)


def _function(when: str, function: Callable[[Any], Any], schema: Any = None) -> dict[str, Any]:
    made = {"type": f"function-{when}", "function": {"type": "no-info", "function": function}}
    return made if schema is None else made | {"schema": schema}


def _refusal(kind: str, sentence: str) -> Exception:
    from pydantic_core import PydanticCustomError

    return PydanticCustomError(kind, "{sentence}", {"sentence": sentence})


def _is_among(content: Any, choices: Sequence[Any]) -> bool:
    return any(type(content) is type(one) and content == one for one in choices)  # 1 == True == 1.0


def _check_choice(choices: Sequence[Any], content: Any) -> Any:
    if not _is_among(content, choices):
        raise _refusal("choice", _either([repr(one) for one in choices]))
    return content


def _check_length(length: int, content: Any) -> Any:
    if isinstance(content, list) and len(content) != length:
        raise _refusal("fault", f" must have {length} entries, got {len(content)}")
    return content


def _whole_number_of(key: Any) -> int:
    if re.fullmatch("0|-?[1-9][0-9]*", key):
        return int(key)
    raise _refusal("key", f" has a key {key!r:.80}, where a whole number is expected")


def _names_check(schema: Any) -> Callable[[Any], Any]:
    """Make the check of the names that an object has; one that names another kind is refused for that, by what comes after."""
    kind = schema["cls"]
    fields = [field for field in dataclasses.fields(kind) if field.init]
    known = [field.name for field in fields]
    needed = [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]
    types = {one["name"]: one["schema"] for one in schema["schema"]["fields"]}
    types = {name: one["schema"] if one["type"] == "default" else one for name, one in types.items()}
    choices = {name: one["expected"] for name, one in types.items() if one["type"] == "literal"}

    def check(content: Any) -> Any:
        if not isinstance(content, dict):
            raise _refusal("choice", "an object")
        if any(name in content and not _is_among(content[name], choices[name]) for name in choices):
            return content
        for name in content:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
                raise _refusal("fault", f" has an unknown key {name!r:.80}; {hint}")
        for name in needed:
            if name not in content:
                raise _refusal("fault", f" has no {name!r}")
        return content

    return check


# --- how it is refused -----------------------------------------------------------------------------------------------


def _sentence(error: ValidationError, where: str) -> str:
    """Describe one thing that is wrong."""
    found = _nearest([one for one in error.errors(include_url=False) if one["type"] != "missing"])
    first = found[0]
    place = _place(where, first["loc"][:-2] if first["type"] == "key" else first["loc"])
    if first["type"] in ("fault", "key"):
        return f"{place}{first['ctx']['sentence']}"
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}"
    expected = list(dict.fromkeys(filter(None, map(_expected, found))))
    if {"a number", "a whole number"} <= {*expected}:
        expected.remove("a whole number")
    return f"{place} must be {_either(expected)}, got {first['input']!r:.80}"


def _expected(error: Mapping[str, Any]) -> str:
    return error["ctx"]["sentence"] if error["type"] == "choice" else _EXPECTED[error["type"]]


def _nearest(errors: Sequence[Any]) -> list[Any]:
    """Choose the first fault; where it is in a union, that of the choice that fits best, or of several that fit as badly."""
    first = errors[0]
    depth = next((depth for depth, part in enumerate(first["loc"]) if _is_choice(part)), None)
    if depth is None:
        return [first]
    inside = [error for error in errors if error["loc"][:depth] == first["loc"][:depth]]
    groups = [list(group) for _, group in itertools.groupby(inside, lambda error: error["loc"][depth])]
    # A dataclass may have a field that names which it is.
    named = [group for group in groups if not any(_is_name_of_kind(error, depth) for error in group)]
    chosen = [
        _nearest([error | {"loc": (*error["loc"][:depth], *error["loc"][depth + 1 :])} for error in group])
        for group in named or groups
    ]
    best = max(chosen, key=_rank)
    together = [error for group in chosen for error in group if _rank(group) == _rank(best) and error["loc"] == best[0]["loc"]]
    return together if _is_mismatch(best[0]) else best


def _is_choice(part: Any) -> bool:
    return isinstance(part, str) and part.startswith(_CHOICE)


def _is_name_of_kind(error: Any, depth: int) -> bool:
    return error["type"] == "choice" and len(error["loc"]) == depth + 2


def _is_mismatch(error: Any) -> bool:
    return error["type"] == "choice" or error["type"] in _EXPECTED


def _rank(errors: Sequence[Any]) -> tuple[int, bool]:
    return len(errors[0]["loc"]), not _is_mismatch(errors[0])


def _place(where: str, location: Sequence[int | str]) -> str:
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    before = where.removesuffix(": ")
    return before + inside if before == where or not inside else where + inside.removeprefix(".")


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
