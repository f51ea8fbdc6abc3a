"""``[scan]`` of the protocol chooses the series of a visit, or says that it cannot."""

import csv
import json

import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import box_contours, box_trace, write_box

from volumetry.formats import read_scan
from volumetry.formats.trace_json import write_trace
from volumetry.study.finding.discovery import discover
from volumetry.study.protocol import parse_protocol
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.tables import MEASUREMENTS, read_table

CORONAL = {"row_direction": (1, 0, 0), "column_direction": (0, 0, -1)}
AXIAL = {"row_direction": (1, 0, 0), "column_direction": (0, 1, 0)}
SERIES = {
    "loc": (AXIAL, 8, 4, None, "LOCALIZER"),
    "t1": (CORONAL, 550, 12, None, "COR  T1 CANARY"),
    "stir": (CORONAL, 4000, 40, 160, "COR STIR"),
    "t2": (AXIAL, 3500, 80, None, "AX T2"),
}
VISITS = {"v1": "20240101", "v2": "20240701"}


def write(folder, kind, date, *, name=None, n_slices=6, patient="P1"):
    direction, tr, te, ti, description = SERIES[kind]
    geometry = stack_geometry(n_slices=n_slices, **direction)

    def change(ds, _):
        ds.ScanningSequence, ds.SequenceVariant, ds.RepetitionTime, ds.EchoTime = (
            "IR" if ti else "SE",
            "SK",
            tr,
            te,
        )
        ds.SeriesDescription = description
        if ti:
            ds.InversionTime = ti

    folder = folder / (name or kind)
    write_series(folder, geometry, stack_voxels(geometry), patient_id=patient, study_date=date, change=change)
    return folder


@pytest.fixture
def archive(tmp_path):
    for visit, date in VISITS.items():
        for kind in SERIES:
            write(tmp_path / f"study/P1/{visit}", kind, date)
    return tmp_path / "study"


def rows(folder, out, **scan):
    run_batch(folder, out, BatchOptions(protocol=parse_protocol({"scan": scan})))
    return read_table(out / "measurements.csv", MEASUREMENTS)


@pytest.mark.parametrize(
    ("scan", "right"),
    [
        ({"plane": "coronal", "weighting": "T1"}, "t1"),
        ({"weighting": "STIR"}, "stir"),
        ({"plane": "axial", "weighting": "T2"}, "t2"),
        ({"description": "cor t1*"}, "t1"),
        ({"plane": "coronal", "description": "*stir*"}, "stir"),
    ],
)
def test_one_series_a_visit_is_a_row_and_no_other(archive, tmp_path, scan, right):
    found = rows(archive, tmp_path / "out", **scan)
    assert [(r["scan"], r["status"]) for r in found] == [(f"P1/{v}/{right}", "not_traced") for v in VISITS]
    assert all("CANARY" not in p.read_text(errors="replace") for p in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("scan", "code"),
    [
        ({"weighting": "PD"}, "no-matching-series"),
        ({"plane": "sagittal"}, "no-matching-series"),
        ({"description": "nothing of that kind"}, "no-matching-series"),
        ({"min_slices": 7}, "no-matching-series"),
        ({"plane": "coronal"}, "several-matching-series"),
        ({"min_slices": 6}, "several-matching-series"),
    ],
)
def test_none_or_several_are_one_row_with_the_candidates(archive, tmp_path, scan, code):
    found = rows(archive, tmp_path / "out", **scan)
    assert [(r["visit"], r["status"], r["code"]) for r in found] == [
        ("2024-01-01", "not_measurable", code),
        ("2024-07-01", "not_measurable", code),
    ]
    assert "P1/v1/t1 (coronal, T1, 6 slices)" in found[0]["message"]
    assert "CANARY" not in found[0]["message"]


def traced(folder, kind, visit):
    scan = read_scan(folder / f"P1/{visit}/{kind}")
    trace = box_trace(scan.geometry, side="", source=scan.hashed_source, contours=box_contours(range(1, 5)))
    write_trace(trace, folder / f"P1/{visit}/{kind}.trace.json")


def test_a_tracing_of_the_chosen_series_counts_and_one_of_another_is_said(archive, tmp_path):
    traced(archive, "t1", "v1")
    traced(archive, "stir", "v1")
    traced(archive, "stir", "v2")
    found = rows(archive, tmp_path / "out", plane="coronal", weighting="T1")
    assert [(r["visit"], r["status"], r["code"]) for r in found if r["trace"]] == [
        ("2024-01-01", "measured", None),
        ("2024-07-01", "not_measurable", "no-matching-series"),
    ]


def test_traces_that_are_kept_apart(archive, tmp_path):
    traced(archive, "t1", "v1")
    apart = tmp_path / "apart/P1/v1"
    apart.mkdir(parents=True)
    (archive / "P1/v1/t1.trace.json").rename(apart / "t1.trace.json")
    protocol = parse_protocol({"scan": {"plane": "coronal", "weighting": "T1"}})
    cases = discover(archive, traces=tmp_path / "apart", protocol=protocol)
    assert [(c.scan, bool(c.trace)) for c in cases] == [("P1/v1/t1", True), ("P1/v2/t1", False)]


def test_a_manifest_names_the_scans_itself_and_that_is_said(archive, caplog):
    with (archive / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("patient", "visit", "scan", "trace"), ("P1", "v1", "P1/v1/stir", "")])
    cases = discover(archive, protocol=parse_protocol({"scan": {"weighting": "T1"}}))
    assert [case.scan for case in cases] == ["P1/v1/stir"]
    assert "[scan]" in caplog.text


def test_images_with_sidecars(tmp_path):
    folder = tmp_path / "study/sub-01/ses-1/anat"
    for name, said in (
        ("T1w", {"RepetitionTime": 0.55, "EchoTime": 0.012, "SeriesDescription": "cor t1"}),
        ("T2w", {"RepetitionTime": 3.5, "EchoTime": 0.08}),
    ):
        write_box(folder / f"sub-01_ses-1_{name}.nii.gz")
        (folder / f"sub-01_ses-1_{name}.json").write_text(json.dumps({"Modality": "MR"} | said))
    for scan in ({"weighting": "T1"}, {"description": "COR*"}):
        (case,) = discover(tmp_path / "study", protocol=parse_protocol({"scan": scan}))
        assert case.scan.endswith("_T1w.nii.gz")


def test_files_of_other_series_are_accounted_for(archive, tmp_path):
    rows(archive, tmp_path / "out", plane="coronal", weighting="T1")
    files = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))["files"]
    n = len(list((archive / "P1").rglob("*.dcm")))
    used = len(VISITS) * len(list((archive / f"P1/{next(iter(VISITS))}/t1").iterdir()))
    assert files == {"images": used, "of other series": n - used}
