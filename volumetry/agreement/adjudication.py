"""Where two readers differ, and the outline that they agree on: a consensus beside the originals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.agreement.overlap import Overlap, compare_outlines, differs_beyond
from volumetry.errors import ReadError, UsageError, VolumetryError
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.study.protocol import Protocol, Reading
from volumetry.tables import SIDES, Column, Table, read_table
from volumetry.trace import Provenance, Trace

CONSENSUS = "consensus"
"""The reader of consensus traces. They count as a reader of their own and make no pair in agreement."""

HOW = ("chosen", "drawn")
_WAYS = {"none": HOW, "choose": ("chosen",), "third-reader": ("drawn",)}

DISAGREEMENT_COLUMNS = (
    "site", "patient", "visit", "side", "lesion", "first_reader", "first_volume_mm3", "second_reader",
    "second_volume_mm3", "difference_percent", "dice", "hausdorff95_mm", "to_settle", "consensus",
)  # fmt: skip


def _text(name: str, what: str, *, nullable: bool = False, allowed: tuple[str, ...] = ()) -> Column:
    return Column(name=name, kind="text", what=what, nullable=nullable, allowed=allowed, since="0.2")


DECISIONS = Table(
    name="decisions",
    what="A row per lesion on which readers came to a consensus.",
    key=("site", "patient", "visit", "side", "lesion"),
    columns=(
        _text("site", "As in measurements.csv; needed where sites share names of patients.", nullable=True),
        _text("patient", "As in measurements.csv."),
        _text("visit", "As in measurements.csv."),
        _text("side", "Side in patient coordinates.", nullable=True, allowed=SIDES),
        _text("lesion", "Name of the lesion within the patient."),
        _text("how", "chosen: the outline of one of the readers; drawn: by a third reader.", allowed=HOW),
        _text("reader", "Whose outline becomes the consensus."),
        _text("time", "When it was decided, ISO 8601 with zone; empty: now.", nullable=True),
    ),
)
"""What ``volumetry study adjudicate --decisions`` reads."""

Subject = tuple[str, str, str, str]
"""Patient, visit, side and lesion."""


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Two readers' outlines of one lesion on one scan.

    Attributes
    ----------
    first, second : Trace
    first_volume_mm3, second_volume_mm3 : float or None
        None where the lesion is not measurable.
    overlap : Overlap or None
        None where the traces lie on different grids.
    to_settle : bool
        The volumes differ by more than the threshold, or only one of them could be measured.
    """

    first: Trace
    second: Trace
    first_volume_mm3: float | None
    second_volume_mm3: float | None
    overlap: Overlap | None
    to_settle: bool

    @property
    def difference_percent(self) -> float | None:
        """Second minus first volume, in percent of their mean; None where there is no mean."""
        a, b = self.first_volume_mm3, self.second_volume_mm3
        return None if a is None or b is None or a + b <= 0 else 100 * (b - a) / ((a + b) / 2)


def compare_reads(
    first: Trace, second: Trace, *, threshold_percent: float = 15.0, rule: MeasurementRule | None = None
) -> Disagreement:
    """Compare two readers' outlines of one lesion.

    Parameters
    ----------
    first, second : Trace
        Of one scan.
    threshold_percent : float
        By how much the larger volume may exceed the smaller.
    rule : MeasurementRule, optional

    Returns
    -------
    Disagreement
    """
    volumes = [_volume_mm3(trace, rule) for trace in (first, second)]
    same_grid = first.geometry.voxel_distance(second.geometry) <= 1e-3
    a, b = volumes
    differ = (a is None) != (b is None) if a is None or b is None else differs_beyond(a, b, threshold_percent)
    return Disagreement(
        first=first,
        second=second,
        first_volume_mm3=a,
        second_volume_mm3=b,
        overlap=compare_outlines(first.contours, second.contours, first.geometry) if same_grid else None,
        to_settle=differ,
    )


def _volume_mm3(trace: Trace, rule: MeasurementRule | None) -> float | None:
    try:
        return measure_volume(trace, rule=rule).volume_mm3
    except VolumetryError:
        return None


def consensus_trace(
    outline: Trace, reads: Sequence[Trace], *, how: str, time: str = "", why: str = ""
) -> Trace:
    """Return an outline as the consensus of several reads.

    Parameters
    ----------
    outline : Trace
        The one that was chosen, or that a third reader drew.
    reads : sequence of Trace
        What the consensus is of. They are named by reader and hash; the originals stay as they are.
    how : {"chosen", "drawn"}
    time : str
        When it was decided, ISO 8601 with zone; empty: now.
    why : str
        How it came about, for its reason; empty: ``chosen from`` or ``drawn by``, and whom.

    Returns
    -------
    Trace
        Its reader is ``consensus``, its parent `outline`; its reason says how it came about.

    Raises
    ------
    UsageError
        ``usage``: another way to a consensus, fewer than two readers, or a third reader who is one of them.
    """
    readers = {trace.provenance.reader for trace in reads}
    drawn_by_one_of_them = how == "drawn" and outline.provenance.reader in readers
    chosen_of_none = how == "chosen" and outline.provenance.reader not in readers
    if how not in HOW or len(readers) < 2 or drawn_by_one_of_them or chosen_of_none:
        raise UsageError(
            "usage",
            "the consensus does not fit its reads",
            values={"how": how, "reader": outline.provenance.reader, "reads by": " ".join(sorted(readers))},
            todo="Choose the outline of one of two or more readers, or one drawn by another reader.",
        )
    decided = time or datetime.now(UTC).isoformat(timespec="seconds")
    of = ", ".join(f"{trace.provenance.reader} {trace.sha256}" for trace in _in_order(reads))
    why = why or f"{'chosen from' if how == 'chosen' else 'drawn by'} {outline.provenance.reader}"
    return replace(
        outline,
        provenance=Provenance(
            reader=CONSENSUS,
            time=decided,
            tool=f"volumetry {__version__}",
            protocol=outline.provenance.protocol,
            parent_sha256=outline.sha256,
            reason=f"{why}; of {of}",
            signed_time=decided,
        ),
    )


def _in_order(traces: Iterable[Trace]) -> list[Trace]:
    return sorted(traces, key=lambda trace: (trace.provenance.reader, trace.provenance.read))


# -- a study folder ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ReadLesion:
    """The native traces of one lesion on one scan.

    Attributes
    ----------
    subject : tuple
        Patient, visit, side and lesion.
    reads : mapping of reader to its path and trace
        The first read of every reader.
    consensus : tuple or None
        Path and trace.
    scan, series_uid : str
        The scan, relative to the study folder.
    site : str
    """

    subject: Subject
    reads: Mapping[str, tuple[Path, Trace]]
    consensus: tuple[Path, Trace] | None
    scan: str = ""
    series_uid: str = ""
    site: str = ""

    def disagreements(
        self, *, threshold_percent: float = 15.0, rule: MeasurementRule | None = None
    ) -> tuple[Disagreement, ...]:
        """Compare every two readers."""
        traces = [self.reads[reader][1] for reader in sorted(self.reads)]
        return tuple(
            compare_reads(first, second, threshold_percent=threshold_percent, rule=rule)
            for first, second in combinations(traces, 2)
        )


def read_lesions(
    study: Path | str, *, traces: Path | str | None = None, protocol: Protocol | None = None
) -> tuple[ReadLesion, ...]:
    """Return every lesion of a study folder that two or more readers have traced on one scan.

    Parameters
    ----------
    study : path
    traces : path, optional
        Where traces lie that are kept apart from the scans.
    protocol : Protocol, optional
        Its ``[identity]`` says where patient and visit are named, its ``[scan]`` which series count.

    Raises
    ------
    ReadError, UsageError
        The folder cannot be read.
    """
    from volumetry.formats import read_trace
    from volumetry.study.finding.discovery import discover

    folder = Path(study)
    default_site = "" if protocol is None else protocol.site
    found: dict[tuple[str, str, str, str, str, str, str], dict[tuple[str, int], tuple[Path, Trace]]] = {}
    for case in discover(folder, traces=traces, protocol=protocol):
        if not case.trace.endswith(".trace.json") or case.error is not None or ".conflict-" in case.trace:
            continue
        path = folder / case.trace
        trace = read_trace(path)
        if not trace.provenance.reader:
            continue
        site = case.site or default_site
        key = (site, case.patient, case.visit, trace.side, trace.lesion, case.scan, case.series_uid)
        held = found.setdefault(key, {})
        held[trace.provenance.reader, trace.provenance.read] = (path, trace)
    lesions = []
    for key, reads in sorted(found.items()):
        first = {reader: traced for (reader, _), traced in sorted(reads.items(), reverse=True)}
        consensus = first.pop(CONSENSUS, None)
        if len(first) > 1:
            site, patient, visit, side, lesion, scan, series_uid = key
            lesions.append(
                ReadLesion(
                    subject=(patient, visit, side, lesion),
                    reads=first,
                    consensus=consensus,
                    scan=scan,
                    series_uid=series_uid,
                    site=site,
                )
            )
    return tuple(lesions)


def disagreement_rows(
    lesions: Iterable[ReadLesion], *, threshold_percent: float = 15.0
) -> list[dict[str, Any]]:
    """Return a row per pair of readers, with the columns of `DISAGREEMENT_COLUMNS`."""
    rows = []
    for lesion in lesions:
        for pair in lesion.disagreements(threshold_percent=threshold_percent):
            patient, visit, side, name = lesion.subject
            consensus = lesion.consensus[1].provenance.reason.split(";")[0] if lesion.consensus else ""
            values = (
                lesion.site, patient, visit, side, name, pair.first.provenance.reader, pair.first_volume_mm3,
                pair.second.provenance.reader, pair.second_volume_mm3, pair.difference_percent,
                pair.overlap.dice if pair.overlap else None,
                pair.overlap.hausdorff95_mm if pair.overlap else None,
                "yes" if pair.to_settle else "no", consensus,
            )  # fmt: skip
            rows.append(dict(zip(DISAGREEMENT_COLUMNS, values, strict=True)))
    return rows


def consensus_of_decisions(
    lesions: Sequence[ReadLesion], decisions: Path | str, *, reading: Reading | None = None
) -> list[tuple[ReadLesion, Path, Trace]]:
    """Return the consensus of every decision of a table.

    Parameters
    ----------
    lesions : sequence of ReadLesion
    decisions : path
        A CSV table as `DECISIONS` declares it.
    reading : Reading, optional
        Its readers, where it names them: anybody else is a third reader. Without them, a third reader is
        whoever a row calls so. Its rule for a consensus.

    Returns
    -------
    list of (lesion, path of the outline that was taken, consensus)

    Raises
    ------
    ReadError
        ``not-found``: a row's lesion or reader is not there.
    UsageError
        ``invalid-table``; ``usage`` where a decision does not fit the reads.
    """
    rows = read_table(decisions, DECISIONS, required=("patient", "visit", "lesion", "how", "reader"))
    reading = reading or Reading()
    ways = ways_to_consensus(reading)
    by_subject: dict[Subject, list[ReadLesion]] = {}
    for one in lesions:
        by_subject.setdefault(one.subject, []).append(one)
    made = []
    for row in rows:
        subject = (row["patient"], row["visit"], row.get("side") or "", row["lesion"])
        lesion = _of_site(by_subject.get(subject, ()), row.get("site") or "", subject, decisions)
        if lesion is None or row["reader"] not in lesion.reads:
            raise ReadError(
                "not-found",
                "no two readers have traced the lesion, or not the one of the decision",
                where=decisions,
                values={"lesion": " ".join(filter(None, subject)), "reader": row["reader"]},
                todo="Write them as volumetry study adjudicate lists them.",
            )
        if row["how"] not in ways:
            raise UsageError(
                "usage",
                "the protocol lets readers come to a consensus in another way",
                where=decisions,
                values={"how": row["how"], "consensus": reading.consensus},
                todo=f"Write {' or '.join(ways)}, or change [reading] consensus.",
            )
        time = row.get("time") or ""
        consensus = decided(lesion, row["reader"], how=row["how"], reading=reading, time=time)
        made.append((lesion, lesion.reads[row["reader"]][0], consensus))
    return made


def _of_site(
    lesions: Sequence[ReadLesion], site: str, subject: Subject, decisions: Path | str
) -> ReadLesion | None:
    """The lesion that a decision is of: of its site; without one, of all sites that have such a lesion."""
    meant = [lesion for lesion in lesions if not site or lesion.site == site]
    if len({lesion.site for lesion in meant}) > 1:
        raise UsageError(
            "usage",
            "several sites have a patient with a lesion of that name",
            where=decisions,
            values={"lesion": " ".join(filter(None, subject)), "sites": " ".join(x.site for x in meant)},
            todo="Name the site in a column site.",
        )
    return meant[-1] if meant else None


def ways_to_consensus(reading: Reading) -> tuple[str, ...]:
    """Return the ways of `HOW` that the protocol lets readers come to a consensus."""
    return _WAYS[reading.consensus]


def decided(
    lesion: ReadLesion, reader: str, *, how: str, reading: Reading | None = None, time: str = ""
) -> Trace:
    """Return the consensus of a lesion: the outline of one of its readers, chosen, or drawn by a third.

    Parameters
    ----------
    lesion : ReadLesion
    reader : str
        Whose outline is taken.
    how : {"chosen", "drawn"}
    reading : Reading, optional
        Its readers, where it names them: anybody else is a third reader.
    time : str
        When it was decided; empty: now.

    Raises
    ------
    UsageError
        ``usage``: as `consensus_trace`.
    """
    named = () if reading is None else reading.readers
    named = named or tuple(name for name in lesion.reads if how == "chosen" or name != reader)
    others = [trace for name, (_, trace) in lesion.reads.items() if name in named]
    return consensus_trace(lesion.reads[reader][1], others, how=how, time=time)
