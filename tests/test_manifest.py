"""The manifest, as spreadsheets write it: dialects, dates, reads, and columns that are not known."""

import csv
import io

import openpyxl
import pytest
from study_phantoms import write_box

from volumetry.errors import VolumetryError
from volumetry.study.finding.discovery import discover
from volumetry.study.finding.manifest.table import MANIFEST, read_manifest
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.tables import CHANGES, MEASUREMENTS, read_table

HEADER = ("patient", "visit", "study_date", "side", "scan", "trace", "label")
ROWS = (
    ("P1", "pre", "2020-03-01", "L", "scans/a.nii.gz", "scans/a_mask.nii.gz", "1"),
    ("P1", "post", "2021-03-01", "L", "scans/b.nii.gz", "scans/b_mask.nii.gz", "1"),
)


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    for name, size in (("a", (6, 16)), ("b", (6, 26))):
        write_box(folder / f"scans/{name}.nii.gz")
        write_box(folder / f"scans/{name}_mask.nii.gz", columns=size)
    return folder


def as_text(rows, delimiter=","):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def write(path, rows, *, dialect="plain"):
    if dialect == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path.with_suffix(".xlsx"))
        return path.with_suffix(".xlsx")
    if dialect == "windows":
        rows = [[cell.replace("/", "\\") for cell in row] for row in rows]
    delimiter = {"semicolon": ";", "tab": "\t", "utf-16": ";"}.get(dialect, ",")
    text = as_text(rows, delimiter)
    if dialect == "comments":
        text = "# written by hand\n" + text + "\n# the end, with a comma\n"
    codec = {"utf-16": "utf-16", "bom": "utf-8-sig"}.get(dialect, "utf-8")
    path.write_bytes(text.encode(codec))
    return path


@pytest.mark.parametrize(
    "dialect", ["plain", "semicolon", "tab", "utf-16", "bom", "windows", "xlsx", "comments"]
)
def test_every_dialect_gives_dated_visits_and_the_class(study, tmp_path, dialect):
    manifest = write(study / "m.csv", (HEADER, *ROWS), dialect=dialect)
    run_batch(study, tmp_path / "out", BatchOptions(manifest=manifest))
    (change,) = read_table(tmp_path / "out/changes.csv", CHANGES)
    assert (change["baseline_visit"], change["followup_visit"]) == ("pre", "post")
    assert (change["category"], change["days"]) == ("increase", 365)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("lable", "label"), ("patients", "patient"), ("Side", "side"), ("study date", "study_date")],
)
def test_an_unknown_column_is_an_error_with_the_nearest_name(study, wrong, right):
    manifest = write(study / "m.csv", (("patient", "visit", "scan", "trace", wrong),))
    with pytest.raises(VolumetryError, match=rf"{wrong}.*Did you mean {right}\?") as caught:
        read_manifest(manifest)
    assert caught.value.code == "invalid-table"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("patient,visit,scan,trace;;\nP,v,,a.nii.gz;;\n", "all columns stand in one cell"),
        ("patient,visit,scan,trace\nP,v,,a.nii.gz\n,w,,b.nii.gz\n", "line 3: patient is empty.*merged cells"),
        ("patient,visit,scan,trace\nP,v,,a.nii.gz\nTotal,1,,\n", "line 3: 'Total' is no patient, but a sum"),
    ],
)
def test_what_spreadsheet_programs_do_to_a_manifest_is_named(study, text, says):
    (study / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(VolumetryError, match=says) as caught:
        read_manifest(study / "m.csv")
    assert caught.value.code == "invalid-table"


def test_a_column_twice_and_a_line_too_long_are_errors(study):
    with pytest.raises(VolumetryError, match="two columns label"):
        read_manifest(write(study / "m.csv", (("patient", "visit", "scan", "trace", "label", "label"),)))
    with pytest.raises(VolumetryError, match="more cells than there are columns"):
        read_manifest(write(study / "m.csv", (HEADER, (*ROWS[0], "2"))))


@pytest.mark.parametrize(
    ("column", "cell"), [("study_date", "03/04/2020"), ("read", "second"), ("read", "0")]
)
def test_a_cell_of_the_wrong_kind_is_an_error(study, column, cell):
    names = ("patient", "visit", "scan", "trace", column)
    with pytest.raises(VolumetryError, match=column) as caught:
        list(discover(study, manifest=write(study / "m.csv", (names, ("P1", "v", "", "", cell)))))
    assert caught.value.code == "invalid-table"


def test_a_patient_whose_name_begins_with_a_hash_is_no_comment(study):
    rows = [row for _, row in read_manifest(write(study / "m.csv", (HEADER, ("#12", *ROWS[0][1:]))))]
    assert [row["patient"] for row in rows] == ["#12"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"PK\x03\x04 no sheet"])
def test_what_is_no_table_is_refused_by_name(tmp_path, content):
    for name in ("m.csv", "m.xlsx"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VolumetryError, match=name) as caught:
            read_manifest(tmp_path / name)
        assert caught.value.code in ("truncated", "unreadable", "invalid-table")


def test_numbered_reads_are_reads_and_a_given_order_orders(study, tmp_path):
    names = ("patient", "visit", "visit_order", "site", "read", "scan", "trace")
    rows = [
        (names),
        ("P1", "pre", "1", "north", "1", "scans/a.nii.gz", "scans/a_mask.nii.gz"),
        ("P1", "pre", "1", "north", "2", "scans/b.nii.gz", "scans/b_mask.nii.gz"),
        ("P1", "post", "2", "north", "1", "scans/c.nii.gz", "scans/c_mask.nii.gz"),
        ("P1", "post", "2", "south", "1", "scans/d.nii.gz", "scans/d_mask.nii.gz"),
    ]
    for name in "cd":
        write_box(study / f"scans/{name}.nii.gz")
        write_box(study / f"scans/{name}_mask.nii.gz", rows=(5, 9))
    run_batch(study, tmp_path / "out", BatchOptions(manifest=write(study / "m.csv", rows)))
    measured = read_table(tmp_path / "out/measurements.csv", MEASUREMENTS)
    assert [(r["site"], r["visit"], r["read"], r["visit_order"]) for r in measured] == [
        ("north", "pre", 1, 0),
        ("north", "pre", 2, 0),
        ("north", "post", 1, 1),
        ("south", "post", 1, 0),
    ]


def test_every_column_has_a_line_in_the_reference_page():
    from pathlib import Path

    page = (Path(__file__).parents[1] / "docs/reference/manifest.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in MANIFEST.column_names)


@pytest.mark.parametrize(
    "written",
    ["20200301", "2020/03/01", "2020-03-01 00:00:00", "2020-03-01T00:00:00", "2020.03.01", "2020-3-1",
     "20200301.0"],
)  # fmt: skip
def test_a_date_that_begins_with_the_year_has_one_meaning(study, written):
    rows = [
        row
        for _, row in read_manifest(write(study / "m.csv", (HEADER, ("P1", "v", written, "", "", "", ""))))
    ]
    assert [row["study_date"] for row in rows] == ["2020-03-01"]


@pytest.mark.parametrize("written", ["2020-02-30", "2020/13/01", "12345678", "202031", "20200301 or so"])
def test_what_is_no_day_is_no_date(study, written):
    with pytest.raises(VolumetryError, match="line 2: study_date") as caught:
        read_manifest(write(study / "m.csv", (HEADER, ("P1", "v", written, "", "", "", ""))))
    assert caught.value.code == "invalid-table"


def test_a_formula_without_its_value_is_named_by_its_cell(study):
    """As openpyxl, R and others write it: no spreadsheet program has computed it yet."""
    formula = ("P1", "post", "2021-03-01", "L", '=CONCATENATE("scans/","b.nii.gz")', *ROWS[1][5:])
    path = write(study / "m.csv", (HEADER, ROWS[0], formula), dialect="xlsx")
    with pytest.raises(VolumetryError, match="E3 holds a formula without its value") as caught:
        read_manifest(path)
    assert caught.value.code == "invalid-table"
    # so does a line of formulas alone, and a header
    path = write(study / "m.csv", (HEADER, ROWS[0], tuple("=A2" for _ in HEADER)), dialect="xlsx")
    with pytest.raises(VolumetryError, match="A3 holds a formula"):
        read_manifest(path)
    # but a comment may hold one
    path = write(study / "m.csv", (HEADER, ROWS[0], ("# sum", "", "=A2")), dialect="xlsx")
    assert len(read_manifest(path)) == 1


def rewritten(path, change):
    """Change the XML of the first sheet, as another program writes it."""
    import zipfile

    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = change(parts[sheet].decode()).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)


def test_formulas_with_their_values_and_errors_of_a_spreadsheet(study):
    path = write(study / "m.csv", (HEADER, (*ROWS[0][:6], "=1+0")), dialect="xlsx")
    rewritten(path, lambda text: text.replace("<v></v>", "<v>1</v>").replace("<v/>", "<v>1</v>"))
    assert [row["label"] for _, row in read_manifest(path)] == [1]
    path = write(study / "m.csv", (HEADER, (*ROWS[0][:3], '=""', *ROWS[0][4:])), dialect="xlsx")
    rewritten(path, lambda text: text.replace('<c r="D2">', '<c r="D2" t="str">'))
    assert [row["side"] for _, row in read_manifest(path)] == [None]
    path = write(study / "m.csv", (HEADER, ("=A9", *ROWS[0][1:])), dialect="xlsx")
    rewritten(
        path,
        lambda text: (
            text.replace('<c r="A2">', '<c r="A2" t="e">')
            .replace("<v></v>", "<v>#REF!</v>", 1)
            .replace("<v/>", "<v>#REF!</v>", 1)
        ),
    )
    with pytest.raises(VolumetryError, match="A2 is #REF!"):
        read_manifest(path)
