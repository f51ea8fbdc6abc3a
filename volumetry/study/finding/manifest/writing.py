"""The manifest that discovery would use, written to be corrected by hand and read again."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from volumetry.study.cases import Case, are_several_lesions
from volumetry.study.finding.discovery import discover
from volumetry.study.finding.manifest.table import ASKED, MANIFEST, NEEDS_A_SERIES
from volumetry.study.protocol import Protocol
from volumetry.tables import Row, csv_cell


def manifest_text(
    folder: Path | str,
    *,
    protocol: Protocol | None = None,
    traces: Path | str | None = None,
    base: Path | str | None = None,
) -> str:
    """Return the manifest of a folder as CSV: a line for every case that a batch would measure.

    Parameters
    ----------
    folder : path
    protocol : Protocol, optional
    traces : path, optional
        Folder of tracings that are kept apart.
    base : path, optional
        Folder that the manifest will lie in, to which its paths are relative; by default `folder`.

    Returns
    -------
    str
        A visit whose series is not decided has a line without a scan, and its candidates as comments, each a
        line that becomes one of the manifest without its ``#``. A case whose patient or visit is not
        believed, or whose headers contradict each other on its date, has none, which reading refuses until
        somebody writes it. Masks whose names differ have a lesion such as ``? cyst``: they stay
        `ambiguous-lesion`, as in the folder, until somebody writes what they are.

    Raises
    ------
    ReadError, UsageError
        As `volumetry.study.finding.discovery.discover`.
    """
    protocol = protocol or Protocol()
    folder = Path(folder)
    cases = discover(folder, protocol=protocol, traces=traces)
    lines = _Lines(folder, Path(base) if base is not None else folder, cases, protocol)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(MANIFEST.column_names)
    for line in lines.all():
        if isinstance(line, str):
            text.write(f"# {line}\n")
        else:
            writer.writerow(line)
    return text.getvalue()


class _Lines:
    """The lines of a manifest: rows of cells, and comments."""

    def __init__(self, folder: Path, base: Path, cases: Sequence[Case], protocol: Protocol) -> None:
        self.folder, self.base, self.cases, self.protocol = folder, base, cases, protocol
        series = {(case.scan, case.series_uid) for case in cases if case.series_uid}
        places = Counter(_folder_of(scan, folder) for scan, _ in series)
        self.shared = {place for place, count in places.items() if count > 1}
        self.described: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for case in cases:
            if case.trace and case.form == "mask" and not case.lesion:
                self.described[_unit(case)].add(case.described)

    def all(self) -> Iterator[list[str] | str]:
        if any(case.besides for case in self.cases):
            yield "labels that dataset.json does not name have no line: add one with their number as label"
        if any(map(are_several_lesions, self.described.values())):
            yield (
                f"ambiguous-lesion: the names of masks differ. A lesion that begins with {ASKED} is what a "
                "name may say, or it is a side, reader or read: it is not compared until somebody writes it"
            )
        undecided: set[tuple[str, str, str]] = set()
        for case in self.cases:
            if case.besides:
                continue
            code = "" if case.error is None else case.error.code
            if code in NEEDS_A_SERIES:
                visit = (case.site, case.patient, case.visit)
                if visit not in undecided:
                    undecided.add(visit)
                    yield f"{code}: take the lines of the right series, without #, for the one below"
                    yield from self._candidates(case)
                continue
            row = self._row(case)
            if code in ("patient-unclear", "visit-unclear"):
                assert case.error is not None
                yield f"{code}: {case.error.what}; write the {code.partition('-')[0]} into the line below"
                row["patient"] = ASKED if code == "patient-unclear" else row["patient"]
                row["visit"] = ASKED if code == "visit-unclear" else row["visit"]
            elif case.order_doubted and case.visit not in self.protocol.visits:
                yield "visit-order-unknown: its dates contradict each other; write visit and study_date below"
                row["visit"] = ASKED
            elif code:
                yield f"{code}: this file cannot be used as it is"
            yield self._cells(row)

    def _candidates(self, case: Case) -> Iterator[list[str] | str]:
        """The series that may be meant at a visit, each with its tracings; and the line to be replaced."""
        visit = (case.site, case.patient, case.visit)
        untraced: Row = dict.fromkeys(("side", "lesion", "reader", "read", "scan", "trace", "label", "roi"))
        traced: dict[str, list[Case]] = defaultdict(list)
        for other in self.cases:
            is_meant = other.error is not None and other.error.code in NEEDS_A_SERIES
            if other.trace and is_meant and (other.site, other.patient, other.visit) == visit:
                traced[other.scan or other.trace].append(other)
        for scan, facts in case.candidates:
            yield f"candidate: {_plain(facts)}"
            plain = self._row(case) | untraced | {"scan": self._path(scan)}
            for row in [self._row(own) for own in traced.pop(scan, ())] or [plain]:
                yield self._as_text(row)
        for others in traced.values():
            for other in others:
                yield "a tracing of another series:"
                yield self._as_text(self._row(other))
        asked = f"{ASKED} {case.error.code}" if case.trace and case.error is not None else None
        yield self._cells(self._row(case) | untraced | {"scan": asked})

    def _row(self, case: Case) -> Row:
        return {
            "patient": case.patient,
            "visit": case.visit,
            "study_date": case.study_date,
            "visit_order": case.visit_order,
            "side": case.side,
            "lesion": case.lesion or self._asked_lesion(case),
            "reader": case.reader,
            "read": case.read,
            "scan": self._scan(case),
            "trace": self._path(case.trace),
            "label": case.label,
            "roi": "+".join(map(str, case.joined)) or case.roi,
            "site": case.site or self.protocol.site,
        }

    def _asked_lesion(self, case: Case) -> str:
        """What a mask's name may say of its lesion, to be confirmed, where names of masks differ."""
        is_asked = case.form == "mask" and are_several_lesions(self.described.get(_unit(case), ()))
        return f"{ASKED} {case.described}".strip() if is_asked else ""

    def _scan(self, case: Case) -> str:
        """The scan; a file of the series where its folder holds several."""
        is_shared = case.series_uid and _folder_of(case.scan, self.folder) in self.shared
        return self._path(case.scan_files[0] if is_shared and case.scan_files else case.scan)

    def _path(self, name: str) -> str:
        if not name:
            return ""
        return os.path.relpath(self.folder.absolute() / name, self.base.absolute()).replace(os.sep, "/")

    def _cells(self, row: Row) -> list[str]:
        first, *others = (csv_cell(row[name]) for name in MANIFEST.column_names)
        return [f"'{first}" if f"{first} ".startswith("# ") else first, *others]  # else it is a comment

    def _as_text(self, row: Row) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(self._cells(row))
        return text.getvalue()


def _unit(case: Case) -> tuple[str, ...]:
    """What may be followed as one lesion; its side may be said by the file alone."""
    return case.site, case.patient, case.lesion, case.reader


def _folder_of(scan: str, folder: Path) -> str:
    return str(PurePosixPath(scan).parent) if (folder / scan).is_file() else scan


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
