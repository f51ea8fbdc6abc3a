"""What every statistics function answers with: the estimate, its interval, and how it was got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One estimated quantity with its confidence interval.

    Attributes
    ----------
    name : str
        What is estimated, for example ``"odds ratio"`` or a covariate's name.
    value : float
    ci_low, ci_high : float or None
        Confidence limits; None where the method gives none (the result's notes say why).
    level : float
        Confidence level of the interval.
    unit : str
        ``"%"``, ``"cm3"``, ``"points"``; empty for ratios and proportions.
    standard_error, statistic, p_value : float or None
        Of this quantity alone, where the method gives them.
    """

    name: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    level: float = 0.95
    unit: str = ""
    standard_error: float | None = None
    statistic: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class StatisticResult:
    """The answer of one statistical method, with everything a methods section must say.

    Attributes
    ----------
    method : str
        The method's full name, for example ``"Fisher's exact test"``.
    estimates : tuple of Estimate
        Effects with their intervals, the main one first.
    statistic, df, p_value : float or None
        Of the test as a whole. `df` may be a pair (numerator, denominator).
    alternative : str
        ``"two-sided"``, ``"less"`` or ``"greater"``; empty where no hypothesis is tested.
    correction : str
        Continuity, small-sample or multiplicity correction; ``"none"`` where there is none.
    ties : str
        How ties were handled; empty where there can be none.
    n_used, n_missing : int
        Rows used, and rows left out for a missing value.
    n_clusters : int or None
        Number of clusters (patients), None where rows were taken as independent.
    notes : tuple of str
        Warnings in words: clustered data analysed as independent, sparse cells, no convergence.
    details : mapping
        Method-specific extras under documented keys (counts by group, covariance, curves).
    """

    method: str
    estimates: tuple[Estimate, ...] = ()
    statistic: float | None = None
    df: float | tuple[float, float] | None = None
    p_value: float | None = None
    alternative: str = ""
    correction: str = "none"
    ties: str = ""
    n_used: int = 0
    n_missing: int = 0
    n_clusters: int | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    @property
    def estimate(self) -> Estimate:
        """The main estimate."""
        return self.estimates[0]

    def __getitem__(self, name: str) -> Estimate:
        """Return the estimate of that name."""
        for estimate in self.estimates:
            if estimate.name == name:
                return estimate
        raise KeyError(name)
