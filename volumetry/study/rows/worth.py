"""The columns of ``changes.csv`` that say what a class is worth: comparability, error, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volumetry.change import ChangeRule, VolumeChange
from volumetry.comparability import Comparability, ComparabilityRule, Normal, VisitFacts, compare_visits
from volumetry.error_model import ReadingError, VerdictRule, judge_change
from volumetry.geometry import ScanGeometry
from volumetry.tables import Row

if TYPE_CHECKING:
    from volumetry.study.protocol import Protocol

ExplainTilt = Callable[[Row, Row], float | None]
"""From the rows of both visits to the change in percent that the tilt of the planes may explain."""


@dataclass(frozen=True, kw_only=True)
class WorthRule:
    """By what a change is judged.

    Attributes
    ----------
    reading_error : ReadingError or None
        None where the study has no repeated reads.
    between_readers : ReadingError or None
        That of changes whose two visits were read by different readers; left out, `reading_error` where it is
        of that kind.
    verdict : VerdictRule
    comparability : ComparabilityRule
    explain_tilt : callable or None
        None where the traces are not at hand.
    """

    reading_error: ReadingError | None = None
    between_readers: ReadingError | None = None
    verdict: VerdictRule = field(default_factory=VerdictRule)
    comparability: ComparabilityRule = field(default_factory=ComparabilityRule)
    explain_tilt: ExplainTilt | None = None

    def error_of(self, baseline: Row, followup: Row) -> ReadingError | None:
        """Return the error of reading of two visits; None where it is not known of their readers."""
        readers = {row.get("reader") for row in (baseline, followup)}
        if None in readers or len(readers) == 1:
            return self.reading_error
        if self.between_readers is not None:
            return self.between_readers
        known = self.reading_error is not None and self.reading_error.kind == "between_readers"
        return self.reading_error if known else None

    @property
    def judges(self) -> bool:
        """Whether an error of reading is known of any change."""
        return self.reading_error is not None or self.between_readers is not None


def worth_rule(protocol: Protocol, explain_tilt: ExplainTilt | None = None) -> WorthRule:
    """Return by what the changes of a study are judged."""
    section = protocol.repeatability
    return WorthRule(
        reading_error=protocol.reading_error,
        between_readers=protocol.between_readers_error,
        verdict=VerdictRule(critical_value=section.bound, level=section.confidence),
        comparability=protocol.comparability.rule,
        explain_tilt=explain_tilt,
    )


def worth_cells(
    baseline: Row | None, followup: Row | None, change: VolumeChange, change_rule: ChangeRule, rule: WorthRule
) -> Row:
    """Return the cells of a change that say what its class is worth.

    Parameters
    ----------
    baseline, followup : dict or None
        The rows of ``measurements.csv``; None where the lesion was not traced.
    change : VolumeChange
        The change with its class.
    change_rule : ChangeRule
    rule : WorthRule

    Returns
    -------
    dict
        Cells by column, and ``worth_flags``: flags to add to those of the change. Where the protocol refuses
        the comparison, ``category`` and ``reason`` are among them; ``threshold_category`` stays.
    """
    if baseline is None or followup is None or change.percent is None:
        verdict = "not_evaluable" if rule.judges else None
        return {"verdict": verdict, "worth_flags": ()}
    compared = compare_visits(visit_facts(baseline), visit_facts(followup), rule.comparability)
    explained = dict(compared.explained_percent)
    if "plane-tilted" in compared.reservations and rule.explain_tilt is not None:
        by_tilt = rule.explain_tilt(baseline, followup)
        if by_tilt is not None:
            explained["plane-tilted"] = by_tilt
    refused = _refused(compared, change, rule.comparability)
    error = rule.error_of(baseline, followup)
    worth = judge_change(
        change.baseline_volume_mm3,
        change.followup_volume_mm3,
        sampling_error_percent=(
            baseline.get("sampling_error_percent"),
            followup.get("sampling_error_percent"),
        ),
        reading_error=error,
        change_rule=change_rule,
        verdict_rule=rule.verdict,
        category="not_evaluable" if refused or change.category == "not_evaluable" else None,
    )
    verdict = "not_evaluable" if compared.comparable == "no" else worth.verdict
    flags = ("error-unknown",) if error is None else (*worth.flags, *_of_others(error, (baseline, followup)))
    return {
        **refused,
        **_comparability_cells(compared, explained),
        "change_error_percent": worth.change_error_percent,
        "change_error_lower_bound_percent": worth.error_lower_bound_percent,
        "detectable_change_percent": worth.detectable_change_percent,
        "probability_increase": worth.probability_increase,
        "probability_decrease": worth.probability_decrease,
        "verdict": (verdict or None) if rule.judges else None,
        "worth_flags": flags,
    }


def _refused(compared: Comparability, change: VolumeChange, rule: ComparabilityRule) -> Row:
    """Class and reason of a change that the protocol refuses; empty where another reason is known."""
    if compared.comparable != "no" or change.reason:
        return {}
    reason = next(code for code in compared.reservations if code in rule.refuse)
    return {"category": "not_evaluable", "reason": reason}


def _of_others(error: ReadingError, visits: Sequence[Row]) -> tuple[str, ...]:
    readers, rules, sites = (
        [str(row.get(name) or "") for row in visits] for name in ("reader", "height_rule", "site")
    )
    return error.is_of_others(readers, rules, sites)


def _comparability_cells(compared: Comparability, explained: Mapping[str, float]) -> Row:
    return {
        "comparable": compared.comparable,
        "reservations": ";".join(compared.reservations) or None,
        "explained_percent": ";".join(f"{code}={value:.6g}" for code, value in explained.items()) or None,
    }


def visit_facts(row: Row) -> VisitFacts:
    """Return what a comparison needs to know of a visit, from its row of ``measurements.csv``."""
    flags = str(row.get("flags") or "").split(";")
    spacings = (row.get("pixel_spacing_rows_mm"), row.get("pixel_spacing_columns_mm"))
    area = row.get("pixel_area_mm2")
    if None in spacings and area:
        spacings = (math.sqrt(area), math.sqrt(area))

    def text(name: str) -> str:
        return str(row.get(name) or "")

    return VisitFacts(
        side=text("side"),
        reader=text("reader"),
        modality=text("modality"),
        height_rule=text("height_rule"),
        slice_thickness_mm=row.get("slice_thickness_mm"),
        slice_spacing_mm=row.get("slice_spacing_mm"),
        pixel_spacing_mm=None if None in spacings else (float(spacings[0]), float(spacings[1])),  # type: ignore[arg-type]
        rows=row.get("rows"),
        columns=row.get("columns"),
        slice_normal=_normal(row.get("slice_normal")),
        lesion_cut_off="touches-edge" in flags,
        plane=text("plane"),
        weighting=text("weighting"),
        repetition_time_ms=row.get("repetition_time_ms"),
        echo_time_ms=row.get("echo_time_ms"),
        inversion_time_ms=row.get("inversion_time_ms"),
        field_strength_t=row.get("field_strength_t"),
        contrast=text("contrast"),
        fat_suppression=text("fat_suppression"),
    )


def geometry_facts(geometry: ScanGeometry) -> Row:
    """Return the cells of a row of measurements that a comparison of geometry needs."""
    between_rows, between_columns = geometry.pixel_spacing_mm
    return {
        "pixel_spacing_rows_mm": between_rows,
        "pixel_spacing_columns_mm": between_columns,
        "rows": geometry.rows,
        "columns": geometry.columns,
        "slice_normal": " ".join(f"{float(v) + 0.0:.6f}" for v in geometry.normal),
    }


def _normal(text: Any) -> Normal | None:
    try:
        x, y, z = (float(v) for v in str(text or "").split())
    except ValueError:
        return None
    return (x, y, z) if math.hypot(x, y, z) > 0 else None


def tilt_explainer(study: Path, traces: Path | str | None = None) -> ExplainTilt:
    """Return a function that cuts the baseline's lesion along the follow-up's slices, whatever their gap.

    Parameters
    ----------
    study : path
        The folder that was measured; `trace` and `scan` of the rows are relative to it.
    traces : path, optional
        Where traces lie that were kept apart.
    """

    def explain(baseline: Row, followup: Row) -> float | None:
        from volumetry.errors import VolumetryError
        from volumetry.reslice import explained_by_tilt

        try:
            kept_apart = None if traces is None else Path(traces)
            first, contours = _outlines(baseline, study, kept_apart)
            second, others = _outlines(followup, study, kept_apart)
            # By spacing: what a changed gap explains has a share of its own.
            return explained_by_tilt(contours, first, second, height="spacing", followup_contours=others)
        except (VolumetryError, OSError, LookupError):
            return None

    return explain


def _outlines(row: Row, study: Path, traces: Path | None) -> tuple[ScanGeometry, Any]:
    from volumetry.export import read_traced

    def found(name: Any) -> Path | None:
        places = [folder / str(name) for folder in (traces, study) if folder is not None and name]
        return next((place for place in places if place.exists()), None)

    path = found(row.get("trace"))
    if path is None:
        raise LookupError("the traced file is not at hand")
    native = path.name.endswith(".trace.json")
    traced = read_traced(path, scan=None if native else found(row.get("scan")))
    contours = traced.outlines_of(str(row.get("region") or ""), str(row.get("lesion") or ""))
    if contours is None:
        raise LookupError("which region of the traced file is meant is unclear")
    return traced.geometry, contours
