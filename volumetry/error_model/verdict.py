"""The class of a change beside its worth: how sure is an increase or a decrease?

With D = ln(V_2 / V_1) and ``s_D**2 = s(V_1)**2 + s(V_2)**2 + (1.4 / 1.2)**2 (CE_1**2 + CE_2**2)``, s the
error of reading and CE the error of slicing:

- ``increase`` if D > max(ln(1 + t), k s_D), with t the threshold, by default 0.15;
- ``decrease`` if D < min(ln(1 - t), -k s_D);
- ``no_change`` if the bare rule says so and the two probabilities below sum to less than 5 % (below 10
  degrees of freedom of the error: by Student's t);
- ``within_error`` otherwise.

The probabilities that the true change exceeds the threshold are ``Phi((D - ln(1 + t)) / s_D)`` upwards and
``Phi((ln(1 - t) - D) / s_D)`` downwards: a flat prior on the logarithm of the ratio and a log-normal error.
They take the error as known, and are not calibrated where most lesions are stable. The factor 1.4 was chosen
by simulation so that at most 5 % of stable lesions of 0.5 to 25 cm3 are called changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from volumetry.change import Category, ChangeRule, threshold_category
from volumetry.error_model.reading import ReadingError
from volumetry.errors import UsageError

Verdict = Literal["increase", "no_change", "decrease", "within_error", "not_evaluable"]
CriticalValue = Literal["normal", "t", "tolerance"]

SLICING_FACTOR = 1.4 / 1.2
_NO_CHANGE_BELOW = 0.05
_OUTSIDE = "outside-repeatability-range"
_UNDECIDED = "error-model-undecided"
_UNLIKE = "readers-repeat-differently"
_FEW_READS_BELOW = 10
"""Degrees of freedom below which the flag ``few-repeated-reads`` is set."""


@dataclass(frozen=True, kw_only=True)
class VerdictRule:
    """How far from 0 a change must lie, in standard deviations, to count.

    Attributes
    ----------
    critical_value : {"t", "tolerance", "normal"}
        ``t``: Student's t with the degrees of freedom of the error's estimate; on average over studies at
        most 5 % of stable lesions are called changed. ``tolerance``: in 95 % of studies at most 5 % are,
        at the price of power. ``normal``: the error is taken as known.
    level : float
        0.95: 5 % of stable lesions may be called changed.

    Examples
    --------
    >>> from volumetry.error_model import VerdictRule
    >>> VerdictRule(level=0.9).critical_value
    't'
    """

    critical_value: CriticalValue = "t"
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.critical_value not in get_args(CriticalValue) or not 0.5 <= self.level < 1:
            raise UsageError(
                "usage",
                "a verdict rule is out of range",
                values={"critical_value": self.critical_value, "level": self.level},
                todo=f"Choose one of {', '.join(get_args(CriticalValue))}, and a level such as 0.95.",
            )

    def multiple(self, df: float) -> float:
        """Return k, the number of standard deviations.

        Parameters
        ----------
        df : float
            Degrees of freedom of the error's estimate.

        Examples
        --------
        >>> round(VerdictRule(critical_value="tolerance").multiple(30), 3)
        2.496
        >>> round(VerdictRule(critical_value="t").multiple(30), 3)
        2.042
        """
        return _multiple(self.critical_value, self.level, df)


@lru_cache(maxsize=64)
def _multiple(critical_value: CriticalValue, level: float, df: float) -> float:
    """All changes of a study have one error, and quantiles take longer than all the rest of a verdict."""
    from statistics import NormalDist

    normal = NormalDist().inv_cdf((1 + level) / 2)
    if critical_value == "normal" or math.isinf(df):
        return normal
    from scipy.stats import chi2, t

    if critical_value == "t":
        return float(t.ppf((1 + level) / 2, df))
    return normal * math.sqrt(df / float(chi2.ppf(1 - level, df)))


@dataclass(frozen=True, kw_only=True)
class ChangeWorth:
    """What the class of a change is worth.

    Attributes
    ----------
    verdict : str
        ``increase``, ``no_change``, ``decrease``, ``within_error`` or ``not_evaluable``; empty where the
        error is not known.
    change_error_percent : float or None
        Standard deviation of the change, ``100 sqrt(exp(s_D**2) - 1)``.
    error_lower_bound_percent : float or None
        The same from the error of slicing alone: a lower bound, where repeated reads are lacking.
    detectable_change_percent : float or None
        Smallest increase beyond the error, ``100 (exp(k s_D) - 1)``.
    probability_increase, probability_decrease : float or None
        That the true change exceeds the threshold; 0 to 1.
    flags : tuple of str
        ``error-unknown``; ``outside-repeatability-range``; ``few-repeated-reads``: the error has fewer than
        10 degrees of freedom, and the probabilities, which take it as known, are too sure;
        ``error-model-undecided``: another model fits the repeated reads as well;
        ``readers-repeat-differently``: one error for all readers is too small for some.

    Examples
    --------
    >>> reads = [[1000, 1100], [2000, 1900], [500, 520], [4000, 4300]]
    >>> error = vm.fit_reading_error(reads, model="constant")
    >>> vm.judge_change(2000, 2600, sampling_error_percent=(2.0, 1.5), reading_error=error).verdict
    'increase'
    """

    verdict: Verdict | Literal[""]
    change_error_percent: float | None = None
    error_lower_bound_percent: float | None = None
    detectable_change_percent: float | None = None
    probability_increase: float | None = None
    probability_decrease: float | None = None
    flags: tuple[str, ...] = ()


def judge_change(
    baseline_mm3: float | None,
    followup_mm3: float | None,
    *,
    sampling_error_percent: tuple[float | None, float | None],
    reading_error: ReadingError | None = None,
    change_rule: ChangeRule | None = None,
    verdict_rule: VerdictRule | None = None,
    category: Category | None = None,
) -> ChangeWorth:
    """Judge a change by the errors of reading and of slicing.

    Parameters
    ----------
    baseline_mm3, followup_mm3 : float or None
    sampling_error_percent : pair of float or None
        Error of slicing of both volumes, from `sampling_error`.
    reading_error : ReadingError, optional
        Left out: no verdict, flag ``error-unknown``, and only the lower bound is given. That of a rescan has
        the error of slicing in it, which then counts only where it is larger.
    change_rule : ChangeRule, optional
    verdict_rule : VerdictRule, optional
    category : str, optional
        The class with its checks; a change that is ``not_evaluable`` gets no other verdict.

    Returns
    -------
    ChangeWorth
        ``not_evaluable`` also where a volume is missing or 0: the logarithm of the ratio does not exist.

    Examples
    --------
    >>> from volumetry.error_model import ReadingError
    >>> error = ReadingError(model="constant", log_sd_at_1_cm3=0.05, exponent=0.0, df=60, n_pairs=60,
    ...                      n_lesions=60, n_patients=60, size_range_mm3=(500, 30000))
    >>> judge_change(2000, 2600, sampling_error_percent=(2.0, 1.5), reading_error=error).verdict
    'increase'
    """
    rule, how = change_rule or ChangeRule(), verdict_rule or VerdictRule()
    if not baseline_mm3 or not followup_mm3 or category == "not_evaluable":
        return ChangeWorth(verdict="not_evaluable")
    slicing = _slicing_variance(sampling_error_percent)
    bound = None if slicing is None else _as_percent(math.sqrt(slicing))
    if reading_error is None or slicing is None:
        return ChangeWorth(verdict="", error_lower_bound_percent=bound, flags=("error-unknown",))
    reading = sum(reading_error.log_sd(v) ** 2 for v in (baseline_mm3, followup_mm3))
    # Two scans cut the lesion anew, so the error of a rescan has that of slicing in it.
    log_sd = math.sqrt(max(reading, slicing) if reading_error.kind == "rescan" else reading + slicing)
    k = how.multiple(reading_error.df)
    difference = math.log(followup_mm3 / baseline_mm3)
    up, down = _log_thresholds(rule)
    from statistics import NormalDist

    normal = NormalDist()
    p_up = normal.cdf((difference - up) / log_sd)
    p_down = normal.cdf((down - difference) / log_sd) if math.isfinite(down) else 0.0
    bare = threshold_category(baseline_mm3, followup_mm3, rule)
    flags: tuple[str, ...] = (
        () if all(reading_error.covers(v) for v in (baseline_mm3, followup_mm3)) else (_OUTSIDE,)
    )
    if reading_error.undecided:
        flags = (*flags, _UNDECIDED)
    if reading_error.readers_differ:
        flags = (*flags, _UNLIKE)
    p_changed = p_up + p_down
    if reading_error.df < _FEW_READS_BELOW:
        flags = (*flags, "few-repeated-reads")
        p_changed = _beyond((up - difference) / log_sd, (difference - down) / log_sd, reading_error.df)
    return ChangeWorth(
        verdict=_verdict(difference, k * log_sd, bare, p_changed),
        change_error_percent=_as_percent(log_sd),
        error_lower_bound_percent=bound,
        detectable_change_percent=100 * math.expm1(min(k * log_sd, 700.0)),
        probability_increase=p_up,
        probability_decrease=p_down,
        flags=flags,
    )


def _verdict(difference: float, error: float, bare: Category, p_changed: float) -> Verdict:
    """The bare class holds the threshold, with its rule for a change of exactly so much."""
    if bare == "increase" and difference > error:
        return "increase"
    if bare == "decrease" and difference < -error:
        return "decrease"
    if bare == "no_change" and p_changed < _NO_CHANGE_BELOW:
        return "no_change"
    return "within_error"


def _beyond(up: float, down: float, df: float) -> float:
    """Probability by Student's t that the true change lies beyond the thresholds, so many errors away."""
    from scipy.stats import t

    return float(t.sf(up, df) + t.sf(down, df))


def _log_thresholds(rule: ChangeRule) -> tuple[float, float]:
    decrease = rule.decrease_percent
    down = math.log1p(-decrease / 100) if decrease < 100 else -math.inf
    return math.log1p(rule.threshold_percent / 100), down


def _slicing_variance(percents: tuple[float | None, float | None]) -> float | None:
    first, second = percents
    if first is None or second is None:
        return None
    return SLICING_FACTOR**2 * ((first / 100) ** 2 + (second / 100) ** 2)


def _as_percent(log_sd: float) -> float:
    return 100 * math.sqrt(math.expm1(min(log_sd**2, 700.0)))
