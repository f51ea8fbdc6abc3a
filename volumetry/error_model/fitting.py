"""The error of reading estimated from a study's own repeated reads: model, parameters, limits."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volumetry.error_model.reading import EXPONENTS, REFERENCE_MM3, ErrorKind, ErrorModel, ReadingError
from volumetry.errors import StatisticsError, UsageError

Array = NDArray[np.float64]

UNDECIDED_BELOW = 2.0
"""Difference of BIC to the next model below which the choice between them is called undecided."""

PLAUSIBLE_EXPONENTS = (-1 / 3, 2 / 3)
"""Exponents with which the power law can be chosen: as far beyond a constant percentage and a shifted
boundary as these two lie apart. On a handful of lesions the estimate may be 2 or 5, and says nothing."""

_MODELS: Mapping[str, ErrorModel] = {name: name for name in get_args(ErrorModel)}
_N_PARAMETERS: Mapping[str, int] = {"constant": 1, "boundary": 1, "power": 2}


@dataclass(frozen=True, kw_only=True)
class _Reads:
    """Sufficient figures of every lesion: ln(volume / 1 cm3), sum of squares, degrees of freedom, patient."""

    x: Array
    squares: Array
    df: Array
    patients: NDArray[np.intp]
    n_pairs: int

    def without(self, patient: int) -> _Reads:
        kept = self.patients != patient
        return _Reads(
            x=self.x[kept],
            squares=self.squares[kept],
            df=self.df[kept],
            patients=self.patients[kept],
            n_pairs=self.n_pairs,
        )

    @property
    def n_patients(self) -> int:
        return len(np.unique(self.patients))


def fit_reading_error(
    volumes_mm3: ArrayLike,
    *,
    patients: Sequence[Hashable] | None = None,
    model: ErrorModel | None = None,
    kind: ErrorKind = "within_reader",
    level: float = 0.95,
    protocol_sha256: str = "",
) -> ReadingError:
    """Estimate the error of one read from lesions read twice or more often.

    The model is chosen by BIC unless it is named; ``power`` only with an exponent of -1/3 to 2/3. Volumes of
    a lesion are compared on the natural logarithm; the size of a lesion is the geometric mean of its reads.
    For lesions read twice the estimate is ``a**2 = sum(w d**2) / (2 n)`` with ``w = 1`` (constant) or
    ``w = (V / 1 cm3)**(2/3)`` (boundary).

    Parameters
    ----------
    volumes_mm3 : (lesions, reads) array_like
        A row per lesion; NaN where a read is missing. Rows with fewer than two reads are left out.
    patients : sequence of length lesions, optional
        Patient of each lesion. Where patients repeat, the limits are a jackknife over patients with
        Student's t; else they are exact (chi-squared) or of the profile likelihood (``power``).
    model : {"constant", "boundary", "power"}, optional
    kind : {"within_reader", "between_readers", "rescan"}
        What was repeated; kept with the result.
    level : float
    protocol_sha256 : str
        Kept with the result.

    Returns
    -------
    ReadingError

    Raises
    ------
    StatisticsError
        ``not-estimable``: no lesion has two reads, a volume is not above 0, or no two reads differ.
    UsageError
        ``usage``: a table of the wrong shape, an unknown model, or a level outside 0 to 1.

    Examples
    --------
    >>> reads = [[1000, 1100], [2000, 1900], [500, 520], [4000, 4300]]
    >>> round(fit_reading_error(reads, model="constant").cv_percent(1000), 2)
    4.81
    """
    if not 0 < level < 1 or (model is not None and model not in get_args(ErrorModel)):
        raise UsageError(
            "usage",
            "an unknown error model, or a level outside 0 to 1",
            values={"model": model, "level": level},
            todo=f"Choose one of {', '.join(get_args(ErrorModel))}, and a level such as 0.95.",
        )
    reads = _prepared(volumes_mm3, patients)
    bic = {name: _bic(reads, name) for name in get_args(ErrorModel) if _fits(reads, name)}
    ordered = sorted((name for name in bic if _is_plausible(reads, name)), key=bic.__getitem__)
    chosen: ErrorModel = model if model is not None else _MODELS[ordered[0]]
    scale, exponent = _estimate(reads, chosen)
    clustered = reads.n_patients < len(reads.x)
    log_sd_limits, exponent_limits, method = _limits(reads, chosen, level, clustered)
    total = float(reads.df.sum()) - (_N_PARAMETERS[chosen] - 1)
    sizes = REFERENCE_MM3 * np.exp(reads.x)
    return ReadingError(
        kind=kind,
        model=chosen,
        log_sd_at_1_cm3=scale,
        exponent=exponent,
        df=max(1.0, min(total, reads.n_patients - 1) if clustered else total),
        n_pairs=reads.n_pairs,
        n_lesions=len(reads.x),
        n_patients=reads.n_patients,
        size_range_mm3=(float(sizes.min()), float(sizes.max())),
        log_sd_limits=log_sd_limits,
        exponent_limits=exponent_limits,
        level=level,
        bic=bic,
        undecided=len(ordered) > 1 and bic[ordered[1]] - bic[ordered[0]] < UNDECIDED_BELOW,
        limits_method=method,
        protocol_sha256=protocol_sha256,
    )


def _prepared(volumes_mm3: ArrayLike, patients: Sequence[Hashable] | None) -> _Reads:
    table = np.asarray(volumes_mm3, dtype=np.float64)
    if table.ndim != 2 or (patients is not None and len(patients) != len(table)):
        raise UsageError(
            "usage",
            "repeated reads are a table with a row per lesion and a column per read, and one patient per row",
            values={"shape": table.shape},
            todo="Give the volumes in mm3 as (lesions, reads), NaN where a read is missing.",
        )
    known = ~np.isnan(table)
    used = known.sum(axis=1) >= 2
    table, known = table[used], known[used]
    if not used.any() or (table[known] <= 0).any() or not np.isfinite(table[known]).all():
        raise StatisticsError(
            "not-estimable",
            "the error of reading needs lesions that were read twice, with volumes above 0",
            values={"lesions read twice": int(used.sum())},
            todo="Read some lesions a second time; leave out lesions that are absent.",
        )
    logs = np.where(known, np.log(np.where(known, table, 1.0) / REFERENCE_MM3), 0.0)
    counts = known.sum(axis=1)
    means = logs.sum(axis=1) / counts
    squares = (np.where(known, logs - means[:, None], 0.0) ** 2).sum(axis=1)
    if squares.sum() <= 1e-24:
        raise StatisticsError(
            "not-estimable",
            "all reads of each lesion are equal, so there is no error to estimate",
            values={"lesions": len(squares)},
            todo="Check that the reads are separate tracings and not copies of one.",
        )
    labels = (
        range(len(squares)) if patients is None else [p for p, u in zip(patients, used, strict=True) if u]
    )
    codes: dict[Hashable, int] = {}
    numbers = [codes.setdefault(label, len(codes)) for label in labels]
    return _Reads(
        x=means,
        squares=squares,
        df=(counts - 1).astype(np.float64),
        patients=np.asarray(numbers, dtype=np.intp),
        n_pairs=int((counts * (counts - 1) // 2).sum()),
    )


def _fits(reads: _Reads, model: str) -> bool:
    """The exponent of the power law needs three lesions of different sizes."""
    return model != "power" or (len(reads.x) > 2 and float(np.ptp(reads.x)) > 1e-9)


def _is_plausible(reads: _Reads, model: str) -> bool:
    low, high = PLAUSIBLE_EXPONENTS
    return low <= _estimate(reads, model)[1] <= high


def _scale(reads: _Reads, exponent: float) -> float:
    weighted = reads.squares * np.exp(2 * exponent * reads.x)
    return math.sqrt(float(weighted.sum()) / float(reads.df.sum()))


def _estimate(reads: _Reads, model: str) -> tuple[float, float]:
    """Return a and b by maximum likelihood."""
    exponent = EXPONENTS.get(model)
    if exponent is None:
        exponent = _best_exponent(reads)
    return _scale(reads, exponent), exponent


def _best_exponent(reads: _Reads) -> float:
    """Minimise N ln(sum SS exp(2bx)) - 2b sum(df x): convex in b, so Newton's steps with halving end."""
    total, mean_x = float(reads.df.sum()), float(reads.df @ reads.x / reads.df.sum())
    x = reads.x - mean_x
    low, high = -5.0, 5.0
    b = 0.0
    for _ in range(200):
        exponents = 2 * b * x
        weights = reads.squares * np.exp(exponents - exponents.max())
        weights /= weights.sum()
        first = float(weights @ x)
        second = float(weights @ x**2) - first**2
        low, high = (low, b) if first > 0 else (b, high)
        step = b - first / (2 * second) if second > 1e-12 else (low + high) / 2
        following = step if low < step < high else (low + high) / 2
        if abs(following - b) < 1e-12 * max(1.0, abs(b)) or total <= 0:
            return following
        b = following
    return b


def _minus_twice_log_likelihood(reads: _Reads, scale: float, exponent: float) -> float:
    log_variance = 2 * math.log(scale) - 2 * exponent * reads.x
    return float(reads.df @ log_variance + reads.squares @ np.exp(-log_variance))


def _bic(reads: _Reads, model: str) -> float:
    scale, exponent = _estimate(reads, model)
    fit = _minus_twice_log_likelihood(reads, scale, exponent)
    return fit + _N_PARAMETERS[model] * math.log(float(reads.df.sum()))


Limits = tuple[float, float] | None


def _limits(reads: _Reads, model: str, level: float, clustered: bool) -> tuple[Limits, Limits, str]:
    if clustered:
        return _jackknife(reads, model, level)
    if model != "power":
        return _exact_limits(reads, model, level), None, "chi-squared"
    return (*_profile_limits(reads, level), "profile likelihood")


def _exact_limits(reads: _Reads, model: str, level: float) -> tuple[float, float]:
    from scipy.stats import chi2

    scale, _ = _estimate(reads, model)
    df = float(reads.df.sum())
    tail = (1 - level) / 2
    return (
        scale * math.sqrt(df / float(chi2.isf(tail, df))),
        scale * math.sqrt(df / float(chi2.ppf(tail, df))),
    )


def _profile_limits(reads: _Reads, level: float) -> tuple[Limits, Limits]:
    """Limits of a and b where minus twice the profile log-likelihood rises by the chi-squared quantile."""
    from scipy.optimize import brentq, minimize_scalar
    from scipy.stats import chi2

    scale, exponent = _estimate(reads, "power")
    bound = _minus_twice_log_likelihood(reads, scale, exponent) + float(chi2.ppf(level, 1))

    def of_exponent(b: float) -> float:
        return _minus_twice_log_likelihood(reads, _scale(reads, b), b) - bound

    def of_log_scale(log_a: float) -> float:
        best = minimize_scalar(
            lambda b: _minus_twice_log_likelihood(reads, math.exp(log_a), b),
            bounds=(exponent - 10, exponent + 10),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return float(best.fun) - bound

    def edge(function: Any, centre: float, direction: int) -> float:
        step = 0.05
        while function(centre + direction * step) < 0 and step < 50:
            step *= 1.6
        return float(brentq(function, centre, centre + direction * step, xtol=1e-9))

    log_scale = math.log(scale)
    return (
        (math.exp(edge(of_log_scale, log_scale, -1)), math.exp(edge(of_log_scale, log_scale, 1))),
        (edge(of_exponent, exponent, -1), edge(of_exponent, exponent, 1)),
    )


def _jackknife(reads: _Reads, model: str, level: float) -> tuple[Limits, Limits, str]:
    """Leave out one patient at a time: limits of ln a and of b with Student's t, patients less one."""
    from scipy.stats import t

    method = "jackknife over patients"
    n = reads.n_patients
    rests = [reads.without(patient) for patient in np.unique(reads.patients)]
    if n < 3 or not all(rest.squares.sum() > 0 and _fits(rest, model) for rest in rests):
        return None, None, f"{method}: too few patients"
    scale, exponent = _estimate(reads, model)
    left_out = np.array([(math.log(a), b) for a, b in (_estimate(rest, model) for rest in rests)])
    spread = np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    quantile = float(t.ppf((1 + level) / 2, n - 1))
    log_scale = math.log(scale)
    scale_limits = (
        math.exp(log_scale - quantile * float(spread[0])),
        math.exp(log_scale + quantile * float(spread[0])),
    )
    if model != "power":
        return scale_limits, None, method
    half = quantile * float(spread[1])
    return scale_limits, (exponent - half, exponent + half), method
