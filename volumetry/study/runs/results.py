"""Results as pandas tables: of a folder measured now, or of a batch that was run before."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from volumetry.errors import ReadError, UsageError
from volumetry.shown import Facts, Shown
from volumetry.tables import CHANGES, MEASUREMENTS, SLICES, Table, read_table, to_frame

if TYPE_CHECKING:
    import pandas as pd

    from volumetry.change import ChangeRule
    from volumetry.measurement import MeasurementRule
    from volumetry.study.protocol import Protocol


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


def measure_folder(
    folder: Path | str,
    out: Path | str | None = None,
    *,
    rule: MeasurementRule | None = None,
    change_rule: ChangeRule | None = None,
    protocol: Protocol | Path | str | None = None,
    **options: Any,
) -> StudyResults:
    """Measure every traced lesion below a folder.

    Parameters
    ----------
    folder : path
    out : path, optional
        Where tables and ledger are kept, so that a second call does only what is new; left out, nothing is
        kept.
    rule : MeasurementRule, optional
        How areas become a volume; in place of the protocol's.
    change_rule : ChangeRule, optional
        When a change counts; in place of the protocol's.
    protocol : Protocol or path, optional
        The study protocol, or its file; left out, ``study.toml`` in the folder, else the published rules.
    **options
        Of `volumetry.study.runs.options.BatchOptions`: ``manifest, jobs, fresh, threshold, traces``...

    Returns
    -------
    StudyResults
        A case that has no number is a row with its code.

    Raises
    ------
    VolumetryError
        As ``volumetry batch``; ``usage``: an option that is not known.

    Examples
    --------
    >>> rule = vm.MeasurementRule(height="spacing")
    >>> by_spacing = vm.measure_folder("sample_scans/study", rule=rule).measurements
    >>> by_spacing["height_rule"].dropna().unique().tolist()
    ['spacing']
    >>> results = vm.measure_folder("sample_scans/study")
    >>> results.changes["category"].value_counts().to_dict()
    {'increase': 4, 'decrease': 3, 'not_evaluable': 3, 'no_change': 2, 'resolved': 1, 'new': 1}
    """
    from volumetry.study.protocol import Protocol, protocol_of_study, read_protocol
    from volumetry.study.runs.batch import run_batch
    from volumetry.study.runs.options import BatchOptions

    unknown = sorted(set(options) - {field.name for field in fields(BatchOptions)})
    if unknown:
        raise UsageError(
            "usage",
            "an option of measure_folder is not known",
            values={"options": " ".join(unknown)},
            todo="rule, change_rule and protocol say how to measure; BatchOptions lists the others.",
        )
    if not isinstance(protocol, Protocol):
        protocol = (
            protocol_of_study(folder, options.get("traces"))
            if protocol is None
            else read_protocol(Path(protocol))
        )
    protocol = replace(
        protocol, measurement=rule or protocol.measurement, change=change_rule or protocol.change
    )
    chosen = BatchOptions(protocol=protocol, **options)
    if out is not None:
        run_batch(folder, out, chosen)
        return read_results(out)
    with TemporaryDirectory() as temporary:
        run_batch(folder, temporary, chosen)
        results = read_results(temporary)
    return StudyResults(measurements=results.measurements, slices=results.slices, changes=results.changes)


__all__ = ["StudyResults", "measure_folder", "read_results"]
