from decimal import Decimal

import numpy as np
import pytest
from phantoms import squares, stack, trace_of

from volumetry.change import ChangeRule, MeasuredVisit, classify_change, threshold_category
from volumetry.errors import UsageError
from volumetry.measurement import MeasurementRule, measure_volume

UNITS = {
    "mm3": Decimal(1),
    "cm3": Decimal("1e-3"),
    "mL": Decimal("1e-3"),
    "L": Decimal("1e-6"),
    "um3": Decimal("1e9"),
}


def visit(volume_mm3, **values):
    defaults = {
        "n_slices": 8,
        "height_rule": "thickness",
        "slice_thickness_mm": 4.0,
        "slice_spacing_mm": 4.4,
        "pixel_area_mm2": 0.25,
    }
    return MeasuredVisit(volume_mm3=volume_mm3, **{**defaults, **values})


def decimal_pairs(percent, n=500, seed=15):
    """Baselines with 1 to 7 digits, and the follow-up that is exactly so many percent away."""
    random = np.random.default_rng(seed)
    factor = 1 + Decimal(percent) / 100
    for _ in range(n):
        baseline = Decimal(int(random.integers(1, 10 ** int(random.integers(1, 8))))).scaleb(
            -int(random.integers(0, 5))
        )
        yield baseline, baseline * factor


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("percent", ["15", "-15"])
def test_exactly_15_percent_is_no_change_in_every_unit(percent, unit):
    found = {
        threshold_category(float(one * UNITS[unit]), float(other * UNITS[unit]), ChangeRule())
        for one, other in decimal_pairs(percent)
    }
    assert found == {"no_change"}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("percent", "category"),
    [("15.01", "increase"), ("-15.01", "decrease"), ("14.99", "no_change"), ("-14.99", "no_change")],
)
def test_a_hundredth_of_a_percent_decides(percent, category, unit):
    found = {
        threshold_category(float(one * UNITS[unit]), float(other * UNITS[unit]), ChangeRule())
        for one, other in decimal_pairs(percent)
    }
    assert found == {category}


def test_the_published_example():
    change = classify_change(visit(23770.0), visit(14330.0))
    assert change.percent == pytest.approx(-39.71, abs=0.005)
    assert (change.threshold_category, change.category, change.reason) == ("decrease", "decrease", "")
    assert change.change_mm3 == pytest.approx(-9440)


@pytest.mark.parametrize(
    ("baseline", "followup", "category", "percent"),
    [
        (0.0, 12.0, "new", None),
        (12.0, 0.0, "resolved", -100.0),
        (0.0, 0.0, "absent", None),
        (2.0, 1.7, "no_change", -15.0),
    ],
)
def test_zeros_make_no_infinities(baseline, followup, category, percent):
    change = classify_change(visit(baseline), visit(followup))
    assert (change.category, change.threshold_category) == (category, category)
    assert change.percent == (percent if percent is None else pytest.approx(percent))


def test_an_absent_lesion_needs_no_slices():
    gone = visit(0.0, n_slices=0, height_rule="spacing", slice_thickness_mm=None)
    assert classify_change(visit(100.0), gone).category == "resolved"
    assert classify_change(gone, visit(100.0)).category == "new"


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"n_slices": 2}, "few-slices"),
        ({"n_slices": 2}, {}, "few-slices"),
        ({"side": "L"}, {"side": "R"}, "sides-differ"),
        ({}, {"height_rule": "spacing"}, "height-rules-differ"),
        ({}, {"slice_spacing_mm": 5.0}, "gap-ratio-changed"),
        ({}, {"slice_thickness_mm": None}, "gap-ratio-unknown"),
        ({"volume_mm3": None}, {}, "baseline-not-measured"),
        ({}, {"volume_mm3": None}, "followup-not-measured"),
        ({}, {"volume_mm3": None, "code": "missing-slice"}, "missing-slice"),
    ],
)
def test_guards(first, second, reason):
    change = classify_change(
        visit(**{"volume_mm3": 100.0, **first}), visit(**{"volume_mm3": 200.0, **second})
    )
    assert (change.category, change.reason) == ("not_evaluable", reason)
    measured = {"volume_mm3"} & (first.keys() | second.keys())
    assert change.threshold_category == ("" if measured else "increase")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"height_rule": "spacing"}, {"height_rule": "spacing", "slice_spacing_mm": 5.0}),
        ({}, {"slice_thickness_mm": 5.0, "slice_spacing_mm": 5.5}),
        ({}, {"pixel_area_mm2": 0.3}),
    ],
)
def test_another_protocol_is_a_flag_where_the_rule_allows(first, second):
    change = classify_change(visit(100.0, **first), visit(200.0, **second))
    assert (change.category, change.flags) == ("increase", ("protocol-changed",))
    assert classify_change(visit(100.0), visit(200.0)).flags == ()


def test_both_without_thickness_under_the_thickness_rule_agree():
    unknown = {"slice_thickness_mm": None}
    assert classify_change(visit(100.0, **unknown), visit(200.0, **unknown)).category == "increase"


def test_measured_volumes_are_compared():
    baseline = measure_volume(trace_of(squares(range(1, 4)), stack(9, spacing_mm=4.4), side="L"))
    followup = measure_volume(trace_of(squares(range(1, 8)), stack(9, spacing_mm=4.4), side="L"))
    change = classify_change(baseline, followup)
    assert (change.category, change.height_rule) == ("increase", "thickness")
    assert change.percent == pytest.approx(400 / 3)
    assert change.percent_per_year(365.25) == pytest.approx(400 / 3)
    assert change.percent_per_year(None) is None
    assert MeasuredVisit.of(baseline).gap_ratio == pytest.approx(1.1)


def test_a_refused_volume_is_not_evaluable():
    overlap = measure_volume(trace_of(squares(range(1, 5)), stack(spacing_mm=2.5, thickness_mm=5.0)))
    change = classify_change(overlap, overlap)
    assert (change.category, change.reason, change.change_mm3) == ("not_evaluable", "slices-overlap", None)
    rule = MeasurementRule(height="spacing")
    trace = trace_of(squares(range(1, 5)), stack(spacing_mm=2.5, thickness_mm=5.0))
    assert (
        classify_change(measure_volume(trace, rule=rule), measure_volume(trace, rule=rule)).category
        == "no_change"
    )


def test_a_threshold_for_each_side():
    rule = ChangeRule(threshold_percent=20, decrease_threshold_percent=30)
    assert [threshold_category(100, v, rule) for v in (120, 121, 70, 69)] == [
        "no_change",
        "increase",
        "no_change",
        "decrease",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold_percent": -1},
        {"decrease_threshold_percent": 101},
        {"minimum_slices": -1},
        {"threshold_percent": float("nan")},
    ],
)
def test_a_rule_out_of_range(wrong):
    with pytest.raises(UsageError):
        ChangeRule(**wrong)
