"""Intraclass correlation of readers or reads: the six forms of Shrout and Fleiss with exact intervals."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import stats

from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Estimate, StatisticResult
from volumetry.statistics.rows import not_estimable
from volumetry.statistics.samples import read_block
from volumetry.statistics.types import Column, FloatArray, Table

IccForm = Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"]

Singles = tuple[float | None, float | None, float | None]

ICC_FORMS = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")


@checked
def icc(
    ratings: Column,
    *,
    form: IccForm = "ICC(A,1)",
    data: Table | None = None,
    cluster: Column | None = None,
    level: float = 0.95,
) -> StatisticResult:
    """Estimate the intraclass correlation, in all six forms at once.

    Parameters
    ----------
    ratings : array_like, shape (subjects, readers)
        A row per lesion, a column per reader or read. Rows with a missing rating are left out and counted.
    form : str
        Which form comes first and gives the test: McGraw and Wong's names, A for absolute agreement, C for
        consistency, 1 for one reader, k for the mean of all. ICC(1,1), ICC(A,1), ICC(C,1) are Shrout and
        Fleiss's ICC1, ICC2, ICC3.
    cluster : column, optional
        Not heeded: where clusters repeat, this is warned about and recorded.
    data, level : as in every function of `volumetry.statistics`

    Returns
    -------
    StatisticResult
        One estimate per form. The test is of "subjects do not differ" (F). In ``details``: ``mean_squares``
        (subjects, readers, error, within), ``sem`` (standard error of measurement, absolute and
        consistency), ``p_value_satterthwaite`` (R's ``irr::icc`` for absolute agreement), ``n_readers``.

    Notes
    -----
    Shrout PE, Fleiss JL, Psychol Bull 1979;86:420-428; McGraw KO, Wong SP, Psychol Methods 1996;1:30-46.
    A high ICC says that lesions differ more than reads do. It does not say that a change of 15 % can be
    seen: for that see `repeatability`.

    Raises
    ------
    StatisticsError
        `not-estimable` for fewer than two subjects or readers, or ratings that never vary.
    """
    rows = read_block(
        ratings, cluster, data, name="ratings", shape="a row per subject and a column per reader"
    )
    table = rows.values
    n, k = table.shape
    if n < 2 or k < 2:
        raise not_estimable("an ICC needs two subjects and two ratings of each", n_subjects=n, n_readers=k)
    if np.ptp(table) == 0:
        raise not_estimable("all ratings are equal")
    squares = _mean_squares(table)
    if squares["subjects"] == 0:
        raise not_estimable("the subjects' mean ratings do not differ", n_subjects=n, n_readers=k)
    if squares["within"] == 0:
        raise not_estimable("all reads of each subject are equal: the ICC is 1 and has no interval")
    tail = (1 - level) / 2
    found = {name: _estimate(name, squares, n, k, tail) for name in ICC_FORMS}
    estimates = {name: estimate for name, estimate in found.items() if estimate is not None}
    if form not in estimates:
        raise not_estimable(f"{form} is not defined for these ratings", n_subjects=n, n_readers=k)
    notes = tuple(f"{name} is not defined for these ratings" for name in ICC_FORMS if name not in estimates)
    readers = max(0.0, (squares["readers"] - squares["error"]) / n)
    f, df2 = _f_test(form, squares, n, k)
    first = estimates.pop(form)
    return rows.result(
        f"Intraclass correlation, {form}",
        estimates=(first, *estimates.values()),
        statistic=f,
        df=(float(n - 1), float(df2)),
        p_value=float(stats.f.sf(f, n - 1, df2)),
        alternative="greater",
        notes=notes,
        details={
            "mean_squares": squares,
            "n_readers": k,
            "sem": {
                "absolute": math.sqrt(squares["error"] + readers),
                "consistency": float(np.sqrt(squares["error"])),
                "one-way": float(np.sqrt(squares["within"])),
            },
            "p_value_satterthwaite": _satterthwaite_p(squares, n, k),
        },
    )


def _mean_squares(table: FloatArray) -> dict[str, float]:
    n, k = table.shape
    # Centred: with volumes far from 0 nothing is lost to cancellation.
    centred = table - table.mean()
    rows, columns = centred.mean(1), centred.mean(0)
    error = centred - rows[:, None] - columns
    within = centred - rows[:, None]
    # What is below the rounding error of the ratings is no variation.
    floor = 1e-14 * float(np.abs(table).max())
    error, within = (np.where(np.abs(part) < floor, 0.0, part) for part in (error, within))
    return {
        "subjects": float(k * (rows**2).sum() / (n - 1)),
        "readers": float(n * (columns**2).sum() / (k - 1)),
        "error": float((error**2).sum() / ((n - 1) * (k - 1))),
        "within": float((within**2).sum() / (n * (k - 1))),
    }


def _f_test(form: str, squares: dict[str, float], n: int, k: int) -> tuple[float, int]:
    if form.startswith("ICC(1"):
        return squares["subjects"] / squares["within"], n * (k - 1)
    if squares["error"] == 0:
        raise not_estimable("the readers differ by a constant only: F has no error to divide by")
    return squares["subjects"] / squares["error"], (n - 1) * (k - 1)


def _estimate(form: str, squares: dict[str, float], n: int, k: int, tail: float) -> Estimate | None:
    """Return the estimate of one form; None where tiny data put it at a pole of its formula."""
    singles = {"1": _one_way, "A": _agreement, "C": _consistency}[form[4]](squares, n, k, tail)
    value, low, high = (_averaged(single, k) for single in singles) if form.endswith("k)") else singles
    if value is None:
        return None
    return Estimate(name=form, value=value, ci_low=low, ci_high=high, level=1 - 2 * tail)


def _averaged(single: float | None, k: int) -> float | None:
    # Spearman and Brown's formula has a pole at -1 / (k - 1): beyond it there is no such reliability.
    if single is None or 1 + (k - 1) * single <= 1e-9:
        return None
    return k * single / (1 + (k - 1) * single)


def _one_way(squares: dict[str, float], n: int, k: int, tail: float) -> Singles:
    return _from_f(squares["subjects"] / squares["within"], k, n - 1, n * (k - 1), tail)


def _consistency(squares: dict[str, float], n: int, k: int, tail: float) -> Singles:
    if squares["error"] == 0:
        return 1.0, 1.0, 1.0
    return _from_f(squares["subjects"] / squares["error"], k, n - 1, (n - 1) * (k - 1), tail)


def _from_f(f: float, k: int, df1: int, df2: int, tail: float) -> Singles:
    limits = f / stats.f.isf(tail, df1, df2), f * stats.f.isf(tail, df2, df1)
    value, low, high = (float((ratio - 1) / (ratio + k - 1)) for ratio in (f, *limits))
    return value, low, high


def _agreement(squares: dict[str, float], n: int, k: int, tail: float) -> Singles:
    msr, msc, mse = squares["subjects"], squares["readers"], squares["error"]
    value = _share(msr - mse, msr + (k - 1) * mse + k * (msc - mse) / n, msr + mse + msc)
    # Below -1 / (k - 1) no correlation of k ratings can be.
    if value is None or 1 + (k - 1) * value <= 0:
        return None, None, None
    df = _satterthwaite_df(squares, value, n, k)
    mixed = k * msc + (k * n - k - n) * mse
    upper_f, lower_f = float(stats.f.isf(tail, n - 1, df)), float(stats.f.isf(tail, df, n - 1))
    low = _share(n * (msr - upper_f * mse), upper_f * mixed + n * msr, n * msr)
    high = _share(n * (lower_f * msr - mse), mixed + n * lower_f * msr, n * lower_f * msr)
    return value, low, high


def _share(part: float, whole: float, scale: float) -> float | None:
    # With very few degrees of freedom the quantiles of F leave the range of floats.
    known = math.isfinite(part) and math.isfinite(whole) and whole > 1e-9 * scale
    return part / whole if known else None


def _satterthwaite_df(squares: dict[str, float], value: float, n: int, k: int) -> float:
    msc, mse = squares["readers"], squares["error"]
    if value >= 1:
        return float((n - 1) * (k - 1))
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    below = (a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1))
    if below == 0:
        return float((n - 1) * (k - 1))
    return (a * msc + b * mse) ** 2 / below


def _satterthwaite_p(squares: dict[str, float], n: int, k: int) -> float | None:
    if squares["error"] == 0:
        return None
    value = _agreement(squares, n, k, 0.025)[0]
    if value is None:
        return None
    df = _satterthwaite_df(squares, value, n, k)
    p_value = float(stats.f.sf(squares["subjects"] / squares["error"], n - 1, df))
    return p_value if math.isfinite(p_value) else None
