"""Small tables that are odd in one way each, from CSV to the files that are written."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumetry.errors import ReadError, UsageError
from volumetry.outcomes.inputs.number_formats import read_number, ways_to_read
from volumetry.outcomes.inputs.source_table import SourceTable, read_source
from volumetry.outcomes.plan.tables import Format, Values
from volumetry.outcomes.run import run_outcomes

PLAN = """
[tables]
clinical = "t.csv"
[columns]
patient = "id"
side = ""
[volumes]
unit = "patient"
[groups]
column = "g"
first = "T"
second = "C"
[[continuous]]
name = "y"
column = "y"
"""
ROWS = [("1", "T", "5"), ("2", "C", "7"), ("3", "T", "6.5"), ("4", "C", "9"), ("5", "T", "8")]


def run(folder: Path, table: str, plan: str = PLAN) -> Path:
    (folder / "t.csv").write_text(table, encoding="utf-8")
    (folder / "plan.toml").write_text(plan, encoding="utf-8")
    run_outcomes(folder / "plan.toml", folder / "out")
    return folder / "out"


def source(
    folder: Path, content: str | bytes, *, values: tuple[Values, ...] = (), **form: Any
) -> SourceTable:
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(path, ("", "NA"), form=Format(**form), values=values)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_below_zero_stay_numbers_and_text_stays_text(tmp_path: Path) -> None:
    derived = """
[[derived]]
name = "fell"
rule = "difference"
columns = ["y", "z"]
[[derived]]
name = "days"
rule = "days-between"
columns = ["d0", "d1"]
"""
    table = (
        "id,g,y,z,d0,d1,note\n1,T,5,7.5,2020-02-01,2020-01-01,=1+1\n2,C,-3e-4,+2,2020-01-01,2020-01-09,-x\n"
        "3,T,4,1,2020-01-01,2020-01-02,-\n4,C,2,-9,2020-01-01,2020-01-05,@x\n"
    )
    out = run(tmp_path, table, PLAN + derived)
    joined = pd.read_csv(out / "joined.csv")
    assert joined["fell"].tolist() == [-2.5, -2.0003, 3.0, 11.0]
    assert joined["days"].tolist() == [-31, 8, 1, 4]
    assert joined["y"].tolist() == [5, -0.0003, 4, 2]
    assert joined["z"].tolist() == [7.5, 2, 1, -9]
    assert joined["note"].tolist() == ["'=1+1", "'-x", "'-", "'@x"]


# -- columns that are empty ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "id;y;;\n1;5;;\n2;6;;\n",
        "id;y;;;;\n1;5\n2;6;;;;\n",
        "id;y\n1;5;;;\n2;6;\n",
        "id;;;y\n1;;;5\n2;;;6\n",
        ";id; ;y;;\n;1;;5;;\n;2;  ;6;;\n;;;;;\n",
    ],
)
def test_columns_without_name_and_cells_are_none(tmp_path: Path, text: str) -> None:
    table = source(tmp_path, text)
    assert list(table.columns) == ["id", "y"]
    assert table.numbers("y") == [5.0, 6.0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("id;y;;\n1;5;;\n2;6;x;7\n", r"two columns have cells and no name, .*columns 3 and 4.*Name them"),
        ("id;y;;\n1;5;;\n2;;;;6\n", r"another number of cells.*line 3"),
        ("id;y\n1;5\n2;6;7\n", r"another number of cells.*line 3, cells 3, header 2"),
        ("id;y;z\n1;5;3\n2;6\n", r"another number of cells.*line 3, cells 2, header 3"),
    ],
)
def test_cells_without_a_column_are_never_dropped(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        source(tmp_path, text)


# -- encodings -------------------------------------------------------------------------------------------

WORDS = "id;größe;wort\n1;5;Müller\n2;6;ß\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_the_first_bytes_name_the_encoding(tmp_path: Path, encoding: str) -> None:
    content = WORDS.encode(encoding)
    assert source(tmp_path, content).numbers("größe") == [5.0, 6.0]
    if encoding != "utf-8":
        assert source(tmp_path, content, encoding="cp1252").text("wort") == ["Müller", "ß"]


@pytest.mark.parametrize(
    ("written", "declared", "advised"),
    [
        ("cp1252", "utf-8", "cp1252"), ("utf-16-le", "utf-8", "utf-16"), ("utf-16-be", "utf-8", "utf-16"),
        ("utf-8", "utf-16", "utf-8"), ("utf-16-le", "cp1252", "utf-16"), ("cp1252", "utf-16", "utf-8"),
    ],
)  # fmt: skip
def test_the_encoding_that_is_advised_leads_on(
    tmp_path: Path, written: str, declared: str, advised: str
) -> None:
    content = WORDS.encode(written)
    with pytest.raises(ReadError, match=rf'not {declared}.*format\.encoding = "{advised}"'):
        source(tmp_path, content, encoding=declared)
    if written == "cp1252" and declared == "utf-16":
        with pytest.raises(ReadError, match="cp1252"):
            source(tmp_path, content, encoding=advised)
    else:
        assert source(tmp_path, content, encoding=advised).text("wort") == ["Müller", "ß"]


# -- marks of numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "ways"),
    [
        (["1 000", "7"], ["thousands"]), (["1\u00a0000", "7.5"], ["thousands"]), (["1'000.5"], ["thousands"]),
        (["1,000", "1.5"], ["thousands"]), (["1,5", "12"], ["decimal"]), (["1.234,5"], ["decimal+thousands"]),
        (["1,000"], ["thousands", "decimal"]), (["1,000", "2,25"], ["decimal"]),
        (["1,234,567"], ["thousands"]),
        (["12 345,6"], ["decimal+thousands"]), (["<5", "1 000"], []),
    ],
)  # fmt: skip
def test_marks_are_advised_that_read_the_whole_column(
    tmp_path: Path, cells: list[str], ways: list[str]
) -> None:
    text = "id;x\n" + "".join(f'{number};"{cell}"\n' for number, cell in enumerate(cells))
    with pytest.raises(UsageError) as caught:
        source(tmp_path, text).numbers("x")
    found = re.findall(r'((?:format\.\w+ = "[^"]*"(?: and )?)+)', caught.value.todo)
    shown = ["+".join(re.findall(r"format\.(\w+)", way)) for way in found]
    assert shown == ways
    for way in found:  # each way out works, for the table and for the column alone
        keys = tomllib.loads("\n".join(way.replace("format.", "").split(" and ")))
        every = source(tmp_path, text, **keys).numbers("x")
        assert source(tmp_path, text, values=(Values(column="x", **keys),)).numbers("x") == every
        assert None not in every


def test_signs_and_spaces_with_one_meaning_are_read(tmp_path: Path) -> None:
    table = source(tmp_path, "id;x\n1;\u22126.5\n2;1\u202f000\n3;2\u00a0500\n", thousands=" ")
    assert table.numbers("x") == [-6.5, 1000.0, 2500.0]
    assert table.text("x")[0] == "-6.5"


def test_a_column_may_have_its_own_marks(tmp_path: Path) -> None:
    values = (Values(column="x", decimal=",", thousands="."),)
    table = source(tmp_path, "id;x;y\n1;1.234,5;1.5\n", values=values)
    assert (table.numbers("x"), table.numbers("y")) == ([1234.5], [1.5])
    with pytest.raises(UsageError, match="mark are the same"):
        Values(column="x", decimal=",", thousands=",")


@given(
    st.lists(st.floats(-1e7, 1e7, allow_nan=False).map(lambda x: round(x, 2)), min_size=1, max_size=6),
    st.sampled_from(".,"),
    st.sampled_from(["", ".", ",", " ", "'"]),
)
def test_what_is_advised_reads_every_number_of_a_column(
    numbers: list[float], decimal: str, thousands: str
) -> None:
    if decimal == thousands:
        thousands = ""
    swap = str.maketrans({",": thousands, ".": decimal})
    cells = [(f"{x:,}" if thousands else str(x)).translate(swap) for x in numbers]
    if any("e" in cell for cell in cells):
        return
    wrong = [cell for cell in cells if read_number(cell, ".", "") is None]
    for cell in wrong[:1]:
        ways = ways_to_read(cell, cells, ".", "")
        read = [
            [read_number(c, way.get("decimal", "."), way.get("thousands", "")) for c in cells] for way in ways
        ]
        assert numbers in read
        assert all(None not in values for values in read)


# -- conditions ----------------------------------------------------------------------------------------------


def test_a_missing_cell_is_not_told_as_known(tmp_path: Path) -> None:
    table = "id,g,y,z\n1,T,5,2\n2,C,7,\n3,T,6,1\n4,C,9,2.0\n5,T,8,3\n6,C,8,3\n7,T,1,\n8,C,2,1\n"
    condition = '[[filter]]\ncolumn = "z"\nrule = "not-equals"\nvalue = 2\n'
    out = run(tmp_path, table, PLAN + condition)
    reasons = [row["reason"] for row in rows_of(out / "disposition.csv")]
    assert reasons.count("not recorded: z") == 2
    assert reasons.count("outside the filter: z not-equals 2") == 2
    flow = {row["what"]: row["n_rows"] for row in rows_of(out / "flow.csv")}
    assert (flow["not recorded: z"], flow["outside the filter: z not-equals 2"]) == ("2", "2")


def test_a_number_in_quotes_is_told(tmp_path: Path) -> None:
    condition = '[[filter]]\ncolumn = "y"\nrule = "at-least"\nvalue = "9"\n'
    with pytest.raises(UsageError, match="without quotes: value = 9"):
        run(tmp_path, "id,g,y\n1,T,5\n2,C,9\n", PLAN + condition)


def test_numbers_are_compared_as_the_table_writes_them(tmp_path: Path) -> None:
    table = "id;g;y;z\n1;T;5;2,50\n2;C;7;2,5\n3;T;6;3\n4;C;9;3,0\n5;T;8;2,5\n6;C;4;1\n"
    rules = """
[format]
decimal = ","
[[filter]]
column = "z"
rule = "one-of"
values = ["2.5", "3"]
[[derived]]
name = "low"
rule = "equals"
columns = ["z"]
value = 2.5
"""
    out = run(tmp_path, table, PLAN + rules)
    joined = rows_of(out / "joined.csv")
    assert [row["id"] for row in joined] == ["1", "2", "3", "4", "5"]
    assert [row["low"] for row in joined] == ["1", "1", "0", "0", "1"]


# -- published studies ---------------------------------------------------------------------------------------

TABLE = "id,g,y,ev\n" + "".join(f"{i},{'TC'[i % 2]},{5 + i % 4},{int(i % 3 == 0)}\n" for i in range(20))
LITERATURE = """
[[binary]]
name = "collapse"
column = "ev"
[literature]
file = "lit.csv"
outcome = "collapse"
endpoint = "collapse"
percent = "percent"
"""


def studies(folder: Path, text: str, keys: str = "", rest: str = "") -> dict[str, dict[str, str]]:
    (folder / "lit.csv").write_text(text, encoding="utf-8")
    out = run(folder, TABLE, PLAN + rest + LITERATURE + keys)
    notes = json.loads((out / "results.json").read_bytes())["outcomes"]
    told = next(outcome["notes"] for outcome in notes if outcome["kind"] == "literature")
    rows = {row["study"]: row for row in rows_of(out / "literature.csv")}
    return {**rows, "notes": {str(number): note for number, note in enumerate(told)}}


def test_every_way_out_of_an_odd_literature_table_works(tmp_path: Path) -> None:
    text = "study;events;n;percent\nA;5;20;25,0\nB;;33;24,2 %\n"
    with pytest.raises(UsageError) as caught:
        studies(tmp_path, text)
    assert re.search(
        r'Declare literature\.decimal = ",", or \[\[values\]\] column = "percent" with decimal = ","',
        caught.value.todo,
    )
    first = studies(tmp_path, text, keys='decimal = ","\n')
    second = studies(tmp_path, text, rest='[[values]]\ncolumn = "percent"\ndecimal = ","\n')
    assert first == second
    assert (first["B"]["events"], first["A"]["events"]) == ("8", "5")
    assert list(first["notes"].values()) == ["B: count 8 computed from 24.2 % of 33"]


def test_printed_percentages_are_held_against_their_counts(tmp_path: Path) -> None:
    text = "study,events,n,percent\nA,5,20,35.0\nB,5,20,25 %\nC,1,8,12\nD,1,8,13%\nE,,8,13\nF,,20,25.4\n"
    found = studies(tmp_path, text)
    assert list(found["notes"].values()) == [
        "A: 5 of 20 are 25 %, not the printed 35.0 %; the count is shown",
        "E: count 1 computed from 13 % of 8",
        "F: no count of 20 gives the printed 25.4 %; it has no interval",
    ]
    with pytest.raises(UsageError, match=r"percent is no percentage, lit.csv \(line 2, cell 135"):
        studies(tmp_path, "study,events,n,percent\nA,,20,135\n")
