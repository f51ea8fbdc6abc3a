"""``[comparability]``: which differences between two visits forbid a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.comparability import REFUSED_BY_DEFAULT, RESERVATIONS, ComparabilityRule
from volumetry.errors import UsageError
from volumetry.files.documents import setting


@dataclass(frozen=True, kw_only=True)
class ComparabilitySection:
    """Differences between visits: what forbids a comparison, what is ignored; the others are reservations.

    Attributes
    ----------
    refuse, ignore : tuple of str
        Codes of `volumetry.comparability.RESERVATIONS`.
    geometry_tolerance, time_tolerance : float
        Relative differences up to which values are the same.
    tilt_tolerance_degrees : float
        Angle up to which planes are parallel.
    """

    refuse: tuple[str, ...] = setting(
        "Differences that forbid a comparison.",
        tuple(code for code in RESERVATIONS if code in REFUSED_BY_DEFAULT),
    )
    ignore: tuple[str, ...] = setting("Differences that are not looked at.", ())
    geometry_tolerance: float = setting(
        "Relative difference of thickness, spacing and pixel spacing up to which they are the same.", 0.01
    )
    time_tolerance: float = setting(
        "Relative difference of repetition, echo and inversion time up to which they are the same.", 0.1
    )
    tilt_tolerance_degrees: float = setting("Angle between the planes up to which they are parallel.", 3.0)

    def __post_init__(self) -> None:
        for key in ("refuse", "ignore"):
            unknown = sorted(set(getattr(self, key)) - set(RESERVATIONS))
            if unknown:
                raise UsageError(
                    "invalid-protocol",
                    "there is no such difference between visits",
                    values={"key": key, key: unknown[0]},
                    todo=f"Choose from {', '.join(RESERVATIONS)}.",
                )
        if both := sorted(set(self.refuse) & set(self.ignore)):
            raise UsageError(
                "invalid-protocol",
                "a difference is refused and ignored",
                values={"key": "ignore", "ignore": both[0]},
                todo="Name it in refuse or in ignore.",
            )
        if min(self.geometry_tolerance, self.time_tolerance, self.tilt_tolerance_degrees) < 0:
            raise UsageError(
                "invalid-protocol",
                "a tolerance is negative",
                values={"key": "geometry_tolerance", "geometry_tolerance": self.geometry_tolerance},
                todo="Write a number from 0 on.",
            )

    @property
    def rule(self) -> ComparabilityRule:
        """The rule that the section states."""
        return ComparabilityRule(
            refuse=frozenset(self.refuse),
            ignore=frozenset(self.ignore),
            geometry_tolerance=self.geometry_tolerance,
            time_tolerance=self.time_tolerance,
            tilt_tolerance_degrees=self.tilt_tolerance_degrees,
        )
