"""Agreement of readers and reads beside R's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import volumetry.statistics as vs

from .compared import Cohort, Compared, Section, beside

if TYPE_CHECKING:
    import pandas as pd

# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
FORMS = {
    "ICC1": "ICC(1,1)",
    "ICC2": "ICC(A,1)",
    "ICC3": "ICC(C,1)",
    "ICC1k": "ICC(1,k)",
    "ICC2k": "ICC(A,k)",
    "ICC3k": "ICC(C,k)",
}
IRR_FORMS = {"oneway": "ICC(1,1)", "consistency": "ICC(C,1)", "agreement": "ICC(A,1)"}
WEIGHTS = {
    "none": ("unweighted", "unw", "z"),
    "linear": ("linear", "equal", "z_eq"),
    "quadratic": ("quadratic", "squared", "z_sq"),
}


def columns_of(cohort: Cohort, name: str) -> pd.DataFrame:
    """Two readers, or two reads of one."""
    second = "vol0_r2" if name.endswith("r1_r2") else "vol0_r1b"
    return cohort.hips[["vol0_r1", second]]


def psych_icc(cohort: Cohort) -> Iterator[Compared]:
    """Six forms on four sets of ratings, as psych's."""
    for name, rows in cohort.r["icc"].items():
        ratings: Any = SHROUT_FLEISS
        if name.startswith("hips"):
            ratings = columns_of(cohort, name)
        if "_log_" in name:
            ratings = np.log(ratings)
        for row in rows:
            result = vs.icc(ratings, form=FORMS[row["type"]])
            e = result.estimate
            found = [e.value, e.ci_low, e.ci_high, result.statistic, *result.df, result.p_value]
            keys = ("ICC", "lower bound", "upper bound", "F", "df1", "df2", "p")
            yield beside(f"{FORMS[row['type']]}, {name}", found, [row[key] for key in keys])


def irr_icc(cohort: Cohort) -> Iterator[Compared]:
    """Three forms on two sets of ratings, as irr's."""
    for name, row in cohort.r["irr_icc"].items():
        form = IRR_FORMS[name.split("_")[-1]]
        result = vs.icc(SHROUT_FLEISS if name.startswith("sf") else columns_of(cohort, "r1_r2"), form=form)
        p_value = result.details["p_value_satterthwaite"] if form == "ICC(A,1)" else result.p_value
        e = result.estimate
        found = [e.value, e.ci_low, e.ci_high, result.statistic, p_value]
        yield beside(f"{form}, {name}", found, [row[key] for key in ("icc", "lower", "upper", "F", "p")])


def bland_altman(cohort: Cohort) -> Iterator[Compared]:
    """Bias, limits of agreement and their limits, repeatability, and Lin's concordance."""
    for name, expected in cohort.r["bland_altman"].items():
        table, log = columns_of(cohort, name), name.startswith("log")
        first, second = table.iloc[:, 0], table.iloc[:, 1]
        result = vs.bland_altman(first, second, scale="log" if log else "absolute")
        bias, low, high = (result[part] for part in ("bias", "lower limit", "upper limit"))
        details = result.details
        yield beside(f"lower limit of agreement, {name}", [low.value, high.value], expected["loa"])
        for key, estimate in (("bias_ci", bias), ("loa_lower_ci", low), ("loa_upper_ci", high)):
            yield beside(key, [estimate.ci_low, estimate.ci_high], expected[key])
        for key, found in (
            ("n", result.n_used),
            ("bias", bias.value),
            ("sd", details["sd_of_differences"]),
            ("loa_se_1986", details["limit_error_1986"]),
            ("slope_p", result.p_value),
            ("sw", details["within_subject_sd"]),
            ("rc", details["repeatability_coefficient"]),
        ):
            yield beside(key, found, expected[key])
        values = table.apply(np.log) if log else table
        e = vs.lin_concordance(values.iloc[:, 0], values.iloc[:, 1]).estimate
        (row,) = expected["epi_ccc"]
        yield beside("Lin", [e.value, e.ci_low, e.ci_high], [row[key] for key in ("est", "lower", "upper")])


def repeatability(cohort: Cohort) -> Iterator[Compared]:
    """Two reads of one reader, in percent."""
    expected = cohort.r["repeatability_percent"]
    result = vs.repeatability(columns_of(cohort, "intra"))
    coefficient = result["repeatability coefficient, log"]
    for name, key, scale in (
        ("smallest detectable increase", "RC_pct_up", 1),
        ("smallest detectable decrease", "RC_pct_down", 1),
        ("within-lesion log SD", "sw_log", 1),
        ("within-lesion CV", "wCV", 100),
        ("repeatability coefficient, log", "RC_log", 1),
        ("repeatability coefficient, linear", "RC_linear_pct", 1),
        ("false-change rate", "prob_false_change_15", 100),
    ):
        yield beside(f"{name} (%)", result[name].value, scale * expected[key])
    yield beside("limits", [coefficient.ci_low, coefficient.ci_high], expected["ci_RC_log"])


def change_class(percent: float) -> str:
    """The published rule."""
    return "increase" if percent > 15 else "decrease" if percent < -15 else "no_change"


def kappa(cohort: Cohort) -> Iterator[Compared]:
    """Kappa with three weights as vcd's, psych's limits, and the readers' own classes."""
    expected = cohort.r["kappa"]
    for weights, (section, _, _) in WEIGHTS.items():
        estimate = vs.cohen_kappa(expected["table"], weights=weights).estimate
        found = [estimate.value, estimate.standard_error]
        yield beside(f"kappa, weights {weights}", found, expected[section])
    e = vs.cohen_kappa(expected["table"]).estimate
    limits = expected["psych_conf"][0]
    yield beside("limits", [e.ci_low, e.ci_high], [limits["lower"], limits["upper"]])
    rows = cohort.hips_alone.dropna(subset=["vol1_r1", "vol1_r2"])
    percent = [100 * (rows[f"vol1_{r}"] - rows[f"vol0_{r}"]) / rows[f"vol0_{r}"] for r in ("r1", "r2")]
    readers = [[change_class(value) for value in values] for values in percent]
    classes = ("decrease", "no_change", "increase")
    own = vs.cohen_kappa_of_readers(readers[0], readers[1], classes=classes)
    yield beside("readers", own.estimate.value, expected["unweighted"][0])
    # In another order of the classes.
    ours, theirs = (sorted(map(sorted, table)) for table in (own.details["table"], expected["table"]))
    yield beside("table", ours, theirs)


def irr_kappa(cohort: Cohort) -> Iterator[Compared]:
    """Kappa and its z, as irr's."""
    expected = cohort.r["irr_kappa"]
    for weights, (_, value, z) in WEIGHTS.items():
        result = vs.cohen_kappa(cohort.r["kappa"]["table"], weights=weights)
        name = f"kappa, weights {weights}"
        yield beside(name, [result.estimate.value, result.statistic], [expected[value], expected[z]])
        yield beside("agreement", result.details["agreement_percent"], expected["agree"])


SECTIONS = (
    Section(name="icc", functions=("icc",), compare=psych_icc),
    Section(name="irr_icc", functions=("icc",), compare=irr_icc),
    Section(name="bland_altman", functions=("bland_altman", "lin_concordance"), compare=bland_altman),
    Section(name="repeatability_percent", functions=("repeatability",), compare=repeatability),
    Section(name="kappa", functions=("cohen_kappa", "cohen_kappa_of_readers"), compare=kappa),
    Section(name="irr_kappa", functions=("cohen_kappa",), compare=irr_kappa),
)
