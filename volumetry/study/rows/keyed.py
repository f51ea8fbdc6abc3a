"""Rows with what says whose they are: what the rules work on that join tracings to lesions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from volumetry.study.cases import Case

Keyed = tuple[Case, int, dict[str, str]]
"""A case, the place of one of its rows, and the cells that say whose it is."""


def lesion_of(cells: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    """Return what one lesion by one reader has alike at every visit: site, patient, side, lesion, reader."""
    return cells["site"], cells["patient"], cells["side"], cells["lesion"], cells["reader"]


def traces_of(rows: Sequence[Keyed], places: Iterable[int]) -> list[str]:
    """Return the traced files of the rows at some places, each once, sorted."""
    return sorted({rows[place][2]["trace"] for place in places})
