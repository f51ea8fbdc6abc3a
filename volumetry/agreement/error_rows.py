"""The rows that say how large the error of one read is: its parameters, and the error by size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from volumetry.agreement.reads import RepeatedVolumes
from volumetry.error_model import ReadingError, fit_reading_error
from volumetry.error_model.reading import REFERENCE_MM3

if TYPE_CHECKING:
    from volumetry.tables import Row

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
