"""Masks that others made, with the answers of others (../shared/data)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

import volumetry as vm

STS = ("STS_002", "STS_008", "STS_012", "STS_018", "STS_024", "STS_032")


def counts(path: Path) -> dict[int | None, int]:
    return {s.label: round(s.areas_mm2.sum() / s.geometry.pixel_area_mm2) for s in vm.read_sections(path)}


def rows(path: Path, key: str) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row[key]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", STS)
def test_sarcomas_have_the_voxels_on_which_five_teams_agree(shared: Path, name: str) -> None:
    reference = rows(shared / "data/sts/reference_volumes.csv", "id")[name]
    path = shared / f"data/sts/nifti/{name}/MR_T1_mask.nii.gz"
    assert counts(path) == {1: int(reference["voxels_consensus"])}
    (sections,) = vm.read_sections(path, scan=path.with_name("MR_T1_image.nii.gz"))
    volume = vm.measure_volume(sections).volume_spacing_mm3
    assert volume == pytest.approx(1000 * float(reference["mask_volume_ml"]), rel=1e-6)
    assert len(sections.slice_indices) == int(reference["slices_with_mask"])


@pytest.mark.parametrize("name", STS)
def test_a_nifti_mask_lies_on_its_dicom_series(shared: Path, name: str) -> None:
    path = shared / f"data/sts/nifti/{name}/MR_T1_mask.nii.gz"
    (sections,) = vm.read_sections(path, scan=shared / f"data/sts/dicom/{name}/MR_T1/image")
    measured = vm.measure_volume(sections)
    assert measured.source.modality == "MR"
    assert measured.height_rule == "thickness"
    assert measured.volume_thickness_mm3 == pytest.approx(measured.volume_spacing_mm3, rel=1e-3)


def test_the_digital_phantom_of_ibsi(shared: Path) -> None:
    (sections,) = vm.read_sections(shared / "data/ibsi1_digital_phantom/nifti/mask/mask.nii.gz")
    assert vm.measure_volume(sections).volume_mm3 == 592


@pytest.mark.parametrize("name", ["brain1", "breast1", "lung1"])
def test_pyradiomics_voxel_volumes(shared: Path, name: str) -> None:
    table = rows(shared / "data/pyradiomics/data/baseline/baseline_shape.csv", "featureName")
    expected = next(row[name] for feature, row in table.items() if feature.endswith("_VoxelVolume"))
    (sections,) = vm.read_sections(shared / f"data/pyradiomics/data/{name}_label.nrrd")
    assert vm.measure_volume(sections).volume_spacing_mm3 == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("liver_seg", {1: 107098}),
        ("liver_spine_seg", {1: 107098, 2: 12439}),
        ("partial_overlaps-1", {1: 9602, 4: 6693, 5: 4713}),
        ("partial_overlaps-2", {2: 11888}),
        ("partial_overlaps-3", {3: 10743}),
    ],
)
def test_dcmqi_segments(shared: Path, name: str, expected: dict[int, int]) -> None:
    assert counts(shared / f"data/dcmqi/data/segmentations/{name}.nrrd") == expected


@pytest.mark.parametrize(
    "name",
    [
        "dcm_qa_enh/Ref/Philips_WIP_B0_NS_801_e1.nii",
        "dcm_qa_ts/Ref/1.nii",
        "dicom2nifti/hitachi/anatomical/001_ground_truth.nii.gz",
        "pyradiomics/data/breast1_image.nrrd",
    ],
)
def test_scans_lie_where_simpleitk_sees_them(shared: Path, name: str) -> None:
    scan = vm.read_scan(shared / "data" / name)
    image = SimpleITK.ReadImage(str(shared / "data" / name))
    expected = SimpleITK.GetArrayFromImage(image)
    last = expected.shape[0] - 1
    corner = image.TransformIndexToPhysicalPoint((0, 0, 0))
    reverse = np.linalg.norm(scan.geometry.slice_origins_mm[0] - corner) > 1e-2
    np.testing.assert_allclose(scan.geometry.slice_origins_mm[last if reverse else 0], corner, atol=1e-3)
    np.testing.assert_allclose(scan.voxels, expected[::-1] if reverse else expected, rtol=1e-6)
