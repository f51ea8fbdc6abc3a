"""Which side a description names, in the words of several languages; descriptions are written nowhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from volumetry.formats.lesion_names import words_of_name

K = TypeVar("K", bound=Hashable)

_LEFT = """left links linke linker linkes linken gauche izquierda izquierdo sinistra sinistro sinister
esquerda esquerdo vanster vanstra venstre vasen lewy lewa lewe levy hidari"""
_RIGHT = """right rechts rechte rechter rechtes rechten droite droit derecha derecho destra destro dexter
dextra direita direito hoger hogra højre hojre høyre hoyre oikea prawy prawa prawe pravy prava migi"""
_SIDE_OF_WORD = dict.fromkeys(_LEFT.split(), "L") | dict.fromkeys(_RIGHT.split(), "R")
_SIDE_OF_SIGN = {"左": "L", "右": "R"}

_ABBREVIATIONS = (
    ("l", "r"), ("lt", "rt"), ("lft", "rgt"), ("li", "re"), ("lks", "rts"), ("g", "d"), ("izq", "der"),
    ("izda", "dcha"), ("sin", "dx"), ("sin", "dex"), ("sx", "dx"), ("sn", "dx"), ("esq", "dir"),
)  # fmt: skip
"""Left and right. Most mean something else, too (RT: radiotherapy), so one of them alone says nothing."""

MAY_BE_SIDES = frozenset(_SIDE_OF_WORD) | {word for pair in _ABBREVIATIONS for word in pair}
"""Words and abbreviations, in small letters without accents, that may be a side where they stand alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SaidSide:
    """What descriptions of one image say of its side.

    Attributes
    ----------
    side : str
        ``L``, ``R`` or empty: what a whole word says.
    hints : frozenset of (str, str)
        What may name a side: a pair of words, and which of the two stands there, ``L`` or ``R``. It counts
        where another image of the patient has the other word of the pair.
    """

    side: str = ""
    hints: frozenset[tuple[str, str]] = frozenset()


@lru_cache(maxsize=256)
def said_side(descriptions: tuple[str, ...], others: tuple[str, ...] = ()) -> SaidSide:
    """Return what descriptions say of the side of an image.

    Parameters
    ----------
    descriptions : tuple of str
        Of the series: whole words count, those of the first description that has any.
    others : tuple of str
        Of more than the series (the study, the part of the body): hints alone.

    Examples
    --------
    >>> said_side(("T1 cor links",)).side, said_side(("T1 cor LI",)).side
    ('L', '')
    >>> sorted(said_side(("T1 cor LI",)).hints)
    [('li/re', 'L')]
    """
    return SaidSide(
        side=next(filter(None, map(_whole_word, descriptions)), ""),
        hints=frozenset(hint for text in (*descriptions, *others) for hint in _hints(text)),
    )


def sides_apart(said: Mapping[K, SaidSide]) -> dict[K, str]:
    """Return the sides of a patient's images: by a whole word, else by hints that others contradict.

    Examples
    --------
    >>> sides_apart({name: said_side((name,)) for name in ("hip LI", "hip RE", "hip")})
    {'hip LI': 'L', 'hip RE': 'R'}
    """
    hints = {hint for one in said.values() for hint in one.hints}
    apart = {pair for pair, _ in hints if {(pair, "L"), (pair, "R")} <= hints}
    sides = {
        name: one.side or _only(side for pair, side in one.hints if pair in apart)
        for name, one in said.items()
    }
    return {name: side for name, side in sides.items() if side}


def _hints(text: str) -> Iterable[tuple[str, str]]:
    words = _words(text)
    for left, right in _ABBREVIATIONS:
        if (left in words) != (right in words):
            yield f"{left}/{right}", "L" if left in words else "R"
    if side := _whole_word(text):
        yield "left/right", side


def _whole_word(text: str) -> str:
    found = [side for word, side in _SIDE_OF_WORD.items() if word in _words(text)]
    return _only([*found, *(side for sign, side in _SIDE_OF_SIGN.items() if sign in text)])


def _words(text: str) -> frozenset[str]:
    """The words of a text, in small letters without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return frozenset(words_of_name(plain))


def _only(sides: Iterable[str]) -> str:
    found = set(sides)
    return found.pop() if len(found) == 1 else ""
