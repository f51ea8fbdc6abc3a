"""What there is to trace in a study, what has been done, and what of it a reader may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from volumetry.study.protocol import Blinding, Protocol
from volumetry.tracing.places import CasePlace

CaseState = Literal["untraced", "in progress", "saved", "signed", "conflict"]


@dataclass(frozen=True, kw_only=True)
class WorklistRow:
    """A lesion, or a scan without one, as the reader may see it.

    Attributes
    ----------
    number : int
        Identifies the scan within the worklist: rows of one scan share it. Give it to `Worklist.scan_path`.
    name : str
        What to show as the case's name in titles and layers: ``p01, 2021-03-02``, or ``Case 07``.
    patient, visit : str
        Empty where the blinding hides them.
    side, lesion, reader : str
        Empty for a scan that is not traced.
    state : str
        ``untraced``, ``in progress``, ``saved``, ``signed`` or ``conflict``.
    """

    number: int
    name: str
    patient: str
    visit: str
    side: str
    lesion: str
    reader: str
    state: CaseState


class Worklist:
    """The worklist of a study. Made by `read_worklist`.

    Attributes
    ----------
    rows : tuple of WorklistRow
        In the order they are to be read.
    blinding : str
    protocol : Protocol
    """

    rows: tuple[WorklistRow, ...]
    blinding: Blinding
    protocol: Protocol

    def scan_path(self, number: int) -> Path:
        """Return the file or series folder of a scan. Never to be shown under blinding."""
        raise NotImplementedError

    def series_uid(self, number: int) -> str:
        """Return the SeriesInstanceUID to give to `read_scan`; empty where there is none."""
        raise NotImplementedError

    def place(self, number: int) -> CasePlace:
        """Return where the files of a scan are written: under neutral names where the reading is blinded."""
        raise NotImplementedError

    def baseline_path(self, number: int) -> Path | None:
        """Return the baseline scan of a follow-up; None for a baseline, and under blinding ``time``."""
        raise NotImplementedError

    def baseline_trace_path(self, number: int, lesion: str, reader: str = "") -> Path | None:
        """Return the saved baseline trace of a lesion (a reader's own, else anybody's); None as above."""
        raise NotImplementedError


def read_worklist(
    study: Path | str,
    *,
    protocol: Protocol | None = None,
    reader: str = "",
    place: Path | str | None = None,
) -> Worklist:
    """Read what there is to trace in a study folder.

    Parameters
    ----------
    study : path
    protocol : Protocol, optional
        Its blinding, seed and visits; `study.toml` in the folder by default, else no blinding.
    reader : str
        Under blinding, rows of other readers are left out.
    place : path, optional
        Where traces are written, if not in the study folder.

    Raises
    ------
    ReadError, UsageError
        The folder or the protocol cannot be read. OutputError where blinded names cannot be kept.
    """
    raise NotImplementedError


def release_blinded(study: Path | str, *, place: Path | str | None = None) -> tuple[Path, ...]:
    """Copy the traces of a blinded reading to their patients and visits, once all is read.

    Nothing is overwritten: a trace that is there already, the same, is left out; another is kept as a
    conflict.

    Returns
    -------
    tuple of Path
        The files written.
    """
    raise NotImplementedError
