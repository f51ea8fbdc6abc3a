"""Plans run: the sample cohort against R, tables of others, every row accounted for, nothing half-written."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import volumetry.statistics as vs
from volumetry.cli import main
from volumetry.errors import UsageError
from volumetry.outcomes.analysis import Analysis, Context, Outcome
from volumetry.outcomes.inputs.joining import join, read_inputs
from volumetry.outcomes.plan import file_name, read_plan
from volumetry.outcomes.run import _parts, run_outcomes
from volumetry.tables import MEASUREMENTS, read_table

COHORT = ROOT / "sample_scans" / "cohort"
REFERENCE = json.loads((ROOT / "tests" / "data" / "oracle" / "r_reference.json").read_bytes())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def key_of(outcome: Outcome) -> str:
    population = "" if outcome.population == "all" else f" {outcome.population}"
    return f"{outcome.kind} {outcome.name}{population}"


# -- the sample cohort -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, dict[str, Outcome]]:
    """The sample cohort's plan, one threshold of sensitivity only, computed and not drawn."""
    text = (COHORT / "plan.toml").read_text(encoding="utf-8").replace("[10, 15, 20, 25, 30]", "[15]")
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(text, encoding="utf-8")
    plan, document = read_plan(path)
    context = Context(plan=plan, cohort=join(plan, document, read_inputs(plan, COHORT)))
    return context, {key_of(o): o for o in (part() for part in _parts(context))}


def test_the_plans_level_is_that_of_every_interval(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    """At 90 % every interval that differs from its estimate is narrower than at 95 %, in every analysis."""
    context = cohort[0]
    study = replace(context.plan.study, level=0.9)
    narrow = replace(context, plan=replace(context.plan, study=study))
    found = [outcome for part in _parts(narrow) for outcome in [part()]]
    compared = 0
    for outcome in found:
        wide = cohort[1][key_of(outcome)]
        for one, other in zip(outcome.analyses, wide.analyses, strict=True):
            assert one.result is not None
            assert other.result is not None
            for a, b in zip(one.result.estimates, other.result.estimates, strict=True):
                if b.ci_low is None or b.ci_high is None or b.ci_low == b.ci_high:
                    continue
                assert a.level == 0.9, (one.endpoint, one.what, a.name)
                if "limit" not in a.name:  # a limit of agreement is another quantity at another level
                    assert a.ci_high - a.ci_low < b.ci_high - b.ci_low, (one.endpoint, one.what, a.name)
                compared += 1
    assert compared > 100


MODELS = ("recommended", "sensitivity", "check")


def analysis(outcomes: dict[str, Outcome], key: str, what: str, *roles: str) -> Analysis:
    found = [a for a in outcomes[key].analyses if a.what == what and a.role in (roles or MODELS)]
    assert len(found) == 1, [a.what for a in outcomes[key].analyses]
    assert found[0].result is not None, found[0].reason
    return found[0]


def test_everything_in_the_cohort_is_estimable(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    failed = [(a.endpoint, a.what, a.reason) for o in cohort[1].values() for a in o.analyses if a.reason]
    assert failed == []


def test_every_row_of_every_table_is_accounted_for_once(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    entries = cohort[0].cohort.dispositions
    for name in ("clinical", "changes", "measurements"):
        lines = [entry.line for entry in entries if entry.table == name]
        n = len(rows_of(COHORT / f"{name}.csv"))
        assert sorted(lines) == list(range(2, n + 2))
    assert all(entry.reason for entry in entries)


def test_matched_pairs_are_those_of_the_matcher(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    pairs = analysis(cohort[1], "matching matching matched", "pairs", "description").result
    assert pairs is not None
    assert pairs.estimate.value == 74  # MatchIt, 0.2 SD of the logit, largest first


@pytest.mark.parametrize(
    ("key", "what", "section"),
    [
        ("binary collapse by the last film", "odds ratio", "gee_hips_collapse_groupOnly_exch"),
        ("binary collapse by the last film", "odds ratio, adjusted", "gee_hips_collapse_exch"),
        ("time_to_event collapse", "hazard ratio", "cox_hips_group_only_cluster"),
        ("time_to_event hip replacement", "hazard ratio", "cox_hips_tha_group_cluster"),
    ],
)
def test_what_the_plan_runs_agrees_with_r(
    cohort: tuple[Context, dict[str, Outcome]], key: str, what: str, section: str
) -> None:
    """From CSV files and a plan to R's answers on the same cohort: columns, codes and clusters are right."""
    result = analysis(cohort[1], key, what).result
    assert result is not None
    expected = REFERENCE[section]
    place = list(expected["coef"]).index("group")
    assert math.log(result.estimate.value) == pytest.approx(expected["coef"]["group"], rel=0.02)
    assert result.estimate.standard_error == pytest.approx(expected["se"][place], rel=0.01)
    assert result.n_clusters == 180


def test_responders_are_those_of_the_volumes(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    table = cohort[1]["change volume change"].tables[0].rows
    rows = {(row["group"], row["category"], row["reason"]): row["n"] for row in table}
    assert rows == {
        ("denosumab", "decrease", ""): 52, ("denosumab", "no_change", ""): 44,
        ("denosumab", "increase", ""): 6,
        ("denosumab", "not_evaluable", "followup-not-measured"): 52,
        ("denosumab", "not_evaluable", "gap-ratio-changed"): 1,
        ("control", "decrease", ""): 8, ("control", "no_change", ""): 32, ("control", "increase", ""): 18,
        ("control", "not_evaluable", "followup-not-measured"): 57,
    }  # fmt: skip
    assert sum(rows.values()) == 270


def test_the_published_test_is_noted_to_ignore_patients(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    for key, what in (
        ("binary collapse by the last film", "comparison of shares"),
        ("time_to_event collapse", "log-rank test"),
        ("continuous Harris hip score at follow-up", "comparison of groups"),
        ("change volume change", "comparison of classes"),
    ):
        found = analysis(cohort[1], key, what, "published")
        assert any("independent" in note for note in found.notes), key


def test_sensitivity_has_a_row_for_every_other_choice(cohort: tuple[Context, dict[str, Outcome]]) -> None:
    tables = {table.name: table.rows for table in cohort[1]["change volume change"].tables}
    rows = tables["sensitivity"]
    assert [(r["height_rule"], r["reader"], r["guards"]) for r in rows] == [
        ("as measured", "reader1", True), ("spacing", "reader1", True), ("as measured", "reader2", True),
        ("as measured", "reader1", False),
    ]  # fmt: skip
    base = {
        r["category"]: r["n"] for r in tables["responders"] if r["group"] == "denosumab" and not r["reason"]
    }
    assert rows[0]["denosumab: decrease"] == base["decrease"]
    # Spacing is proportional to thickness here but where the gap changed, and there the guard is not needed.
    assert rows[1]["denosumab: not evaluable"] < rows[0]["denosumab: not evaluable"]
    assert all(row["odds_ratio_clustered"] is not None for row in rows)


def test_the_cohort_is_what_its_script_makes() -> None:
    done = subprocess.run(
        [sys.executable, COHORT / "make_cohort.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# -- tables of somebody else -------------------------------------------------------------------------------

OTHERS = """\
Pat_Nr;Seite;Arm;Alter;Volumen vorher;Volumen nachher;Kollaps;Monate;Status
P1;links;1;54;10,0;8;nein;12;0
P1;rechts;1;54;11;12;nein;14;0
P2;links;0;61;9;11;ja;5;1
P3;rechts;0;47;14;;ja;7;1
P4;links;1;39;8;6;nein;20;0
P4;rechts;1;39;9;9.1;ja;18;1
P5;links;0;58;12;13;nein;16;0
P6;rechts;0;66;10;12;ja;9;2
P7;links;2;50;10;9;nein;10;0
;links;1;50;10;9;nein;10;0
P8;rechts;;50;10;9;nein;10;0
P9;links;1;44;7;5;nein;15;0
P10;links;0;52;9;8;nein;11;0
""".replace("10,0", "10.0")

PLAN = """\
[tables]
clinical = "tabelle.csv"

[columns]
patient = "Pat_Nr"
side = "Seite"
left = ["links"]
right = ["rechts"]

[volumes]
baseline_column = "Volumen vorher"
followup_column = "Volumen nachher"

[groups]
column = "Arm"
first = 1
second = 0
first_label = "Wirkstoff"
second_label = "Kontrolle"

[[derived]]
name = "kollabiert"
rule = "equals"
columns = ["Kollaps"]
value = "ja"

[[binary]]
name = "Kollaps"
column = "kollabiert"

[[time_to_event]]
name = "Zeit bis Kollaps"
time = "Monate"
event = "Status"
competing = "Prothese"
unit = "months"

[[change]]
"""


def someone_elses(folder: Path, table: str = OTHERS, plan: str = PLAN) -> Path:
    (folder / "tabelle.csv").write_text(table, encoding="utf-8")
    path = folder / "plan.toml"
    path.write_text(plan, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    plan = someone_elses(folder)
    assert main(["outcomes", str(plan), "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_a_table_of_someone_elses_making_runs_from_the_command_line(others: Path) -> None:
    found = json.loads((others / "results.json").read_bytes())
    assert found["groups"] == ["Wirkstoff", "Kontrolle"]
    assert (found["n_rows"], found["n_patients"]) == (10, 8)
    assert found["rows_by_table"] == {
        "clinical": {"analysed": 10, "another group: 2": 1, "no patient": 1, "no group": 1}
    }
    assert (others / "results.md").read_text(encoding="utf-8").startswith("# Outcome statistics")
    assert sorted(found["files"]) == sorted(
        str(path.relative_to(others)) for path in others.rglob("*") if path.is_file()
    )


def test_tidy_tables_hold_every_analysis(others: Path) -> None:
    found = json.loads((others / "results.json").read_bytes())
    n = sum(len(outcome["analyses"]) for outcome in found["outcomes"])
    rows = rows_of(others / "analyses.csv")
    assert len(rows) == n
    assert {row["status"] for row in rows} <= {"estimated", "not-estimable"}
    assert all(row["reason"] for row in rows if row["status"] == "not-estimable")
    for path in others.glob("*.csv"):
        assert not {"nan", "inf", "-inf"} & {cell.lower() for row in rows_of(path) for cell in row.values()}


def test_two_runs_write_the_same_bytes_and_remove_what_is_left_of_an_earlier_plan(
    others: Path, tmp_path: Path
) -> None:
    plan = someone_elses(tmp_path)
    out = tmp_path / "out"
    run_outcomes(plan, out)
    for path in others.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (out / path.relative_to(others)).read_bytes(), path.name
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    someone_elses(tmp_path, plan=PLAN.partition("[[time_to_event]]")[0])
    run_outcomes(plan, out)
    assert not (out / "curves.csv").exists()
    assert not list((out / "figures").glob("zeit-bis-kollaps*"))
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("P1;rechts;1", "P1;links;1", "two rows are of the same hip"),
        ("P2;links", "P2;oben", "neither left nor right"),
        ("P2;links;0;61;9", "P2;links;0;61;neun", "not a number"),
        ("ja;5;1", "ja;-5;1", "negative"),
        ("ja;5;1", "ja;5;3", "not 0, 1 or 2"),
    ],
)
def test_a_cell_that_cannot_be_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, what: str
) -> None:
    plan = someone_elses(tmp_path, OTHERS.replace(old, new))
    assert main(["outcomes", str(plan), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: invalid-table:")
    assert what in error
    assert "line" in error
    assert not (tmp_path / "out").exists()


def test_a_column_that_is_not_there_is_an_error_of_the_plan(tmp_path: Path) -> None:
    plan = someone_elses(tmp_path, plan=PLAN.replace('time = "Monate"', 'time = "Monat"'))
    with pytest.raises(UsageError, match=r"key time_to_event\[0\].time, line 33\).*Did you mean Monate"):
        run_outcomes(plan, tmp_path / "out")


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run_outcomes(
        someone_elses(tmp_path, plan=PLAN.partition("[[binary]]")[0]),
        tmp_path / "out",
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]


def test_killing_it_leaves_no_half_written_file(others: Path, tmp_path: Path) -> None:
    plan = someone_elses(tmp_path)
    out = tmp_path / "out"
    started = subprocess.Popen([sys.executable, "-m", "volumetry", "outcomes", str(plan), "--out", str(out)])
    deadline = time.monotonic() + 120
    while not list(out.rglob("*.csv")) and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    started.send_signal(signal.SIGKILL)
    started.wait()
    whole = [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")]
    assert whole
    for path in whole:
        assert path.read_bytes() == (others / path.relative_to(out)).read_bytes()


# -- what the data do not determine ------------------------------------------------------------------------


def edited(change: Any) -> str:
    lines = [line.split(";") for line in OTHERS.splitlines()]
    header, rows = lines[0], [row for row in lines[1:] if row[0] and row[2] in "01" and row[2]]
    return "\n".join(
        ";".join(row) for row in [header, *change([dict(zip(header, r, strict=True)) for r in rows])]
    )


def setting(**cells: str) -> Any:
    names = {
        "status": "Status",
        "event": "Kollaps",
        "after": "Volumen nachher",
        "arm": "Arm",
        "time": "Monate",
    }
    fixed = {names[name]: value for name, value in cells.items()}
    return lambda rows: [list((row | fixed).values()) for row in rows]


def one_control(rows: list[dict[str, str]]) -> list[list[str]]:
    return [list(row.values()) for row in rows if row["Arm"] == "1" or row["Pat_Nr"] == "P2"]


def separated(rows: list[dict[str, str]]) -> list[list[str]]:
    return [list((row | {"Kollaps": "nein" if row["Arm"] == "1" else "ja"}).values()) for row in rows]


DEGENERATE = {
    "all censored": setting(status="0", event="nein"),
    "an empty group": setting(arm="1"),
    "a group of one": one_control,
    "separated": separated,
    "ties": setting(time="12"),
    "constant volumes": lambda rows: [
        list((row | {"Volumen vorher": "10", "Volumen nachher": "10"}).values()) for row in rows
    ],
    "no follow-up volume": setting(after=""),
    "no event known": setting(event="", status=""),
    "time 0": setting(time="0"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_what_cannot_be_estimated_is_said_and_the_others_go_on(case: str, tmp_path: Path) -> None:
    plan = someone_elses(tmp_path, edited(DEGENERATE[case]))
    read, document = read_plan(plan)
    context = Context(plan=read, cohort=join(read, document, read_inputs(read, tmp_path)))
    outcomes = [part() for part in _parts(context)]
    analyses = [a for outcome in outcomes for a in outcome.analyses]
    unanswered = [a for a in analyses if a.result is None]
    assert unanswered
    assert all(a.code == "not-estimable" and a.reason for a in unanswered), [
        (a.what, a.reason) for a in unanswered if a.code != "not-estimable"
    ]
    for answered in (a.result for a in analyses if a.result is not None):
        for estimate in answered.estimates:
            assert estimate.value == estimate.value, answered.method
        assert answered.p_value is None or 0 <= answered.p_value <= 1, answered.method


@pytest.mark.parametrize("table", [(0, 4, 2, 2), (1, 5, 1, 1), (0, 3, 3, 3), (0, 20, 1, 1), (5, 5, 0, 40)])
def test_firth_answers_where_a_small_table_is_separated(table: tuple[int, int, int, int]) -> None:
    """A saturated fourfold table has its Firth estimate where 0.5 is added to every cell."""
    from volumetry.statistics.models.firth import firth_logistic

    k1, n1, k2, n2 = table
    outcome = [1.0] * k1 + [0.0] * (n1 - k1) + [1.0] * k2 + [0.0] * (n2 - k2)
    found = firth_logistic(outcome, {"first": [1.0] * n1 + [0.0] * n2}).estimate
    odds = [(k + 0.5) / (n - k + 0.5) for k, n in ((k1, n1), (k2, n2))]
    assert found.value == pytest.approx(odds[0] / odds[1], rel=1e-6)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < found.value < found.ci_high


# -- the sample study --------------------------------------------------------------------------------------


def test_the_sample_study_runs_with_tables_from_elsewhere(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert main(["batch", str(ROOT / "sample_scans" / "study"), "--out", str(results), "--jobs", "1"]) == 0
    outcomes = run_outcomes(
        ROOT / "sample_scans" / "study_plan.toml",
        results / "outcomes",
        measurements=results / "measurements.csv",
        changes=results / "changes.csv",
    )
    assert "volume change" in {outcome.name for outcome in outcomes}
    entries = rows_of(results / "outcomes" / "disposition.csv")
    n = len(read_table(results / "measurements.csv", MEASUREMENTS))
    assert sum(entry["table"] == "measurements" for entry in entries) == n
    page = (results / "outcomes" / "results.md").read_text(encoding="utf-8")
    assert "not evaluable: few-slices" in page
    assert "too few for errors that rest on clusters" in page


FILMS = """patient,side,arm,operated,clear,seen,last
1,L,a,2020-01-01,2020-07-01,2021-01-01,2021-01-01
1,R,a,2020-01-01,2021-07-01,,2021-07-01
2,L,b,2020-01-01,2020-03-01,2020-06-01,2020-06-01
3,R,a,2020-02-01,2021-02-01,,2021-02-01
4,L,b,2020-02-01,2020-05-01,2020-08-01,2020-09-01
5,L,b,2020-03-01,,2020-09-01,2020-09-01
6,R,a,2020-03-01,2020-12-01,2021-03-01,2021-03-01
7,R,b,2020-04-01,2021-04-01,,2021-04-01
8,L,a,2020-04-01,2021-04-01,,2021-04-01
9,L,b,2020-05-01,2020-08-01,2020-11-01,2020-12-01
"""
FILM_PLAN = """
[tables]
clinical = "films.csv"
[groups]
column = "arm"
first = "a"
second = "b"
[[time_to_event]]
name = "collapse"
start = "operated"
event_date = "seen"
last_date = "last"
last_negative_date = "clear"
unit = "days"
"""


def test_an_event_between_two_films_is_tested_as_one(tmp_path: Path) -> None:
    """The interval-censored test stands beside the log-rank test; notes count patients and nothing else."""
    (tmp_path / "films.csv").write_text(FILMS, encoding="utf-8")
    (tmp_path / "plan.toml").write_text(FILM_PLAN, encoding="utf-8")
    plan, document = read_plan(tmp_path / "plan.toml")
    context = Context(plan=plan, cohort=join(plan, document, read_inputs(plan, tmp_path)))
    analyses = {a.id: a for part in _parts(context) for a in part().analyses}
    found = analyses["interval-censored-log-rank"].result
    rows = [line.split(",") for line in FILMS.splitlines()[1:]]
    days = [
        [(date.fromisoformat(d) - date.fromisoformat(r[3])).days if d else None for d in r[4:]] for r in rows
    ]
    left = [(clear or 0) if seen else last for clear, seen, last in days]
    expected = vs.interval_logrank_test(left, [seen for _, seen, _ in days], [row[2] for row in rows])
    assert found is not None
    assert found.p_value == pytest.approx(expected.p_value)
    notes = [note for analysis in analyses.values() for note in analysis.notes]
    assert any("10 rows of 9 patients" in note for note in notes)
    assert not [note for note in notes if "clusters (" in note or "column" in note]


def test_file_names_keep_letters_without_accents() -> None:
    assert file_name("Kollaps des Hüftkopfes, große Läsion") == "kollaps-des-huftkopfes-grosse-lasion"
