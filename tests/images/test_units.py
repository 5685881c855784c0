"""Units by whatever people and programs write for them, and their sizes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from napari_sam2.images.units import OME_ZARR_UNITS, UNITS, convert, names_none, unit_of

PREFIXES = "yocto zepto atto femto pico nano micro milli centi deci deca hecto kilo mega giga tera peta exa zetta yotta"
SPELLINGS = {
    "micrometer": [
        *("µm", "μm", "um", "UM", "Um", "µM", "µm.", " µm ", "(µm)", "[um]", "µ", "㎛"),
        *("micron", "microns", "Microns", "MICRON", "micrometer", "Micrometers", "micrometre", "micrometres", "micro-meter"),
        *("micro metres", "µmeters", "umetres", "\\u00B5m", "\\u00b5m", "\\u03BCm", "\\\\u00B5m", "&micro;m", "&#181;m", "&#xB5;m"),
        *("&mu;m", "&amp;micro;m", "�m"),
    ],
    "nanometer": ["nm", "nm.", "NM", "nanometer", "nanometers", "nanometre", "Nanometres"],
    "picometer": ["pm", "picometer", "picometres"],
    "millimeter": ["mm", "mm.", "millimeter", "Millimetres"],
    "centimeter": ["cm", "CM", "cm.", "centimeter", "centimetres"],
    "decimeter": ["dm", "decimetre"],
    "meter": ["m", "meter", "meters", "metre", "Metres"],
    "kilometer": ["km", "KM", "Km", "kilometre", "kilometers"],
    "megameter": ["Mm", "megameter", "megametres"],
    "gigameter": ["Gm", "gigametre"],
    "angstrom": ["Å", "å", "Å", "A\u030a", "angstrom", "Angstroms", "ångström", "Ångströms", "&Aring;", "\\u00C5"],
    "inch": ["in", "in.", "In", "IN", "inch", "inches", "Inches", "INCH"],
    "foot": ["ft", "ft.", "foot", "feet", "FEET"],
    "yard": ["yd", "yards"],
    "mile": ["mi", "miles"],
    "thou": ["thou"],
    "point": ["pt", "points"],
    "line": ["li", "lines"],
    "astronomical_unit": ["ua", "astronomical unit", "astronomical units"],
    "light_year": ["ly", "light year", "light-years", "lightyear"],
    "parsec": ["pc", "parsecs"],
    "second": ["s", "sec", "sec.", "secs", "SEC", "second", "Seconds"],
    "millisecond": ["ms", "msec", "msecs", "MSEC", "millisecond", "milliseconds"],
    "microsecond": ["µs", "μs", "us", "usec", "µsec", "US", "microsecond", "Microseconds", "\\u00B5s", "&micro;s", "�s"],
    "nanosecond": ["ns", "nsec", "nanoseconds"],
    "picosecond": ["ps", "picosecond"],
    "minute": ["min", "min.", "mins", "Min", "minute", "Minutes"],
    "hour": ["h", "hr", "hrs", "hr.", "hour", "Hours"],
    "day": ["d", "day", "days", "Days"],
    "kilosecond": ["ks", "kiloseconds"],
    "megasecond": ["Ms", "megasecond"],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name: str) -> None:
    assert {spelling: getattr(unit_of(spelling), "name", None) for spelling in SPELLINGS[name]} == dict.fromkeys(
        SPELLINGS[name], name
    )


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman"])
@pytest.mark.parametrize(
    ("spelling", "name"), [("µm", "micrometer"), ("μm", "micrometer"), ("µs", "microsecond"), ("Å", "angstrom")]
)
def test_bytes_of_utf8_taken_for_another_encoding_one_to_three_times(spelling: str, name: str, encoding: str) -> None:
    text = spelling
    for _ in range(3):
        text = text.encode().decode(encoding)
        unit = unit_of(text)
        assert unit is not None, text
        assert unit.name == name, text


def test_what_such_a_unit_looks_like() -> None:
    """As they are found in files."""
    for text in ("Âµm", "Ã‚Âµm", "Ãƒâ€šÃ‚Âµm", "Î¼m", "¬µm", "Ã\x82Âµm", "\\u00c2\\u00b5m"):
        unit = unit_of(text)
        assert unit is not None, text
        assert unit.name == "micrometer", text


UNKNOWN = [
    *("M", "S", "H", "D", "A", "K", "MM", "mM", "MS", "mS", "PM", "GM", "gm", "m/s", "µm/px", "furlong", "µm²", "meter per second"),
    *(
        "2",
        "?",
        "µ m x",
        "xm",
        "um um",
        "\\u00B5",
        "&",
        "&;",
        "\\uZZZZm",
        "Â",
        "µg",
        "micro",
        "kilo",
        "�",
        "�g",
        "mol",
        "inchs",
        "\x00",
    ),
]


@pytest.mark.parametrize("spelling", [spelling for spelling in UNKNOWN if spelling != "\\u00B5"])
def test_what_is_not_known_or_could_be_several(spelling: str) -> None:
    assert unit_of(spelling) is None
    assert not names_none(spelling)


@pytest.mark.parametrize(
    "spelling", [None, "", " ", "pixel", "Pixels", "px", "PX.", "(pixel)", "voxels", "frame", "reference frame", "null"]
)
def test_what_says_that_there_is_no_unit(spelling: str | None) -> None:
    assert unit_of(spelling) is None
    assert names_none(spelling)


def test_every_unit_by_its_name_and_symbols() -> None:
    for name, unit in UNITS.items():
        assert (unit_of(name), unit_of(unit.symbol), unit_of(unit.ascii_symbol), unit.name) == (unit, unit, unit, name)
        assert unit_of(name.upper() + "S" * (name not in ("inch", "foot"))) is unit
        assert unit.ascii_symbol.isascii()
    assert len({unit.symbol for unit in UNITS.values()}) == len(UNITS)


def test_units_of_ome_xml() -> None:
    """Its schema, 2016-06: all of UnitsLength but pixel and reference frame, which have no size, and all of UnitsTime."""
    lengths = "Ym Zm Em Pm Tm Gm Mm km hm dam m dm cm mm µm nm pm fm am zm ym Å thou li in ft yd mi ua ly pc pt"  # 32
    times = "Ys Zs Es Ps Ts Gs Ms ks hs das s ds cs ms µs ns ps fs as zs ys min h d"
    assert sorted(unit.symbol for unit in UNITS.values() if unit.kind == "length") == sorted(lengths.split())
    assert sorted(unit.symbol for unit in UNITS.values() if unit.kind == "time") == sorted(times.split())


def test_units_of_ome_zarr() -> None:
    """Its list, version 0.5."""
    powers = [prefix for prefix in PREFIXES.split() if prefix != "deca"]
    lengths = {"angstrom", "foot", "inch", "meter", "mile", "parsec", "yard", *(f"{power}meter" for power in powers)}
    times = {"day", "hour", "minute", "second", *(f"{power}second" for power in powers)}
    assert lengths | times == OME_ZARR_UNITS


@pytest.mark.parametrize(
    ("size", "unit", "wanted", "expected"),
    [
        (2.0, "nanometer", "micrometer", 0.002),
        (0.1, "micrometer", "nanometer", 100.0),
        (1.0, "inch", "millimeter", 25.4),
        (1.0, "foot", "inch", 12.0),
        (72.0, "point", "inch", 1.0),
        (1.0, "mile", "kilometer", 1.609344),
        (3.0, "angstrom", "picometer", 300.0),
        (1.0, "light_year", "kilometer", 9_460_730_472_580.8),
        (90.0, "second", "minute", 1.5),
        (1.0, "day", "hour", 24.0),
        (7.0, "micrometer", "micrometer", 7.0),
    ],
)
def test_conversion(size: float, unit: str, wanted: str, expected: float) -> None:
    assert convert(size, unit, wanted) == expected


def test_sizes() -> None:
    assert {name: UNITS[name].size for name in ("thou", "line", "parsec", "femtosecond")} == {
        "thou": Fraction(254, 10**7),
        "line": Fraction(254, 120_000),
        "parsec": 30_856_775_814_913_673,
        "femtosecond": Fraction(1, 10**15),
    }
