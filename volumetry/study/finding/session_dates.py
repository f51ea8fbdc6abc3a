"""Dates of visits: of BIDS sessions, from the tables of sessions and of scans, and of names."""

from __future__ import annotations

import csv
import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from volumetry.study.cases import Case
from volumetry.study.finding.names import bids_who, folder_of
from volumetry.study.identity import date_in_name, date_of_name, date_of_table

Who = tuple[str, str]
"""Subject and session: ``sub-01``, ``ses-2``."""

_LOG = logging.getLogger(__name__)
_MAX_BYTES = 1 << 20
_SESSIONS, _SCANS = "_sessions.tsv", "_scans.tsv"
_NUMBER = re.compile(r"ses-0*(\d+)")


def is_table_of_dates(name: str) -> bool:
    """Return whether a file is a table of BIDS that says when the sessions or scans of a subject were.

    >>> is_table_of_dates("bids/sub-01/sub-01_sessions.tsv"), is_table_of_dates("participants.tsv")
    (True, False)
    """
    return name.endswith((_SESSIONS, _SCANS)) and name.rpartition("/")[2].startswith("sub-")


def session_dates(root: Path | str, tables: Iterable[str], sessions: Collection[Who] = ()) -> dict[Who, str]:
    """Return the ISO date of every session, by subject and session.

    The column ``acq_time`` is read; a table that has none, or that cannot be read, gives no dates. A session
    whose scans were made on several days has the first of them. One that has two dates otherwise has none,
    which is a warning in the log; and so is one without a date that can be read, where others have one.

    Parameters
    ----------
    root : path
        The study folder.
    tables : iterable of str
        Files below it that `is_table_of_dates`: of the data set, and of its derivatives.
    sessions : collection of (str, str)
        Sessions of which there are files: ``ses-02`` is the ``ses-2`` of a table that has no other.
    """
    of_sessions, of_scans = defaultdict[Who, set[str]](set), defaultdict[Who, set[str]](set)
    for name in sorted(tables):
        table = of_sessions if name.endswith(_SESSIONS) else of_scans
        for who, text in _rows(Path(root) / name, name):
            table[who].add("" if text in ("", "n/a") else date_of_table(text[:10]) or text)
    dates = {
        who: _day(of_sessions.get(who, set()), of_scans.get(who, set()))
        for who in {**of_sessions, **of_scans}
    }
    dated_subjects = {subject for (subject, _), day in dates.items() if day}
    unclear = [
        who
        for who, day in dates.items()
        if not day and (who[0] in dated_subjects or any(of_sessions[who] | of_scans[who]))
    ]
    if unclear:
        _LOG.warning(
            "acq_time in tables of BIDS gives no date (yyyy-mm-ddThh:mm:ss), or several, for %d sessions: "
            "their order and days do not come from it",
            len(unclear),
        )
    return dates | _otherwise_written(dates, sessions)


def _day(of_session: set[str], of_scans: set[str]) -> str:
    """The date of a session by what the two kinds of tables say of it; empty where they disagree."""
    said, made = of_session - {""}, of_scans - {""}
    if not all(map(date_of_table, said | made)) or len(said) > 1 or (said and made and not said <= made):
        return ""
    return min(said or made, default="")


def _otherwise_written(dates: Mapping[Who, str], sessions: Collection[Who]) -> dict[Who, str]:
    """Dates of sessions that the tables write with more or fewer zeros, where none but one may be meant."""
    others: dict[Who, list[Who]] = defaultdict(list)
    for who in dates:
        if who not in sessions:
            others[_plain(who)].append(who)
    missing: dict[Who, list[Who]] = defaultdict(list)
    for who in sessions:
        if who not in dates:
            missing[_plain(who)].append(who)
    return {
        mine[0]: dates[others[plain][0]]
        for plain, mine in missing.items()
        if len(mine) == 1 and len(others.get(plain, ())) == 1
    }


def _plain(who: Who) -> Who:
    matched = _NUMBER.fullmatch(who[1])
    return who[0], f"ses-{matched[1]}" if matched else who[1]


def _rows(path: Path, name: str) -> Iterator[tuple[Who, str]]:
    """Sessions and texts of dates of a table that has them."""
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > _MAX_BYTES:
            return
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = list(csv.DictReader(lines, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error):
        return
    subject = path.name.removesuffix(_SESSIONS)
    for row in rows:
        if "acq_time" not in row:
            return
        text = (row["acq_time"] or "").strip()
        if name.endswith(_SESSIONS):
            session = (row.get("session_id") or "").strip()
            who = (subject, session if session.startswith("ses-") else f"ses-{session}") if session else None
        else:
            file = (row.get("filename") or "").strip()
            who = bids_who(f"{folder_of(name)}/{file}") if file else None
        if who is not None and who[1]:
            yield who, text


def dated(case: Case, sessions: Mapping[Who, str] | None = None) -> Case:
    """Return a case with the date of its visit, where BIDS or the visit's own name gives it."""
    if case.study_date:
        return case
    day = (sessions or {}).get((case.patient, case.visit), "") or date_of_name(case.visit)
    day = day or date_in_name(case.visit)
    return replace(case, study_date=day) if day else case
