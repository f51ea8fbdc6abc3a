"""Names of files and folders that may be of another patient, visit or lesion than they seem to be."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from study_phantoms import coronal, write_box

import volumetry as vm
from volumetry.cli import main
from volumetry.formats.lesion_names import side_of_name
from volumetry.study.finding.discovery import discover
from volumetry.study.visit_order import order_of_visits

GEOMETRY = coronal(size=24)


def results(folder, masks, *options, images=(), quiet=("--quiet",)):
    """Measure masks of so many rows in a folder; return the exit code, the measurements and the changes."""
    for name in images:
        write_box(folder / f"{name}.nii.gz", GEOMETRY)
    for name, rows in masks.items():
        write_box(folder / f"{name}.nii.gz", GEOMETRY, rows=(5, 5 + rows))
    out = folder.parent / "out"
    code = main([*quiet, "batch", str(folder), "--out", str(out), "--jobs", "1", *map(str, options)])
    tables = []
    for table in ("measurements", "changes"):
        with (out / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return code, *tables


def with_identity(folder, text):
    protocol = folder / "protocol.toml"
    protocol.write_text(f"[identity]\n{text}\n", encoding="utf-8")
    return "--protocol", protocol


def classes(changes):
    return [(row["patient"], row["category"]) for row in changes]


# -- lesions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("lesion_1_mask", "lesion_2_mask"),
        ("mask_1", "mask_2"),
        ("roi-1_mask", "roi-2_mask"),
        ("left_1_mask", "left_2_mask"),
        ("lesion_A/mask", "lesion_B/mask"),
        ("links/mask", "rechts/mask"),
        ("pelvis/mask", "spine/mask"),
        ("pelvis/seg/mask", "spine/seg/mask"),
        ("AB/mask", "CD/mask"),
        ("L1/mask", "L2/mask"),
        ("brain_mask", "lesion_mask"),
        ("lesion_core_mask", "mask"),
        ("mask", "lesion_2_mask"),
        ("lesion_auto_mask", "lesion_manual_mask"),
        ("lesion_pred_mask", "lesion_gt_mask"),
        ("mask_eroded", "mask"),
        ("lesion_ant_mask", "lesion_post_mask"),
        ("bleed_mask", "lesion_mask"),
        ("lesion_mask_MNI", "lesion_mask"),
        ("wlesion_mask", "lesion_mask"),
        ("1_mask", "2_mask"),
    ],
)
def test_what_tells_lesions_apart_is_not_passed_over(tmp_path, first, second):
    masks = {f"P1/v1/{first}": 10, f"P1/v2/{second}": 5}
    _, rows, changes = results(tmp_path / "study", masks)
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert {row["category"] for row in changes} == {"not_evaluable"}


@pytest.mark.parametrize(
    ("first", "second", "lesions"),
    [
        (["lesion1", "lesion2"], ["lesion1", "lesion2"], ["lesion1", "lesion2"]),
        (["t1_lesion_1", "t1_lesion_2"], ["t1_lesion_1", "t1_lesion_2"], ["lesion_1", "lesion_2"]),
        (["L1", "L2", "L3"], ["L1", "L2", "L3"], ["L1", "L2", "L3"]),
        (["cyst", "tumor"], ["cyst", "tumor"], ["cyst", "tumor"]),
        (["femoral_head", "TumorA"], ["femoral_head", "tumorA"], ["TumorA", "femoral_head"]),
        (["lesion1", "lesion2"], ["lesion1"], []),
        (["lesion1", "lesion2"], ["lesion2", "lesion3"], []),
        (["lesion_AB", "lesion_CD"], ["lesion_AB", "lesion_CD"], []),
        (["lesion_final", "lesion_draft"], ["lesion_final", "lesion_draft"], []),
        (["1", "2"], ["1", "2"], []),
        (["lesion", "cyst"], ["lesion", "cyst"], []),
    ],
)
def test_names_that_stand_alike_at_every_visit_are_lesions(tmp_path, first, second, lesions):
    visits = {"v1": first, "v2": second}
    masks = {f"P1/{v}/{name}_mask": 10 - n for v, names in visits.items() for n, name in enumerate(names)}
    _, rows, changes = results(tmp_path / "study", masks, images=("P1/v1/t1", "P1/v2/t1"))
    told = sorted(row["lesion"] for row in changes if row["category"] == "no_change")
    assert told == lesions
    assert {row["code"] for row in rows} == ({""} if lesions else {"ambiguous-lesion"})
    assert main(["--quiet", "manifest", str(tmp_path / "study"), "--out", str(tmp_path / "m.csv")]) == 0
    again = results(tmp_path / "study", {}, "--manifest", tmp_path / "m.csv")
    assert [(row["lesion"], row["category"]) for row in again[2] if lesions] == [
        (lesion, "no_change") for lesion in lesions
    ]
    assert {row["code"] for row in again[1]} == {row["code"] for row in rows}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("lesion_1_mask", "lesion_1_mask"),
        ("mask_01", "mask_1"),
        ("mask", "lesion_1_mask"),
        ("t1_tse_p2_mask", "t1_tse_mask"),
        ("lesion mask", "lesion_mask"),
        ("scan_3/mask", "scan_7/mask"),
        ("DICOM/E12345/mask", "DICOM/E99999/mask"),
        ("2020-01-03/mask", "2021-02-04/mask"),
        ("mask_2020-01-03", "mask_2021-02-04"),
        ("anat/lesion_mask", "raw/lesion_mask"),
        ("segmentation_2020/lesion_mask", "segmentation_2021/lesion_mask"),
    ],
)
def test_what_tells_no_lesions_apart_is(tmp_path, first, second):
    _, rows, changes = results(tmp_path / "study", {f"P1/v1/{first}": 10, f"P1/v2/{second}": 5})
    assert {row["status"] for row in rows} == {"measured"}
    assert classes(changes) == [("P1", "decrease")]


def test_sides_and_readers_are_read_from_folders_below_the_visit(tmp_path):
    masks = {
        f"P1/{visit}/{reader}/left/mask": 10 for visit in ("v1", "v2") for reader in ("readerA", "reader_B")
    }
    _, rows, changes = results(tmp_path / "study", masks, images=("P1/v1/t1", "P1/v2/t1"))
    assert {(row["side"], row["reader"], bool(row["scan"])) for row in rows} == {
        ("L", "A", True),
        ("L", "B", True),
    }
    assert [row["category"] for row in changes] == ["no_change", "no_change"]


@pytest.mark.parametrize(
    ("name", "side", "code"),
    [
        ("P1/v1/left/right_mask", "", "side-mismatch"),
        ("sub-1/ses-1/sub-1_ses-1_hemi-L_label-right_mask", "", "side-mismatch"),
        ("sub-1/ses-1/sub-1_ses-1_hemi-L_label-R2_mask", "L", ""),
    ],
)
def test_one_name_may_not_say_two_sides(tmp_path, name, side, code):
    _, (row,), _ = results(tmp_path / "study", {name: 10})
    assert row["code"] == code
    assert code or row["side"] == side


def test_a_new_lesion_is_not_the_one_before(tmp_path):
    _, rows, changes = results(tmp_path / "study", {"P1/v1/lesion_mask": 10, "P1/v2/new_lesion_mask": 5})
    assert [row["lesion"] for row in rows] == ["1", "new"]
    assert [row["reason"] for row in changes] == ["followup-not-traced", "baseline-not-traced"]


def test_derivatives_of_two_pipelines_are_not_compared(tmp_path):
    masks = {
        f"derivatives/{pipeline}/sub-01/ses-{n}/anat/sub-01_ses-{n}_label-les_mask": 10 // n
        for n, pipeline in ((1, "auto"), (2, "manual"))
    }
    images = [f"sub-01/ses-{n}/anat/sub-01_ses-{n}_T1w" for n in (1, 2)]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert {row["category"] for row in changes} == {"not_evaluable"}


def test_a_second_version_of_a_flat_mask_is_ambiguous(tmp_path):
    masks = {"P1_v1_mask": 10, "P1_v1_mask_v2": 8, "P1_v2_mask": 5}
    _, rows, changes = results(tmp_path / "study", masks, images=("P1_v1_t1", "P1_v2_t1"))
    assert [row["code"] for row in rows] == ["ambiguous-lesion", "ambiguous-lesion", ""]
    assert {row["category"] for row in changes} == {"not_evaluable"}


def test_a_version_behind_the_word_for_a_mask_is_no_visit(tmp_path):
    masks = {"P1_2020-01-01_mask_v2": 10, "P1_2021-01-01_mask_v1": 5}
    images = [name.partition("_mask")[0] for name in masks]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert [(row["visit"], bool(row["scan"])) for row in rows] == [("2020-01-01", True), ("2021-01-01", True)]
    assert not any("visit-dates-conflict" in row["flags"] for row in rows)
    assert [change["category"] for change in changes] == ["decrease"]


def test_backups_of_editors_are_no_images(tmp_path):
    masks = {"P1/v1/mask": 10, "P1/v1/~mask": 8, "P1/v2/mask": 5}
    _, rows, changes = results(tmp_path / "study", masks)
    assert [row["scan"] for row in rows] == ["", ""]
    assert classes(changes) == [("P1", "decrease")]


# -- visits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visits", [("T10", "T11"), ("week-4", "week-0"), ("day-7", "day-0"), ("t4", "t5")])
def test_numbers_that_may_be_no_times_order_nothing(visits):
    assert order_of_visits(dict.fromkeys(visits, "")).by == "unknown"


@pytest.mark.parametrize(
    "visits", [("T1", "T2", "T3"), ("t12", "t24"), ("month-0", "month-12"), ("v4", "v5")]
)
def test_numbers_that_are_times_do(visits):
    assert order_of_visits(dict.fromkeys(visits, "")).by == "numbers"


@pytest.mark.parametrize("form", ["P1_202{}-03-01_readerA_read{}_mask", "P1/202{}-03-01/readerA_read{}_mask"])
def test_reads_in_names_are_reads_and_no_lesions(tmp_path, form):
    names = [form.format(v, n) for v in (2, 3) for n in (1, 2)]
    _, rows, changes = results(tmp_path / "study", dict(zip(names, (10, 9, 5, 6), strict=True)))
    assert [(row["reader"], row["lesion"], row["read"]) for row in rows] == [
        ("A", "1", "1"),
        ("A", "1", "2"),
    ] * 2
    assert classes(changes) == [("P1", "decrease")]


def test_the_name_of_the_patient_before_a_visit(tmp_path):
    """``Meier/Meier_v1``: its number orders it, and under pseudonyms the name is nowhere."""
    root = tmp_path / "study"
    masks = {"Meier/Meier_v1/mask": 10, "Meier/Meier_v2/mask": 5, "7/7_v1/mask": 5, "7/7_v2/mask": 5}
    _, _, changes = results(root, masks)
    assert classes(changes) == [("7", "no_change"), ("Meier", "decrease")]
    shutil.rmtree(tmp_path / "out")
    _, rows, changes = results(root, {}, "--pseudonyms", tmp_path / "key")
    assert sorted(change["category"] for change in changes) == ["decrease", "no_change"]
    assert not [row for row in (*rows, *changes) if "meier" in str(row).casefold()]
    assert not [row for row in rows if row["visit"].startswith("7_")]


def test_a_name_of_two_visits_is_unclear(tmp_path):
    masks = {"HIP-V12_pre_mask": 10, "HIP-V13_pre_mask": 5}
    _, rows, _ = results(tmp_path / "study", masks, images=("HIP-V12_pre_t1", "HIP-V13_pre_t1"))
    assert {row["code"] for row in rows} == {"visit-unclear"}


# -- patients -----------------------------------------------------------------------------------------------


def test_names_of_files_that_begin_differently_may_be_patients(tmp_path):
    masks = {"site1/AB_2024-01-15_mask": 10, "site1/CD_2024-06-15_mask": 5}
    images = ("site1/AB_2024-01-15_t1", "site1/CD_2024-06-15_t1")
    _, rows, _ = results(tmp_path / "study", masks, images=images)
    assert {row["code"] for row in rows} == {"patient-unclear"}
    way_out = with_identity(tmp_path, 'patient = "folder:1"')
    _, _, changes = results(tmp_path / "study", masks, *way_out)
    assert classes(changes) == [("site1", "decrease")]


@pytest.mark.parametrize(
    ("masks", "images", "found"),
    [
        ("2024-01-15_P1 2024-06-15_P1", "2024-01-15_P1 2024-06-15_P1", {("P1", "", "decrease")}),
        ("20240115_P1_left 20240615_P1_left", "20240115_P1_t1 20240615_P1_t1", {("P1", "L", "decrease")}),
        ("P1_left P1_readerA_tumor", "P1_t1", {("P1", "L", ""), ("P1", "", "")}),
        ("P1_before P1_after", "P1_before P1_after", {("P1_before", "", "?"), ("P1_after", "", "?")}),
        ("T7_a P7_a T7_xb P7_xb T7_xc P7_xc", "", {(f"{p}7_x{v}", "", "?") for p in "TP" for v in "bc"}),
        ("HIP_001 HIP_002", "HIP_001 HIP_002", {("HIP_001", "", ""), ("HIP_002", "", "")}),
        ("BraTS19_AAB BraTS19_CBI", "", {("BraTS19_AAB", "", ""), ("BraTS19_CBI", "", "")}),
        ("P1", "P1 P1_flair P1_adc", {("P1", "", "")}),
    ],
)
def test_names_of_files_in_the_study_folder(tmp_path, masks, images, found):
    """A date may come first, and sides, readers and images are no patients; nor is a word for a visit."""
    rows = {f"{name}_mask": max(14 - 4 * i, 2) for i, name in enumerate(masks.split())}
    _, measured, changes = results(tmp_path / "study", rows, images=images.split())
    classes = {change["patient"]: change["category"] for change in changes}
    told = {
        (
            row["patient"],
            row["side"],
            "?" if row["code"] == "patient-unclear" else classes.get(row["patient"], ""),
        )
        for row in measured
        if row["status"] != "not_traced"
    }
    assert found <= told
    assert all(row["scan"] for row in measured if images and row["trace"])


def test_names_of_images_in_a_patients_folder_are_none(tmp_path):
    masks = {"p01/scan_2024-01-15_mask": 10, "p01/t1_2024-06-15_mask": 5}
    images = ("p01/scan_2024-01-15", "p01/t1_2024-06-15")
    _, _, changes = results(tmp_path / "study", masks, images=images)
    assert classes(changes) == [("p01", "decrease")]


_TWO_SETS = {
    "bids": "{place}/sub-01/ses-{n}/anat/sub-01_ses-{n}_label-les_mask",
    "nnunet": "{place}/labelsTr/P1_v{n}",
    "flat": "{place}/P1_v{n}_mask",
}


@pytest.mark.parametrize("layout", sorted(_TWO_SETS))
def test_one_name_in_two_data_sets_may_be_two_patients(tmp_path, layout):
    masks = {_TWO_SETS[layout].format(place=place, n=n): 10 // n for n, place in ((1, "siteA"), (2, "siteB"))}
    names = {"bids": "anat/sub-01_ses-{n}_T1w", "nnunet": "imagesTr/P1_v{n}_0000", "flat": "P1_v{n}_t1"}
    images = [
        mask.rpartition("/")[0].removesuffix("anat").removesuffix("labelsTr").rstrip("/")
        + "/"
        + names[layout].format(n=n)
        for n, mask in enumerate(masks, start=1)
    ]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert {row["category"] for row in changes} <= {"not_evaluable"}
    _, rows, changes = results(tmp_path / "study", masks, *with_identity(tmp_path, 'site = "folder:1"'))
    assert {(row["site"], row["status"]) for row in rows} == {("siteA", "measured"), ("siteB", "measured")}
    assert changes == []


def test_sessions_above_the_subjects_are_one_data_set(tmp_path):
    masks = {f"ses-{n}/sub-01/sub-01_ses-{n}_label-les_mask": 10 // n for n in (1, 2)}
    _, _, changes = results(tmp_path / "study", masks)
    assert classes(changes) == [("sub-01", "decrease")]


def test_groups_of_volunteers_are_no_patients(tmp_path):
    masks = {
        "controls/V001/scan/lesion_mask": 10,
        "controls/V002/scan/lesion_mask": 5,
        "cases/V003/a/mask": 5,
    }
    _, rows, changes = results(tmp_path / "study", masks)
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert changes == []
    _, rows, _ = results(tmp_path / "study", masks, *with_identity(tmp_path, 'patient = "folder:2"'))
    assert {row["patient"] for row in rows} == {"V001", "V002", "V003"}


@pytest.mark.parametrize(
    ("second", "names", "is_one"),
    [
        ((2, 1), (), False),
        ((1, 2), (), True),
        ((1, 3), (), True),
        ((2, 3), (), True),
        ((2, 1), ("lesion1", "lesion2"), False),
        ((1, 2), ("lesion1", "lesion2"), True),
        ((2, 1), ("tumor_A", "tumor_B"), False),
        ((2, 1), ("cyst", "tumor"), True),
    ],
)
def test_numbers_that_have_exchanged_their_places_are_not_compared(tmp_path, second, names, is_one):
    root = tmp_path / "study"
    for visit, labels, shift in (("v1", (1, 2), 0), ("v2", second, 3)):
        values = np.zeros((10, 24, 24), np.uint8)
        values[2:6, 2 : 8 - shift, 2:6], values[2:6, 15 + shift : 22, 15:20] = labels
        found = tuple(vm.MaskLabel(number=number) for number in sorted(labels))
        mask = vm.Mask(layers=(values,), geometry=GEOMETRY, labels=found)
        (root / f"P1/{visit}").mkdir(parents=True)
        if not names:
            vm.write_mask(mask, root / f"P1/{visit}/lesion_mask.nii.gz")
        for number, name in enumerate(names, start=1):
            own = replace(
                mask, layers=((values == number).astype(np.uint8),), labels=(vm.MaskLabel(number=1),)
            )
            vm.write_mask(own, root / f"P1/{visit}/{name}_mask.nii.gz")
    _, rows, _ = results(root, {})
    assert {row["code"] for row in rows} == ({""} if is_one else {"ambiguous-lesion"})


@pytest.mark.parametrize(
    ("folder", "names"),
    [("cohort", ("19520304", "19610711")), ("study", ("TP01", "TP02")), ("data", ("V001", "V002"))],
)
def test_a_folder_of_many_is_no_patient(tmp_path, folder, names):
    masks = {f"{folder}/{names[0]}/mask": 10, f"{folder}/{names[1]}/mask": 5}
    _, rows, changes = results(tmp_path / "study", masks)
    assert ({row["code"] for row in rows}, changes) == ({"patient-unclear"}, [])
    _, _, changes = results(tmp_path / "study", masks, *with_identity(tmp_path, 'patient = "folder:1"'))
    assert len(changes) == 1


def test_folders_of_patients_and_visits_a_level_deeper_are_named_in_the_way_out(tmp_path):
    masks = {f"A/P1/v{v}/mask": 10 // v for v in (1, 2)} | {f"B/P2/v{v}/mask": 10 // v for v in (1, 2)}
    _, rows, _ = results(tmp_path / "study", masks)
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    said = 'patient = "folder:2" and visit = "folder:3"'
    assert all(said in row["message"] for row in rows)
    _, _, changes = results(tmp_path / "study", masks, *with_identity(tmp_path, said.replace(" and ", "\n")))
    assert classes(changes) == [("P1", "decrease"), ("P2", "decrease")]


def test_lesions_that_are_called_otherwise_at_each_visit_are_told(tmp_path, caplog):
    root = tmp_path / "study"
    masks = {"P1/v1/left_mask": 10, "P1/v2/mask": 5, "P2/v1/mask": 5, "P2/v2/mask": 5}
    results(root, masks, quiet=())
    assert "P1 ('L 1' at v1, '1' at v2)" in caplog.text


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"PatientID": "A17"}, {"PatientID": "B22"}, "patient-unclear"),
        ({"PatientBirthDate": "1950-03-04"}, {"PatientBirthDate": "19701212"}, "patient-unclear"),
        ({"PatientSex": "F"}, {"PatientSex": "M"}, "patient-unclear"),
        ({"PatientID": "A17"}, {"PatientID": "anon"}, ""),
        ({"PatientID": "A17"}, {"SliceThickness": 4.0}, ""),
        ({"PatientID": "A17", "PatientSex": "F"}, {"PatientID": "a17", "PatientSex": "O"}, ""),
        ({"BodyPartExamined": "HIP"}, {"BodyPartExamined": "LSPINE"}, "ambiguous-lesion"),
        ({"BodyPartExamined": "HIP"}, {"BodyPartExamined": "PELVIS"}, ""),
    ],
)
def test_sidecars_of_two_persons_are_no_patient(tmp_path, first, second, code):
    root = tmp_path / "study"
    results(root, {"P1/v1/t1_mask": 10, "P1/v2/t1_mask": 5}, images=["P1/v1/t1", "P1/v2/t1"])
    for visit, said in (("v1", first), ("v2", second)):
        (root / f"P1/{visit}/t1.json").write_text(json.dumps(said), encoding="utf-8")
    _, rows, changes = results(root, {})
    assert {row["code"] for row in rows} == {code}
    assert len(changes) == (code != "patient-unclear")
    assert b"A17" not in (tmp_path / "out/measurements.csv").read_bytes()
    said = with_identity(tmp_path, 'patient = "folder:1"')
    told = "not_evaluable" if code == "ambiguous-lesion" else "decrease"
    assert classes(results(root, {}, *said)[2]) == [("P1", told)]


def test_the_descriptions_of_sidecars_may_say_the_side(tmp_path):
    root = tmp_path / "study"
    results(root, {"P1/v1/t1_mask": 10, "P1/v2/t1_mask": 5}, images=["P1/v1/t1", "P1/v2/t1"])
    for visit, said in (("v1", "cor LI"), ("v2", "cor RE")):
        (root / f"P1/{visit}/t1.json").write_text(json.dumps({"SeriesDescription": said}), encoding="utf-8")
    assert [case.named_side for case in discover(root)] == ["L", "R"]


def test_a_single_patient_in_a_folder_of_any_name_is_believed(tmp_path):
    _, _, changes = results(tmp_path / "study", {"patient/month0/mask": 10, "patient/month6/mask": 5})
    assert classes(changes) == [("patient", "decrease")]


@pytest.mark.parametrize("cases", [("hip_v001", "hip_v002"), ("HIP_19520304", "HIP_19610711")])
def test_all_cases_of_nnunet_are_no_visits_of_one_patient(tmp_path, cases):
    masks = {f"labelsTr/{name}": rows for name, rows in zip(cases, (10, 5), strict=True)}
    images = [f"imagesTr/{name}_0000" for name in cases]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert {row["category"] for row in changes} <= {"not_evaluable"}


# -- what a file says against its folder --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("masks", "code"),
    [
        ({"P1/v1/P1_v1_mask": 10, "P1/v2/P2_v2_mask": 5}, "patient-unclear"),
        ({"001/v1/001_mask": 10, "001/v2/002_mask": 5}, "patient-unclear"),
        ({"Smith/v1/t1_mask": 10, "Smith/v2/Miller_mask": 5, "Miller/v1/t1_mask": 7}, "patient-unclear"),
        ({"P1/v1/P1_v2_mask": 10, "P1/v2/P1_v1_mask": 5}, "visit-unclear"),
        ({"P1/v1/v2_mask": 10, "P1/v2/v2_mask": 5}, "visit-unclear"),
        ({"sub-01/ses-1/sub-01_ses-1_mask": 10, "sub-01/ses-2/sub-02_ses-2_mask": 5}, "patient-unclear"),
        ({"sub-01/ses-1/sub-01_ses-2_mask": 10, "sub-01/ses-2/sub-01_ses-1_mask": 5}, "visit-unclear"),
    ],
)
def test_a_file_in_the_wrong_folder_is_no_follow_up(tmp_path, masks, code):
    _, rows, changes = results(tmp_path / "study", masks)
    assert code in {row["code"] for row in rows}
    assert {row["category"] for row in changes} <= {"not_evaluable"}


@pytest.mark.parametrize(
    "masks",
    [
        {"P1/v1/P1_v1_mask": 10, "P1/v2/P1_v2_mask": 5},
        {"P1/v1/t1_mask": 10, "P1/v2/t2_mask": 5},
        {"1/v1/3_mask": 10, "1/v2/5_mask": 5, "3/v1/2_mask": 4},
        {"P01/v1/scan_2024-01-05_mask": 10, "P01/v2/scan_2024-06-05_mask": 5},
    ],
)
def test_a_file_that_agrees_with_its_folder_is_believed(tmp_path, masks):
    _, rows, changes = results(
        tmp_path / "study", masks, images=[name.removesuffix("_mask") for name in masks]
    )
    assert {row["status"] for row in rows} == {"measured"}
    assert changes[0]["category"] == "decrease"


def test_a_day_in_the_name_of_an_image_dates_a_visit(tmp_path):
    masks = {"P01/v1/scan_2024-01-05_mask": 10, "P01/v2/scan_20240605_mask": 5}
    images = [name.removesuffix("_mask") for name in masks]
    _, _, changes = results(tmp_path / "study", masks, images=images)
    assert changes[0]["days"] == "152"


@pytest.mark.parametrize(
    "masks",
    [
        {"data/v1/001_mask": 10, "data/v2/002_mask": 5},
        {"cases/2020-01-02/P1_mask": 10, "cases/2021-01-02/P2_mask": 5},
        {"Berlin/2020-01-02/P1/mask": 10, "Berlin/2021-01-02/P2/mask": 5},
        {"data/v1/masks/001": 10, "data/v2/masks/002": 5},
    ],
)
def test_patients_below_folders_of_visits_are_no_visits(tmp_path, masks):
    images = [name.removesuffix("_mask").replace("masks", "images") for name in masks if "P1/m" not in name]
    _, rows, changes = results(
        tmp_path / "study", masks, images=[n for n in images if not n.endswith("/mask")]
    )
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert {row["category"] for row in changes} <= {"not_evaluable"}


# -- masks --------------------------------------------------------------------------------------------------


def test_masks_of_a_template_are_no_volumes_of_the_patient(tmp_path):
    name = "sub-01/ses-{}/anat/sub-01_ses-{}"
    masks = {name.format(n, n) + "_space-MNI152_label-les_mask": 10 // n for n in (1, 2)}
    images = [name.format(n, n) + "_T1w" for n in (1, 2)]
    _, rows, _ = results(tmp_path / "study", masks, images=images)
    assert {row["code"] for row in rows} == {"grid-mismatch"}
    images += [name.format(n, n) + "_space-MNI152_T1w" for n in (1, 2)]
    _, _, changes = results(tmp_path / "study", masks, images=images)
    assert [row["category"] for row in changes] == ["decrease"]


def test_the_space_of_a_mask_may_be_an_image_of_the_patient(tmp_path):
    images = ["sub-1/anat/sub-1_T1w", "sub-1/anat/sub-1_acq-2_T2w"]
    _, rows, _ = results(tmp_path / "study", {"sub-1/anat/sub-1_space-T1w_mask": 10}, images=images)
    assert sorted((row["status"], row["scan"]) for row in rows) == [
        ("measured", "sub-1/anat/sub-1_T1w.nii.gz"),
        ("not_traced", "sub-1/anat/sub-1_acq-2_T2w.nii.gz"),
    ]


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("wlesion_mask", "wlesion"),
        ("lesion_mask_MNI", "t1_MNI"),
        ("lesion_warped_mask", "t1"),
        ("wt1_mask", "wt1"),
    ],
)
def test_masks_that_were_warped_at_both_visits_are_flagged(tmp_path, mask, image):
    masks = {f"P1/{visit}/{mask}": rows for visit, rows in (("v1", 10), ("v2", 5))}
    images = [f"P1/{visit}/{image}" for visit in ("v1", "v2")]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert [change["category"] for change in changes] == ["decrease"]
    assert all("template-space" in row["flags"].split(";") for row in (*rows, *changes))


def test_a_mask_of_labels_beside_that_of_a_label_counts_no_lesion_twice(tmp_path):
    kinds = {"dseg": 10, "label-lesion_mask": 8}
    masks = {f"sub-1/ses-{n}/sub-1_ses-{n}_{kind}": rows for n in "12" for kind, rows in kinds.items()}
    _, rows, _ = results(tmp_path / "study", masks, images=[f"sub-1/ses-{n}/sub-1_ses-{n}_T1w" for n in "12"])
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}


def test_roi_is_a_word_for_a_mask_in_names_of_bids(tmp_path):
    name = "sub-01/ses-{}/anat/sub-01_ses-{}"
    masks = {name.format(n, n) + "_lesion_roi": 10 // n for n in (1, 2)}
    _, _, changes = results(tmp_path / "study", masks, images=[name.format(n, n) + "_T1w" for n in (1, 2)])
    assert classes(changes) == [("sub-01", "decrease")]


@pytest.mark.parametrize("place", ["", "images/"])
def test_a_folder_of_masks_beside_the_only_image_of_a_visit(tmp_path, place):
    masks = {
        f"P1/{visit}/masks/{name}": rows
        for visit, rows in (("v1", 10), ("v2", 5))
        for name in ("liver", "left")
    }
    images = [f"P1/{visit}/{place}t1" for visit in ("v1", "v2")]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert {(row["lesion"], row["side"], row["scan"][:5]) for row in rows} == {
        (lesion, side, f"P1/{visit}")
        for lesion, side in (("liver", ""), ("1", "L"))
        for visit in ("v1", "v2")
    }
    assert classes(changes) == [("P1", "decrease"), ("P1", "decrease")]


def test_the_lumbar_spine_is_no_side():
    assert side_of_name("L-Spine met") == ""
    assert side_of_name("L hip") == "L"


# -- names that are nearly equal ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("masks", "told"),
    [
        ({"P1/v1/mask": 10, "p1/v2/mask": 5}, "'P1', 'p1'"),
        ({"P01/v1/mask": 10, "P1/v2/mask": 5}, "'P01', 'P1'"),
        ({"P1_wk06_mask": 10, "P1_wk12_mask": 5}, "'P1_wk06', 'P1_wk12'"),
        ({"sub-1/ses-1/sub-1_ses-1_label-A_mask": 10, "sub-1/ses-2/sub-1_ses-2_label-a_mask": 5}, "'A', 'a'"),
        ({"Sato_2024-01-15/mask": 10, "Sato_2024-06-15/mask": 5}, "'Sato_2024-01-15', 'Sato_2024-06-15'"),
        (
            {"P1/Vor/mask": 10, "P1/vor/mask": 5},
            "visits with nearly equal names count as several: 'Vor', 'vor'",
        ),
    ],
)
def test_names_that_are_nearly_equal_are_told(tmp_path, caplog, masks, told):
    results(
        tmp_path / "study", masks, images=["P1_wk06", "P1_wk12"] if "P1_wk06_mask" in masks else (), quiet=()
    )
    assert any(told in record.getMessage() for record in caplog.records)


def test_names_of_patients_are_not_told_under_pseudonyms(tmp_path, caplog):
    masks = {"Muster1/v1/mask": 10, "muster1/v2/mask": 5}
    results(tmp_path / "study", masks, "--pseudonyms", tmp_path / "key.csv", quiet=())
    told = [record.getMessage() for record in caplog.records if "nearly equal" in record.getMessage()]
    assert told
    assert "uster1" not in told[0]


def test_the_name_of_a_visit_before_a_date_is_no_patient(tmp_path):
    masks = {"p01/pre_2020-01-05_mask": 10, "p01/post_2021-01-05_mask": 5}
    _, rows, changes = results(tmp_path / "study", masks)
    assert [(row["visit"], row["study_date"]) for row in rows] == [
        ("pre", "2020-01-05"),
        ("post", "2021-01-05"),
    ]
    assert classes(changes) == [("p01", "decrease")]


@pytest.mark.parametrize(
    "folders",
    [
        ("Smith_J/20240115_MRI_Hip/", "Smith_J/20240615_MRI_Hip/"),
        ("Smith_J/Study 2024-01-15/", "Smith_J/Study 2024-06-15/"),
        ("P01_2024-01-15/", "P01_2024-06-15/"),
        ("20240115_P01/masks/", "20240615_P01/masks/"),
    ],
)
def test_a_date_in_the_name_of_a_folder_is_that_of_the_visit(tmp_path, folders):
    masks = {f"{folder}t1_mask": rows for folder, rows in zip(folders, (10, 5), strict=True)}
    _, _, changes = results(tmp_path / "study", masks)
    assert [(row["category"], row["days"]) for row in changes] == [("decrease", "152")]


@pytest.mark.parametrize("word", ["MRI", "site1", "3T", "batch_2"])
def test_what_stands_beside_a_date_may_be_no_patient(tmp_path, word):
    _, rows, changes = results(
        tmp_path / "study", dict.fromkeys((f"{word}_2024-01-15/mask", f"{word}_2024-06-15/mask"), 5)
    )
    assert ({row["visit"] for row in rows}, changes) == ({""}, [])


def test_a_date_against_the_number_of_a_visit_orders_nothing(tmp_path):
    _, _, changes = results(tmp_path / "study", {"P1/v1_2024-06-01/mask": 10, "P1/v2_2024-01-01/mask": 5})
    assert [row["reason"] for row in changes] == ["visit-order-unknown"]


@pytest.mark.parametrize("patient", ["case1", "subject01", "patient_A", "control"])
def test_a_patient_may_be_called_case1(tmp_path, patient):
    masks = {f"{patient}/t0/mask": 10, f"{patient}/t1/mask": 5}
    _, _, changes = results(tmp_path / "study", masks)
    assert classes(changes) == ([(patient, "decrease")] if patient != "control" else [])


@pytest.mark.parametrize(
    "names",
    [
        ("P01/v1/scan_2024-06-05_mask", "P01/v2/scan_2024-01-05_mask"),
        ("P01/pre/scan_2024-06-05_mask", "P01/post/scan_2024-01-05_mask"),
        ("P01/2023-01-01/scan_2024-06-05_mask", "P01/2023-06-01/scan_2024-01-05_mask"),
        ("P01_baseline_2024-06-05_mask", "P01_fu1_2024-01-05_mask"),
    ],
)
def test_dates_against_the_numbers_of_visits_are_flagged(tmp_path, names):
    masks = dict(zip(names, (10, 5), strict=True))
    images = [name.removesuffix("_mask") for name in masks]
    _, rows, changes = results(tmp_path / "study", masks, images=images)
    assert all("visit-dates-conflict" in row["flags"] for row in (*rows, *changes))


_SNAP = '    {}   255    0    0        1  1  1    "{}"\n'


@pytest.mark.parametrize("kind", ["tsv", "label"])
@pytest.mark.parametrize("names", [("tumor", "edema"), ("edema", "tumor")])
def test_labels_are_compared_by_what_lists_beside_the_masks_say(tmp_path, kind, names):
    masks = {"sub-01/ses-1/sub-01_ses-1_dseg": 10, "sub-01/ses-2/sub-01_ses-2_dseg": 5}
    for name, told in zip(masks, (("tumor", "edema"), names), strict=True):
        lines = [f"{number}\t{text}\n" for number, text in enumerate(told, start=1)]
        if kind == "label":
            lines = [_SNAP.format(number, text) for number, text in enumerate(told, start=1)]
        path = tmp_path / f"study/{name}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("index\tname\n" * (kind == "tsv") + "".join(lines), encoding="utf-8")
    _, rows, changes = results(tmp_path / "study", masks)
    is_same = names == ("tumor", "edema")
    assert {row["code"] for row in rows} == ({""} if is_same else {"ambiguous-lesion"})
    assert [row["category"] for row in changes] == ["decrease" if is_same else "not_evaluable"]
