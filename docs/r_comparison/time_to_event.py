"""Curves, log-rank, restricted means, Cox models and competing risks beside R's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import volumetry.statistics as vs

from .compared import ITERATED, Cohort, Compared, Comparison, Section, beside

CURVES = {
    "km_lung_sex": ("time", "dead", "sex"),
    "km_lung_all": ("time", "dead", None),
    "km_hips_collapse": ("collapse_time", "collapse", "group"),
    "km_hips_tha": ("tha_time", "tha", "group"),
}
COLUMNS = {
    "surv": "survival",
    "se": "standard_error",
    "lower": "ci_low",
    "upper": "ci_high",
    "n.risk": "n_at_risk",
    "n.event": "n_events",
}
LOGRANK = {
    "hips_collapse": ("collapse_time", "collapse", "group", None, 0.0),
    "hips_tha": ("tha_time", "tha", "group", None, 0.0),
    "lung_sex": ("time", "dead", "sex", None, 0.0),
    "lung_sex_strat_ecog": ("time", "dead", "sex", "ph.ecog", 0.0),
    "lung_sex_peto_rho1": ("time", "dead", "sex", None, 1.0),
}
MEANS = {
    "hips_collapse_tau24": ("collapse_time", "collapse", "group"),
    "lung_sex_tau700": ("time", "dead", "sex"),
}
COX = (
    "cox_lung_efron",
    "cox_hips_efron",
    "cox_hips_breslow",
    "cox_hips_efron_cluster",
    "cox_hips_breslow_cluster",
    "cox_hips_group_only_cluster",
    "cox_hips_tha_group_cluster",
)
MANY = ["group", "age", "male", "bmi", "aetiology", "arco", "vol0_r1"]
CAUSES = {1: "collapse", 2: "tha"}


def rows_of(rows: Any, label: str) -> list[dict[str, Any]]:
    """R's rows of one curve; it names them only where there are several."""
    rows = [rows] if isinstance(rows, dict) else rows
    named = [row for row in rows if str(row.get("strata", row.get("_row"))).partition("=")[2] == label]
    return named or rows


def curves_of(section: str) -> Comparison:
    """Compare the curves, medians and means of a section with each interval."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        duration, event, group = CURVES[section]
        table, expected = cohort.table_of(section), cohort.r[section]
        for interval in ("log-log", "log", "plain"):
            options = vs.CurveOptions(interval=interval)
            result = vs.kaplan_meier(duration, event, group, data=table, options=options)
            curves = result.details["curves"]
            end = max(curve.times[-1] for curve in curves)
            for curve in curves:
                rows = rows_of(expected[interval], curve.label)
                found = curve.at([row["time"] for row in rows])
                for theirs, ours in COLUMNS.items():
                    name = f"{ours} at {rows[0]['time']:g}, {rows[0]['strata']}"
                    yield beside(name, found[ours], [row[theirs] for row in rows])
                (row,) = rows_of(expected[f"median_{interval}"], curve.label)
                median, mean = curve.quantile(), curve.restricted_mean(end)
                limits = [median.value, median.ci_low, median.ci_high]
                yield beside("median", limits, [row[key] for key in ("median", "0.95LCL", "0.95UCL")])
                means = [mean.value, mean.standard_error]
                yield beside("mean", means, [row["rmean"], row["se(rmean)"]])

    return compare


def clustered_curves(cohort: Cohort) -> Iterator[Compared]:
    """Errors of curves by the grouped jackknife."""
    result = vs.kaplan_meier("collapse_time", "collapse", "group", data=cohort.hips, cluster="patient")
    for curve in result.details["curves"]:
        rows = rows_of(cohort.r["km_hips_collapse_clusterSE"], curve.label)
        found = curve.at([row["time"] for row in rows])
        for theirs in ("se", "surv", "lower", "upper"):
            ours = COLUMNS[theirs]
            name = f"{ours} at {rows[0]['time']:g}, {rows[0]['strata']}"
            yield beside(name, found[ours], [row[theirs] for row in rows])


def logrank(part: str) -> Comparison:
    """Compare the log-rank tests of the hips or of lung."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        for section, (duration, event, group, strata, rho) in LOGRANK.items():
            if not section.startswith(part):
                continue
            expected, table = cohort.r["logrank"][section], cohort.table_of(section)
            result = vs.logrank_test(duration, event, group, data=table, strata=strata, rho=rho)
            found = [result.statistic, result.p_value, result.df]
            yield beside(f"chi-squared, {section}", found, [expected[key] for key in ("chisq", "p", "df")])
            suffix = "_by_stratum" if strata else ""
            yield beside("observed", result.details[f"observed{suffix}"], expected["obs"])
            yield beside("expected", result.details[f"expected{suffix}"], expected["exp"])

    return compare


def restricted_means(part: str) -> Comparison:
    """Compare restricted means of the hips or of lung."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        for section, (duration, event, group) in MEANS.items():
            if not section.startswith(part):
                continue
            expected, table = cohort.r["rmst"][section], cohort.table_of(section)
            result = vs.restricted_mean_time(duration, event, group, tau=expected["tau"], data=table)
            e = result.estimate
            found = [e.value, e.standard_error, e.ci_low, e.ci_high, e.p_value]
            keys = ("diff", "se", "lower", "upper", "p")
            yield beside(f"difference, {section}", found, [expected[key] for key in keys])
            for label, row in expected["groups"].items():
                mean = result[f"restricted mean {label}"]
                yield beside("mean", [mean.value, mean.standard_error], [row["rmst"], row["se_survRM2"]])

    return compare


def cox_model(cohort: Cohort, section: str) -> vs.StatisticResult:
    """Fit the Cox model that a section is named after."""
    if "lung" in section:
        return vs.cox_regression("time", "dead", ["age", "sex", "ph.ecog"], data=cohort.table_of(section))
    endpoint = "tha" if "tha" in section else "collapse"
    clustered = section.endswith("cluster")
    return vs.cox_regression(
        f"{endpoint}_time",
        endpoint,
        ["group"] if "group" in section else MANY,
        data=cohort.hips if clustered else cohort.hips_alone,
        cluster="patient" if clustered else None,
        options=vs.CoxOptions(ties="breslow" if "breslow" in section else "efron"),
    )


def values(answer: Any) -> list[float]:
    """R's vector, named or not."""
    return list(answer.values()) if isinstance(answer, dict) else list(answer)


def cox(section: str) -> Comparison:
    """Compare one Cox model: estimates, errors, limits, tests, likelihoods, concordance."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        expected, result = cohort.r[section], cox_model(cohort, section)
        details = result.details
        first = next(iter(expected["coef"]))
        for key, field in (("hr", "value"), ("lower", "ci_low"), ("upper", "ci_high"), ("p", "p_value")):
            found = [getattr(estimate, field) for estimate in result.estimates]
            name = f"hazard ratio of {first}" if key == "hr" else key
            yield beside(name, found, values(expected[key]), ITERATED)
        for key, field in (
            ("coef", "coefficients"),
            ("se", "standard_errors"),
            ("naive_se", "naive_standard_errors"),
        ):
            yield beside(key, details[field], values(expected[key]), ITERATED)
        yield beside("log likelihood", details["log_likelihood"], expected["loglik"])
        for key, field in (("lrt", "likelihood_ratio"), ("score", "score")):
            yield beside(key, details[field], values(expected[key]), ITERATED)
        wald = expected["wald"]
        yield beside("Wald", [result.df, result.p_value], [wald["df"], wald["pvalue"]], ITERATED)
        yield beside("counts", [result.n_used, details["n_events"]], [expected["n"], expected["nevent"]])
        if "concordance" in expected:
            found = vs.concordance_index(result).estimate
            concordance = [found.value, found.standard_error]
            yield beside("concordance", concordance, values(expected["concordance"]), ITERATED)

    return compare


def proportional_hazards(part: str) -> Comparison:
    """Compare ``cox.zph`` with both transforms of time."""

    def compare(cohort: Cohort) -> Iterator[Compared]:
        model = cox_model(cohort, f"cox_{part}_efron")
        for transform in ("km", "rank"):
            result = vs.proportional_hazards_test(model, transform=transform)
            for row in cohort.r["zph"][f"{part}_{transform}"]:
                found = result.details["terms"][row["term"]]
                name = f"chi-squared of {row['term']}, {part}_{transform}"
                yield beside(name, found, [row["chisq"], row["df"], row["p"]], ITERATED)

    return compare


def competing_risks(cohort: Cohort) -> Iterator[Compared]:
    """Aalen-Johansen as survfit's and as cmprsk's, Gray's test, and the naive curve."""
    hips, expected = cohort.hips, cohort.r["cif_hips"]
    event, group = hips["event"], hips["group"]
    first = np.where(event == 1, hips["collapse_time"], np.minimum(hips["collapse_time"], hips["tha_time"]))
    own = vs.cumulative_incidence(first, event, group, options=vs.IncidenceOptions(causes=CAUSES))
    for curve in own.details["curves"]:
        rows = rows_of(expected["aalen_johansen"], curve.label)
        found = curve.at([row["time"] for row in rows])
        for theirs, ours in (("p", "incidence"), ("se", "standard_error")):
            name = f"{ours} of {curve.cause} at {rows[0]['time']:g}, {rows[0]['strata']}"
            yield beside(name, found[ours], [row[f"{theirs}_{curve.cause}"] for row in rows])
    codes = {name: code for code, name in CAUSES.items()}
    options = vs.IncidenceOptions(causes=CAUSES, variance="aalen")
    for curve in vs.cumulative_incidence(first, event, group, options=options).details["curves"]:
        for section, ours in (("cuminc_est", "incidence"), ("cuminc_var", "standard_error")):
            (row,) = (r for r in expected[section] if r["_row"] == f"{curve.label} {codes[curve.cause]}")
            times = [key for key in row if key != "_row"]
            figures = curve.at([float(time) for time in times])[ours]
            squared = figures**2 if section == "cuminc_var" else figures
            yield beside(section, squared, [row[time] for time in times])
    for cause, row in enumerate(expected["gray"], start=1):
        result = vs.gray_test(first, event, group, cause=cause)
        found = [result.statistic, result.p_value, result.df]
        yield beside("Gray", found, [row[key] for key in ("stat", "pv", "df")])
    naive = vs.kaplan_meier(first, event == 1, group).details["curves"]
    yield beside("naive", [curve.at([24])["survival"][0] for curve in naive], expected["km_naive"])


SECTIONS = (
    *(Section(name=name, functions=("kaplan_meier",), compare=curves_of(name)) for name in CURVES),
    Section(name="km_hips_collapse_clusterSE", functions=("kaplan_meier",), compare=clustered_curves),
    Section(name="logrank", functions=("logrank_test",), compare=logrank("hips")),
    Section(name="logrank (lung)", functions=("logrank_test",), compare=logrank("lung")),
    Section(name="rmst", functions=("restricted_mean_time",), compare=restricted_means("hips")),
    Section(name="rmst (lung)", functions=("restricted_mean_time",), compare=restricted_means("lung")),
    *(
        Section(name=name, functions=("cox_regression", "concordance_index"), compare=cox(name))
        for name in COX
    ),
    Section(name="zph", functions=("proportional_hazards_test",), compare=proportional_hazards("hips")),
    Section(
        name="zph (lung)", functions=("proportional_hazards_test",), compare=proportional_hazards("lung")
    ),
    Section(
        name="cif_hips",
        functions=("cumulative_incidence", "gray_test", "kaplan_meier"),
        compare=competing_risks,
    ),
)
