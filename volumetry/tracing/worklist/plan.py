"""Planning a reader study: its protocol, and the assignment of its scans to readers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from volumetry.agreement.adjudication import CONSENSUS
from volumetry.errors import UsageError
from volumetry.study.protocol import Protocol, protocol_of_study
from volumetry.study.reading import more_reads, plan_reads
from volumetry.tracing.worklist.assignment import (
    Assignment,
    extended,
    n_begun,
    read_assignment,
    write_assignment,
)
from volumetry.tracing.worklist.scans import StudyScan, scans_of_study, short_name
from volumetry.tracing.worklist.series import cases_of_study


def plan_study(
    study: Path | str, *, protocol: Protocol | None = None, place: Path | str | None = None
) -> tuple[Assignment, Path]:
    r"""Assign the scans of a study folder to its readers, and write the assignment.

    Once the reading has begun, scans and readers that came later are added, and no read that was planned
    changes.

    Parameters
    ----------
    study : path
    protocol : Protocol, optional
        Its readers, seed, repeats and order; `study.toml` in the folder by default.
    place : path, optional
        Where traces are written, if not in the study folder.

    Returns
    -------
    assignment : Assignment
        The private key, in ``.volumetry/blinded/assignment.json``.
    table : Path
        ``reading_plan.csv``, which the readers may see.

    Raises
    ------
    ReadError, UsageError, OutputError
        The folder or the protocol does not fit, the reading has begun by another plan, or it cannot be
        written.

    Examples
    --------
    >>> import shutil
    >>> _ = shutil.copytree("sample_scans/study", "study")
    >>> text = '[reading]\nreaders = ["A", "B"]\nblinding = "time"\n'
    >>> _ = Path("study/study.toml").write_text(text)
    >>> assignment, _ = vt.plan_study("study")
    >>> assignment.repeat_days
    14
    """
    study = Path(study)
    base = study if place is None else Path(place)
    protocol = protocol_of_study(study, base) if protocol is None else protocol
    scans = scans_of_study(cases_of_study(study, protocol), study, base)
    _check_chosen(scans, study)
    reading = protocol.reading
    assignment = Assignment(
        seed=reading.seed,
        repeat_days=reading.repeat_days,
        reads=plan_reads([scan.identity for scan in scans], reading),
        lesions={scan.identity: _lesions_of(scan.patient, scans, reading.readers) for scan in scans},
        repeat_share=reading.repeat_share,
        order=reading.order,
    )
    earlier = read_assignment(base) if n_begun(base) else None
    if earlier is not None:
        reads = more_reads(earlier.reads, [scan.identity for scan in scans], reading)
        assignment = extended(earlier, assignment, reads) or assignment
    return assignment, write_assignment(base, assignment)


def _check_chosen(scans: Sequence[StudyScan], study: Path) -> None:
    """A read that is planned is of one series."""
    open_choices = [scan for scan in scans if scan.choices]
    if open_choices:
        raise UsageError(
            "several-matching-series",
            "of some visits several series fit [scan] of the protocol",
            where=study,
            values={"visits": len(open_choices), "first": open_choices[0].choices[0].scan},
            todo="Open these visits in the tracer and choose, or ask for more in [scan].",
        )


def _lesions_of(
    patient: str, scans: Sequence[StudyScan], readers: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Lesions of a patient that somebody else than the readers has named, from any visit."""
    found = {
        (short_name(traced.lesion), traced.side)
        for scan in scans
        if scan.patient == patient
        for traced in scan.traced
        if traced.reader not in (*readers, CONSENSUS) and traced.lesion
    }
    return tuple(sorted(found))
