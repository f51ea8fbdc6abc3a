"""The assignment of a reader study on the disk: what the readers may see of it, and the private key."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from volumetry.errors import ReadError, UsageError
from volumetry.files.atomic import make_folder, write_atomically
from volumetry.study.protocol import Reading
from volumetry.study.reading import PlannedRead
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.worklist.blinding import blinded_folder

ASSIGNMENT_NAME = "assignment.json"
TABLE_NAME = "reading_plan.csv"
TABLE_COLUMNS = ("reader", "position", "case", "part")
"""What may be seen: nothing here says which scan a case is, or whether it is a repeat."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    r"""Which read is of which scan: the private key of a reader study.

    Attributes
    ----------
    seed : int
    repeat_days : int
    reads : tuple of PlannedRead
    lesions : mapping of scan to (lesion, side) pairs
        Lesions of the patient that were known when the study was planned: later ones would tell of reads.
    repeat_share, order : float and str, or None
        By which the reads were planned; None in files that do not say.
    n_named : int
        How many reads there were when the cases got their names; 0: as many as now.

    Examples
    --------
    >>> import shutil
    >>> _ = shutil.copytree("sample_scans/study", "study")
    >>> text = '[reading]\nreaders = ["A", "B"]\nblinding = "time"\n'
    >>> _ = Path("study/study.toml").write_text(text)
    >>> assignment, _ = vt.plan_study("study")
    >>> sorted({read.reader for read in assignment.reads})
    ['A', 'B']
    """

    seed: int
    repeat_days: int
    reads: tuple[PlannedRead, ...]
    lesions: Mapping[str, tuple[tuple[str, str], ...]]
    repeat_share: float | None = None
    order: str | None = None
    n_named: int = 0

    def case_name(self, read: PlannedRead) -> str:
        """Return ``Case 07``; all names of a study are equally long, but for reads that were added later."""
        return f"Case {read.number:0{max(2, len(str(self.n_named or len(self.reads))))}d}"

    def place(self, base: Path, read: PlannedRead) -> CasePlace:
        """Return where the files of a read are written; nothing in it is shared with another read."""
        secret = sha256(f"{self.seed} {read.reader} {read.number}".encode()).hexdigest()
        return CasePlace(folder=blinded_folder(base) / self.case_name(read), secret=secret)

    def of_reader(self, reader: str) -> tuple[PlannedRead, ...]:
        """Return the reads of one reader in their order."""
        return tuple(read for read in self.reads if read.reader == reader)

    def keeps(self, earlier: Assignment) -> bool:
        """Whether nothing that a reader may have seen or done in an earlier assignment changes."""
        rules = ("seed", "repeat_days")
        return (
            all(getattr(self, name) == getattr(earlier, name) for name in rules)
            and set(earlier.reads) <= set(self.reads)
            and all(self.case_name(read) == earlier.case_name(read) for read in earlier.reads)
            and all(self.lesions.get(scan) == lesions for scan, lesions in earlier.lesions.items())
        )

    @property
    def readers(self) -> tuple[str, ...]:
        """The readers, in the order of the protocol."""
        return tuple(dict.fromkeys(read.reader for read in self.reads))

    @property
    def reading(self) -> Reading:
        """The rules of the assignment that still matter after it was made."""
        return Reading(blinding="time", seed=self.seed, readers=self.readers, repeat_days=self.repeat_days)


def read_assignment(base: Path) -> Assignment | None:
    """Return the assignment of a reader study; None where there is none.

    Raises
    ------
    ReadError
        ``unreadable``: without it the cases cannot be told apart.
    """
    path = blinded_folder(base) / ASSIGNMENT_NAME
    try:
        document = json.loads(path.read_bytes())
        return Assignment(
            seed=int(document["seed"]),
            repeat_days=int(document["repeat_days"]),
            reads=tuple(PlannedRead(**read) for read in document["reads"]),
            lesions={
                str(scan): tuple((str(lesion), str(side)) for lesion, side in lesions)
                for scan, lesions in document["lesions"].items()
            },
            repeat_share=document.get("repeat_share"),
            order=document.get("order"),
            n_named=int(document.get("n_named", 0)),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            "unreadable",
            "the assignment of the reader study cannot be read",
            where=path,
            values={"reason": str(error)[:80]},
            todo="Restore it from a backup; without it the cases cannot be told apart.",
        ) from None


def write_assignment(base: Path, assignment: Assignment) -> Path:
    """Write the private key and the table that the readers may see; the same again changes nothing.

    An assignment that has begun may get further reads (`extended`); none of its own may change.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    UsageError
        ``usage``: another assignment, or another blinded reading, has begun.
    OutputError
    """
    folder = blinded_folder(base)
    path, table = folder / ASSIGNMENT_NAME, base / TABLE_NAME
    content = _encoded(assignment)
    if not (path.is_file() and path.read_bytes() == content):
        begun, earlier = n_begun(base), read_assignment(base)
        if begun and (earlier is None or not assignment.keeps(earlier)):
            raise UsageError(
                "usage",
                "the reading has begun, and this assignment is another one",
                where=base,
                values={"begun": begun, "reads": len(assignment.reads)},
                todo="Go on with the scans, readers and protocol it was planned with (further ones may be "
                "added), or name another --traces.",
            )
        make_folder(folder)
        write_atomically(path, content)
        path.chmod(0o600)
    write_atomically(table, _table(assignment).encode())
    return table


def n_begun(base: Path) -> int:
    """Return how many cases of a blinded reading have files."""
    folder = blinded_folder(base)
    return sum(path.is_dir() for path in folder.iterdir()) if folder.is_dir() else 0


def extended(earlier: Assignment, later: Assignment, reads: tuple[PlannedRead, ...]) -> Assignment | None:
    """Return an assignment with further reads; None where what was planned could not stay as it is.

    Parameters
    ----------
    earlier : Assignment
    later : Assignment
        By the scans, readers and rules of now.
    reads : tuple of PlannedRead
        Those of the earlier assignment and further ones.
    """
    rules = ("seed", "repeat_days", "repeat_share", "order")
    known = [(getattr(earlier, name), getattr(later, name)) for name in rules]
    if any(old is not None and old != new for old, new in known):
        return None
    gone = {read.scan for read in earlier.reads} - later.lesions.keys()
    if gone or not set(earlier.readers) <= set(later.readers):
        return None
    n_named = earlier.n_named or (len(earlier.reads) if len(reads) > len(earlier.reads) else 0)
    return replace(
        later,
        reads=reads,
        lesions={**later.lesions, **earlier.lesions},
        repeat_share=earlier.repeat_share if len(reads) == len(earlier.reads) else later.repeat_share,
        order=earlier.order if len(reads) == len(earlier.reads) else later.order,
        n_named=n_named,
    )


def _encoded(assignment: Assignment) -> bytes:
    document = {
        "seed": assignment.seed,
        "repeat_days": assignment.repeat_days,
        "reads": [asdict(read) for read in assignment.reads],
        "lesions": {scan: [list(pair) for pair in pairs] for scan, pairs in assignment.lesions.items()},
        "repeat_share": assignment.repeat_share,
        "order": assignment.order,
        "n_named": assignment.n_named,
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _table(assignment: Assignment) -> str:
    rows: Sequence[Sequence[object]] = [
        (read.reader, read.position, assignment.case_name(read), read.part) for read in assignment.reads
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TABLE_COLUMNS)
    writer.writerows(rows)
    return text.getvalue()
