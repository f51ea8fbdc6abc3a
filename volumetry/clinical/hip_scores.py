"""Harris hip score and WOMAC: totals from items, classes from totals, with the version that was used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from volumetry.clinical.threshold import require_range
from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.groups.proportions import proportion
from volumetry.statistics.result import Result, StatisticResult

HarrisCategory = Literal["excellent", "good", "fair", "poor"]
WomacVersion = Literal["LK3.1", "VA3.1", "NRS3.1"]

HARRIS_CATEGORIES: tuple[HarrisCategory, ...] = get_args(HarrisCategory)

HARRIS_DOMAINS = MappingProxyType({"pain": 44.0, "function": 47.0, "deformity": 4.0, "motion": 5.0})
"""Domains of the Harris hip score and the most points each can give; 100 in all.

Harris WH, J Bone Joint Surg Am 1969;51:737-755.
"""

HARRIS_CUTS = (90.0, 80.0, 70.0)
"""Least totals of excellent, good and fair; below the last is poor."""

_WOMAC_ITEMS = MappingProxyType({"pain": 5, "stiffness": 2, "function": 17})
_WOMAC_ITEM_RANGE: MappingProxyType[WomacVersion, float] = MappingProxyType(
    {"LK3.1": 4.0, "VA3.1": 100.0, "NRS3.1": 10.0}
)


@checked
def harris_total(*, pain: float, function: float, deformity: float, motion: float) -> float:
    """Return the Harris hip score, 0 (worst) to 100, from the points of its four domains.

    Parameters
    ----------
    pain : float
        0 to 44 points.
    function : float
        0 to 47: gait (limp, support, distance walked) and daily activities.
    deformity : float
        0 to 4.
    motion : float
        0 to 5, range of motion.

    Raises
    ------
    UsageError
        ``usage`` if a domain lies outside its range.
    """
    points = {"pain": pain, "function": function, "deformity": deformity, "motion": motion}
    for name, value in points.items():
        require_range(f"the Harris domain {name}", value, 0, HARRIS_DOMAINS[name])
    return float(sum(points.values()))


@checked
def harris_category(total: float, *, cuts: Sequence[float] = HARRIS_CUTS) -> HarrisCategory:
    """Return the class of a Harris hip score.

    The printed classes 90-100, 80-89, 70-79 and below 70 are for whole points. Here they are half-open,
    [90, 100], [80, 90), [70, 80), [0, 70), so that 89.5 is good and nothing falls between two classes.

    Parameters
    ----------
    total : float
        0 to 100.
    cuts : sequence of three floats
        Least totals of excellent, good and fair.

    Raises
    ------
    UsageError
        ``usage`` for a total outside 0 to 100, or cuts that do not fall.
    """
    require_range("the Harris hip score", total, 0, 100)
    if len(cuts) != 3 or sorted(set(cuts), reverse=True) != list(cuts):
        raise UsageError("usage", "three falling cuts make four classes", values={"cuts": tuple(cuts)})
    reached = (name for name, cut in zip(HARRIS_CATEGORIES[:3], cuts, strict=True) if total >= cut)
    return next(reached, "poor")


@checked
def is_good_or_excellent(total: float, *, cuts: Sequence[float] = HARRIS_CUTS) -> bool:
    """Say whether a Harris hip score is good or excellent."""
    return harris_category(total, cuts=cuts) in ("good", "excellent")


@checked
def good_or_excellent_share(
    totals: Iterable[float | None], *, cuts: Sequence[float] = HARRIS_CUTS, level: float = 0.95
) -> StatisticResult:
    """Estimate the share of hips that are good or excellent, with Wilson's interval and its denominator.

    Parameters
    ----------
    totals : iterable of float or None
        Harris hip scores; None and NaN are missing, left out and counted.
    cuts, level
        As in `harris_category` and `volumetry.statistics.proportion`.

    Raises
    ------
    StatisticsError
        ``not-estimable`` if no score is known.
    """
    entries = list(totals)
    known = [value for value in entries if value is not None and value == value]
    events = sum(is_good_or_excellent(value, cuts=cuts) for value in known)
    return replace(
        proportion(events, len(known), level=level),
        method=f"Share with a good or excellent Harris hip score (>= {cuts[1]:g}), Wilson's interval",
        n_missing=len(entries) - len(known),
        details={"events": events, "n": len(known)},
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class WomacTotal(Result):
    """A WOMAC total that says which WOMAC it is; higher is worse.

    Attributes
    ----------
    pain, stiffness, function, total : float
    version : {"LK3.1", "VA3.1", "NRS3.1"}
        Likert items 0 to 4, visual analogue 0 to 100 mm, numeric 0 to 10.
    highest : float
        Worst possible total: 96, 2400 or 240.

    Examples
    --------
    >>> total = vc.womac_total(pain=5, stiffness=2, function=20, version='LK3.1')
    >>> total.function
    20
    """

    pain: float
    stiffness: float
    function: float
    version: WomacVersion

    @property
    def total(self) -> float:
        """Sum of the three subscales."""
        return self.pain + self.stiffness + self.function

    @property
    def highest(self) -> float:
        """Worst possible total of this version."""
        return sum(womac_range(self.version).values())

    @property
    def percent(self) -> float:
        """Total in percent of the worst possible, so that versions can be compared."""
        return 100 * self.total / self.highest


@checked
def womac_range(version: WomacVersion) -> dict[str, float]:
    """Return the worst value of each subscale: 20, 8 and 68 for the Likert version.

    Bellamy N et al., J Rheumatol 1988;15:1833-1840. Copsey B et al. (BMC Med Res Methodol 2019;19:29)
    found version and direction unclear in 44 % of trials, so that neither has a default here.

    Raises
    ------
    UsageError
        ``usage`` for an unknown version.
    """
    if version not in _WOMAC_ITEM_RANGE:
        raise UsageError(
            "usage", f"unknown WOMAC version {version!r}", todo=f"Take {', '.join(_WOMAC_ITEM_RANGE)}."
        )
    return {name: items * _WOMAC_ITEM_RANGE[version] for name, items in _WOMAC_ITEMS.items()}


@checked
def womac_total(*, pain: float, stiffness: float, function: float, version: WomacVersion) -> WomacTotal:
    """Return the WOMAC total of three subscale sums, checked against the range of the version.

    Raises
    ------
    UsageError
        ``usage`` if a subscale lies outside its range.
    """
    highest = womac_range(version)
    for name, value in (("pain", pain), ("stiffness", stiffness), ("function", function)):
        require_range(f"the WOMAC subscale {name} of {version}", value, 0, highest[name])
    return WomacTotal(pain=pain, stiffness=stiffness, function=function, version=version)


@checked
def womac_total_from_items(items: Sequence[float], *, version: WomacVersion) -> WomacTotal:
    """Return the WOMAC total of 24 items: 5 of pain, 2 of stiffness, 17 of function, in this order.

    Raises
    ------
    UsageError
        ``usage`` for another number of items, or one outside its range.
    """
    womac_range(version)
    if len(items) != 24:
        raise UsageError("usage", "the WOMAC has 24 items", values={"n_items": len(items)})
    for number, value in enumerate(items, start=1):
        require_range(f"WOMAC item {number} of {version}", value, 0, _WOMAC_ITEM_RANGE[version])
    return womac_total(
        pain=float(sum(items[:5])),
        stiffness=float(sum(items[5:7])),
        function=float(sum(items[7:])),
        version=version,
    )
