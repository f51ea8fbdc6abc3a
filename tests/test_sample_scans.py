"""The sample scans: made anew to the byte, readable by everyone, and true to their formulas."""

from __future__ import annotations

import csv
import hashlib
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from volumetry.formats.trace_json import read_trace
from volumetry.measurement import measure_volume
from volumetry.samples import bodies, cohort, planes
from volumetry.samples import folder as maker

SAMPLES = ROOT / "sample_scans"
STUDY = SAMPLES / "study"
ORIENTATION = SAMPLES / "orientation"

sitk: Any = importlib.import_module("SimpleITK")  # its stubs are not strict

# Text that a sample image may hold: everything else would be somebody's.
TEXT_ALLOWED = {
    "BodyPartExamined",
    "ImageType",
    "Manufacturer",
    "Modality",
    "MRAcquisitionType",
    "PatientID",
    "PatientName",
    "PatientPosition",
    "PhotometricInterpretation",
    "ROIGenerationAlgorithm",
    "ROIName",
    "ApprovalStatus",
    "ContourGeometricType",
    "ScanningSequence",
    "SequenceVariant",
    "SeriesDescription",
    "StructureSetLabel",
}
TEXT_KINDS = {"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}


def table(name: str) -> list[dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


EXPECTED = table("expected_volumes.csv")
TRACED = [row for row in EXPECTED if row["status"] != "not_traced"]
BY_CONTOUR = [row for row in TRACED if row["tracing"] == "rtstruct" and row["status"] != "absent"]
BY_TRACE = [row for row in TRACED if row["tracing"] == "trace"]
BY_MASK = [row for row in TRACED if row["tracing"] == "nifti"]
ORIENTED = table("orientation_truth.csv")


def row_id(row: dict[str, str]) -> str:
    return "-".join(row.get(key, "") for key in ("patient", "lesion", "visit"))


def series_id(row: dict[str, str]) -> str:
    return row["series"]


@pytest.fixture(scope="module")
def fresh() -> dict[str, bytes]:
    files: dict[str, bytes] = maker.sample_files()
    return files


@cache
def dataset(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path)


def dicom_files() -> Iterator[Path]:
    yield from sorted(SAMPLES.rglob("*.dcm"))


def series_folders() -> list[Path]:
    return sorted({path.parent for path in dicom_files() if path.name != "rtstruct.dcm"})


def image_name(path: Path) -> str:
    return str(path.relative_to(SAMPLES))


def rings(rtstruct: Path, region: str) -> list[tuple[str, np.ndarray[Any, np.dtype[np.float64]]]]:
    """The rings of a region with the SOP Instance UID of their image."""
    ds = dataset(rtstruct)
    number = next(item.ROINumber for item in ds.StructureSetROISequence if item.ROIName == region)
    item = next(item for item in ds.ROIContourSequence if item.ReferencedROINumber == number)
    return [
        (
            contour.ContourImageSequence[0].ReferencedSOPInstanceUID,
            np.array(contour.ContourData, dtype=float).reshape(-1, 3),
        )
        for contour in item.get("ContourSequence", [])
    ]


def flat_area(ring: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Area within a flat ring (n, 3), whatever its plane."""
    from_first = ring[1:] - ring[0]
    return float(np.linalg.norm(np.cross(from_first[:-1], from_first[1:]).sum(axis=0))) / 2


# -- the folder ---------------------------------------------------------------------------------------


def test_a_fresh_run_makes_the_same_bytes(fresh: dict[str, bytes]) -> None:
    assert maker.differences(SAMPLES, fresh) == []


def test_nothing_else_lies_among_the_scans(fresh: dict[str, bytes]) -> None:
    found = {str(path.relative_to(SAMPLES)) for top in (STUDY, ORIENTATION) for path in top.rglob("*.*")}
    assert {name for name in found if (SAMPLES / name).is_file()} == {
        name for name in fresh if name.startswith(("study/", "orientation/"))
    }


def test_the_registry_names_every_file_with_its_hash(fresh: dict[str, bytes]) -> None:
    lines = (SAMPLES / "registry.txt").read_text(encoding="utf-8").splitlines()
    stated = {path: digest for digest, path in (line.split("  ") for line in lines)}
    assert stated == {
        path: hashlib.sha256((SAMPLES / path).read_bytes()).hexdigest()
        for path in fresh
        if path != "registry.txt"
    }


def test_the_folder_is_under_ten_megabytes() -> None:
    sizes = [p.stat().st_size for p in SAMPLES.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert 1e6 < sum(sizes) < 10e6


def test_writing_touches_only_what_differs_and_removes_what_is_left_over(tmp_path: Path) -> None:
    old = {"a.txt": b"a", "b/c.txt": b"c", "registry.txt": b"0  a.txt\n0  b/c.txt\n"}
    assert maker.write_files(tmp_path, old) == ["a.txt", "b/c.txt", "registry.txt"]
    assert maker.write_files(tmp_path, old) == []
    new = {"a.txt": b"A", "registry.txt": b"1  a.txt\n"}
    assert maker.write_files(tmp_path, new) == ["a.txt", "b/c.txt", "registry.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"A"
    assert not (tmp_path / "b/c.txt").exists()


# -- the formulas -------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    semi=st.tuples(*[st.floats(3, 20)] * 3),
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    plane_turn=st.tuples(*[st.floats(-180, 180)] * 3),
    bitten=st.booleans(),
)
def test_the_areas_of_all_sections_integrate_to_the_volume(
    semi: tuple[float, ...], turn: tuple[float, ...], plane_turn: tuple[float, ...], bitten: bool
) -> None:
    bite = bodies.Bite(centre=(-0.25, 0.1, -1.1), radius=0.85) if bitten else None
    body = bodies.make_body((5.0, -3.0, 8.0), semi, turn, bite)
    normal = bodies.rotation_matrix(plane_turn) @ np.array([0.0, 0.0, 1.0])
    if bitten:  # across the bite: along it, a section could have a hole
        normal = np.linalg.inv(body.matrix_mm).T @ np.array([0.2, 1.0, 0.0])
        normal /= np.linalg.norm(normal)
    reach = float(np.linalg.norm(body.matrix_mm.T @ normal))
    nodes, weights = np.polynomial.legendre.leggauss(100)
    cuts = [body.section(body.centre_mm + normal * reach * t, normal) for t in nodes]
    integral = reach * sum(w * cut.area_mm2 for w, cut in zip(weights, cuts, strict=True) if cut is not None)
    assert integral == pytest.approx(body.volume_mm3, rel=1e-3)


@pytest.mark.parametrize("patient", cohort.PATIENTS, ids=lambda p: p.name)
def test_the_volume_of_each_lesion_is_that_of_its_points(patient: Any) -> None:
    steps = (np.arange(90) + 0.5) / 90 * 2 - 1
    for lesion in patient.lesions:
        body = lesion.body_at(
            len(lesion.volume_shares) - 1 if lesion.volume_shares[0] == 0 else 0, patient.physique
        )
        reach = body.reach_mm
        grid = body.centre_mm + reach * np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
        counted = body.inside(grid).sum() * (2 * reach / 90) ** 3
        assert counted == pytest.approx(body.volume_mm3, rel=3e-3)
        assert ((body.signed_distance_mm(grid) < 0) == body.inside(grid)).mean() > 0.9999


@pytest.mark.parametrize("patient", cohort.PATIENTS, ids=lambda p: p.name)
def test_lesions_lie_within_their_femoral_head(patient: Any) -> None:
    for lesion in patient.lesions:
        head = np.array([patient.physique.half_distance_mm * (1 if lesion.side == "L" else -1), 0.0, 0.0])
        for index, visit in enumerate(patient.visits):
            body = lesion.body_at(index, patient.physique)
            if body is None:
                continue
            upright = planes.SlicePlan(centre_mm=visit.plan.centre_mm, n_slices=60, spacing_mm=1.0)
            points = np.concatenate([cut.polygon_mm for cut in upright.sections(body).values()])
            assert np.linalg.norm(points - head, axis=1).max() < patient.physique.head_radius_mm - 1.5


def test_a_bite_that_would_leave_a_hole_is_refused() -> None:
    body = bodies.make_body((0, 0, 0), (9, 9, 9), (0, 0, 0), bodies.Bite(centre=(0, 0, 0.1), radius=0.3))
    with pytest.raises(ValueError, match="hole"):
        body.section(np.zeros(3), np.array([0.0, 0.0, 1.0]))


# -- the images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", series_folders(), ids=image_name)
def test_a_series_is_read_alike_by_pydicom_and_simpleitk(folder: Path) -> None:
    slices = sorted((dataset(path) for path in folder.iterdir()), key=lambda ds: int(ds.InstanceNumber))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    row, column = np.reshape(np.array(slices[0].ImageOrientationPatient, dtype=float), (2, 3))
    positions = np.array([ds.ImagePositionPatient for ds in slices], dtype=float)
    steps = np.diff(positions @ np.cross(row, column))
    assert steps == pytest.approx(float(slices[0].SpacingBetweenSlices), abs=1e-5)
    assert image.GetSpacing() == pytest.approx(
        (*slices[0].PixelSpacing, slices[0].SpacingBetweenSlices), abs=1e-5
    )
    assert np.array_equal(sitk.GetArrayFromImage(image), np.stack([ds.pixel_array for ds in slices]))
    assert float(slices[0].SliceThickness) == 4.0


def test_every_uid_is_its_own_and_lies_under_the_uuid_root() -> None:
    uids = [dataset(path).SOPInstanceUID for path in dicom_files()]
    assert len(set(uids)) == len(uids) > 200
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in uids)
    series = {dataset(next(folder.iterdir())).SeriesInstanceUID for folder in series_folders()}
    assert len(series) == len(series_folders())


def test_one_series_alone_is_compressed() -> None:
    compressed = {
        path.parent for path in dicom_files() if dataset(path).file_meta.TransferSyntaxUID.is_compressed
    }
    assert compressed == {STUDY / "hip03" / "2022-02-15" / "t1_cor"}


def test_no_text_but_what_the_generator_means_to_say() -> None:
    texts: dict[str, set[str]] = {}
    for path in dicom_files():
        for element in dataset(path).iterall():
            assert not element.tag.is_private
            if element.VR in TEXT_KINDS and element.value:
                texts.setdefault(element.keyword, set()).add(str(element.value))
    assert set(texts) <= TEXT_ALLOWED
    assert all(name.startswith("SYNTHETIC^") for name in texts["PatientName"])
    assert texts["PatientID"] == {p.name for p in cohort.PATIENTS if p.kind != "nifti"} | {"orientation"}


def test_folders_are_patient_and_visit() -> None:
    folders = {path.relative_to(STUDY).parts[:2] for path in STUDY.glob("*/*/*")}
    assert folders == {(row["patient"], row["visit"]) for row in EXPECTED}
    assert folders == {(row["patient"], row["visit"]) for row in table("motion.csv")}
    for path in sorted(STUDY.rglob("*.dcm")):
        patient, visit = path.relative_to(STUDY).parts[:2]
        assert dataset(path).PatientID == patient
        assert dataset(path).StudyDate == visit.replace("-", "")


def test_a_moved_patient_is_seen_moved() -> None:
    """The follow-up, looked at where the motion puts each baseline pixel, shows the baseline."""
    patient = cohort.PATIENTS[0]
    first, second = patient.visits[:2]
    before, after = (
        np.stack([dataset(p).pixel_array for p in sorted((STUDY / "hip01" / v.date / "t1_cor").iterdir())])
        for v in (first, second)
    )
    points = first.plan.pixel_centres_mm()[2:-2, 20:-20, 30:-30]

    def agreement(places: Any) -> float:
        offset = places - second.plan.position_mm(0)
        index = [
            np.rint(offset @ axis / step).astype(int)
            for axis, step in (
                (second.plan.normal, second.plan.spacing_mm),
                (second.plan.column_direction, second.plan.pixel_mm),
                (second.plan.row_direction, second.plan.pixel_mm),
            )
        ]
        within = np.all([(i >= 0) & (i < n) for i, n in zip(index, after.shape, strict=True)], axis=0)
        seen = after[tuple(i[within] for i in index)]
        return float(np.corrcoef(seen, before[2:-2, 20:-20, 30:-30][within])[0, 1])

    assert agreement(second.motion.apply(points)) > 0.9
    assert agreement(points) < 0.8


def test_the_motion_table_moves_the_centroids() -> None:
    motion = {(row["patient"], row["visit"]): row for row in table("motion.csv")}
    moved = 0
    for row in EXPECTED:
        first = next(r for r in EXPECTED if (r["patient"], r["lesion"]) == (row["patient"], row["lesion"]))
        if not (row["centroid_x_mm"] and first["centroid_x_mm"]):
            continue
        here = motion[row["patient"], row["visit"]]
        turn = np.array([float(here[f"r{i}{j}"]) for i in "123" for j in "123"]).reshape(3, 3)
        shift, start, end = (
            np.array([float(r[name.format(axis)]) for axis in "xyz"])
            for r, name in (
                (here, "translation_{}_mm"),
                (first, "centroid_{}_mm"),
                (row, "centroid_{}_mm"),
            )
        )
        assert turn @ start + shift == pytest.approx(end, abs=1e-3)
        moved += bool(np.abs(shift).max())
    assert moved >= 3


# -- the tracings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", BY_CONTOUR, ids=row_id)
def test_contours_lie_on_their_slices_and_have_the_area_of_the_formula(row: dict[str, str]) -> None:
    folder = STUDY / row["patient"] / row["visit"]
    slices = {dataset(path).SOPInstanceUID: dataset(path) for path in (folder / "t1_cor").iterdir()}
    areas = []
    for uid, ring in rings(folder / "rtstruct.dcm", row["name_in_file"]):
        along, down = np.reshape(np.array(slices[uid].ImageOrientationPatient, dtype=float), (2, 3))
        offset = ring - np.array(slices[uid].ImagePositionPatient, dtype=float)
        assert np.abs(offset @ np.cross(along, down)).max() < 2e-4
        assert (ring[:, 0] > 0).all() == (row["side"] == "L")
        assert 80 <= len(ring) <= 120
        areas.append(flat_area(ring))
    assert len(areas) == int(row["n_slices"])
    assert sum(areas) * 4.0 == pytest.approx(float(row["expected_volume_thickness_mm3"]), rel=1e-5)
    assert max(areas, default=0) == pytest.approx(float(row["max_area_mm2"]), rel=1e-5)


@pytest.mark.parametrize("rtstruct", sorted(SAMPLES.rglob("rtstruct.dcm")), ids=image_name)
def test_a_structure_set_refers_to_the_images_beside_it(rtstruct: Path) -> None:
    ds = dataset(rtstruct)
    images = [dataset(p) for p in rtstruct.parent.rglob("*.dcm") if p != rtstruct]
    frame = ds.ReferencedFrameOfReferenceSequence[0]
    study = frame.RTReferencedStudySequence[0]
    series = study.RTReferencedSeriesSequence[0]
    assert {frame.FrameOfReferenceUID} == {image.FrameOfReferenceUID for image in images}
    assert {study.ReferencedSOPInstanceUID} == {ds.StudyInstanceUID} == {i.StudyInstanceUID for i in images}
    assert {series.SeriesInstanceUID} == {image.SeriesInstanceUID for image in images}
    assert {item.ReferencedSOPInstanceUID for item in series.ContourImageSequence} == {
        image.SOPInstanceUID for image in images
    }


@pytest.mark.parametrize("row", BY_TRACE, ids=row_id)
def test_traces_measure_what_is_expected(row: dict[str, str]) -> None:
    trace = read_trace(STUDY / row["patient"] / row["visit"] / f"{row['lesion']}.trace.json")
    volume = measure_volume(trace)
    assert (trace.lesion, trace.side, trace.source.patient) == (row["lesion"], row["side"], row["patient"])
    assert volume.volume_thickness_mm3 == pytest.approx(float(row["expected_volume_thickness_mm3"]), rel=1e-5)
    assert volume.volume_spacing_mm3 == pytest.approx(float(row["expected_volume_spacing_mm3"]), rel=1e-5)
    assert volume.n_slices == int(row["n_slices"])
    assert set(volume.flags) == {"slice-gap"}


@pytest.mark.parametrize("row", BY_TRACE, ids=row_id)
def test_traces_name_the_pixels_they_were_drawn_on(row: dict[str, str]) -> None:
    folder = STUDY / row["patient"] / row["visit"]
    source = read_trace(folder / f"{row['lesion']}.trace.json").source
    slices = [dataset(path) for path in sorted((folder / "t1_cor").iterdir())]
    voxels = np.stack([ds.pixel_array for ds in slices]).astype("<u2")
    digest = hashlib.sha256(f"{voxels.shape} {voxels.dtype.str}\n".encode() + voxels.tobytes()).hexdigest()
    assert (source.voxels_sha256, source.series_uid) == (digest, slices[0].SeriesInstanceUID)


def nifti(path: Path) -> tuple[Any, Any]:
    """The voxels of a NIfTI file and its affine, checked for what every sample must say."""
    image: Any = nib.load(path)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1
    assert image.get_qform() == pytest.approx(image.get_sform(), abs=1e-4)
    assert image.header.get_dim_info()[2] == 2
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, np.asarray(image.dataobj))
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize("row", BY_MASK, ids=row_id)
def test_masks_hold_the_voxels_of_the_table(row: dict[str, str]) -> None:
    stem = f"{row['patient']}_{row['visit']}_acq-cor"
    folder = STUDY / row["patient"] / row["visit"] / "anat"
    mask, affine = nifti(folder / f"{stem}_label-{row['lesion']}_mask.nii.gz")
    scan, scan_affine = nifti(folder / f"{stem}_T1w.nii.gz")
    assert mask.shape == scan.shape
    assert np.array_equal(affine, scan_affine)
    assert abs(np.linalg.det(affine[:3, :3])) == pytest.approx(2.89 * 4.4, rel=1e-5)
    assert mask.sum() == int(row["mask_voxels"])
    assert mask.sum() * 2.89 * 4.4 == pytest.approx(float(row["expected_volume_spacing_mm3"]), rel=0.02)
    centroid = affine @ np.append(np.argwhere(mask).mean(axis=0), 1.0)
    expected = [float(row[f"centroid_{axis}_mm"]) for axis in "xyz"]
    assert centroid[:3] * [-1, -1, 1] == pytest.approx(expected, abs=0.6)


# -- the tables ---------------------------------------------------------------------------------------


def test_every_class_and_guard_occurs() -> None:
    assert {row["expected_category"] for row in EXPECTED if row["baseline_visit"]} == {
        *("increase", "no_change", "decrease", "new", "resolved", "not_evaluable"),
    }
    assert {row["expected_reason"] for row in EXPECTED} == {
        *("", "few-slices", "gap-ratio-changed", "followup-not-traced"),
    }
    assert {row["status"] for row in EXPECTED} == {"measured", "absent", "not_traced"}


def test_no_class_hangs_by_a_thread() -> None:
    """Tracing by pixels instead of outlines, or by the other height rule, must not change a class."""
    percents = [float(row["expected_change_percent"]) for row in EXPECTED if row["expected_category"] in
                ("increase", "no_change", "decrease")]  # fmt: skip
    assert min(abs(abs(percent) - 15) for percent in percents) > 3


def test_clinical_rows_are_the_hips_with_lesions() -> None:
    hips = [(row["patient"], row["side"]) for row in table("clinical.csv")]
    assert hips == sorted({(row["patient"], row["side"]) for row in EXPECTED})


# -- the orientations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ORIENTED, ids=series_id)
def test_the_traced_centroid_lies_where_the_table_says(row: dict[str, str]) -> None:
    centroids, areas = [], []
    for _, ring in rings(SAMPLES / row["dicom"] / ".." / "rtstruct.dcm", "lesion_L1"):
        centroids.append(ring.mean(axis=0))  # an ellipse's vertices are spread evenly around its centre
        areas.append(flat_area(ring))
    traced = np.average(centroids, axis=0, weights=areas)
    assert traced == pytest.approx([float(row[f"traced_centroid_{axis}_mm"]) for axis in "xyz"], abs=1e-3)
    assert traced == pytest.approx([float(row[f"centroid_{axis}_mm"]) for axis in "xyz"], abs=0.3)
    assert sum(areas) * 4.4 == pytest.approx(float(row["expected_volume_spacing_mm3"]), rel=1e-3)


@pytest.mark.parametrize("row", ORIENTED, ids=series_id)
def test_markers_and_lesion_are_seen_where_the_tables_say(row: dict[str, str]) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(SAMPLES / row["dicom"])))
    voxels, affine = nifti(SAMPLES / row["nifti"])
    mask, _ = nifti(SAMPLES / row["mask"])
    places = [[float(m[f"{axis}_mm"]) for axis in "xyz"] for m in table("orientation_markers.csv")]
    lesion = [float(row[f"centroid_{axis}_mm"]) for axis in "xyz"]
    image = reader.Execute()
    to_index = np.linalg.inv(affine)
    for place, low, high in [(place, 330, 1000) for place in places] + [(lesion, 250, 400)]:
        stored = voxels[tuple(np.rint(to_index @ [-place[0], -place[1], place[2], 1.0]).astype(int)[:3])]
        assert low < stored < high
        assert image[image.TransformPhysicalPointToIndex(place)] == stored
    assert mask.sum() == int(row["mask_voxels"])
    found = affine @ np.append(np.argwhere(mask).mean(axis=0), 1.0)
    assert found[:3] * [-1, -1, 1] == pytest.approx(lesion, abs=0.4)
