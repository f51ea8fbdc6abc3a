"""Kinds of folders in which one visit, lesion or patient could be taken for another without a word."""

import pytest
from study_phantoms import batch_results, coronal, write_box, write_box_trace

from volumetry import ScanSource
from volumetry.cli import main
from volumetry.study.visit_order import first_days, order_of_visits


def masks(root, rows_of):
    """Write a mask for every path, so many rows high."""
    for path, rows in rows_of.items():
        write_box(root / path, rows=(5, 5 + rows))


def classes(changes):
    return {c["category"] for c in changes} - {"not_evaluable"}


# -- who ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visits", [("2019-01-01", "2020-01-01"), ("pre", "post"), ("month0", "month12")])
@pytest.mark.parametrize("patients", [("T1", "T2"), ("P01", "P02"), ("01", "02")])
def test_folders_of_visits_above_those_of_patients_are_no_patients(tmp_path, visits, patients):
    root = tmp_path / "study"
    masks(root, {f"{v}/{p}/lesion_mask.nii.gz": 10 - 5 * i for i, v in enumerate(visits) for p in patients})
    code, rows, changes = batch_results(root)
    assert code == 4
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert {row["visit"] for row in rows} == {""}
    assert not classes(changes)
    (tmp_path / "p.toml").write_text(
        '[identity]\npatient = "folder:2"\nvisit = "folder:1"\n'
        f'[study]\nvisits = ["{visits[0]}", "{visits[1]}"]\n'
    )
    code, rows, changes = batch_results(root, "--protocol", tmp_path / "p.toml")
    assert code == 0
    assert {(c["patient"], c["category"]) for c in changes} == {(p, "decrease") for p in patients}


def test_the_folder_of_one_patient_is_said_to_be_so(tmp_path):
    masks(tmp_path / "P1", {"2019-01-01/lesion_mask.nii.gz": 10, "2020-01-01/lesion_mask.nii.gz": 5})
    _, rows, _ = batch_results(tmp_path / "P1")
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert "name the folder above" in rows[0]["message"]


def test_one_patient_may_be_called_as_a_day_is(tmp_path):
    root = tmp_path / "study"
    masks(root, {"20190101/v1/a_mask.nii.gz": 10, "20190101/v2/a_mask.nii.gz": 5})
    assert classes(batch_results(root)[2]) == {"decrease"}


# -- when ---------------------------------------------------------------------------------------------------


def test_a_hyphen_that_may_be_a_minus_orders_nothing():
    assert order_of_visits({"day-7": "", "day28": ""}).by == "unknown"
    assert order_of_visits({"day-7": "", "day-28": ""}).by == "numbers"


def test_visits_whose_days_overlap_are_not_ordered_by_them():
    assert first_days({"a": ["2020-01-01", "2020-06-01"], "b": ["2020-03-01"]}) == {"a": "", "b": ""}
    assert first_days({"a": ["2020-01-01", "2020-01-20"], "b": ["2021-03-01"], "c": []}) == {
        "a": "2020-01-01",
        "b": "2021-03-01",
        "c": "",
    }


# -- what is said on the screen -----------------------------------------------------------------------------


def test_ambiguous_tracings_are_no_success(tmp_path):
    masks(tmp_path / "study", {f"P1/v1/{name}_mask.nii.gz": 5 for name in "ab"})
    code, rows, _ = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert code == 4


# -- which lesion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [("tumor", "cyst"), ("lesion1", "lesion2"), ("liver_met", "spleen_met")]
)
def test_masks_of_other_names_are_not_taken_for_one_lesion(tmp_path, first, second):
    root = tmp_path / "study"
    masks(root, {f"P1/v1/{first}_mask.nii.gz": 10, f"P1/v2/{second}_mask.nii.gz": 5})
    code, rows, changes = batch_results(root)
    assert code == 4
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert not classes(changes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("P1_v1", "P1_v2"),
        ("lesion", "lesion_final"),
        ("scan1", "scan2"),
        ("20190101_tumor", "20200101_tumor"),
        ("mask_left", "left_mask"),
        ("segmentation", "lesion_seg"),
        ("segmentation_label", "seg_label"),
        ("4_t1_vibe", "6_t1_space"),
        ("lesion_manual", "lesion_corrected"),
    ],
)
def test_names_of_masks_that_tell_no_lesion(tmp_path, first, second):
    root = tmp_path / "study"
    names = [name if "mask" in name or "seg" in name else f"{name}_mask" for name in (first, second)]
    masks(root, {f"P1/v1/{names[0]}.nii.gz": 10, f"P1/v2/{names[1]}.nii.gz": 5})
    code, _, changes = batch_results(root)
    assert code == 0
    assert classes(changes) == {"decrease"}


def test_a_mask_with_the_name_of_its_image_tells_no_lesion(tmp_path):
    root = tmp_path / "study"
    masks(root, {"P1/v1/anna_mask.nii.gz": 10, "P1/v2/bob_mask.nii.gz": 5})
    masks(root, {"P1/v1/anna.nii.gz": 10, "P1/v2/bob.nii.gz": 5})
    assert classes(batch_results(root)[2]) == {"decrease"}


def test_readers_in_the_names_of_masks(tmp_path):
    root = tmp_path / "study"
    masks(root, {f"P1/v{v}/lesion_reader{r}_mask.nii.gz": 10 * v for v in (1, 2) for r in "AB"})
    code, rows, changes = batch_results(root)
    assert code == 0
    assert {row["reader"] for row in rows} == {"A", "B"}
    assert [c["category"] for c in changes] == ["increase", "increase"]


def test_the_manifest_asks_for_lesions_where_the_names_of_masks_differ(tmp_path):
    root = tmp_path / "study"
    masks(root, {"P1/v1/tumor_mask.nii.gz": 10, "P1/v2/cyst_mask.nii.gz": 5, "P1/v2/tumor_mask.nii.gz": 5})
    manifest = tmp_path / "m.csv"
    assert main(["--quiet", "manifest", str(root), "--out", str(manifest)]) == 0
    _, rows, changes = batch_results(root, "--manifest", manifest)
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert not classes(changes)
    text = manifest.read_text(encoding="utf-8")
    assert {line.split(",")[5] for line in text.splitlines() if line.startswith("P1")} == {
        "? tumor",
        "? cyst",
    }
    manifest.write_text(text.replace("? ", ""), encoding="utf-8")
    code, rows, changes = batch_results(root, "--manifest", manifest)
    assert code == 0
    assert {row["lesion"] for row in rows} == {"tumor", "cyst"}
    assert [(c["lesion"], c["category"]) for c in changes if c["category"] != "not_evaluable"] == [
        ("tumor", "decrease")
    ]


# -- which hospital -----------------------------------------------------------------------------------------


def test_one_name_in_the_folders_of_two_hospitals(tmp_path):
    root = tmp_path / "study"
    masks(root, {"north/p01/v1/a_mask.nii.gz": 10, "south/p01/v2/a_mask.nii.gz": 5})
    identity = '[identity]\npatient = "folder:2"\nvisit = "folder:3"\n'
    (tmp_path / "p.toml").write_text(identity)
    code, rows, changes = batch_results(root, "--protocol", tmp_path / "p.toml")
    assert code == 4
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert not classes(changes)
    (tmp_path / "p.toml").write_text(f'{identity}site = "folder:1"\n')
    masks(root, {"north/p01/v2/a_mask.nii.gz": 12, "south/p01/v1/a_mask.nii.gz": 12})
    code, rows, changes = batch_results(root, "--protocol", tmp_path / "p.toml")
    assert code == 0
    assert [(c["site"], c["patient"], c["category"]) for c in changes] == [
        ("north", "p01", "increase"),
        ("south", "p01", "decrease"),
    ]


def test_visits_above_patients_are_no_hospitals(tmp_path):
    root = tmp_path / "study"
    masks(root, {"v1/p01/a_mask.nii.gz": 10, "v2/p01/a_mask.nii.gz": 5})
    (tmp_path / "p.toml").write_text('[identity]\npatient = "folder:2"\nvisit = "folder:1"\n')
    code, _, changes = batch_results(root, "--protocol", tmp_path / "p.toml")
    assert code == 0
    assert classes(changes) == {"decrease"}


def test_traces_of_several_patients_in_one_folder(tmp_path):
    root = tmp_path / "study"
    for visit, patient in (("v1", "A"), ("v2", "B")):
        write_box_trace(root / f"P1/{visit}/L1.trace.json", source=ScanSource(patient=patient))
    code, rows, changes = batch_results(root)
    assert code == 4
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert not classes(changes)
    (tmp_path / "p.toml").write_text('[identity]\npatient = "folder:1"\n')
    assert classes(batch_results(root, "--protocol", tmp_path / "p.toml")[2]) == {"no_change"}


# -- which side ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{0}", "{0}_mask"),
        ("imagesTr/{0}_0000", "labelsTr/{0}"),
        ("imagesTr/{0}", "labelsTr/{0}"),
        ("images/{0}", "masks/{0}"),
        ("{0}", "labels/final/{0}"),
    ],
)
def test_sides_in_the_names_of_images_are_sides(tmp_path, image, mask):
    root = tmp_path / "study"
    for name, rows in (("P01_v1_left", 10), ("P01_v2_right", 5)):
        across = {"left": 40.0, "right": 0.0}[name.rpartition("_")[2]]
        geometry = coronal(x_mm=across)
        write_box(root / f"{image.format(name)}.nii.gz", geometry)
        write_box(root / f"{mask.format(name)}.nii.gz", geometry, rows=(5, 5 + rows))
    _, rows, changes = batch_results(root)
    assert [(row["patient"], row["side"]) for row in rows if row["trace"]] == [("P01", "L"), ("P01", "R")]
    assert not classes(changes)


def test_numbers_that_may_be_months_and_days_order_nothing():
    for names in (("ses-0615", "ses-0110"), ("ses-1506", "ses-0901")):
        assert order_of_visits(dict.fromkeys(names, "")).by == "unknown"
    for names in (
        ("ses-0001", "ses-0002"),
        ("ses-2019", "ses-2020"),
        ("v09", "v10"),
        ("year2011", "year2012"),
    ):
        assert order_of_visits(dict.fromkeys(names, "")).by == "numbers"


def test_a_session_with_two_dates_has_none(tmp_path):
    root = tmp_path / "study"
    masks(root, {f"sub-1/ses-{s}/sub-1_ses-{s}_mask.nii.gz": rows for s, rows in (("a", 10), ("b", 5))})
    text = "session_id\tacq_time\na\t2020-01-01\nb\t2019-01-01\nses-a\t2018-01-01\n"
    (root / "sub-1/sub-1_sessions.tsv").write_text(text, encoding="utf-8")
    assert {c["reason"] for c in batch_results(root)[2]} == {"visit-order-unknown"}
