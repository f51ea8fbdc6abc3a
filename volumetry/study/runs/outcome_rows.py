"""What a case comes to as rows: the cells of volumes, of geometry, of errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from volumetry.error_model.slicing import sampling_error
from volumetry.errors import ReadError, VolumetryError, WorkerError, plain_values
from volumetry.formats.dicom.file.values import MODALITIES
from volumetry.formats.reader import RegionDetails
from volumetry.sections import CrossSections
from volumetry.study.cases import Case
from volumetry.study.rows.worth import geometry_facts
from volumetry.tables import Row
from volumetry.volume import LesionVolume


def outcome_row(
    case: Case,
    *,
    sections: CrossSections | None = None,
    volume: LesionVolume | None = None,
    error: VolumetryError | None = None,
) -> Row:
    """Return what a case comes to: not traced, or its geometry, its volume, its error."""
    row: Row = {"status": "not_traced"}
    if sections is not None:
        source = sections.source
        row |= {"study_date": source.study_date, "modality": source.modality, "series_uid": source.series_uid}
        row |= _geometry_cells(sections) | source.acquisition.known | _place_cells(sections)
    if volume is not None:
        row |= volume_cells(volume)
    if error is not None:
        status = "failed" if isinstance(error, ReadError | WorkerError) else "not_measurable"
        row |= {"status": status, "code": error.code, "message": error.what, "about": _about(error, case)}
    if row.get("modality") not in MODALITIES:
        row["modality"] = None  # a code by the standard, but a file may hold any text there
    return row


def _about(error: VolumetryError, case: Case) -> dict[str, Any]:
    """Where an error is, without the folder of this machine, its values as text, and what to do."""
    where = error.where or ""
    if case.trace and where.endswith(case.trace):
        where = "trace"
    elif case.scan and where.endswith(case.scan):
        where = "scan"
    elif name := next((name for name in case.scan_files if name and where.endswith(name)), ""):
        where = f"file:{name}"
    else:
        where = f"file:{Path(where).name}" if where else ""
    return {"where": where, "values": plain_values(error.values), "todo": in_batch(error.todo)}


_WITHOUT_SCAN = re.compile(r"volumetry measure without --scan")
_WITH_SCAN = re.compile(
    r"(?:,|:)? with --scan(?:,? (?:or )?in (?:a batch in the column scan of )?a manifest)?"
)


def in_batch(todo: str) -> str:
    """What to do in words of a batch, which has no option ``--scan``.

    >>> in_batch("Name its folder with --scan.")
    'Name its folder in the column scan of a manifest.'
    """
    todo = _WITHOUT_SCAN.sub("leave the column scan of its line in a manifest empty", todo)
    return _WITH_SCAN.sub(" in the column scan of a manifest", todo)


def _geometry_cells(sections: CrossSections) -> Row:
    geometry = sections.geometry
    return {
        "slice_thickness_mm": geometry.slice_thickness_mm,
        "slice_spacing_mm": geometry.slice_spacing_mm,
        "gap_mm": geometry.gap_mm,
        "pixel_area_mm2": geometry.pixel_area_mm2,
        "n_slices": sections.n_slices,
        "plane": geometry.plane,
        **geometry_facts(geometry),
    }


def _place_cells(sections: CrossSections) -> Row:
    """On which side a lesion may lie whose tracing names none; cells of the ledger, and of no table."""
    row: Row = {"image_side": sections.source.laterality or None}
    total = sections.areas_mm2.sum()
    is_placed = total > 0 and "orientation-unknown" not in sections.flags
    if is_placed and not sections.side:
        centre = sections.areas_mm2 @ sections.centroids_mm / total
        row |= {name: round(float(x), 1) for name, x in zip(("x_mm", "y_mm", "z_mm"), centre, strict=True)}
    return row


def detail_cells(details: RegionDetails) -> Row:
    """What a file says of a region besides its name; cells of the ledger, and of no table."""
    return {
        "tracking": "-".join(filter(None, (details.tracking_uid, details.tracking_id))),
        "kind": details.kind,
        "described_side": details.side,
        "maker": details.maker,
    }


def volume_cells(volume: LesionVolume) -> Row:
    """Return the cells of a row of measurements that a volume fills."""
    slicing = sampling_error(*volume.profile(), irregularity=volume.irregularity)
    return {
        "status": volume.status,
        "code": volume.code or None,
        "message": volume.message or None,
        "volume_mm3": volume.volume_mm3,
        "volume_cm3": volume.volume_cm3,
        "height_rule": volume.height_rule,
        "volume_thickness_mm3": volume.volume_thickness_mm3,
        "volume_spacing_mm3": volume.volume_spacing_mm3,
        "sampling_error_percent": slicing.percent,
        "sampling_warning": slicing.warning or None,
        "max_area_mm2": volume.max_area_mm2,
        "flags": ";".join(volume.flags) or None,
    }


def slice_rows(volume: LesionVolume) -> list[list[float | int | None]]:
    """Return index, position, area and both heights of every slice of a volume."""
    by_thickness = (
        [None] * volume.n_slices if volume.heights_thickness_mm is None else volume.heights_thickness_mm
    )
    by_spacing = [None] * volume.n_slices if volume.heights_spacing_mm is None else volume.heights_spacing_mm
    return [
        [int(i), float(p), float(a), None if t is None else float(t), None if s is None else float(s)]
        for i, p, a, t, s in zip(
            volume.slice_indices,
            volume.slice_positions_mm,
            volume.areas_mm2,
            by_thickness,
            by_spacing,
            strict=True,
        )
    ]
