"""Adjudication before the picture: lesions that several readers traced, their outlines, and the consensus.

A consensus is one reader's outline, chosen, or one that a third reader drew. Under blinding nobody sees
another's outlines before his own reads are done, and no name or date is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from volumetry.agreement.adjudication import (
    Disagreement,
    ReadLesion,
    decided,
    read_lesions,
    ways_to_consensus,
)
from volumetry.errors import UsageError
from volumetry.study.protocol import Blinding, Protocol, protocol_of_study
from volumetry.trace import Trace
from volumetry.tracing.disk.places import CasePlace
from volumetry.tracing.reader_study import save_consensus
from volumetry.tracing.worklist.beside import printable
from volumetry.tracing.worklist.of_study import read_worklist
from volumetry.tracing.worklist.worklist import Worklist


@dataclass(frozen=True, kw_only=True)
class AdjudicationRow:
    """A lesion that several readers traced on one scan.

    Attributes
    ----------
    number : int
        Identifies it within the adjudication.
    name : str
        What to show: patient and visit, or, under blinding, ``Case 3 of 12``.
    side, lesion : str
    readers : tuple of str
    volumes_cm3 : tuple of float or None
        One for every reader; None where the outlines have no volume.
    difference_percent : float or None
        The largest of the differences between two readers, in percent of their mean.
    to_settle : bool
        Whether two of the volumes differ by more than the threshold.
    consensus : str
        How it was settled, in words; empty while it is not.

    Examples
    --------
    >>> row = AdjudicationRow(
    ...     number=1, name="hip05, 2021-06-01", side="L", lesion="L1", readers=("A", "CD"),
    ...     volumes_cm3=(11.2, 9.1), difference_percent=20.7, to_settle=True, consensus="",
    ... )
    >>> row.to_settle
    True
    """

    number: int
    name: str
    side: str
    lesion: str
    readers: tuple[str, ...]
    volumes_cm3: tuple[float | None, ...]
    difference_percent: float | None
    to_settle: bool
    consensus: str


class Adjudication:
    """What two or more readers traced in a study. Made by `read_adjudication`.

    Attributes
    ----------
    rows : tuple of AdjudicationRow
        What is to be settled first.
    protocol : Protocol
    ways : tuple of str
        How the protocol lets readers come to a consensus: ``chosen``, ``drawn``.

    Examples
    --------
    Two readers have traced one lesion; the outline of the first is chosen.

    >>> import shutil
    >>> from dataclasses import replace
    >>> copied = shutil.copytree("sample_scans/study/hip05", "study/hip05")
    >>> place = Path("study/hip05/2021-06-01")
    >>> first = vm.read_trace(place / "L1.trace.json")
    >>> second = replace(first, provenance=replace(first.provenance, reader="CD"))
    >>> vm.write_trace(second, place / "L1_CD.trace.json")
    >>> found = vt.read_adjudication("study")
    >>> found.settle(found.rows[0].number, "A", how="chosen") is not None
    True
    >>> vt.read_adjudication("study").consensus(1) is not None
    True
    """

    def __init__(
        self, *, study: Path, lesions: Sequence[ReadLesion], protocol: Protocol, threshold_percent: float
    ) -> None:
        self.protocol = protocol
        self.ways = ways_to_consensus(protocol.reading)
        self._study = study
        blinding = protocol.reading.blinding
        if blinding != "none":
            # In their own order, neighbours would be visits of one patient.
            lesions = sorted(lesions, key=lambda lesion: _shuffled(lesion, protocol.reading.seed))
        self._lesions = dict(enumerate(lesions, 1))
        made = [
            _row(number, lesion, len(lesions), blinding, threshold_percent)
            for number, lesion in self._lesions.items()
        ]
        self.rows = tuple(sorted(made, key=lambda row: (bool(row.consensus), not row.to_settle, row.number)))

    def number_of(self, earlier: Adjudication, number: int) -> int | None:
        """Return the number that a lesion of an earlier look has in this one; None where it is gone."""
        wanted = earlier._lesion(number)
        same = (wanted.subject, wanted.scan, wanted.series_uid)
        found = (n for n, x in self._lesions.items() if (x.subject, x.scan, x.series_uid) == same)
        return next(found, None)

    def _lesion(self, number: int) -> ReadLesion:
        try:
            return self._lesions[number]
        except KeyError:
            raise UsageError(
                "usage", "there is no such lesion", values={"number": number}, todo="Choose a row."
            ) from None

    def scan_path(self, number: int) -> Path:
        """Return the file or series folder of the scan. Never to be shown under blinding."""
        return self._study / self._lesion(number).scan

    def series_uid(self, number: int) -> str:
        """Return the SeriesInstanceUID to give to `read_scan`; empty where there is none."""
        return self._lesion(number).series_uid

    def place(self, number: int) -> CasePlace:
        """Return where the traces of the lesion lie, and where a third reader's is written."""
        path, _ = next(iter(self._lesion(number).reads.values()))
        return CasePlace(folder=path.parent)

    def reads(self, number: int) -> Mapping[str, Trace]:
        """Return the outlines of the lesion by their readers."""
        return {reader: trace for reader, (_, trace) in sorted(self._lesion(number).reads.items())}

    def consensus(self, number: int) -> Trace | None:
        """Return what was agreed on; None while nothing was."""
        held = self._lesion(number).consensus
        return None if held is None else held[1]

    def settle(self, number: int, reader: str, *, how: str) -> Path | None:
        """Save a reader's outline as the consensus; return its file, None where it was that already.

        Read the adjudication again afterwards.

        Raises
        ------
        UsageError
            ``usage``: the protocol settles in another way, the reader has not traced the lesion, or a third
            reader is one of the two.
        OutputError
        """
        lesion = self._lesion(number)
        if how not in self.ways or reader not in lesion.reads:
            raise UsageError(
                "usage",
                "this is no consensus of the lesion",
                values={"how": how, "reader": reader, "ways": " ".join(self.ways)},
                todo="Choose the outline of one of its readers, in a way that [reading] consensus allows.",
            )
        consensus = decided(lesion, reader, how=how, reading=self.protocol.reading)
        return save_consensus(lesion, lesion.reads[reader][0], consensus)


def _shuffled(lesion: ReadLesion, seed: int) -> str:
    return sha256(f"{seed} {lesion.subject} {lesion.scan} {lesion.series_uid}".encode()).hexdigest()


def _row(
    number: int, lesion: ReadLesion, n_lesions: int, blinding: Blinding, threshold_percent: float
) -> AdjudicationRow:
    pairs = lesion.disagreements(threshold_percent=threshold_percent)
    differences = [p.difference_percent for p in pairs if p.difference_percent is not None]
    patient, visit, side, name = lesion.subject
    shown = f"{patient}, {visit}".strip(", ") if blinding == "none" else f"Case {number} of {n_lesions}"
    readers = tuple(sorted(lesion.reads))
    volumes = _volumes_mm3(pairs)
    return AdjudicationRow(
        number=number,
        name=printable(shown, longest=120),
        side=side,
        lesion=printable(name),
        readers=readers,
        volumes_cm3=tuple(None if (v := volumes[r]) is None else v / 1000 for r in readers),
        difference_percent=max(differences, key=abs) if differences else None,
        to_settle=any(pair.to_settle for pair in pairs),
        consensus=lesion.consensus[1].provenance.reason.split(";")[0] if lesion.consensus else "",
    )


def _volumes_mm3(pairs: Sequence[Disagreement]) -> dict[str, float | None]:
    found = {}
    for pair in pairs:
        found[pair.first.provenance.reader] = pair.first_volume_mm3
        found[pair.second.provenance.reader] = pair.second_volume_mm3
    return found


def read_adjudication(
    study: Path | str,
    *,
    protocol: Protocol | None = None,
    reader: str = "",
    place: Path | str | None = None,
    threshold_percent: float = 15.0,
    worklist: Worklist | None = None,
) -> Adjudication:
    """Read what several readers traced in a study folder.

    Of a blinded reading that is what was released (`release_blinded`).

    Parameters
    ----------
    study : path
    protocol : Protocol, optional
        `study.toml` in the folder by default.
    reader : str
        Who adjudicates.
    place : path, optional
        Where traces are written, if not in the study folder.
    threshold_percent : float
        By how much the larger volume may exceed the smaller.
    worklist : Worklist, optional
        Of the reader, if it has been read already.

    Raises
    ------
    UsageError
        ``not-due``: the reading is blinded, and not everything of this reader is signed.
    ReadError
        The folder cannot be read.

    Examples
    --------
    Two readers have traced one lesion.

    >>> import shutil
    >>> from dataclasses import replace
    >>> copied = shutil.copytree("sample_scans/study/hip05", "study/hip05")
    >>> place = Path("study/hip05/2021-06-01")
    >>> first = vm.read_trace(place / "L1.trace.json")
    >>> second = replace(first, provenance=replace(first.provenance, reader="CD"))
    >>> vm.write_trace(second, place / "L1_CD.trace.json")
    >>> [(row.lesion, row.readers) for row in vt.read_adjudication("study").rows]
    [('L1', ('A', 'CD'))]
    """
    study = Path(study)
    base = study if place is None else Path(place)
    protocol = protocol_of_study(study, base) if protocol is None else protocol
    reading = protocol.reading
    if reading.blinding != "none" and (reader in reading.readers or not reading.readers):
        own = worklist or read_worklist(study, protocol=protocol, reader=reader, place=place)
        left = {row.number for row in own.rows if row.state != "signed"}
        if left or own.n_not_due:
            raise UsageError(
                "not-due",
                "outlines of other readers are shown when your own reads are signed",
                values={"reads left": len(left) + own.n_not_due},
                todo="Sign your own reads first.",
            )
    lesions = read_lesions(study, traces=place, protocol=protocol)
    return Adjudication(study=study, lesions=lesions, protocol=protocol, threshold_percent=threshold_percent)
