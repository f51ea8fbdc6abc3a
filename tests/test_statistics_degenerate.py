"""Tables that determine little or nothing: a named answer each, never a traceback or a silent NaN."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import volumetry.statistics as vs
from volumetry.errors import StatisticsError, UsageError

Analysis = Callable[[pd.DataFrame], vs.StatisticResult]


def matched(table: pd.DataFrame) -> vs.StatisticResult:
    score = vs.propensity_score("b", ["x"], data=table)
    pairs = vs.match_pairs(score, vs.MatchOptions(caliper=1, scale="sd-logit"))
    return vs.matched_effect(pairs, "e", data=table)


def weighted(table: pd.DataFrame) -> vs.StatisticResult:
    weights = vs.propensity_weights(vs.propensity_score("b", ["x"], data=table), "ate")
    return vs.weighted_effect("e", "b", weights, data=table, cluster="c")


def proportional_hazards(table: pd.DataFrame) -> vs.StatisticResult:
    return vs.proportional_hazards_test(vs.cox_regression("t", "e", ["g", "x"], data=table))


ANALYSES: dict[str, Analysis] = {
    "Kaplan-Meier": lambda d: vs.kaplan_meier("t", "e", "g", data=d, cluster="c"),
    "log-rank": lambda d: vs.logrank_test("t", "e", "g", data=d, cluster="c"),
    "stratified log-rank": lambda d: vs.logrank_test("t", "e", "g", data=d, strata="c", rho=1),
    "RMST": lambda d: vs.restricted_mean_time("t", "e", "g", tau=2, data=d, cluster="c"),
    "Cox": lambda d: vs.cox_regression("t", "e", ["g", "x"], data=d, cluster="c"),
    "proportional hazards": proportional_hazards,
    "incidence": lambda d: vs.cumulative_incidence("t", "e2", "g", data=d, cluster="c"),
    "Gray": lambda d: vs.gray_test("t", "e2", "g", data=d),
    "logistic": lambda d: vs.logistic_regression("e", ["g", "x"], data=d, cluster="c"),
    "linear": lambda d: vs.linear_regression("x", ["g", "e"], data=d, cluster="c"),
    "GEE": lambda d: vs.estimating_equations("e", ["g", "x"], data=d, cluster="c"),
    "GEE, Gaussian": lambda d: vs.estimating_equations(
        "x", ["g"], data=d, cluster="c", options=vs.GeeOptions(family="gaussian")
    ),
    "mixed": lambda d: vs.mixed_model("x", ["g"], cluster="c", data=d),
    "matched": matched,
    "weighted": weighted,
    "AIPW": lambda d: vs.augmented_weighting("e", "b", ["x"], data=d, cluster="c"),
}


def random_table(seed: int) -> pd.DataFrame:
    """Few rows; constant, tied, separated, missing or ordinary columns."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 3, 5, 8, 15, 40]))
    times = [np.ones(n), rng.integers(0, 4, n), rng.integers(1, 20, n) / 2]
    events = [np.zeros(n), np.ones(n), rng.integers(0, 2, n), rng.random(n) < 0.1]
    numbers = [np.ones(n), rng.normal(size=n), rng.integers(0, 3, n), np.arange(n), np.full(n, np.nan)]
    groups = [["a"] * n, rng.choice(["a", "b"], n), rng.choice(["a", "b", "c"], n)]
    clusters = [np.arange(n), np.zeros(n), rng.integers(0, max(n // 2, 1), n)]
    pick = [choices[rng.integers(len(choices))] for choices in (times, events, numbers, groups, clusters)]
    table = pd.DataFrame(dict(zip("texgc", pick, strict=True)))
    table = table.astype({"t": float, "e": float, "x": float}).assign(b=rng.integers(0, 2, n))
    table["e2"] = table["e"] * rng.integers(1, 3, n)
    return table.mask(rng.random(table.shape) < 0.1) if seed % 3 == 0 else table


@pytest.mark.parametrize("name", ANALYSES)
def test_answers_are_numbers_or_named_errors(name: str) -> None:
    answered = 0
    for seed in range(25):
        try:
            result = ANALYSES[name](random_table(seed))
        except (StatisticsError, UsageError) as error:
            named = str(error)
            if not named.startswith(("not-estimable: ", "invalid-table: ", "usage: ")):
                raise
            continue
        answered += 1
        values = [result.statistic, result.p_value]
        for estimate in result.estimates:
            values += [estimate.value, estimate.ci_low, estimate.ci_high, estimate.p_value]
        assert all(np.isfinite(value) for value in values if value is not None)
    assert answered > 0


SHARES = [(0, 20), (20, 20), (8, 20), (0, 3), (3, 3), (1, 60), (59, 60)]


def two_groups(first: tuple[int, int], second: tuple[int, int]) -> pd.DataFrame:
    """Rows of two groups with (events, rows); two rows a cluster."""
    events = [np.arange(n) < k for k, n in (first, second)]
    table = pd.DataFrame({"y": np.concatenate(events).astype(int)})
    return table.assign(x=np.repeat([1, 0], [first[1], second[1]]), c=np.arange(len(table)) // 2)


@pytest.mark.parametrize("cluster", [None, "c"])
@pytest.mark.parametrize("first", SHARES)
@pytest.mark.parametrize("second", SHARES)
def test_infinite_ratios_are_refused_whichever_group_separates(
    first: tuple[int, int], second: tuple[int, int], cluster: str | None
) -> None:
    """An odds ratio is finite if each group has both outcomes, a risk ratio if each has an event."""
    table = two_groups(first, second)
    poisson = vs.GeeOptions(family="poisson", correlation="independence", covariance="robust")
    binomial = vs.GeeOptions(correlation="independence", covariance="robust")
    odds = all(0 < events < n for events, n in (first, second))
    risks = all(events > 0 for events, _ in (first, second))
    models: list[tuple[bool, Callable[[], Any]]] = [
        (odds, lambda: vs.logistic_regression("y", "x", data=table, cluster=cluster)),
        (odds, lambda: vs.estimating_equations("y", "x", data=table, cluster=cluster, options=binomial)),
        (odds, lambda: vs.propensity_score("y", ["x"], data=table)),
        (risks, lambda: vs.estimating_equations("y", "x", data=table, cluster=cluster, options=poisson)),
    ]
    for finite, fit in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", vs.ClusteredDataWarning)
            if not finite:
                with pytest.raises(StatisticsError, match=r"no maximum|only one outcome|arm is empty"):
                    fit()
                continue
            if not odds and first[0] == first[1] and second[0] == second[1]:
                with pytest.raises(StatisticsError, match="nothing to estimate an error from"):
                    fit()
                continue
            result = fit()
        if isinstance(result, vs.StatisticResult):
            assert result.estimate.ci_high is not None
            assert result.estimate.value < 1e5


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e6])
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("empty", ["first", "second"])
def test_infinite_hazard_ratios_are_refused_whichever_group_has_no_event(
    empty: str, early: bool, unit: float
) -> None:
    rng = np.random.default_rng(4)
    for n in (3, 10, 60):
        x = np.repeat([1, 0], n)
        time, event = rng.exponential(10, 2 * n) + 1, np.ones(2 * n, dtype=int)
        own = x == (empty == "first")
        if early:
            time[~own] = rng.random(n) + 0.01  # all events of the other group come first
            time[own] += 2
        event[own] = 0
        with pytest.raises(StatisticsError, match="not-estimable"):
            vs.cox_regression(time, event, {"x": x * unit})


def test_a_row_far_out_is_no_separation() -> None:
    """Fitted to within rounding of its outcome, but between others that overlap: the model has an answer."""
    x = np.array([*np.linspace(-2, 2, 40), 60.0])
    y = np.array([*(np.arange(40) % 3 == 0), 1]).astype(int)
    y[20:40] = np.arange(20) % 3 != 0
    result = vs.logistic_regression(y, x)
    assert 1 < result.estimate.value < 50
