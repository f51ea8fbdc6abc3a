"""What a spreadsheet does to a manifest, and slips of those who write one: no cell is taken for another."""

import csv

import openpyxl
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import write_box

from volumetry.cli import main

HEAD = ("patient", "visit", "study_date", "visit_order", "side", "lesion", "scan", "trace")


@pytest.fixture
def study(tmp_path):
    """A lesion that halves."""
    write_box(tmp_path / "study/a_mask.nii.gz", rows=(5, 15))
    write_box(tmp_path / "study/b_mask.nii.gz", rows=(5, 10))
    return tmp_path / "study"


def lines(*, patients=("P1", "P1"), visits=("v0", "v1"), dates=("2020-01-01", "2021-01-01"), **cells):
    rows = []
    for place, (patient, visit, day) in enumerate(zip(patients, visits, dates, strict=True)):
        row = {
            "patient": patient,
            "visit": visit,
            "study_date": day,
            "lesion": "A",
            "trace": f"{'ab'[place]}_mask.nii.gz",
        }
        rows.append(row | {name: values[place] for name, values in cells.items()})
    return rows


def as_csv(study, rows, *, before="", delimiter=","):
    path = study / "m.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(before)
        writer = csv.DictWriter(file, HEAD, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_xlsx(study, *sheets, hidden=()):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        sheet.append(HEAD)
        for row in rows:
            sheet.append([row.get(name) for name in HEAD])
        sheet.sheet_state = "hidden" if number in hidden else "visible"
    book.active = next(number for number in range(len(sheets)) if number not in hidden)
    book.save(study / "m.xlsx")
    return study / "m.xlsx"


def batch(study, manifest):
    out = study.parent / "out"
    code = main(["batch", str(study), "--out", str(out), "--manifest", str(manifest)])
    with (out / "changes.csv").open(encoding="utf-8", newline="") as file:
        changes = list(csv.DictReader(file))
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        return code, list(csv.DictReader(file)), changes


def refused(study, manifest, capsys):
    assert main(["batch", str(study), "--out", str(study.parent / "out"), "--manifest", str(manifest)]) == 2
    told = capsys.readouterr().err
    assert "invalid-table" in told
    return told


@pytest.mark.parametrize(
    "name", ["1.23457E+11", "1,2E+12", "#N/A", "#REF!", "nan", "NaT", "None", "NULL", "NA"]
)
@pytest.mark.parametrize("column", ["patient", "lesion"])
def test_a_name_that_is_none_is_refused(study, name, column, capsys):
    rows = [row | {column: name} for row in lines()]
    told = refused(study, as_csv(study, rows), capsys)
    assert f"line 2: {column} is {name!r}" in told.replace("\n", " ")


def test_a_number_of_which_a_spreadsheet_keeps_fifteen_digits_is_no_name(study, capsys):
    ids = (12345678901234567890, 1.2345678901234567e19)
    assert "rounded" in refused(study, as_xlsx(study, lines(patients=ids)), capsys)
    _, rows, changes = batch(study, as_xlsx(study, lines(patients=(123456789012345, 123456789012345.0))))
    assert {row["patient"] for row in rows} == {"123456789012345"}
    assert [change["category"] for change in changes] == ["decrease"]


def test_a_hidden_sheet_is_not_read(study):
    old = lines(visits=("v1", "v0"), dates=("2021-01-01", "2020-01-01"))
    _, _, changes = batch(study, as_xlsx(study, old, lines(), hidden=(0,)))
    assert [(c["category"], c["days"]) for c in changes] == [("decrease", "366")]


def test_two_sheets_that_may_be_meant_are_asked_about(study, capsys):
    assert "sheet 0, sheet 1" in refused(study, as_xlsx(study, lines(), lines()), capsys)


def test_rows_that_a_filter_hides_are_told_of(study, caplog):
    path = as_xlsx(study, lines())
    book = openpyxl.load_workbook(path)
    book.active.row_dimensions[3].hidden = True
    book.save(path)
    _, rows, _ = batch(study, path)
    assert len(rows) == 2
    assert "rows that are hidden, as by a filter, are read, too: 1" in caplog.text


def test_characters_that_nobody_sees_make_no_other_patient(study):
    _, rows, changes = batch(study, as_csv(study, lines(patients=("P1", "P1\u200b"))))
    assert {row["patient"] for row in rows} == {"P1"}
    assert [change["category"] for change in changes] == ["decrease"]


@pytest.mark.parametrize("delimiter", [";", "|"])
def test_the_line_that_names_the_separator_is_no_header(study, delimiter):
    manifest = as_csv(study, lines(), before=f"sep={delimiter}\r\n", delimiter=delimiter)
    assert [change["category"] for change in batch(study, manifest)[2]] == ["decrease"]


@pytest.mark.parametrize("patient", ["# 12", "#", "#12", "'# 12"])
def test_a_patient_whose_name_begins_like_a_comment_is_one(tmp_path, patient):
    for visit, rows in (("2020-01-01", (5, 15)), ("2021-01-01", (5, 10))):
        write_box(tmp_path / f"study/{patient}/{visit}/lesion_mask.nii.gz", rows=rows)
    manifest = tmp_path / "m.csv"
    assert main(["manifest", str(tmp_path / "study"), "--out", str(manifest)]) == 0
    _, rows, changes = batch(tmp_path / "study", manifest)
    assert [change["category"] for change in changes] == ["decrease"]
    assert len(rows) == 2
    quoted = manifest.read_text().replace("'# 12,", '"# 12",')
    manifest.write_text(quoted)
    assert len(batch(tmp_path / "study", manifest)[2]) == 1


def test_a_place_that_some_visits_lack_is_asked_for(study, capsys):
    assert "visit_order" in refused(study, as_csv(study, lines(visit_order=("2", ""))), capsys)
    _, _, changes = batch(study, as_csv(study, lines(visit_order=("2", "1"), dates=("", ""))))
    assert [change["category"] for change in changes] == ["increase"]


def test_the_mapping_of_other_tables_refuses_such_names_too(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("id,visit,ml\n1.23457E+11,v0,2\n1.23457E+11,v1,1\n#N/A,v0,2\n")
    (tmp_path / "m.toml").write_text(
        'volume_unit = "ml"\n[columns]\npatient = "id"\nvisit = "visit"\nvolume = "ml"\n'
    )
    assert (
        main(
            [
                "change",
                str(tmp_path / "t.csv"),
                "--mapping",
                str(tmp_path / "m.toml"),
                "--out",
                str(tmp_path / "c.csv"),
            ]
        )
        == 2
    )
    told = capsys.readouterr().err
    assert "line 2: id is '1.23457E+11'" in told
    assert "line 4: id is '#N/A'" in told


# -- columns that were sorted alone -------------------------------------------------------------------------


def codes_by_paths(tmp_path, cells):
    """Codes of lines (patient, visit, path of the tracing)."""
    for _, _, path in cells:
        write_box(tmp_path / "study" / path)
    rows = [{"patient": p, "visit": v, "lesion": "A", "trace": path} for p, v, path in cells]
    out = tmp_path / "out"
    manifest = as_csv(tmp_path / "study", rows)
    main(["--quiet", "batch", str(tmp_path / "study"), "--out", str(out), "--manifest", str(manifest)])
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        found = {(row["patient"], row["visit"]): row["code"] for row in csv.DictReader(file)}
    return [found[patient, visit] for patient, visit, _ in cells]


SWAPPED = {
    "folders of patients": (
        ("P1", "v1", "P1/v1/m.nii.gz"),
        ("P1", "v2", "P2/v2/m.nii.gz"),
        ("P2", "v1", "P2/v1/m.nii.gz"),
        ("P2", "v2", "P1/v2/m.nii.gz"),
    ),
    "flat names": (
        ("P1", "v1", "P1_v1_mask.nii.gz"),
        ("P1", "v2", "P2_v2_mask.nii.gz"),
        ("P2", "v1", "P2_v1_mask.nii.gz"),
        ("P2", "v2", "P1_v2_mask.nii.gz"),
    ),
    "one slip": (
        ("001", "v1", "001/v1/m.nii.gz"),
        ("001", "v2", "002/v2/m.nii.gz"),
        ("002", "v1", "002/v1/m.nii.gz"),
        ("003", "v1", "003/v1/m.nii.gz"),
    ),
}


@pytest.mark.parametrize("cells", SWAPPED.values(), ids=SWAPPED)
def test_a_path_that_names_another_patient_of_the_manifest(tmp_path, cells):
    wanted = ["" if cell[0] in cell[2] else "patient-unclear" for cell in cells]
    assert codes_by_paths(tmp_path, cells) == wanted


@pytest.mark.parametrize("n_patients", [1, 2])
def test_tracings_sorted_by_name_beside_visits_that_are_not(tmp_path, n_patients):
    order = {"pre": "post", "post": "pre"}
    cells = [(f"P{n}", v, f"P{n}/{order[v]}/m.nii.gz") for n in range(n_patients) for v in order]
    assert set(codes_by_paths(tmp_path, cells)) == {"visit-unclear"}


RENAMED = {
    "patients by new numbers": [("001", "v1", "a/v1/m.nii.gz"), ("002", "v1", "b/v1/m.nii.gz")],
    "the same numbers, dealt anew": [
        (f"0{5 - n}", f"v{v}", f"x{n}/0{n}/v{v}/m.nii.gz") for n in (1, 2, 3, 4) for v in (1, 2)
    ],
    "visits by names": [
        (p, v, f"{p}/{f}/m.nii.gz") for p in ("P1", "P2") for v, f in (("base", "v1"), ("v1", "v2"))
    ],
    "numbers of visits like those of patients": [
        (p, v, f"{f}/{v}/m.nii.gz") for p, f in (("1", "a"), ("2", "b")) for v in ("1", "2")
    ],
    "words of imaging": [("P1", "T1", "P1/a/t1_mask.nii.gz"), ("P1", "T2", "P1/b/t1_mask.nii.gz")],
    "an image of no name": [("P1", "pre", "x/1.nii.gz"), ("P1", "post", "y/2.nii.gz")],
}


@pytest.mark.parametrize("cells", RENAMED.values(), ids=RENAMED)
def test_other_names_than_the_folders_are_believed(tmp_path, cells):
    assert set(codes_by_paths(tmp_path, cells)) == {""}


def codes_by_ids(tmp_path, cells):
    """Codes of lines (patient, visit, PatientID of its images)."""
    geometry = stack_geometry(n_slices=4)
    rows, voxels = [], stack_voxels(geometry)
    for number, (patient, visit, patient_id) in enumerate(cells):
        folder = tmp_path / f"study/{number}"
        write_series(folder / "mr", geometry, voxels, patient_id=patient_id, series_uid=f"2.25.{number + 5}")
        write_box(folder / "lesion.nii.gz", geometry, slices=range(1, 3))
        rows.append(
            {"patient": patient, "visit": visit, "scan": f"{number}/mr", "trace": f"{number}/lesion.nii.gz"}
        )
    out = tmp_path / "out"
    manifest = as_csv(tmp_path / "study", rows)
    main(["--quiet", "batch", str(tmp_path / "study"), "--out", str(out), "--manifest", str(manifest)])
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        found = {(row["patient"], row["visit"]): row["code"] for row in csv.DictReader(file)}
    return [found[patient, visit] for patient, visit, _ in cells]


CROSSED = {
    "by their ids": ([("P1", "a", "P1"), ("P1", "b", "P2"), ("P2", "a", "P2"), ("P2", "b", "P1")], "0101"),
    "one slip": ([("P1", "a", "P1"), ("P1", "b", "P2"), ("P2", "a", "P2"), ("P3", "a", "P3")], "0100"),
    "other names": ([("H", "a", "1"), ("H", "b", "2"), ("K", "a", "2"), ("K", "b", "1")], "1111"),
    "another's besides": ([("H", "a", "1"), ("H", "b", "2"), ("K", "a", "2"), ("M", "a", "3")], "1110"),
    "renumbered": ([("1", "a", "2"), ("1", "b", "2"), ("2", "a", "1"), ("2", "b", "1")], "0000"),
    "two ids of one patient": ([("H", "a", "1"), ("H", "b", "7"), ("K", "a", "2")], "000"),
    "one id for all": (
        [("H", "a", "STUDY"), ("H", "b", "9"), ("K", "a", "STUDY"), ("M", "a", "STUDY")],
        "0000",
    ),
}


@pytest.mark.parametrize(("cells", "wrong"), CROSSED.values(), ids=CROSSED)
def test_images_of_another_patient_of_the_manifest(tmp_path, cells, wrong):
    found = codes_by_ids(tmp_path, cells)
    assert found == ["patient-unclear" if mark == "1" else "" for mark in wrong]


def test_a_mask_whose_name_says_the_other_side(tmp_path):
    rows = []
    for visit, name in (("v1", "left_mask"), ("v2", "right_mask")):
        write_box(tmp_path / f"study/{visit}/{name}.nii.gz")
        rows.append({"patient": "P", "visit": visit, "side": "left", "trace": f"{visit}/{name}.nii.gz"})
    _, found, changes = batch(tmp_path / "study", as_csv(tmp_path / "study", rows))
    assert {(row["visit"], row["code"]) for row in found} == {("v1", ""), ("v2", "side-mismatch")}
    assert {change["category"] for change in changes} == {"not_evaluable"}
