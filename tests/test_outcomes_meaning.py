"""What a plan's numbers stand for: their level, and whose rows they are of."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from volumetry.cli import main
from volumetry.outcomes.matched_part import _joined

HEAD = """\
[tables]
clinical = "hips.csv"
[columns]
patient = "patient"
side = "side"
[groups]
column = "arm"
first = "T"
second = "C"
"""


def hips(path: Path, *, both: int = 0, seed: int = 4, order: str = "LR") -> Path:
    """80 hips of 40 patients; the first `both` patients have a hip in each arm."""
    chance = random.Random(seed)
    lines = ["patient,side,arm,age,size,worse,score,time,event"]
    for number in range(40):
        arm = "TC"[number % 2]
        rows = []
        for side in "LR":
            own = "TC"["LR".index(side)] if number < both else arm
            age, size = 40 + number, round(chance.uniform(5, 20), 2)
            worse, score = chance.random() < 0.3 + 0.2 * (own == "C"), round(chance.gauss(80, 9), 1)
            time, event = round(chance.expovariate(0.1), 2) + 0.01, chance.choice((0, 1, 1))
            rows.append(f"P{number},{side},{own},{age},{size},{int(worse)},{score},{time},{event}")
        lines += rows if order == "LR" else rows[::-1]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(folder: Path, plan: str, name: str = "out") -> Path:
    (folder / f"{name}.toml").write_text(plan, encoding="utf-8")
    assert main(["outcomes", str(folder / f"{name}.toml"), "--out", str(folder / name)]) == 0
    return folder / name


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


EVERY = """
[[binary]]
name = "worse"
column = "worse"
adjust = ["age"]
[[continuous]]
name = "score"
column = "score"
[[ordinal]]
name = "grade"
column = "event"
classes = ["0", "1"]
published = "linear-by-linear"
[[time_to_event]]
name = "failure"
time = "time"
event = "event"
horizon = 5
[matching]
by = "row"
covariates = ["age", "size"]
weights = ["ate", "att"]
[[agreement]]
name = "reads"
columns = ["size", "score"]
"""


def test_every_interval_heeds_the_level_of_the_plan(tmp_path: Path) -> None:
    hips(tmp_path / "hips.csv")
    limits = {}
    for level in (0.9, 0.95):
        out = run(tmp_path, f"{HEAD}{EVERY}[study]\nlevel = {level}\n", f"out{level}")
        rows = [row for row in rows_of(out / "estimates.csv") if row["ci_low"]]
        assert {row["level"] for row in rows} == {str(level)}
        limits[level] = {
            (row["population"], row["endpoint"], row["what"], row["contrast"], row["name"]): float(
                row["ci_high"]
            )
            - float(row["ci_low"])
            for row in rows
            # Steps of a curve may give one interval at two levels; what is detectable is at the level itself.
            if not row["name"].startswith(("median", "smallest detectable"))
        }
    assert len(limits[0.9]) > 40
    assert [key for key, width in limits[0.9].items() if not width < limits[0.95][key]] == []
    axis = (tmp_path / "out0.9" / "figures" / "worse-bars.svg").read_text(encoding="utf-8")
    assert "90 % interval" in axis


def test_the_p_of_a_slope_does_not_stand_beside_the_bias(tmp_path: Path) -> None:
    hips(tmp_path / "hips.csv")
    rows = rows_of(run(tmp_path, HEAD + EVERY) / "estimates.csv")
    limits = [row for row in rows if row["endpoint"] == "reads"]
    assert {"bias", "slope of difference on mean"} <= {row["name"] for row in limits}
    bland = [row for row in rows_of(tmp_path / "out" / "analyses.csv") if row["id"].startswith("limits")]
    assert len(bland) == 3
    assert {row["p_value"] for row in bland} == {""}


MATCHING = """
[[binary]]
name = "worse"
column = "worse"
[matching]
covariates = ["age", "size"]
"""


def test_matching_by_patient_does_not_depend_on_the_order_of_the_hips(tmp_path: Path) -> None:
    found = []
    for order in ("LR", "RL"):
        hips(tmp_path / "hips.csv", order=order)
        out = run(tmp_path, HEAD + MATCHING.replace(', "size"', ""), order)
        found.append([sorted(row.items()) for row in rows_of(out / "pairs.csv")])
    assert found[0] == found[1] != []


@pytest.mark.parametrize(("both", "covariates"), [(0, '["age", "size"]'), (6, '["age"]')])
def test_what_is_not_of_the_patient_is_not_matched_by_patient(
    tmp_path: Path, both: int, covariates: str
) -> None:
    """A covariate of the hip, or hips in both arms: the reason is told, with a way out that works."""
    hips(tmp_path / "hips.csv", both=both)
    plan = HEAD + MATCHING.replace('["age", "size"]', covariates)
    (pairs,) = [row for row in rows_of(run(tmp_path, plan) / "analyses.csv") if row["id"] == "pairs"]
    assert pairs["status"] == "not-estimable"
    assert 'by = "row" in [matching]' in pairs["reason"]
    out = run(tmp_path, plan.replace("covariates", 'by = "row"\ncovariates'), "rows")
    assert rows_of(out / "pairs.csv")


def test_pairs_that_share_a_patient_are_one_cluster() -> None:
    assert _joined([0, 0, 1, 1, 2, 2], ["a", "b", "c", "d", "e", "f"]) == [1, 1, 2, 2, 3, 3]
    assert _joined([0, 0, 1, 1, 2, 2, 3, 3], ["a", "b", "c", "d", "d", "b", "e", "f"]) == [
        1, 1, 1, 1, 1, 1, 2, 2,
    ]  # fmt: skip


def test_a_table_by_patient_counts_whom_its_head_counts(tmp_path: Path) -> None:
    """Patients with a hip in each arm are in both columns, as in the head, and that is said."""
    hips(tmp_path / "hips.csv", both=6)
    table = '[table_one]\n[[table_one.variable]]\ncolumn = "age"\nper = "patient"\n'
    out = run(tmp_path, HEAD + table)
    tidy = [row for row in rows_of(out / "table_one.csv") if row["variable"] == "age"]
    assert [row["n"] for row in tidy] == ["23", "23"]
    printed = rows_of(out / "table_one_printed.csv")
    assert (printed[0]["T"], printed[0]["C"]) == ("40 (23 patients)", "40 (23 patients)")
