"""What a correct program must find in the sample study: ``expected_volumes.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import fsum

from volumetry.samples.bodies import Body
from volumetry.samples.cohort import Lesion, Patient
from volumetry.samples.planes import SlicePlan

THRESHOLD_PERCENT = 15.0
MINIMUM_SLICES = 3

COLUMNS = (
    "patient,side,lesion,visit,visit_order,study_date,tracing,name_in_file,status,n_slices,slice_thickness_mm,"
    "slice_spacing_mm,pixel_area_mm2,analytic_volume_mm3,expected_volume_thickness_mm3,"
    "expected_volume_spacing_mm3,max_area_mm2,mask_voxels,centroid_x_mm,centroid_y_mm,centroid_z_mm,"
    "baseline_visit,days,expected_change_percent,expected_threshold_category,expected_category,expected_reason"
)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One lesion at one visit."""

    plan: SlicePlan
    traced: bool
    body: Body | None
    mask_voxels: int | None = None

    @property
    def status(self) -> str:
        """``measured``, ``absent`` or ``not_traced``, as in measurements.csv."""
        if not self.traced:
            return "not_traced"
        return "measured" if self.body is not None else "absent"

    @property
    def areas_mm2(self) -> list[float]:
        """The exact area on each slice that meets the lesion."""
        if self.body is None:
            return []
        return [cut.area_mm2 for cut in self.plan.sections(self.body).values()]

    @property
    def volume_thickness_mm3(self) -> float:
        """Sum of area times slice thickness: the published rule."""
        return fsum(self.areas_mm2) * self.plan.thickness_mm

    @property
    def volume_spacing_mm3(self) -> float:
        """Sum of area times the distance of slice centres."""
        return fsum(self.areas_mm2) * self.plan.spacing_mm


def expected_row(patient: Patient, lesion: Lesion, visits: list[Expected], index: int) -> str:
    """Return the line of a lesion at a visit; `visits` are all of that lesion."""
    here, visit = visits[index], patient.visits[index]
    plan = here.plan
    areas = here.areas_mm2
    cells = [
        patient.folder,
        lesion.side,
        lesion.name,
        patient.visit_folder(index),
        str(index + 1),
        visit.date,
        patient.kind if visit.traced else "",
        _name_in_file(patient, lesion) if visit.traced else "",
        here.status,
        str(len(areas)) if here.traced else "",
        f"{plan.thickness_mm:g}",
        f"{plan.spacing_mm:g}",
        f"{plan.pixel_mm**2:.6g}",
        f"{here.body.volume_mm3 if here.body else 0.0:.4f}",
        f"{here.volume_thickness_mm3:.4f}" if here.traced else "",
        f"{here.volume_spacing_mm3:.4f}" if here.traced else "",
        f"{max(areas, default=0.0):.4f}" if here.traced else "",
        "" if here.mask_voxels is None else str(here.mask_voxels),
        *_centroid_cells(here.body),
        *_change_cells(patient, visits, index),
    ]
    return ",".join(cells)


def _name_in_file(patient: Patient, lesion: Lesion) -> str:
    """How the tracing names the lesion: its region, its name, or the value in the mask."""
    return {"rtstruct": f"lesion_{lesion.name}", "trace": lesion.name, "nifti": "1"}[patient.kind]


def _centroid_cells(body: Body | None) -> list[str]:
    """Return the centre of an ellipsoid; a crescent's is not told, since no short formula has it."""
    if body is None or body.bite is not None:
        return ["", "", ""]
    return [f"{v:.4f}" for v in body.centre_mm]


def _change_cells(patient: Patient, visits: list[Expected], index: int) -> list[str]:
    if index == 0:
        return [""] * 6
    first, second = visits[0], visits[index]
    days = (date.fromisoformat(patient.visits[index].date) - date.fromisoformat(patient.visits[0].date)).days
    percent = ""
    if second.traced and first.body is not None:
        percent = f"{100 * (second.volume_thickness_mm3 / first.volume_thickness_mm3 - 1):.4f}"
    bare, reason = _threshold_category(first, second), _reason(first, second)
    return [
        patient.visit_folder(0),
        str(days),
        percent,
        bare,
        "not_evaluable" if reason else bare,
        reason,
    ]


def _threshold_category(first: Expected, second: Expected) -> str:
    if not second.traced:
        return ""
    if first.body is None:
        return "new" if second.body is not None else "absent"
    if second.body is None:
        return "resolved"
    percent = 100 * (second.volume_thickness_mm3 / first.volume_thickness_mm3 - 1)
    if abs(percent) <= THRESHOLD_PERCENT:
        return "no_change"
    return "increase" if percent > 0 else "decrease"


def _reason(first: Expected, second: Expected) -> str:
    """Why a change is not evaluable under the thickness rule, or nothing."""
    if not second.traced:
        return "followup-not-traced"
    present = [visit for visit in (first, second) if visit.body is not None]
    if any(len(visit.areas_mm2) < MINIMUM_SLICES for visit in present):
        return "few-slices"
    ratios = {visit.plan.spacing_mm / visit.plan.thickness_mm for visit in present}
    return "gap-ratio-changed" if len(ratios) > 1 else ""
