"""The plan's section `[error]`: classes and conclusion under the error of measurement."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from volumetry.error_model import ReadingError, VerdictRule, judge_change
from volumetry.errors import VolumetryError
from volumetry.outcomes.analysis import Context, Tidy
from volumetry.outcomes.endpoints.change_endpoint import analyse_change
from volumetry.outcomes.endpoints.error_part import error_drawings, error_notes, error_tables
from volumetry.outcomes.endpoints.judged_changes import error_word, error_words, log_errors, verdicts
from volumetry.outcomes.inputs.joining import join, read_inputs
from volumetry.outcomes.plan import Change, read_plan
from volumetry.outcomes.run import run_outcomes

COHORT = ROOT / "sample_scans/cohort"


_CHANGE = """
[[change]]
name = "volume change"

[sensitivity]
thresholds_percent = [10, 15, 30]
"""


def plan_with_error(folder: Path, log_sd: float, extra: str = "") -> Path:
    """The sample cohort's plan, with an error of reading beside it."""
    shutil.copytree(COHORT, folder, dirs_exist_ok=True)
    error = ReadingError(
        model="constant", log_sd_at_1_cm3=log_sd, exponent=0.0, df=60, n_pairs=60, n_lesions=60,
        n_patients=60,
        size_range_mm3=(100.0, 60_000.0),
    )  # fmt: skip
    (folder / "repeatability.json").write_text(json.dumps(error.as_dict()))
    plan = folder / "plan.toml"
    section = f'\n[error]\nrepeatability = "repeatability.json"\nsimulations = 200\n{extra}'
    whole = plan.read_text(encoding="utf-8")
    plan.write_text(whole[: whole.index("[[derived]]")] + _CHANGE + section, encoding="utf-8")
    return plan


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("error")
    run_outcomes(plan_with_error(base / "plan", 0.08), base / "out")
    return base / "out"


def table(out: Path, name: str) -> list[dict[str, str]]:
    return rows(next(out.rglob(f"*{name}.csv")))


def test_a_tiny_error_changes_no_class(tmp_path: Path) -> None:
    context = context_of(plan_with_error(tmp_path / "plan", 1e-6))
    found, *_ = error_tables(context, Change(), [], lambda _context, _classes: None)
    assert len(found.rows) == 6
    for row in found.rows:
        assert row["n_observed"] == pytest.approx(row["n_mean"], abs=0.6)


def test_a_real_error_moves_hips_between_classes(results: Path) -> None:
    found = table(results, "responders-with-error")
    assert len(found) == 6
    for row in found:
        assert float(row["n_low"]) <= float(row["n_mean"]) <= float(row["n_high"])
        assert float(row["n_changing_class"]) > 1
    for group in {row["group"] for row in found}:
        own = [row for row in found if row["group"] == group]
        total = sum(float(row["n_mean"]) for row in own)
        assert total == pytest.approx(float(own[0]["n_evaluable"]))


def test_the_waterfall_marks_what_the_table_calls_within_error_and_a_second_run_says_the_same(
    results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from volumetry.figures import statistics_figures

    drawn: list[list[Any]] = []
    told: list[str] = []

    def draw(*arguments: Any, **more: Any) -> Any:
        figure = waterfall(*arguments, **more)
        drawn.append(figure.axes[0].containers)
        told.append(figure.axes[0].get_xlabel())
        return figure

    waterfall = statistics_figures.draw_waterfall
    monkeypatch.setattr(statistics_figures, "draw_waterfall", draw)
    run_outcomes(plan_with_error(tmp_path / "plan", 0.08), tmp_path / "out")
    for name in ("responders-with-error", "conclusion"):
        assert table(tmp_path / "out", name) == table(results, name)
    found = table(tmp_path / "out", "changes-with-error")
    assert found == table(results, "changes-with-error")
    bars, pale = drawn[0][:-1], drawn[0][-1]
    assert {row["verdict"] for row in found} >= {"increase", "decrease", "within_error"}
    within = sorted(float(row["change_percent"]) for row in found if row["verdict"] == "within_error")
    assert f"pale: {len(within)} within the error" in told[0]
    assert sorted(bar.get_height() for bar in pale) == pytest.approx(within, rel=1e-9)
    for group in bars:
        of_group = [row for row in found if group.get_label().startswith(row["group"])]
        heights = sorted(float(row["change_percent"]) for row in of_group)
        assert sorted(bar.get_height() for bar in group) == pytest.approx(heights, rel=1e-9)
    place = {round(bar.get_x(), 6): bar.get_height() for group in bars for bar in group}
    assert all(place[round(bar.get_x(), 6)] == bar.get_height() for bar in pale)


def test_within_error_is_the_verdict_by_hand(results: Path) -> None:
    """Reading 0.08 at both visits, 60 degrees of freedom; t = 2.000."""
    for row in table(results, "changes-with-error"):
        if not row["low"]:
            assert row["verdict"] == ""  # nothing is left: no ratio
            continue
        ratio = math.log1p(float(row["change_percent"]) / 100)
        spread = (ratio - math.log1p(float(row["low"]) / 100)) / 1.96
        assert spread >= math.sqrt(2) * 0.08 - 1e-9
        if row["class"] in ("increase", "decrease"):
            beyond = abs(ratio) > 2.0003 * spread
            assert row["verdict"] == (row["class"] if beyond else "within_error")
        else:
            assert row["verdict"] in ("no_change", "within_error")


def test_the_conclusion_under_every_choice_stands_in_one_figure(results: Path) -> None:
    choices = [row["choice"] for row in table(results, "conclusion")]
    assert "measured once more, with its error" in choices
    assert any("threshold" in choice for choice in choices)
    assert list(results.rglob("*conclusion.svg"))
    (error,) = (row for row in table(results, "conclusion") if row["simulations"])
    assert error["simulations"] == "25"
    assert float(error["low"]) <= float(error["odds_ratio"]) <= float(error["high"])


def test_a_choice_that_cannot_be_estimated_is_drawn_so(tmp_path: Path) -> None:
    context = context_of(plan_with_error(tmp_path / "plan", 0.05))
    known = {"odds_ratio": 0.5, "low": 0.2, "high": 0.9, "simulations": None}
    rows = (
        {"choice": "threshold 10 %", **known},
        {"choice": "threshold 30 %", **dict.fromkeys(known)},
        {"choice": "measured once more, with its error", **known, "simulations": 25},
    )
    (drawing,) = error_drawings(context, Change(), [Tidy(name="conclusion", rows=rows)])
    figure = drawing.draw()
    assert len(figure.axes[0].get_yticks()) == 3
    assert "not estimable" in {text.get_text() for text in figure.axes[0].texts}
    assert "lowest and the highest of 25 simulations" in drawing.caption
    names = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert any("(25 of 25 runs)" in name for name in names)
    assert {line.get_linestyle() for line in figure.axes[0].lines} >= {":", "-"}


def test_an_error_of_other_readers_or_rules_is_noted(tmp_path: Path) -> None:
    plan = plan_with_error(tmp_path / "plan", 0.05, "")
    file = tmp_path / "plan/repeatability.json"
    measured = rows(tmp_path / "plan/measurements.csv")
    rules = {row["height_rule"] for row in measured} - {""}
    readers = {row["reader"] for row in measured} - {""}
    told = []
    for held in ({"height_rules": sorted(rules), "readers": sorted(readers)}, {"height_rules": ["nobody's"]}):
        file.write_text(json.dumps({**json.loads(file.read_text()), **held}))
        notes = error_notes(context_of(plan))
        told.append(any("another height rule than the repeated reads" in note for note in notes))
    assert told == [False, True]


def test_where_no_error_is_known_the_outcomes_say_so(tmp_path: Path) -> None:
    plan = plan_with_error(tmp_path / "plan", 0.05)
    plan.write_text(plan.read_text().split("[error]")[0], encoding="utf-8")
    (note,) = error_notes(context_of(plan))
    assert note.startswith("error-unknown: the error of measurement of ")
    context = context_of(plan)
    for word, volume in zip(error_words(context), context.cohort.volumes, strict=True):
        measured = volume.baseline_cm3 is not None and volume.followup_cm3 is not None
        assert word == ("error-unknown" if measured else "")
    found = analyse_change(context, Change())
    for table in found.tables:
        assert {row["change_error"] for row in table.rows} == {"error-unknown"}, table.name
    (waterfall,) = (one for one in found.drawings if one.name.endswith("waterfall"))
    assert "error of measurement unknown" in waterfall.draw().axes[0].get_xlabel()
    assert error_word(context_of(plan_with_error(tmp_path / "known", 0.05))) == "known"


def test_an_error_that_is_not_there_is_named(tmp_path: Path) -> None:
    plan = plan_with_error(tmp_path / "plan", 0.05)
    (tmp_path / "plan/repeatability.json").unlink()
    with pytest.raises(VolumetryError, match="not-found"):
        run_outcomes(plan, tmp_path / "out")


def test_simulations_out_of_range_are_refused(tmp_path: Path) -> None:
    plan = plan_with_error(tmp_path / "plan", 0.05)
    plan.write_text(plan.read_text().replace("simulations = 200", "simulations = 2"))
    with pytest.raises(VolumetryError, match="invalid-plan"):
        run_outcomes(plan, tmp_path / "out")


# -- what the tables say of each change counts ------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    """Write a table anew, every row changed; None leaves it out."""
    whole = rows(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, whole[0])
        writer.writeheader()
        writer.writerows(row for row in map(change, whole) if row is not None)


def as_batch_writes(log_sd: float, slicing: float, how: VerdictRule, *, comparable: str = "yes") -> Any:
    """Fill the columns that say what a class is worth, as ``volumetry batch`` does."""
    error = ReadingError(
        model="constant", log_sd_at_1_cm3=log_sd, exponent=0.0, df=60, n_pairs=60, n_lesions=60,
        n_patients=60, size_range_mm3=(100.0, 60_000.0),
    )  # fmt: skip

    def change(row: dict[str, str]) -> dict[str, str]:
        if row["category"] not in ("increase", "no_change", "decrease"):
            return row
        volumes = (float(row["baseline_volume_mm3"]), float(row["followup_volume_mm3"]))
        worth = judge_change(
            *volumes, sampling_error_percent=(slicing, slicing), reading_error=error, verdict_rule=how
        )
        return row | {
            "comparable": comparable,
            "change_error_percent": repr(worth.change_error_percent),
            "change_error_lower_bound_percent": repr(worth.error_lower_bound_percent),
            "verdict": "not_evaluable" if comparable == "no" else worth.verdict,
        }

    return change


def context_of(plan_path: Path) -> Context:
    """Plan and rows, before anything is analysed."""
    plan, document = read_plan(plan_path)
    return Context(plan=plan, cohort=join(plan, document, read_inputs(plan, plan_path.parent)))


def units(context: Context) -> list[str]:
    return [" ".join(filter(None, key)) for key in context.cohort.keys]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The cohort's plan; its changes say nothing of the error of slicing."""
    plan = plan_with_error(tmp_path / "plan", 0.05)
    rewrite(plan.parent / "changes.csv", lambda row: row | {"change_error_lower_bound_percent": ""})
    return plan


def test_the_verdicts_of_the_batch_stand(plan: Path) -> None:
    changes = plan.parent / "changes.csv"
    rewrite(changes, as_batch_writes(0.05, 2.0, VerdictRule(critical_value="tolerance")))
    context = context_of(plan)
    told = {
        " ".join(filter(None, (row["patient"], row["side"] or "", row["lesion"] or ""))): row["verdict"]
        for row in context.cohort.changes
        if row["verdict"]
    }
    short = {unit.rsplit(" ", 1)[0]: verdict for unit, verdict in told.items()}
    found = dict(zip(units(context), verdicts(context), strict=True))
    known = {unit: verdict for unit, verdict in found.items() if verdict not in (None, "not_evaluable")}
    assert len(known) > 30
    assert known == {unit: short[unit] for unit in known}
    expected = math.sqrt(2 * 0.05**2 + 2 * (1.4 / 1.2 * 0.02) ** 2)
    errors = [error for error in log_errors(context) if error is not None]
    assert errors == pytest.approx([expected] * len(errors), rel=1e-9)
    rewrite(changes, lambda row: row | {"verdict": ""})
    assert dict(zip(units(context), verdicts(context_of(plan)), strict=True)) != found  # by Student's t


def test_what_is_not_comparable_has_no_verdict(plan: Path) -> None:
    rewrite(plan.parent / "changes.csv", as_batch_writes(0.05, 2.0, VerdictRule(), comparable="no"))
    assert set(verdicts(context_of(plan))) - {None} == {"not_evaluable"}


def test_a_verdict_by_another_error_is_noted(plan: Path) -> None:
    rewrite(plan.parent / "changes.csv", as_batch_writes(0.02, 2.0, VerdictRule()))
    context = context_of(plan)
    assert any("rests on another error" in note for note in error_notes(context))
    assert "within_error" in verdicts(context)


@pytest.mark.parametrize("other", [{"reader": "somebody"}, {"read": "2"}, {"site": "S2"}], ids=str)
def test_the_error_of_slicing_is_that_of_the_reads_that_made_the_change(
    plan: Path, other: dict[str, str]
) -> None:
    file = plan.parent / "measurements.csv"
    rewrite(file, lambda row: row | {"sampling_error_percent": "2"})
    more = [row | other | {"sampling_error_percent": "12"} for row in rows(file)]
    with file.open("a", encoding="utf-8", newline="") as text:
        csv.DictWriter(text, more[0]).writerows(more)
    errors = [error for error in log_errors(context_of(plan)) if error is not None]
    expected = math.sqrt(2 * 0.05**2 + 2 * (1.4 / 1.2 * 0.02) ** 2)
    assert len(errors) > 30
    assert errors == pytest.approx([expected] * len(errors), rel=1e-9)


def test_an_error_without_its_part_of_slicing_is_noted(plan: Path) -> None:
    told = []
    for percent in ("", "3"):
        rewrite(plan.parent / "measurements.csv", lambda row, p=percent: row | {"sampling_error_percent": p})
        told.append(any("error of slicing of" in note for note in error_notes(context_of(plan))))
    assert told == [True, False]


def test_errors_of_slicing_of_several_lesions_add_up_as_independent(plan: Path) -> None:
    """A hip of 3 and 1 cm3 with errors of 2 and 4 %: sqrt(0.06**2 + 0.04**2) / 4."""
    changes, reads = plan.parent / "changes.csv", plan.parent / "measurements.csv"
    chosen = next(row for row in context_of(plan).cohort.changes if row["category"] == "increase")
    where = {name: chosen[name] or "" for name in ("patient", "side", "reader")}

    def two(row: dict[str, str], volumes: dict[str, tuple[str, str]]) -> list[dict[str, str]]:
        return [row | {"lesion": f"L{i + 1}"} | {k: v[i] for k, v in volumes.items()} for i in range(2)]

    for file, volumes in (
        (changes, {"baseline_volume_mm3": ("3000", "1000"), "followup_volume_mm3": ("3300", "1200")}),
        (reads, {"sampling_error_percent": ("2", "4")}),
    ):
        whole = rows(file)
        own = [row for row in whole if all(row[name] == value for name, value in where.items())]
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, whole[0])
            writer.writeheader()
            writer.writerows([row for row in whole if row not in own])
            writer.writerows(row for one in own for row in two(one, volumes))
    context = context_of(plan)
    errors = dict(zip(units(context), log_errors(context), strict=True))
    slicing = [math.hypot(3 * 2, 1 * 4) / 4, math.hypot(3.3 * 2, 1.2 * 4) / 4.5]
    expected = math.hypot(0.05 * math.sqrt(2), 1.4 / 1.2 * math.hypot(*slicing) / 100)
    assert errors[f"{where['patient']} {where['side']}".strip()] == pytest.approx(expected, rel=1e-9)
