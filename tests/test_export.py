"""Lesions in the formats of other programs, read back by us and by others."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, needs_shared

import volumetry as vm
from volumetry.cli import main
from volumetry.errors import VolumetryError
from volumetry.export import ExportOptions, export_file, read_traced
from volumetry.formats import read_mask, read_regions, read_scan
from volumetry.formats.exporting import format_of
from volumetry.measurement import MeasurementRule

VISIT = ROOT / "sample_scans/study/hip01/2021-03-02"
FOLLOWUP = ROOT / "sample_scans/study/hip01/2021-09-07"
HIP = ExportOptions(finding="necrosis", region="femoral head")
RULE = MeasurementRule()


def export(as_: str, out: Path, visit: Path = VISIT, **more: object) -> Path:
    export_file(visit / "rtstruct.dcm", out, as_, scan=visit / "t1_cor", options=HIP, **more)  # type: ignore[arg-type]
    return out


@pytest.mark.parametrize("as_", ["seg", "nrrd", "nifti"])
def test_masks_have_the_pixels_of_the_outlines(as_: str, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    name = {"seg": "x.dcm", "nrrd": "x.seg.nrrd", "nifti": "x.nii.gz"}[as_]
    out = export(as_, tmp_path / name)
    traced = read_traced(VISIT / "rtstruct.dcm", scan=VISIT / "t1_cor")
    mask = read_mask(out)
    from volumetry.formats.exporting import mask_of_lesions

    wanted = mask_of_lesions(traced.lesions(HIP), traced.geometry)
    for number in (1, 2):
        ours, theirs = mask.cross_sections(number), wanted.cross_sections(number)
        assert np.allclose(ours.areas_mm2, theirs.areas_mm2, rtol=1e-6)
        assert np.abs(ours.centroids_mm - theirs.centroids_mm).max() < 0.01
    if as_ != "nifti":  # it keeps no names
        assert [label.name for label in mask.labels] == ["lesion_L1", "lesion_R1"]
        assert mask.geometry.slice_thickness_mm == 4.0


def test_an_rtstruct_keeps_every_vertex(tmp_path: Path) -> None:
    out = export("rtstruct", tmp_path / "x.dcm")
    scan = VISIT / "t1_cor"
    first, again = read_traced(VISIT / "rtstruct.dcm", scan=scan), read_traced(out, scan=scan)
    for one, other in zip(first.volumes(RULE), again.volumes(RULE), strict=True):
        assert other.volume_mm3 == pytest.approx(one.volume_mm3, rel=1e-9)
        assert np.allclose(other.areas_mm2, one.areas_mm2, rtol=1e-9)


def test_tracking_uids_are_the_same_at_every_visit_and_in_every_export(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    from pydicom import dcmread

    def tracking(path: Path) -> list[tuple[str, str]]:
        return [(s.TrackingID, s.TrackingUID) for s in dcmread(path).SegmentSequence]

    first = export("seg", tmp_path / "a.dcm")
    second = export("seg", tmp_path / "b.dcm", FOLLOWUP)
    again = export("seg", tmp_path / "c.dcm")
    assert tracking(first) == tracking(second) == tracking(again)
    assert len(set(tracking(first))) == 2
    segment = dcmread(first).SegmentSequence[0]
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "6574001"
    assert segment.AnatomicRegionSequence[0].CodeValue == "2812003"
    side = segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0]
    assert side.CodeMeaning == "Left"


def test_a_report_carries_both_volumes_and_refers_to_its_segmentation(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    from pydicom import dcmread

    out = export("sr", tmp_path / "x.dcm")
    report, segments = dcmread(out), dcmread(tmp_path / "x.seg.dcm")
    numbers = [float(v) for v in numeric_values(report)]
    for volume in read_traced(VISIT / "rtstruct.dcm", scan=VISIT / "t1_cor").volumes(RULE):
        assert any(v == pytest.approx(volume.volume_thickness_mm3, rel=1e-9) for v in numbers)
        assert any(v == pytest.approx(volume.volume_spacing_mm3, rel=1e-9) for v in numbers)
    assert str(segments.SOPInstanceUID) in str(report)


def numeric_values(item: object) -> list[str]:
    found = []
    for child in getattr(item, "ContentSequence", []):
        if child.ValueType == "NUM" and child.ConceptNameCodeSequence[0].CodeMeaning == "Volume":
            value = child.MeasuredValueSequence[0]
            found.append(getattr(value, "FloatingPointValue", value.NumericValue))
        found += numeric_values(child)
    return found


@pytest.mark.parametrize("as_", ["seg", "rtstruct", "sr"])
def test_dicom_objects_pass_the_validator(as_: str, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    out = export(as_, tmp_path / "x.dcm")
    done = subprocess.run(["dciodvfy", str(out)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def other_volumes(as_: str, path: Path, folder: Path) -> dict[int, tuple[float, np.ndarray]]:
    """Volume in mm3 by pixels and centroid (LPS) of every label, as another program reads the file."""
    if as_ == "seg":  # dcmqi turns it into NRRD, SimpleITK reads that
        import dcmqi

        tool = Path(dcmqi.__file__).parent / "bin" / "segimage2itkimage"
        command = [str(tool)] if tool.exists() else ["segimage2itkimage"]
        arguments = [
            "--inputDICOM",
            str(path),
            "--outputDirectory",
            str(folder),
            "-t",
            "nrrd",
            "--mergeSegments",
        ]
        subprocess.run([*command, *arguments], check=True, capture_output=True)
        path = next(folder.glob("*.nrrd"))
    if as_ == "nifti":
        import nibabel

        image = nibabel.load(path)
        labels = np.asanyarray(image.dataobj)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
        voxel = abs(float(np.linalg.det(affine[:3, :3])))
        places = {n: np.argwhere(labels == n) for n in np.unique(labels) if n}
        return {
            int(n): (len(p) * voxel, (affine[:3, :3] @ p.mean(axis=0)) + affine[:3, 3])
            for n, p in places.items()
        }
    import SimpleITK as sitk  # noqa: N813

    image = sitk.ReadImage(str(path))
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.Cast(image, sitk.sitkUInt16))
    return {n: (shape.GetPhysicalSize(n), np.array(shape.GetCentroid(n))) for n in shape.GetLabels()}


@pytest.mark.parametrize("as_", ["seg", "nrrd", "nifti"])
def test_other_programs_read_the_same_volume_at_the_same_place(as_: str, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    name = {"seg": "x.dcm", "nrrd": "x.seg.nrrd", "nifti": "x.nii.gz"}[as_]
    out = export(as_, tmp_path / name)
    (tmp_path / "other").mkdir()
    theirs = other_volumes(as_, out, tmp_path / "other")
    ours = [vm.measure_volume(read_mask(out), label=n) for n in (1, 2)]
    assert sorted(theirs) == [1, 2]
    for number, volume in enumerate(ours, start=1):
        other, centre = theirs[number]
        assert other == pytest.approx(volume.volume_spacing_mm3, rel=1e-5)
        assert volume.centroid_mm is not None
        assert np.abs(centre - volume.centroid_mm).max() < 0.01


def test_pynrrd_reads_the_names_and_the_grid(tmp_path: Path) -> None:
    import nrrd

    out = export("nrrd", tmp_path / "x.seg.nrrd")
    voxels, header = nrrd.read(str(out))
    geometry = read_scan(VISIT / "t1_cor").geometry
    assert voxels.shape == (geometry.columns, geometry.rows, geometry.n_slices)
    assert np.allclose(header["space origin"], geometry.slice_origins_mm[0], atol=1e-12)
    assert [header[f"Segment{n}_Name"] for n in (0, 1)] == ["lesion_L1", "lesion_R1"]


@needs_shared
@pytest.mark.parametrize("case", ["STS_002", "STS_032"])
def test_real_series_keep_outlines_and_add_no_error(case: str, tmp_path: Path, shared: Path) -> None:
    """The images have a Study ID that is too long; that is the one error that the copy may have, too."""
    pytest.importorskip("highdicom")
    from pydicom import dcmread

    folder = shared / "data/sts/dicom" / case / "MR_T1"
    files = [p for p in folder.rglob("*") if p.is_file()]
    traced = next(p for p in files if dcmread(p, stop_before_pixels=True).Modality == "RTSTRUCT")
    first = read_traced(traced, scan=folder).volumes(RULE)
    for as_ in ("rtstruct", "seg"):
        export_file(traced, tmp_path / f"{as_}.dcm", as_, scan=folder)  # type: ignore[arg-type]
    again = read_traced(tmp_path / "rtstruct.dcm", scan=folder).volumes(RULE)
    assert [v.volume_mm3 for v in again] == pytest.approx([v.volume_mm3 for v in first], rel=1e-9)
    pixels = vm.measure_volume(read_mask(tmp_path / "seg.dcm"), label=1)
    assert pixels.volume_mm3 == pytest.approx(first[0].volume_mm3, rel=0.005)
    if shutil.which("dciodvfy") is not None:
        for as_ in ("rtstruct", "seg"):
            command = ["dciodvfy", str(tmp_path / f"{as_}.dcm")]
            told = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
            errors = [line for line in told if line.startswith("Error")]
            assert [e for e in errors if "Study ID" not in e and "Value Representations" not in e] == []


def test_what_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    nifti = next((ROOT / "sample_scans/study/sub-hip06").rglob("*_mask.nii.gz"))
    with pytest.raises(VolumetryError, match="not-dicom-scan"):
        export_file(nifti, tmp_path / "x.dcm", "seg")
    scan = next(p for p in nifti.parents[2].rglob("*.nii.gz") if "mask" not in p.name)
    with pytest.raises(VolumetryError, match="not-dicom-scan"):
        export_file(nifti, tmp_path / "x.dcm", "seg", scan=scan)
    empty = tmp_path / "empty.nii.gz"
    mask = read_mask(nifti)
    from dataclasses import replace

    from volumetry.formats import write_mask

    write_mask(replace(mask, layers=tuple(np.zeros_like(layer) for layer in mask.layers)), empty)
    with pytest.raises(VolumetryError, match="nothing-to-export"):
        export_file(empty, tmp_path / "x.nrrd", "nrrd")
    with pytest.raises(VolumetryError, match="usage"):
        format_of("x.nrrd", "nifti")
    with pytest.raises(VolumetryError, match="usage"):
        format_of("x.dcm", None)
    assert (format_of("x.seg.nrrd", None), format_of("x.dcm", "seg")) == ("nrrd", "seg")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.seg.nrrd"
    assert main(["export", str(VISIT / "rtstruct.dcm"), "--as", "nrrd", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert read_scan(VISIT / "t1_cor").geometry.voxel_distance(read_mask(out).geometry) < 1e-6
    wrong = ["export", str(VISIT / "rtstruct.dcm"), "--as", "trace", "--out", str(tmp_path / "x.trace.json")]
    assert main(wrong) == 2


@pytest.mark.parametrize("as_", ["seg", "nrrd"])
@pytest.mark.parametrize("region", ["", "femoral head"])
def test_the_side_and_the_reader_of_a_lesion_are_kept(tmp_path: Path, as_: str, region: str) -> None:
    pydicom = pytest.importorskip("pydicom")
    visit = ROOT / "sample_scans/study/hip05/2021-06-01"
    trace = replace(vm.read_trace(visit / "L1.trace.json"), lesion="tumour")
    out = tmp_path / f"tumour.{'dcm' if as_ == 'seg' else 'seg.nrrd'}"
    options = ExportOptions(region=region)
    vm.write_trace(trace, out, as_=as_, scan=visit / "t1_cor", options=options)
    assert (trace.side, [found.side for found in read_regions(out)]) == ("L", ["L"])
    again = tmp_path / f"again.{'dcm' if as_ == 'seg' else 'seg.nrrd'}"
    vm.export_file(out, again, as_, scan=visit / "t1_cor", options=options)
    assert [found.side for found in read_regions(again)] == ["L"]
    if as_ == "seg":
        creator = str(pydicom.dcmread(out).ContentCreatorName)
        assert creator.strip("^") == trace.provenance.reader != ""
