"""The figures of agreement as rows: spread, ICC, limits of agreement, error by size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from volumetry.agreement.overlap import differs_beyond
from volumetry.agreement.reads import ReadPair, RepeatedVolumes
from volumetry.error_model import ReadingError, fit_reading_error
from volumetry.errors import StatisticsError

if TYPE_CHECKING:
    from volumetry.statistics.result import Estimate, StatisticResult
    from volumetry.tables import Row

SIZES_CM3 = (0.5, 1.0, 2.0, 5.0, 10.0, 25.0)


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
    error, reason = None, ""
    try:
        error = fit_reading_error(
            [list(row) for row in repeated.volumes_mm3],
            patients=repeated.patients,
            kind=repeated.kind,
            level=level,
            protocol_sha256=protocol_sha256,
        )
        reads = [read for pair in own for read in (pair.first, pair.second)]
        error = replace(
            error,
            measured_by=dict(measured_by or {}),
            height_rules=tuple(sorted({read.height_rule for read in reads} - {""})),
            readers=tuple(sorted({read.reader for read in reads} - {""})),
        )
    except StatisticsError as refused:
        reason = refused.message
    absolute, percent = (_bland_altman(own, scale, level) for scale in ("absolute", "percent"))
    counts = {
        "n_pairs": len(own),
        "n_lesions": len({pair.first.subject for pair in own}),
        "n_patients": len({pair.first.who for pair in own}),
        "level": level,
    }
    rows = [
        *_spread_rows(repeated, own, threshold_percent),
        *_icc_rows(repeated, level),
        *_limit_rows(absolute, "absolute", "mm3"),
        *_limit_rows(percent, "percent", "%"),
        *(_error_rows(error) if error is not None else ()),
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


def _icc_rows(repeated: RepeatedVolumes, level: float) -> Iterator[Row]:
    from volumetry.statistics import icc

    table = np.array(repeated.volumes_mm3, dtype=float)
    complete = table[~np.isnan(table).any(axis=1)]
    models = {
        "ICC(A,1)": "two-way model, absolute agreement, single read (McGraw and Wong 1996)",
        "ICC(C,1)": "two-way model, consistency, single read (McGraw and Wong 1996)",
    }
    try:
        if len(complete) < 3:
            raise StatisticsError("not-estimable", "fewer than three lesions have all reads")
        result = _silently(icc, complete.tolist(), level=level)
    except StatisticsError as refused:
        for form, model in models.items():
            yield {"measure": form, "value": None, "method": model, "note": refused.message}
        return
    note = "" if len(complete) == len(table) else f"{len(complete)} of {len(table)} lesions have all reads"
    for form, model in models.items():
        estimate = next((e for e in result.estimates if e.name == form), None)
        yield {"measure": form, **_cells(estimate), "method": model, "note": note}


def _silently(function: Any, *arguments: Any, **options: Any) -> StatisticResult:
    """Call a statistic without its warning of clustered data: the limits of the error model answer it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result: StatisticResult = function(*arguments, **options)
    return result


def _cells(estimate: Estimate | None) -> Row:
    if estimate is None:
        return {"value": None}
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}


def _bland_altman(pairs: Sequence[ReadPair], scale: Any, level: float) -> StatisticResult | None:
    from volumetry.statistics import bland_altman

    first = [pair.first.volume_mm3 for pair in pairs]
    second = [pair.second.volume_mm3 for pair in pairs]
    try:
        return _silently(bland_altman, second, first, scale=scale, unit="mm3", level=level)
    except StatisticsError:
        return None


def _limit_rows(result: StatisticResult | None, scale: str, unit: str) -> Iterator[Row]:
    if result is None:
        return
    for name in ("bias", "lower limit", "upper limit"):
        estimate = next(e for e in result.estimates if e.name == name)
        yield {
            "measure": f"bland_altman_{scale}_{name.replace(' ', '_')}",
            **_cells(estimate),
            "unit": unit,
            "method": "second minus first read"
            + (", in percent of their mean" if scale == "percent" else ""),
        }


def _error_rows(error: ReadingError) -> Iterator[Row]:
    note = "the choice between the models is undecided" if error.undecided else ""
    limits = error.log_sd_limits or (None, None)
    yield {
        "measure": "log_sd_at_1_cm3",
        "value": error.log_sd_at_1_cm3,
        "ci_low": limits[0],
        "ci_high": limits[1],
        "method": f"model {error.model}; {error.limits_method}",
        "note": note,
    }
    exponents = error.exponent_limits or (None, None)
    yield {
        "measure": "exponent",
        "value": error.exponent,
        "ci_low": exponents[0],
        "ci_high": exponents[1],
        "method": f"model {error.model}",
        "note": note,
    }
    size = math.sqrt(error.size_range_mm3[0] * error.size_range_mm3[1])
    coefficient = "repeatability" if error.kind == "within_reader" else "reproducibility"
    yield {
        "measure": "within_subject_cv",
        "value": error.cv_percent(size),
        "unit": "%",
        "method": f"model {error.model}, at {size / 1000:.3g} cm3, the middle of the sizes",
        "note": note,
    }
    yield {
        "measure": f"{coefficient}_coefficient",
        "value": 1.959963984540054 * math.sqrt(2) * error.cv_percent(size),
        "unit": "%",
        "method": f"1.96 sqrt(2) CV, model {error.model}, at {size / 1000:.3g} cm3, the middle of the sizes",
        "note": note,
    }


def error_by_size(error: ReadingError) -> list[Row]:
    """Return the rows of the table ``error_by_size``."""
    low, high = (v / 1000 for v in error.size_range_mm3)
    sizes = sorted({*SIZES_CM3, low, high})
    rows = []
    for size in sizes:
        volume = 1000 * size
        cv = error.cv_percent(volume)
        decrease, increase = error.detectable_change_percent(volume)
        limits: tuple[float | None, float | None] = (None, None)
        if error.log_sd_limits is not None and error.model != "power":
            limits = tuple(  # type: ignore[assignment]
                100 * math.sqrt(math.expm1((error.log_sd(volume) * v / error.log_sd_at_1_cm3) ** 2))
                for v in error.log_sd_limits
            )
        rows.append(
            {
                "kind": error.kind,
                "volume_cm3": size,
                "cv_percent": cv,
                "cv_ci_low_percent": limits[0],
                "cv_ci_high_percent": limits[1],
                "coefficient_percent": 1.959963984540054 * math.sqrt(2) * cv,
                "detectable_decrease_percent": decrease,
                "detectable_increase_percent": increase,
                "within_range": "yes" if error.covers(volume) or size in (low, high) else "no",
            }
        )
    return rows
