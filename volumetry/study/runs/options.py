"""How a batch is run, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from volumetry.study.protocol import Protocol
from volumetry.study.pseudonyms import Pseudonymiser

Progress = Callable[[int, int], None]
"""Called with the number of cases done and the number of all."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a batch is run.

    Attributes
    ----------
    protocol : Protocol
    manifest : path or None
    traces : path or None
        Folder of tracings that are kept apart from the scans.
    jobs : int
        Processes on this machine; 1 measures in this one. 0: as many as there are cores.
    case_timeout : float or None
        Seconds that one case may take; it is then ``timed-out``. Not with an `executor`, whose owner decides.
    executor : Executor or None
        Takes the cases instead, for example ``dask.distributed.Client(...).get_executor()``.
    fresh : bool
        Forget what the ledger holds.
    threshold : float or None
        For probability maps and fractional segmentations.
    pseudonymiser : Pseudonymiser or None
    key_file : path or None
        Where its key lies; who is meant by which pseudonym is written beside it.
    follow_links : bool
        Follow symbolic links below the folder (link farms).
    parquet : bool
        Also write the tables as Parquet.
    command : tuple of str
        What is noted in ``run.json``; without paths.
    """

    protocol: Protocol = field(default_factory=Protocol)
    manifest: Path | str | None = None
    traces: Path | str | None = None
    jobs: int = 1
    case_timeout: float | None = None
    executor: Executor | None = None
    fresh: bool = False
    threshold: float | None = None
    pseudonymiser: Pseudonymiser | None = None
    key_file: Path | str | None = None
    follow_links: bool = False
    parquet: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """What a batch did.

    Attributes
    ----------
    counts : dict
        Number of rows by status.
    n_cases, n_done : int
        All cases, and those measured this time (the others were in the ledger).
    seconds : float
    out : str
        Folder of the tables.
    files : dict
        What became of every file below the folder, as `volumetry.study.runs.accounting.account` counts.
    files_apart : dict
        The same of the folder of tracings that are kept apart; empty without one.
    without_image : dict
        The tracings that are tied to no image, each with the reason.
    removed : dict
        The number of figures and of DICOM objects of an earlier run, by folder, that were removed because
        their lesions are gone or have changed.
    """

    counts: dict[str, int]
    n_cases: int
    n_done: int
    seconds: float
    out: str
    files: dict[str, int] = field(default_factory=dict)
    files_apart: dict[str, int] = field(default_factory=dict)
    without_image: dict[str, str] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def n_succeeded(self) -> int:
        """Rows with a number."""
        return self.counts.get("measured", 0) + self.counts.get("absent", 0)

    @property
    def n_failed(self) -> int:
        """Rows that should have a number and have none."""
        return self.counts.get("failed", 0) + self.counts.get("not_measurable", 0)
