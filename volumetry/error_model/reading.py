"""The error of reading as a function of lesion size.

Two reads V_1, V_2 of one lesion differ by d = ln(V_1 / V_2). With s(V) the standard deviation of one read on
the natural logarithm, d has the variance 2 s(V)**2. Three models of s(V):

=========== ============================ ==========================================================
constant    s = a                        the error is a constant percentage
boundary    s = a (V / 1 cm3)**(-1/3)    the outline is shifted by a length, the same at every size
power       s = a (V / 1 cm3)**(-b)      the two above are b = 0 and b = 1/3
=========== ============================ ==========================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

ErrorModel = Literal["constant", "boundary", "power"]
ErrorKind = Literal["within_reader", "between_readers", "rescan"]

REFERENCE_MM3 = 1000.0
"""The size at which the parameter ``log_sd_at_1_cm3`` holds."""

FORMAT_VERSION = 1
_LARGEST_EXPONENT = 700.0

EXPONENTS: Mapping[str, float] = MappingProxyType({"constant": 0.0, "boundary": 1 / 3})
"""Of the models whose exponent is not estimated."""


@dataclass(frozen=True, kw_only=True)
class ReadingError:
    """The error of one read as a function of the volume.

    Attributes
    ----------
    kind : {"within_reader", "between_readers", "rescan"}
        What was repeated.
    model : {"constant", "boundary", "power"}
    log_sd_at_1_cm3 : float
        Standard deviation of ln(volume) of one read at 1 cm3.
    exponent : float
        b of ``s = a (V / 1 cm3)**(-b)``: 0, 1/3, or estimated.
    log_sd_limits, exponent_limits : (2,) tuple of float or None
        Confidence limits; None where there are too few patients for them, or where b is not estimated.
    level : float
        Of the limits.
    df : float
        Degrees of freedom of the estimated variance: pairs (or repeated reads less one, over all lesions),
        less the second parameter of ``power``; patients less one where a patient has several lesions.
    n_pairs, n_lesions, n_patients : int
    size_range_mm3 : (2,) tuple of float
        Smallest and largest lesion (geometric mean of its reads).
    bic : dict of str to float
        Of each model; lower is better.
    undecided : bool
        The next model is less than 2 units of BIC away.
    readers_differ : bool
        The readers repeat differently well (Bartlett's test), and one error is too small for some.
    limits_method : str
        ``chi-squared``, ``profile likelihood`` or ``jackknife over patients``.
    protocol_sha256 : str
    measured_by : dict of str to (str or bool)
        The rules of measurement of the reads, as ``[measurement]`` has them; empty where they are not known.
    height_rules : tuple of str
        By which height rules their volumes were in fact measured: with unknown thickness it is spacing.
    readers : tuple of str
        Who read, in order; empty where that is not known.
    sites : tuple of str
        Where they read, in order; empty where that is not known or the study has no sites.

    Examples
    --------
    >>> reads = [[1000, 1100], [2000, 1900], [500, 520], [4000, 4300]]
    >>> error = vm.fit_reading_error(reads, model="constant")
    >>> error.n_lesions, round(error.cv_percent(1000), 2)
    (4, 4.81)
    """

    model: ErrorModel
    log_sd_at_1_cm3: float
    exponent: float
    df: float
    n_pairs: int
    n_lesions: int
    n_patients: int
    size_range_mm3: tuple[float, float]
    kind: ErrorKind = "within_reader"
    log_sd_limits: tuple[float, float] | None = None
    exponent_limits: tuple[float, float] | None = None
    level: float = 0.95
    bic: Mapping[str, float] = field(default_factory=dict)
    undecided: bool = False
    readers_differ: bool = False
    limits_method: str = ""
    protocol_sha256: str = ""
    measured_by: Mapping[str, str | bool] = field(default_factory=dict)
    height_rules: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()

    def log_sd(self, volume_mm3: float) -> float:
        """Return the standard deviation of ln(volume) of one read of a lesion of this size."""
        return float(self.log_sd_at_1_cm3 * (volume_mm3 / REFERENCE_MM3) ** -self.exponent)

    def cv_percent(self, volume_mm3: float) -> float:
        """Return the within-subject coefficient of variation, ``100 sqrt(exp(s**2) - 1)``, in percent."""
        return 100 * math.sqrt(_grown(self.log_sd(volume_mm3) ** 2))

    def coefficient_log(self, volume_mm3: float, level: float = 0.95) -> float:
        """Return the repeatability (or reproducibility) coefficient on the log scale, z sqrt(2) s."""
        from statistics import NormalDist

        return NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(2) * self.log_sd(volume_mm3)

    def detectable_change_percent(self, volume_mm3: float, level: float = 0.95) -> tuple[float, float]:
        """Return the smallest detectable decrease (negative) and increase in percent, of reading alone."""
        coefficient = self.coefficient_log(volume_mm3, level)
        return 100 * math.expm1(-coefficient), 100 * _grown(coefficient)

    def covers(self, volume_mm3: float) -> bool:
        """Whether the volume lies in the size range of the repeated reads."""
        low, high = self.size_range_mm3
        return low <= volume_mm3 <= high

    def is_of_others(
        self, readers: Iterable[str], height_rules: Iterable[str], sites: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Return flags where volumes were read by others, or measured by another height rule, than the reads.

        A reader of one name at another site is another reader. What is not known on either side (an empty
        text, an older file) raises none, nor does a consensus.
        """
        flags = []
        other_reader = self.readers and not {*readers} - {"", "consensus"} <= {*self.readers}
        other_site = self.sites and not {*sites} - {""} <= {*self.sites}
        if other_reader or other_site:
            flags.append("reader-outside-repeatability")
        if self.height_rules and not {*height_rules} - {""} <= {*self.height_rules}:
            flags.append("rule-outside-repeatability")
        return tuple(flags)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as ``repeatability.json`` holds them."""
        return {
            "format": "volumetry-repeatability",
            "version": FORMAT_VERSION,
            "kind": self.kind,
            "model": self.model,
            "parameters": {"log_sd_at_1_cm3": self.log_sd_at_1_cm3, "exponent": self.exponent},
            "limits": {
                "level": self.level,
                "method": self.limits_method,
                "log_sd_at_1_cm3": None if self.log_sd_limits is None else list(self.log_sd_limits),
                "exponent": None if self.exponent_limits is None else list(self.exponent_limits),
            },
            "df": self.df,
            "n_pairs": self.n_pairs,
            "n_lesions": self.n_lesions,
            "n_patients": self.n_patients,
            "size_range_mm3": list(self.size_range_mm3),
            "bic": dict(self.bic),
            "undecided": self.undecided,
            "readers_differ": self.readers_differ,
            "protocol_sha256": self.protocol_sha256,
            "measured_by": dict(self.measured_by),
            "height_rules": list(self.height_rules),
            "readers": list(self.readers),
            "sites": list(self.sites),
        }


def _grown(exponent: float) -> float:
    """``exp(x) - 1``, for an x that may be absurd: far outside the sizes that were read."""
    return math.expm1(min(exponent, _LARGEST_EXPONENT))
