"""Plans: what is wrong is told with its key, its line and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from conftest import ROOT
from plan_reference import plan_reference

from volumetry.errors import ReadError, UsageError
from volumetry.files.documents import key_lines
from volumetry.outcomes.inputs.derived import RULES
from volumetry.outcomes.inputs.source_table import read_source
from volumetry.outcomes.plan import Rule, file_name, read_plan

PLAN = """\
[tables]
clinical = "clinical.csv"

[groups]
column = "group"
first = "a"
second = "b"

[[binary]]
name = "collapse"
column = "collapse"

[[binary]]
name = "good score"
column = "good"
"""


def fault(tmp_path: Path, text: str) -> UsageError:
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_plan(path)
    assert caught.value.code == "invalid-plan"
    assert caught.value.todo
    return caught.value


def test_a_plan_is_read_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    plan, _ = read_plan(path)
    assert plan.endpoint_names == ["collapse", "good score"]
    assert (plan.volumes.threshold_percent, plan.study.level, plan.binary[0].published) == (
        15,
        0.95,
        "fisher",
    )


@pytest.mark.parametrize(
    ("old", "new", "key", "line", "todo"),
    [
        ("[groups]", "[group]", "group", 4, "Did you mean groups?"),
        ('column = "group"', 'colum = "group"', "groups.colum", 5, "Did you mean column?"),
        ('first = "a"', "first = 1.5", "groups.first", 6, "Write a text or a whole number"),
        ('first = "a"', 'first = "b"', "groups.second", 7, "Name two values"),
        ('name = "good score"', 'name = "Collapse!"', "binary[1].name", 14, "Choose another"),
        ('column = "good"', 'column = "good"\npublished = "fischer"', "binary[1].published", 16, "fisher"),
        ('column = "collapse"', "column = true", "binary[0].column", 11, "Write a text"),
        ('column = "collapse"', 'column = "collapse"\nadjust = "age"', "binary[0].adjust", 12, "a list"),
        ("[[binary]]\nname = \"good", '[binaries]\nname = "good', "binaries", 13, "binary"),
        ('clinical = "clinical.csv"', "", "tables", 1, "Give clinical"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_key_line_and_remedy(
    tmp_path: Path, old: str, new: str, key: str, line: int, todo: str
) -> None:
    error = fault(tmp_path, PLAN.replace(old, new, 1))
    assert error.values["key"] == key
    assert error.values["line"] == line
    assert todo in error.todo


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ('[study]\nlevel = 95', "study.level"),
        ('[volumes]\nthreshold_percent = -1', "volumes.threshold_percent"),
        ('[volumes]\nbaseline_column = "v0"', "volumes.baseline_column"),
        ('[columns]\nside = ""', "columns.side"),
        ('[[time_to_event]]\nname = "t"\ntime = "x"', "time_to_event[0].name"),
        ('[[agreement]]\nname = "r"\ncolumns = ["v"]', "agreement[0].name"),
        ('[matching]\ncovariates = []\nscale = "sd"', "matching.scale"),
        ('[sensitivity]\nheight_rules = ["gap"]', "sensitivity.height_rules[0]"),
        ('[[sample_size]]\nname = "n"\np1 = 0.4', "sample_size[0]"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(tmp_path: Path, section: str, key: str) -> None:
    error = fault(tmp_path, f"{PLAN}\n{section}\n")
    assert error.values["key"] == key
    assert error.values["line"] > 16


def test_a_plan_that_is_no_toml_or_not_there(tmp_path: Path) -> None:
    assert "TOML" in fault(tmp_path, "[groups\n").what
    with pytest.raises(ReadError, match="not-found"):
        read_plan(tmp_path / "other.toml")


def test_lines_of_keys_are_found_around_lists_strings_and_comments() -> None:
    text = '[a]\nx = [\n  "y = 1",\n]\ny = """\nz = 2\n"""\n[[b]] # first\nk = 1\n'
    text += '[[b]]\n"q r".s = 2\n[b.c]\nd = 3\n'
    lines = key_lines(text)
    assert lines["a", "x"] == 2
    assert lines["a", "y"] == 5
    assert ("a", "z") not in lines
    assert lines["b", 0, "k"] == 9
    assert lines["b", 1, "q r", "s"] == 11
    assert lines["b", 1, "c", "d"] == 13


def test_the_reference_names_every_key_and_rule() -> None:
    text = plan_reference()
    assert (ROOT / "docs" / "reference" / "plan.md").read_text(encoding="utf-8") == text
    for name in ("threshold_percent", "last_negative_date", "scale", "rows_correlation", "good-or-excellent"):
        assert f"`{name}`" in text
    assert all(f"`{rule}`" in text for rule in RULES)
    assert set(RULES) == set(get_args(Rule))
    assert "unknowable" in text  # the summary file is described, too


def test_file_names_are_plain() -> None:
    assert file_name("Harris hip score (final) ≥ 80 %") == "harris-hip-score-final-80"


def test_tables_of_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffID;Alter;Ereignis;Datum\n1;50,5;ja;2021-03-02\n2;.;;\n\n".encode())
    table = read_source(path, ("", "."))
    assert table.lines == (2, 3)
    assert table.text("ID") == ["1", "2"]
    assert table.dates("Datum")[1] is None
    with pytest.raises(
        UsageError, match=r"Alter is not a number, t\.csv \(column Alter, line 2, cell 50,5\)"
    ):
        table.numbers("Alter")
    with pytest.raises(UsageError, match="1 or 0"):
        table.events("Ereignis")
    with pytest.raises(UsageError, match="no column 'x'"):
        table.numbers("x")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "truncated"), (b"a,a\n1,2\n", "invalid-table"), (b"a,b\n1\n", "invalid-table"),
     (b"\xff\xfe\x00", "unreadable")],
)  # fmt: skip
def test_tables_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises((ReadError, UsageError)) as caught:
        read_source(path, ("",))
    assert caught.value.code == code


def test_yes_and_no_in_words(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("e\nYes\nno\n1.0\n0\nTRUE\n", encoding="utf-8")
    assert read_source(path, ("",)).events("e") == [1, 0, 1, 0, 1]
