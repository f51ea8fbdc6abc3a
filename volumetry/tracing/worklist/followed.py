"""Whose reads of a lesion at two visits are one change: as `volumetry batch` pairs them."""

from __future__ import annotations

from collections.abc import Collection

NOBODY = "somebody whom the file does not name"
UNNAMED = (
    "The tracing at baseline names no reader: it is compared with no named reader's. If it is yours, open "
    "that visit, take it over and save it."
)


def apart_because(baseline: Collection[str], here: Collection[str], reader: str) -> str:
    """Return why the read of a reader is not compared with what was traced at baseline; empty where it is.

    Parameters
    ----------
    baseline, here : collection of str
        Who traced the lesion at baseline, and at the visit in view; empty for a file that names nobody.
    reader : str
        Who traces it now.

    Notes
    -----
    A lesion is followed within a reader. Where each of two visits has one reader and these differ, they are
    one change; where a visit has several, nobody says which of them counts. A tracing whose reader is not
    named is paired with no named reader's (decision record 0021).

    Examples
    --------
    >>> apart_because({"CD", "EF"}, set(), "AB")
    'At baseline it was read by CD and EF, not by AB: nobody says which of them is compared with AB.'
    >>> apart_because({""}, set(), "AB").partition(":")[0]
    'The tracing at baseline names no reader'
    """
    others = {name for name in here if name != reader}
    if not baseline or reader in baseline:
        return ""
    if set(baseline) == {""}:
        return UNNAMED
    if len(baseline) > 1:
        return (
            f"At baseline it was read by {_named(baseline)}, not by {reader}: nobody says which of them is "
            f"compared with {reader}."
        )
    if others:
        return (
            f"At baseline it was read by {_named(baseline)}, not by {reader}, and here by {_named(others)}, "
            f"too: nobody says which of them is compared."
        )
    return ""


def named_otherwise(baseline: str, lesion: str) -> str:
    """Return why a lesion is not compared with one whose name at baseline is written otherwise.

    Examples
    --------
    >>> named_otherwise("lesion_R1", "R1")
    'At baseline it is named lesion_R1: tables take R1 for another lesion. Give both one name.'
    """
    return f"At baseline it is named {baseline}: tables take {lesion} for another lesion. Give both one name."


def _named(readers: Collection[str]) -> str:
    names = sorted(name or NOBODY for name in readers)
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
