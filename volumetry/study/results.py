"""Results as pandas tables: of a folder measured now, or of a batch that was run before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from volumetry.errors import ReadError
from volumetry.shown import Facts, Shown
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Table, read_table, to_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StudyResults(Shown):
    """The tables of a measured study.

    Attributes
    ----------
    measurements, slices, changes : pandas DataFrame
        As ``docs/reference/tables.md`` declares them.
    folder : Path or None
        Where the files are; None where they were not kept.

    Examples
    --------
    >>> results = vm.measure_folder("sample_scans/study")
    >>> len(results.measurements), len(results.changes)
    (24, 14)
    """

    measurements: pd.DataFrame
    slices: pd.DataFrame
    changes: pd.DataFrame
    folder: Path | None = None

    def _facts(self) -> Facts:
        counts = self.measurements["status"].value_counts()
        return (
            ("measurements", len(self.measurements)),
            *((str(name), int(count)) for name, count in counts.items()),
            ("changes", len(self.changes)),
            ("folder", None if self.folder is None else str(self.folder)),
        )


def read_results(folder: Path | str) -> StudyResults:
    """Read the tables that ``volumetry batch`` wrote.

    Parameters
    ----------
    folder : path
        The output folder of the batch.

    Returns
    -------
    StudyResults

    Raises
    ------
    ReadError
        ``not-found``: the folder holds no ``measurements.csv``.
    UsageError
        ``invalid-table``.

    Examples
    --------
    >>> _ = vm.measure_folder("sample_scans/study", "results")
    >>> vm.read_results("results").measurements["patient"].nunique()
    6
    """
    folder = Path(folder)
    if not (folder / "measurements.csv").is_file():
        raise ReadError(
            "not-found",
            "the folder holds no measurements.csv",
            where=folder,
            todo="Name the folder that was given to `volumetry batch --out`.",
        )
    return StudyResults(
        measurements=_frame(folder, MEASUREMENTS),
        slices=_frame(folder, SLICES),
        changes=_frame(folder, CHANGES),
        folder=folder,
    )


def _frame(folder: Path, table: Table) -> pd.DataFrame:
    path = folder / f"{table.name}.csv"
    return to_frame(read_table(path, table) if path.is_file() else (), table)


def measure_folder(folder: Path | str, out: Path | str | None = None, **options: Any) -> StudyResults:
    """Measure every traced lesion below a folder.

    Parameters
    ----------
    folder : path
    out : path, optional
        Where tables and ledger are kept, so that a second call does only what is new; left out, nothing is
        kept.
    **options
        Of `volumetry.study.batch.BatchOptions`: ``protocol, manifest, jobs, fresh``...

    Returns
    -------
    StudyResults
        A case that has no number is a row with its code.

    Raises
    ------
    VolumetryError
        As ``volumetry batch``.

    Examples
    --------
    >>> results = vm.measure_folder("sample_scans/study")
    >>> results.changes["category"].value_counts().to_dict()
    {'increase': 4, 'decrease': 3, 'not_evaluable': 3, 'no_change': 2, 'resolved': 1, 'new': 1}
    """
    from volumetry.study.batch import BatchOptions, run_batch

    chosen = BatchOptions(**{"jobs": 1, **options})
    if out is not None:
        run_batch(folder, out, chosen)
        return read_results(out)
    with TemporaryDirectory() as temporary:
        run_batch(folder, temporary, chosen)
        results = read_results(temporary)
    return StudyResults(measurements=results.measurements, slices=results.slices, changes=results.changes)


__all__ = ["StudyResults", "measure_folder", "read_results"]
