"""Both papers' plans, from CSV to the printed numbers; nothing is drawn here."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from conftest import ROOT
from make_paper_pages import ONFH_TABLE, ROWS

from volumetry.outcomes.analysis import Context, Outcome
from volumetry.outcomes.inputs.joining import join, read_inputs
from volumetry.outcomes.plan import read_plan
from volumetry.outcomes.run import _parts

PAPERS = ROOT / "sample_scans" / "papers"
Outcomes = dict[tuple[str, str], Outcome]


def run(name: str) -> tuple[Context, Outcomes]:
    plan, document = read_plan(PAPERS / f"{name}_plan.toml")
    context = Context(plan=plan, cohort=join(plan, document, read_inputs(plan, PAPERS)))
    return context, {(o.name, o.population): o for o in (part() for part in _parts(context))}


@pytest.fixture(scope="module")
def onfh() -> tuple[Context, Outcomes]:
    return run("onfh")


@pytest.fixture(scope="module")
def plif() -> tuple[Context, Outcomes]:
    return run("plif")


def table(outcome: Outcome, name: str) -> list[dict[str, Any]]:
    return [dict(row) for t in outcome.tables if t.name == name for row in t.rows]


def p_value(outcomes: Outcomes, name: str, asked: str, population: str = "all") -> float:
    found = [
        a.result
        for a in outcomes[name, population].analyses
        if a.id == asked and a.role in ("published", "description")
    ]
    assert found[0] is not None
    assert found[0].p_value is not None
    return found[0].p_value


def test_the_tables_are_up_to_date() -> None:
    assert subprocess.run(
        [sys.executable, str(PAPERS / "make_papers.py"), "--check"], check=False
    ).returncode == 0  # fmt: skip


def test_every_clinical_row_is_accounted_for_and_the_eligible_are_those_of_the_paper(
    onfh: tuple[Context, Outcomes],
) -> None:
    cohort = onfh[0].cohort
    clinical = [d for d in cohort.dispositions if d.table == "clinical"]
    assert len(clinical) == 288
    assert all(d.reason for d in clinical)
    assert (cohort.group.count("denosumab"), cohort.group.count("control")) == (146, 126)
    assert len(set(cohort.patient)) == 184
    agrees = cohort.table.events("stage agrees")
    assert set(agrees) == {1}


@pytest.mark.parametrize("variable", ["Sex", "Aetiology", "Laterality", "ARCO stage", "Location"])
def test_p_of_table_one_are_the_printed_ones(onfh: tuple[Context, Outcomes], variable: str) -> None:
    rows = table(onfh[1]["Table 1", "all"], "table_one_printed")
    row = next(r for r in rows if r["variable"] == variable and not r["category"])
    assert f"{row['p']:.3f}" == ONFH_TABLE[variable][2]


def test_counts_of_table_one_are_the_printed_ones(onfh: tuple[Context, Outcomes]) -> None:
    rows = table(onfh[1]["Table 1", "all"], "table_one_printed")
    for row in rows:
        printed = ONFH_TABLE.get(row["category"] or "-")
        if printed:
            assert [row["denosumab"].split()[0], row["control"].split()[0]] == [
                cell.split()[0] for cell in printed[:2]
            ]
    sizes = rows[0]
    assert (sizes["denosumab"], sizes["control"]) == ("146 (104 patients)", "126 (80 patients)")
    laterality = next(r for r in rows if r["category"] == "unilateral")
    assert (laterality["denosumab"], laterality["control"]) == ("62 (59.6 %)", "34 (42.5 %)")
    assert laterality["counted"] == "patients"


@pytest.mark.parametrize(
    ("name", "asked", "population", "printed"),
    [
        ("collapse", "shares-compared", "all", "0.012"),
        ("hip replacement", "shares-compared", "all", "0.086"),
        ("stage", "classes-compared", "collapsed hips", "0.105"),
        ("aetiology", "classes-compared", "all", "0.055"),
        ("laterality", "classes-compared", "all", "0.021"),
    ],
)
def test_p_of_printed_counts(
    onfh: tuple[Context, Outcomes], name: str, asked: str, population: str, printed: str
) -> None:
    assert f"{p_value(onfh[1], name, asked, population):.3f}" == printed


def test_fifty_pairs_of_251_patients(plif: tuple[Context, Outcomes]) -> None:
    flow = {(r["stage"], r["group"]): r["n_rows"] for r in table(plif[1]["participant flow", "all"], "flow")}
    assert flow["input", ""] == 251
    assert flow["matched", "rhBMP-2"] == flow["matched", "rhBMP-2 + denosumab"] == 50
    assert flow["matched", "rhBMP-2"] + flow["not matched", "rhBMP-2"] == flow["group", "rhBMP-2"]


@pytest.mark.parametrize(
    ("name", "printed"), [("fusion", "0.357"), ("subsidence", "0.100"), ("osteolysis", "0.001")]
)
def test_p_of_matched_patients(plif: tuple[Context, Outcomes], name: str, printed: str) -> None:
    assert f"{p_value(plif[1], name, 'shares-compared', 'matched'):.3f}" == printed


def test_matched_data_have_everything_and_one_answer_each(plif: tuple[Context, Outcomes]) -> None:
    context, outcomes = plif
    for name in context.plan.endpoint_names:
        primary = [
            (a.endpoint, a.population, a.cluster)
            for o in outcomes.values()
            for a in o.analyses
            if a.endpoint == name and a.primary
        ]
        assert primary == [(name, "matched", "pair")]
    assert table(outcomes["Table 1", "matched"], "table_one_printed")


def test_one_answer_a_question(onfh: tuple[Context, Outcomes]) -> None:
    context, outcomes = onfh
    for name in context.plan.endpoint_names:
        primary = [a for o in outcomes.values() for a in o.analyses if a.endpoint == name and a.primary]
        assert len(primary) == 1, name


def test_the_literature_stands_beside_the_own_rows(onfh: tuple[Context, Outcomes]) -> None:
    outcome = onfh[1]["Literature", "all"]
    rows = table(outcome, "literature")
    assert [(r["events"], r["n"]) for r in rows] == [
        (None, 395), (29, 55), (24, 65), (68, 161), (36, 146), (48, 126),
    ]  # fmt: skip
    assert rows[0]["ci_low_percent"] is None
    assert any("gives the printed 28.8 %" in note for note in outcome.notes)


def test_forty_rows_have_their_key() -> None:
    assert len(ROWS) == 40
    assert all(how for _, how in ROWS)
