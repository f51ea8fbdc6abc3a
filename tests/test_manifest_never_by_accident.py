"""Tables made by hand whose faults could give a wrong class: manifests, and volumes of other programs."""

import csv

import pytest
from study_phantoms import write_box

from volumetry.cli import main

HEAD = "patient,visit,study_date,visit_order,lesion,reader,read,trace,scan\n"


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measured(tmp_path, lines, encoding="utf-8", more=()):
    """Run a batch by a manifest; return its exit code, measurements and changes."""
    for name, rows in {"a": 10, "b": 5, "c": 7}.items():
        write_box(tmp_path / f"study/{name}.nii.gz", rows=(5, 5 + rows))
    (tmp_path / "m.csv").write_bytes((HEAD + "".join(f"{line}\n" for line in lines)).encode(encoding))
    arguments = ["batch", str(tmp_path / "study"), "--manifest", str(tmp_path / "m.csv"), "--jobs", "1"]
    code = main(["--quiet", *arguments, "--out", str(tmp_path / "out"), *more])
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


def test_a_lesion_that_one_line_names_is_not_that_of_a_line_without(tmp_path):
    _, rows, changes = measured(tmp_path, ["P,v1,2019-01-01,,1,,,a.nii.gz,", "P,v2,2020-01-01,,,,,b.nii.gz,"])
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert "Write the lesions of the patient" in rows[0]["message"]
    assert [(c["category"], c["reason"]) for c in changes] == [("not_evaluable", "ambiguous-lesion")]


def test_one_visit_with_two_places_is_refused(tmp_path, capsys):
    lines = ["P,v1,,1,x,,,a.nii.gz,", "P,v1,,2,y,,,c.nii.gz,", "P,v2,,2,x,,,b.nii.gz,"]
    assert measured(tmp_path, lines)[0] == 2
    assert "lines 2 and 3" in capsys.readouterr().err


def named_by_days(tmp_path, *days):
    """Masks whose names say the day of a visit that takes several: ``P_v1_2019-01-03.nii.gz``."""
    for rows, (visit, day) in enumerate(days, start=4):
        write_box(tmp_path / f"study/P_{visit}_{day}.nii.gz", rows=(5, 5 + rows))


def test_days_are_those_of_the_lesion(tmp_path):
    """A visit may take several days, where the files themselves say so."""
    days = [("v1", "2019-01-01"), ("v1", "2019-01-03"), ("v2", "2020-01-01"), ("v2", "2020-01-02")]
    named_by_days(tmp_path, *days)
    lines = [
        f"P,{visit},{day},,{lesion},,,P_{visit}_{day}.nii.gz,"
        for (visit, day), lesion in zip(days, "xyxy", strict=True)
    ]
    _, _, changes = measured(tmp_path, lines)
    assert {c["lesion"]: c["days"] for c in changes} == {"x": "365", "y": "364"}


def test_a_visit_whose_dates_enclose_another_visit_is_not_ordered(tmp_path):
    days = [("a1", "2019-01-01"), ("a1", "2021-01-01"), ("b2", "2020-01-01")]
    named_by_days(tmp_path, *days)
    lines = [
        f"P,{visit},{day},,{lesion},,,P_{visit}_{day}.nii.gz,"
        for (visit, day), lesion in zip(days, "xyx", strict=True)
    ]
    _, _, changes = measured(tmp_path, lines)
    assert {c["reason"] for c in changes} == {"visit-order-unknown"}


@pytest.mark.parametrize("visit", ["v1", "2019-01-01"])
def test_one_visit_with_two_dates_is_refused(tmp_path, capsys, visit):
    """Neither the files nor their names say that the visit took two days."""
    lines = [
        f"P,{visit},2019-01-01,,x,,,a.nii.gz,",
        f"Q,{visit},2019-07-01,,x,,,b.nii.gz,",
        f"P,{visit},2019-03-01,,y,,,c.nii.gz,",
    ]
    assert measured(tmp_path, lines)[0] == 2
    told = capsys.readouterr().err
    assert "one visit has several dates in study_date" in told
    assert "lines 2 and 4" in told
    lines[2] = lines[2].replace("2019-03-01", "")
    assert measured(tmp_path, lines)[0] == 0


def series(folder, day, rows):
    """A DICOM series of a StudyDate, and a native trace on it."""
    from dicom_phantoms import stack_geometry, stack_voxels, write_series
    from study_phantoms import box_contours, box_trace

    from volumetry import read_scan, write_trace

    geometry = stack_geometry(row_direction=(1, 0, 0), column_direction=(0, 0, -1))
    uid = f"2.25.{day}"
    write_series(
        folder / "t1", geometry, stack_voxels(geometry), study_date=day, series_uid=uid, study_uid=f"{uid}.1"
    )
    scan = read_scan(folder / "t1")
    outlines = box_contours(range(1, 5), columns=(6.0, 6.0 + rows))
    trace = box_trace(geometry=scan.geometry, side="", source=scan.hashed_source, contours=outlines)
    write_trace(trace, folder / "L1.trace.json")


@pytest.mark.parametrize(
    ("columns", "is_flagged"),
    [
        (("v1,2021-01-01,", "v2,2020-01-01,"), True),  # dates exchanged
        (("v1,,2", "v2,,1"), True),
        (("v1,2020-01-01,2", "v2,2021-01-01,1"), True),
        (("v1,2021-01-01,1", "v2,2020-01-01,2"), True),  # the dates that are given contradict the order
        (("v1,2019-12-31,", "v2,2020-12-31,"), False),  # moved, in the same order
        (("v2,,1", "v1,,2"), False),
        (("v1,2020-01-01,", "v2,2021-01-01,"), False),
    ],
)
def test_an_order_that_contradicts_the_dates_of_the_series_is_told(tmp_path, columns, is_flagged):
    for name, day, rows in (("one", "20200101", 10), ("two", "20210101", 5)):
        series(tmp_path / f"study/{name}", day, rows)
    lines = [
        f"P,{cells},x,,,{name}/L1.trace.json,{name}/t1"
        for name, cells in zip(("one", "two"), columns, strict=True)
    ]
    code, rows, changes = measured(tmp_path, lines)
    assert code == 0
    for row in (*rows, *changes):
        assert ("visit-dates-conflict" in row["flags"].split(";")) == is_flagged
    for row in rows:
        assert ("contradicts the dates of their images" in row["message"]) == is_flagged
    ranks = [row["visit_order"] for row in sorted(rows, key=lambda row: row["trace"])]  # one, two
    assert [c["category"] for c in changes] == ["decrease" if ranks == ["0", "1"] else "increase"]


@pytest.mark.parametrize(
    ("days", "is_flagged"),
    [(("2022-01-01", "2021-01-01"), True), (("2020-03-01", "2021-03-01"), False), (("", ""), False)],
)
def test_a_year_that_is_written_wrong_contradicts_the_names(tmp_path, days, is_flagged):
    names = ("P/2020-01-01/a", "P/2021-01-01/b")
    for name in names:
        write_box(tmp_path / f"study/{name}.nii.gz")
    lines = [
        f"P,v{n},{day},,x,,,{name}.nii.gz," for n, (day, name) in enumerate(zip(days, names, strict=True))
    ]
    _, rows, changes = measured(tmp_path, lines)
    for row in (*rows, *changes):
        assert ("visit-dates-conflict" in row["flags"].split(";")) == is_flagged


def test_an_order_of_the_protocol_that_contradicts_that_of_the_manifest(tmp_path):
    lines = ["P,pre,,2,x,,,a.nii.gz,", "P,post,,1,x,,,b.nii.gz,"]
    (tmp_path / "study.toml").write_text('[study]\nvisits = ["pre", "post"]\n', encoding="utf-8")
    _, rows, changes = measured(tmp_path, lines, more=("--protocol", str(tmp_path / "study.toml")))
    assert all("visit-dates-conflict" in row["flags"] for row in (*rows, *changes))
    assert "visit_order of the manifest" in rows[0]["message"]
    _, rows, changes = measured(tmp_path, lines, more=("--fresh",))
    assert not any("visit-dates-conflict" in row["flags"] for row in (*rows, *changes))


def test_an_order_of_the_protocol_that_contradicts_the_dates(tmp_path, capsys):
    for name, day, rows in (("P/one", "20200101", 10), ("P/two", "20210101", 5)):
        series(tmp_path / f"study/{name}", day, rows)
    protocol = '[study]\nvisits = ["two", "one"]\n'
    (tmp_path / "p.toml").write_text(protocol, encoding="utf-8")
    arguments = ["batch", str(tmp_path / "study"), "--protocol", str(tmp_path / "p.toml"), "--jobs", "1"]
    assert (
        main(["--quiet", *arguments, "--out", str(tmp_path / "out")]) == 2
    )  # visits are called by StudyDate
    assert (
        "names none of the visits of the study (visits two, one, of the study 2020-"
        in capsys.readouterr().err
    )
    (tmp_path / "p.toml").write_text(f'{protocol}[identity]\nvisit = "folder:2"\n', encoding="utf-8")
    assert main(["--quiet", *arguments, "--out", str(tmp_path / "out")]) == 0
    (change,) = read(tmp_path / "out/changes.csv")
    assert change["category"] == "increase"
    assert "visit-dates-conflict" in change["flags"].split(";")


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
