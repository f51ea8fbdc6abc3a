"""Registration of the sample follow-up, and the sample scans' orientation on the screen."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import volumetry as vm
from volumetry.errors import GeometryError, UsageError
from volumetry.tracing import (
    CancelToken,
    CasePlace,
    RegistrationBox,
    RigidTransform,
    display_orientation,
    open_case,
    register_rigid,
)

SAMPLE = ROOT / "sample_scans"

pytestmark = pytest.mark.skipif(
    not (SAMPLE / "study").is_dir(), reason="sample_scans/make_sample_scans.py has not run"
)


def motion(patient: str, visit: str) -> RigidTransform:
    with (SAMPLE / "motion.csv").open(newline="") as file:
        row = next(r for r in csv.DictReader(file) if (r["patient"], r["visit"]) == (patient, visit))
    rotation = np.array([[float(row[f"r{i}{j}"]) for j in (1, 2, 3)] for i in (1, 2, 3)])
    centre = np.array([float(row[f"centre_{axis}_mm"]) for axis in "xyz"])
    shift = np.array([float(row[f"translation_{axis}_mm"]) for axis in "xyz"])
    return RigidTransform(rotation=rotation, translation_mm=centre + shift - rotation @ centre)


def scan_of(patient: str, visit: str) -> vm.Scan:
    return vm.read_scan(SAMPLE / "study" / patient / visit / "t1_cor")


def corners(scan: vm.Scan) -> np.ndarray:
    geometry = scan.geometry
    pixels = [(r, c) for r in (0, geometry.rows - 1) for c in (0, geometry.columns - 1)]
    return np.concatenate([geometry.pixel_to_patient(i, pixels) for i in (0, geometry.n_slices - 1)])


def test_the_motion_of_the_sample_is_found() -> None:
    fixed, moving = scan_of("hip01", "2021-03-02"), scan_of("hip01", "2021-09-07")
    truth = motion("hip01", "2021-09-07")
    shares: list[float] = []
    found = register_rigid(fixed, moving, progress=shares.append)
    errors = np.linalg.norm(found.apply(corners(fixed)) - truth.apply(corners(fixed)), axis=1)
    left = RigidTransform(rotation=found.rotation.T @ truth.rotation, translation_mm=np.zeros(3))
    assert errors.max() < 0.5
    assert left.angle_degrees < 0.5
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_box_around_one_head_is_enough() -> None:
    fixed, moving = scan_of("hip02", "2021-05-18"), scan_of("hip02", "2021-11-16")
    truth = motion("hip02", "2021-11-16")
    trace = vm.read_trace(SAMPLE / "study/hip02/2021-05-18/rtstruct.dcm", roi="lesion_L1")
    centre = vm.measure_volume(trace).centroid_mm
    assert centre is not None
    box = RegistrationBox(centre_mm=tuple(centre), size_mm=(90, 60, 90))  # type: ignore[arg-type]
    found = register_rigid(fixed, moving, box=box)
    assert np.linalg.norm(found.apply(centre) - truth.apply(centre)) < 0.5


def test_a_registration_can_be_stopped() -> None:
    fixed, moving = scan_of("hip01", "2021-03-02"), scan_of("hip01", "2021-09-07")
    token = CancelToken()
    ended: list[str] = []

    def run() -> None:
        try:
            register_rigid(fixed, moving, progress=lambda _: token.cancel(), cancel=token)
        except UsageError as error:
            ended.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=120)
    assert ended == ["cancelled"]


def test_what_cannot_be_registered_is_named() -> None:
    fixed = scan_of("hip01", "2021-03-02")
    geometry = vm.ScanGeometry(
        rows=100,
        columns=200,
        pixel_spacing_mm=(1.7, 1.7),
        row_direction=(1, 0, 0),
        column_direction=(0, 0, -1),
        slice_origins_mm=[(0, 0, 0)],
    )
    one = vm.Scan(voxels=np.zeros((1, 100, 200), np.int16), geometry=geometry)
    with pytest.raises(GeometryError, match="single-slice"):
        register_rigid(fixed, one)
    with pytest.raises(GeometryError, match="grid-mismatch"):
        register_rigid(fixed, fixed, box=RegistrationBox(centre_mm=(9e3, 0, 0), size_mm=(1, 1, 1)))
    far = vm.Scan(
        voxels=fixed.voxels,
        geometry=vm.ScanGeometry(
            rows=100,
            columns=200,
            pixel_spacing_mm=(1.7, 1.7),
            row_direction=(1, 0, 0),
            column_direction=(0, 0, -1),
            slice_origins_mm=fixed.geometry.slice_origins_mm + 5000.0,
        ),
    )
    with pytest.raises(GeometryError, match="grid-mismatch"):
        register_rigid(fixed, far)


def plane_scan(plane: str, kind: str) -> tuple[vm.Scan, Path]:
    folder = SAMPLE / "orientation" / plane
    if kind == "dicom":
        return vm.read_scan(folder / "images"), folder
    image = next(p for p in sorted(folder.glob("*.nii*")) if "mask" not in p.name)
    return vm.read_scan(image), folder


@pytest.mark.parametrize("kind", ["dicom", "nifti"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal", "oblique"])
def test_the_sample_planes_are_shown_upright_with_their_lesion_in_its_place(plane: str, kind: str) -> None:
    scan, _ = plane_scan(plane, kind)
    view = display_orientation(scan.geometry)
    markers = view.markers
    if plane in ("axial", "coronal", "oblique"):
        assert markers["left"][0] == "R"
        assert markers["right"][0] == "L"
    else:
        assert markers["left"][0] == "A"
    assert markers["top"][0] == ("A" if view.plane == "axial" else "H")
    # The balls: one on the left, two in front, three on top, bright where the screen says they are.
    shown = view.to_display(scan.voxels)
    with (SAMPLE / "orientation_markers.csv").open(newline="") as file:
        balls = [[float(row[f"{axis}_mm"]) for axis in "xyz"] for row in csv.DictReader(file)]
    places = [tuple(np.rint(place).astype(int)) for place in view.patient_to_display(balls)]
    assert len(places) == 6
    assert min(int(shown[place]) for place in places) > 700 > np.percentile(shown, 99)


@pytest.mark.parametrize("kind", ["dicom", "nifti"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal", "oblique"])
def test_what_is_drawn_on_the_screen_is_saved_where_the_patient_is(
    plane: str, kind: str, tmp_path: Path
) -> None:
    scan, folder = plane_scan(plane, kind)
    view = display_orientation(scan.geometry)
    truth = vm.read_trace(folder / "rtstruct.dcm", scan=folder / "images")
    points = [truth.geometry.pixel_to_patient(c.slice_index, c.vertices) for c in truth.contours]
    case = open_case(scan, CasePlace(folder=tmp_path), reader="A")
    case.session.add_lesion("L1", "L")
    for outline in points:  # as a reader would draw them: in positions on the screen
        drawn = view.patient_to_display(outline)
        index = round(float(drawn[0, 0]))
        case.session.add_outline(index, view.display_to_pixels(drawn[:, 1:]))
    (saved,) = case.save()
    case.close()
    centroid = vm.measure_volume(vm.read_trace(saved.path)).centroid_mm
    with (SAMPLE / "orientation_truth.csv").open(newline="") as file:
        row = next(r for r in csv.DictReader(file) if r["series"] == plane)
    assert centroid == pytest.approx([float(row[f"traced_centroid_{axis}_mm"]) for axis in "xyz"], abs=0.02)
