"""Whether two visits may be compared: each fact differing alone and in twos."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from volumetry.comparability import (
    REFUSED_BY_DEFAULT,
    RESERVATIONS,
    ComparabilityRule,
    VisitFacts,
    compare_visits,
    explained_by_gap,
    tilt_degrees,
)
from volumetry.errors import UsageError

BASELINE = VisitFacts(
    side="L",
    reader="AB",
    modality="MR",
    height_rule="thickness",
    slice_thickness_mm=4.0,
    slice_spacing_mm=4.4,
    pixel_spacing_mm=(0.7, 0.7),
    rows=512,
    columns=512,
    slice_normal=(0.0, 1.0, 0.0),
    plane="coronal",
    weighting="T1",
    repetition_time_ms=550.0,
    echo_time_ms=12.0,
    inversion_time_ms=150.0,
    field_strength_t=1.5,
    contrast="no",
    fat_suppression="no",
)

TILT = math.radians(10)

# What differs at follow-up, and the codes that says.
DIFFERENCES: dict[str, tuple[dict[str, object], set[str]]] = {
    "side": ({"side": "R"}, {"side-differs"}),
    "reader": ({"reader": "CD"}, {"reader-differs"}),
    "modality": ({"modality": "CT"}, {"modality-differs"}),
    "height rule": ({"height_rule": "spacing"}, {"height-rule-differs"}),
    "thickness and spacing": (
        {"slice_thickness_mm": 3.0, "slice_spacing_mm": 3.3},
        {"thickness-changed", "spacing-changed"},
    ),
    "gap": ({"slice_spacing_mm": 5.0}, {"spacing-changed", "gap-changed"}),
    "pixel": ({"pixel_spacing_mm": (0.7, 0.8)}, {"pixel-spacing-changed"}),
    "matrix": ({"rows": 448}, {"matrix-changed"}),
    "plane": ({"plane": "axial", "slice_normal": (0.0, 0.0, 1.0)}, {"plane-differs"}),
    "tilt": ({"slice_normal": (0.0, math.cos(TILT), math.sin(TILT))}, {"plane-tilted"}),
    "coverage": ({"lesion_cut_off": True}, {"coverage-incomplete"}),
    "weighting": ({"weighting": "T2"}, {"weighting-differs"}),
    "repetition time": ({"repetition_time_ms": 700.0}, {"repetition-time-changed"}),
    "echo time": ({"echo_time_ms": 20.0}, {"echo-time-changed"}),
    "inversion time": ({"inversion_time_ms": 250.0}, {"inversion-time-changed"}),
    "field": ({"field_strength_t": 3.0}, {"field-strength-changed"}),
    "contrast": ({"contrast": "yes"}, {"contrast-differs"}),
    "fat suppression": ({"fat_suppression": "yes"}, {"fat-suppression-differs"}),
    "unknown": ({"weighting": ""}, {"acquisition-unknown"}),
}


def expected(codes: set[str]) -> str:
    if codes & REFUSED_BY_DEFAULT:
        return "no"
    if codes == {"acquisition-unknown"}:
        return "unknown"
    return "with_reservations" if codes else "yes"


def test_equal_visits_are_comparable() -> None:
    found = compare_visits(BASELINE, BASELINE)
    assert (found.comparable, found.reservations, found.explained_percent) == ("yes", (), {})


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_fact_alone(name: str) -> None:
    changes, codes = DIFFERENCES[name]
    for pair in ((BASELINE, replace(BASELINE, **changes)), (replace(BASELINE, **changes), BASELINE)):  # type: ignore[arg-type]
        found = compare_visits(*pair)
        assert set(found.reservations) == codes
        assert found.comparable == expected(codes)


SILENT_TOGETHER = {
    ("height rule", "gap"),
    ("weighting", "unknown"),
    ("modality", "unknown"),
    ("plane", "tilt"),
}
"""Pairs in which one difference hides the other: the gap matters only where both use the thickness rule."""


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(DIFFERENCES, 2)))
def test_facts_in_twos(one: str, other: str) -> None:
    (first, codes), (second, more) = DIFFERENCES[one], DIFFERENCES[other]
    if (one, other) in SILENT_TOGETHER or set(first) & set(second):
        return  # the two differences are not independent
    found = compare_visits(BASELINE, replace(BASELINE, **{**first, **second}))  # type: ignore[arg-type]
    assert set(found.reservations) == codes | more
    assert found.comparable == expected(codes | more)


def test_every_code_is_produced() -> None:
    assert set().union(*(codes for _, codes in DIFFERENCES.values())) == set(RESERVATIONS)


def test_what_a_changed_gap_explains_is_arithmetic() -> None:
    areas, followup = [100.0, 200.0, 150.0], replace(BASELINE, slice_spacing_mm=5.0)
    # The same lesion, its volume 450 x 4.4 mm3 kept: with 5.0 mm spacing its areas sum to 450 x 4.4 / 5.0.
    first = sum(areas) * 4.0
    second = sum(areas) * 4.4 / 5.0 * 4.0
    found = compare_visits(BASELINE, followup)
    assert found.explained_percent["gap-changed"] == pytest.approx(100 * (second / first - 1), abs=1e-12)
    with pytest.raises(UsageError):
        explained_by_gap(BASELINE, replace(BASELINE, slice_thickness_mm=None))


def test_angles() -> None:
    assert tilt_degrees((0, 1, 0), (0, -1, 0)) == pytest.approx(0)
    assert tilt_degrees((0, 2, 0), (0, math.cos(TILT), math.sin(TILT))) == pytest.approx(10)


def test_a_protocol_may_refuse_more_or_ignore() -> None:
    followup = replace(BASELINE, reader="CD", field_strength_t=3.0)
    strict = ComparabilityRule(refuse=frozenset({"reader-differs"}))
    assert compare_visits(BASELINE, followup, strict).comparable == "no"
    lenient = ComparabilityRule(ignore=frozenset({"reader-differs", "field-strength-changed"}))
    assert compare_visits(BASELINE, followup, lenient).comparable == "yes"
    with pytest.raises(UsageError, match="an unknown code"):
        ComparabilityRule(refuse=frozenset({"reader"}))


@pytest.mark.parametrize("name", ["contrast", "fat_suppression"])
@pytest.mark.parametrize(
    ("said", "answer"), [(("yes", ""), "unknown"), (("", "yes"), "unknown"), (("no", ""), "yes")]
)
def test_what_one_visit_alone_says_is_not_taken_as_equal(
    name: str, said: tuple[str, str], answer: str
) -> None:
    """Scanners write nothing where no agent was given; de-identifying leaves nothing, too."""
    first, second = (replace(BASELINE, **{name: value}) for value in said)  # type: ignore[arg-type]
    found = compare_visits(first, second)
    assert found.comparable == answer
    assert found.reservations == (("acquisition-unknown",) if answer == "unknown" else ())
