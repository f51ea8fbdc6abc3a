"""A cut on a clinical measure, and which side of it the cut itself belongs to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from volumetry.errors import UsageError

#: Differences below this share of the cut are floating-point noise: 61.7 - 59.7 is 2 mm.
NOISE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A value from which on, or beyond which, a finding counts.

    Attributes
    ----------
    value : float
        In the unit of the measure.
    inclusive : bool
        Whether the value itself counts (``>=``) or only what is more (``>``).

    Examples
    --------
    >>> vc.Threshold(value=2.0, inclusive=True).reached(2.0)
    True
    """

    value: float
    inclusive: bool

    def reached(self, measured: float) -> bool:
        """Say whether a measured value counts. Rounding noise never decides."""
        require_finite("the measured value", measured)
        noise = NOISE * max(1.0, abs(self.value))
        return measured >= self.value - noise if self.inclusive else measured > self.value + noise

    def __str__(self) -> str:
        return f"{'>=' if self.inclusive else '>'} {self.value:g}"


def require_finite(name: str, value: float) -> None:
    """Refuse NaN and infinity: missing values are the caller's to leave out and count."""
    if not math.isfinite(value):
        raise UsageError("usage", f"{name} is not a finite number", todo="Leave missing values out.")


def require_range(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuse a value outside of a scale."""
    require_finite(name, value)
    if not lowest <= value <= highest:
        raise UsageError(
            "usage",
            f"{name} lies outside its scale",
            values={"value": value, "lowest": lowest, "highest": highest},
            todo="Check the entry, or name the version of the score that it belongs to.",
        )
