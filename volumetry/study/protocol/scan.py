"""``[scan]``: which series of a visit the study reads."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.files.documents import setting

Plane = Literal["", "sagittal", "coronal", "axial"]
Weighting = Literal["", "T1", "T2", "T2*", "PD", "STIR", "FLAIR", "DWI", "CT"]


@dataclass(frozen=True, kw_only=True)
class ScanSection:
    """Which series of a visit the study reads; empty: all."""

    plane: Plane = setting("Plane of the slices, the nearest of the three.", "")
    weighting: Weighting = setting("Weighting by the acquisition's times and sequence.", "")
    description: str = setting(
        "Pattern of SeriesDescription (`*` for any text), without regard to case. It is matched in memory "
        "and written nowhere.",
        "",
    )
    min_slices: int = setting("Least number of slices.", 0)

    def __post_init__(self) -> None:
        if self.min_slices < 0:
            raise UsageError(
                "invalid-protocol",
                "min_slices is negative",
                values={"key": "min_slices", "min_slices": self.min_slices},
                todo="Write a whole number from 0 on.",
            )

    @property
    def chooses(self) -> bool:
        """Whether anything is asked for."""
        return self != ScanSection()
