"""Joining: lesions of a hip summed or apart, readers and visits chosen, parts of a plan on small tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from volumetry.errors import UsageError
from volumetry.outcomes.analysis import Context, Outcome
from volumetry.outcomes.inputs.joining import Cohort, join, read_inputs
from volumetry.outcomes.plan import read_plan
from volumetry.outcomes.run import _parts
from volumetry.tables import CHANGES, MEASUREMENTS, write_table

CLINICAL = """\
patient,side,lesion,group,age,male,v1,v2,hhs,flex,ext,t,first,second,disc0,disc1
A,L,L1,x,50,1,10,10.4,91,9,5,-2.5,2020-01-01,2021-01-01,11,9
A,R,R1,x,50,1,12,11.7,85,9,4.5,-1.2,2020-01-01,2020-07-01,11,9.5
B,L,L1,x,61,0,9,9.3,77,6,5,0.1,2020-01-01,,11,11
C,R,R1,y,45,0,14,13.5,60,1,8,-3,2020-01-01,2020-03-01,10,7
D,L,L1,y,58,1,8,8.1,79.9,2,3,-1,2020-01-01,2022-01-01,10,9
E,L,L1,y,66,1,11,11.5,,7,2,,,2022-01-01,10,
"""


def change(
    patient: str, side: str, lesion: str, before: float | None, after: float | None, **more: Any
) -> dict[str, Any]:
    category = "not_evaluable" if more.get("reason") else "no_change"
    row = {
        "patient": patient, "side": side, "lesion": lesion, "reader": "r1", "baseline_visit": "v0",
        "followup_visit": "v1", "days": 365, "baseline_volume_mm3": before, "followup_volume_mm3": after,
        "category": category, "height_rule": "thickness",
    }  # fmt: skip
    return dict.fromkeys(CHANGES.column_names) | row | more


CHANGE_ROWS = [
    change("A", "L", "L1", 1000.0, 1100.0),
    change("A", "L", "L2", 1000.0, 1400.0),
    change("A", "R", "R1", 2000.0, 0.0),
    change("B", "L", "L1", 1000.0, 500.0),
    change("B", "L", "L2", 1000.0, 700.0, reason="few-slices"),
    change("C", "R", "R1", 1000.0, None, reason="followup-not-measured"),
    change("D", "L", "L1", 0.0, 300.0),
    change("D", "L", "L1", 0.0, 900.0, followup_visit="v2", days=800),
    change("Z", "L", "L1", 100.0, 100.0),
]

PLAN = """\
[tables]
clinical = "clinical.csv"
changes = "changes.csv"

[volumes]
unit = "hip"

[groups]
column = "group"
first = "x"
second = "y"
"""


def joined(
    folder: Path, plan: str = PLAN, rows: list[dict[str, Any]] | None = None, clinical: str = CLINICAL
) -> Cohort:
    (folder / "clinical.csv").write_text(clinical, encoding="utf-8")
    write_table(folder / "changes.csv", CHANGES, CHANGE_ROWS if rows is None else rows)
    (folder / "plan.toml").write_text(plan, encoding="utf-8")
    read, document = read_plan(folder / "plan.toml")
    return join(read, document, read_inputs(read, folder))


def classes(cohort: Cohort) -> dict[str, str]:
    return {
        " ".join(part for part in key if part): volume.reason or volume.category
        for key, volume in zip(cohort.keys, cohort.volumes, strict=True)
    }


def test_lesions_of_a_hip_are_summed_and_one_without_a_class_leaves_the_hip_without(tmp_path: Path) -> None:
    assert classes(joined(tmp_path)) == {
        "A L": "increase", "A R": "resolved", "B L": "few-slices", "C R": "followup-not-measured",
        "D L": "new", "E L": "no-measurements",
    }  # fmt: skip


def test_lesions_by_themselves(tmp_path: Path) -> None:
    found = classes(joined(tmp_path, PLAN.replace('"hip"', '"lesion"')))
    assert (found["A L L1"], found["B L L1"]) == ("no_change", "decrease")


def test_patients_without_sides_take_all_their_lesions(tmp_path: Path) -> None:
    clinical = "patient,group\nA,x\nB,x\nC,y\nD,y\n"
    cohort = joined(tmp_path, PLAN.replace('"hip"', '"patient"'), clinical=clinical)
    assert cohort.volumes[0].n_lesions == 3
    assert cohort.volumes[0].baseline_cm3 == 4


def test_exactly_the_threshold_is_no_change(tmp_path: Path) -> None:
    rows = [change("A", "L", "L1", 2000.0, 1700.0), change("A", "R", "R1", 2000.0, 1699.0)]
    found = classes(joined(tmp_path, rows=rows))
    assert (found["A L"], found["A R"]) == ("no_change", "decrease")
    lower = PLAN.replace(
        'unit = "hip"', 'unit = "hip"\nthreshold_percent = 5\ndecrease_threshold_percent = 50'
    )
    assert classes(joined(tmp_path, lower, rows))["A R"] == "no_change"


@pytest.mark.parametrize(
    ("followup", "volume", "left_out"), [("last", 0.9, "300"), ("first", 0.3, "900"), ("v2", 0.9, "300")]
)
def test_follow_up_visits_are_chosen(tmp_path: Path, followup: str, volume: float, left_out: str) -> None:
    cohort = joined(tmp_path, PLAN.replace('unit = "hip"', f'unit = "hip"\nfollowup = "{followup}"'))
    place = cohort.keys.index(("D", "L", ""))
    assert cohort.volumes[place].followup_cm3 == pytest.approx(volume)
    reasons = [d.reason for d in cohort.dispositions if d.table == "changes" and d.patient == "D"]
    assert sorted(reasons) == ["analysed", "another follow-up visit"]


def test_rows_of_nobody_are_accounted_for(tmp_path: Path) -> None:
    cohort = joined(tmp_path)
    last = [d for d in cohort.dispositions if d.table == "changes"][-1]
    assert (last.patient, last.used) == ("Z", False)
    assert last.reason == "not among the analysed rows of the clinical table"


def test_readers_must_be_chosen(tmp_path: Path) -> None:
    two = [*CHANGE_ROWS, change("A", "L", "L1", 1000.0, 900.0, reader="r2")]
    with pytest.raises(UsageError, match="several readers"):
        joined(tmp_path, rows=two)
    plan = PLAN.replace('unit = "hip"', 'unit = "hip"\nreader = "r2"')
    assert classes(joined(tmp_path, plan, two))["A L"] == "no_change"
    with pytest.raises(UsageError, match="two readers traced A L L1"):
        joined(tmp_path, plan.replace("r2", "any"), two)
    assert classes(joined(tmp_path, plan.replace("r2", "any")))["A L"] == "increase"
    with pytest.raises(UsageError, match="no reader 'r3'"):
        joined(tmp_path, plan.replace("r2", "r3"), two)


def outcomes(folder: Path, sections: str) -> dict[str, Outcome]:
    cohort = joined(folder, PLAN + sections)
    plan, _ = read_plan(folder / "plan.toml")
    return {
        outcome.name: outcome for outcome in (part() for part in _parts(Context(plan=plan, cohort=cohort)))
    }


def test_columns_are_derived_by_rule(tmp_path: Path) -> None:
    rules = {
        "category": ("harris-category", ["hhs"]), "good": ("good-or-excellent", ["hhs"]),
        "loose": ("nonunion", ["flex", "ext"]), "sunk": ("subsidence", ["disc0", "disc1"]),
        "bone": ("bone-density", ["t"]), "days": ("days-between", ["first", "second"]),
        "years": ("years-between", ["first", "second"]), "seen": ("present", ["second"]),
        "gain": ("difference", ["v2", "v1"]),
    }  # fmt: skip
    text = "".join(
        f'\n[[derived]]\nname = "{name}"\nrule = "{rule}"\ncolumns = {columns}\n'
        for name, (rule, columns) in rules.items()
    )
    for name, rule, value in (("old", "at-least", 58), ("older", "more-than", 58), ("man", "equals", 1)):
        column = "male" if name == "man" else "age"
        text += f'\n[[derived]]\nname = "{name}"\nrule = "{rule}"\ncolumns = ["{column}"]\nvalue = {value}\n'
    table = joined(tmp_path, PLAN + text).table
    assert table.text("category") == ["excellent", "good", "fair", "poor", "fair", None]
    assert table.events("good") == [1, 1, 0, 0, 0, None]
    assert table.events("loose") == [0, 1, 0, 1, 0, 1]
    assert table.events("sunk") == [1, 0, 0, 1, 0, None]
    assert table.text("bone") == ["osteoporosis", "osteopenia", "normal", "osteoporosis", "normal", None]
    assert table.numbers("days") == [366, 182, None, 60, 731, None]
    assert table.numbers("years")[0] == pytest.approx(366 / 365.25)
    assert table.events("seen") == [1, 1, 0, 1, 1, 1]
    assert table.numbers("gain")[1] == pytest.approx(-0.3)
    assert [table.events(name) for name in ("old", "older")] == [[0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 0, 1]]
    assert table.events("man") == [1, 1, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("derived", "what"),
    [
        ('rule = "difference"\ncolumns = ["v1"]', "reads 2 columns"),
        ('rule = "present"\ncolumns = ["nowhere"]', "no column 'nowhere'"),
        ('rule = "equals"\ncolumns = ["male"]', "needs a value"),
    ],
)
def test_derived_columns_that_cannot_be(tmp_path: Path, derived: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        joined(tmp_path, f'{PLAN}\n[[derived]]\nname = "d"\n{derived}\n')


def test_scores_outside_their_scale_are_told_with_the_column(tmp_path: Path) -> None:
    text = f'{PLAN}\n[[derived]]\nname = "d"\nrule = "good-or-excellent"\ncolumns = ["hhs"]\n'
    with pytest.raises(UsageError, match="outside its scale, column d of the plan"):
        joined(tmp_path, text, clinical=CLINICAL.replace(",91,", ",191,"))


def test_agreement_of_columns_and_of_readers(tmp_path: Path) -> None:
    rows = [
        dict.fromkeys(MEASUREMENTS.column_names)
        | {"patient": patient, "side": "L", "lesion": "L1", "visit": "v0", "reader": reader, "read": 1,
           "status": "measured", "volume_cm3": volume}
        for patient, volumes in {"A": (9.0, 9.4), "B": (5.0, 5.2), "D": (12.0, 11.5), "E": (7.0, 7.7)}.items()
        for reader, volume in zip(("r1", "r2"), volumes, strict=True)
    ]  # fmt: skip
    write_table(tmp_path / "measurements.csv", MEASUREMENTS, rows)
    sections = """
[[agreement]]
name = "two reads"
columns = ["v1", "v2"]
threshold_percent = 10

[[agreement]]
name = "two readers"
readers = ["r1", "r2"]
"""
    text = PLAN.replace(
        'changes = "changes.csv"', 'changes = "changes.csv"\nmeasurements = "measurements.csv"'
    )
    cohort = joined(tmp_path, text + sections)
    plan, _ = read_plan(tmp_path / "plan.toml")
    found = {o.name: o for o in (part() for part in _parts(Context(plan=plan, cohort=cohort)))}
    for name, n in (("two reads", 6), ("two readers", 4)):
        by_what = {a.what: a for a in found[name].analyses}
        icc = by_what["intraclass correlation"].result
        assert icc is not None
        assert icc.n_used == n
        assert by_what["limits of agreement, percent"].result is not None
        assert len(found[name].drawings) == 2
    repeat = {a.what: a for a in found["two reads"].analyses}["repeatability"].result
    assert repeat is not None
    assert repeat.details["threshold_percent"] == 10


def test_matching_that_finds_nobody_is_an_answer(tmp_path: Path) -> None:
    found = outcomes(tmp_path, '\n[matching]\ncovariates = ["age"]\ncaliper = 1e-9\nscale = "probability"\n')
    (only,) = found["matching"].analyses
    assert only.code == "not-estimable"
    assert "within the caliper" in only.reason


def test_rows_can_be_matched_instead_of_patients(tmp_path: Path) -> None:
    section = '\n[matching]\ncovariates = ["age"]\ncaliper = 5\nby = "row"\n'
    pairs = outcomes(tmp_path, section)["matching"].tables[1].rows
    assert {row["treated"] for row in pairs} <= {"2", "3", "4"}
    assert {row["control"] for row in pairs} <= {"5", "6", "7"}


def test_dates_become_times_with_the_competing_event_first(tmp_path: Path) -> None:
    clinical = """\
patient,side,group,start,collapse,free,replaced,last
A,L,x,2020-01-01,2020-07-01,2020-04-01,2021-01-01,2021-01-01
B,L,x,2020-01-01,,,2020-03-01,2020-03-01
C,L,x,2020-01-01,2020-06-01,2020-02-01,2020-05-01,2020-06-01
D,L,y,2020-01-01,,,,2021-06-01
E,L,y,,,,,2021-06-01
F,R,y,2020-01-01,2020-09-01,2020-06-01,,2021-06-01
"""
    section = """
[[time_to_event]]
name = "collapse"
start = "start"
event_date = "collapse"
last_date = "last"
competing_date = "replaced"
competing = "replacement"
last_negative_date = "free"
unit = "days"
horizon = 100
"""
    from volumetry.outcomes.endpoints.time_endpoint import read_times

    cohort = joined(tmp_path, PLAN + section, clinical=clinical)
    plan, _ = read_plan(tmp_path / "plan.toml")
    context = Context(plan=plan, cohort=cohort)
    times = read_times(context, plan.time_to_event[0])
    assert times.time[:4] == [182, 60, 121, 517]
    assert times.code[:4] == [1, 2, 2, 0]
    assert times.time[4] != times.time[4]
    outcome = next(o for o in (part() for part in _parts(context)) if o.name == "collapse")
    notes = [note for a in outcome.analyses for note in a.notes]
    assert any("interval-censored: 2 events" in note for note in notes)
    backwards = joined(tmp_path, PLAN + section, clinical=clinical.replace("2021-06-01", "2019-06-01"))
    with pytest.raises(UsageError, match="ends before it starts"):
        read_times(Context(plan=plan, cohort=backwards), plan.time_to_event[0])


HIPS_OF_BOTH_GROUPS = """\
patient,side,group,age,volume,collapse,months,event
A,L,x,50,4,1,12,2
A,R,y,50,6,0,20,1
B,L,x,61,3,0,18,1
B,R,x,61,9,1,6,2
C,R,y,45,5,0,24,1
D,L,y,58,5,1,9,2
E,L,y,66,6,1,8,2
F,L,x,59,4,0,30,1
G,L,y,63,7,0,26,1
"""


def outcomes_of(folder: Path, sections: str, clinical: str) -> dict[str, Outcome]:
    plan = PLAN.replace('changes = "changes.csv"\n', "") + sections
    cohort = joined(folder, plan, clinical=clinical)
    read, _ = read_plan(folder / "plan.toml")
    found = [part() for part in _parts(Context(plan=read, cohort=cohort))]
    return {f"{outcome.name} {outcome.population}": outcome for outcome in found}


@pytest.mark.parametrize(("covariate", "column"), [("age", "group"), ("volume", "volume")])
def test_patients_with_two_values_are_not_matched_by_their_first_row(
    tmp_path: Path, covariate: str, column: str
) -> None:
    """A patient with hips in both groups, or whose hips differ in a covariate, is no unit to be matched."""
    clinical = HIPS_OF_BOTH_GROUPS if column == "group" else HIPS_OF_BOTH_GROUPS.replace("A,R,y", "A,R,x")
    found = outcomes_of(tmp_path, f'\n[matching]\ncovariates = ["{covariate}"]\ncaliper = 5\n', clinical)
    (only,) = found["matching matched"].analyses
    assert only.code == "invalid-table"
    assert f"{column} has two values in one patient" in only.reason


def test_pairs_that_share_a_patient_are_one_cluster(tmp_path: Path) -> None:
    section = """
[matching]
covariates = ["volume"]
caliper = 5
by = "row"

[[binary]]
name = "collapse"
column = "collapse"
"""
    found = outcomes_of(tmp_path, section, HIPS_OF_BOTH_GROUPS)
    matching = found["matching matched"]
    n_pairs = len(matching.tables[1].rows)
    (note,) = [note for note in matching.notes if "share patients" in note]
    clusters = {
        a.result.n_clusters for a in found["collapse matched"].analyses if a.result and a.role != "published"
    }
    assert f"{n_pairs} pairs share patients" in note
    assert max(number or 0 for number in clusters) < n_pairs


def test_patients_in_both_groups_are_counted_in_both_columns_of_table_one(tmp_path: Path) -> None:
    section = """
[[table_one.variable]]
column = "age"
per = "patient"
test = "student"
"""
    (table,) = [
        outcome
        for name, outcome in outcomes_of(tmp_path, section, HIPS_OF_BOTH_GROUPS).items()
        if "Table 1" in name
    ]
    printed, tidy = table.tables
    row = next(row for row in printed.rows if row["variable"] == "age")
    assert row["p"] is None
    assert {entry["group"]: entry["n"] for entry in tidy.rows} == {"x": 3, "y": 5}
    assert any("1 patients have hips in both groups" in note for note in table.notes)


TIMES = """
[[time_to_event]]
name = "collapse"
time = "months"
event = "event"
unit = "months"
"""


def times_of(folder: Path, more: str = "", clinical: str = HIPS_OF_BOTH_GROUPS) -> list[float]:
    from volumetry.outcomes.endpoints.time_endpoint import read_times

    plan = PLAN.replace('changes = "changes.csv"\n', "") + TIMES + more
    cohort = joined(folder, plan, clinical=clinical)
    read, _ = read_plan(folder / "plan.toml")
    return read_times(Context(plan=read, cohort=cohort), read.time_to_event[0]).event


def test_a_second_code_is_an_event_of_the_plan_or_refused(tmp_path: Path) -> None:
    """1 for censored and 2 for dead (R, SPSS) must not turn the result round; both ways out work."""
    with pytest.raises(UsageError, match="no competing event is named") as refused:
        times_of(tmp_path)
    assert "synonyms" in str(refused.value)
    coded = '\n[[values]]\ncolumn = "event"\nsynonyms = { 0 = ["1"], 1 = ["2"] }\n'
    assert times_of(tmp_path, coded) == [1, 0, 0, 1, 0, 1, 1, 0, 0]
    assert times_of(tmp_path, 'competing = "death"\n') == [0, 1, 1, 0, 1, 0, 0, 1, 1]


def test_events_may_be_yes_and_no(tmp_path: Path) -> None:
    words = HIPS_OF_BOTH_GROUPS.replace(",2\n", ",yes\n").replace(",1\n", ",No\n")
    assert times_of(tmp_path, clinical=words) == [1, 0, 0, 1, 0, 1, 1, 0, 0]
