"""``[measurement]`` and ``[change]``: how areas become a volume, and when a change counts."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass

from volumetry.change import ChangeRule
from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.files.documents import setting
from volumetry.measurement import MeasurementRule, SkippedSlices
from volumetry.volume import HeightRule


@dataclass(frozen=True, kw_only=True)
class MeasurementSection:
    """How areas become a volume."""

    height_rule: HeightRule = setting("Which of the two volumes is the primary one.", "thickness")
    allow_overlap: bool = setting("Let the thickness rule be primary although slices overlap.", False)
    skipped_slices: SkippedSlices = setting(
        "What a slice without outline between outlined ones means.", "refuse"
    )
    self_intersections: SelfIntersections = setting(
        "What an outline that crosses itself means: no volume, or loops that count by even-odd.", "refuse"
    )
    overlapping_outlines: OverlappingOutlines = setting(
        "What outlines that overlap mean, where none is a hole: no volume, holes, or one outline.",
        "refuse",
    )
    interpolate_missing: bool = setting("Measure across slices that are missing from the scan.", False)
    check_side: bool = setting("Refuse a lesion that lies on the other side than its label says.", True)

    @property
    def rule(self) -> MeasurementRule:
        """The rule of measurement."""
        return MeasurementRule(
            height=self.height_rule,
            allow_overlap=self.allow_overlap,
            skipped_slices=self.skipped_slices,
            self_intersections=self.self_intersections,
            overlapping_outlines=self.overlapping_outlines,
            interpolate_missing=self.interpolate_missing,
            check_side=self.check_side,
        )


@dataclass(frozen=True, kw_only=True)
class ChangeSection:
    """When a change of volume counts."""

    threshold_percent: float = setting("A change of more than this counts, in percent.", 15.0)
    decrease_threshold_percent: float | None = setting("The same for a decrease, where it differs.", None)
    minimum_slices: int = setting("Fewer traced slices make a change not evaluable.", 3)

    def __post_init__(self) -> None:
        _ = self.rule  # raises where it is out of range

    @property
    def rule(self) -> ChangeRule:
        """The rule of change."""
        return ChangeRule(
            threshold_percent=self.threshold_percent,
            decrease_threshold_percent=self.decrease_threshold_percent,
            minimum_slices=self.minimum_slices,
        )
