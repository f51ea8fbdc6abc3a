"""The plan's `[error]` and ``changes.csv`` answer alike, and say where the error of slicing is not known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from volumetry.change import ChangeRule
from volumetry.error_model import ReadingError, VerdictRule
from volumetry.outcomes.analysis import Context
from volumetry.outcomes.endpoints.error_part import change_rows, error_notes
from volumetry.outcomes.inputs.joining import join, read_inputs
from volumetry.outcomes.inputs.lesion_volumes import changes_by_height
from volumetry.outcomes.plan import read_plan
from volumetry.study.rows.pairing import changes_of
from volumetry.study.rows.worth import WorthRule
from volumetry.tables import CHANGES, MEASUREMENTS, Row, write_table

ERROR = ReadingError(
    model="constant", log_sd_at_1_cm3=0.05, exponent=0.0, df=14, n_pairs=14, n_lesions=14, n_patients=14,
    size_range_mm3=(500.0, 60_000.0),
)  # fmt: skip

PLAN = """
[study]
title = "t"
[tables]
clinical = "clinical.csv"
{tables}
[volumes]
unit = "hip"
reader = "{reader}"
followup = "last"
{volumes}
[groups]
column = "group"
first = "drug"
second = "control"
[[change]]
name = "change"
[error]
repeatability = "repeatability.json"
simulations = 40
"""

BOTH = 'measurements = "measurements.csv"\nchanges = "changes.csv"'
RATIOS = (0.5, 0.7, 0.8, 0.84, 0.9, 1.0, 1.05, 1.12, 1.16, 1.2, 1.3, 1.6)


def visit(patient: int, order: int, volume: float, **cells: Any) -> Row:
    base: Row = dict.fromkeys(MEASUREMENTS.column_names)
    base |= {
        "patient": f"p{patient:02}", "side": "L", "lesion": "L1", "visit": f"v{order}", "visit_order": order,
        "reader": "A", "read": 1, "status": "measured", "volume_mm3": volume, "volume_cm3": volume / 1000,
        "height_rule": "thickness", "n_slices": 8, "slice_thickness_mm": 4.0, "slice_spacing_mm": 4.4,
        "pixel_area_mm2": 0.49, "modality": "MR", "plane": "coronal", "weighting": "T1",
        "sampling_error_percent": 1.0,
    }  # fmt: skip
    return base | cells


def cohort(**followup: Any) -> list[Row]:
    """A hip of each patient; of the first three the follow-up is in another plane."""
    rows = []
    for patient, ratio in enumerate(RATIOS):
        plane = "axial" if patient < 3 else "coronal"
        rows.append(visit(patient, 0, 4000.0))
        rows.append(visit(patient, 1, 4000.0 * ratio, plane=plane, **followup))
    return rows


def answered(
    folder: Path,
    measurements: list[Row],
    *,
    worth: WorthRule | None = None,
    changes: list[Row] | None = None,
    tables: str = BOTH,
    volumes: str = "",
    reader: str = "A",
) -> tuple[dict[str, Row], dict[str, Row], str]:
    """Rows of ``changes-with-error`` and of ``changes.csv`` by patient, and the notes."""
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(measurements, key=lambda row: (row["patient"], row["visit_order"]))
    made = list(changes_of(order, ChangeRule(), worth)) if changes is None else changes
    write_table(folder / "measurements.csv", MEASUREMENTS, measurements)
    write_table(folder / "changes.csv", CHANGES, made)
    clinical = [f"p{n:02},L,{('drug', 'control')[n % 2]}" for n in range(len(RATIOS))]
    (folder / "clinical.csv").write_text("\n".join(["patient,side,group", *clinical, ""]), encoding="utf-8")
    (folder / "repeatability.json").write_text(json.dumps(ERROR.as_dict()), encoding="utf-8")
    (folder / "plan.toml").write_text(
        PLAN.format(tables=tables, volumes=volumes, reader=reader), encoding="utf-8"
    )
    plan, document = read_plan(folder / "plan.toml")
    context = Context(plan=plan, cohort=join(plan, document, read_inputs(plan, folder)))
    found = {row["unit"].split()[0]: row for row in change_rows(context, "change")}
    told = {row["patient"]: row for row in made if row["reader"] == "A"}
    return found, told, "\n".join(error_notes(context))


def evaluable(changes: dict[str, Row]) -> dict[str, Row]:
    return {patient: row for patient, row in changes.items() if row["category"] != "not_evaluable"}


def verdicts(rows: dict[str, Row]) -> dict[str, Any]:
    return {patient: row["verdict"] for patient, row in rows.items()}


def log_sd(row: Row) -> float:
    high, low = (1 + row[name] / 100 for name in ("high", "low"))
    return math.log(high / low) / 2 / 1.96


@pytest.mark.parametrize("bound", ["t", "tolerance"])
def test_verdicts_are_those_of_the_changes(tmp_path: Path, bound: Any) -> None:
    worth = WorthRule(reading_error=ERROR, verdict=VerdictRule(critical_value=bound))
    found, told, _ = answered(tmp_path, cohort(), worth=worth)
    assert verdicts(found) == verdicts(evaluable(told))
    assert [told[f"p{n:02}"]["verdict"] for n in range(3)] == ["not_evaluable"] * 3


def test_visits_that_are_not_comparable_take_no_part(tmp_path: Path) -> None:
    found, told, _ = answered(tmp_path, cohort())
    refused = {p: row for p, row in told.items() if row["comparable"] == "no"}
    assert sorted(refused) == ["p00", "p01", "p02"]
    assert {(row["category"], row["reason"]) for row in refused.values()} == {
        ("not_evaluable", "plane-differs")
    }
    assert {row["threshold_category"] for row in refused.values()} == {"decrease"}
    worth = WorthRule(reading_error=ERROR)
    expected = {row["patient"]: row for row in changes_of(cohort(), ChangeRule(), worth)}
    assert verdicts(found) == verdicts(evaluable(expected))


def test_another_height_rule_mends_a_changed_gap_and_no_other_plane() -> None:
    rows = [row | {"slice_spacing_mm": 4.0 + row["visit_order"]} for row in cohort()]
    rows = [row | {"volume_spacing_mm3": row["volume_mm3"]} for row in rows]
    changes = list(changes_of(rows, ChangeRule()))
    assert {row["reason"] for row in changes} == {"gap-ratio-changed"}
    by_spacing = changes_by_height(changes, rows, "spacing", ChangeRule())
    assert [row["reason"] for row in by_spacing[:3]] == ["plane-differs"] * 3
    assert "not_evaluable" not in {row["category"] for row in by_spacing[3:]}


def test_a_class_of_visits_that_are_not_comparable_has_no_verdict(tmp_path: Path) -> None:
    """The table of an earlier version, in which they kept their class."""
    made = [
        row | {"category": row["threshold_category"], "reason": None}
        for row in changes_of(cohort(), ChangeRule())
    ]
    found, _, _ = answered(tmp_path, cohort(), changes=made)
    assert [found[f"p{n:02}"]["verdict"] for n in range(3)] == ["not_evaluable"] * 3


def test_the_error_of_slicing_is_that_of_the_read_that_was_compared(tmp_path: Path) -> None:
    """Another reader, a second read and another visit of the same lesions are not looked at."""
    own = cohort()
    more = [row | {"reader": "B", "sampling_error_percent": 12.0} for row in own]
    more += [row | {"read": 2, "sampling_error_percent": 12.0} for row in own]
    for place, rows in enumerate(([*own, *more], [*more, *own])):
        found, _, _ = answered(tmp_path / str(place), rows)
        sd = math.sqrt(2 * 0.05**2 + (1.4 / 1.2) ** 2 * 2 * 0.01**2)
        assert {round(log_sd(row), 6) for row in found.values()} == {round(sd, 6)}


def test_changes_alone_bring_their_error_of_slicing(tmp_path: Path) -> None:
    """Without ``measurements.csv`` the plan still knows it: `change_error_percent` holds it."""
    rows = [row | {"sampling_error_percent": 6.0} for row in cohort()]
    worth = WorthRule(reading_error=ERROR)
    found, told, words = answered(tmp_path, rows, worth=worth, tables='changes = "changes.csv"')
    for patient, row in found.items():
        expected = math.sqrt(math.log1p((told[patient]["change_error_percent"] / 100) ** 2))
        assert log_sd(row) == pytest.approx(expected, rel=1e-4)
    assert "error of slicing" not in words


def test_a_lower_bound_in_the_changes_is_the_error_of_slicing(tmp_path: Path) -> None:
    rows = [row | {"sampling_error_percent": 6.0} for row in cohort()]
    found, _, words = answered(tmp_path, rows, tables='changes = "changes.csv"')
    sd = math.sqrt(2 * 0.05**2 + (1.4 / 1.2) ** 2 * 2 * 0.06**2)
    assert {round(log_sd(row), 5) for row in found.values()} == {round(sd, 5)}
    assert "error of slicing" not in words


def test_an_unknown_error_of_slicing_is_said_and_gives_no_verdict(tmp_path: Path) -> None:
    rows = cohort(sampling_error_percent=None)
    found, _, words = answered(tmp_path, rows)
    assert {round(log_sd(row), 6) for row in found.values()} == {round(math.sqrt(2) * 0.05, 6)}
    assert {row["verdict"] for row in found.values()} == {None}
    assert f"error of slicing of {len(found)} of {len(found)} changes is not known" in words


def test_the_error_of_slicing_of_several_lesions_is_that_of_their_sum(tmp_path: Path) -> None:
    """Of 4,000 mm3 with 1 % and 1,000 mm3 with 10 %: sqrt(40^2 + 100^2) of 5,000 mm3."""
    rows = cohort()
    rows += [
        row | {"lesion": "L2", "volume_mm3": row["volume_mm3"] / 4, "sampling_error_percent": 10.0}
        for row in rows
    ]
    found, _, words = answered(tmp_path, rows)
    slicing = math.hypot(40, 100) / 5000
    sd = math.sqrt(2 * 0.05**2 + (1.4 / 1.2) ** 2 * 2 * slicing**2)
    assert {round(log_sd(row), 6) for row in found.values()} == {round(sd, 6)}
    assert "error of slicing" not in words


def test_a_change_between_two_readers_has_the_slicing_of_both(tmp_path: Path) -> None:
    rows = [row | {"reader": "B"} if row["visit_order"] else row for row in cohort()]
    rows = [row | {"sampling_error_percent": 6.0} if row["reader"] == "B" else row for row in rows]
    made = list(changes_of(rows, ChangeRule()))
    assert {row["reader"] for row in made} == {"A;B"}
    found, _, _ = answered(tmp_path, rows, changes=made, reader="")
    sd = math.sqrt(2 * 0.05**2 + (1.4 / 1.2) ** 2 * (0.01**2 + 0.06**2))
    assert {round(log_sd(row), 6) for row in found.values()} == {round(sd, 6)}
