"""What there is to trace in a study, what has been done, and what of it a reader may see."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from volumetry.errors import ReadError, UsageError
from volumetry.formats import read_mask, read_scan, read_trace
from volumetry.masks.outlines import contours_from_mask
from volumetry.scan import Scan
from volumetry.study.protocol import Blinding, Protocol
from volumetry.study.protocol.repeatability import check_measured_alike
from volumetry.study.rows.pairing import visit_ranks
from volumetry.study.rows.worth import WorthRule, worth_rule
from volumetry.trace import Trace
from volumetry.tracing.disk.journal import minutes_of, read_journal
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.worklist.followed import apart_because, named_otherwise
from volumetry.tracing.worklist.rows import WorklistRow
from volumetry.tracing.worklist.scans import (
    FORMS,
    StudyScan,
    Traced,
    keys_of,
    short_name,
)
from volumetry.tracing.worklist.series import StudyCases, write_choice


class Worklist:
    """The worklist of a study. Made by `read_worklist`.

    Attributes
    ----------
    rows : tuple of WorklistRow
        In the order they are to be read.
    blinding : str
    protocol : Protocol
    reader : str
        For whom it was read.
    nothing_found : str
        What lies in the folder instead, where there is no scan to trace; else empty.
    second_part_opens : datetime or None
        Of a reader study; None while the first part is not signed.
    found : StudyCases
        What lies in the folder, from which another reader's worklist can be made.

    Examples
    --------
    >>> worklist = vt.read_worklist("sample_scans/study", reader="A")
    >>> len(worklist.rows) > 0
    True
    """

    def __init__(
        self,
        *,
        study: Path,
        rows: tuple[WorklistRow, ...],
        protocol: Protocol,
        scans: dict[int, StudyScan],
        reader: str = "",
        nothing_found: str = "",
        not_due: Collection[int] = (),
        second_part_opens: datetime | None = None,
        base: Path | None = None,
        found: StudyCases | None = None,
        n_not_due: int = 0,
    ) -> None:
        self.rows = rows
        self.reader = reader
        self.nothing_found = nothing_found
        self.protocol = protocol
        self.blinding: Blinding = protocol.reading.blinding
        self._study = study
        self._base = base or study
        self.found = found or StudyCases(cases=())
        self._scans = scans
        self._not_due = frozenset(not_due)
        self._n_not_due = n_not_due
        self.second_part_opens = second_part_opens

    def _scan(self, number: int) -> StudyScan:
        if number in self._not_due:
            raise UsageError(
                "not-due",
                "the case is not to be read yet",
                values={"number": number},
                todo="Read the cases that the worklist shows.",
            )
        try:
            return self._scans[number]
        except KeyError:
            raise UsageError(
                "usage", "there is no such scan", values={"number": number}, todo="Choose a row."
            ) from None

    def scan_path(self, number: int) -> Path:
        """Return the file or series folder of a scan. Never to be shown under blinding."""
        return self._study / self._scan(number).scan

    def series_uid(self, number: int) -> str:
        """Return the SeriesInstanceUID to give to `read_scan`; empty where there is none."""
        return self._scan(number).series_uid

    @property
    def n_not_due(self) -> int:
        """Number of reads of a reader study that the reader is not to read yet."""
        return self._n_not_due

    @property
    def n_unfit(self) -> int:
        """Number of visits that are left out: none of their series fits ``[scan]`` of the protocol."""
        return self.found.n_unfit

    @property
    def refused(self) -> dict[int, str]:
        """Scans of which tables refuse a lesion, whatever is traced: number to error code, for instance
        ``patient-unclear`` where a study holds a copy of a series.
        """
        return {number: scan.refused for number, scan in self._scans.items() if scan.refused}

    def choices(self, number: int) -> tuple[str, ...]:
        """Return the series among which somebody has to choose before a scan is read; mostly none.

        In words that may be shown under blinding: plane, weighting, number of slices.
        """
        return tuple(choice.facts for choice in self._scan(number).choices)

    def choice_path(self, number: int, choice: int) -> tuple[Path, str]:
        """Return where one of `choices` lies, and its SeriesInstanceUID. Never to be shown under blinding."""
        chosen = self._scan(number).choices[choice]
        return self._study / chosen.scan, chosen.series_uid

    def choose(self, number: int, choice: int) -> bool:
        """Keep which of `choices` is read, for all readers; return whether nobody had chosen before.

        Read the worklist again afterwards.

        Raises
        ------
        OutputError
            ``read-only``, ``disk-full``: the choice cannot be kept; name another place.
        """
        scan = self._scan(number)
        return write_choice(self._base, scan.chosen_for, scan.choices[choice])

    def place(self, number: int) -> CasePlace:
        """Return where the files of a scan are written: under neutral names where the reading is blinded."""
        return self._scan(number).place

    def next_untraced(self, number: int | None = None) -> int | None:
        """Return the next scan in reading order that has something left to trace by the reader.

        After the last scan the search goes on at the first. A scan is left to trace where a lesion of it is
        untraced or in progress; None where all is saved or signed.

        Parameters
        ----------
        number : int, optional
            The scan that is open; it comes last.
        """
        order = list(dict.fromkeys(row.number for row in self.rows))
        start = order.index(number) + 1 if number in order else 0
        return next((n for n in order[start:] + order[:start] if self._is_left(n)), None)

    def _is_left(self, number: int) -> bool:
        own = [r for r in self.rows if r.number == number and r.reader in ("", self.reader)]
        own = [r for r in own if not r.form or r.reader == self.reader]
        return not own or any(row.state in ("untraced", "in progress") for row in own)

    def file_of(self, number: int, lesion: str) -> Path | None:
        """Return the file of a row with a `form`, or None. Not to be shown under blinding."""
        traced = self._scan(number).traced
        return next((found.path for found in traced if found.form and found.lesion == lesion), None)

    def may_trace(self, reader: str) -> bool:
        """Return whether the protocol lets a reader trace; with no readers named, anybody."""
        readers = self.protocol.reading.readers
        return not readers or reader in readers

    def minutes(self, number: int, reader: str) -> float:
        """Return the minutes that a reader has worked on a scan, by the journals (`minutes_of`)."""
        scan = self._scan(number)
        contents = []
        for key in keys_of(scan, reader):
            for path in scan.place.journals(key, reader):
                with suppress(ReadError):
                    contents.append(read_journal(path))
        return minutes_of(contents)

    @property
    def worth(self) -> WorthRule:
        """By what a change is judged, as the protocol says.

        An error of reads that other rules measured is that of another number, and left out: ``batch`` refuses
        the file.
        """
        rule = worth_rule(self.protocol)
        try:
            check_measured_alike(rule.reading_error, self.protocol.measurement)
        except UsageError:
            return replace(rule, reading_error=None)
        return rule

    def baseline_number(self, number: int) -> int | None:
        """Return the baseline scan of a follow-up; None for a baseline, and under blinding ``time``."""
        wanted = self._scan(number)
        if self.blinding == "time":
            return None
        own = {n: scan for n, scan in self._scans.items() if scan.patient == wanted.patient}
        dates = {scan.visit: scan.study_date for scan in own.values()}
        ranks = visit_ranks(dates, self.protocol.visits)
        first = min(ranks, key=lambda visit: ranks[visit])
        if wanted.visit == first:
            return None
        return min(n for n, scan in own.items() if scan.visit == first)

    def baseline_path(self, number: int) -> Path | None:
        """Return the file or series folder of the baseline scan; None as `baseline_number`."""
        baseline = self.baseline_number(number)
        return None if baseline is None else self.scan_path(baseline)

    def baseline_trace(self, number: int, lesion: str, reader: str = "") -> Trace | None:
        """Return the baseline trace of a lesion: a reader's own, else anybody's; None where there is none.

        Raises
        ------
        VolumetryError
            It is there and cannot be read.
        """
        baseline = self.baseline_number(number)
        return None if baseline is None else self.trace_at(baseline, lesion, reader)

    def trace_at(self, number: int, lesion: str, reader: str = "") -> Trace | None:
        """Return the trace of a lesion on a scan: a reader's own, else anybody's; None where there is none.

        Where the reader is blinded nobody else's is shown, and under blinding ``time`` none. Raises as
        `baseline_trace`.
        """
        found = None if self.blinding == "time" else self._traced_at(number, lesion, reader)
        if found is None or found.path is None:
            return None
        is_native = found.path.name.endswith(".trace.json")
        scan = self.scan_path(number)
        if found.form in (FORMS["seg"], FORMS["mask"]):
            series = read_scan(scan, series_uid=self.series_uid(number) or None)
            return _trace_of_label(found.path, found.lesion, series)
        return read_trace(
            found.path, roi=None if is_native else found.lesion, scan=None if is_native else scan
        )

    def apart_because(self, number: int, baseline: int, lesion: str, reader: str) -> str:
        """Return why a reader's read of a lesion is not compared with that of the baseline scan, in words.

        Empty where it is compared, as `volumetry batch` does, and where the reader is blinded: of others
        nothing is said then.
        """
        if self.blinding != "none":
            return ""
        there, here = (self._readers_of(n, lesion) for n in (baseline, number))
        alike = {t.lesion for t in self._scan(baseline).traced if short_name(t.lesion) == short_name(lesion)}
        if not there and alike:
            return named_otherwise(min(alike), lesion)
        return apart_because(there, here, reader)

    def _readers_of(self, number: int, lesion: str) -> set[str]:
        """Who traced a lesion of this very name on a scan; empty for a file that names nobody."""
        traced = [t for t in self._scan(number).traced if t.path and t.state != "conflict"]
        return {t.reader for t in traced if t.lesion == lesion}

    def _traced_at(self, number: int, lesion: str, reader: str) -> Traced | None:
        traced = self._scan(number).traced
        same = [t for t in traced if t.path and short_name(t.lesion) == short_name(lesion)]
        if self.blinding != "none":
            same = [t for t in same if t.reader == reader]  # what others found is not shown
        same.sort(key=lambda t: (t.reader != reader, t.state == "conflict"))
        return same[0] if same else None


def _trace_of_label(path: Path, lesion: str, scan: Scan) -> Trace | None:
    """The outlines of a label of a mask or SEG; None where no label of it has this name."""
    mask = read_mask(path, scan=scan)
    label = next((label for label in mask.labels if label.name == lesion or len(mask.labels) == 1), None)
    if label is None:
        return None
    return Trace(
        lesion=lesion,
        contours=contours_from_mask(mask, label.number),
        geometry=scan.geometry,
        source=scan.source,
    )
