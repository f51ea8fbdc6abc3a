"""Sample size and power: two proportions, means, pairs, survival, and two hips per patient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from scipy import optimize, stats

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.planning.fisher_power import fisher_power, smallest_fisher_n
from volumetry.statistics.result import Estimate, StatisticResult, Used
from volumetry.statistics.rows import not_estimable

Sides = Literal["two-sided", "one-sided"]
ProportionMethod = Literal["normal-pooled", "normal-unpooled", "arcsine", "fleiss", "fisher-exact"]
Design = Literal["two-sample", "paired"]

_PROPORTION_METHODS = {
    "normal-pooled": "Two proportions, normal approximation, pooled variance",
    "normal-unpooled": "Two proportions, normal approximation, unpooled variance",
    "arcsine": "Two proportions, arcsine transformation",
    "fleiss": "Two proportions, pooled variance with Fleiss' continuity correction",
    "fisher-exact": "Two proportions, exact power of Fisher's test",
}
_MAX_N = 1e9


@checked
def power_two_proportions(
    p1: float,
    p2: float,
    *,
    n: int | tuple[int, int] | None = None,
    power: float | None = None,
    method: ProportionMethod = "normal-pooled",
    sides: Sides = "two-sided",
    alpha: float = 0.05,
    ratio: float = 1.0,
    both_tails: bool = False,
    design_effect: float = 1.0,
) -> StatisticResult:
    """Find the sample size for a power, or the power of a sample size, of comparing two proportions.

    Parameters
    ----------
    p1, p2 : float
        True proportions.
    n : int or pair of int, optional
        Size of each group, or of both; give either `n` or `power`.
    power : float, optional
        Wanted power.
    method : {'normal-pooled', 'normal-unpooled', 'arcsine', 'fleiss', 'fisher-exact'}
        ``normal-pooled`` is R's ``power.prop.test``, ``arcsine`` R's ``pwr``, ``fisher-exact`` G*Power's
        exact test (binomial outcomes, each tested by Fisher's test).
    sides : {'two-sided', 'one-sided'}
    alpha : float
    ratio : float
        Size of the second group over that of the first, when solving for `n`.
    both_tails : bool
        Whether rejecting on the wrong side counts as power (``strict`` in R); only for normal methods.
    design_effect : float
        Variance inflation by clusters, see `design_effect`; sizes are multiplied by it.

    Returns
    -------
    StatisticResult
        Estimates ``n first group`` and ``n second group`` (whole, rounded up) or ``power``. In ``details``:
        ``n_unrounded`` (before rounding and without the design effect), ``power_at_n`` and the assumptions.

    Raises
    ------
    UsageError
        `usage` for probabilities outside (0, 1), or both or neither of `n` and `power`.
    StatisticsError
        `not-estimable` if the proportions are equal and a size is asked for.
    """
    _check_design(alpha, n, power, design_effect)
    _check_probability("p1", p1)
    _check_probability("p2", p2)
    two_sided = sides == "two-sided"

    def power_of(n1: float, n2: float) -> float:
        if method == "fisher-exact":
            return fisher_power(p1, p2, int(n1), int(n2), alpha, two_sided=two_sided)
        distance, critical, spread = _proportion_terms(p1, p2, n1, n2, method, alpha, two_sided)
        tail = float(stats.norm.sf((critical - distance) / spread))
        wrong = float(stats.norm.cdf((-critical - distance) / spread)) if both_tails and two_sided else 0.0
        return tail + wrong

    name = _PROPORTION_METHODS[method]
    assumed = {"p1": p1, "p2": p2, "alpha": alpha, "ratio": ratio, "design_effect": design_effect}
    if n is not None:
        n1, n2 = (n, n) if isinstance(n, int | np.integer) else n
        reached = power_of(n1 / design_effect, n2 / design_effect)
        return _answer(name, {"power": reached}, sides, assumed, n_used=n1 + n2)
    assert power is not None
    if p1 == p2:
        raise not_estimable("equal proportions need no finite sample size", p1=p1, p2=p2)
    if method == "fisher-exact":
        unrounded = _exact_size(p1, p2, power, alpha, ratio, two_sided)
    else:
        unrounded = _solve_size(lambda size: power_of(size, ratio * size), power)
    sizes = (_ceil(unrounded * design_effect), _ceil(unrounded * design_effect * ratio))
    assumed |= {"n_unrounded": unrounded}
    assumed["power_at_n"] = power_of(sizes[0] / design_effect, sizes[1] / design_effect)
    return _answer(name, {"n first group": sizes[0], "n second group": sizes[1]}, sides, assumed)


@checked
def power_t_test(
    effect_size: float,
    *,
    n: int | tuple[int, int] | None = None,
    power: float | None = None,
    design: Design = "two-sample",
    sides: Sides = "two-sided",
    alpha: float = 0.05,
    both_tails: bool = False,
    design_effect: float = 1.0,
) -> StatisticResult:
    """Find the sample size for a power, or the power of a sample size, of a t test.

    Parameters
    ----------
    effect_size : float
        Difference of means over the SD of the values (two-sample), or mean difference over the SD of the
        differences (paired).
    n : int or pair of int, optional
        Size of each group (or of both), or the number of pairs; give either `n` or `power`.
    power : float, optional
    design : {'two-sample', 'paired'}
    sides, alpha, both_tails, design_effect
        As in `power_two_proportions`.

    Returns
    -------
    StatisticResult
        As in `power_two_proportions`; for pairs the one estimate is ``n pairs``.

    Notes
    -----
    From the noncentral t distribution, as R's ``power.t.test``.
    """
    _check_design(alpha, n, power, design_effect)
    paired = design == "paired"
    two_sided = sides == "two-sided"

    def power_of(n1: float, n2: float) -> float:
        df = n1 - 1 if paired else n1 + n2 - 2
        if df <= 0:
            return 0.0
        centre = abs(effect_size) * math.sqrt(n1 if paired else 1 / (1 / n1 + 1 / n2))
        critical = float(stats.t.isf(alpha / 2 if two_sided else alpha, df))
        wrong = float(stats.nct.cdf(-critical, df, centre)) if both_tails and two_sided else 0.0
        reached = float(stats.nct.sf(critical, df, centre)) + wrong
        if math.isnan(reached):
            raise not_estimable("the noncentral t distribution is not computable so far out", centre=centre)
        return reached

    name = "Paired t test" if paired else "Two-sample t test"
    assumed = {"effect_size": effect_size, "alpha": alpha, "design_effect": design_effect}
    if n is not None:
        n1, n2 = (n, n) if isinstance(n, int | np.integer) else n
        reached = power_of(n1 / design_effect, n2 / design_effect)
        return _answer(name, {"power": reached}, sides, assumed, n_used=n1 if paired else n1 + n2)
    assert power is not None
    if effect_size == 0:
        raise not_estimable("an effect of 0 needs no finite sample size")
    unrounded = _solve_size(lambda size: power_of(size, size), power)
    size = _ceil(unrounded * design_effect)
    assumed |= {"n_unrounded": unrounded}
    assumed["power_at_n"] = power_of(size / design_effect, size / design_effect)
    sizes = {"n pairs": size} if paired else {"n first group": size, "n second group": size}
    return _answer(name, sizes, sides, assumed)


@checked
def power_log_rank(
    hazard_ratio: float,
    *,
    events: float | None = None,
    power: float | None = None,
    method: Literal["schoenfeld", "freedman"] = "schoenfeld",
    sides: Sides = "two-sided",
    alpha: float = 0.05,
    allocation: float = 0.5,
    event_share: float | None = None,
    design_effect: float = 1.0,
) -> StatisticResult:
    """Find the number of events for a power, or the power of a number of events, of the log-rank test.

    Parameters
    ----------
    hazard_ratio : float
        True ratio.
    events : float, optional
        Number of events in both groups; give either `events` or `power`.
    power : float, optional
    method : {'schoenfeld', 'freedman'}
        Schoenfeld, Biometrics 1983;39:499-503; Freedman, Stat Med 1982;1:121-129.
    sides, alpha, design_effect
        As in `power_two_proportions`; events are multiplied by the design effect.
    allocation : float
        Share of the first group, in (0, 1).
    event_share : float, optional
        Expected share of the subjects with an event; with it the number of subjects is estimated too.

    Returns
    -------
    StatisticResult
        Estimates ``events`` and, with `event_share`, ``n``; or ``power``. ``details["events_unrounded"]``.
    """
    _check_design(alpha, events, power, design_effect)
    _check_probability("allocation", allocation)
    if event_share is not None and not 0 < event_share <= 1:
        raise UsageError("usage", "event_share lies in (0, 1]", values={"event_share": event_share})
    if hazard_ratio <= 0 or not math.isfinite(hazard_ratio):
        raise UsageError("usage", "a hazard ratio is above 0", values={"hazard_ratio": hazard_ratio})
    odds = allocation / (1 - allocation)
    per_event = odds * ((hazard_ratio - 1) / (1 + odds * hazard_ratio)) ** 2
    if method == "schoenfeld":
        per_event = math.log(hazard_ratio) ** 2 * allocation * (1 - allocation)
    critical = float(stats.norm.isf(alpha / 2 if sides == "two-sided" else alpha))
    name = f"Log-rank test, {method.capitalize()}"
    assumed = {
        "hazard_ratio": hazard_ratio,
        "alpha": alpha,
        "allocation": allocation,
        "design_effect": design_effect,
    }
    if events is not None:
        reached = float(stats.norm.sf(critical - math.sqrt(events / design_effect * per_event)))
        return _answer(name, {"power": reached}, sides, {**assumed, "events": events})
    assert power is not None
    if hazard_ratio == 1:
        raise not_estimable("a hazard ratio of 1 needs no finite number of events")
    unrounded = (critical + float(stats.norm.ppf(power))) ** 2 / per_event
    whole = _ceil(unrounded * design_effect)
    found = {"events": whole}
    if event_share is not None:
        found["n"] = _ceil(unrounded * design_effect / event_share)
    return _answer(name, found, sides, {**assumed, "events_unrounded": unrounded})


@checked
def design_effect(cluster_sizes: Sequence[int], icc: float) -> float:
    """Return the variance inflation of clusters of these sizes.

    Parameters
    ----------
    cluster_sizes : sequence of int
        Rows of each patient: ``[2] * 88 + [1] * 96`` for 88 bilateral and 96 unilateral patients.
    icc : float
        Correlation of two rows of one patient.

    Notes
    -----
    ``1 + (sum(m**2) / sum(m) - 1) * icc`` (Kish): 1.194118 for the example with icc 0.3.

    Raises
    ------
    StatisticsError
        `not-estimable` without clusters.
    """
    sizes = np.asarray(cluster_sizes, dtype=float)
    if sizes.size == 0 or sizes.sum() == 0:
        raise not_estimable("there are no clusters")
    if (sizes < 0).any() or not -1 <= icc <= 1:
        raise UsageError("usage", "sizes are not negative and the ICC lies in [-1, 1]", values={"icc": icc})
    return 1 + (float((sizes**2).sum() / sizes.sum()) - 1) * icc


def _proportion_terms(
    p1: float, p2: float, n1: float, n2: float, method: str, alpha: float, two_sided: bool
) -> tuple[float, float, float]:
    """Return the distance, the critical distance under no difference, and the spread under the true one."""
    z = float(stats.norm.isf(alpha / 2 if two_sided else alpha))
    if method == "arcsine":
        distance = 2 * abs(math.asin(math.sqrt(p1)) - math.asin(math.sqrt(p2)))
        return distance * math.sqrt(n1 * n2 / (n1 + n2)), z, 1.0
    distance = abs(p1 - p2)
    if method == "fleiss":
        # Undo the correction: n = (n' - (k + 1) / (2 k d))**2 / n' for n' subjects in the first group.
        lost = (n1 + n2) / n2 / 2 / distance if distance else math.inf
        shrink = max(0.0, n1 - lost) ** 2 / n1**2 if math.isfinite(lost) else 0.0
        n1, n2 = max(n1 * shrink, 1e-12), max(n2 * shrink, 1e-12)
    spread = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    if method == "normal-unpooled":
        return distance, z * spread, spread
    pooled = (n1 * p1 + n2 * p2) / (n1 + n2)
    return distance, z * math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2)), spread


def _exact_size(p1: float, p2: float, power: float, alpha: float, ratio: float, two_sided: bool) -> float:
    def normal(size: float) -> float:
        terms = _proportion_terms(p1, p2, size, ratio * size, "fleiss", alpha, two_sided)
        return float(stats.norm.sf((terms[1] - terms[0]) / terms[2]))

    guess = _solve_size(normal, power)
    n, _ = smallest_fisher_n(p1, p2, power, alpha, ratio=ratio, two_sided=two_sided, guess=guess)
    return float(n)


def _solve_size(power_of: Callable[[float], float], power: float) -> float:
    low, high = 1.0, 4.0
    if power_of(low + 1e-9) >= power:
        return low
    while power_of(high) < power:
        low, high = high, 2 * high
        if high > _MAX_N:
            raise not_estimable("no sample size below a thousand million reaches the power", power=power)
    return float(optimize.brentq(lambda size: power_of(size) - power, low, high, xtol=1e-10, rtol=1e-14))


def _ceil(value: float) -> int:
    # 120.00000000001 is 120 subjects.
    return math.ceil(value - 1e-9)


def _answer(
    method: str, found: dict[str, Any], sides: str, details: dict[str, float], *, n_used: int = 0
) -> StatisticResult:
    estimates = tuple(Estimate(name=name, value=float(value)) for name, value in found.items())
    rows = Used(n_used=n_used)
    return rows.result(method, estimates=estimates, alternative=sides, details=details)


def _check_design(alpha: float, size: object, power: float | None, design_effect: float) -> None:
    _check_probability("alpha", alpha)
    if (size is None) == (power is None):
        raise UsageError("usage", "give either a size or a power", todo="The other one is answered.")
    if power is not None:
        _check_probability("power", power)
    sizes = size if isinstance(size, tuple) else (size,)
    if size is not None and not all(isinstance(s, int | float | np.number) and s > 0 for s in sizes):
        raise UsageError("usage", "a sample size is above 0", values={"n": str(size)})
    if design_effect <= 0:
        raise UsageError("usage", "a design effect is above 0", values={"design_effect": design_effect})


def _check_probability(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UsageError("usage", f"{name} lies between 0 and 1", values={name: value})
