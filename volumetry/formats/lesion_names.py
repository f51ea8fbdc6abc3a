"""What the name of a region, or a code beside it, says about the side of a lesion."""

from __future__ import annotations

from collections.abc import Iterable

_SIDE_OF_CODE = {"7771000": "L", "G-A101": "L", "24028007": "R", "G-A100": "R"}


_SPINE = ("spine", "spinal", "vertebra", "vertebrae", "vertebral")
"""``L-spine`` is the lumbar spine, and no side."""


def side_of_codes(codes: Iterable[str]) -> str:
    """Return the side that code values say: ``L``, ``R``, or empty where they say none, or both.

    The codes are those of DICOM's context group of laterality (PS3.16, CID 244): SNOMED CT, and the SNOMED-RT
    values that older files have.
    """
    found = {_SIDE_OF_CODE[code] for code in codes if code in _SIDE_OF_CODE}
    return found.pop() if len(found) == 1 else ""


def side_of_name(name: str) -> str:
    """Return the side that a region's name clearly says: ``L``, ``R`` or empty.

    Clear are a word of its own, ``left``, ``right``, ``l`` or ``r``, and the letter followed by a number
    after the word *lesion*, as in ``lesion_L1``; a bare ``L3`` may as well be a vertebra. Words are parted
    by anything that is no letter or digit, and where small letters turn into a capital. Both sides in one
    name, or neither, say nothing.
    """
    words = words_of_name(name)
    found = {
        "L" if word[0] == "l" else "R"
        for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False)
        if _is_side(word, before) and not (word == "l" and after in _SPINE)
    }
    return found.pop() if len(found) == 1 else ""


def words_of_name(name: str) -> list[str]:
    """Return the words of a name in small letters; they are parted as `side_of_name` says."""
    spaced = "".join(
        f" {c}" if c.isupper() and before.islower() else (c if c.isalnum() else " ")
        for before, c in zip(f" {name}", name, strict=False)
    )
    return spaced.lower().split()


def _is_side(word: str, before: str) -> bool:
    if word in ("left", "right", "l", "r"):
        return True
    return before == "lesion" and word[0] in "lr" and word[1:].isdecimal()
