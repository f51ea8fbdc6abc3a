"""Traces in a folder of their own, beside an archive that nobody may write."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from dicom_phantoms import stack_voxels, uid_of, write_series
from study_phantoms import box_contours, box_trace, coronal, small_study, write_box_trace
from test_tracing_fill_between import write_hip

import volumetry as vm
from volumetry import ScanSource
from volumetry.cli import main
from volumetry.study.finding.discovery import discover
from volumetry.tracing import open_case, read_worklist


def measured(archive: Path, traces: Path, out: Path, *more: str) -> list[dict[str, str]]:
    main(["batch", str(archive), "--traces", str(traces), "--out", str(out), "--jobs", "1", *more])
    with (out / "measurements.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def traced(archive: Path, traces: Path, *, reader: str = "AB") -> vm.Trace:
    worklist = read_worklist(archive, reader=reader, place=traces)
    number = worklist.rows[0].number
    scan = vm.read_scan(worklist.scan_path(number), series_uid=worklist.series_uid(number) or None)
    case = open_case(scan, worklist.place(number), reader=reader)
    lesion = case.session.add_lesion("L1")
    for index in (3, 4, 5, 6):
        case.session.add_outline(index, [(10, 10), (10, 30), (25, 30), (25, 10)])
    case.session.sign(lesion)
    (saved,) = case.save()
    case.close()
    return vm.read_trace(saved.path)


def test_a_batch_finds_the_traces_of_a_dicom_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, traces = tmp_path / "archive", tmp_path / "elsewhere" / "traces"
    write_hip(archive / "p01" / "2024-03-02" / "t1")
    write_hip(tmp_path / "copy")
    trace = traced(archive, traces)
    (row,) = measured(archive, traces, tmp_path / "out")
    assert (row["status"], row["reader"], row["lesion"]) == ("measured", "AB", "L1")
    assert row["trace"].endswith("L1_AB.trace.json")
    assert not row["trace"].startswith(".")
    assert float(row["volume_mm3"]) == pytest.approx(vm.measure_volume(trace).volume_mm3)
    assert row["series_uid"] == trace.source.series_uid
    (again,) = measured(archive, traces, tmp_path / "out")
    assert again == row
    assert "0 of 1 cases measured now" in capsys.readouterr().out
    (alone,) = measured(archive, tmp_path / "elsewhere", tmp_path / "out2")
    assert alone["trace"] == f"traces/{row['trace']}"


def test_files_without_uids_are_tied_by_folder_and_voxels(tmp_path: Path) -> None:
    archive, traces = tmp_path / "archive", tmp_path / "traces"
    place = archive / "p01" / "v1"
    place.mkdir(parents=True)
    sample = Path(__file__).parents[1] / "sample_scans" / "orientation" / "axial" / "axial.nii.gz"
    if not sample.is_file():
        pytest.skip("sample_scans/make_sample_scans.py has not run")
    shutil.copy(sample, place / "t1.nii.gz")
    shutil.copy(sample.parents[1] / "sagittal" / "sagittal.nii.gz", place / "t2.nii.gz")
    trace = traced(archive, traces)
    cases = [case for case in discover(archive, traces=traces) if case.trace]
    assert [case.patient for case in cases] == ["p01"]
    scan = vm.read_scan(archive / cases[0].scan)
    assert scan.voxels_sha256 == trace.source.voxels_sha256


def test_what_belongs_to_no_scan_and_what_cannot_be_read_are_rows(tmp_path: Path) -> None:
    archive, traces = small_study(tmp_path / "archive", n_patients=2), tmp_path / "traces"
    before = len(discover(archive))
    (traces / "p09" / "v0").mkdir(parents=True)
    vm.write_trace(box_trace(), traces / "p09" / "v0" / "L1.trace.json")
    (traces / "p09" / "v1").mkdir()
    (traces / "p09" / "v1" / "L1.trace.json").write_text("{")
    rows = {row["trace"]: row for row in measured(archive, traces, tmp_path / "out")}
    assert len(rows) == before + 2
    assert rows["p09/v0/L1.trace.json"]["patient"] == "p09"
    assert rows["p09/v0/L1.trace.json"]["status"] == "measured"
    assert rows["p09/v1/L1.trace.json"]["status"] == "failed"


def test_a_folder_of_traces_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = small_study(tmp_path / "archive", n_patients=1)
    code = main(["batch", str(archive), "--traces", str(tmp_path / "no"), "--out", str(tmp_path / "out")])
    assert code == 4
    assert "not-found" in capsys.readouterr().err


def test_one_id_for_all_is_not_believed_for_traces_kept_apart(tmp_path: Path) -> None:
    study, traces = tmp_path / "study", tmp_path / "traces"
    geometry = coronal(8)
    for patient, date, end in (("P1", "20200301", 15.0), ("P2", "20210301", 10.0)):
        uid = uid_of("series", patient)
        write_series(
            study / patient / "mr", geometry, stack_voxels(geometry), patient_id="ANON", study_date=date,
            series_uid=uid, study_uid=uid_of("study", patient),
        )  # fmt: skip
        source = ScanSource(patient="ANON", study_date=date, series_uid=uid)
        outlines = box_contours(range(2, 6), (5.0, end))
        write_box_trace(traces / f"{patient}.trace.json", geometry=geometry, source=source, contours=outlines)
    cases = discover(study, traces=traces)
    assert [case.error and case.error.code for case in cases if case.trace] == ["patient-unclear"] * 2
