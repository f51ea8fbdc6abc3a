"""Harrell's concordance: how often the one who fails first had the higher risk."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.clusters import cluster_sums
from volumetry.statistics.models.cox import CoxFit
from volumetry.statistics.result import StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.types import FloatArray
from volumetry.statistics.wald import wald_estimate

#: Pairs looked at in one go; bounds the memory.
_CHUNK = 4_000_000


@checked
def concordance_index(model: StatisticResult | CoxFit, *, level: float = 0.95) -> StatisticResult:
    """Return the concordance of a Cox model's risk with the order of events.

    A pair counts if one of the two has an event and the other is still followed then (or censored on the same
    day). Equal risks count half. Pairs are within strata, weighted by the product of their weights. The
    error is the infinitesimal jackknife, summed by cluster if the model has clusters, as R's
    ``survival::concordance``. Costs events times rows.

    Parameters
    ----------
    model : StatisticResult or CoxFit
        What `volumetry.statistics.models.cox.cox_regression` returned.
    level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        The estimate ``"concordance"``.

    Raises
    ------
    StatisticsError
        ``not-estimable`` if no pair can be compared.
    UsageError
        ``usage`` for a model of another kind.
    """
    fit = model if isinstance(model, CoxFit) else model.details.get("fit")
    if not isinstance(fit, CoxFit):
        raise UsageError("usage", "concordance needs a Cox regression's result")
    n_rows = len(fit.rows.time_index)
    agreed, compared = np.zeros(n_rows), np.zeros(n_rows)
    for code in range(len(fit.rows.strata.levels)):
        rows = np.flatnonzero(fit.rows.strata.codes == code)
        agreed[rows], compared[rows] = _pairs(fit, rows)
    weight = fit.rows.weights
    total = float(weight @ compared) / 2
    if total <= 0:
        raise not_estimable("no two rows can be compared", rows=n_rows)
    value = float(weight @ agreed) / 2 / total
    influence = weight * (agreed - value * compared) / total
    sums = cluster_sums(influence, fit.rows.cluster.codes)
    error = math.sqrt(float((sums**2).sum()))
    return replace(fit.rows, notes=()).result(
        "Harrell's concordance, infinitesimal jackknife error",
        estimates=(wald_estimate("concordance", value, error, level, tested=False, within=(0.0, 1.0)),),
        alternative="",
        ties="equal risks count half",
    )


def _pairs(fit: CoxFit, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[FloatArray, FloatArray]:
    """Return for each row the weight of the pairs it is in that agree, and of all of them."""
    time, event = fit.rows.time_index[rows], fit.rows.event[rows] == 1
    risk, weight = fit.design.values[rows] @ fit.coefficients, fit.rows.weights[rows]
    agreed, compared = np.zeros(len(rows)), np.zeros(len(rows))
    failed = np.flatnonzero(event)
    # Risks apart by rounding are equal.
    near = 1e-12 * (1 + float(np.abs(risk).max(initial=0.0)))
    for part in np.array_split(failed, max(1, math.ceil(len(failed) * len(rows) / _CHUNK))):
        later = (time > time[part, None]) | ((time == time[part, None]) & ~event)
        gap = risk[part, None] - risk
        credit = later * np.where(np.abs(gap) <= near, 0.5, gap > 0)
        agreed[part] += credit @ weight
        compared[part] += later @ weight
        agreed += weight[part] @ credit
        compared += weight[part] @ later
    return agreed, compared
