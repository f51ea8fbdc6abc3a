"""Which rows of ``measurements.csv`` are reads of the same lesion, and how they were repeated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from volumetry.error_model import ErrorKind

KINDS: tuple[ErrorKind, ...] = ("within_reader", "between_readers", "rescan")


@dataclass(frozen=True, kw_only=True)
class Read:
    """One measured read of a lesion at a visit, from a row of ``measurements.csv``.

    Attributes
    ----------
    site, patient, side, lesion, visit, reader : str
    read : int
    volume_mm3 : float
        0 where the reader says that the lesion is absent, NaN where it could not be measured.
    height_rule, trace, region, scan, scan_sha256, series_uid : str
        As in the table.
    """

    site: str
    patient: str
    side: str
    lesion: str
    visit: str
    reader: str
    read: int
    volume_mm3: float
    height_rule: str = ""
    trace: str = ""
    region: str = ""
    scan: str = ""
    scan_sha256: str = ""
    series_uid: str = ""

    @property
    def subject(self) -> tuple[str, ...]:
        """The lesion at the visit: what was read several times."""
        return (self.site, self.patient, self.side, self.lesion, self.visit)

    @property
    def who(self) -> tuple[str, str]:
        """The patient, whose lesions are not independent of each other."""
        return (self.site, self.patient)

    @property
    def image(self) -> str:
        """The images that were read."""
        return self.scan_sha256 or self.series_uid or self.scan


@dataclass(frozen=True, kw_only=True)
class ReadPair:
    """Two reads of one lesion at one visit.

    Attributes
    ----------
    kind : {"within_reader", "between_readers", "rescan"}
        One reader twice; two readers, each with the first read; two scans of one visit by one reader, each
        with the first read.
    first, second : Read
    """

    kind: ErrorKind
    first: Read
    second: Read

    @property
    def left_out(self) -> str:
        """Why the volumes of the pair are not compared, or an empty text."""
        volumes = (self.first.volume_mm3, self.second.volume_mm3)
        if any(map(math.isnan, volumes)):
            return "one read could not be measured"
        if not all(volumes):
            return "one read says that the lesion is absent"
        same_rule = self.first.height_rule == self.second.height_rule
        return "" if same_rule else "the reads are measured by different height rules"


def reads_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Read, ...]:
    """Return the reads of a table in its order; the volume of an absent lesion is 0."""
    found = []
    for row in rows:
        status = row.get("status")
        volume = {"absent": 0.0, "not_measurable": math.nan}.get(str(status), row.get("volume_mm3"))
        if status not in ("measured", "absent", "not_measurable") or volume is None:
            continue
        texts = {name: str(row.get(name) or "") for name in _TEXTS}
        found.append(Read(**texts, read=int(row.get("read") or 1), volume_mm3=float(volume)))
    return tuple(found)


_TEXTS = (
    "site", "patient", "side", "lesion", "visit", "reader", "height_rule", "trace", "region", "scan",
    "scan_sha256", "series_uid",
)  # fmt: skip


def read_pairs(reads: Sequence[Read]) -> tuple[ReadPair, ...]:
    """Return all pairs of reads of one lesion, by how they were repeated.

    Consensus reads come of other reads and make no pair, nor do two reads of which neither has a volume.
    """
    subjects: dict[tuple[str, ...], list[Read]] = {}
    for read in reads:
        if read.reader != "consensus":
            subjects.setdefault(read.subject, []).append(read)
    pairs = []
    for group in subjects.values():
        for first, second in combinations(sorted(group, key=lambda r: (r.reader, r.read, r.trace)), 2):
            kind = _kind(first, second, group)
            if kind is not None and any(read.volume_mm3 > 0 for read in (first, second)):
                pairs.append(ReadPair(kind=kind, first=first, second=second))
    return tuple(pairs)


def _kind(first: Read, second: Read, group: Sequence[Read]) -> ErrorKind | None:
    rescanned = bool(first.image and second.image and first.image != second.image)
    same_reader = first.reader == second.reader
    if same_reader and not rescanned:
        return "within_reader"
    if rescanned and not same_reader:
        return None
    # A second read of the same images by the same reader differs by less than another scan or reader.
    both_first = all(
        read.read == min(r.read for r in group if (r.reader, r.image) == (read.reader, read.image))
        for read in (first, second)
    )
    if not both_first:
        return None
    return "rescan" if rescanned else "between_readers"


@dataclass(frozen=True, kw_only=True)
class RepeatedVolumes:
    """The reads of one kind as a table: a row a lesion (and, within readers, a reader), a column a read.

    Attributes
    ----------
    kind : str
    volumes_mm3 : tuple of tuple of float
        NaN where a read is missing.
    patients : tuple of (site, patient)
        Of each row.
    columns : tuple of str
        What the columns are: readers, or the number of the read.
    """

    kind: ErrorKind
    volumes_mm3: tuple[tuple[float, ...], ...]
    patients: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]

    @property
    def either_order(self) -> bool:
        """Whether these are three and more readers, of whom none comes first."""
        return self.kind == "between_readers" and len(self.columns) > 2


def repeated_volumes(pairs: Sequence[ReadPair], kind: ErrorKind) -> RepeatedVolumes:
    """Arrange the reads of one kind of pairs in a table of lesions and reads."""
    rows: dict[tuple[str, ...], dict[str, Read]] = {}
    for pair in pairs:
        if pair.kind != kind:
            continue
        for read in (pair.first, pair.second):
            row, column = _cell(read, kind)
            rows.setdefault(row, {})[column] = read
    if kind == "rescan":
        rows = {row: _numbered(cells) for row, cells in rows.items()}
    columns = sorted({column for cells in rows.values() for column in cells}, key=lambda c: (len(c), c))
    nan = float("nan")
    return RepeatedVolumes(
        kind=kind,
        volumes_mm3=tuple(
            tuple(cells[c].volume_mm3 if c in cells else nan for c in columns) for cells in rows.values()
        ),
        patients=tuple(next(iter(cells.values())).who for cells in rows.values()),
        columns=tuple(columns),
    )


def _cell(read: Read, kind: ErrorKind) -> tuple[tuple[str, ...], str]:
    if kind == "between_readers":
        return read.subject, read.reader
    if kind == "within_reader":
        return (*read.subject, read.reader), str(read.read)
    return (*read.subject, read.reader), f"{read.image}\x1f{read.read}"


def _numbered(cells: Mapping[str, Read]) -> dict[str, Read]:
    """Number the scans of a visit, since their names mean nothing from lesion to lesion."""
    return {str(i): cells[name] for i, name in enumerate(sorted(cells), start=1)}
