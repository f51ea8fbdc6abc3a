"""The evidence page of one lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from volumetry.numbering import slice_name
from volumetry.pages.crops import QUALITIES, Crop, crops, side_of
from volumetry.pages.evidence import LesionRows, Visit
from volumetry.pages.inputs import MeasuredResults
from volumetry.pages.numbers import NO_VALUE, shown
from volumetry.pages.templating import page
from volumetry.tables import CHANGES, MEASUREMENTS

MAX_BYTES = 500_000

_NUMBERS = (
    "status", "code", "message", "volume_cm3", "height_rule", "volume_thickness_mm3", "volume_spacing_mm3",
    "sampling_error_percent", "sampling_warning", "n_slices", "max_area_mm2", "flags",
)  # fmt: skip
_HEADER = (
    "study_date", "modality", "plane", "weighting", "rows", "columns", "pixel_spacing_rows_mm",
    "pixel_spacing_columns_mm", "slice_thickness_mm", "slice_spacing_mm", "gap_mm", "slice_normal",
    "repetition_time_ms", "echo_time_ms", "inversion_time_ms", "field_strength_t", "contrast",
    "fat_suppression", "series_uid", "scan", "scan_sha256",
)  # fmt: skip
_READING = ("reader", "read", "trace", "trace_sha256", "volumetry_version")
_CHANGE = (
    "baseline_visit", "followup_visit", "reader", "days", "change_mm3", "change_percent",
    "change_percent_per_year", "threshold_percent", "threshold_category", "category", "reason", "comparable",
    "reservations", "explained_percent", "change_error_percent", "change_error_lower_bound_percent",
    "detectable_change_percent", "probability_increase", "probability_decrease", "verdict", "flags",
)  # fmt: skip
_UNITS = {column.name: column.unit for table in (MEASUREMENTS, CHANGES) for column in table.columns}

Fact = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class ShownSlice:
    """One line of the areas by slice, with its picture where there is one."""

    line: int
    index: int
    name: str
    position: str
    area: str
    crop: Crop | None


@dataclass(frozen=True, kw_only=True)
class ShownVisit:
    """What the template shows of a visit."""

    line: int
    title: str
    missing: str
    numbers: tuple[Fact, ...]
    header: tuple[Fact, ...]
    reading: tuple[Fact, ...]
    slices: tuple[ShownSlice, ...]
    visit: Visit


def lesion_page(
    measured: MeasuredResults, lesion: LesionRows, visits: Sequence[Visit], *, report: str
) -> str:
    """Return the page, of at most `MAX_BYTES`: with the best pictures for which there is room.

    Parameters
    ----------
    measured : MeasuredResults
    lesion : LesionRows
    visits : sequence of Visit
    report : str
        Name of the report, one folder up.
    """
    site, patient, side, name = lesion.key
    changes = [(line, facts(measured.changes.rows[line - 2], _CHANGE)) for line in lesion.changes]
    side_mm = side_of(visits)
    text = ""
    for quality in QUALITIES:
        shown_visits = [
            _shown(visit, {c.slice_index: c for c in crops(visit, quality, side_mm)}) for visit in visits
        ]
        text = page(
            "lesion.html",
            script="lesion.js",
            title=" ".join(filter(None, (patient, side, name))) or lesion.id,
            pairs=[
                (word, value)
                for word, value in (("site", site), ("patient", patient), ("side", side), ("lesion", name))
                if value
            ],
            id=lesion.id,
            visits=shown_visits,
            changes=changes,
            quality=quality.words,
            side_mm=round(side_mm),
            report=report,
        )
        if len(text.encode()) <= MAX_BYTES:
            break
    return text


def facts(row: Any, names: Sequence[str]) -> tuple[Fact, ...]:
    """Return names with units and values of the cells that are not empty."""
    return tuple(
        (label(name), shown(row[name], _UNITS.get(name, "")))
        for name in names
        if row.get(name) not in (None, "")
    )


def label(name: str) -> str:
    """Return a column's name for people.

    Examples
    --------
    >>> label("slice_thickness_mm")
    'slice thickness (mm)'
    """
    unit = _UNITS.get(name, "")
    words = name
    if unit:
        endings = {"%": "_percent", "%/a": "_percent_per_year", "d": ""}
        words = name.removesuffix(endings.get(unit, f"_{unit.lower()}"))
    shown_unit = {"mm3": "mm³", "mm2": "mm²", "cm3": "cm³", "%/a": "% a year", "d": "days"}.get(unit, unit)
    text = words.replace("_", " ")
    return f"{text} ({shown_unit})" if unit and shown_unit != text else text


def _shown(visit: Visit, pictures: dict[int, Crop]) -> ShownVisit:
    row = visit.row
    n_slices = None if visit.scan is None else visit.scan.geometry.n_slices
    title = ", ".join(
        filter(
            None,
            (
                str(row["visit"] or row["study_date"] or "visit unknown"),
                f"reader {row['reader']}" if row["reader"] else "",
                f"read {row['read']}" if row["read"] else "",
            ),
        )
    )
    return ShownVisit(
        line=visit.line,
        title=title,
        missing=visit.missing,
        numbers=facts(row, _NUMBERS),
        header=facts(row, _HEADER),
        reading=facts(row, _READING),
        slices=tuple(
            ShownSlice(
                line=line,
                index=int(cells["slice_index"]),
                name=slice_name(int(cells["slice_index"]), n_slices),
                position=f"{cells['position_mm']:.1f}",
                area=shown(cells["area_mm2"], "mm2"),
                crop=pictures.get(int(cells["slice_index"])),
            )
            for line, cells in visit.slices
        ),
        visit=visit,
    )


__all__ = ["MAX_BYTES", "NO_VALUE", "facts", "label", "lesion_page"]
