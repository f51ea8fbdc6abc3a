"""Dates of visits: of BIDS sessions, from ``sub-<label>_sessions.tsv``, and of names."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from volumetry.study.cases import Case
from volumetry.study.identity import date_in_name, date_of_name

_MAX_BYTES = 1 << 20


def session_dates(root: Path | str) -> dict[tuple[str, str], str]:
    """Return the ISO date of every session below a folder, by subject and session (``sub-01, ses-2``).

    The column ``acq_time`` is read; a table that has none, or that cannot be read, gives no dates. A session
    with two dates has none.
    """
    dates: dict[tuple[str, str], str] = {}
    for pattern in ("sub-*/sub-*_sessions.tsv", "sub-*_sessions.tsv"):
        for path in sorted(Path(root).glob(pattern)):
            subject = path.name.removesuffix("_sessions.tsv")
            for session, day in _rows(path):
                key = subject, session if session.startswith("ses-") else f"ses-{session}"
                dates[key] = day if dates.get(key, day) == day else ""
    return dates


def _rows(path: Path) -> list[tuple[str, str]]:
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > _MAX_BYTES:
            return []
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    rows = csv.DictReader(lines, delimiter="\t")
    found = [(row.get("session_id") or "", date_of_name((row.get("acq_time") or "")[:10])) for row in rows]
    return [(session, day) for session, day in found if session and day]


def dated(case: Case, sessions: Mapping[tuple[str, str], str] | None = None) -> Case:
    """Return a case with the date of its visit, where BIDS or the visit's own name gives it."""
    if case.study_date:
        return case
    day = (sessions or {}).get((case.patient, case.visit), "") or date_of_name(case.visit)
    day = day or date_in_name(case.visit)
    return replace(case, study_date=day) if day else case
