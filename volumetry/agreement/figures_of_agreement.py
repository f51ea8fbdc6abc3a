"""The figures of agreement as rows: spread, ICC, limits of agreement, error by size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from volumetry.agreement.bland_altman_rows import (
    bland_altman_of,
    cells_of,
    in_both_orders,
    limit_rows,
    rows_by_pair_of_readers,
    silently,
    without_bias,
)
from volumetry.agreement.error_rows import ReaderErrors, error_rows, reader_errors, reader_rows
from volumetry.agreement.limits_by_patient import Limits, icc_limits, repeat
from volumetry.agreement.overlap import differs_beyond
from volumetry.agreement.reads import ReadPair, RepeatedVolumes
from volumetry.error_model import ReadingError, fit_reading_error
from volumetry.errors import StatisticsError

if TYPE_CHECKING:
    from volumetry.statistics.result import StatisticResult
    from volumetry.tables import Row


@dataclass(frozen=True, kw_only=True, eq=False)
class KindOfAgreement:
    """Everything that one kind of repetition tells.

    Attributes
    ----------
    kind : str
    repeated : RepeatedVolumes
    pairs : tuple of ReadPair
    error : ReadingError or None
        None where too few reads were repeated; `reason` says so.
    rows : tuple of dict
        Of the table ``agreement``.
    absolute, percent : StatisticResult or None
        Bland-Altman analyses.
    reason : str
    """

    kind: str
    repeated: RepeatedVolumes
    pairs: tuple[ReadPair, ...]
    error: ReadingError | None
    rows: tuple[Row, ...]
    absolute: StatisticResult | None = None
    percent: StatisticResult | None = None
    reason: str = ""


def kind_of_agreement(
    repeated: RepeatedVolumes,
    pairs: Sequence[ReadPair],
    *,
    threshold_percent: float,
    level: float = 0.95,
    protocol_sha256: str = "",
    measured_by: Mapping[str, str | bool] | None = None,
) -> KindOfAgreement:
    """Compute every figure of one kind of repetition; the last two are kept with the error of reading."""
    own = tuple(pair for pair in pairs if pair.kind == repeated.kind)
    of_readers = ReaderErrors(by_reader={})
    if repeated.kind == "within_reader":
        of_readers = reader_errors(own, level)
    error, reason = _error_of_reading(repeated, own, level)
    if error is not None:
        error = replace(
            error,
            readers_differ=of_readers.differ,
            protocol_sha256=protocol_sha256,
            measured_by=dict(measured_by or {}),
        )
    several = repeated.either_order
    pooled = in_both_orders(own) if several else own
    absolute, percent = (bland_altman_of(pooled, scale, level) for scale in ("absolute", "percent"))
    if several:
        absolute, percent = without_bias(absolute), without_bias(percent)
    counts = {
        "n_pairs": len(own),
        "n_lesions": len({pair.first.subject for pair in own}),
        "n_patients": len({pair.first.who for pair in own}),
        "level": level,
    }
    rows = [
        *_spread_rows(repeated, own, threshold_percent),
        *_icc_rows(repeated, level),
        *limit_rows(absolute, "absolute", pooled, either_order=several),
        *limit_rows(percent, "percent", pooled, either_order=several),
        *(rows_by_pair_of_readers(own, level) if several else ()),
        *(error_rows(error, repeated) if error is not None else ()),
        *reader_rows(of_readers),
    ]
    return KindOfAgreement(
        kind=repeated.kind,
        repeated=repeated,
        pairs=own,
        error=error,
        rows=tuple({"kind": repeated.kind, **counts, **row} for row in rows),
        absolute=absolute,
        percent=percent,
        reason=reason,
    )


def _error_of_reading(
    repeated: RepeatedVolumes, pairs: Sequence[ReadPair], level: float
) -> tuple[ReadingError | None, str]:
    """Return the error of reading and whose reads it rests on; None and the reason where they are too few."""
    try:
        error = fit_reading_error(
            [list(row) for row in repeated.volumes_mm3],
            patients=repeated.patients,
            kind=repeated.kind,
            level=level,
        )
    except StatisticsError as refused:
        return None, refused.message
    reads = [read for pair in pairs for read in (pair.first, pair.second)]
    whose = replace(
        error,
        n_lesions=len({pair.first.subject for pair in pairs}),
        height_rules=tuple(sorted({read.height_rule for read in reads} - {""})),
        readers=tuple(sorted({read.reader for read in reads} - {""})),
        sites=tuple(sorted({read.site for read in reads} - {""})),
    )
    return whose, ""


def _spread_rows(
    repeated: RepeatedVolumes, pairs: Sequence[ReadPair], threshold_percent: float
) -> Iterator[Row]:
    table = np.array(repeated.volumes_mm3, dtype=float)
    cvs = [
        100 * float(np.std(row, ddof=1) / np.mean(row))
        for row in (r[~np.isnan(r)] for r in table)
        if len(row) > 1
    ]
    yield {
        "measure": "median_cv",
        "value": float(np.median(cvs)),
        "unit": "%",
        "method": "standard deviation (n - 1) over mean of the reads of a lesion; median over lesions",
    }
    volumes = [(a, b) for row in table for a, b in combinations(row[~np.isnan(row)].tolist(), 2)] or [
        (p.first.volume_mm3, p.second.volume_mm3) for p in pairs
    ]
    apart = [abs(a - b) / ((a + b) / 2) * 100 > threshold_percent for a, b in volumes]
    yield {
        "measure": "share_differing",
        "value": 100 * float(np.mean(apart)),
        "unit": "%",
        "method": f"pairs that differ by more than {threshold_percent:g} % of their mean",
    }
    changed = [differs_beyond(a, b, threshold_percent) for a, b in volumes]
    yield {
        "measure": "share_called_increase",
        "value": 100 * float(np.mean(changed)),
        "unit": "%",
        "method": f"pairs whose larger volume exceeds the smaller by more than {threshold_percent:g} %",
        "note": "what the rule would call an increase if the smaller read came first",
    }


_ICC = {
    "ICC(A,1)": "two-way model, absolute agreement, single read (McGraw and Wong 1996)",
    "ICC(C,1)": "two-way model, consistency, single read (McGraw and Wong 1996)",
}
_LEAST_LESIONS = 3


def _icc_rows(repeated: RepeatedVolumes, level: float) -> Iterator[Row]:
    table = np.array(repeated.volumes_mm3, dtype=float)
    complete = ~np.isnan(table).any(axis=1)
    n_complete = int(complete.sum())
    several = _sets_of_reads(repeated)
    note = "" if n_complete == len(table) else f"{n_complete} of {len(table)} lesions have all reads"
    if n_complete < _LEAST_LESIONS:
        note = f"fewer than three lesions have all reads ({', '.join(repeated.columns)})"
        if several:
            note += "; a row below for each set of reads"
    yield from _icc_of(repeated, complete, level, note)
    if len(several) < 2 and n_complete >= _LEAST_LESIONS:
        return
    for names, rows in several.items():
        if len(names) < len(repeated.columns):
            chosen = replace(
                repeated,
                volumes_mm3=tuple(
                    tuple(v for v in repeated.volumes_mm3[row] if not math.isnan(v)) for row in rows
                ),
                patients=tuple(repeated.patients[row] for row in rows),
                columns=names,
            )
            whole = np.ones(len(rows), dtype=bool)
            yield from _icc_of(chosen, whole, level, "", f" of {', '.join(names)}")


def _sets_of_reads(repeated: RepeatedVolumes) -> dict[tuple[str, ...], list[int]]:
    """Rows by which reads they have, as at two sites with other readers; those of three lesions and more."""
    found: dict[tuple[str, ...], list[int]] = {}
    for row, volumes in enumerate(repeated.volumes_mm3):
        names = tuple(name for name, v in zip(repeated.columns, volumes, strict=True) if not math.isnan(v))
        found.setdefault(names, []).append(row)
    return {names: rows for names, rows in found.items() if len(rows) >= _LEAST_LESIONS and len(names) > 1}


def _icc_of(
    repeated: RepeatedVolumes, chosen: NDArray[np.bool_], level: float, note: str, of: str = ""
) -> Iterator[Row]:
    """Rows of the volumes, and of their logarithms, whose limits hold where volumes are skewed."""
    table = np.array(repeated.volumes_mm3, dtype=float)[chosen]
    patients = [who for who, kept in zip(repeated.patients, chosen, strict=True) if kept]
    skewed = len(table) >= _LEAST_LESIONS and _skewness(table.mean(axis=1)) > _SKEWED
    told = _SKEWED_NOTE if skewed else ""
    yield from _icc_of_table(table, patients, level, "; ".join(filter(None, (note, told))), of)
    if len(table) >= _LEAST_LESIONS and (table > 0).all():
        yield from _icc_of_table(np.log(table), patients, level, note, f" of log volumes{of}")


def _skewness(values: NDArray[np.float64]) -> float:
    from_mean, spread = values - values.mean(), float(values.std())
    return float((from_mean**3).mean() / spread**3) if spread else 0.0


_SKEWED = 1.0
_SKEWED_NOTE = (
    "the limits assume volumes that are normally distributed, and these are skewed: limits of 95 % may then "
    "hold the true value in 70 to 80 % of studies; those of the log volumes hold it in 95 %"
)


def _icc_of_table(
    table: NDArray[np.float64], patients: list[tuple[str, str]], level: float, note: str, of: str
) -> Iterator[Row]:
    from volumetry.statistics import icc

    def computed(table: list[list[float]]) -> StatisticResult:
        return silently(icc, table, level=level)

    try:
        if len(table) < _LEAST_LESIONS:
            raise StatisticsError("not-estimable", note)
        result = computed(table.tolist())
    except StatisticsError as refused:
        for form, model in _ICC.items():
            yield {"measure": form + of, "value": None, "method": model, "note": refused.message}
        return
    rows = {form: cells_of(next((e for e in result.estimates if e.name == form), None)) for form in _ICC}
    for form, model in _ICC.items():
        yield {"measure": form + of, **rows[form], "method": model, "note": note}
    if not repeat(patients):
        return
    limits = icc_limits(computed, table, tuple(_ICC), patients, level)
    for form, model in _ICC.items():
        # Volumes are skewed, and a jackknife of few patients may be too narrow: the wider limits count.
        wider = _wider((rows[form].get("ci_low"), rows[form].get("ci_high")), limits[form])
        yield {
            "measure": f"{form}{of}, limits by patient",
            **rows[form],
            **wider,
            "method": f"{model}; limits: the wider of those of the model and a jackknife over patients",
            "note": "a patient has several lesions, which the limits of the model take as independent",
        }


def _wider(one: tuple[float | None, float | None], other: Limits) -> Row:
    """The limits that hold both intervals; none where one of them does not exist."""
    if one[0] is None or one[1] is None or other is None:
        return {"ci_low": None, "ci_high": None}
    return {"ci_low": min(one[0], other[0]), "ci_high": max(one[1], other[1])}
