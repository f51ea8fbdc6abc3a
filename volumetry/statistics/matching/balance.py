"""Balance of covariates between two arms: standardised differences, variances, distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from volumetry.statistics.arguments import checked
from volumetry.statistics.matching.pairs import Matching
from volumetry.statistics.matching.propensity import PropensityScore, require_arms
from volumetry.statistics.models.design import Covariates, read_covariates
from volumetry.statistics.result import Result
from volumetry.statistics.rows import complete_rows, read_numbers
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table

Denominator = Literal["treated", "control", "pooled"]
BinaryVariance = Literal["binomial", "sample"]


@dataclass(frozen=True, kw_only=True, repr=False)
class CovariateBalance(Result):
    """How one covariate (or level of a factor) is spread over the arms.

    Attributes
    ----------
    name : str
    mean_treated, mean_control : float
        Weighted.
    standardised_difference : float or None
        Their difference over the unweighted standard deviation of `Denominator`; None where that is 0.
        Below 0.1 in size is commonly taken as balanced.
    variance_ratio : float or None
        Weighted variance in treated over controls; None for a covariate with two values.
    ecdf_mean, ecdf_max : float
        Mean and largest distance of the weighted distribution functions.
    pair_distance : float or None
        Mean distance within matched pairs over the same standard deviation.

    Examples
    --------
    >>> table = vs.balance_table('treated', ['age'], data=hips, denominator='pooled')
    >>> round(table.rows[0].mean_treated, 1)
    52.5
    """

    name: str
    mean_treated: float
    mean_control: float
    standardised_difference: float | None
    variance_ratio: float | None
    ecdf_mean: float
    ecdf_max: float
    pair_distance: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class BalanceTable(Result):
    """Balance of every covariate.

    Attributes
    ----------
    rows : tuple of CovariateBalance
    denominator : str
    effective_treated, effective_control : float
        Effective sample sizes, (sum w)^2 / sum w^2.
    n_missing : int

    Examples
    --------
    >>> table = vs.balance_table('treated', ['age', 'before'], data=hips, denominator='pooled')
    >>> [row.name for row in table.rows]
    ['age', 'before']
    """

    rows: tuple[CovariateBalance, ...]
    denominator: Denominator
    effective_treated: float
    effective_control: float
    n_missing: int

    def __getitem__(self, name: str) -> CovariateBalance:
        """Return the row of that name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def largest(self) -> float:
        """Largest absolute standardised difference."""
        known = [
            abs(row.standardised_difference) for row in self.rows if row.standardised_difference is not None
        ]
        return max(known, default=0.0)


@checked
def balance_table(
    treated: Column,
    covariates: Covariates,
    *,
    data: Table | None = None,
    weights: Column | None = None,
    denominator: Denominator,
    binary_variance: BinaryVariance = "binomial",
) -> BalanceTable:
    """Compare covariates between arms, as they are or weighted.

    Parameters
    ----------
    treated : column
        1 treated, 0 control.
    covariates : as in `propensity_score`
        Factors give a row for every level.
    weights : column, optional
        0 for rows that are not used, as after matching.
    denominator : "treated", "control" or "pooled"
        Standard deviation that differences are divided by, always of the unweighted rows: of the treated
        (effect in the treated, as MatchIt has it), or the root of the arms' mean variance (Austin 2009).
    binary_variance : "binomial" or "sample"
        Variance of a share: p (1 - p), as MatchIt and tableone have it, or with n - 1 like any other.
    data : as in every function of `volumetry.statistics`

    Returns
    -------
    BalanceTable

    Raises
    ------
    StatisticsError
        ``not-estimable`` if an arm is empty.
    """
    arm = read_numbers(treated, data, name="treated")
    weight = np.ones(len(arm)) if weights is None else read_numbers(weights, data, name="weights")
    read = read_covariates(covariates, data)
    used = complete_rows(arm, weight, *read.values)
    require_arms(arm[used])
    design = read.design(used, all_levels=True)
    return _table(
        dict(zip(design.names, design.values.T, strict=True)),
        _Arms(treated=arm[used] == 1, weight=weight[used], denominator=denominator, binary=binary_variance),
        n_missing=int((~used).sum()),
    )


@checked
def matched_balance(
    score: PropensityScore, matching: Matching | None = None, *, denominator: Denominator = "treated"
) -> BalanceTable:
    """Compare score (``"distance"``) and covariates before matching, or after it.

    Parameters
    ----------
    score : PropensityScore
    matching : Matching, optional
        After this matching, with distances within pairs; before it if not given.
    denominator : "treated", "control" or "pooled"
        MatchIt's is ``"treated"``.
    """
    design = score.covariates.design(score.used, all_levels=True)
    on_logit = matching is not None and matching.options.scale == "sd-logit"
    columns = {"distance": score.logit if on_logit else score.probability}
    columns |= dict(zip(design.names, design.values.T, strict=True))
    weight = np.ones(len(score.rows))
    pairs = None
    if matching is not None:
        weight = np.isin(score.rows, matching.rows).astype(np.float64)
        pairs = (
            np.searchsorted(score.rows, matching.treated_rows),
            np.searchsorted(score.rows, matching.control_rows),
        )
    arms = _Arms(treated=score.treated, weight=weight, denominator=denominator, pairs=pairs)
    return _table(columns, arms, n_missing=score.n_missing)


@dataclass(frozen=True, kw_only=True)
class _Arms:
    """Who is treated, with what weight, and what differences are divided by."""

    treated: BoolArray
    weight: FloatArray
    denominator: Denominator
    binary: BinaryVariance = "binomial"
    pairs: tuple[IntArray, IntArray] | None = None


def _table(columns: dict[str, FloatArray], arms: _Arms, *, n_missing: int) -> BalanceTable:
    return BalanceTable(
        rows=tuple(_balance(name, x, arms) for name, x in columns.items()),
        denominator=arms.denominator,
        effective_treated=effective_size(arms.weight[arms.treated]),
        effective_control=effective_size(arms.weight[~arms.treated]),
        n_missing=n_missing,
    )


@checked
def effective_size(weight: Column) -> float:
    """Return the number of equally weighted rows that would be as precise (Kish)."""
    weight = read_numbers(weight, name="weight")
    square = float((weight**2).sum())
    return float(weight.sum()) ** 2 / square if square > 0 else 0.0


def _balance(name: str, x: FloatArray, arms: _Arms) -> CovariateBalance:
    treated, weight, pairs = arms.treated, arms.weight, arms.pairs
    unit = _deviation(x, arms)
    known = unit > 1e-12 * (1 + float(np.abs(x).max()))
    t, c = (x[treated], weight[treated]), (x[~treated], weight[~treated])
    mean_t, mean_c = _mean(*t), _mean(*c)
    binary = len(np.unique(x)) <= 2
    variance_c = _variance(*c)
    ecdf_mean, ecdf_max = _distribution_distance(x, treated, weight)
    if binary:
        low, high = float(x.min()), float(x.max())
        ecdf_mean = ecdf_max = abs(mean_t - mean_c) / (high - low) if high > low else 0.0
    distance = None
    if pairs is not None and known:
        distance = float(np.abs(x[pairs[0]] - x[pairs[1]]).mean()) / unit
    return CovariateBalance(
        name=name,
        mean_treated=mean_t,
        mean_control=mean_c,
        standardised_difference=(mean_t - mean_c) / unit if known else None,
        variance_ratio=None if binary or variance_c <= 0 else _variance(*t) / variance_c,
        ecdf_mean=ecdf_mean,
        ecdf_max=ecdf_max,
        pair_distance=distance,
    )


def _deviation(x: FloatArray, arms: _Arms) -> float:
    """Return the unweighted standard deviation to divide by."""
    share = arms.binary == "binomial" and bool(np.isin(x, (0.0, 1.0)).all())

    def variance(values: FloatArray) -> float:
        if share:
            return float(values.mean() * (1 - values.mean()))
        return float(values.var(ddof=1)) if len(values) > 1 else 0.0

    treated, control = variance(x[arms.treated]), variance(x[~arms.treated])
    variances = {"treated": treated, "control": control, "pooled": (treated + control) / 2}
    return float(np.sqrt(variances[arms.denominator]))


def _mean(x: FloatArray, weight: FloatArray) -> float:
    return float(weight @ x / weight.sum()) if weight.sum() > 0 else 0.0


def _variance(x: FloatArray, weight: FloatArray) -> float:
    """Return the weighted variance that is unbiased for reliability weights, s^2 for equal ones."""
    total = float(weight.sum())
    if total <= 0:
        return 0.0
    share = weight / total
    correction = 1 - float((share**2).sum())
    return float(share @ (x - share @ x) ** 2) / correction if correction > 0 else 0.0


def _distribution_distance(x: FloatArray, treated: BoolArray, weight: FloatArray) -> tuple[float, float]:
    """Return mean and maximum over the distinct values of the distance of the distribution functions."""
    values, index = np.unique(x, return_inverse=True)
    gap = np.zeros(len(values))
    for arm, sign in ((treated, 1.0), (~treated, -1.0)):
        total = float(weight[arm].sum())
        if total > 0:
            gap += sign * np.bincount(index[arm], weight[arm], len(values)) / total
    distance = np.abs(np.cumsum(gap))
    return float(distance.mean()), float(distance.max())
