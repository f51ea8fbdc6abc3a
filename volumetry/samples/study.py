"""The sample study: every file of the six patients, and the tables beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from volumetry.samples.anatomy import render
from volumetry.samples.bodies import Array, Body
from volumetry.samples.cohort import CLINICAL_COLUMNS, CLINICAL_ROWS, PATIENTS, Lesion, Patient, Visit
from volumetry.samples.dicom_files import Image, Study, decimal, image_files, rtstruct_file
from volumetry.samples.nifti_files import nifti_file
from volumetry.samples.trace_files import trace_file
from volumetry.samples.truth import COLUMNS, Expected, expected_row

Files = Iterator[tuple[str, bytes]]

MOTION_COLUMNS = (
    "patient,visit,rotation_x_deg,rotation_y_deg,rotation_z_deg,translation_x_mm,translation_y_mm,translation_z_mm,"
    "centre_x_mm,centre_y_mm,centre_z_mm,r11,r12,r13,r21,r22,r23,r31,r32,r33"
)


def study_files() -> Files:
    """Every scan and tracing below ``study/``, as path and bytes."""
    for patient in PATIENTS:
        for index, visit in enumerate(patient.visits):
            yield from _visit_files(patient, visit, index)
        if patient.kind == "nifti":
            rows = [f"{patient.visit_folder(i)}\t{v.date}" for i, v in enumerate(patient.visits)]
            table = "\n".join(["session_id\tacq_time", *rows]) + "\n"
            yield f"study/{patient.folder}/{patient.folder}_sessions.tsv", table.encode()


def table_files() -> Files:
    """Yield the tables beside the study."""
    expected = [
        expected_row(patient, lesion, visits, index)
        for patient in PATIENTS
        for lesion in patient.lesions
        for visits in [expected_visits(patient, lesion)]
        for index in range(len(visits))
    ]
    motions = [_motion_row(patient, index) for patient in PATIENTS for index in range(len(patient.visits))]
    for name, columns, rows in (
        ("expected_volumes.csv", COLUMNS, expected),
        ("motion.csv", MOTION_COLUMNS, motions),
        ("clinical.csv", CLINICAL_COLUMNS, list(CLINICAL_ROWS)),
    ):
        yield name, ("\n".join([columns, *rows]) + "\n").encode()


def lesion_body(patient: Patient, lesion: Lesion, index: int) -> Body | None:
    """Return the lesion at a visit where it lies in that visit's scanner; None where it is not there."""
    body = lesion.body_at(index, patient.physique)
    return None if body is None else body.moved(patient.visits[index].motion)


def expected_visits(patient: Patient, lesion: Lesion) -> list[Expected]:
    """Return what is true of a lesion at each visit."""
    result = []
    for index, visit in enumerate(patient.visits):
        body = lesion_body(patient, lesion, index)
        voxels = None
        if patient.kind == "nifti":
            voxels = 0 if body is None else int(_mask(visit, body).sum())
        result.append(Expected(plan=visit.plan, traced=visit.traced, body=body, mask_voxels=voxels))
    return result


def _visit_files(patient: Patient, visit: Visit, index: int) -> Files:
    voxels = _scan(patient, visit, index)
    if patient.kind == "nifti":
        yield from _bids_files(patient, visit, index, voxels)
        return
    study = Study(patient=patient.name, date=visit.date)
    folder = f"study/{patient.folder}/{patient.visit_folder(index)}"
    for name, content in image_files(study, visit.plan, voxels, rle=visit.rle).items():
        yield f"{folder}/t1_cor/{name}", content
    if not visit.traced:
        return
    rings = {lesion.name: _rings(patient, lesion, visit, index) for lesion in patient.lesions}
    if patient.kind == "trace":
        for lesion in patient.lesions:
            content = trace_file(study, visit.plan, voxels, lesion, rings[lesion.name])
            yield f"{folder}/{lesion.name}.trace.json", content
        return
    regions = {f"lesion_{name}": ring for name, ring in rings.items() if ring}
    if regions:
        yield f"{folder}/rtstruct.dcm", rtstruct_file(study, visit.plan, regions)
    for lesion in patient.lesions:
        if not rings[lesion.name]:  # only a trace can say that it is absent
            name = f"lesion_{lesion.name}"
            content = trace_file(study, visit.plan, voxels, lesion, {}, name=name, reader="")
            yield f"{folder}/{name}.trace.json", content


def _scan(patient: Patient, visit: Visit, index: int) -> Image:
    present = (lesion.body_at(index, patient.physique) for lesion in patient.lesions)
    seed = int.from_bytes(hashlib.sha256(f"{patient.name}/{visit.date}".encode()).digest()[:8], "big")
    bodies = tuple(body for body in present if body is not None)
    return render(visit.plan, visit.motion, patient.physique, bodies, seed=seed)


def _rings(patient: Patient, lesion: Lesion, visit: Visit, index: int) -> dict[int, Array]:
    body = lesion_body(patient, lesion, index)
    if body is None:
        return {}
    return {k: cut.polygon_mm for k, cut in visit.plan.sections(body).items()}


def _mask(visit: Visit, body: Body) -> NDArray[np.uint8]:
    """Pixels whose centre lies in the body."""
    return body.inside(visit.plan.pixel_centres_mm()).astype(np.uint8)


def _bids_files(patient: Patient, visit: Visit, index: int, voxels: Image) -> Files:
    session = patient.visit_folder(index)
    stem = f"study/{patient.folder}/{session}/anat/{patient.folder}_{session}_acq-cor"
    sidecar = {
        "Modality": "MR",
        "Manufacturer": "SYNTHETIC",
        "BodyPartExamined": "HIP",
        "SliceThickness": visit.plan.thickness_mm,
        "SpacingBetweenSlices": visit.plan.spacing_mm,
        "RepetitionTime": 0.55,
        "EchoTime": 0.011,
    }
    yield f"{stem}_T1w.nii.gz", nifti_file(visit.plan, voxels)
    yield f"{stem}_T1w.json", (json.dumps(sidecar, indent=2) + "\n").encode()
    for lesion in patient.lesions:
        body = lesion_body(patient, lesion, index)
        mask = np.zeros(voxels.shape, np.uint8) if body is None else _mask(visit, body)
        yield f"{stem}_label-{lesion.name}_mask.nii.gz", nifti_file(visit.plan, mask)


def _motion_row(patient: Patient, index: int) -> str:
    motion = patient.visits[index].motion
    angles = (*motion.rotation_deg, *motion.translation_mm, *motion.centre_mm)
    cells = [f"{v:g}" for v in angles] + [decimal(v, 9) for v in motion.matrix.ravel()]
    return ",".join([patient.folder, patient.visit_folder(index), *cells])
