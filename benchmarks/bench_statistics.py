"""A cohort of 100,000 hips through the outcome statistics, beside lifelines.

    python benchmarks/bench_statistics.py [--hips 100000] [--repeats 7]

Prints versions, the median seconds of each method (ours and lifelines' in turns, in one process; a method of
theirs that takes over 20 seconds is run once), their ratios, the seconds that our half takes in all, and the
process's peak memory after it and after lifelines.
A ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd

from volumetry.statistics import (
    CoxOptions,
    MatchOptions,
    cox_regression,
    kaplan_meier,
    logrank_test,
    match_pairs,
    matched_balance,
    propensity_score,
    proportional_hazards_test,
)
from volumetry.statistics.models.partial_likelihood import TieRule

SLOW_SECONDS = 20
COVARIATES = ["group", "age", "male", "bmi", "steroid", "arco", "volume_cm3"]


def cohort(n_hips: int, seed: int = 7) -> pd.DataFrame:
    """Two hips per patient who share a frailty; times in half months, as films are read."""
    rng = np.random.default_rng(seed)
    n_patients = (n_hips + 1) // 2
    patient = np.repeat(np.arange(n_patients), 2)[:n_hips]
    age = rng.normal(52, 12, n_patients).round()
    male = rng.integers(0, 2, n_patients)
    bmi = rng.normal(24, 3, n_patients).round(1)
    steroid = rng.integers(0, 2, n_patients)
    logit = 0.6 - 0.01 * (age - 52) - 0.08 * (bmi - 24) + 0.3 * steroid - 0.2 * male
    group = (rng.random(n_patients) < 0.45 / (1 + np.exp(-logit))).astype(int)
    frailty = rng.gamma(3, 1 / 3, n_patients)
    table = pd.DataFrame(
        {"group": group, "age": age, "male": male, "bmi": bmi, "steroid": steroid, "frailty": frailty}
    ).iloc[patient]
    table = table.reset_index(drop=True).assign(patient=patient)
    table["arco"] = rng.integers(1, 3, n_hips)
    table["volume_cm3"] = rng.gamma(3, 4, n_hips).round(3)
    effect = -0.7 * table.group + 0.4 * (table.arco - 1) + 0.03 * table.volume_cm3 - 0.01 * (table.bmi - 24)
    time_months = rng.exponential(30 / (table.pop("frailty") * np.exp(effect)))
    follow_up = rng.uniform(12, 60, n_hips)
    table["event"] = (time_months <= follow_up).astype(int)
    table["months"] = np.ceil(2 * np.minimum(time_months, follow_up)) / 2
    return table


def ours(table: pd.DataFrame) -> dict[str, Callable[[], object]]:
    def matching() -> object:
        score = propensity_score("group", ["age", "male", "bmi", "steroid"], data=table)
        pairs = match_pairs(score, MatchOptions(caliper=0.1, scale="sd-logit"))
        return matched_balance(score, pairs)

    def cox(ties: TieRule) -> Callable[[], object]:
        options = CoxOptions(ties=ties)
        return lambda: cox_regression(
            "months", "event", COVARIATES, data=table, cluster="patient", options=options
        )

    def proportional_hazards() -> object:
        fit = cox_regression("months", "event", COVARIATES, data=table, cluster="patient")
        return proportional_hazards_test(fit)

    return {
        "Kaplan-Meier": lambda: kaplan_meier("months", "event", "group", data=table),
        "Kaplan-Meier, clustered": lambda: kaplan_meier(
            "months", "event", "group", data=table, cluster="patient"
        ),
        "log-rank": lambda: logrank_test("months", "event", "group", data=table),
        "Cox, 7 covariates, clustered": cox("efron"),
        "Cox, Breslow, clustered": cox("breslow"),
        "Cox and proportional hazards test": proportional_hazards,
        "score, matching and balance": matching,
    }


def lifelines_methods(table: pd.DataFrame) -> dict[str, Callable[[], object]]:
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    def curves() -> object:
        return [
            KaplanMeierFitter().fit(part.months, part.event).confidence_interval_
            for _, part in table.groupby("group")
        ]

    def cox() -> object:
        columns = [*COVARIATES, "months", "event", "patient"]
        return CoxPHFitter().fit(table[columns], "months", "event", cluster_col="patient")

    return {
        "Kaplan-Meier": curves,
        "log-rank": lambda: multivariate_logrank_test(table.months, table.group, table.event),
        "Cox, 7 covariates, clustered": cox,
    }


def seconds(method: Callable[[], object]) -> float:
    start = time.perf_counter()
    method()
    return time.perf_counter() - start


def peak_gigabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**3 if sys.platform == "darwin" else 1024**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hips", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "lifelines"))
    print(f"python {platform.python_version()}, {packages}")
    table = cohort(arguments.hips)
    print(f"{len(table)} hips, {table.patient.nunique()} patients, {table.event.sum()} events")

    first = {name: seconds(method) for name, method in ours(table).items()}
    print(f"all of ours, first run: {sum(first.values()):.1f} s; peak memory {peak_gigabytes():.2f} GB")
    peers = lifelines_methods(table)
    for name, method in ours(table).items():
        mine: list[float] = []
        theirs: list[float] = []
        for _ in range(arguments.repeats):
            mine.append(seconds(method))
            if name in peers and not (theirs and theirs[0] > SLOW_SECONDS):
                theirs.append(seconds(peers[name]))
        line = f"{name:36s} {statistics.median(mine):8.3f} s"
        if theirs:
            peer = statistics.median(theirs)
            line += f"   lifelines {peer:8.3f} s   ratio {peer / statistics.median(mine):6.1f}"
        print(line)
    print(f"peak memory with lifelines: {peak_gigabytes():.2f} GB")


if __name__ == "__main__":
    main()
