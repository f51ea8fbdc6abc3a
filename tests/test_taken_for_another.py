"""What could be taken for another without a word: files with something behind ``mask``, weightings, dates."""

import datetime
import re
import shutil
import unicodedata

import pytest
from dicom_phantoms import stack_voxels, uid_of, write_series
from phantoms import contour_items, write_rtstruct
from pydicom import DataElement, config
from study_phantoms import batch_results, box_contours, box_trace, coronal, write_box, write_box_trace

from volumetry.agreement.adjudication import consensus_of_decisions, disagreement_rows, read_lesions
from volumetry.cli import main
from volumetry.errors import UsageError
from volumetry.formats.dicom.file.values import iso_date
from volumetry.study.finding.names import is_mask_name
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.study.visit_order import order_of_visits

GEOMETRY = coronal(size=24)


def write_study(
    folder, *, patient="P1", date="20200101", rows=10, region="L1", key="", change=None, geometry=GEOMETRY
):
    """A DICOM series with an RTSTRUCT of one box, so many rows high, under one name or several."""
    key = key or str(folder)
    series, study = uid_of("s", key), uid_of("t", key)

    def dated(ds, _=0):
        ds[0x00080020] = DataElement(0x00080020, "DA", date, validation_mode=config.IGNORE)
        if change is not None:
            change(ds)

    def also(ds):
        ds.StudyInstanceUID, ds.SOPInstanceUID = study, uid_of("o", key)
        dated(ds)

    write_series(
        folder / "mr", geometry, stack_voxels(geometry), patient_id=patient, series_uid=series,
        study_uid=study, change=dated,
    )  # fmt: skip
    outlines = box_contours(range(3, 7), (5.0, 5.0 + rows), (6.0, 16.0))
    names = (region,) if isinstance(region, str) else region
    items = contour_items(box_trace(geometry, contours=outlines))
    write_rtstruct(
        folder / "rt.dcm", dict.fromkeys(names, items), series_uid=series, patient_id=patient, change=also,
        frame_of_reference_uid=geometry.frame_of_reference_uid or "1.2.3.4",
    )  # fmt: skip


# -- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["_corrected", " - Copy", " (1)", "_overlay", "_v2", "_cyst", ".old"])
@pytest.mark.parametrize("stem", ["lesion_mask", "t1_mask", "mask", "t1_label", "t1_dseg"])
def test_what_has_something_behind_the_word_for_a_mask_is_no_image(tmp_path, stem, tail):
    assert is_mask_name(f"{stem}{tail}.nii.gz")
    for rows, visit in ((10, "2020-01-01"), (6, "2021-01-01")):
        place = tmp_path / "study/P1" / visit
        write_box(place / "t1.nii.gz", GEOMETRY)
        write_box(place / f"{stem}.nii.gz", GEOMETRY, rows=(5, 5 + rows))
        write_box(place / f"{stem}{tail}.nii.gz", coronal(size=20), rows=(5, 5 + rows))
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["scan"].rpartition("/")[2] for row in rows} == {"t1.nii.gz"}
    assert {row["code"] for row in rows} <= {"ambiguous-lesion", "grid-mismatch"}
    assert {change["category"] for change in changes} == {"not_evaluable"}


@pytest.mark.parametrize("tail", [" (1)", " - Copy"])
def test_copies_of_flat_masks_are_ambiguous(tmp_path, tail):
    for rows, visit in ((10, "2020-01-01"), (6, "2021-01-01")):
        write_box(tmp_path / f"study/P1_{visit}_t1.nii.gz")
        for end in ("", tail):
            write_box(tmp_path / f"study/P1_{visit}_t1_mask{end}.nii.gz", rows=(5, 5 + rows - len(end)))
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert {change["category"] for change in changes} == {"not_evaluable"}


@pytest.mark.parametrize(
    "name", ["t1.nii.gz", "t1_seg_k2.nii.gz", "masked_t1.nii.gz", "sub-01_label-GM_probseg.nii.gz"]
)
def test_names_of_images_stay_those_of_images(name):
    assert not is_mask_name(name)


# -- visits -------------------------------------------------------------------------------------------------


def test_weightings_are_no_time_points(tmp_path):
    for rows, weighting in ((10, "T1"), (6, "T2")):
        write_box(tmp_path / f"study/P01/{weighting}/img.nii.gz")
        write_box(tmp_path / f"study/P01/{weighting}/img_mask.nii.gz", rows=(5, 5 + rows))
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["visit_order_by"] for row in rows} == {"unknown"}
    assert [change["reason"] for change in changes] == ["visit-order-unknown"]
    assert order_of_visits({"t0": "", "t1": "", "t2": ""}).by == "numbers"


@pytest.mark.parametrize(
    "text", ["00000000", "00010101", "20211301", "20200230", "99999999", "01.01.2020", "18991231"]
)
def test_what_is_no_day_is_no_date(text):
    assert iso_date(text) == ""


@pytest.mark.parametrize("text", ["20200101", "2020.01.01", "2020-01-01", "20200101120000", "20200101 "])
def test_a_day_is_read_however_it_is_written(text):
    assert iso_date(text) == "2020-01-01"


@pytest.mark.parametrize("impossible", ["00010101", "20211301", "99999999"])
def test_an_impossible_date_orders_nothing_and_ends_nothing(tmp_path, impossible):
    root = tmp_path / "study"
    write_study(root / "P1/v1", date=impossible, rows=10)
    write_study(root / "P1/v2", date="20200101", rows=5)
    write_study(root / "P2/v1", patient="P2", date="20200101", rows=10)
    write_study(root / "P2/v2", patient="P2", date="20210101", rows=5)
    _, rows, changes = batch_results(root)
    assert {row["study_date"] for row in rows if row["patient"] == "P1"} == {"", "2020-01-01"}
    assert [c["category"] for c in changes if c["patient"] == "P2"] == ["decrease"]
    assert {c["category"] for c in changes if c["patient"] == "P1"} == {"not_evaluable"}
    assert any("malformed-tag" in row["flags"] for row in rows)


# -- tracings -----------------------------------------------------------------------------------------------


def test_a_tracing_copied_to_the_next_visit_is_flagged(tmp_path):
    for visit, rows in (("2020-01-01", 10), ("2021-01-01", 10), ("2022-01-01", 9)):
        write_box(tmp_path / f"study/P1/{visit}/lesion_mask.nii.gz", rows=(5, 5 + rows))
    _, _, changes = batch_results(tmp_path / "study")
    assert ["duplicate-file" in change["flags"].split(";") for change in changes] == [True, False]


def test_empty_masks_are_equal_without_being_copies(tmp_path):
    for visit in ("2020-01-01", "2021-01-01"):
        write_box(tmp_path / f"study/P1/{visit}/lesion_mask.nii.gz", rows=(5, 5))
    _, _, changes = batch_results(tmp_path / "study")
    assert not any("duplicate-file" in change["flags"] for change in changes)


def test_one_tracing_found_twice_is_measured_once(tmp_path):
    write_study(tmp_path / "study/P1/v1")
    write_study(tmp_path / "study/P1/v2", date="20210101", rows=5)
    (tmp_path / "study/P1/v1/assessors").mkdir()
    shutil.copy(tmp_path / "study/P1/v1/rt.dcm", tmp_path / "study/P1/v1/assessors/rt.dcm")
    code, rows, changes = batch_results(tmp_path / "study")
    assert code == 0
    assert [row["status"] for row in rows] == ["measured", "measured"]
    assert ["duplicate-file" in row["flags"] for row in rows] == [True, False]
    assert [change["category"] for change in changes] == ["decrease"]


def test_two_different_tracings_stay_ambiguous(tmp_path):
    write_box(tmp_path / "study/P1/v1/lesion_mask.nii.gz", rows=(5, 15))
    write_box(tmp_path / "study/P1/v1/lesion_mask (1).nii.gz", rows=(5, 14))
    _, rows, _ = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_with_accents_are_equal_however_they_are_written(tmp_path, form):
    def utf_8(ds):
        ds.SpecificCharacterSet = "ISO_IR 192"

    write_study(tmp_path / "study/P1/v1", region=unicodedata.normalize("NFC", "Lésion"), change=utf_8)
    again = unicodedata.normalize(form, "Lésion")
    write_study(tmp_path / "study/P1/v2", region=again, date="20210101", rows=5, change=utf_8)
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["lesion"] for row in rows} == {"Lésion"}
    assert [change["category"] for change in changes] == ["decrease"]


def test_the_row_keeps_what_the_file_calls_a_lesion_that_a_manifest_renames(tmp_path):
    write_study(tmp_path / "study/P1/v1", region="Tumour Huber")
    manifest = tmp_path / "m.csv"
    line = "P1,v1,L1,Tumour Huber,study/P1/v1/mr,study/P1/v1/rt.dcm"
    manifest.write_text(f"patient,visit,lesion,roi,scan,trace\n{line}\n")
    _, rows, _ = batch_results(tmp_path / "study", "--manifest", manifest)
    assert [(row["lesion"], row["region"]) for row in rows] == [("L1", "Tumour Huber")]
    key = ["--pseudonyms", tmp_path / "key", "--fresh"]
    (tmp_path / "study_out").rename(tmp_path / "clear")
    _, rows, _ = batch_results(tmp_path / "study", "--manifest", manifest, *key)
    assert [row["region"][0] for row in rows] == ["F"]  # a case id: the name may be hidden on purpose


@pytest.mark.parametrize("left", ["export", "figures"])
def test_objects_with_clear_names_are_not_left_beside_pseudonyms(tmp_path, left):
    write_box(tmp_path / "study/P1/v1/lesion_mask.nii.gz")
    (tmp_path / "out" / left).mkdir(parents=True)
    call = ["batch", tmp_path / "study", "--out", tmp_path / "out", "--pseudonyms", tmp_path / "key"]
    assert main(list(map(str, call))) == 2


# -- patients -----------------------------------------------------------------------------------------------


def born(day, sex):
    def change(ds):
        ds.PatientSex = sex
        ds[0x00100030] = DataElement(0x00100030, "DA", day, validation_mode=config.IGNORE)

    return change


@pytest.mark.parametrize(
    "places", [("export/a", "export/b"), ("2020-01-01", "2021-01-01"), ("P/pre", "P/post")]
)
@pytest.mark.parametrize("second", [("19600305", "F"), ("19500304", "M"), ("", "M")])
def test_one_patient_id_with_two_birth_dates_or_sexes_is_not_believed(tmp_path, places, second, capsys):
    people = (("19500304", "F"), second)
    for place, date, person, rows in zip(places, ("20200101", "20210101"), people, (10, 5), strict=True):
        write_study(tmp_path / "study" / place, patient="77", date=date, rows=rows, change=born(*person))
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert not any(change["category"] != "not_evaluable" for change in changes)
    written = (
        "".join(path.read_text() for path in (tmp_path / "study_out").iterdir()) + capsys.readouterr().out
    )
    assert re.findall("19500304|19600305|1950-03-04|1960-03-05", written) == []
    (tmp_path / "p.toml").write_text('[identity]\npatient = "PatientID"\n')
    _, _, changes = batch_results(tmp_path / "study", "--protocol", tmp_path / "p.toml")
    assert [change["category"] for change in changes] == ["decrease"]


@pytest.mark.parametrize("first", ["19500304", "", "00000000", "19000101"])
def test_what_an_anonymiser_writes_is_no_birth_date(tmp_path, first):
    for place, date, day in (("v1", "20200101", first), ("v2", "20210101", "19500304")):
        write_study(tmp_path / "study/P1" / place, patient="77", date=date, change=born(day, ""))
    _, rows, _ = batch_results(tmp_path / "study")
    assert {row["status"] for row in rows} == {"measured"}


@pytest.mark.parametrize("patient", ["", "ANON", "anonymous", "0000", "XXXX", "Unknown"])
@pytest.mark.parametrize("places", [("export/a", "export/b"), ("export/dicom/x1", "export/dicom/x2")])
def test_images_that_name_no_patient_below_one_folder_are_not_believed(tmp_path, patient, places):
    for place, date, rows in zip(places, ("20200101", "20210101"), (10, 5), strict=True):
        write_study(tmp_path / "study" / place, patient=patient, date=date, rows=rows)
    _, rows, changes = batch_results(tmp_path / "study")
    assert {row["code"] for row in rows} == {"patient-unclear"}
    assert not any(change["category"] != "not_evaluable" for change in changes)


def test_first_folders_are_patients_where_images_name_none(tmp_path):
    for place, date, rows in (("P1/a", "20200101", 10), ("P1/b", "20210101", 5), ("P2/a", "20200101", 10)):
        write_study(tmp_path / "study" / place, patient="", date=date, rows=rows)
    _, rows, _ = batch_results(tmp_path / "study")
    assert {(row["patient"], row["status"]) for row in rows} == {("P1", "measured"), ("P2", "measured")}


@pytest.mark.parametrize("patient", ["", "ANON"])
def test_visits_below_the_folder_of_a_patient_are_believed(tmp_path, patient):
    for place, date, rows in (("pre", "20200101", 10), ("post", "20210101", 5)):
        write_study(tmp_path / "study/P1" / place, patient=patient, date=date, rows=rows)
    _, _, changes = batch_results(tmp_path / "study")
    assert [change["category"] for change in changes] == ["decrease"]


def test_a_mask_above_the_one_series_is_of_the_patient_of_its_images(tmp_path):
    write_study(tmp_path / "study/A/20200101", patient="A")
    (tmp_path / "study/A/20200101/rt.dcm").unlink()
    write_box(tmp_path / "study/lost_mask.nii.gz", GEOMETRY)
    _, rows, _ = batch_results(tmp_path / "study")
    assert [(row["patient"], row["visit"]) for row in rows if row["trace"]] == [("A", "2020-01-01")]


# -- pseudonyms ---------------------------------------------------------------------------------------------

HIDDEN = Pseudonymiser(key=b"k" * 32, shift_dates=True)


@pytest.mark.parametrize(
    "visit",
    [
        "2020-01-05",
        "20200105",
        "2020_01_05",
        "ses-20200105",
        "20200105_MRI",
        "MR 2020-01-05",
        "v1.2020.01.05",
    ],
)
def test_a_date_in_the_name_of_a_visit_moves_as_the_others_do(visit):
    day = HIDDEN.shifted("2020-01-05", "P1")
    shown = HIDDEN.visit(visit, "P1")
    assert re.sub(r"\D", "", shown).endswith(day.replace("-", ""))
    assert re.sub(r"\d{4}.?\d\d.?\d\d", "", shown) == re.sub(r"\d{4}.?\d\d.?\d\d", "", visit)


@pytest.mark.parametrize(
    "visit", ["05.01.2020", "V1 05.01.2020", "5-1-20", "20200105120000", "Jan 2020", "2020-13-05"]
)
def test_the_name_of_a_visit_that_may_hold_a_date_has_a_case_id(visit):
    assert re.fullmatch("F[0-9a-f]{12}", HIDDEN.visit(visit, "P1"))


@pytest.mark.parametrize("visit", ["pre", "month12", "V1", "ses-02", "baseline_2"])
def test_other_names_of_visits_stay(visit):
    assert HIDDEN.visit(visit, "P1") == visit


def test_the_order_of_the_protocol_holds_for_moved_names(tmp_path):
    for visit, rows in (("V1 05.01.2020", 10), ("20210105_MRI", 5)):
        write_box(tmp_path / f"study/P1/{visit}/lesion_mask.nii.gz", rows=(5, 5 + rows))
    protocol = tmp_path / "p.toml"
    protocol.write_text(
        '[study]\nvisits = ["V1 05.01.2020", "20210105_MRI"]\n[privacy]\nshift_dates = true\n',
        encoding="utf-8",
    )
    call = ("--protocol", protocol, "--pseudonyms", tmp_path / "key")
    _, rows, changes = batch_results(tmp_path / "study", *call)
    assert [change["category"] for change in changes] == ["decrease"]
    written = "".join(path.read_text() for path in (tmp_path / "study_out").glob("*.[cj]s*"))
    assert not re.search(r"05\.01\.2020|20210105", re.sub(r'"visits": \[[^]]*\]', "", written))


def test_a_study_uid_as_visit_has_one_that_stands_for_it(tmp_path):
    write_study(tmp_path / "study/P1/a")
    write_study(tmp_path / "study/P1/b", rows=5)
    protocol = tmp_path / "p.toml"
    protocol.write_text('[identity]\nvisit = "StudyInstanceUID"\n', encoding="utf-8")
    _, clear, _ = batch_results(tmp_path / "study", "--protocol", protocol)
    (tmp_path / "study_out").rename(tmp_path / "clear")
    _, rows, _ = batch_results(tmp_path / "study", "--protocol", protocol, "--pseudonyms", tmp_path / "key")
    assert not {row["visit"] for row in rows} & {row["visit"] for row in clear}


def test_a_lesion_that_is_named_after_its_patient_is_told_of(tmp_path, caplog):
    write_study(tmp_path / "study/Mueller/v1", patient="Mueller", region="GTV Mueller 2")
    call = ["batch", tmp_path / "study", "--out", tmp_path / "out", "--pseudonyms", tmp_path / "key"]
    assert main(list(map(str, call))) == 0
    assert "in 1 rows" in caplog.text
    assert "Mueller" not in caplog.text


@pytest.mark.parametrize("name", ["GTV {day}", "{day}_lesion", "GTV {day} 2"])
@pytest.mark.parametrize("form", ["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y"])
def test_a_date_in_the_name_of_a_lesion_does_not_tell_by_how_many_days_dates_are_shifted(
    name, form, tmp_path
):
    days = {"a": datetime.date(2024, 1, 1), "b": datetime.date(2025, 6, 1)}  # b is not moved as far as a
    region = name.format(day=days["a"].strftime(form))
    for visit, day in days.items():
        write_study(
            tmp_path / f"study/P1/{visit}",
            date=day.strftime("%Y%m%d"),
            region=region,
            rows=10 if visit == "a" else 5,
        )
    protocol = tmp_path / "study.toml"
    protocol.write_text("[privacy]\nshift_dates = true\n", encoding="utf-8")
    call = ("--protocol", protocol, "--pseudonyms", tmp_path / "key", "--export", "seg")
    status, rows, (change,) = batch_results(tmp_path / "study", *call)
    assert status == 0
    assert change["category"] == "decrease"
    assert len({row["lesion"] for row in rows}) == 1
    assert len(list((tmp_path / "study_out/export").iterdir())) == 2
    paths = [path for path in (tmp_path / "study_out").rglob("*") if path.is_file()]
    written = b"".join(str(path).encode() + path.read_bytes() for path in paths)
    assert days["a"].strftime(form).encode() not in written


# -- sites --------------------------------------------------------------------------------------------------


def test_adjudication_tells_one_patient_id_of_two_sites_apart(tmp_path):
    study, lines = tmp_path / "study", ["site,patient,visit,scan,trace"]
    for site, bottom in (("north", 12.0), ("south", 9.0)):
        write_box(study / site / "t1.nii.gz")
        for reader, more in (("A", 0.0), ("B", 3.0)):
            place = f"{site}/{reader}.trace.json"
            outlines = box_contours(rows=(5.0, bottom + more))
            write_box_trace(study / place, reader=reader, contours=outlines)
            lines.append(f"{site},p1,v1,{site}/t1.nii.gz,{place}")
    (study / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    lesions = read_lesions(study)
    assert [(lesion.site, sorted(lesion.reads)) for lesion in lesions] == [
        ("north", ["A", "B"]),
        ("south", ["A", "B"]),
    ]
    assert [row["site"] for row in disagreement_rows(lesions)] == ["north", "south"]
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("patient,visit,side,lesion,how,reader\np1,v1,L,L1,chosen,B\n", encoding="utf-8")
    with pytest.raises(UsageError, match="several sites"):
        consensus_of_decisions(lesions, decisions)
    decisions.write_text(
        "site,patient,visit,side,lesion,how,reader\nnorth,p1,v1,L,L1,chosen,B\n", encoding="utf-8"
    )
    ((lesion, path, _),) = consensus_of_decisions(lesions, decisions)
    assert (lesion.site, path.parent.name) == ("north", "north")
