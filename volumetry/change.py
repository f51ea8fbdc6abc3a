"""Two volumes of one lesion make a change and its class: the 15 % rule and its checks.

`VolumeChange.threshold_category` is the bare published rule: more than 15 % up is ``increase``, more than
15 % down is ``decrease``, otherwise ``no_change``; exactly 15 % is ``no_change``. `VolumeChange.category`
is the same unless a check fails; then it is ``not_evaluable`` and `VolumeChange.reason` says why.

The threshold is that of Moon et al., Sci Rep 14, 4183 (2024), after Zhao et al., Int Orthop 34, 799 (2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from volumetry.errors import UsageError
from volumetry.shown import Facts, Shown
from volumetry.volume import HeightRule, LesionVolume

if TYPE_CHECKING:
    import pandas as pd

Category = Literal["increase", "no_change", "decrease", "new", "resolved", "absent", "not_evaluable"]

NOISE = 1e-9
"""Relative difference that is floating-point noise and never decides a class."""

SAME_PROTOCOL = 0.01
"""Relative difference of thickness, spacing or pixel size above which the protocol changed."""

DAYS_PER_YEAR = 365.25

REASONS = MappingProxyType(
    {
        "few-slices": "one of the volumes rests on fewer traced slices than the rule asks for",
        "height-rules-differ": "the two volumes were made by different height rules",
        "gap-ratio-changed": "spacing over thickness differs between the visits, under the thickness rule",
        "gap-ratio-unknown": "thickness or spacing of one visit is unknown, under the thickness rule",
        "sides-differ": "baseline and follow-up name different sides",
        "baseline-not-measured": "the baseline has no volume",
        "followup-not-measured": "the follow-up has no volume",
        "baseline-not-traced": "the lesion was not traced at the first visit",
        "followup-not-traced": "the lesion was not traced at this visit",
        "visit-order-unknown": "neither protocol, dates nor names say in which order the visits were",
    }
)
"""Why a change is not evaluable. An error code of the visit without a volume may stand in their place."""


@dataclass(frozen=True, kw_only=True)
class ChangeRule:
    """When a change counts.

    Attributes
    ----------
    threshold_percent : float
        More than so much up is an increase, more than so much down a decrease.
    decrease_threshold_percent : float or None
        For the way down, where it differs (REINS, RECIST-like rules); None: the same.
    minimum_slices : int
        Fewer traced slices on either visit make a change not evaluable.

    Examples
    --------
    >>> rule = vm.ChangeRule(threshold_percent=20, minimum_slices=4)
    >>> rule.threshold_percent
    20
    """

    threshold_percent: float = 15.0
    decrease_threshold_percent: float | None = None
    minimum_slices: int = 3

    def __post_init__(self) -> None:
        down = self.decrease_percent
        if not (0 <= self.threshold_percent < 1e6 and 0 <= down <= 100 and self.minimum_slices >= 0):
            raise UsageError(
                "usage",
                "a change rule is out of range",
                values={
                    "threshold_percent": self.threshold_percent,
                    "decrease_threshold_percent": down,
                    "minimum_slices": self.minimum_slices,
                },
                todo="Give a threshold from 0 to 100 percent.",
            )

    @property
    def decrease_percent(self) -> float:
        """The threshold on the way down."""
        if self.decrease_threshold_percent is None:
            return self.threshold_percent
        return self.decrease_threshold_percent


@dataclass(frozen=True, kw_only=True)
class MeasuredVisit:
    """What a change needs to know of a visit: a measured volume without its arrays.

    Attributes
    ----------
    volume_mm3 : float or None
        None where there is no number; `code` then says why.
    n_slices : int or None
        None where it is not known; then they are never too few.
    height_rule : str
    slice_thickness_mm, slice_spacing_mm, pixel_area_mm2 : float or None
    side : str
    code : str
    flags : tuple of str
        Of the volume.

    Raises
    ------
    UsageError
        ``usage`` where the volume is negative or not finite.

    Examples
    --------
    >>> baseline = vm.MeasuredVisit(volume_mm3=1200.0, n_slices=6, height_rule="thickness")
    >>> followup = vm.MeasuredVisit(volume_mm3=1500.0, n_slices=6, height_rule="thickness")
    >>> vm.classify_change(baseline, followup).category
    'increase'
    """

    volume_mm3: float | None
    n_slices: int | None = None
    height_rule: str = ""
    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    pixel_area_mm2: float | None = None
    side: str = ""
    code: str = ""
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.volume_mm3 is not None and not 0 <= self.volume_mm3 < math.inf:
            raise UsageError(
                "usage",
                "a volume is negative or not finite",
                values={"volume_mm3": self.volume_mm3},
                todo="Give a volume of 0 mm3 or more, or None where there is none.",
            )

    @classmethod
    def of(cls, volume: LesionVolume) -> MeasuredVisit:
        """Return what a change needs of a measured volume."""
        return cls(
            volume_mm3=volume.volume_mm3,
            n_slices=volume.n_slices,
            height_rule=volume.height_rule,
            slice_thickness_mm=volume.geometry.slice_thickness_mm,
            slice_spacing_mm=volume.geometry.regular_step_mm,
            pixel_area_mm2=volume.geometry.pixel_area_mm2,
            side=volume.side,
            code=volume.code,
        )

    @property
    def gap_ratio(self) -> float | None:
        """Slice spacing over slice thickness."""
        if not self.slice_spacing_mm or not self.slice_thickness_mm:
            return None
        return self.slice_spacing_mm / self.slice_thickness_mm


@dataclass(frozen=True, kw_only=True, repr=False)
class VolumeChange(Shown):
    """The change of one lesion between two visits, and its class.

    Attributes
    ----------
    baseline_volume_mm3, followup_volume_mm3 : float or None
    threshold_category : str
        The bare published rule; empty where a volume is missing.
    category : str
        The same, or ``not_evaluable``.
    reason : str
        Why not evaluable: a key of `REASONS` or an error code; else empty.
    height_rule : str
        Of both volumes; empty where they differ.
    rule : ChangeRule
    flags : tuple of str
        ``protocol-changed``.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> later = vm.read_trace("sample_scans/study/hip05/2022-06-14/L1.trace.json")
    >>> change = vm.classify_change(vm.measure_volume(trace), vm.measure_volume(later))
    >>> round(change.percent, 1), change.category, change.reason
    (-22.9, 'decrease', '')
    """

    baseline_volume_mm3: float | None
    followup_volume_mm3: float | None
    threshold_category: str
    category: Category
    reason: str
    height_rule: str
    rule: ChangeRule
    flags: tuple[str, ...] = ()

    @property
    def change_mm3(self) -> float | None:
        """Follow-up minus baseline."""
        if self.baseline_volume_mm3 is None or self.followup_volume_mm3 is None:
            return None
        return self.followup_volume_mm3 - self.baseline_volume_mm3

    @property
    def percent(self) -> float | None:
        """Change in percent of the baseline; None where the baseline is 0 or a volume is missing."""
        if self.change_mm3 is None or not self.baseline_volume_mm3:
            return None
        return 100 * self.change_mm3 / self.baseline_volume_mm3

    def to_frame(self) -> pd.DataFrame:
        """Return the change as one row, under the names of ``changes.csv``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "baseline_volume_mm3": [self.baseline_volume_mm3],
                "followup_volume_mm3": [self.followup_volume_mm3],
                "change_mm3": [self.change_mm3],
                "change_percent": [self.percent],
                "threshold_category": [self.threshold_category],
                "category": [self.category],
                "reason": [self.reason],
                "height_rule": [self.height_rule],
                "flags": [";".join(self.flags)],
            }
        )

    def _facts(self) -> Facts:
        return (
            ("baseline_volume_mm3", self.baseline_volume_mm3),
            ("followup_volume_mm3", self.followup_volume_mm3),
            ("change_percent", self.percent),
            ("category", self.category),
            ("reason", self.reason),
            ("threshold_percent", self.rule.threshold_percent),
            ("flags", self.flags),
        )

    def percent_per_year(self, days: float | None) -> float | None:
        """Return the change in percent per year of 365.25 days; None without days or without a percentage."""
        if self.percent is None or not days:
            return None
        return self.percent * DAYS_PER_YEAR / days


def threshold_category(baseline_mm3: float, followup_mm3: float, rule: ChangeRule) -> Category:
    """Return the class of two volumes by the bare published rule.

    Both volumes in the same unit. Differences below 1e-9 of the baseline never decide, so that
    2.0 -> 1.7 and 20 -> 17 agree: exactly 15 % is ``no_change``.

    Examples
    --------
    >>> from volumetry.change import threshold_category
    >>> threshold_category(1000.0, 840.0, vm.ChangeRule())
    'decrease'
    """
    if baseline_mm3 == 0:
        return "absent" if followup_mm3 == 0 else "new"
    if followup_mm3 == 0:
        return "resolved"
    ratio = followup_mm3 / baseline_mm3
    if ratio > 1 + rule.threshold_percent / 100 + NOISE:
        return "increase"
    if ratio < 1 - rule.decrease_percent / 100 - NOISE:
        return "decrease"
    return "no_change"


def classify_change(
    baseline: LesionVolume | MeasuredVisit,
    followup: LesionVolume | MeasuredVisit,
    rule: ChangeRule | None = None,
) -> VolumeChange:
    """Compare two volumes of one lesion.

    Parameters
    ----------
    baseline, followup : LesionVolume or MeasuredVisit
    rule : ChangeRule, optional
        15 % either way and at least three traced slices by default.

    Returns
    -------
    VolumeChange
        What cannot be compared is ``not_evaluable``, with a reason.

    Raises
    ------
    UsageError
        ``usage`` where a volume is negative or not finite.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> later = vm.read_trace("sample_scans/study/hip05/2022-06-14/L1.trace.json")
    >>> vm.classify_change(vm.measure_volume(trace), vm.measure_volume(later))
    <VolumeChange: baseline_volume_mm3 11175.8, followup_volume_mm3 8612.01, change_percent -22.9406,
    category decrease, threshold_percent 15>
    """
    rule = rule or ChangeRule()
    first = MeasuredVisit.of(baseline) if isinstance(baseline, LesionVolume) else baseline
    second = MeasuredVisit.of(followup) if isinstance(followup, LesionVolume) else followup
    bare: Category | None = None
    if first.volume_mm3 is not None and second.volume_mm3 is not None:
        bare = threshold_category(first.volume_mm3, second.volume_mm3, rule)
    reason = _reason(first, second, rule)
    return VolumeChange(
        baseline_volume_mm3=first.volume_mm3,
        followup_volume_mm3=second.volume_mm3,
        threshold_category=bare or "",
        category="not_evaluable" if reason or bare is None else bare,
        reason=reason,
        height_rule=first.height_rule if first.height_rule == second.height_rule else "",
        rule=rule,
        flags=_flags(first, second),
    )


def _reason(first: MeasuredVisit, second: MeasuredVisit, rule: ChangeRule) -> str:
    """Return why the change is not evaluable; empty where it is."""
    for visit, name in ((first, "baseline"), (second, "followup")):
        if visit.volume_mm3 is None:
            return visit.code or f"{name}-not-measured"
    if first.side and second.side and first.side != second.side:
        return "sides-differ"
    # A lesion that is absent has no slices and needs none; its height rule multiplies nothing.
    visits = [visit for visit in (first, second) if visit.volume_mm3]
    if any(visit.n_slices is not None and visit.n_slices < rule.minimum_slices for visit in visits):
        return "few-slices"
    if len(visits) < 2:
        return ""
    if first.height_rule != second.height_rule:
        return "height-rules-differ"
    return _gap_reason(first, second) if first.height_rule == "thickness" else ""


def _gap_reason(first: MeasuredVisit, second: MeasuredVisit) -> str:
    one, other = first.gap_ratio, second.gap_ratio
    if one is None and other is None:
        return ""
    if one is None or other is None:
        return "gap-ratio-unknown"
    return "gap-ratio-changed" if _differs(one, other) else ""


def _flags(first: MeasuredVisit, second: MeasuredVisit) -> tuple[str, ...]:
    pairs = (
        (first.slice_thickness_mm, second.slice_thickness_mm),
        (first.slice_spacing_mm, second.slice_spacing_mm),
        (first.pixel_area_mm2, second.pixel_area_mm2),
    )
    changed = any(a is not None and b is not None and _differs(a, b) for a, b in pairs)
    return ("protocol-changed",) if changed else ()


def _differs(one: float, other: float) -> bool:
    return abs(one - other) > SAME_PROTOCOL * max(abs(one), abs(other))


__all__ = [
    "REASONS",
    "Category",
    "ChangeRule",
    "HeightRule",
    "MeasuredVisit",
    "VolumeChange",
    "classify_change",
    "threshold_category",
]
