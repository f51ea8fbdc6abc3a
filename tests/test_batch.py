import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import box_contours, box_trace, coronal, small_study, write_box, write_box_trace
from worker_functions import measure_or_die

from volumetry import ChangeRule, MeasurementRule, ScanSource, VolumetryError, write_trace
from volumetry.cli import main
from volumetry.study.protocol import Protocol
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.study.runs import batch as batch_module
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions

TABLES = ("measurements.csv", "slices.csv", "changes.csv")


def rows(out: Path, table: str = "measurements.csv") -> list[dict[str, str]]:
    with (out / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in TABLES]


def test_volumes_slices_and_changes(tmp_path):
    study = small_study(tmp_path / "study", 2)
    summary = run_batch(study, tmp_path / "out")
    assert summary.counts == {"measured": 4}
    found = rows(tmp_path / "out")
    assert [(r["patient"], r["visit"], r["visit_order"], float(r["volume_mm3"])) for r in found] == [
        ("p000", "v0", "0", 7 * 10 * 4 * 4 * 4.0),
        ("p000", "v1", "1", 8 * 10 * 4 * 4 * 4.0),
        ("p001", "v0", "0", 8 * 10 * 4 * 4 * 4.0),
        ("p001", "v1", "1", 9 * 10 * 4 * 4 * 4.0),
    ]
    assert float(found[0]["volume_spacing_mm3"]) == pytest.approx(7 * 10 * 4 * 4 * 4.4)
    assert {r["status"] for r in found} == {"measured"}
    assert len(rows(tmp_path / "out", "slices.csv")) == 16
    assert [r["category"] for r in rows(tmp_path / "out", "changes.csv")] == ["no_change", "no_change"]
    run = json.loads((tmp_path / "out/run.json").read_text(encoding="utf-8"))
    assert run["counts"] == {"measured": 4}


def test_no_machine_path_and_no_clock_in_the_tables(tmp_path):
    run_batch(small_study(tmp_path / "study", 1), tmp_path / "out")
    assert all(str(tmp_path).encode() not in content for content in tables(tmp_path / "out"))
    assert rows(tmp_path / "out")[0]["trace"] == "p000/v0/lesion_mask.nii.gz"


def test_a_second_run_does_only_what_is_new_or_changed(tmp_path):
    study, out = small_study(tmp_path / "study", 3), tmp_path / "out"
    assert run_batch(study, out).n_done == 6
    before = tables(out)
    assert run_batch(study, out).n_done == 0
    assert tables(out) == before
    changed = study / "p001/v1/lesion_mask.nii.gz"
    times = changed.stat()
    write_box(changed, rows=(5, 11))
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run_batch(study, out).n_done == 1
    assert tables(out) != before
    assert run_batch(study, tmp_path / "fresh").n_done == 6
    assert tables(tmp_path / "fresh") == tables(out)


def test_a_touched_file_keeps_its_result(tmp_path, monkeypatch):
    study, out = small_study(tmp_path / "study", 1), tmp_path / "out"
    run_batch(study, out)
    before = tables(out)
    os.utime(study / "p000/v0/lesion_mask.nii.gz")
    monkeypatch.setattr("volumetry.study.runs.measuring._outcomes", lambda *_: pytest.fail("measured again"))
    assert run_batch(study, out).n_done == 1
    assert run_batch(study, out).n_done == 0
    assert tables(out) == before


def test_another_rule_of_measurement_measures_anew_another_threshold_does_not(tmp_path):
    study, out = small_study(tmp_path / "study", 1), tmp_path / "out"
    run_batch(study, out)
    options = BatchOptions(protocol=Protocol(change=ChangeRule(threshold_percent=5)))
    assert run_batch(study, out, options).n_done == 0
    assert rows(out, "changes.csv")[0]["category"] == "increase"
    options = BatchOptions(protocol=Protocol(measurement=MeasurementRule(height="spacing")))
    assert run_batch(study, out, options).n_done == 2
    assert {row["height_rule"] for row in rows(out)} == {"spacing"}


def test_who_and_when_are_corrected_without_measuring(tmp_path):
    study, out = small_study(tmp_path / "study", 2), tmp_path / "out"
    manifest = tmp_path / "manifest.csv"

    def run(lines):
        text = "patient,visit,reader,scan,trace\n" + "".join(f"{line}\n" for line in lines)
        manifest.write_text(text.replace("*", "study/p00"), encoding="utf-8")
        return run_batch(study, out, BatchOptions(manifest=manifest)).n_done

    assert run(["a,v0,X,,*0/v0/lesion_mask.nii.gz", "a,v1,X,,*0/v1/lesion_mask.nii.gz"]) == 2
    assert rows(out, "changes.csv")[0]["baseline_visit"] == "v0"
    assert run(["b,v3,Y,,*0/v0/lesion_mask.nii.gz", "b,v2,Y,,*0/v1/lesion_mask.nii.gz"]) == 0
    assert [(r["patient"], r["visit"], r["reader"]) for r in rows(out)] == [
        ("b", "v2", "Y"),
        ("b", "v3", "Y"),
    ]
    assert rows(out, "changes.csv")[0]["baseline_visit"] == "v2"


def test_two_workers_write_the_same_bytes(tmp_path):
    study = small_study(tmp_path / "study", 8)
    run_batch(study, tmp_path / "one", BatchOptions(jobs=1))
    run_batch(study, tmp_path / "two", BatchOptions(jobs=2))
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_bad_cases_are_rows_with_their_code(tmp_path):
    study = tmp_path / "study"
    write_box(study / "good/v0/mask.nii.gz")
    (study / "cut/v0").mkdir(parents=True)
    (study / "cut/v0/mask.nii.gz").write_bytes((study / "good/v0/mask.nii.gz").read_bytes()[:60])
    gap = box_contours(range(3, 5)) + box_contours(range(6, 8))
    write_box_trace(study / "gap/v0/L1.trace.json", contours=gap)
    write_box_trace(study / "side/v0/L1.trace.json", side="R")
    write_box_trace(study / "gone/v0/L1.trace.json", contours=())
    write_box(study / "bare/v0/t1.nii.gz")
    summary = run_batch(study, tmp_path / "out")
    found = {r["patient"]: (r["status"], r["code"], r["volume_mm3"]) for r in rows(tmp_path / "out")}
    assert found == {
        "bare": ("not_traced", "", ""),
        "cut": ("failed", "truncated", ""),
        "gap": ("not_measurable", "untraced-slice", ""),
        "gone": ("absent", "", "0.0"),
        "good": ("measured", "", "6400.0"),
        "side": ("not_measurable", "side-mismatch", ""),
    }
    assert (summary.n_succeeded, summary.n_failed) == (2, 3)


def test_overlapping_slices_leave_the_primary_empty(tmp_path):
    write_box(tmp_path / "study/a/v0/mask.nii.gz", coronal(spacing_mm=2.5, thickness_mm=5.0))
    run_batch(tmp_path / "study", tmp_path / "out")
    row = rows(tmp_path / "out")[0]
    assert (row["status"], row["code"], row["volume_mm3"]) == ("not_measurable", "slices-overlap", "")
    assert float(row["volume_spacing_mm3"]) == 100 * 4 * 4 * 2.5
    assert float(row["volume_thickness_mm3"]) == 100 * 4 * 4 * 5.0


def test_a_trace_on_changed_pixels_is_refused(tmp_path):
    geometry = stack_geometry(rows=32, columns=32)
    scan = tmp_path / "study/p/v/t1"
    write_series(scan, geometry, stack_voxels(geometry), series_uid="2.25.9")
    source = ScanSource(series_uid="2.25.9", voxels_sha256="0" * 64)
    trace = box_trace(geometry, side="", contours=box_contours(range(1, 4)), source=source)
    write_trace(trace, tmp_path / "study/p/v/L1.trace.json")
    run_batch(tmp_path / "study", tmp_path / "out")
    assert rows(tmp_path / "out")[0]["code"] == "image-changed"


def test_results_may_not_lie_among_the_scans(tmp_path):
    study = small_study(tmp_path / "study", 1)
    with pytest.raises(VolumetryError) as caught:
        run_batch(study, study / "results")
    assert caught.value.code == "usage"
    assert not (study / "results").exists()


def test_the_study_folder_is_never_written_to(tmp_path):
    study = small_study(tmp_path / "study", 2)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in study.rglob("*")}
    run_batch(study, tmp_path / "out", BatchOptions(jobs=2))
    assert {
        p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in study.rglob("*")
    } == before


def test_pseudonyms_stand_for_patients_everywhere(tmp_path):
    small_study(tmp_path / "study", 2)
    (tmp_path / "study/p000/v1/lesion_mask.nii.gz").write_bytes(b"\x1f\x8b")
    key = Pseudonymiser(key=b"k" * 32)
    run_batch(tmp_path / "study", tmp_path / "out", BatchOptions(pseudonymiser=key))
    for file in (tmp_path / "out").iterdir():
        assert b"p000" not in file.read_bytes()
        assert b"p001" not in file.read_bytes()
    assert {r["patient"] for r in rows(tmp_path / "out")} == {key.pseudonym("p000"), key.pseudonym("p001")}


def test_a_case_that_kills_its_worker_says_so_and_the_rest_finish(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_module, "do_job", measure_or_die)
    study = small_study(tmp_path / "study", 10)
    summary = run_batch(study, tmp_path / "out", BatchOptions(jobs=3))
    assert summary.counts == {"failed": 1, "measured": 19}
    dead = [r for r in rows(tmp_path / "out") if r["status"] == "failed"]
    assert [(r["patient"], r["visit"], r["code"]) for r in dead] == [("p003", "v1", "worker-died")]
    monkeypatch.undo()
    again = run_batch(study, tmp_path / "out", BatchOptions(jobs=3))
    assert (again.n_done, again.counts) == (1, {"measured": 20})


_BATCH = (
    "import sys; from volumetry.study.runs.batch import run_batch\n"
    "from volumetry.study.runs.options import BatchOptions\n"
    "run_batch(sys.argv[1], sys.argv[2], BatchOptions(jobs=2))"
)


@pytest.mark.slow
def test_killed_at_random_moments_it_resumes_to_the_same_bytes(tmp_path):
    study = small_study(tmp_path / "study", 150)
    run_batch(study, tmp_path / "whole", BatchOptions(jobs=2))
    out = tmp_path / "out"
    command = [sys.executable, "-c", _BATCH, str(study), str(out)]
    random.seed(7)
    for _ in range(20):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(random.uniform(0.2, 1.2))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True)
    assert tables(out) == tables(tmp_path / "whole")
    assert len(rows(out)) == 300


@pytest.mark.slow
def test_a_dask_cluster_writes_the_same_bytes(tmp_path):
    distributed = pytest.importorskip("distributed")
    study = small_study(tmp_path / "study", 10)
    run_batch(study, tmp_path / "here")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    ) as cluster:
        out = str(tmp_path / "there")
        assert main(["batch", str(study), "--out", out, "--scheduler", cluster.scheduler_address]) == 0
    assert tables(tmp_path / "here") == tables(tmp_path / "there")


def test_sts_agrees_with_the_reference(shared, tmp_path):
    data = shared / "data/sts"
    run_batch(data / "dicom", tmp_path / "dicom")
    run_batch(data / "nifti", tmp_path / "nifti")
    with (data / "reference_volumes.csv").open(encoding="utf-8") as file:
        reference = {r["id"]: r for r in csv.DictReader(file)}
    traced = {r["patient"]: float(r["volume_mm3"]) / 1000 for r in rows(tmp_path / "dicom")}
    assert traced == pytest.approx(
        {name: float(r["planimetry_volume_ml"]) for name, r in reference.items()}, rel=1e-3
    )
    for row in rows(tmp_path / "nifti"):
        voxels = sum(
            float(s["area_mm2"]) / float(row["pixel_area_mm2"])
            for s in rows(tmp_path / "nifti", "slices.csv")
            if s["patient"] == row["patient"]
        )
        assert round(voxels, 6) == int(reference[row["patient"]]["voxels_consensus"])
