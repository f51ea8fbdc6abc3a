"""What statsmodels and lifelines answer where the outcome statistics keep an implementation of their own.

    python benchmarks/compare_libraries.py [--hips 20000]

For each function: the largest relative difference of the library's answer from ours, on a small cohort with
ties (ours agrees with R, docs/explanation/agreement-with-r.md), and the seconds of both on a large one.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from bench_statistics import cohort

import volumetry.statistics as vs

Answer = Callable[[pd.DataFrame], Any]
X = ["group", "age", "bmi"]


def design(table: pd.DataFrame) -> Any:
    import statsmodels.api as sm

    return sm.add_constant(table[X].astype(float))


def coefficients(result: vs.StatisticResult) -> Any:
    """Log ratios and their errors, without the intercept."""
    kept = [estimate for estimate in result.estimates if estimate.name in X]
    return np.array([[np.log(e.value), e.standard_error] for e in kept]).ravel()


def pairs(values: Any, errors: Any) -> Any:
    return np.column_stack([np.asarray(values), np.asarray(errors)]).ravel()


def lifelines_cox(table: pd.DataFrame) -> Any:
    from lifelines import CoxPHFitter

    fit = CoxPHFitter().fit(
        table[[*X, "months", "event", "patient"]], "months", "event", cluster_col="patient"
    )
    return pairs(fit.params_, fit.standard_errors_)


def statsmodels_cox(table: pd.DataFrame) -> Any:
    from statsmodels.duration.hazard_regression import PHReg

    model = PHReg(table["months"], table[X].astype(float), status=table["event"], ties="efron")
    fit = model.fit(groups=table["patient"])
    return pairs(fit.params, fit.bse)


def lifelines_zph(table: pd.DataFrame) -> Any:
    from lifelines import CoxPHFitter
    from lifelines.statistics import proportional_hazard_test

    columns = table[[*X, "months", "event"]]
    fit = CoxPHFitter().fit(columns, "months", "event")
    return proportional_hazard_test(fit, columns, time_transform="km").test_statistic


def our_zph(table: pd.DataFrame) -> Any:
    fit = vs.cox_regression("months", "event", X, data=table)
    terms = vs.proportional_hazards_test(fit).details["terms"]
    values = terms.values() if isinstance(terms, dict) else terms
    found = [value[0] if isinstance(value, tuple) else getattr(value, "statistic", value) for value in values]
    return np.array([float(value) for value in found[: len(X)]])


def lifelines_logrank(table: pd.DataFrame) -> Any:
    from lifelines.statistics import multivariate_logrank_test

    return multivariate_logrank_test(table["months"], table["group"], table["event"]).test_statistic


def lifelines_curve(table: pd.DataFrame) -> Any:
    from lifelines import KaplanMeierFitter

    fit = KaplanMeierFitter().fit(table["months"], table["event"])
    return fit.survival_function_.to_numpy().ravel()[1:-1]


def our_curve(table: pd.DataFrame) -> Any:
    return vs.kaplan_meier("months", "event", data=table).details["curves"][0].survival[:-1]


def statsmodels_logit(table: pd.DataFrame) -> Any:
    import statsmodels.api as sm

    fit = sm.Logit(table["event"], design(table)).fit(disp=False, tol=1e-12)
    return pairs(fit.params[X], fit.bse[X])


def statsmodels_gee(table: pd.DataFrame) -> Any:
    import statsmodels.api as sm

    families = sm.families.Binomial(), sm.cov_struct.Exchangeable()
    model = sm.GEE(
        table["event"], design(table), table["patient"], family=families[0], cov_struct=families[1]
    )
    fit = model.fit()
    return pairs(fit.params[X], fit.bse[X])


def statsmodels_mixed(table: pd.DataFrame) -> Any:
    from statsmodels.regression.mixed_linear_model import MixedLM

    fit = MixedLM(table["volume_cm3"], design(table), table["patient"]).fit(reml=True)
    return pairs(fit.fe_params[X], fit.bse_fe[X])


def our_mixed(table: pd.DataFrame) -> Any:
    result = vs.mixed_model("volume_cm3", X, cluster="patient", data=table)
    return np.array([[e.value, e.standard_error] for e in result.estimates if e.name in X]).ravel()


def cox(table: pd.DataFrame) -> Any:
    return coefficients(vs.cox_regression("months", "event", X, data=table, cluster="patient"))


COMPARED: dict[str, tuple[Answer, Answer]] = {
    "kaplan_meier: lifelines": (our_curve, lifelines_curve),
    "logrank_test: lifelines": (
        lambda t: vs.logrank_test("months", "event", "group", data=t).statistic,
        lifelines_logrank,
    ),
    "cox_regression, clustered: lifelines": (cox, lifelines_cox),
    "cox_regression, clustered: statsmodels": (cox, statsmodels_cox),
    "proportional_hazards_test: lifelines": (our_zph, lifelines_zph),
    "logistic_regression: statsmodels": (
        lambda t: coefficients(vs.logistic_regression("event", X, data=t)),
        statsmodels_logit,
    ),
    "estimating_equations, exchangeable: statsmodels": (
        lambda t: coefficients(vs.estimating_equations("event", X, cluster="patient", data=t)),
        statsmodels_gee,
    ),
    "mixed_model: statsmodels": (our_mixed, statsmodels_mixed),
}


def seconds(answer: Answer, table: pd.DataFrame) -> float:
    start = time.perf_counter()
    answer(table)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hips", type=int, default=20_000)
    warnings.simplefilter("ignore")
    large, small = cohort(parser.parse_args().hips), cohort(270)
    print("| function: library | largest relative difference | ours, s | library, s |\n|---|--:|--:|--:|")
    for name, (ours, theirs) in COMPARED.items():
        mine, other = np.atleast_1d(ours(small)), np.atleast_1d(theirs(small))
        difference = float(np.max(np.abs(other - mine) / np.maximum(np.abs(mine), 1e-12)))
        print(
            f"| {name} | {difference:.1e} | {seconds(ours, large):.2f} | {seconds(theirs, large):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
