"""Can a change of 15 % be told from measurement error? Repeatability and its false-change rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import read_block
from volumetry.statistics.types import Column, FloatArray, Table

# Beyond it one read is typically a thousand times another, and percentages soon leave the range of floats.
_LARGEST_LOG_SD = 10.0


@checked
def repeatability(
    reads: Column,
    *,
    threshold_percent: float = 15.0,
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate within-lesion variation on the log scale, and what it does to a change threshold.

    Parameters
    ----------
    reads : array_like, shape (lesions, reads)
        Repeated volumes of the same lesions under the same conditions; missing reads are left out, and a
        lesion with fewer than two reads is left out and counted as missing.
    threshold_percent : float
        A change of more than this, up or down, is called a change; below 100.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        Estimates, each with its chi-squared interval:

        ``within-lesion log SD``
            Pooled s_w of natural logarithms (one-way, no reader bias removed).
        ``within-lesion CV``
            In percent: ``100 sqrt(exp(s_w**2) - 1)``.
        ``repeatability coefficient, log``
            z sqrt(2) s_w; also the smallest detectable change of a single lesion.
        ``smallest detectable increase`` and ``smallest detectable decrease``
            The same in percent; not symmetric.
        ``repeatability coefficient, linear``
            z sqrt(2) times the CV, in percent: the customary symmetric approximation.
        ``false-change rate``
            Share in percent of truly unchanged lesions called changed at the threshold.

        ``details["largest_log_sd"]``: the s_w at which the threshold is just above error, for increase and
        decrease: 0.050423 and 0.058633 for 15 %.

    Raises
    ------
    StatisticsError
        `not-estimable` without two reads of any lesion, for volumes not above 0, or reads that never differ.
    """
    if not 0 < threshold_percent < 100:
        raise UsageError(
            "usage", "a threshold lies between 0 and 100 %", values={"threshold": threshold_percent}
        )
    rows = read_block(
        reads, cluster, data, name="reads", shape="a row per lesion and a column per read", least=2
    )
    square_sum, df = _within(rows.values)
    if square_sum == 0:
        what = "all reads of each lesion are equal: there is no error to estimate"
        raise not_estimable(what, n_lesions=rows.n_used)
    tail = (1 - level) / 2
    value = math.sqrt(square_sum / df)
    low = math.sqrt(square_sum / float(stats.chi2.isf(tail, df)))
    high = math.sqrt(square_sum / float(stats.chi2.ppf(tail, df)))
    z = float(stats.norm.isf(tail)) * math.sqrt(2)
    threshold = threshold_percent / 100
    up, down = math.log1p(threshold), -math.log1p(-threshold)

    sds = (value, low, high)
    notes: tuple[str, ...] = ()
    if high > _LARGEST_LOG_SD:
        sds = (min(value, _LARGEST_LOG_SD), min(low, _LARGEST_LOG_SD), _LARGEST_LOG_SD)
        notes = (f"log SDs are cut at {_LARGEST_LOG_SD:g}: there are too few reads, or they are no repeats",)
    estimates = _estimates(sds, z, up, down, level)
    return rows.result(
        "Repeatability on the log scale",
        estimates=estimates,
        df=float(df),
        alternative="",
        notes=notes,
        details={
            "threshold_percent": threshold_percent,
            "largest_log_sd": {"increase": up / z, "decrease": down / z},
        },
    )


def _estimates(
    sds: tuple[float, float, float], z: float, up: float, down: float, level: float
) -> tuple[Estimate, ...]:
    """Return every figure that follows from the log SD, each at the SD and at its two limits."""

    def of(name: str, unit: str, transform: Callable[[float], float]) -> Estimate:
        middle, one, other = map(transform, sds)
        low, high = min(one, other), max(one, other)
        return Estimate(name=name, value=middle, ci_low=low, ci_high=high, level=level, unit=unit)

    return (
        of("within-lesion log SD", "", float),
        of("within-lesion CV", "%", lambda s: 100 * _cv(s)),
        of("repeatability coefficient, log", "", lambda s: z * s),
        of("smallest detectable increase", "%", lambda s: 100 * math.expm1(z * s)),
        of("smallest detectable decrease", "%", lambda s: 100 * math.expm1(-z * s)),
        of("repeatability coefficient, linear", "%", lambda s: 100 * z * _cv(s)),
        of("false-change rate", "%", lambda s: 100 * _false_change(s, up, down)),
    )


def _within(numbers: FloatArray) -> tuple[float, int]:
    """Return the within-lesion sum of squares of logs, and its df."""
    if (numbers <= 0).any():
        raise not_estimable("a volume is not above 0 and has no logarithm", todo="Leave absent lesions out.")
    if len(numbers) == 0:
        raise not_estimable("no lesion has two reads")
    known = ~np.isnan(numbers)
    logs = np.log(numbers)
    means = np.nansum(logs, axis=1) / known.sum(1)
    deviations = np.where(known, logs - means[:, None], 0.0)
    # Equal reads leave a rounding error about their mean.
    deviations[np.abs(deviations) < 1e-14] = 0.0
    return float((deviations**2).sum()), int(known.sum()) - len(numbers)


def _cv(log_sd: float) -> float:
    return math.sqrt(math.expm1(log_sd**2))


def _false_change(log_sd: float, up: float, down: float) -> float:
    spread = math.sqrt(2) * log_sd
    return float(stats.norm.sf(up / spread) + stats.norm.sf(down / spread))
