"""The six synthetic patients: who they are, when they were scanned, and what their lesions did.

Nobody here exists; names, dates, scores and outcomes are made up.
"""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.samples.anatomy import Physique
from volumetry.samples.bodies import Bite, Body, Motion, Triple, make_body
from volumetry.samples.planes import SlicePlan

AT_REST = Motion()


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One lesion: where it lies in the head at baseline, and its volume at each visit as a share of that.

    A share of 0 means that the lesion is not there: new later, or resolved.
    """

    name: str
    offset_mm: Triple
    semi_axes_mm: Triple
    rotation_deg: Triple
    volume_shares: tuple[float, ...]
    bite: Bite | None = None

    @property
    def side(self) -> str:
        """``L`` or ``R``: the first letter of the name."""
        return self.name[0]

    def body_at(self, visit_index: int, physique: Physique) -> Body | None:
        """Return the lesion at a visit in a body that has not moved; None where it is not there."""
        share = self.volume_shares[visit_index]
        if share == 0.0:
            return None
        outward = 1.0 if self.side == "L" else -1.0
        x, y, z = self.offset_mm
        centre = (outward * (physique.half_distance_mm + x), y, z)
        about_x, about_y, about_z = self.rotation_deg
        turned = (about_x, outward * about_y, outward * about_z)
        bite = self.bite
        if bite is not None and outward < 0:
            bite = Bite(centre=(-bite.centre[0], *bite.centre[1:]), radius=bite.radius)
        return make_body(centre, self.semi_axes_mm, turned, bite).scaled(share)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One scan of a patient."""

    date: str
    plan: SlicePlan
    motion: Motion = AT_REST
    traced: bool = True
    rle: bool = False


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient; `kind` says how scans and tracings are stored: ``rtstruct``, ``trace`` or ``nifti``."""

    name: str
    kind: str
    physique: Physique
    lesions: tuple[Lesion, ...]
    visits: tuple[Visit, ...]

    @property
    def folder(self) -> str:
        """The patient's folder, and the patient in all tables."""
        return f"sub-{self.name}" if self.kind == "nifti" else self.name

    def visit_folder(self, index: int) -> str:
        """Return the folder of a visit below that, and the visit in all tables."""
        date = self.visits[index].date
        return f"ses-{date.replace('-', '')}" if self.kind == "nifti" else date


def _plan(
    ahead_mm: float = 0.0, spacing_mm: float = 4.4, n_slices: int = 12, tilt_deg: Triple = (0.0, 0.0, 0.0)
) -> SlicePlan:
    return SlicePlan(
        rows=100,
        columns=200,
        pixel_mm=1.7,
        n_slices=n_slices,
        spacing_mm=spacing_mm,
        centre_mm=(0.6, ahead_mm, -3.2),
        tilt_deg=tilt_deg,
    )


_CRESCENT = Bite(centre=(-0.25, 0.1, -1.1), radius=0.85)
_OBLIQUE = (8.0, 0.0, 3.0)

PATIENTS = (
    Patient(
        name="hip01",
        kind="rtstruct",
        physique=Physique(head_radius_mm=24.5, half_distance_mm=88.0, half_width_mm=163.0, fat_mm=13.0),
        lesions=(
            Lesion(
                name="L1",
                offset_mm=(1.5, -3.1, 9.7),
                semi_axes_mm=(13.4, 12.1, 9.2),
                rotation_deg=(6.0, 18.0, 10.0),
                volume_shares=(1.0, 1.24, 1.41),
            ),
            Lesion(
                name="R1",
                offset_mm=(2.1, -1.7, 6.5),
                semi_axes_mm=(16.3, 14.2, 14.6),
                rotation_deg=(0.0, 14.0, 0.0),
                volume_shares=(1.0, 0.955, 1.06),
                bite=_CRESCENT,
            ),
        ),
        visits=(
            Visit(date="2021-03-02", plan=_plan(0.4)),
            Visit(
                date="2021-09-07",
                plan=_plan(-0.7),
                motion=Motion(rotation_deg=(2.0, -3.0, 1.5), translation_mm=(4.2, -1.6, 3.4)),
            ),
            Visit(
                date="2022-03-08",
                plan=_plan(0.9),
                motion=Motion(rotation_deg=(-1.5, 2.5, -2.0), translation_mm=(-3.1, 1.2, -4.6)),
            ),
        ),
    ),
    Patient(
        name="hip02",
        kind="rtstruct",
        physique=Physique(head_radius_mm=25.2, half_distance_mm=89.0, half_width_mm=164.0, fat_mm=16.0),
        lesions=(
            Lesion(
                name="L1",
                offset_mm=(1.2, -2.3, 9.5),
                semi_axes_mm=(15.6, 14.4, 11.2),
                rotation_deg=(-5.0, 12.0, -8.0),
                volume_shares=(1.0, 0.61, 0.0),
            ),
        ),
        visits=(
            Visit(date="2021-05-18", plan=_plan(-0.3)),
            Visit(
                date="2021-11-16",
                plan=_plan(1.1),
                motion=Motion(rotation_deg=(1.0, 1.8, -1.2), translation_mm=(-2.4, 0.8, 2.9)),
            ),
            Visit(date="2022-05-24", plan=_plan(0.2)),
        ),
    ),
    Patient(
        name="hip03",
        kind="rtstruct",
        physique=Physique(head_radius_mm=24.0, half_distance_mm=86.0, half_width_mm=161.0, fat_mm=20.0),
        lesions=(
            Lesion(
                name="L1",
                offset_mm=(0.8, -2.6, 11.8),
                semi_axes_mm=(10.2, 9.7, 7.9),
                rotation_deg=(0.0, 10.0, 15.0),
                volume_shares=(0.0, 1.0),
            ),
            Lesion(
                name="R1",
                offset_mm=(2.2, -6.2, 10.2),
                semi_axes_mm=(11.3, 10.1, 8.7),
                rotation_deg=(4.0, 20.0, -6.0),
                volume_shares=(1.0, 1.29),
            ),
            Lesion(
                name="R2",
                offset_mm=(-2.0, 12.1, 9.3),
                semi_axes_mm=(6.1, 4.1, 4.9),
                rotation_deg=(0.0, 0.0, 0.0),
                volume_shares=(1.0, 1.22),
            ),
        ),
        visits=(
            Visit(date="2021-02-10", plan=_plan(0.1, spacing_mm=4.0)),
            Visit(date="2022-02-15", plan=_plan(0.0, spacing_mm=4.0), rle=True),
        ),
    ),
    Patient(
        name="hip04",
        kind="rtstruct",
        physique=Physique(head_radius_mm=23.4, half_distance_mm=85.0, half_width_mm=158.0, fat_mm=18.0),
        lesions=(
            Lesion(
                name="R1",
                offset_mm=(1.8, -2.0, 9.6),
                semi_axes_mm=(13.1, 12.6, 9.1),
                rotation_deg=(0.0, 16.0, 7.0),
                volume_shares=(1.0, 0.95, 0.93),
            ),
        ),
        visits=(
            Visit(date="2020-10-06", plan=_plan(0.5)),
            Visit(date="2021-10-12", plan=_plan(-0.4, spacing_mm=5.0, n_slices=11)),
            Visit(date="2022-10-18", plan=_plan(0.0), traced=False),
        ),
    ),
    Patient(
        name="hip05",
        kind="trace",
        physique=Physique(head_radius_mm=24.8, half_distance_mm=87.0, half_width_mm=162.0, fat_mm=12.0),
        lesions=(
            Lesion(
                name="L1",
                offset_mm=(2.0, -1.2, 6.7),
                semi_axes_mm=(16.1, 14.6, 14.8),
                rotation_deg=(0.0, 12.0, 0.0),
                volume_shares=(1.0, 0.76),
                bite=_CRESCENT,
            ),
            Lesion(
                name="R1",
                offset_mm=(1.0, -2.9, 10.4),
                semi_axes_mm=(11.7, 11.2, 8.8),
                rotation_deg=(7.0, 9.0, -12.0),
                volume_shares=(1.0, 1.33),
            ),
        ),
        visits=(
            Visit(date="2021-06-01", plan=_plan(0.3, tilt_deg=_OBLIQUE)),
            Visit(date="2022-06-14", plan=_plan(-0.5, tilt_deg=_OBLIQUE)),
        ),
    ),
    Patient(
        name="hip06",
        kind="nifti",
        physique=Physique(head_radius_mm=24.2, half_distance_mm=88.5, half_width_mm=160.0, fat_mm=15.0),
        lesions=(
            Lesion(
                name="R1",
                offset_mm=(1.6, -2.4, 10.0),
                semi_axes_mm=(14.0, 13.1, 9.8),
                rotation_deg=(-4.0, 15.0, 9.0),
                volume_shares=(1.0, 0.73),
            ),
        ),
        visits=(
            Visit(date="2021-04-05", plan=_plan(0.2)),
            Visit(date="2022-04-12", plan=_plan(-0.6)),
        ),
    ),
)

CLINICAL_COLUMNS = (
    "patient,side,group,age,sex,bmi,aetiology,arco,hhs0,hhs1,womac0,womac1,womac_version,dose_count,"
    "baseline_date,last_fu_date,collapse_date_low,collapse_date_high,tha_date"
)

# A row per hip with disease at any visit. An empty collapse_date_high: no collapse until collapse_date_low,
# the last film on which the head was round.
CLINICAL_ROWS = (
    "hip01,L,control,47,M,25.3,alcohol,II,71,62,28,41,LK3.1,0,2021-03-02,2022-09-13,2022-03-08,2022-09-13,",
    "hip01,R,control,47,M,25.3,alcohol,II,83,84,15,14,LK3.1,0,2021-03-02,2022-09-13,2022-09-13,,",
    "hip02,L,denosumab,39,F,21.8,steroid,I,74,92,31,9,LK3.1,2,2021-05-18,2022-11-29,2022-11-29,,",
    "hip03,L,control,58,M,28.6,idiopathic,I,90,81,8,19,LK3.1,0,2021-02-10,2022-08-16,2022-08-16,,",
    "hip03,R,control,58,M,28.6,idiopathic,II,68,55,34,49,LK3.1,0,2021-02-10,2022-08-16,2021-08-11,2022-02-15,2022-08-16",
    "hip04,R,denosumab,52,F,23.9,steroid,II,72,85,27,13,LK3.1,4,2020-10-06,2022-10-18,2022-10-18,,",
    "hip05,L,denosumab,34,M,26.4,alcohol,II,66,87,38,12,LK3.1,2,2021-06-01,2022-12-06,2022-12-06,,",
    "hip05,R,denosumab,34,M,26.4,alcohol,II,70,73,30,27,LK3.1,2,2021-06-01,2022-12-06,2022-06-14,2022-12-06,",
    "sub-hip06,R,denosumab,61,F,22.7,idiopathic,II,75,88,25,11,LK3.1,2,2021-04-05,2022-10-04,2022-10-04,,",
)
