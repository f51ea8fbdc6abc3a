"""``batch --export``: the lesions of a study as DICOM objects, with the numbers of its tables."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

import volumetry as vm
from volumetry.cli import main

HIP = ROOT / "sample_scans/study/hip01"

pytest.importorskip("highdicom")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(HIP, folder / "study" / "hip01")
    run(folder, "--export", "seg,sr")
    return folder


def run(folder: Path, *more: str) -> None:
    out = str(folder / "results")
    assert main(["batch", str(folder / "study"), "--out", out, "--jobs", "1", *more]) == 0


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts(item: object) -> list[str]:
    found: list[str] = []
    for child in getattr(item, "ContentSequence", []):
        if child.ValueType == "NUM":
            value = child.MeasuredValueSequence[0]
            found.append(str(float(getattr(value, "FloatingPointValue", value.NumericValue))))
        elif child.ValueType == "CODE":
            found.append(child.ConceptCodeSequence[0].CodeMeaning)
        found += texts(child)
    return found


def test_reports_say_what_the_tables_say(done: Path) -> None:
    from pydicom import dcmread

    rows = table(done / "results/measurements.csv")
    changes = {
        (row["side"], row["lesion"], row["followup_visit"]): row
        for row in table(done / "results/changes.csv")
    }
    reports = sorted((done / "results/export").glob("*.sr.dcm"))
    assert len(reports) == len(rows) == 6
    classes = {"increase": "Increase in size", "no_change": "No significant changes in the finding"}
    for row in rows:
        path = next(
            p for p in reports if row["lesion"].replace("_", "-") in p.name and row["visit"] in p.name
        )
        said = texts(dcmread(path))
        for column in ("volume_thickness_mm3", "volume_spacing_mm3"):
            wanted = float(row[column])
            assert any(n.replace(".", "").isdigit() and abs(float(n) - wanted) < 1e-3 for n in said)
        change = changes.get((row["side"], row["lesion"], row["visit"]))
        assert ("Baseline" in said) == (change is None)
        if change is not None:
            assert classes[change["category"]] in said


def test_objects_name_the_reader_of_the_tables(tmp_path: Path) -> None:
    """Two readers traced one lesion: their objects are told apart by more than their file names."""
    from pydicom import dcmread

    shutil.copytree(HIP, tmp_path / "study" / "hip01")
    place = "hip01/2021-03-02"
    shutil.copy(tmp_path / "study" / place / "rtstruct.dcm", tmp_path / "study" / place / "CD.dcm")
    files = {"AB": "rtstruct", "CD": "CD"}
    lines = [f"p,2021-03-02,L,L1,{r},{place}/t1_cor,{place}/{files[r]}.dcm,lesion_L1" for r in files]
    manifest = tmp_path / "study" / "manifest.csv"
    manifest.write_text(
        "patient,visit,side,lesion,reader,scan,trace,roi\n" + "\n".join(lines), encoding="utf-8"
    )
    run(tmp_path, "--export", "sr")
    for reader in ("AB", "CD"):
        (segments,) = (tmp_path / "results/export").glob(f"*_{reader}_*.seg.dcm")
        (report,) = (tmp_path / "results/export").glob(f"*_{reader}_*.sr.dcm")
        assert str(dcmread(segments).ContentCreatorName) == f"{reader}^"
        observer = dcmread(report).ContentSequence
        assert f"{reader}^" in [str(item.PersonName) for item in observer if item.ValueType == "PNAME"]
    found = [dcmread(path).SOPInstanceUID for path in (tmp_path / "results/export").iterdir()]
    assert len(set(found)) == len(found) == 4


@pytest.mark.parametrize("visit", ["2021-03-02", ""])
def test_a_mask_without_an_image_is_never_exported_on_other_images(
    tmp_path: Path, visit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The study holds one DICOM series, of another patient, with the same grid."""
    shutil.copytree(HIP, tmp_path / "study" / "hip01")
    scan = tmp_path / "study/hip01/2021-03-02/t1_cor"
    trace = vm.read_trace(scan.parent / "rtstruct.dcm", roi="lesion_L1")
    mask = vm.mask_from_contours({1: trace.contours}, trace.geometry)
    (tmp_path / "study/other").mkdir()
    vm.write_mask(mask, tmp_path / "study/other/m.nii.gz")
    images = "hip01/2021-03-02/t1_cor,hip01/2021-03-02/rtstruct.dcm"
    lines = f"patient,visit,scan,trace\nother,{visit},,other/m.nii.gz\nhip01,{visit},{images}\n"
    (tmp_path / "study/manifest.csv").write_text(lines, encoding="utf-8")
    run(tmp_path, "--export", "sr")
    names = [path.name for path in (tmp_path / "results/export").iterdir()]
    assert len(names) == 4
    assert not any(name.startswith("other") for name in names)
    assert "not-dicom-scan" in caplog.text


def test_the_protocol_names_the_finding_and_the_region(done: Path, tmp_path: Path) -> None:
    from pydicom import dcmread

    protocol = tmp_path / "study.toml"
    protocol.write_text('[study]\nfinding = "necrosis"\nregion = "Femoral head"\n')
    out = tmp_path / "results"
    command = ["batch", str(done / "study"), "--out", str(out), "--jobs", "1", "--export", "seg"]
    assert main([*command, "--protocol", str(protocol)]) == 0
    for path in (out / "export").glob("*.seg.dcm"):
        for segment in dcmread(path).SegmentSequence:
            assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Necrosis"
            region = segment.AnatomicRegionSequence[0]
            assert region.CodeMeaning == "Femoral head"
            assert region.AnatomicRegionModifierSequence[0].CodeMeaning in ("Left", "Right")


def test_a_second_export_writes_the_same_bytes(done: Path) -> None:
    before = {p.name: p.read_bytes() for p in (done / "results/export").iterdir()}
    run(done, "--export", "seg,sr")
    after = {p.name: p.read_bytes() for p in (done / "results/export").iterdir()}
    assert sorted(before) == sorted(after)
    assert [name for name in before if before[name] != after[name]] == []


def test_exports_in_the_study_add_no_lesion_and_no_read(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "study", tmp_path / "study")
    shutil.copytree(done / "results/export", tmp_path / "study/hip01/export")
    protocol = tmp_path / "study.toml"
    protocol.write_text('[tracings]\nprefer = ["trace", "rtstruct"]\n', encoding="utf-8")
    run(tmp_path, "--protocol", str(protocol))

    def lesions(path: Path) -> list[tuple[str, ...]]:
        names = ("patient", "side", "lesion", "reader", "visit", "read", "volume_mm3")
        return [tuple(row[name] for name in names) for row in table(path)]

    assert lesions(tmp_path / "results/measurements.csv") == lesions(done / "results/measurements.csv")


def test_a_format_that_is_not_known_is_refused(tmp_path: Path) -> None:
    assert main(["batch", str(HIP), "--out", str(tmp_path / "out"), "--export", "xyz"]) == 2
    assert list(tmp_path.iterdir()) == []


# -- who is meant -------------------------------------------------------------------------------------------

CANARY = "Canary"
TEXTS = (
    "PatientName", "OtherPatientNames", "PatientAddress", "PatientComments", "StudyDescription",
    "SeriesDescription", "InstitutionName", "OperatorsName", "PerformingPhysicianName",
    "RequestedProcedureDescription", "ReferringPhysicianName", "AccessionNumber", "StudyID", "ProtocolName",
    "StationName", "ImageComments",
    "DeviceSerialNumber", "NameOfPhysiciansReadingStudy", "EthnicGroup", "Occupation", "PatientID",
)  # fmt: skip


# Patient and study of an object are those of its images (PS3.3, C.7.1.1 and C.7.2.1).
COPIED = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "StudyDescription", "AccessionNumber",
    "StudyID", "ReferringPhysicianName", "NameOfPhysiciansReadingStudy", "EthnicGroup", "Occupation",
    "RequestedProcedureDescription", "PatientAddress",
)  # fmt: skip


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lesion at two visits, in images in which every text is a canary."""
    from dicom_phantoms import stack_geometry, stack_voxels, write_series
    from study_phantoms import box_contours

    import volumetry as vm

    folder = tmp_path_factory.mktemp("named")
    shape = stack_geometry(
        n_slices=9, rows=24, columns=24, pixel_spacing_mm=(2.0, 2.0), origin_mm=(40.0, 0.0, 50.0)
    )
    for order, date in enumerate(("20240102", "20240703")):

        def change(dataset: object, index: int) -> None:
            for name in TEXTS:
                setattr(dataset, name, f"{CANARY}{name}"[:16])
            dataset.PatientBirthDate, dataset.PatientSex = "19481225", "F"  # type: ignore[attr-defined]
            dataset.StudyTime = "131415"  # type: ignore[attr-defined]

        place = folder / "study" / "p" / date
        write_series(place / "scan", shape, stack_voxels(shape, seed=order), study_date=date, change=change)
        scan = vm.read_scan(place / "scan")
        rows = (5.0, 15.0 + 3 * order)
        vm.write_trace(
            vm.Trace(
                lesion="L1", side="L", contours=box_contours(rows=rows), geometry=scan.geometry,
                source=scan.source, provenance=vm.Provenance(reader="AB", time="2024-08-01T11:12:13+00:00"),
            ),
            place / "L1_AB.trace.json",
        )  # fmt: skip
    return folder


def said(path: Path) -> dict[str, str]:
    """Every value of an object by its tag path, references and numbers included."""
    from pydicom import dcmread

    found: dict[str, str] = {}

    def walk(dataset: object, prefix: str) -> None:
        for element in dataset:  # type: ignore[attr-defined]
            if element.VR == "SQ":
                for number, item in enumerate(element.value):
                    walk(item, f"{prefix}{element.keyword}[{number}].")
            elif element.keyword != "PixelData":
                found[prefix + element.keyword] = str(element.value)

    walk(dcmread(path), "")
    return found


def uids(values: dict[str, str]) -> set[str]:
    return {v for k, v in values.items() if k.endswith("UID") and not v.startswith("1.2.840.10008.")}


def source_uids(folder: Path) -> set[str]:
    return set().union(*(uids(said(path)) for path in (folder / "study").rglob("*.dcm")))


def test_an_export_holds_no_text_beyond_what_an_object_copies_of_patient_and_study(named: Path) -> None:
    """Without pseudonyms: patient and study as the images have them, and none of the other texts."""
    run(named, "--export", "seg,sr")
    for path in (named / "results/export").iterdir():
        values = said(path)
        assert values["PatientName"] == f"{CANARY}PatientName"[:16]
        assert {v for v in values.values() if CANARY in v} <= {f"{CANARY}{name}"[:16] for name in COPIED}


@pytest.mark.parametrize("shift", [False, True])
def test_under_pseudonyms_an_export_names_nobody(named: Path, tmp_path: Path, shift: bool) -> None:
    protocol, key = tmp_path / "study.toml", tmp_path / "key"
    protocol.write_text(f"[privacy]\nshift_dates = {str(shift).lower()}\n", encoding="utf-8")
    out = tmp_path / "one"
    command = [
        "batch",
        str(named / "study"),
        "--jobs",
        "1",
        "--pseudonyms",
        str(key),
        "--protocol",
        str(protocol),
    ]
    assert main([*command, "--out", str(out), "--export", "seg,sr"]) == 0
    rows = {row["visit"]: row for row in table(out / "measurements.csv")}
    files = sorted((out / "export").iterdir())
    assert len(files) == 4
    known = source_uids(named)
    tracked = set()
    for path in files:
        assert CANARY.encode() not in path.read_bytes()
        assert CANARY not in path.name
        values = said(path)
        assert values["PatientID"] == values["PatientName"] == next(iter(rows.values()))["patient"]
        assert (values["PatientIdentityRemoved"], values["PatientBirthDate"]) == ("YES", "")
        assert not uids(values) & known
        assert "131415" not in values.values()
        dates = {row["study_date"].replace("-", "") for row in rows.values()}
        assert values["StudyDate"] in dates
        assert ({"20240102", "20240703"} & set(values.values()) == set()) == shift
        assert "2024-08-01" not in " ".join(values.values())
        tracked |= {v for k, v in values.items() if k.endswith("TrackingUID")}
        tracked |= {
            v for k, v in values.items() if k.endswith("].UID") and "ContentSequence" in k and v in tracked
        }
    assert len(tracked) == 1
    # the same key, the same bytes; another key, no UID in common
    again, other = tmp_path / "again", tmp_path / "other"
    assert main([*command, "--out", str(again), "--export", "seg,sr"]) == 0
    assert [p.read_bytes() for p in files] == [p.read_bytes() for p in sorted((again / "export").iterdir())]
    command[command.index(str(key))] = str(tmp_path / "second-key")
    assert main([*command, "--out", str(other), "--export", "seg,sr"]) == 0
    all_uids = [set().union(*(uids(said(p)) for p in (o / "export").iterdir())) for o in (out, other)]
    common = all_uids[0] & all_uids[1]
    assert {uid for uid in common if uid != device_uid()} == set()


def device_uid() -> str:
    from volumetry.formats.dicom.written.lesions import uid_of

    return uid_of("device", "volumetry")


def test_an_export_under_pseudonyms_measures_the_same(named: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["batch", str(named / "study"), "--jobs", "1", "--pseudonyms", str(tmp_path / "key")]
    assert main([*command, "--out", str(out), "--export", "seg"]) == 0
    import volumetry as vm

    for row in table(out / "measurements.csv"):
        path = next(p for p in (out / "export").iterdir() if row["visit"] in p.name)
        mask = vm.read_mask(path)
        # boxes along pixel edges: the pixels are the outline
        volume = vm.measure_volume(mask, label=mask.labels[0].number).volume_mm3
        assert volume == pytest.approx(float(row["volume_thickness_mm3"]), rel=0.15)


def test_a_segmentation_without_side_and_reader_gives_way_to_its_trace(tmp_path: Path) -> None:
    """The trace says side L and reader A; the label ``L1`` of its export says neither."""
    shutil.copytree(HIP.parent / "hip05", tmp_path / "study" / "hip05")
    visit = tmp_path / "study/hip05/2021-06-01"
    protocol = tmp_path / "study.toml"
    protocol.write_text('[tracings]\nprefer = ["trace", "rtstruct", "seg"]\n', encoding="utf-8")
    run(tmp_path, "--protocol", str(protocol))
    before = table(tmp_path / "results/measurements.csv")
    for as_ in ("seg", "rtstruct"):
        call = ["export", str(visit / "L1.trace.json"), "--as", as_, "--scan", str(visit / "t1_cor")]
        assert main([*call, "--out", str(visit / f"{as_}.dcm")]) == 0
    run(tmp_path, "--protocol", str(protocol))
    assert table(tmp_path / "results/measurements.csv") == before


def test_a_tracing_without_a_side_stays_where_both_sides_have_one() -> None:
    from volumetry.study.rows.reads import Claim, settle_reads

    def claim(form: str, side: str, reader: str) -> Claim:
        return Claim(key=("", "p", side, "1", "v", reader), trace=f"{form}{side}", form=form)

    both = [claim("trace", "L", "A"), claim("trace", "R", "A"), claim("seg", "", "")]
    assert [v.counts for v in settle_reads(both, ("trace", "seg"))] == [True, True, True]
    readers = [claim("trace", "L", "A"), claim("trace", "L", "B"), claim("seg", "", "")]
    assert [v.counts for v in settle_reads(readers, ("trace", "seg"))] == [True, True, False]
    assert [v.counts for v in settle_reads(readers)] == [True, True, True]
