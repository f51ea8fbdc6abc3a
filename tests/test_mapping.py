"""Other people's tables by a mapping: what is missing is asked for by its key."""

import csv

import openpyxl
import pytest

from volumetry.cli import main

LONG = """volume_unit = "cm3"
date_format = "%d.%m.%Y"
decimal = ","

[columns]
patient = "Pat-ID"
visit = "Untersuchung"
study_date = "Datum"
side = "Seite"
volume = "Volumen"

[sides]
links = "L"
rechts = "R"
"""

WIDE = """volume_unit = "ml"
visit_order = ["before", "after"]
not_measured = ["n/a"]

[columns]
patient = "ID"
lesion = "Lesion"

[visits]
"Vol pre" = "before"
"Vol post" = "after"
"""

ONE_A_VISIT = """volume_unit = "ml"
[columns]
patient = "ID"
visit = "V"
volume = "Vol"
"""

LONG_LINES = [
    ["Pat-ID", "Untersuchung", "Datum", "Seite", "Volumen", "Notiz"],
    ["A", "U1", "10.06.2019", "links", "2,0", "x"],
    ["A", "U2", "09.01.2020", "links", "1,0", ""],
    ["A", "U1", "10.06.2019", "rechts", "1,0", ""],
    ["A", "U2", "09.01.2020", "rechts", "1,1", ""],
]
WIDE_LINES = [
    ["ID", "Lesion", "Vol pre", "Vol post"],
    ["B", "L1", "1.5", "3"],
    ["B", "L2", "2", "n/a"],
    ["B", "L3", "2", "0"],
]


def table(path, lines, delimiter=";"):
    path.write_text("".join(delimiter.join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def sheet(path, lines):
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append([float(c) if c.replace(".", "").isdigit() else c for c in line])
    book.save(path)
    return path


def change(path, mapping, tmp_path):
    (tmp_path / "map.toml").write_text(mapping, encoding="utf-8")
    out = tmp_path / "changes.csv"
    code = main(["change", str(path), "--mapping", str(tmp_path / "map.toml"), "--out", str(out)])
    if code:
        return code, []
    with out.open(encoding="utf-8", newline="") as file:
        return code, list(csv.DictReader(file))


def test_a_row_a_visit(tmp_path, capsys):
    code, rows = change(table(tmp_path / "t.csv", LONG_LINES), LONG, tmp_path)
    assert code == 0
    assert [(r["side"], r["baseline_visit"], r["days"], r["threshold_category"]) for r in rows] == [
        ("L", "U1", "213", "decrease"),
        ("R", "U1", "213", "no_change"),
    ]
    assert float(rows[0]["baseline_volume_mm3"]) == 2000
    assert "columns that the mapping does not name: Notiz" in capsys.readouterr().out


@pytest.mark.parametrize("write", [sheet, table])
def test_a_column_a_visit(write, tmp_path):
    path = tmp_path / ("t.xlsx" if write is sheet else "t.csv")
    code, rows = change(write(path, WIDE_LINES), WIDE, tmp_path)
    assert code == 0
    assert [(r["lesion"], r["followup_visit"], r["threshold_category"], r["category"]) for r in rows] == [
        ("L1", "after", "increase", "increase"),
        ("L2", "after", "", "not_evaluable"),
        ("L3", "after", "resolved", "resolved"),
    ]
    assert float(rows[0]["followup_volume_mm3"]) == 3000


def test_dates_of_a_column_a_visit(tmp_path):
    lines = [["ID", "v1", "d1", "v2", "d2"], ["C", "1", "2021-01-01", "2", "2020-01-01"]]
    mapping = (
        'volume_unit = "ml"\n[columns]\npatient = "ID"\n[visits]\nv1 = "X"\nv2 = "Y"\n'
        + '[dates]\nX = "d1"\nY = "d2"\n'
    )
    _, rows = change(table(tmp_path / "t.csv", lines), mapping, tmp_path)
    assert [(r["baseline_visit"], r["days"], r["category"]) for r in rows] == [("Y", "366", "decrease")]


def test_an_unknown_order_makes_no_class(tmp_path):
    path = table(tmp_path / "t.csv", WIDE_LINES)
    _, rows = change(path, WIDE.replace('visit_order = ["before", "after"]', ""), tmp_path)
    assert {(r["category"], r["reason"]) for r in rows} == {("not_evaluable", "visit-order-unknown")}


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (LONG.replace('volume_unit = "cm3"\n', ""), "volume_unit"),
        (LONG.replace('patient = "Pat-ID"\n', ""), "patient is missing"),
        (LONG.replace('volume = "Volumen"\n', ""), "volume is missing"),
        (LONG.replace('visit = "Untersuchung"\n', ""), "[visits] for a column a visit"),
        (LONG.replace('"Volumen"', '"Volume"'), "Did you mean Volumen?"),
        (LONG.replace('links = "L"', 'links = "X"'), "Write L or R"),
        (LONG + '[visits]\na = "b"\n', "Leave out"),
        (LONG.replace("decimal", "decimals"), "Did you mean decimal?"),
        (LONG.replace('"cm3"', '"litres"'), "mm3, cm3, ml"),
    ],
)
def test_what_the_mapping_lacks_is_asked_for_by_its_key(mapping, told, tmp_path, capsys):
    code, _ = change(table(tmp_path / "t.csv", LONG_LINES), mapping, tmp_path)
    error = capsys.readouterr().err
    assert code == 2
    assert error.split(": ")[1] == "invalid-mapping"
    assert told in error


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (LONG.replace('decimal = ","\n', ""), "Volumen is '2,0', no volume (decimal = \",\"?)"),
        (
            LONG.replace('date_format = "%d.%m.%Y"\n', ""),
            "Datum is '10.06.2019', no date; say in date_format",
        ),
        (LONG.replace('links = "L"\n', ""), "Seite is 'links'; say in [sides]"),
        ('visit_order = ["U1"]\n' + LONG, "visit_order of the mapping does not name the visit 'U2'"),
    ],
)
def test_what_cells_mean_is_asked_for_by_the_key_that_says_it(mapping, told, tmp_path, capsys):
    code, _ = change(table(tmp_path / "t.csv", LONG_LINES), mapping, tmp_path)
    assert code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["-1", "nan", "inf", "1_0", "large"])
def test_cells_that_are_no_volume(cell, tmp_path, capsys):
    lines = [*WIDE_LINES, ["B", "L4", cell, "1"]]
    assert change(table(tmp_path / "t.csv", lines), WIDE, tmp_path)[0] == 2
    assert f"line 5: Vol pre is '{cell}'" in capsys.readouterr().err


def test_one_lesion_twice_is_refused(tmp_path, capsys):
    lines = [*WIDE_LINES, WIDE_LINES[1]]
    assert change(table(tmp_path / "t.csv", lines), WIDE, tmp_path)[0] == 2
    assert "two rows have a volume" in capsys.readouterr().err


def test_a_visit_twice_in_the_order_and_a_formula_without_value(tmp_path, capsys):
    book = openpyxl.Workbook()
    for row in (("ID", "V", "Vol", "Note"), ("1", "pre", "10", "=A2"), ("1", "post", "=C2/2", "")):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    columns = 'volume_unit = "ml"\n{}[columns]\npatient = "ID"\nvisit = "V"\nvolume = "Vol"\n'
    arguments = ["change", str(tmp_path / "t.xlsx"), "--mapping", str(tmp_path / "m.toml"), "--out"]
    (tmp_path / "m.toml").write_text(
        columns.format('visit_order = ["pre", "post", "pre"]\n'), encoding="utf-8"
    )
    assert main([*arguments, str(tmp_path / "c.csv")]) == 2
    assert "'pre' is named twice" in capsys.readouterr().err
    (tmp_path / "m.toml").write_text(columns.format('visit_order = ["pre", "post"]\n'), encoding="utf-8")
    assert main([*arguments, str(tmp_path / "c.csv")]) == 2
    told = capsys.readouterr().err
    assert "C3 holds a formula without its value" in told
    assert "D2" not in told  # nobody reads that column


@pytest.mark.parametrize("day", ["20200101", "2020/01/01", "2020-01-01 00:00:00"])
def test_dates_that_begin_with_the_year(tmp_path, day):
    (tmp_path / "t.csv").write_text(f"ID,V,Vol,D\n1,a,10,{day}\n1,b,5,2021-01-01\n", encoding="utf-8")
    mapping = 'volume_unit = "ml"\n[columns]\npatient = "ID"\nvisit = "V"\nvolume = "Vol"\nstudy_date = "D"\n'
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    arguments = [str(tmp_path / "t.csv"), "--mapping", str(tmp_path / "m.toml")]
    assert main(["change", *arguments, "--out", str(tmp_path / "c.csv")]) == 0
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["days"], row["category"]) for row in csv.DictReader(file)] == [("366", "decrease")]


def test_an_order_that_contradicts_the_dates_is_flagged(tmp_path):
    lines = [["ID", "v1", "d1", "v2", "d2"], ["C", "2", "2024-06-01", "1", "2024-01-01"]]
    mapping = (
        'volume_unit = "ml"\nvisit_order = ["pre", "post"]\n[columns]\npatient = "ID"\n'
        '[visits]\nv1 = "pre"\nv2 = "post"\n[dates]\npre = "d1"\npost = "d2"\n'
    )
    _, rows = change(table(tmp_path / "t.csv", lines), mapping, tmp_path)
    assert [(r["category"], r["days"]) for r in rows] == [("decrease", "")]
    assert "visit-dates-conflict" in rows[0]["flags"].split(";")


@pytest.mark.parametrize("write", [sheet, table])
def test_a_number_that_contradicts_the_date_is_flagged(write, tmp_path):
    lines = [["ID", "V", "Vol", "D"], ["C", "v1", "2", "2024-06-01"], ["C", "v2", "1", "2024-01-01"]]
    _, rows = change(
        write(tmp_path / f"t.{'csv' if write is table else 'xlsx'}", lines),
        ONE_A_VISIT + 'study_date = "D"\n',
        tmp_path,
    )
    assert [(r["baseline_visit"], r["category"]) for r in rows] == [("v2", "increase")]
    assert "visit-dates-conflict" in rows[0]["flags"].split(";")


def test_half_an_order_of_visits_is_asked_for(tmp_path, capsys):
    path = tmp_path / "m.csv"
    path.write_text("patient,visit,visit_order,volume_mm3\nC,v1,2,10\nC,v2,,5\n", encoding="utf-8")
    assert main(["change", str(path), "--out", str(tmp_path / "c.csv")]) == 2
    assert "visit_order is given for some visits" in capsys.readouterr().err


def text_sheet(path, lines):
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("write", "decimal", "cells", "is_asked"),
    [
        (text_sheet, ",", ("1.500", "1,5"), True),
        (text_sheet, "", ("1.234", "987"), True),
        (text_sheet, ".", ("1.234", "987"), False),
        (sheet, ",", ("1.500", "2.25"), False),
        (table, "", ("1.234", "987"), True),
        (table, "", ("1.234", "9.5"), False),
        (table, "", ("0.234", "987"), False),
        (table, ".", ("1.234", "987"), False),
    ],
)
def test_a_point_that_may_part_thousands_is_asked_for(write, decimal, cells, is_asked, tmp_path, capsys):
    lines = [["ID", "V", "Vol"], ["C", "v1", cells[0]], ["C", "v2", cells[1]]]
    mapping = (f'decimal = "{decimal}"\n' if decimal else "") + ONE_A_VISIT
    path = tmp_path / ("t.csv" if write is table else "t.xlsx")
    assert change(write(path, lines), mapping, tmp_path)[0] == (2 if is_asked else 0)
    assert ("a point" in capsys.readouterr().err) == is_asked


@pytest.mark.parametrize(
    ("name", "values", "is_asked"),
    [
        ("Befund", ("links", "rechts", "rechts", "links"), True),
        ("Befund", ("1", "2", "1", "1"), True),
        ("Befund", ("Laesion 1", "Laesion 2", "Laesion 1", "Laesion 1"), True),
        ("Befund", ("3", "7", "8", "7"), False),
        ("Befund", ("well", "some pain", "", "better since May"), False),
        ("Befund", ("U1", "U2", "U1", "U2"), False),
        ("Befund", ("a", "a", "b", "b"), False),
        ("Befund", ("Leber", "Milz", "Leber", "Niere"), True),
        ("Befund", ("Leber", "Leber", "Leber", "Leber"), False),
        ("Befund", ("E1001", "E1002", "E1003", "E1004"), False),
        ("Organ", ("Leber", "Milz", "Niere", "Pankreas"), True),
        ("Hüfte", ("101", "102", "7", "7"), True),
        ("LesionNo", ("2", "3", "", ""), True),
        ("reader", ("AB", "CD", "AB", "CD"), True),
        ("Lesion size [mm]", ("12", "10", "9", "8"), False),
        ("tumour burden", ("12.5", "10.1", "9.0", "8.25"), False),
        ("Geburtsdatum", ("01.02.1950", "03.04.1961", "01.02.1970", "01.02.1970"), True),
        ("MRN", ("1001", "1001", "1002", "1002"), False),
        ("ARCO stage", ("II", "III", "II", "II"), False),
        ("Scanner", ("Aera 1.5T", "Skyra 3T", "Aera 1.5T", "Aera 1.5T"), False),
        ("steroids", ("yes", "no", "no", "no"), False),
        ("Side effects", ("no", "yes", "no", "no"), False),
        ("Pain, which side", ("L", "R", "L", "L"), True),
        ("unit", ("cm3", "mm3", "ml", "ml"), True),
        ("Einheit", ("mm³", "mm³", "mm³", "mm³"), True),
        ("Einheit", ("ml", "cm3", "ccm", "mL"), False),
    ],
)
def test_a_column_that_may_tell_lesions_apart_is_asked_for(name, values, is_asked, tmp_path, capsys):
    keys = [("A", "v1"), ("A", "v2"), ("B", "v1"), ("B", "v2")]
    rows = [[*key, "1", value] for key, value in zip(keys, values, strict=True)]
    path = table(tmp_path / "t.csv", [["ID", "V", "Vol", name], *rows])
    assert change(path, ONE_A_VISIT, tmp_path)[0] == (2 if is_asked else 0)
    assert (f'ignored = ["{name}"]' in capsys.readouterr().err) == is_asked
    assert change(path, f'ignored = ["{name}"]\n' + ONE_A_VISIT, tmp_path)[0] == 0
    own = [["patient", "visit", "volume_mm3", name], *rows]
    if name not in ("Einheit", "reader"):  # volume_mm3 names its unit; a reader is read
        arguments = [str(table(tmp_path / "m.csv", own, ",")), "--out", str(tmp_path / "c.csv")]
        assert main(["change", *arguments]) == (2 if is_asked else 0)


@pytest.mark.parametrize(
    ("unit", "names", "is_asked"),
    [
        ("ml", ("Vol [L]", "Vol_µl", "Vol dl", "Vol (mm³)", "Volumen in Litern", "VolMM3", "Vol µm^3"), True),
        ("ml", ("Vol (10³ ml)", "EDV ml/m²", "Vol [voxels]", "Vol %", "Diameter_mm", "Area cm2"), True),
        ("mm3", ("Vol cc", "volumeMl", "Vol ㎖", "cubic cm", "Volume L", "体积(毫升)", "Объём, см³"), True),
        ("ml", ("Vol", "Vol_cm^3", "volumeMl", "Vol_M3", "Vol UL", "L_vol", "Vol 5 mm slices (cc)"), False),
        ("ul", ("Vol_µl", "Volume (mm³)", "Mikroliter"), False),
        ("l", ("Vol [L]", "Vol dm³"), False),
    ],
)
def test_a_unit_in_the_name_of_a_column_is_held_against_the_mapping(unit, names, is_asked, tmp_path, capsys):
    for name in names:
        mapping = ONE_A_VISIT.replace('"ml"', f'"{unit}"').replace('"Vol"', f'"{name}"')
        path = table(tmp_path / "t.csv", [["ID", "V", name], ["A", "v1", "3"], ["A", "v2", "1"]])
        assert change(path, mapping, tmp_path)[0] == (2 if is_asked else 0), name
        assert ("the name of the column says another" in capsys.readouterr().err) == is_asked


def test_an_l_beside_an_r_is_a_side(tmp_path):
    visits = '[visits]\n"Vol L v1" = "v1"\n"Vol L v2" = "v2"\n'
    mapping = f'volume_unit = "ml"\n[columns]\npatient = "ID"\n{visits}'
    lines = [["ID", "Vol L v1", "Vol L v2", "Vol R v1", "Vol R v2"], ["A", "4", "1", "1", "1"]]
    _, rows = change(table(tmp_path / "t.csv", lines), mapping, tmp_path)
    assert [row["category"] for row in rows] == ["decrease"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            (("A1", "v1", ""), ("a1", "v2", "")),
            "patients with nearly equal names count as several: 'A1', 'a1'",
        ),
        ((("1.0", "v1", ""), ("1", "v2", "")), "'1', '1.0'. Name them alike if they are one"),
        ((("S_20200101", "", ""), ("S_20210101", "", "")), "write patient and visit into columns"),
        (
            (("A", "Vor", ""), ("A", "vor", "")),
            "visits with nearly equal names count as several: 'Vor', 'vor'",
        ),
        ((("A", "M0", ""), ("A", "M12", "")), "Give it as visit_order in the mapping"),
        ((("A", "v1", "L"), ("A", "v2", "")), "has another side, name or reader at the next"),
    ],
)
def test_what_a_table_leaves_open_is_told(rows, told, tmp_path, caplog):
    lines = [["ID", "V", "Vol", "S"], *([who, visit or "v1", "1", side] for who, visit, side in rows)]
    assert change(table(tmp_path / "t.csv", lines), f'{ONE_A_VISIT}side = "S"\n', tmp_path)[0] == 0
    assert told in caplog.text


@pytest.mark.parametrize(
    ("mapping", "lines", "told"),
    [
        (
            ONE_A_VISIT,
            [["ID", "V", "Vol"], ["A", "v1", ""], ["A", "v1", "1"]],
            "one has no volume (lines 3 and 2)",
        ),
        (WIDE.replace('"before"\n"', '"after"\n"'), WIDE_LINES, "two columns are of the visit 'after'"),
        (
            WIDE.replace("Vol pre", "Vol li").replace("Vol post", "Vol re"),
            [["ID", "Lesion", "Vol li", "Vol re"]],
            "are of two sides",
        ),
        (ONE_A_VISIT, [["ID", "V", "Vol"], ["A", "v1", "4", "5"]], "line 2: it has 4 cells for 3 columns"),
        (ONE_A_VISIT + 'read = "N"\n', [["ID", "V", "Vol", "N"], ["A", "v1", "4", "0"]], "numbered from 1"),
    ],
)
def test_what_has_no_right_answer_is_refused(mapping, lines, told, tmp_path, capsys):
    assert change(table(tmp_path / "t.csv", lines), mapping, tmp_path)[0] == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("patient;visit;volume_mm3\n1;v1;1.234\n1;v2;987\n", "a point that may part thousands"),
        ("patient,visit,volume_mm3\n1,v1,4,5\n1,v2,1,2\n", "line 2: it has 4 cells for 3 columns"),
    ],
)
def test_numbers_of_an_own_table_that_may_be_others_are_refused(text, told, tmp_path, capsys):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    assert main(["change", str(tmp_path / "t.csv"), "--out", str(tmp_path / "c.csv")]) == 2
    assert told in capsys.readouterr().err


def test_names_are_equal_however_their_accents_are_composed(tmp_path):
    lines = [["ID", "V", "Vol"], ["Me\u0301", "v1", "4"], ["M\u00e9", "v2", "1"]]
    _, rows = change(table(tmp_path / "t.csv", lines), ONE_A_VISIT, tmp_path)
    assert [row["category"] for row in rows] == ["decrease"]
