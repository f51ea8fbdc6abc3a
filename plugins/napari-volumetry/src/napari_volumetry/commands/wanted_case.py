"""What is to be opened as a case: the scan, where its traces go, and by whom it may be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from volumetry.tracing import CasePlace


@dataclass(frozen=True, kw_only=True)
class WantedCase:
    """What is to be opened as a case.

    Attributes
    ----------
    path : Path
        The file or series folder of the scan.
    series_uid : str
    place : CasePlace
        Where its traces are written.
    name : str
        What to call it.
    number : int or None
        Of the worklist.
    only_look : bool
        Nothing can be drawn, and nothing is written.
    is_own : bool
        Whether the reader's own outlines are in it.
    any_reader : bool
        Whether readers whom the protocol does not name may draw.
    """

    path: Path
    place: CasePlace
    name: str
    series_uid: str = ""
    number: int | None = None
    only_look: bool = False
    is_own: bool = True
    any_reader: bool = False
