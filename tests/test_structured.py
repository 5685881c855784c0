"""Values become text and are read again as they were; each fault of a text is one sentence."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.structured import json_content, parse, parse_json, to_content, to_json


@dataclass(frozen=True)
class Click:
    row: float
    column: float
    is_inside: bool = True


@dataclass(frozen=True)
class Outline:
    kind: Literal["outline"]
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Sorted:
    by: Literal["size"] | None
    then_by: Literal["name"] | None = None


@dataclass(frozen=True)
class Stroke:
    kind: Literal["stroke"] = "stroke"
    width: int = 1


@dataclass(frozen=True)
class Window:
    low: float = -math.inf
    high: float = math.inf
    size: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")


@dataclass(frozen=True, slots=True)
class Movie:
    name: str
    frames: int
    version: Literal["2.0", "2.1"] = "2.1"
    is_open: bool = False
    path: str | list[str] | None = None
    size: tuple[int, int] = (1, 1)
    clicks: dict[int, list[Click]] = field(default_factory=dict)
    drawn: list[Outline | Stroke] = field(default_factory=list)
    window: Window = Window()
    weights: dict[str, float] = field(default_factory=dict)
    extra: Any = None
    gone: None = None


numbers = st.floats(allow_nan=False)
clicks = st.builds(Click, numbers, numbers, st.booleans())
# Names of files hold halves of characters where their bytes are no UTF-8.
texts = st.text(st.characters())
contents = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
)
outlines = st.builds(Outline, st.just("outline"), st.lists(st.tuples(numbers, numbers)).map(tuple))
strokes = st.builds(Stroke, st.just("stroke"), st.integers())
windows = st.tuples(numbers, numbers).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: Window(*ends))
movies = st.builds(
    Movie,
    texts,
    st.integers(),
    st.sampled_from(["2.0", "2.1"]),
    st.booleans(),
    st.none() | texts | st.lists(texts),
    st.tuples(st.integers(), st.integers()),
    st.dictionaries(st.integers(), st.lists(clicks, max_size=3), max_size=3),
    st.lists(outlines | strokes, max_size=3),
    windows,
    st.dictionaries(texts, numbers),
    contents,
)


@given(movies, st.none() | st.just(1))
def test_what_is_written_is_read(movie: Movie, indent: int | None) -> None:
    text = to_json(movie, indent)
    assert text.isascii()
    assert parse_json(Movie, text, "movie.json") == movie
    assert parse_json(Movie, text.encode(), "movie.json") == movie
    assert parse(Movie, to_content(movie), "movie.json") == movie


@given(contents)
def test_content_of_any_kind_stays_as_it_is(content: Any) -> None:
    assert to_content(content) == content
    assert parse(Any, content, "x") == content


KINDS: dict[str, tuple[Any, Any, Any]] = {
    "a whole number for a number": (float, 3, 3.0),
    "infinity": (float, -math.inf, -math.inf),
    "a list for a tuple": (tuple[int, str], [1, "a"], (1, "a")),
    "any number of entries": (tuple[int, ...], [], ()),
    "keys": (dict[int, str], {"-3": "a", "0": "b"}, {-3: "a", 0: "b"}),
    "keys that are texts": (dict[str, int], {"3": 1}, {"3": 1}),
    "the first choice": (str | list[str] | None, "a", "a"),
    "another choice": (str | list[str] | None, ["a"], ["a"]),
    "no choice": (str | list[str] | None, None, None),
    "a whole number stays one": (float | int, 3, 3),
    "true is not 1": (int | bool, True, True),
    "one of several": (Literal["a", 1, None], 1, 1),
    "by the name of its kind": (Outline | Stroke, {"kind": "stroke"}, Stroke("stroke")),
    "many digits": (int, 10**30, 10**30),
    "a list of whatever": (list, [1, "a"], [1, "a"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_read(name: str) -> None:
    kind, content, value = KINDS[name]
    read = parse(kind, content, "x")
    assert (read, type(read)) == (value, type(value))
    assert parse_json(kind, json.dumps(content), "x") == value  # written by another writer


def test_a_number_that_is_none_is_a_number() -> None:
    assert math.isnan(parse_json(float, to_json(math.nan), "x"))


GOOD: dict[str, Any] = {"name": "a", "frames": 3}
CLICKS = {"clicks": {"3": [{"row": 1, "column": 2}, {"row": 1, "colum": 2}]}}
FAULTS: dict[str, tuple[Any, Any, str]] = {
    "no object": (Movie, [], "m.json must be an object, got []"),
    "null": (Movie, None, "m.json must be an object, got None"),
    "unknown key": (Movie, {"nme": "a", "frames": 3}, "m.json has an unknown key 'nme'; did you mean 'name'?"),
    "unknown key of no likeness": (
        Window,
        {"zzz": 1},
        "m.json has an unknown key 'zzz'; there are low, high",
    ),
    "not a key from outside": (
        Movie,
        GOOD | {"window": {"size": 1}},
        "m.json.window has an unknown key 'size'; there are low, high",
    ),
    "unknown key inside": (Movie, GOOD | CLICKS, "m.json.clicks.3[1] has an unknown key 'colum'; did you mean 'column'?"),
    "missing key": (Movie, {"name": "a"}, "m.json has no 'frames'"),
    "missing key, and wrong values": (Movie, {"name": 3}, "m.json has no 'frames'"),
    "missing key inside": (Movie, GOOD | {"clicks": {"3": [{"row": 1}]}}, "m.json.clicks.3[0] has no 'column'"),
    "number for a text": (Movie, GOOD | {"name": 3}, "m.json.name must be a text, got 3"),
    "null for a text": (Movie, GOOD | {"name": None}, "m.json.name must be a text, got None"),
    "text for a number": (Movie, GOOD | {"frames": "3"}, "m.json.frames must be a whole number, got '3'"),
    "true for a number": (Movie, GOOD | {"frames": True}, "m.json.frames must be a whole number, got True"),
    "fraction": (Movie, GOOD | {"frames": 3.0}, "m.json.frames must be a whole number, got 3.0"),
    "number for true": (Movie, GOOD | {"is_open": 1}, "m.json.is_open must be true or false, got 1"),
    "text for a fraction": (Movie, GOOD | {"window": {"low": "1"}}, "m.json.window.low must be a number, got '1'"),
    "true for a fraction": (Movie, GOOD | {"window": {"low": True}}, "m.json.window.low must be a number, got True"),
    "not null": (Movie, GOOD | {"gone": 0}, "m.json.gone must be null, got 0"),
    "object for a list": (Movie, GOOD | {"drawn": {}}, "m.json.drawn must be a list, got {}"),
    "text for a tuple": (Movie, GOOD | {"size": "12"}, "m.json.size must be a list, got '12'"),
    "list for an object": (Movie, GOOD | {"weights": [1]}, "m.json.weights must be an object, got [1]"),
    "too few": (Movie, GOOD | {"size": [1]}, "m.json.size must have 2 entries, got 1"),
    "too many": (Movie, GOOD | {"size": [1, 2, 3]}, "m.json.size must have 2 entries, got 3"),
    "wrong entry": (Movie, GOOD | {"size": [1, 2.5]}, "m.json.size[1] must be a whole number, got 2.5"),
    "wrong value by name": (Movie, GOOD | {"weights": {"a": "1"}}, "m.json.weights.a must be a number, got '1'"),
    "key": (Movie, GOOD | {"clicks": {"x": []}}, "m.json.clicks has a key 'x', where a whole number is expected"),
    "key written twice": (Movie, GOOD | {"clicks": {"01": []}}, "m.json.clicks has a key '01', where a whole number is expected"),
    "fraction for a key": (dict[int, int], {"1.0": 1}, "m.json has a key '1.0', where a whole number is expected"),
    "digits of another script": (dict[int, int], {"٣": 1}, "m.json has a key '٣', where a whole number is expected"),
    "no such choice": (Movie, GOOD | {"version": "3"}, "m.json.version must be '2.0' or '2.1', got '3'"),
    "a number for a choice": (Movie, GOOD | {"version": 2.1}, "m.json.version must be '2.0' or '2.1', got 2.1"),
    "true for a choice of 1": (Literal[1, 2, "all"], True, "m.json must be 1, 2 or 'all', got True"),
    "none of two kinds": (Movie, GOOD | {"path": 3}, "m.json.path must be a text or a list, got 3"),
    "a list with a fault": (Movie, GOOD | {"path": ["a", 3]}, "m.json.path[1] must be a text, got 3"),
    "whole numbers are numbers": (int | float, "3", "m.json must be a number, got '3'"),
    "neither kind": (str | Click, 3, "m.json must be a text or an object, got 3"),
    "an object with a fault": (str | Click, {"row": 1}, "m.json has no 'column'"),
    "kinds by name": (Movie, GOOD | {"drawn": [{"kind": "arc"}]}, "m.json.drawn[0].kind must be 'outline' or 'stroke', got 'arc'"),
    "kind of another kind": (Movie, GOOD | {"drawn": [{"kind": 3}]}, "m.json.drawn[0].kind must be 'outline' or 'stroke', got 3"),
    "no kind": (Outline, {}, "m.json has no 'kind'"),
    "a kind of one alone": (Stroke, {"kind": "outline", "x": 1}, "m.json.kind must be 'stroke', got 'outline'"),
    "a fault in the kind that is named": (
        Movie,
        GOOD | {"drawn": [{"kind": "stroke", "width": "1"}]},
        "m.json.drawn[0].width must be a whole number, got '1'",
    ),
    "a fault deep in the kind that is named": (
        Movie,
        GOOD | {"drawn": [{"kind": "stroke"}, {"kind": "outline", "corners": [[1, 2], [3]]}]},
        "m.json.drawn[1].corners[1] must have 2 entries, got 1",
    ),
    "an unknown key of the kind that is named": (
        Movie,
        GOOD | {"drawn": [{"kind": "stroke", "widht": 1}]},
        "m.json.drawn[0] has an unknown key 'widht'; did you mean 'width'?",
    ),
    "refused by the dataclass": (
        Movie,
        GOOD | {"window": {"low": 3, "high": 2}},
        "m.json.window: low must be below high, got 3.0 and 2.0",
    ),
    "refused by the dataclass at the top": (Window, {"low": 3, "high": 2}, "m.json: low must be below high, got 3.0 and 2.0"),
    "too large for a fraction": (float, 10**400, f"m.json must be a number, got 1{'0' * 79}"),
    "braces": (Window, {"{0} {x}": 1}, "m.json has an unknown key '{0} {x}'; there are low, high"),
    "unknown key beside no choice": (
        Sorted,
        {"by": None, "then_by": None, "x": 1},
        "m.json has an unknown key 'x'; there are by, then_by",
    ),
    "a key of what has none": (Nothing, {"a": 1}, "m.json has an unknown key 'a'; there are none"),
    "lines": (int, "a\nb", "m.json must be a whole number, got 'a\\nb'"),
    "a long text": (int, "a" * 200, f"m.json must be a whole number, got '{'a' * 79}"),
    "half of a character": (Literal["a"], "\udc80", "m.json must be 'a', got '\\udc80'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_sentence_names_place_and_value(name: str) -> None:
    kind, content, message = FAULTS[name]
    for read in (lambda: parse(kind, content, "m.json"), lambda: parse_json(kind, json.dumps(content), "m.json")):
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            read()
        assert str(caught.value) == message
        assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "run.toml must be an object, got []"),
        ({"name": "a"}, "run.toml has no 'frames'"),
        (GOOD | {"name": 3}, "run.toml: name must be a text, got 3"),
        (GOOD | {"window": {"lo": 3}}, "run.toml: window has an unknown key 'lo'; did you mean 'low'?"),
        (GOOD | {"window": {"low": math.inf}}, "run.toml: window: low must be below high, got inf and inf"),
    ],
)
def test_names_of_keys_stand_alone_after_a_colon(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(Movie, content, "run.toml: ")


TEXTS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "m.json is not JSON: line 1, column 1"),
    "no end": (b'{"name":\n [', "m.json is not JSON: line 2, column 3"),
    "words": (b"row,col\n1,2\n", "m.json is not JSON: line 1, column 1"),
    "UTF-16": (b"\xff\xfe{\x00", "m.json is not JSON: it is no text in UTF-8, from byte 0 on"),
    "Latin 1": ('{"name": "ü"}'.encode("latin1"), "m.json is not JSON: it is no text in UTF-8, from byte 10 on"),
    "too deep": ("[" * 100_000, "m.json is not JSON: it is nested too deeply to be read"),
    "too many digits": ("1" * 5000, "m.json cannot be read: a number in it has too many digits"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_not_json(name: str) -> None:
    text, message = TEXTS[name]
    for read in (lambda: json_content(text, "m.json"), lambda: parse_json(Movie, text, "m.json")):
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            read()
        assert str(caught.value) == message


def test_a_mark_of_its_order_may_begin_a_text() -> None:
    assert parse_json(str, '"ü"'.encode("utf-8-sig"), "m.json") == "ü"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1, 2}}, "JSON holds numbers, texts, lists and objects, got set"),
        ([b"a"], "JSON holds numbers, texts, lists and objects, got bytes"),
        (Movie, "JSON holds numbers, texts, lists and objects, got type"),
        ({True: 1}, "keys are texts or whole numbers, got bool"),
        ({1.5: 1}, "keys are texts or whole numbers, got float"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any, message: str) -> None:
    for write in (to_content, to_json):
        with pytest.raises(TypeError, match=f"^{message}$"):
            write(value)


@pytest.mark.parametrize("kind", [set[int], bytes, tuple[complex, ...], list[re.Match], range])
def test_kinds_that_json_cannot_hold_are_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="is no kind of value that can be read from a text"):
        parse(kind, [], "m.json")


def test_pydantic_is_imported_when_it_is_used() -> None:
    code = "import sys, napari_sam2.structured; sys.exit('pydantic' in sys.modules or 'pydantic_core' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
