"""Adjusted p values and named quantiles, held to R."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from r_reference import R, close

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError

METHODS = {
    "holm": "holm",
    "benjamini-hochberg": "bh",
    "bonferroni": "bonf",
    "hommel": "hommel",
    "hochberg": "hochberg",
}


@pytest.mark.parametrize("method", METHODS)
def test_adjusted_p_values_agree_with_r(method: str) -> None:
    expected = R["multiplicity"]
    assert vs.adjust_p_values(expected["p"], method=method) == close(expected[METHODS[method]])


def test_tests_that_were_not_estimable_are_not_counted() -> None:
    assert vs.adjust_p_values([0.01, None, 0.04]) == (0.02, None, 0.04)
    assert vs.adjust_p_values([None]) == (None,)
    assert vs.adjust_p_values([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from(sorted(METHODS)))
def test_adjusting_never_lowers_and_keeps_the_order(p_values: list[float], method: str) -> None:
    adjusted = np.array(vs.adjust_p_values(p_values, method=method), dtype=float)
    assert (adjusted >= np.array(p_values) - 1e-12).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= -1e-12).all()


def test_wrong_p_values_are_refused() -> None:
    with pytest.raises(UsageError, match="outside"):
        vs.adjust_p_values([0.5, 1.5])
    with pytest.raises(UsageError, match="Choose one of: holm"):
        vs.adjust_p_values([0.5], method="sidak")


@pytest.mark.parametrize("kind", [2, 6, 7])
def test_quantiles_agree_with_r(kind: int) -> None:
    expected = R["quantile_types"]
    assert vs.quantiles(expected["x"], kind=kind) == close(expected[f"t{kind}"])


def test_quantiles_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="2, 6 or 7"):
        vs.quantiles([1, 2], kind=5)
    with pytest.raises(UsageError, match="between 0 and 1"):
        vs.quantiles([1, 2], [50])
    with pytest.raises(StatisticsError, match="empty sample"):
        vs.quantiles([None])
    assert vs.quantiles([3.0, None], [0.5]) == (3.0,)
