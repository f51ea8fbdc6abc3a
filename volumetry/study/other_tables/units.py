"""Units of volume, in cells and in the names of columns of somebody else's table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

UNITS_MM3 = {"mm3": 1.0, "ul": 1.0, "cmm": 1.0, "cm3": 1e3, "ccm": 1e3, "cc": 1e3, "ml": 1e3, "cl": 1e4}
UNITS_MM3 |= {"dl": 1e5, "dm3": 1e6, "l": 1e6, "m3": 1e9, "um3": 1e-9}
"""Units of volume, in mm3."""
_PREFIXES = {"milli": "m", "mili": "m", "micro": "u", "mikro": "u", "centi": "c", "zenti": "c"}
_PREFIXES |= {"deci": "d", "dezi": "d"}
_SCALES = "|".join(_PREFIXES)
_LITRES = rf"({_SCALES})?lit(?:er|re|ro|ri)[ns]?"
_CUBIC = rf"(?:cubic|cu|kubik)[ .-]*({_SCALES}|[mcd])? ?m(?:et(?:er|re)s?)?"
_OTHER_SCRIPTS = {"мм3": "mm3", "см3": "cm3", "мл": "ml", "литр": "l", "л": "l"}
_OTHER_SCRIPTS |= {"立方毫米": "mm3", "立方厘米": "cm3", "毫升": "ml", "升": "l", "ミリリットル": "ml"}
_VOLUME = re.compile(
    rf"(?<!\w)(?:[mcdu]m ?\^?3|m\^3|[mcdu]l|l(?!['’])|ccm|c\.?c\.?|cmm|{_LITRES}|{_CUBIC})(?!\w)"
    r"|(?<!\w)(?:[мс]м\^?3|мл|литр|л)(?!\w)"
    r"|立方毫米|立方厘米|毫升|升|ミリリットル",
    re.IGNORECASE,
)
_MULTIPLE = re.compile(
    r"(?<!\w)[x×*]? ?(?:10 ?\^ ?\d|1[ ,.']?000(?:[ ,.']?000)?|100|1e ?\d)[ x×*]*$", re.IGNORECASE
)
_PER = re.compile(
    r"[)\]]? ?(?:/|per\b|pro\b|je\b) ?"
    r"(?:k?g|m ?\^?2|min|s|sec|h|d|days?|weeks?|months?|years?|tag|woche|monat|jahr)(?!\w)",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"%|(?<!\w)(?i:per ?cent|prozent|n?vox(?:el\w*)?|px|pixels?)(?!\w)(?![ -]?(?:based|wise|size))"
    r"|(?<![\w.])(?<!\d )[mc]m(?: ?\^?2)?(?!\w)(?! ?\^?3)|[(\[](?:k?g|mg|HU|m\^?[23])[)\]]"
)
_IN_BRACKETS_ALONE = re.compile(r"[CDU]L")
"""In capitals they may be other words, such as upper lobes."""
_GLUED = re.compile(r"(vol(?:umes?|umen)?)(?=(?:[mcdu]m\^?3|[mudc]l|ccm?)(?![^\W\d_]))", re.IGNORECASE)
"""The end of *vol* before a unit: ``volml``, ``VolMM3``."""
_HUMP = re.compile(r"(?<=[a-zà-ÿ]{2})(?=[A-Z])")
_ONE_L = re.compile(r"(?<!\w)l(?!\w)")


def unit_of(cell: str) -> str:
    """Return the key of `UNITS_MM3` that a text is; a text that is none where it is no unit.

    Examples
    --------
    >>> [unit_of(text) for text in ("cm³", "mm^3", "µL", "c.c.", "millilitres", "mg")]
    ['cm3', 'mm3', 'ul', 'cc', 'ml', 'mg']
    """
    text = re.sub(r"[\s.^*_-]", "", _plain(cell).casefold())
    if litres := re.fullmatch(_LITRES, text):
        return f"{_PREFIXES.get(litres[1] or '', '')}l"
    if cubic := re.fullmatch(_CUBIC, text):
        return f"{_PREFIXES.get(cubic[1] or '', cubic[1] or '')}m3"
    return _OTHER_SCRIPTS.get(text, text)


def are_units(cells: Collection[str]) -> bool:
    """Return whether all texts are units of volume, and there are some."""
    return bool(cells) and all(unit_of(cell) in UNITS_MM3 for cell in cells)


def units_in_name(name: str, names: Sequence[str] = ()) -> Iterator[tuple[str, float | None]]:
    """Yield what the name of a column of volumes says of their unit, and its size.

    Parameters
    ----------
    name : str
    names : sequence of str
        Of all columns: where one differs in R for L, the L is a side and no litre.

    Yields
    ------
    text : str
    size_mm3 : float or None
        Of the unit; None of what is no unit of volume: a length, a share, a multiple, a volume per weight.

    Examples
    --------
    >>> [*units_in_name("Vol [mm³]")], [*units_in_name("volumeMl")], [*units_in_name("Vol_M3")]
    ([('mm^3', 1.0)], [('Ml', 1000.0)], [])
    >>> [*units_in_name("Vol L", ["Vol L", "Vol R"])], [*units_in_name("EDV ml/m²")]
    ([], [('ml/m^2', None)])
    """
    text = _spaced(name)
    for found in _VOLUME.finditer(text):
        unit = unit_of(found[0])
        if unit == "l" and found[0] in "lL" and _is_side(text, found.start(), names):
            continue
        if _IN_BRACKETS_ALONE.fullmatch(found[0]) and text[found.start() - 1 : found.start()] not in (
            "(",
            "[",
        ):
            continue
        per, times = _PER.match(text, found.end()), _MULTIPLE.search(text[: found.start()])
        whole = text[times.start() if times else found.start() : per.end() if per else found.end()]
        yield whole.strip(), None if per or times else UNITS_MM3[unit]
    for other in _OTHER.finditer(_VOLUME.sub(" ", text)):
        yield other[0], None


def _is_side(text: str, place: int, names: Sequence[str]) -> bool:
    """Whether an L that stands alone is a side: it comes first, or another column has R for it."""
    other = _ONE_L.sub("r", text.casefold())
    return not text[:place].strip() or any(_spaced(name).casefold() == other for name in names)


def _spaced(name: str) -> str:
    return _HUMP.sub(" ", _GLUED.sub(r"\1 ", _plain(name)))


def _plain(text: str) -> str:
    """A text with one character for each: µ is u, ³ is ^3, and a blank stands for the underscore."""
    powers = text.replace("³", "^3").replace("²", "^2").replace("**", "^")
    return unicodedata.normalize("NFKC", powers).replace("μ", "u").replace("_", " ")


__all__: list[str] = ["UNITS_MM3", "are_units", "unit_of", "units_in_name"]
