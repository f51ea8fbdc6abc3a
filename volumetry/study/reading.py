"""Who reads what in which order: the assignment of a reader study, with repeats that nobody can recognise.

Every reader has two parts. The first holds first reads only. The second holds the repeats, mixed with as many
scans that the reader has not seen (as far as there are any), and opens as a whole, so that neither the place
of a case nor the day on which it appears says whether it is a repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from volumetry.errors import UsageError
from volumetry.study.protocol import Reading

RESERVED_READER = "consensus"
"""Whose reads are those that readers agreed on."""


@dataclass(frozen=True, kw_only=True)
class PlannedRead:
    """One read of one scan by one reader.

    Attributes
    ----------
    reader : str
    position : int
        In the reader's order, from 1.
    part : int
        1: from the beginning; 2: `Reading.repeat_days` after the first part is signed.
    number : int
        Of the case, from 1; every read of the study has its own.
    scan : str
        Identifies the scan in the study folder.
    read : int
        1, or 2 for a repeat.
    """

    reader: str
    position: int
    part: int
    number: int
    scan: str
    read: int


def plan_reads(scans: Iterable[str], reading: Reading) -> tuple[PlannedRead, ...]:
    """Assign scans to readers.

    Every reader reads every scan, and a share of them a second time. Each reader has repeats and an order of
    their own.

    Parameters
    ----------
    scans : iterable of str
        Their order does not matter.
    reading : Reading
        Readers, seed and share of repeats.

    Returns
    -------
    tuple of PlannedRead
        By reader and position. Equal arguments give equal assignments.

    Raises
    ------
    UsageError
        ``invalid-protocol``: no readers, or no blinding or order that would hide a repeat; ``usage``: no
        scans.

    Examples
    --------
    >>> plan = plan_reads(
    ...     [f"p{i}.nii" for i in range(10)],
    ...     Reading(blinding="time", readers=("A",), repeat_share=0.2),
    ... )
    >>> len(plan), sum(read.read == 2 for read in plan), sum(read.part == 2 for read in plan)
    (12, 2, 4)
    """
    return more_reads((), scans, reading)


def more_reads(
    planned: Sequence[PlannedRead], scans: Iterable[str], reading: Reading
) -> tuple[PlannedRead, ...]:
    """Add the scans and the readers that came later to an assignment.

    No read that was planned changes. Further scans follow those of a reader, with repeats of their own, of
    which there are at most as many in the second part as further first reads.

    Parameters
    ----------
    planned : sequence of PlannedRead
    scans : iterable of str
        All scans of the study.
    reading : Reading

    Returns
    -------
    tuple of PlannedRead
        Those that were planned, and the further ones by reader and position, with numbers of their own.

    Raises
    ------
    UsageError
        As `plan_reads`.

    Examples
    --------
    >>> rules = Reading(blinding="time", readers=("A",))
    >>> plan = plan_reads(["p1.nii", "p2.nii"], rules)
    >>> [read.scan for read in more_reads(plan, ["p1.nii", "p2.nii", "p3.nii"], rules)[2:]]
    ['p3.nii']
    """
    names = sorted(set(scans))
    _check(names, reading)
    found, number = list(planned), max((read.number for read in planned), default=0)
    for reader in reading.readers:
        own = [read for read in planned if read.reader == reader]
        held, last = {read.scan for read in own}, max((read.position for read in own), default=0)
        further = [scan for scan in names if scan not in held]
        for position, (part, scan, read) in enumerate(
            _of_reader(further, reading, reader, n_held=len(own)), start=last + 1
        ):
            number += 1
            found.append(
                PlannedRead(reader=reader, position=position, part=part, number=number, scan=scan, read=read)
            )
    return tuple(found)


def crowded_repeats(planned: Sequence[PlannedRead]) -> dict[str, tuple[int, int]]:
    """Return repeats and new scans of the second part, of readers with more of the first than of the second.

    Whoever knows the plan then takes a case of the second part rightly for a repeat more often than not.

    Examples
    --------
    >>> rules = Reading(blinding="time", readers=("A",), repeat_share=0.8)
    >>> crowded_repeats(plan_reads([f"p{i}.nii" for i in range(10)], rules))
    {'A': (8, 2)}
    """
    found = {}
    for reader in dict.fromkeys(read.reader for read in planned):
        late = [read for read in planned if read.reader == reader and read.part == 2]
        n_repeats = sum(read.read == 2 for read in late)
        if n_repeats > len(late) - n_repeats:
            found[reader] = (n_repeats, len(late) - n_repeats)
    return found


def _check(scans: Sequence[str], reading: Reading) -> None:
    if not scans:
        raise UsageError("usage", "there is no scan to read", todo="Name a folder with scans.")
    if not reading.readers or len(set(reading.readers)) < len(reading.readers):
        raise UsageError(
            "invalid-protocol",
            "the protocol names no readers, or one of them twice",
            values={"key": "readers", "readers": " ".join(reading.readers)},
            todo="Write each once: [reading] readers = ['A', 'B'].",
        )
    names = ["".join(reader.split()).casefold() for reader in reading.readers]
    if not all(names) or len(set(names)) < len(names) or RESERVED_READER in names:
        raise UsageError(
            "invalid-protocol",
            f"a reader has no name, that of another (blanks and case aside), or {RESERVED_READER!r}, "
            "which is that of the reads that readers agreed on",
            values={"key": "readers", "readers": ", ".join(map(repr, reading.readers))},
            todo="Give every reader a name or initials of their own.",
        )
    if reading.blinding != "time":
        raise UsageError(
            "invalid-protocol",
            "a reader who sees patients or dates recognises what was read before",
            values={"key": "blinding", "blinding": reading.blinding},
            todo="Write [reading] blinding = 'time'.",
        )
    if reading.order != "shuffled":
        raise UsageError(
            "invalid-protocol",
            "an order by name shows the visits of a patient one after the other, and which case is a repeat",
            values={"key": "order", "order": reading.order},
            todo="Write [reading] order = 'shuffled', or leave it out.",
        )


def _of_reader(
    scans: Sequence[str], reading: Reading, reader: str, *, n_held: int = 0
) -> list[tuple[int, str, int]]:
    """Part, scan and number of the read, in the order of one reader, who has so many reads already."""
    n_repeats = n_of_share(len(scans), reading.repeat_share)
    if n_held:
        n_repeats = min(n_repeats, len(scans) // 2)
    n_late = min(n_repeats, len(scans) - n_repeats)
    drawn, again = list(scans), f" {n_held}" if n_held else ""
    Random(f"{reading.seed} repeats {reader}{again}").shuffle(drawn)
    repeated, late = drawn[:n_repeats], set(drawn[n_repeats : n_repeats + n_late])
    parts = (
        [(1, scan, 1) for scan in scans if scan not in late],
        sorted([(2, scan, 2) for scan in repeated] + [(2, scan, 1) for scan in late], key=lambda r: r[1]),
    )
    for part, reads in enumerate(parts, start=1):
        Random(f"{reading.seed} order {reader} {part}{again}").shuffle(reads)
    return [*parts[0], *parts[1]]


def n_of_share(n_scans: int, share: float) -> int:
    """Return how many scans a share is, rounded half up; at least one of any share above 0.

    Examples
    --------
    >>> n_of_share(30, 0.2), n_of_share(3, 0.1), n_of_share(30, 0)
    (6, 1, 0)
    """
    return min(n_scans, max(1, int(n_scans * share + 0.5))) if share > 0 and n_scans else 0


def second_part_opens(signed_times: Iterable[str], reading: Reading) -> datetime | None:
    """Return when the second part of a reader opens.

    Parameters
    ----------
    signed_times : iterable of str
        When each case of the first part was signed, ISO 8601 with zone; empty where it is not signed.
    reading : Reading

    Returns
    -------
    datetime or None
        `Reading.repeat_days` after the last signature; None while a case is not signed.

    Examples
    --------
    >>> opens = second_part_opens(["2024-03-02T10:00:00+00:00"], Reading(repeat_days=14))
    >>> opens.isoformat()
    '2024-03-16T10:00:00+00:00'
    """
    times = list(signed_times)
    if not times or not all(times):
        return None
    return max(datetime.fromisoformat(time) for time in times) + timedelta(days=reading.repeat_days)
