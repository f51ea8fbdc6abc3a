"""Small tables that are odd in one way each, from CSV to the files that are written."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

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
