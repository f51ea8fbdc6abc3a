"""Layouts of other programs: right rows, right classes, no image that is traced and called not traced."""

import csv
import json

import pytest
from study_phantoms import write_box, write_box_trace

from volumetry.cli import main
from volumetry.study.finding import named_pairs
from volumetry.study.finding.discovery import discover
from volumetry.study.finding.name_parts import parts_of_name

BEFORE, AFTER = (5, 15), (5, 10)
"""Rows of the box at the first and at the last visit: it halves."""


def run(folder, out, *more):
    code = main(["batch", str(folder), "--out", str(out), "--height", "spacing", *more])
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "changes.csv").open(encoding="utf-8", newline="") as file:
        return code, rows, list(csv.DictReader(file))


def told(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


WHO = ("patient", "visit", "side", "lesion", "status")


def test_total_segmentator(tmp_path):
    study = tmp_path / "study"
    for case, organs in {"s0001": ("liver", "femur_left"), "s0002": ("liver",)}.items():
        write_box(study / case / "ct.nii.gz")
        for organ in organs:
            write_box(study / case / "segmentations" / f"{organ}.nii.gz")
    write_box(study / "s0003/mri.nii.gz")
    code, rows, changes = run(study, tmp_path / "out")
    assert code == 0
    assert told(rows, *WHO) == [
        ("s0001", "", "", "liver", "measured"),
        ("s0001", "", "L", "femur_left", "measured"),
        ("s0002", "", "", "liver", "measured"),
        ("s0003", "", "", "", "not_traced"),
    ]
    assert {row["scan"] for row in rows} == {"s0001/ct.nii.gz", "s0002/ct.nii.gz", "s0003/mri.nii.gz"}
    assert changes == []


def test_total_segmentator_with_visits(tmp_path):
    study = tmp_path / "study"
    for visit, rows in {"month0": BEFORE, "month12": AFTER}.items():
        write_box(study / "p01" / visit / "ct.nii.gz")
        write_box(study / "p01" / visit / "segmentations/liver.nii.gz", rows=rows)
    _, rows, changes = run(study, tmp_path / "out")
    assert told(rows, "patient", "visit", "lesion") == [
        ("p01", "month0", "liver"),
        ("p01", "month12", "liver"),
    ]
    assert told(changes, "baseline_visit", "followup_visit", "threshold_category") == [
        ("month0", "month12", "decrease")
    ]


def test_a_data_set_of_total_segmentator_in_a_folder_of_its_own(tmp_path):
    for case in ("s0001", "s0002"):
        write_box(tmp_path / "Totalsegmentator_v2" / case / "ct.nii.gz")
        write_box(tmp_path / "Totalsegmentator_v2" / case / "segmentations/liver.nii.gz")
    assert [(case.patient, case.visit) for case in discover(tmp_path)] == [("s0001", ""), ("s0002", "")]


@pytest.mark.parametrize("above", ["", "Dataset007_Hip/"])
@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "necrosis": 1, "left edema": 2},
        {"0": "background", "1": "necrosis", "2": "left edema"},
    ],
)
def test_nnunet(above, labels, tmp_path):
    study = tmp_path / "study"
    for case, number in (("hip_001", 1), ("hip_002", 2)):
        for channel in ("0000", "0001"):
            write_box(study / above / "imagesTr" / f"{case}_{channel}.nii.gz")
        write_box(study / above / "labelsTr" / f"{case}.nii.gz", number=number)
    write_box(study / above / "imagesTs/hip_003_0000.nii.gz")
    (study / above / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
    code, rows, _ = run(study, tmp_path / "out")
    assert code == 0
    assert told(rows, *WHO) == [
        ("hip_001", "", "", "necrosis", "measured"),
        ("hip_001", "", "L", "left edema", "absent"),
        ("hip_002", "", "", "necrosis", "absent"),
        ("hip_002", "", "L", "left edema", "measured"),
        ("hip_003", "", "", "", "not_traced"),
    ]
    assert rows[0]["scan"] == f"{above}imagesTr/hip_001_0000.nii.gz"


def test_nnunet_with_dates_and_without_a_list_of_labels(tmp_path):
    study = tmp_path / "study"
    for day, rows in {"20240115": BEFORE, "20240715": AFTER}.items():
        write_box(study / "imagesTr" / f"P7_{day}_0000.nii.gz")
        write_box(study / "labelsTr" / f"P7_{day}.nii.gz", rows=rows)
    write_box(study / "labelsTr/P8_20240115.nii.gz")
    _, rows, changes = run(study, tmp_path / "out")
    assert told(rows, "patient", "visit") == [("P7", "20240115"), ("P7", "20240715"), ("P8", "20240115")]
    notes = {case.trace: case.note for case in discover(study) if case.note}
    assert notes == {"labelsTr/P8_20240115.nii.gz": "no image of its name lies in the folder of the images"}
    assert told(changes, "threshold_category") == [("decrease",)]


def test_the_decathlon(tmp_path):
    write_box(tmp_path / "imagesTr/liver_1.nii.gz")
    write_box(tmp_path / "labelsTr/liver_1.nii.gz")
    assert [(c.patient, c.trace, c.scan) for c in discover(tmp_path)] == [
        ("liver_1", "labelsTr/liver_1.nii.gz", "imagesTr/liver_1.nii.gz")
    ]


def test_monai_label(tmp_path):
    study = tmp_path / "study"
    for day, rows in {"2024-01-15": BEFORE, "2024-07-15": AFTER}.items():
        write_box(study / f"P1_{day}.nii.gz")
        write_box(study / "labels/final" / f"P1_{day}.nii.gz", rows=rows)
        write_box(study / "labels/original" / f"P1_{day}.nii.gz")
    write_box(study / "P2.nii.gz")
    info = {"label_names": {"spleen": 1, "background": 0}}
    objects = {
        f"P1_{day}": {"labels": {"final": {"info": {"params": info}}}} for day in ("2024-01-15", "2024-07-15")
    }
    (study / "datastore_v2.json").write_text(json.dumps({"objects": objects}), encoding="utf-8")
    code, rows, changes = run(study, tmp_path / "out")
    assert code == 0
    assert told(rows, *WHO) == [
        ("P1", "2024-01-15", "", "spleen", "measured"),
        ("P1", "2024-07-15", "", "spleen", "measured"),
        ("P2", "", "", "", "not_traced"),
    ]
    assert told(rows, "scan") == [("P1_2024-01-15.nii.gz",), ("P1_2024-07-15.nii.gz",), ("P2.nii.gz",)]
    assert told(changes, "threshold_category") == [("decrease",)]


@pytest.mark.parametrize("folder", ["", "data/"])
@pytest.mark.parametrize(
    ("first", "last"), [("2024-01-15", "2024-07-15"), ("20240115", "20240715"), ("month0", "month6")]
)
def test_flat(folder, first, last, tmp_path):
    study = tmp_path / "study"
    for patient in ("P1", "P2"):
        for visit, rows in ((first, BEFORE), (last, AFTER)):
            write_box(study / f"{folder}{patient}_{visit}_t1.nii.gz")
            write_box(study / f"{folder}{patient}_{visit}_mask.nii.gz", rows=rows)
    write_box(study / f"{folder}P3_{first}_t1.nii.gz")
    code, rows, changes = run(study, tmp_path / "out")
    assert code == 0
    assert told(rows, "patient", "visit", "status") == [
        *((p, v, "measured") for p in ("P1", "P2") for v in (first, last)),
        ("P3", first, "not_traced"),
    ]
    assert all(row["scan"] == f"{folder}{row['patient']}_{row['visit']}_t1.nii.gz" for row in rows)
    assert told(changes, "patient", "threshold_category") == [("P1", "decrease"), ("P2", "decrease")]


def test_flat_with_sides_lesions_readers_and_several_images(tmp_path):
    for name in ("t1", "t2", "left_mask", "right_mask", "L1_readerB_mask", "t2_R2_mask"):
        write_box(tmp_path / f"P1_2024-01-15_{name}.nii.gz")
    found = [(c.side, c.lesion, c.reader, c.scan) for c in discover(tmp_path)]
    assert sorted(found) == [
        ("L", "", "", ""),
        ("L", "L1", "B", ""),
        ("R", "", "", ""),
        ("R", "R2", "", "P1_2024-01-15_t2.nii.gz"),
    ]
    note = next(c.note for c in discover(tmp_path) if not c.scan)
    assert note == "several images could be meant: P1_2024-01-15_t1.nii.gz, P1_2024-01-15_t2.nii.gz"


def test_flat_without_dates_ties_by_the_beginning_of_names(tmp_path):
    for patient in ("p1", "p12"):
        write_box(tmp_path / f"{patient}_t1.nii.gz")
        write_box(tmp_path / f"{patient}_mask.nii.gz")
    assert [(c.patient, c.trace, c.scan) for c in discover(tmp_path)] == [
        ("p1", "p1_mask.nii.gz", "p1_t1.nii.gz"),
        ("p12", "p12_mask.nii.gz", "p12_t1.nii.gz"),
    ]


def test_files_of_a_visit_in_the_folder_of_a_patient(tmp_path):
    for day in ("2024-01-15", "2024-07-15"):
        for name in (f"p01/scan_{day}_t1", f"p01/scan_{day}_mask", f"p02/{day}_t1", f"p02/{day}_mask"):
            write_box(tmp_path / f"{name}.nii.gz")
    assert [(c.patient, c.visit, bool(c.scan)) for c in discover(tmp_path)] == [
        (patient, day, True) for patient in ("p01", "p02") for day in ("2024-01-15", "2024-07-15")
    ]


def test_one_name_in_two_hospitals_is_not_believed(tmp_path):
    for hospital in ("north", "south"):
        write_box(tmp_path / hospital / "p01_2024-01-15_t1.nii.gz")
        write_box(tmp_path / hospital / "p01_2024-01-15_mask.nii.gz")
    assert {case.error.code for case in discover(tmp_path)} == {"patient-unclear"}


def test_a_native_trace_in_a_layout_claims_its_image(tmp_path):
    write_box(tmp_path / "imagesTr/p1_0000.nii.gz")
    write_box_trace(tmp_path / "imagesTr/L1.trace.json")
    assert [(c.trace, c.scan) for c in discover(tmp_path)] == [
        ("imagesTr/L1.trace.json", "imagesTr/p1_0000.nii.gz")
    ]


@pytest.mark.parametrize("name", ["P1_t1", "t1", "L1", "scan_2024-13-45", "12345678", "P_99999999_t1"])
def test_names_that_name_no_visit(name):
    assert parts_of_name(name) is None


def test_the_manifest_of_a_layout_gives_its_classes(tmp_path):
    study, manifest = tmp_path / "study", tmp_path / "m.csv"
    for day, rows in {"20240115": BEFORE, "20240715": AFTER}.items():
        write_box(study / "imagesTr" / f"P7_{day}_0000.nii.gz")
        write_box(study / "labelsTr" / f"P7_{day}.nii.gz", rows=rows)
    (study / "dataset.json").write_text(json.dumps({"labels": {"necrosis": 1, "edema": 2}}), encoding="utf-8")
    assert main(["manifest", str(study), "--out", str(manifest)]) == 0
    turned = manifest.read_text(encoding="utf-8").replace("2024-01-15", "2025-01-15")
    for text, category in ((manifest.read_text(encoding="utf-8"), "decrease"), (turned, "increase")):
        manifest.write_text(text, encoding="utf-8")
        _, _, changes = run(study, tmp_path / "out", "--manifest", str(manifest))
        assert told(changes, "lesion", "category") == [("edema", "absent"), ("necrosis", category)]


def test_labels_that_the_data_set_does_not_name_are_measured_under_their_number(tmp_path):
    study = tmp_path / "study"
    for case, number in {"P1_20240115": 1, "P1_20240715": 3, "P1_20241115": 2}.items():
        write_box(study / "imagesTr" / f"{case}_0000.nii.gz")
        write_box(study / "labelsTr" / f"{case}.nii.gz", number=number)
    labels = {"background": 0, "tumor": 1, "whole": [1, 2]}
    (study / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
    _, rows, changes = run(study, tmp_path / "out")
    assert told(rows, "visit", "lesion", "status") == [
        ("20240715", "3", "measured"),
        ("20240115", "tumor", "measured"),
        ("20240715", "tumor", "absent"),
        ("20241115", "tumor", "absent"),
        ("20240115", "whole", "measured"),
        ("20240715", "whole", "absent"),
        ("20241115", "whole", "measured"),
    ]
    assert {c["reason"] for c in changes if c["lesion"] in "23"} == {
        "baseline-not-traced",
    }


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("Images", "labels"), ("scans", "segmentations")]
)
@pytest.mark.parametrize("above", ["", "data/"])
@pytest.mark.parametrize("suffix", ["", "_mask"])
def test_folders_of_images_and_of_masks(tmp_path, images, masks, above, suffix):
    study = tmp_path / "study"
    for visit, rows in {"v2": BEFORE, "v10": AFTER}.items():
        write_box(study / f"{above}{images}/P1_{visit}.nii.gz")
        write_box(study / f"{above}{masks}/P1_{visit}{suffix}.nii.gz", rows=rows)
    write_box(study / f"{above}{images}/P2_v2.nii.gz")
    code, rows, changes = run(study, tmp_path / "out")
    assert code == 0
    assert told(rows, "patient", "visit", "status") == [
        ("P1", "v2", "measured"),
        ("P1", "v10", "measured"),
        ("P2", "v2", "not_traced"),
    ]
    assert rows[0]["scan"] == f"{above}{images}/P1_v2.nii.gz"
    assert told(changes, "threshold_category") == [("decrease",)]


def test_folders_of_images_and_of_masks_of_every_patient(tmp_path):
    study = tmp_path / "study"
    for patient in ("P1", "P2"):
        for visit, rows in {"month2": BEFORE, "month12": AFTER}.items():
            write_box(study / f"{patient}/{visit}/images/t1.nii.gz")
            write_box(study / f"{patient}/{visit}/masks/t1.nii.gz", rows=rows)
    _, rows, changes = run(study, tmp_path / "out")
    assert {row["status"] for row in rows} == {"measured"}
    assert told(changes, "patient", "threshold_category") == [("P1", "decrease"), ("P2", "decrease")]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("P01_v2_2019-01-01", "P01_v1_2020-01-01"),
        ("P01_20190101_post", "P01_20200101_pre"),
        ("P01_left_20190101", "P01_left_20200101"),
    ],
)
def test_names_with_a_visit_and_a_date(tmp_path, first, last):
    study = tmp_path / "study"
    for name, rows in {first: BEFORE, last: AFTER}.items():
        write_box(study / f"{name}_mask.nii.gz", rows=rows)
    _, rows, changes = run(study, tmp_path / "out")
    assert {row["patient"] for row in rows} == {"P01"}
    assert told(changes, "side", "lesion", "days", "threshold_category") == [
        ("L" if "left" in first else "", "1", "365", "decrease")
    ]


def test_proposals_of_monai_label_alone_are_no_scans(tmp_path):
    study = tmp_path / "study"
    for day in ("2024-01-15", "2024-07-15"):
        write_box(study / f"P1_{day}.nii.gz")
        write_box(study / "labels/original" / f"P1_{day}.nii.gz")
    _, rows, _ = run(study, tmp_path / "out")
    assert told(rows, "patient", "visit", "status") == [
        ("P1", "2024-01-15", "not_traced"),
        ("P1", "2024-07-15", "not_traced"),
    ]


def test_the_work_grows_with_the_names_and_not_with_their_square(tmp_path, monkeypatch):
    write_box(tmp_path / "P0_v1_t1.nii.gz")
    content = (tmp_path / "P0_v1_t1.nii.gz").read_bytes()
    for number in range(60):
        for name in (f"P{number}_v1_t1", f"P{number}_v1_mask", f"images/Q{number}", f"masks/Q{number}"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / f"{name}.nii.gz").write_bytes(content)
    asked = []
    monkeypatch.setattr(named_pairs, "parts_of_name", lambda stem: asked.append(stem) or parts_of_name(stem))
    assert len([case for case in discover(tmp_path) if case.trace and case.scan]) == 120
    assert len(asked) <= 10 * 240
