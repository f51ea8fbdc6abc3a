"""One small asymmetric body in every orientation, to tell left from right and up from down.

The body is an egg with six markers: one ball on the patient's left, two in front, three on top. Its lesion
lies off every centre. Nothing of it is symmetric, so that a flip or a swap of axes shows in the picture and
in the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

import numpy as np

from volumetry.samples.anatomy import add_noise
from volumetry.samples.bodies import Array, Body, Motion, Triple, make_body
from volumetry.samples.canvas import Canvas
from volumetry.samples.dicom_files import Image, Study, decimal, image_files, rtstruct_file
from volumetry.samples.nifti_files import nifti_file
from volumetry.samples.planes import SlicePlan
from volumetry.samples.shapes import ball, ellipsoid

Files = Iterator[tuple[str, bytes]]

CENTRE: Triple = (6.0, -11.0, 17.0)
SEMI_AXES: Triple = (31.0, 36.0, 34.0)
LESION = make_body((17.3, -19.6, 27.1), (9.2, 11.4, 8.1), (12.0, -9.0, 20.0))

# Centres in LPS of balls of radius 4 mm: left (+x), front (-y), top (+z).
MARKERS: dict[str, Triple] = {
    "left": (32.0, -11.0, 17.0),
    "front_1": (2.0, -42.0, 10.0),
    "front_2": (12.0, -42.0, 10.0),
    "top_1": (-6.0, -7.0, 46.0),
    "top_2": (5.0, -7.0, 46.0),
    "top_3": (16.0, -7.0, 46.0),
}
MARKER_RADIUS_MM = 4.0


def _plan(plane: str, tilt_deg: Triple = (0.0, 0.0, 0.0)) -> SlicePlan:
    return SlicePlan(
        plane=plane,
        rows=44,
        columns=48,
        n_slices=18,
        pixel_mm=2.0,
        thickness_mm=4.0,
        spacing_mm=4.4,
        # Off the body's centre, so that no marker lies midway between two pixels.
        centre_mm=(CENTRE[0] + 0.3, CENTRE[1] + 0.2, CENTRE[2] + 0.4),
        tilt_deg=tilt_deg,
    )


PLANS = {
    "axial": _plan("axial"),
    "coronal": _plan("coronal"),
    "sagittal": _plan("sagittal"),
    "oblique": _plan("coronal", (14.0, -9.0, 21.0)),
}


def orientation_files() -> Files:
    """Every file below ``orientation/`` and the two tables of its truth."""
    for name, plan in PLANS.items():
        voxels = _render(plan, seed=len(name))
        study = Study(patient="orientation", date="2021-01-04", description=name)
        rings = {k: cut.polygon_mm for k, cut in plan.sections(LESION).items()}
        for file_name, content in image_files(study, plan, voxels).items():
            yield f"orientation/{name}/images/{file_name}", content
        yield f"orientation/{name}/rtstruct.dcm", rtstruct_file(study, plan, {"lesion_L1": rings})
        flip = name == "axial"  # stored as RAS+; the others as their rows and columns lie
        mask = LESION.inside(plan.pixel_centres_mm()).astype(np.uint8)
        yield f"orientation/{name}/{name}.nii.gz", nifti_file(plan, voxels, flip_columns=flip)
        yield f"orientation/{name}/{name}_mask.nii.gz", nifti_file(plan, mask, flip_columns=flip)
    yield "orientation_truth.csv", _truth_table().encode()
    rows = [f"{name},{x:g},{y:g},{z:g},{MARKER_RADIUS_MM:g}" for name, (x, y, z) in MARKERS.items()]
    yield "orientation_markers.csv", ("\n".join(["marker,x_mm,y_mm,z_mm,radius_mm", *rows]) + "\n").encode()


def _render(plan: SlicePlan, *, seed: int) -> Image:
    canvas = Canvas(plan, Motion())
    patch = canvas.patch()
    egg = ellipsoid(np.array(CENTRE), SEMI_AXES)(patch.points_mm)
    patch.paint(egg, 260.0)
    patch.paint(egg + 3.0, lambda p: 420.0 + 3.0 * (p[2] - CENTRE[2]))
    for centre in MARKERS.values():
        patch.paint(ball(np.array(centre), MARKER_RADIUS_MM)(patch.points_mm), 780.0)
    depth = LESION.signed_distance_mm(np.moveaxis(patch.points_mm, 0, -1))
    patch.paint(depth, 60.0)
    patch.paint(depth + 2.5, 330.0)
    return add_noise(canvas.slices(), sigma=9.0, seed=seed)


def _truth_table() -> str:
    columns = (
        "series,dicom,nifti,mask,n_slices,analytic_volume_mm3,expected_volume_thickness_mm3,"
        "expected_volume_spacing_mm3,mask_voxels,centroid_x_mm,centroid_y_mm,centroid_z_mm,"
        "traced_centroid_x_mm,traced_centroid_y_mm,traced_centroid_z_mm"
    )
    return "\n".join([columns, *(_truth_row(name, plan, LESION) for name, plan in PLANS.items())]) + "\n"


def _truth_row(name: str, plan: SlicePlan, body: Body) -> str:
    """One series: the body's own centroid, and the area-weighted one of its sections on these slices."""
    cuts = plan.sections(body).values()
    area = fsum(cut.area_mm2 for cut in cuts)
    traced: Array = np.asarray(sum(cut.area_mm2 * cut.centroid_mm for cut in cuts)) / area
    folder = f"orientation/{name}"
    cells = [
        name,
        f"{folder}/images",
        f"{folder}/{name}.nii.gz",
        f"{folder}/{name}_mask.nii.gz",
        str(len(cuts)),
        f"{body.volume_mm3:.4f}",
        f"{area * plan.thickness_mm:.4f}",
        f"{area * plan.spacing_mm:.4f}",
        str(int(body.inside(plan.pixel_centres_mm()).sum())),
        *(decimal(v, 4) for v in body.centre_mm),
        *(decimal(v, 4) for v in traced),
    ]
    return ",".join(cells)
