"""Units of length and time: their names, and what people and programs write for them.

All units of OME-XML that have a size are here: those of the SI with every prefix, and the others of its lists. Names are those of
UDUNITS, as OME-Zarr has them, symbols those of OME-XML.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Kind = Literal["length", "time"]


@dataclass(frozen=True)
class Unit:
    """A unit of length or time.

    Attributes
    ----------
    name : str
        As in OME-Zarr, such as ``micrometer``.
    symbol : str
        As in OME-XML, such as ``µm``.
    kind : {"length", "time"}
        What it measures.
    size : Fraction
        In metres or seconds.
    words : tuple of str
        Other spellings in which upper and lower case mean the same.
    symbols : tuple of str
        Other short signs, in which they do not.
    """

    name: str
    symbol: str
    kind: Kind
    size: Fraction
    words: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    @property
    def ascii_symbol(self) -> str:
        """The symbol, or a word for it, in letters of ASCII."""
        return {"Å": "angstrom"}.get(self.symbol, self.symbol.replace("µ", "u"))


_PREFIXES = {
    "yotta": ("Y", 24),
    "zetta": ("Z", 21),
    "exa": ("E", 18),
    "peta": ("P", 15),
    "tera": ("T", 12),
    "giga": ("G", 9),
    "mega": ("M", 6),
    "kilo": ("k", 3),
    "hecto": ("h", 2),
    "deca": ("da", 1),
    "": ("", 0),
    "deci": ("d", -1),
    "centi": ("c", -2),
    "milli": ("m", -3),
    "micro": ("µ", -6),
    "nano": ("n", -9),
    "pico": ("p", -12),
    "femto": ("f", -15),
    "atto": ("a", -18),
    "zepto": ("z", -21),
    "yocto": ("y", -24),
}
_MORE_WORDS = {
    "micrometer": ("micron", "mikron", "umeter", "umetre"),
    "microsecond": ("usecond",),
    "decameter": ("dekameter", "dekametre"),
    "decasecond": ("dekasecond",),
}
_INCH, _YEAR_OF_LIGHT_M = Fraction(254, 10_000), 299_792_458 * 31_557_600


def _si_units() -> Iterator[Unit]:
    for prefix, (letter, power) in _PREFIXES.items():
        size = Fraction(10) ** power
        is_micro = prefix == "micro"
        length, time = f"{prefix}meter", f"{prefix}second"
        # a micron was once written as the prefix alone
        yield Unit(
            length, f"{letter}m", "length", size, (f"{prefix}metre", *_MORE_WORDS.get(length, ())), ("um", "µ") if is_micro else ()
        )
        # nobody abbreviates a megasecond as Msec
        short = () if power > 0 else ("us", "usec", "µsec") if is_micro else (f"{letter}sec",)
        yield Unit(time, f"{letter}s", "time", size, _MORE_WORDS.get(time, ()), short)


_OTHERS = (
    Unit("angstrom", "Å", "length", Fraction(10) ** -10, ("ang", "angstroem"), ("å",)),
    Unit("thou", "thou", "length", _INCH / 1000),
    Unit("point", "pt", "length", _INCH / 72),
    Unit("line", "li", "length", _INCH / 12),
    Unit("inch", "in", "length", _INCH, ("inches",)),
    Unit("foot", "ft", "length", 12 * _INCH, ("feet",)),
    Unit("yard", "yd", "length", 36 * _INCH),
    Unit("mile", "mi", "length", 63_360 * _INCH),
    Unit("astronomical_unit", "ua", "length", Fraction(149_597_870_700)),
    Unit("light_year", "ly", "length", Fraction(_YEAR_OF_LIGHT_M), ("lightyear",)),
    Unit("parsec", "pc", "length", Fraction(30_856_775_814_913_673)),
    Unit("minute", "min", "time", Fraction(60)),
    Unit("hour", "h", "time", Fraction(3600), ("hr",)),
    Unit("day", "d", "time", Fraction(86_400)),
)
UNITS = {unit.name: unit for unit in (*_si_units(), *_OTHERS)}
"""All units by name."""

OME_ZARR_UNITS = frozenset(UNITS) - {"decameter", "decasecond", "thou", "point", "line", "astronomical_unit", "light_year"}
"""Names of those that OME-Zarr lists."""

_NONE = {
    *("", "pixel", "pixels", "px", "pix", "voxel", "voxels", "frame", "frames"),
    # what programs write where nobody chose a unit; the last is the word of OME-XML
    *("none", "null", "unknown", "unitless", "reference frame"),
}


def names_none(spelling: Any) -> bool:
    """Return whether a text means that there is no unit, rather than an unknown one: ``pixel``, or nothing at all."""
    return spelling is None or _decoded(str(spelling)).strip(" .()[]").lower() in _NONE


def unit_of(spelling: Any) -> Unit | None:
    r"""Find the unit that a text means.

    Parameters
    ----------
    spelling : object
        A symbol (``µm``, ``um``, ``in.``), a name in British or American spelling, in any case, one or many (``Micrometres``,
        ``inches``, ``secs``); the micro sign in each of its forms: either letter of Unicode, escaped (``\u00B5m``, ``&micro;m``),
        or decoded wrongly, up to three times (``Âµm``).

    Returns
    -------
    Unit or None
        None where there is no unit of that name, or several. Case decides between symbols that differ by it: ``mm``
        and ``Mm`` are two units, ``MM`` could be either, and a single letter is what it is: ``M`` is no metre.
    """
    text = _decoded(str(spelling)).strip(" .()[]")
    if text in _SIGNS:
        return _SIGNS[text]
    word = _key(text)
    # a sign in another case is meant where no other differs by case alone, and no capital letter makes it
    signs = _SIGNS_BY_KEY.get(word, []) if len(word) > 1 else []
    units = {_SIGNS[sign].name for sign in signs}
    return _WORDS.get(word) or (_SIGNS[signs[0]] if len(units) == 1 and signs[0].islower() else None)


def convert(size: float, unit: str, wanted: str) -> float:
    """Convert a size from one unit to another, both by name and of the same kind; rounded once."""
    return size if unit == wanted else float(Fraction(size) * UNITS[unit].size / UNITS[wanted].size)


_ENCODINGS = ("cp1252", "latin-1", "mac-roman")
_MAX_DECODINGS = 3


def _decoded(text: str) -> str:
    """Write special letters in one way, whatever became of them on the way here."""
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), html.unescape(html.unescape(text)))
    for _ in range(_MAX_DECODINGS):
        text = _decoded_once_less(text)
    # a letter that could not be decoded: of all signs only that of micro is none of ASCII
    text = re.sub(r"^\ufffd(?=[ms])", "µ", text)
    # one sign for micro and one for Å
    return unicodedata.normalize("NFKC", text).replace("μ", "µ").strip()


def _decoded_once_less(text: str) -> str:
    """Undo that bytes of UTF-8 were taken for those of another encoding, if they were."""
    for encoding in () if text.isascii() else _ENCODINGS:
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text


def _key(text: str) -> str:
    """Leave out what does not count in a word: case, accents, but not of a letter that stands alone, and what separates parts."""
    word = re.sub(r"[\s_-]+", "", text).casefold()
    if len(word) > 1:
        word = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
    return word.replace("μ", "u")


def _words(unit: Unit) -> Iterator[str]:
    for word in (unit.name, *unit.words):
        yield _key(word)
        if word not in ("inch", "inches", "foot", "feet"):
            yield f"{_key(word)}s"


def _signs(unit: Unit) -> Iterator[str]:
    for sign in (unit.symbol, *unit.symbols):
        yield sign
        if sign.endswith("sec") or sign == "min":
            yield f"{sign}s"


_WORDS = {word: unit for unit in UNITS.values() for word in _words(unit)}
_SIGNS = {sign: unit for unit in UNITS.values() for sign in _signs(unit)}
_SIGNS_BY_KEY: dict[str, list[str]] = {}
for _sign in _SIGNS:
    _SIGNS_BY_KEY.setdefault(_key(_sign), []).append(_sign)
