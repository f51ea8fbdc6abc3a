"""Tables made by hand whose faults could give a wrong class: manifests, and volumes of other programs."""

import csv

import pytest
from study_phantoms import write_box

from volumetry.cli import main

HEAD = "patient,visit,study_date,visit_order,lesion,reader,read,trace,scan\n"


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measured(tmp_path, lines, encoding="utf-8"):
    """Run a batch by a manifest; return its exit code, measurements and changes."""
    for name, rows in {"a": 10, "b": 5, "c": 7}.items():
        write_box(tmp_path / f"study/{name}.nii.gz", rows=(5, 5 + rows))
    (tmp_path / "m.csv").write_bytes((HEAD + "".join(f"{line}\n" for line in lines)).encode(encoding))
    arguments = ["batch", str(tmp_path / "study"), "--manifest", str(tmp_path / "m.csv"), "--jobs", "1"]
    code = main(["--quiet", *arguments, "--out", str(tmp_path / "out")])
    tables = []
    for name in ("measurements", "changes"):
        path = tmp_path / f"out/{name}.csv"
        tables.append(read(path) if path.exists() else [])
    return code, *tables


def test_one_tracing_is_not_of_two_visits(tmp_path):
    _, rows, changes = measured(
        tmp_path, ["P,v1,2019-01-01,,x,,,a.nii.gz,", "P,v2,2020-01-01,,x,,,a.nii.gz,"]
    )
    assert [row["volume_mm3"] for row in rows] == ["6400.0"] * 2
    assert [(c["category"], c["reason"]) for c in changes] == [("not_evaluable", "ambiguous-lesion")]


def test_one_visit_with_two_places_is_refused(tmp_path, capsys):
    lines = ["P,v1,,1,x,,,a.nii.gz,", "P,v1,,2,y,,,c.nii.gz,", "P,v2,,2,x,,,b.nii.gz,"]
    assert measured(tmp_path, lines)[0] == 2
    assert "lines 2 and 3" in capsys.readouterr().err


def test_days_are_those_of_the_lesion(tmp_path):
    lines = [
        "P,v1,2019-01-01,,x,,,a.nii.gz,",
        "P,v1,2019-01-03,,y,,,c.nii.gz,",
        "P,v2,2020-01-01,,x,,,b.nii.gz,",
    ]
    write_box(tmp_path / "study/d.nii.gz", rows=(5, 9))
    _, _, changes = measured(tmp_path, [*lines, "P,v2,2020-01-01,,y,,,d.nii.gz,"])
    assert {c["lesion"]: c["days"] for c in changes} == {"x": "365", "y": "363"}


def test_a_visit_whose_dates_enclose_another_visit_is_not_ordered(tmp_path):
    lines = [
        "P,a,2019-01-01,,x,,,a.nii.gz,",
        "P,a,2021-01-01,,y,,,c.nii.gz,",
        "P,b,2020-01-01,,x,,,b.nii.gz,",
    ]
    _, _, changes = measured(tmp_path, lines)
    assert {c["reason"] for c in changes} == {"visit-order-unknown"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_encodings_of_spreadsheets(tmp_path, encoding):
    lines = ["Jürgen,v1,2019-01-01,,x,,,a.nii.gz,", "Jürgen,v2,2020-01-01,,x,,,b.nii.gz,"]
    code, rows, changes = measured(tmp_path, lines, encoding)
    assert code == 0
    assert {row["patient"] for row in rows} == {"Jürgen"}
    assert [c["category"] for c in changes] == ["decrease"]


def test_a_date_that_a_spreadsheet_has_rewritten_is_shown(tmp_path, capsys):
    assert measured(tmp_path, ["P,v1,01.02.2019,,x,,,a.nii.gz,"])[0] == 2
    assert "study_date is '01.02.2019', no date such as 2024-03-02" in capsys.readouterr().err


# -- tables of other programs -------------------------------------------------------------------------------

ROWS = 'volume_unit = "ml"\n[columns]\npatient = "ID"\nvisit = "V"\nvolume = "Vol"\n'


def classed(tmp_path, table, mapping):
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    out = tmp_path / "c.csv"
    arguments = [str(tmp_path / "t.csv"), "--mapping", str(tmp_path / "m.toml"), "--out", str(out)]
    code = main(["change", *arguments])
    return code, read(out) if code == 0 else []


def test_a_point_beside_a_comma_may_part_thousands(tmp_path, capsys):
    table = "ID;V;Vol\n1;v1;1.234\n1;v2;1.234,5\n1;v3;5,25\n"
    assert classed(tmp_path, table, f'decimal = ","\n{ROWS}')[0] == 2
    told = capsys.readouterr().err
    assert "line 2: Vol is '1.234'" in told
    assert "line 3: Vol is '1.234,5'" in told
    assert "line 4" not in told


@pytest.mark.parametrize("name", ["Site", "lesion", "Reader", "SIDE"])
def test_a_column_that_says_whose_a_volume_is_is_not_passed_by(tmp_path, capsys, name):
    table = f"ID,V,Vol,{name}\n1,v1,10,a\n1,v2,5,b\n"
    assert classed(tmp_path, table, ROWS)[0] == 2
    assert f'{name.casefold()} = "{name}"' in capsys.readouterr().err
    code, changes = classed(tmp_path, table, f'ignored = ["{name}"]\n{ROWS}')
    assert code == 0
    assert [c["category"] for c in changes] == ["decrease"]


def test_visits_named_as_dates_have_days(tmp_path):
    _, changes = classed(tmp_path, "ID,V,Vol\n1,2020-01-01,10\n1,2019-01-01,5\n", ROWS)
    assert [(c["category"], c["days"]) for c in changes] == [("increase", "365")]


def test_a_visit_of_a_table_whose_dates_enclose_another_is_not_ordered(tmp_path):
    table = "ID,V,Vol,D,L\n1,a,10,2019-01-01,x\n1,a,9,2021-01-01,y\n1,b,5,2020-01-01,x\n"
    _, changes = classed(tmp_path, table, ROWS + 'study_date = "D"\nlesion = "L"\n')
    assert {c["reason"] for c in changes} == {"visit-order-unknown"}


def test_faults_name_the_line_of_the_file(tmp_path, capsys):
    lines = ["# a comment", "", "P,v1,2019-01-01,,x,,,a.nii.gz,", "# another", "P,v2,1.2.2020,,x,,,b.nii.gz,"]
    assert measured(tmp_path, lines)[0] == 2
    assert "line 6: study_date" in capsys.readouterr().err
