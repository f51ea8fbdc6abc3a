"""Clinical rules: scores and classes at their edges, collapse against circles, failure against dates."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumetry.clinical.collapse import collapse_progression, fit_circle, head_depression
from volumetry.clinical.follow_up import (
    HipFollowUp,
    failure_time,
    replacement_time,
)
from volumetry.clinical.hip_scores import (
    HARRIS_DOMAINS,
    good_or_excellent_share,
    harris_category,
    harris_total,
    is_good_or_excellent,
    womac_total,
    womac_total_from_items,
)
from volumetry.clinical.spine import (
    bone_density_category,
    check_pain_vas,
    disc_height_loss,
    has_osteolysis,
    is_nonunion,
    oozing_time,
    segmental_motion_degrees,
)
from volumetry.clinical.staging import HipFindings, arco_stage, check_arco_stage
from volumetry.clinical.threshold import Threshold
from volumetry.errors import StatisticsError, UsageError


def test_harris_domains_make_a_hundred() -> None:
    assert sum(HARRIS_DOMAINS.values()) == 100
    assert harris_total(pain=44, function=47, deformity=4, motion=5) == 100
    with pytest.raises(UsageError, match="deformity"):
        harris_total(pain=44, function=47, deformity=5, motion=5)


@pytest.mark.parametrize(
    ("total", "category"),
    [(100, "excellent"), (90, "excellent"), (89.5, "good"), (89.999, "good"), (80, "good"), (79.9, "fair"),
     (70, "fair"), (69.99, "poor"), (0, "poor")],
)  # fmt: skip
def test_harris_classes_have_no_hole(total: float, category: str) -> None:
    assert harris_category(total) == category


@given(st.floats(0, 100))
def test_every_harris_score_has_one_class_and_higher_is_never_worse(total: float) -> None:
    order = ["poor", "fair", "good", "excellent"]
    assert order.index(harris_category(min(100, total + 1))) >= order.index(harris_category(total))
    assert is_good_or_excellent(total) == (total >= 80)


def test_good_or_excellent_share_names_its_denominator() -> None:
    result = good_or_excellent_share([85, 91, 60, None, float("nan")])
    assert (result.details["events"], result.n_used, result.n_missing) == (2, 3, 2)
    assert result.estimate.value == pytest.approx(2 / 3)
    with pytest.raises(StatisticsError):
        good_or_excellent_share([None])
    with pytest.raises(UsageError):
        harris_category(101)
    with pytest.raises(UsageError):
        harris_category(50, cuts=(70, 80, 90))


@pytest.mark.parametrize(("version", "highest"), [("LK3.1", 96), ("VA3.1", 2400), ("NRS3.1", 240)])
def test_womac_totals_know_their_range(version: str, highest: float) -> None:
    worst = highest / 24
    total = womac_total_from_items([worst] * 24, version=version)  # type: ignore[arg-type]
    assert (total.total, total.highest, total.percent) == (highest, highest, 100)


def test_womac_refuses_what_its_version_cannot_hold() -> None:
    assert womac_total(pain=3, stiffness=2, function=9, version="LK3.1").total == 14
    with pytest.raises(UsageError, match="pain"):
        womac_total(pain=21, stiffness=0, function=0, version="LK3.1")
    with pytest.raises(UsageError, match="24 items"):
        womac_total_from_items([0] * 23, version="LK3.1")
    with pytest.raises(UsageError, match="version"):
        womac_total(pain=0, stiffness=0, function=0, version="3")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("findings", "stage"),
    [
        (HipFindings(mri_positive=False, radiograph_abnormal=False), "0"),
        (HipFindings(mri_positive=True, radiograph_abnormal=False), "I"),
        (HipFindings(mri_positive=True, radiograph_abnormal=True), "II"),
        (HipFindings(mri_positive=True, radiograph_abnormal=True, fracture=True), "IIIA"),
        (HipFindings(mri_positive=True, radiograph_abnormal=True, depression_mm=2.0), "IIIA"),
        (HipFindings(mri_positive=True, radiograph_abnormal=True, depression_mm=2.1), "IIIB"),
        (HipFindings(mri_positive=None, radiograph_abnormal=True, osteoarthritis=True), "IV"),
    ],
)
def test_arco_stage_follows_from_findings(findings: HipFindings, stage: str) -> None:
    assert arco_stage(findings) == stage


def test_a_stage_that_disagrees_is_said() -> None:
    early = HipFindings(mri_positive=True, radiograph_abnormal=False)
    assert check_arco_stage("1", early).agrees
    check = check_arco_stage("ARCO II", early)
    assert (check.agrees, check.read, check.expected) == (False, "II", "I")
    broken = HipFindings(mri_positive=True, radiograph_abnormal=True, fracture=True)
    assert check_arco_stage("3", broken).agrees
    with pytest.raises(UsageError, match="stage"):
        check_arco_stage("V", early)


def arc(radius: float, centre: tuple[float, float], start: float, end: float, n: int = 40) -> np.ndarray:
    angles = np.radians(np.linspace(start, end, n))
    return np.column_stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)])


@given(st.floats(18, 32), st.floats(-200, 200), st.floats(-200, 200), st.floats(40, 180))
def test_a_circle_is_found_from_part_of_it(radius: float, x: float, y: float, extent: float) -> None:
    circle = fit_circle(arc(radius, (x, y), 10, 10 + extent))
    assert circle.radius_mm == pytest.approx(radius, rel=1e-6)
    assert circle.centre_mm == pytest.approx((x, y), abs=1e-4)


def test_depression_is_the_largest_radial_gap() -> None:
    intact = np.concatenate([arc(25, (3, -4), 0, 70), arc(25, (3, -4), 130, 180)])
    dent = arc(22.5, (3, -4), 85, 115)
    found = head_depression(intact, np.concatenate([arc(25, (3, -4), 0, 70, 400), dent]))
    assert found.depression_mm == pytest.approx(2.5, abs=1e-2)
    assert found.percent_of_diameter == pytest.approx(5.0, abs=0.02)
    round_head = head_depression(intact, arc(25, (3, -4), 0, 180, 2000))
    assert round_head.depression_mm == pytest.approx(0, abs=1e-3)


def test_a_chord_between_two_clicks_is_depression_too() -> None:
    flat = head_depression(arc(25, (0, 0), 0, 180), np.array([[-15.0, 20.0], [15.0, 20.0]]))
    assert flat.depression_mm == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize("points", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [2, 2], [3, 3]]])
def test_no_circle_through_too_little(points: list[list[float]]) -> None:
    with pytest.raises(StatisticsError):
        fit_circle(points)


def test_collapse_is_two_millimetres_on_the_same_view() -> None:
    before = {"anteroposterior": 1.4, "frog-leg lateral": 0.3}
    assert collapse_progression(before, {"anteroposterior": 3.4}).collapsed
    short = collapse_progression(before, {"anteroposterior": 3.39, "frog-leg lateral": 2.2})
    assert (short.collapsed, short.view) == (False, "anteroposterior")
    strict = Threshold(value=2.0, inclusive=False)
    assert not collapse_progression(before, {"anteroposterior": 3.4}, threshold=strict).collapsed
    with pytest.raises(StatisticsError, match="view"):
        collapse_progression({"anteroposterior": 1.0}, {"oblique": 4.0})


START = date(2021, 1, 1)


def hip(films: list[tuple[int, bool]], replaced: int | None = None, last: int = 900) -> HipFollowUp:
    day = START.toordinal()
    return HipFollowUp(
        start=START,
        films=tuple((date.fromordinal(day + n), seen) for n, seen in films),
        replacement=None if replaced is None else date.fromordinal(day + replaced),
        last=date.fromordinal(day + last),
    )


def test_collapse_lies_between_two_films() -> None:
    found = failure_time(hip([(400, True), (0, False), (200, False), (600, True)]))
    assert (found.event, found.code, found.days, found.earliest_days) == ("radiological", 1, 400, 200)
    assert found.interval_days == 200
    assert found.time("years") == pytest.approx(400 / 365.25)


def test_replacement_without_collapse_competes_and_nothing_is_censored_at_the_last_film() -> None:
    assert failure_time(hip([(0, False), (200, False)], replaced=300)).code == 2
    assert failure_time(hip([(0, False), (300, True)], replaced=300)).code == 1
    assert failure_time(hip([(0, False), (400, True)], replaced=300)).event == "clinical"
    unharmed = failure_time(hip([(0, False), (500, False)]))
    assert (unharmed.event, unharmed.days, unharmed.earliest_days) == ("none", 500, None)
    assert replacement_time(hip([(0, True)], replaced=300)) == (300, True)
    assert replacement_time(hip([(0, True)])) == (900, False)


def test_dates_are_checked() -> None:
    with pytest.raises(UsageError, match="before the start"):
        failure_time(hip([(-5, False)]))


def test_spine_measures_at_their_cuts() -> None:
    assert disc_height_loss(11.7, 9.7).subsided  # 1.9999999999999982 by subtraction
    assert not disc_height_loss(11.7, 9.71).subsided
    assert disc_height_loss(9.0, 10.0).loss_mm == -1.0
    assert segmental_motion_degrees(9.4, 10.2) == pytest.approx(0.8)
    assert segmental_motion_degrees(9.4, 10.2, signed=True) == pytest.approx(-0.8)
    assert (is_nonunion(9, 5), is_nonunion(9, 4.9)) == (False, True)
    assert (has_osteolysis(0), has_osteolysis(12.5)) == (False, True)
    assert [bone_density_category(t) for t in (-2.5, -2.4, -1.0, 0.3)] == [
        "osteoporosis", "osteopenia", "normal", "normal"
    ]  # fmt: skip
    assert check_pain_vas(10) == 10
    with pytest.raises(UsageError):
        check_pain_vas(11)


def test_oozing_is_more_than_two_changes_a_day_before_discharge() -> None:
    days = [(date(2021, 1, 2), 2), (date(2021, 1, 4), 3), (date(2021, 1, 9), 5)]
    last = date(2021, 6, 1)
    assert oozing_time(START, days, last).days == 3
    assert oozing_time(START, days, last, discharge=date(2021, 1, 3)).oozed is False
    assert oozing_time(START, [], last).days == (last - START).days
    with pytest.raises(UsageError):
        oozing_time(last, days, last)


@given(st.floats(0.1, 50), st.integers(1, 30))
def test_noise_never_decides_a_threshold(value: float, steps: int) -> None:
    summed = sum(value / steps for _ in range(steps))
    assert Threshold(value=value, inclusive=True).reached(summed)
    assert not Threshold(value=value, inclusive=False).reached(summed)
