"""The plan's section `[error]`: classes and conclusion under the error of measurement."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from volumetry.error_model import ReadingError
from volumetry.errors import VolumetryError
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
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    base = tmp_path_factory.mktemp("error")
    found = {}
    for log_sd in (1e-6, 0.08):
        out = base / f"out{log_sd}"
        run_outcomes(plan_with_error(base / f"plan{log_sd}", log_sd), out)
        found[log_sd] = out
    return found


def table(out: Path, name: str) -> list[dict[str, str]]:
    return rows(next(out.rglob(f"*{name}.csv")))


def test_a_tiny_error_changes_no_class(results: dict[float, Path]) -> None:
    for row in table(results[1e-6], "responders-with-error"):
        assert float(row["n_observed"]) == pytest.approx(float(row["n_mean"]), abs=0.6)


def test_a_real_error_moves_hips_between_classes(results: dict[float, Path]) -> None:
    found = table(results[0.08], "responders-with-error")
    assert len(found) == 6
    for row in found:
        assert float(row["n_low"]) <= float(row["n_mean"]) <= float(row["n_high"])
        assert float(row["n_changing_class"]) > 1
    for group in {row["group"] for row in found}:
        own = [row for row in found if row["group"] == group]
        total = sum(float(row["n_mean"]) for row in own)
        assert total == pytest.approx(float(own[0]["n_evaluable"]))


def test_the_waterfall_marks_what_the_table_calls_within_error(
    results: dict[float, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
    found = table(tmp_path / "out", "changes-with-error")
    assert found == table(results[0.08], "changes-with-error")
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


def test_within_error_is_the_verdict_by_hand(results: dict[float, Path]) -> None:
    """Reading 0.08 at both visits, 60 degrees of freedom; t = 2.000."""
    for row in table(results[0.08], "changes-with-error"):
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


def test_the_conclusion_under_every_choice_stands_in_one_figure(results: dict[float, Path]) -> None:
    out = results[0.08]
    choices = [row["choice"] for row in table(out, "conclusion")]
    assert "measured once more, with its error" in choices
    assert any("threshold" in choice for choice in choices)
    assert list(out.rglob("*conclusion.svg"))


def test_the_same_seed_gives_the_same_bytes(results: dict[float, Path], tmp_path: Path) -> None:
    run_outcomes(plan_with_error(tmp_path / "plan", 0.08), tmp_path / "out")
    for name in ("responders-with-error", "changes-with-error", "conclusion"):
        assert table(tmp_path / "out", name) == table(results[0.08], name)


def test_an_error_of_other_readers_or_rules_is_noted(tmp_path: Path) -> None:
    plan = plan_with_error(tmp_path / "plan", 0.05, "")
    file = tmp_path / "plan/repeatability.json"
    measured = rows(tmp_path / "plan/measurements.csv")
    rules = {row["height_rule"] for row in measured} - {""}
    readers = {row["reader"] for row in measured} - {""}
    notes = []
    for held in ({"height_rules": sorted(rules), "readers": sorted(readers)}, {"height_rules": ["nobody's"]}):
        file.write_text(json.dumps({**json.loads(file.read_text()), **held}))
        run_outcomes(plan, tmp_path / "out")
        notes.append((tmp_path / "out/results.md").read_text(encoding="utf-8"))
    told = "another height rule than the repeated reads"
    assert [told in note for note in notes] == [False, True]


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
