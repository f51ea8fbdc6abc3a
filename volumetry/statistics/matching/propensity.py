"""Propensity scores: the probability of treatment given covariates, by logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.models.design import Covariates, CovariateSet, read_covariates
from volumetry.statistics.models.logistic_likelihood import build_model, fit_logistic
from volumetry.statistics.result import Result
from volumetry.statistics.rows import complete_rows, not_estimable, read_numbers
from volumetry.statistics.types import BoolArray, Column, FloatArray, IntArray, Table


@dataclass(frozen=True, kw_only=True, repr=False)
class PropensityScore(Result):
    """Each row's estimated probability of treatment.

    Attributes
    ----------
    probability : (n,) array
        Of the rows used.
    logit : (n,) array
        Its log odds.
    treated : (n,) array of bool
    rows : (n,) array of int
        Their positions in the input.
    used : (N,) array of bool
    names : tuple of str
    coefficients, standard_errors : (p,) arrays
        Of the logistic model.
    covariates : CovariateSet

    Examples
    --------
    >>> score = vs.propensity_score('treated', ['age', 'before'], data=hips)
    >>> score.names
    ('intercept', 'age', 'before')
    """

    probability: FloatArray
    logit: FloatArray
    treated: BoolArray
    rows: IntArray
    used: BoolArray
    names: tuple[str, ...]
    coefficients: FloatArray
    standard_errors: FloatArray
    covariates: CovariateSet

    @property
    def n_missing(self) -> int:
        """Rows left out for a missing value."""
        return int((~self.used).sum())

    def to_frame(self) -> pd.DataFrame:
        """Return one row of the input in each line: treated or not, its probability and log odds."""
        columns = {"row": self.rows, "treated": self.treated}
        return pd.DataFrame({**columns, "probability": self.probability, "logit": self.logit})


@checked
def propensity_score(
    treated: Column, covariates: Covariates, *, data: Table | None = None
) -> PropensityScore:
    """Estimate propensity scores by (unpenalised) logistic regression.

    Parameters
    ----------
    treated : column
        1 treated, 0 control: a column's name in `data`, or an array.
    covariates, data : as in every function of `volumetry.statistics`

    Returns
    -------
    PropensityScore

    Raises
    ------
    StatisticsError
        ``not-estimable``: covariates separate the arms (no overlap), are redundant, or an arm is empty.
    UsageError
        ``invalid-table`` if `treated` is not coded 0 and 1.
    """
    arm = read_numbers(treated, data, name="treated")
    read = read_covariates(covariates, data)
    used = complete_rows(arm, *read.values)
    require_arms(arm[used])
    design = read.design(used).with_intercept()
    fit = fit_logistic(build_model(design, arm[used], np.ones(int(used.sum()))))
    logit = design.values @ fit.coefficients
    return PropensityScore(
        probability=special.expit(logit),
        logit=logit,
        treated=arm[used] == 1,
        rows=np.flatnonzero(used).astype(np.int64),
        used=used,
        names=design.names,
        coefficients=fit.coefficients,
        standard_errors=np.sqrt(np.diag(np.linalg.inv(fit.point.information))),
        covariates=read,
    )


def require_arms(arm: FloatArray) -> None:
    """Refuse arms that are not coded 0 and 1."""
    if not np.isin(arm, (0.0, 1.0)).all():
        raise UsageError("invalid-table", "treated is not coded 0 (control) and 1 (treated)")
    if arm.min() == arm.max():
        raise not_estimable("one arm is empty", treated=int(arm.sum()), rows=len(arm))
