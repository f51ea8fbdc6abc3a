"""Outcomes of lumbar fusion: subsidence, nonunion, osteolysis, oozing, pain, bone density.

Definitions are those of the rhBMP-2 and denosumab study of posterior lumbar interbody fusion (Yonsei
University, 2017 to 2021): subsidence is a loss of disc height of 2 mm or more, nonunion a slip angle of more
than 4 degrees, oozing more than two changes of a soaked dressing a day before discharge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from volumetry.clinical.threshold import Threshold, require_range
from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Result

SUBSIDENCE_MM = Threshold(value=2.0, inclusive=True)
NONUNION_DEGREES = Threshold(value=4.0, inclusive=False)
OOZING_CHANGES_PER_DAY = Threshold(value=2.0, inclusive=False)

BoneDensity = Literal["normal", "osteopenia", "osteoporosis"]


@dataclass(frozen=True, kw_only=True, repr=False)
class DiscHeightLoss(Result):
    """Loss of disc height between two films; negative where the disc is higher than before.

    Examples
    --------
    >>> vc.disc_height_loss(10.0, 7.5).subsided
    True
    """

    loss_mm: float
    subsided: bool
    threshold: Threshold


@checked
def disc_height_loss(
    reference_mm: float, followup_mm: float, *, threshold: Threshold = SUBSIDENCE_MM
) -> DiscHeightLoss:
    """Compare disc heights at the fused level.

    Parameters
    ----------
    reference_mm, followup_mm : float
        The study does not say of which day the reference is; say it in the plan (first film after surgery).
    threshold : Threshold

    Raises
    ------
    UsageError
        ``usage`` for a height that is negative or not finite.
    """
    for name, value in (("the reference disc height", reference_mm), ("the disc height", followup_mm)):
        require_range(name, value, 0, 100)
    loss = reference_mm - followup_mm
    return DiscHeightLoss(loss_mm=loss, subsided=threshold.reached(loss), threshold=threshold)


@checked
def segmental_motion_degrees(
    flexion_degrees: float, extension_degrees: float, *, signed: bool = False
) -> float:
    """Return the range between flexion and extension of a segment.

    Both angles are signed, measured the same way on the two films. The default is the size of the
    difference; the study printed the size of a difference of means, 9.4 - 10.2 as 0.8.
    """
    difference = flexion_degrees - extension_degrees
    return difference if signed else abs(difference)


@checked
def is_nonunion(
    flexion_degrees: float, extension_degrees: float, *, threshold: Threshold = NONUNION_DEGREES
) -> bool:
    """Say whether a segment moves more than the threshold between flexion and extension."""
    return threshold.reached(segmental_motion_degrees(flexion_degrees, extension_degrees))


@checked
def has_osteolysis(volume_mm3: float, *, threshold: Threshold | None = None) -> bool:
    """Say whether bone was lost beside the cage on CT, from the volume of the traced defect.

    The study reads osteolysis as yes or no; a volume above 0 is yes, unless a threshold says otherwise.
    """
    require_range("the volume of osteolysis", volume_mm3, 0, 1e7)
    return (threshold or Threshold(value=0.0, inclusive=False)).reached(volume_mm3)


@dataclass(frozen=True, kw_only=True, repr=False)
class OozingTime(Result):
    """Days from surgery to the first day of oozing, or to the last day known (``oozed`` False).

    Examples
    --------
    >>> from datetime import date
    >>> films = [(date(2020, 1, 2), 3), (date(2020, 1, 4), 1)]
    >>> vc.oozing_time(date(2020, 1, 1), films, date(2020, 1, 9)).days
    1
    """

    days: int
    oozed: bool


@checked
def oozing_time(
    surgery: date,
    changes: Sequence[tuple[date, int]],
    last: date,
    *,
    discharge: date | None = None,
    threshold: Threshold = OOZING_CHANGES_PER_DAY,
) -> OozingTime:
    """Return the time to wound oozing.

    Parameters
    ----------
    surgery : date
    changes : sequence of (date, count)
        Dressing changes per day.
    last : date
        Last outpatient visit, where those who never oozed are censored (as in the study; that nobody could
        ooze after discharge makes the hospital stay the better end of follow-up).
    discharge : date, optional
        Days after it do not count.
    threshold : Threshold
        Changes a day that are oozing.

    Raises
    ------
    UsageError
        ``invalid-table`` for a day before surgery.
    """
    days = [day for day, _ in changes]
    if min([*days, last]) < surgery:
        raise UsageError(
            "invalid-table", "a date lies before surgery", values={"surgery": surgery.isoformat()}
        )
    oozing = [
        day for day, count in changes if threshold.reached(count) and (discharge is None or day <= discharge)
    ]
    if oozing:
        return OozingTime(days=(min(oozing) - surgery).days, oozed=True)
    return OozingTime(days=(last - surgery).days, oozed=False)


@checked
def check_pain_vas(value: float, *, highest: float = 10.0) -> float:
    """Return a visual analogue score of pain, refused outside 0 to `highest` (10 cm, or 100 mm)."""
    require_range("the visual analogue score", value, 0, highest)
    return value


@checked
def bone_density_category(
    t_score: float, *, osteoporosis: float = -2.5, osteopenia: float = -1.0
) -> BoneDensity:
    """Return the class of a bone mineral density T score.

    At or below -2.5 is osteoporosis, below -1 osteopenia, from -1 on normal (WHO Technical Report Series 843,
    1994).
    """
    require_range("the T score", t_score, -10, 10)
    if t_score <= osteoporosis:
        return "osteoporosis"
    return "osteopenia" if t_score < osteopenia else "normal"
