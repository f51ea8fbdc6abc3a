"""Which series of each visit is read: the protocol's ``[scan]``, and where several fit, what a reader chose.

A choice is a file of its own below the hidden folder of the study (or of what stands for it). The first
choice counts, for all readers and for good.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.files.atomic import make_folder
from volumetry.study.cases import Case
from volumetry.study.protocol import Protocol
from volumetry.study.protocol.scan import ScanSection
from volumetry.tracing.disk.exclusive import create_exclusively
from volumetry.tracing.disk.places import HIDDEN

FOLDER = "series"

Visit = tuple[str, str, str]
"""Site, patient, visit."""


@dataclass(frozen=True, kw_only=True)
class SeriesChoice:
    """A series of a visit that fits the protocol beside others.

    Attributes
    ----------
    scan, series_uid : str
        Where it lies. Never to be shown under blinding.
    facts : str
        Plane, weighting and number of slices, in words; nothing in it tells whose scan it is.
    """

    scan: str
    series_uid: str
    facts: str

    @property
    def identity(self) -> str:
        """Path and series, as `StudyScan.identity` has them."""
        return f"{self.scan} {self.series_uid}".strip()


@dataclass(frozen=True, kw_only=True)
class StudyCases:
    """What was found in a study folder, as far as the protocol reads it.

    Attributes
    ----------
    cases : tuple of Case
        Of the series that are read; of a visit that somebody has to decide, none.
    choices : mapping of visit to tuple of SeriesChoice
        Of every visit for which several series fit, decided or not.
    """

    cases: tuple[Case, ...]
    choices: Mapping[Visit, tuple[SeriesChoice, ...]] = field(default_factory=dict)
    _members: tuple[Case, ...] = ()

    @property
    def n_unfit(self) -> int:
        """Number of visits without a series that fits the protocol."""
        unfit = {(c.site, c.patient, c.visit) for c in self.cases if _has_code(c, "no-matching-series")}
        fit = {(c.site, c.patient, c.visit) for c in self.cases if c.error is None}
        return len(unfit - fit)

    def cases_of(self, choice: SeriesChoice) -> tuple[Case, ...]:
        """Return the cases of a series that was chosen."""
        wanted = (choice.scan, choice.series_uid)
        return tuple(case for case in self._members if (case.scan, case.series_uid) == wanted)


def cases_of_study(study: Path, protocol: Protocol) -> StudyCases:
    """Look around in a study folder, and find the series that the protocol reads.

    Raises
    ------
    ReadError, UsageError
        As `volumetry.study.finding.discovery.discover`.
    """
    from volumetry.study.finding.discovery import discover
    from volumetry.study.finding.series_choice import fitting_series

    cases = discover(study, protocol=protocol)
    open_visits = {(c.site, c.patient, c.visit) for c in cases if _has_code(c, "several-matching-series")}
    if not open_visits:
        return StudyCases(cases=tuple(cases))
    everything = discover(study, protocol=replace(protocol, scan=ScanSection()))
    members = tuple(c for c in everything if (c.site, c.patient, c.visit) in open_visits)
    fitting = fitting_series(members, protocol.scan, study)
    choices = {
        visit: tuple(
            SeriesChoice(scan=case.scan, series_uid=case.series_uid, facts=facts) for case, facts in found
        )
        for visit, found in fitting.items()
    }
    kept = tuple(c for c in cases if not _has_code(c, "several-matching-series"))
    return StudyCases(cases=kept, choices=choices, _members=members)


def _has_code(case: Case, code: str) -> bool:
    return case.error is not None and case.error.code == code


def _path(base: Path, visit: Visit) -> Path:
    # Names of visits are not names of files.
    name = sha256(json.dumps(visit).encode()).hexdigest()[:32]
    return base / HIDDEN / FOLDER / f"{name}.json"


def read_choice(base: Path, visit: Visit) -> tuple[str, str] | None:
    """Return (scan, SeriesInstanceUID) of the series that was chosen for a visit; None where none was.

    Raises
    ------
    ReadError
        ``unreadable``.
    """
    path = _path(base, visit)
    try:
        document = json.loads(path.read_bytes())
        return str(document["scan"]), str(document["series_uid"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(
            "unreadable",
            "the choice of a series cannot be read",
            where=path,
            values={"reason": str(error)[:80]},
            todo="Restore it from a backup, or delete the file and choose again.",
        ) from None


def write_choice(base: Path, visit: Visit, choice: SeriesChoice) -> bool:
    """Keep a choice; return whether it is the first, and so the one that counts.

    Raises
    ------
    OutputError
        ``read-only``, ``disk-full``: name another place.
    """
    path = _path(base, visit)
    make_folder(path.parent)
    document = {"scan": choice.scan, "series_uid": choice.series_uid}
    return create_exclusively(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
