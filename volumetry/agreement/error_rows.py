"""The rows that say how large the error of one read is: its parameters, and the error by size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from volumetry.agreement.reads import ReadPair, RepeatedVolumes
from volumetry.error_model import ReadingError, fit_reading_error
from volumetry.error_model.reading import REFERENCE_MM3
from volumetry.errors import StatisticsError

if TYPE_CHECKING:
    from volumetry.tables import Row

_LEAST_PAIRS = 3
_UNLIKE_BELOW = 0.05

SIZES_CM3 = (0.5, 1.0, 2.0, 5.0, 10.0, 25.0)

_COEFFICIENT = 1.959963984540054 * math.sqrt(2)

_LARGEST_LOG_SD = 20.0
"""Of a power law far beyond the sizes of its reads the upper limit has no finite percentage."""


def error_rows(error: ReadingError, repeated: RepeatedVolumes) -> Iterator[Row]:
    """Yield the rows of the table ``agreement`` on the error of one read, with their limits."""
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
    low, high = _cv_limits(error, size, repeated)
    at = f"model {error.model}, at {size / 1000:.3g} cm3, the middle of the sizes"
    yield {
        "measure": "within_subject_cv",
        "value": error.cv_percent(size),
        "ci_low": low,
        "ci_high": high,
        "unit": "%",
        "method": at,
        "note": note,
    }
    yield {
        "measure": f"{coefficient}_coefficient",
        "value": _COEFFICIENT * error.cv_percent(size),
        "ci_low": None if low is None else _COEFFICIENT * low,
        "ci_high": None if high is None else _COEFFICIENT * high,
        "unit": "%",
        "method": f"1.96 sqrt(2) CV, {at}",
        "note": note,
    }


@dataclass(frozen=True, kw_only=True)
class ReaderErrors:
    """How well each reader repeats.

    Attributes
    ----------
    by_reader : dict of str to ReadingError
        Of readers who repeated three reads and more, by the constant model.
    p : float
        Of Bartlett's test that they repeat alike; 1 of one reader.
    """

    by_reader: dict[str, ReadingError]
    p: float = 1.0

    @property
    def differ(self) -> bool:
        """Whether one error for all readers is too small for some."""
        return self.p < _UNLIKE_BELOW


def reader_errors(pairs: Sequence[ReadPair], level: float) -> ReaderErrors:
    """Estimate how well each reader repeats, and test whether they differ."""
    groups: dict[str, list[ReadPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.first.reader, []).append(pair)
    errors = {}
    for reader, own in sorted(groups.items()):
        volumes = [(pair.first.volume_mm3, pair.second.volume_mm3) for pair in own]
        with suppress(StatisticsError):
            errors[reader] = fit_reading_error(
                volumes, patients=[pair.first.who for pair in own], model="constant", level=level
            )
    known = {reader: error for reader, error in errors.items() if error.n_pairs >= _LEAST_PAIRS}
    if len(known) < 2:
        return ReaderErrors(by_reader=known)
    variances = [error.log_sd_at_1_cm3**2 for error in known.values()]
    return ReaderErrors(by_reader=known, p=_bartlett(variances, [error.df for error in known.values()]))


def reader_rows(found: ReaderErrors) -> Iterator[Row]:
    """Yield how well each reader repeats, where several do, and whether they differ."""
    if len(found.by_reader) < 2:
        return
    note = f"readers repeat alike as far as these reads tell (p = {found.p:.2g})"
    if found.differ:
        note = (
            f"readers repeat differently well (Bartlett's test, p = {found.p:.2g}): one error for all is too "
            "small for some; run agreement on the reads of each reader and judge that reader's changes by it"
        )
    for reader, error in found.by_reader.items():
        limits = error.log_sd_limits or (None, None)
        low, high = (None if v is None else 100 * math.sqrt(math.expm1(v**2)) for v in limits)
        yield {
            "measure": f"within_subject_cv of {reader}",
            "value": error.cv_percent(REFERENCE_MM3),
            "ci_low": low,
            "ci_high": high,
            "unit": "%",
            "method": f"model constant; {error.limits_method}",
            "note": note,
            "n_pairs": error.n_pairs,
            "n_lesions": error.n_lesions,
            "n_patients": error.n_patients,
        }


def _bartlett(variances: Sequence[float], df: Sequence[float]) -> float:
    """Bartlett's test that variances are equal (Snedecor and Cochran), from the variances themselves."""
    from scipy.stats import chi2

    v, f = np.array(variances), np.array(df)
    pooled = float(v @ f / f.sum())
    statistic = f.sum() * math.log(pooled) - float(f @ np.log(v))
    correction = 1 + (float((1 / f).sum()) - 1 / f.sum()) / (3 * (len(v) - 1))
    return float(chi2.sf(statistic / correction, len(v) - 1))


def _cv_limits(
    error: ReadingError, volume_mm3: float, repeated: RepeatedVolumes
) -> tuple[float | None, float | None]:
    """Limits of the CV at a size.

    A power law has two parameters that are estimated together. Its limits at a size are those of the log SD
    at 1 cm3 of the same reads, measured in units of that size.
    """
    limits, log_sd = error.log_sd_limits, error.log_sd(volume_mm3)
    if limits is None:
        return None, None
    if error.model == "power":
        limits = fit_reading_error(
            np.array(repeated.volumes_mm3, dtype=float) * (REFERENCE_MM3 / volume_mm3),
            patients=repeated.patients,
            model="power",
            level=error.level,
        ).log_sd_limits
    else:
        limits = (log_sd / error.log_sd_at_1_cm3 * limits[0], log_sd / error.log_sd_at_1_cm3 * limits[1])
    if limits is None:
        return None, None
    low, high = (100 * math.sqrt(math.expm1(min(v, _LARGEST_LOG_SD) ** 2)) for v in limits)
    return low, high


def error_by_size(error: ReadingError, repeated: RepeatedVolumes) -> list[Row]:
    """Return the rows of the table ``error_by_size``."""
    low, high = (v / 1000 for v in error.size_range_mm3)
    sizes = sorted({*SIZES_CM3, low, high})
    rows = []
    for size in sizes:
        volume = 1000 * size
        cv = error.cv_percent(volume)
        decrease, increase = error.detectable_change_percent(volume)
        limits = _cv_limits(error, volume, repeated)
        rows.append(
            {
                "kind": error.kind,
                "volume_cm3": size,
                "cv_percent": cv,
                "cv_ci_low_percent": limits[0],
                "cv_ci_high_percent": limits[1],
                "coefficient_percent": _COEFFICIENT * cv,
                "detectable_decrease_percent": decrease,
                "detectable_increase_percent": increase,
                "within_range": "yes" if error.covers(volume) or size in (low, high) else "no",
            }
        )
    return rows
