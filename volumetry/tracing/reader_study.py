"""What the coordinator of a reader study asks for: how far it is, and what the readers agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from volumetry.agreement.adjudication import (
    CONSENSUS,
    ReadLesion,
    consensus_of_decisions,
    read_lesions,
)
from volumetry.agreement.agreed_reads import agreed_consensus
from volumetry.errors import ReadError
from volumetry.study.protocol import Protocol
from volumetry.trace import Trace
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.disk.revisions import save_revision
from volumetry.tracing.worklist.assignment import read_assignment
from volumetry.tracing.worklist.of_study import read_worklist
from volumetry.tracing.worklist.rows import STATES
from volumetry.tracing.worklist.scans import CaseState

STATUS_COLUMNS = ("reader", "reads", "signed", "saved", "in_progress", "untraced", "not_due", "second_part")
CASE_COLUMNS = ("reader", "position", "case", "state")


@dataclass(frozen=True, kw_only=True)
class CaseStatus:
    """How far one read is.

    Attributes
    ----------
    reader : str
    position : int
        In the reader's order, from 1.
    case : str
        Its neutral name.
    state : str
        As in the worklist, the least advanced of its lesions; ``not due`` where it is not served yet.
    """

    reader: str
    position: int
    case: str
    state: CaseState | str


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    r"""How far a reader study is. Nothing in it says which scan a case is, or whether it is a repeat.

    Attributes
    ----------
    cases : tuple of CaseStatus
    second_parts : mapping of reader to when the second part opens
        None while the first part is not signed.

    Examples
    --------
    >>> import shutil
    >>> _ = shutil.copytree("sample_scans/study", "study")
    >>> text = '[reading]\nreaders = ["A", "B"]\nblinding = "time"\n'
    >>> _ = Path("study/study.toml").write_text(text)
    >>> assignment, _ = vt.plan_study("study")
    >>> len(vt.study_status("study").cases) > 0
    True
    """

    cases: tuple[CaseStatus, ...]
    second_parts: dict[str, datetime | None]

    def rows(self) -> list[dict[str, object]]:
        """Return a row per reader, with the columns of `STATUS_COLUMNS`."""
        found = []
        for reader, opens in self.second_parts.items():
            states = [case.state for case in self.cases if case.reader == reader]
            counts = {name: states.count(name) for name in (*STATES, "not due")}
            row: dict[str, object] = {"reader": reader, "reads": len(states)}
            row |= {name: counts[name.replace("_", " ")] for name in STATUS_COLUMNS[2:7]}
            found.append(row | {"second_part": opens.isoformat(timespec="seconds") if opens else ""})
        return found


def study_status(
    study: Path | str, *, place: Path | str | None = None, now: datetime | None = None
) -> StudyStatus:
    r"""Return who has read what.

    Parameters
    ----------
    study : path
    place : path, optional
        Where traces are written, if not in the study folder.
    now : datetime, optional
        With zone; the present by default.

    Raises
    ------
    ReadError
        ``not-found``: the study was not planned; ``unreadable``.

    Examples
    --------
    >>> import shutil
    >>> _ = shutil.copytree("sample_scans/study", "study")
    >>> text = '[reading]\nreaders = ["A", "B"]\nblinding = "time"\n'
    >>> _ = Path("study/study.toml").write_text(text)
    >>> assignment, _ = vt.plan_study("study")
    >>> {case.reader for case in vt.study_status("study").cases} == {"A", "B"}
    True
    """
    base = Path(study if place is None else place)
    assignment = read_assignment(base)
    if assignment is None:
        raise ReadError(
            "not-found",
            "there is no reader study here",
            where=base,
            todo="Plan one with volumetry study plan.",
        )
    cases, opens = [], {}
    for reader in assignment.readers:
        worklist = read_worklist(study, reader=reader, place=place, now=now)
        states: dict[int, list[CaseState]] = {}
        for row in worklist.rows:
            states.setdefault(row.number, []).append(row.state)
        for read in assignment.of_reader(reader):
            held = states.get(read.number)
            state: str = "not due" if held is None else min(held, key=STATES.index)
            cases.append(
                CaseStatus(
                    reader=reader, position=read.position, case=assignment.case_name(read), state=state
                )
            )
        opens[reader] = worklist.second_part_opens
    return StudyStatus(cases=tuple(cases), second_parts=opens)


def settle(
    study: Path | str,
    decisions: Path | str,
    *,
    traces: Path | str | None = None,
    protocol: Protocol | None = None,
) -> tuple[Path, ...]:
    """Save the consensus of every decision beside the traces that it came of.

    The originals stay as they are. Decided again, the earlier consensus is kept among the versions.

    Parameters
    ----------
    study : path
    decisions : path
        A CSV table: patient, visit, side, lesion, how (chosen, drawn), reader, time.
    traces : path, optional
        Where traces lie that are kept apart from the scans.
    protocol : Protocol, optional
        Its ``[reading]`` says who the readers are and how they come to a consensus.

    Returns
    -------
    tuple of Path
        The files written; none for a consensus that is there already.

    Raises
    ------
    ReadError, UsageError
        A decision does not fit; nothing has been written then.
    OutputError

    Examples
    --------
    >>> from volumetry.errors import VolumetryError
    >>> try:
    ...     vt.settle("sample_scans/study", "decisions.csv")
    ... except VolumetryError as error:
    ...     print(error.code)
    not-found
    """
    reading = None if protocol is None else protocol.reading
    lesions = read_lesions(study, traces=traces, protocol=protocol)
    written = []
    for lesion, taken, consensus in consensus_of_decisions(lesions, decisions, reading=reading):
        saved = save_consensus(lesion, taken, consensus)
        if saved is not None:
            written.append(saved)
    return tuple(written)


def settle_agreed(
    lesions: Sequence[ReadLesion], reader: str, *, threshold_percent: float = 15.0
) -> tuple[Path, ...]:
    """Save one reader's outline as the consensus of every lesion on which all readers agree.

    Raises
    ------
    UsageError
        ``usage``: the reader has read none of the lesions.
    OutputError
    """
    found = list(agreed_consensus(lesions, reader, threshold_percent=threshold_percent))
    saved = [save_consensus(lesion, taken, consensus) for lesion, taken, consensus in found]
    return tuple(path for path in saved if path is not None)


def save_consensus(lesion: ReadLesion, taken: Path, consensus: Trace) -> Path | None:
    """Save the consensus of a lesion beside the trace that was taken; None where it is there already.

    An earlier one is kept among the versions.

    Raises
    ------
    OutputError
    """
    place = CasePlace(folder=taken.parent)
    held = lesion.consensus
    if held is not None and held[1].provenance.reason == consensus.provenance.reason:
        return None
    path = held[0] if held is not None else place.trace(consensus.lesion, CONSENSUS)
    parent = held[1].sha256 if held is not None else ""
    return save_revision(consensus, path, parent_sha256=parent, versions=place.versions).path
