"""Whatever the data, every test answers with numbers or with a named error: no traceback, no silent NaN."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import volumetry.statistics as vs
from volumetry.errors import VolumetryError

CLASSES = ("decrease", "no_change", "increase")

Values = list[float | None]
Call = Callable[[Values, Values], vs.StatisticResult]


def zipped(first: Values, second: Values) -> list[tuple[float | None, float | None]]:
    return list(zip(first, second, strict=False))


def pairs(function: Callable[..., vs.StatisticResult], **options: Any) -> Call:
    def call(first: Values, second: Values) -> vs.StatisticResult:
        n = min(len(first), len(second))
        return function(first[:n], second[:n], **options)

    return call


def labels(first: Values, second: Values) -> tuple[list[int], list[int]]:
    """Two hips per patient, one patient with a hip in either group."""
    n = len(first)
    return [row // 2 for row in range(n)], [(row + n) // 2 for row in range(len(second))]


def classed(values: Values) -> list[str | None]:
    return [CLASSES[int(abs(v)) % 3] if v is not None and math.isfinite(v) else None for v in values]


def events(values: Values) -> list[float | None]:
    return [None if v is None or math.isnan(v) else float(v > 0) for v in values]


CALLS: dict[str, Call] = {
    "welch": vs.t_test,
    "student": lambda a, b: vs.t_test(a, b, variances="equal"),
    "clustered t": lambda a, b: vs.t_test(a, b, cluster=labels(a, b)),
    "mann-whitney": vs.mann_whitney_test,
    "mann-whitney asymptotic": lambda a, b: vs.mann_whitney_test(a, b, distribution="asymptotic"),
    "clustered mann-whitney": lambda a, b: vs.mann_whitney_test(a, b, cluster=labels(a, b)),
    "paired t": pairs(vs.paired_t_test),
    "wilcoxon": pairs(vs.wilcoxon_signed_rank_test),
    "wilcoxon asymptotic": pairs(vs.wilcoxon_signed_rank_test, distribution="asymptotic"),
    "levene": vs.levene_test,
    "levene about the mean": lambda a, b: vs.levene_test(a, b, center="mean"),
    "shapiro": lambda a, _: vs.shapiro_wilk_test(a),
    "smd": vs.standardized_mean_difference,
    "bland-altman": pairs(vs.bland_altman),
    "bland-altman log": pairs(vs.bland_altman, scale="log"),
    "bland-altman percent": pairs(vs.bland_altman, scale="percent"),
    "concordance": pairs(vs.lin_concordance),
    "icc": lambda a, b: vs.icc(zipped(a, b) or [(None, None)]),
    "icc one-way": lambda a, b: vs.icc(zipped(a, b) or [(None, None)], form="ICC(1,1)"),
    "repeatability": lambda a, b: vs.repeatability(zipped(a, b) or [(None, None)]),
    "relative change": pairs(vs.relative_change),
    "proportions": lambda a, b: vs.compare_proportions(events(a), events(b), primary="mid-p"),
    "clustered proportions": lambda a, b: vs.compare_proportions(
        events(a), events(b), primary="pearson", cluster=labels(a, b)
    ),
    "kappa": lambda a, b: vs.cohen_kappa_of_readers(
        classed(a)[: len(b)], classed(b)[: len(a)], classes=CLASSES, weights="linear"
    ),
    "classes": lambda a, b: vs.compare_classes(
        [1] * len(a) + [0] * len(b),
        classed(a) + classed(b),
        group_levels=(1, 0),
        class_levels=CLASSES,
        primary="exact",
        cluster=[patient for part in labels(a, b) for patient in part],
    ),
}


def not_a_number(value: Any) -> bool:
    """Whether a NaN hides anywhere in `value`."""
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, vs.Estimate):
        return any(not_a_number(part) for part in vars(value).values())
    if isinstance(value, Mapping):
        return any(not_a_number(part) for part in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(not_a_number(part) for part in value)
    return False


def answer(call: Call, first: Values, second: Values) -> vs.StatisticResult | VolumetryError:
    try:
        return call(first, second)
    except VolumetryError as error:
        return error


def check(call: Call, first: Values, second: Values) -> None:
    result = answer(call, first, second)
    if isinstance(result, VolumetryError):
        assert result.code in ("not-estimable", "invalid-table")
        assert result.what
        return
    assert not any(not_a_number(part) for part in vars(result).values())
    assert result.p_value is None or 0 <= result.p_value <= 1
    for estimate in result.estimates:
        if estimate.ci_low is not None and estimate.ci_high is not None:
            slack = 1e-9 * max(1.0, abs(estimate.value))
            assert estimate.ci_low - slack <= estimate.ci_high


DEGENERATE: dict[str, tuple[Values, Values]] = {
    "both empty": ([], []),
    "one empty": ([], [1.0, 2.0, 3.0]),
    "one each": ([1.0], [2.0]),
    "group of one": ([1.0], [2.0, 3.0, 5.0]),
    "constant": ([2.0, 2.0, 2.0], [2.0, 2.0, 2.0]),
    "constant apart": ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]),
    "one constant": ([1.0, 1.0, 1.0], [2.0, 3.0, 4.0]),
    "missing everywhere": ([None, None, None], [None, None, float("nan")]),
    "missing on one side": ([None, None, None], [1.0, 2.0, 3.0]),
    "separated": ([1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, -3.0, -4.0]),
    "shifted by a constant": ([1.0, 2.0, 4.0, 8.0], [2.0, 3.0, 5.0, 9.0]),
    "shifted by a tenth": ([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5]),
    "equal": ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]),
    "all zero": ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    "tiny": ([1e-300, 2e-300, 4e-300], [3e-300, 3e-300, 5e-300]),
    "huge": ([1e150, 2e150, 4e150], [3e150, 3e150, 5e150]),
    "infinite": ([1.0, math.inf, 3.0], [1.0, 2.0, 4.0]),
    "nearly constant": ([1.0, 1.0, 1.0 + 1e-15], [1.0, 1.0, 1.0]),
}


@pytest.mark.parametrize("data", DEGENERATE)
@pytest.mark.parametrize("name", CALLS)
def test_degenerate_data_are_answered_by_name(name: str, data: str) -> None:
    check(CALLS[name], *DEGENERATE[data])


value = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1.0, 2.0, -1.0]), st.floats(-100, 100, width=16))
column = st.lists(value, max_size=9)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow])
@given(first=column, second=column)
def test_any_data_are_answered_by_name(name: str, first: Values, second: Values) -> None:
    check(CALLS[name], first, second)


def test_public_names_are_sorted_lazy_and_no_modules() -> None:
    assert vs.__all__ == sorted(vs.__all__)
    assert [name for name in vs.__all__ if isinstance(getattr(vs, name), ModuleType)] == []
    assert [name for name in vs.__all__ if not getattr(vs, name).__doc__] == []
    assert set(vs.__all__) <= set(dir(vs))
    with pytest.raises(AttributeError, match="no attribute 'anova'"):
        vs.anova  # noqa: B018
