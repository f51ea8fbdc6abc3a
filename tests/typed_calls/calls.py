"""Right and wrong calls of the statistics, read by `mypy --strict` and never run."""

import numpy as np
import pandas as pd

import volumetry.clinical as vc
import volumetry.statistics as vs

# ruff: noqa: F821

table = pd.DataFrame({"hip": [1, 2], "days": [10.0, 20.0], "event": [0, 1], "arm": ["a", "b"]})
one, two = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 5.0])
counts = [[36, 110], [48, 78]]
summary = vs.SampleSummary(mean=1.0, sd=2.0, n=30)
curve = vs.kaplan_meier("days", "event", "arm", data=table, cluster="hip")
score = vs.propensity_score("event", ["days"], data=table)
pairs = vs.match_pairs(score, vs.MatchOptions(caliper=0.1, scale="sd-logit"))

reveal_type(vs.t_test)
reveal_type(vs.t_test(one, two).p_value)
reveal_type(vs.StatisticResult)
reveal_type(score)
reveal_type(pairs.n_treated)
reveal_type(vc.harris_category(80.0))

vs.t_test(one, two)  # right
vs.t_test([1, 2, 3], [2, 3, None], variances="equal")  # right
vs.t_test(one, two, cluster=(["a", "b", "c"], ["a", "b", "c"]))  # right
vs.paired_t_test(one, two, alternative="less")  # right
vs.t_test_from_summary(summary, summary)  # right
vs.mann_whitney_test(one, two, distribution="exact")  # right
vs.wilcoxon_signed_rank_test(one, two)  # right
vs.two_by_two(counts, primary="fisher")  # right
vs.contingency_test(counts, primary="exact")  # right
vs.compare_proportions([0, 1], [1, 1], primary="pearson")  # right
vs.linear_by_linear_test(counts)  # right
vs.proportional_odds(one, two, classes=[1.0, 2.0, 3.0, 5.0])  # right
vs.proportion(3, 10, method="wilson")  # right
vs.levene_test(one, two, center="mean")  # right
vs.shapiro_wilk_test(one)  # right
vs.quantiles(one, [0.5], kind=6)  # right
vs.standardized_mean_difference(one, two)  # right
vs.kaplan_meier([1.0, 2.0], [0, 1])  # right
vs.logrank_test("days", "event", "arm", data=table, rho=1.0)  # right
vs.cumulative_incidence("days", "event", data=table)  # right
vs.gray_test("days", "event", "arm", data=table, cause=2)  # right
vs.restricted_mean_time("days", "event", "arm", tau=20.0, data=table)  # right
vs.cox_regression("days", "event", ["arm"], data=table, options=vs.CoxOptions(ties="breslow"))  # right
vs.proportional_hazards_test(curve, transform="rank")  # right
vs.concordance_index(curve)  # right
vs.firth_logistic("event", ["arm"], data=table)  # right
vs.logistic_regression("event", ["arm"], data=table, cluster="hip")  # right
vs.linear_regression("days", {"arm": [0, 1]}, data=table)  # right
vs.mixed_model("days", ["arm"], cluster="hip", data=table)  # right
vs.estimating_equations("event", ["arm"], cluster="hip", data=table)  # right
vs.propensity_weights(score, "att")  # right
vs.matched_balance(score, pairs, denominator="pooled")  # right
vs.matched_effect(pairs, "event", data=table)  # right
vs.mcnemar_test(pairs, "event", data=table)  # right
vs.icc([[1.0, 2.0], [2.0, 3.0]], form="ICC(A,1)")  # right
vs.bland_altman(one, two, scale="log")  # right
vs.cohen_kappa(counts, weights="linear")  # right
vs.power_two_proportions(0.4, 0.2, power=0.95)  # right
vs.adjust_p_values([0.01, None], method="holm")  # right
vc.harris_total(pain=40, function=40, deformity=4, motion=5)  # right
print(curve["arm"].ci_low, curve.n_clusters, curve.notes, curve.details["curves"])  # right

vs.t_test("nonsense", two, colour=3)  # wrong
vs.t_test(one, two, variances="welch")  # wrong
vs.t_test(one, two, level="95 %")  # wrong
vs.t_test(1.5, two)  # wrong
vs.paired_t_test(one)  # wrong
vs.paired_t_test(one, two, "less")  # wrong
vs.t_test_from_summary((1.0, 2.0, 30), summary)  # wrong
vs.mann_whitney_test(one, two, distribution="perhaps")  # wrong
vs.wilcoxon_signed_rank_test(one, two, continuity="no")  # wrong
vs.two_by_two(counts)  # wrong
vs.two_by_two(counts, primary="chi")  # wrong
vs.contingency_test(counts, primary="fisher")  # wrong
vs.compare_proportions([0, 1], [1, 1])  # wrong
vs.proportional_odds(one, two)  # wrong
vs.proportion("3", 10)  # wrong
vs.proportion(3, 10, method="best")  # wrong
vs.levene_test(one, two, center="mode")  # wrong
vs.quantiles(one, 0.5)  # wrong
vs.kaplan_meier(3, 4)  # wrong
vs.kaplan_meier("days", "event", data={"days": [1]})  # wrong
vs.kaplan_meier("days", "event", data=table, interval="log")  # wrong
vs.logrank_test("days", "event", data=table)  # wrong
vs.logrank_test("days", "event", "arm", data=table, rho="peto")  # wrong
vs.gray_test("days", "event", "arm", data=table, cause="collapse")  # wrong
vs.restricted_mean_time("days", "event", "arm", data=table)  # wrong
vs.CoxOptions(ties="exactly")  # wrong
vs.CoxOptions("efron")  # wrong
vs.cox_regression("days", "event", ["arm"], data=table, ties="efron")  # wrong
vs.cox_regression("days", "event", 5, data=table)  # wrong
vs.proportional_hazards_test(curve, transform="sqrt")  # wrong
vs.logistic_regression("event", ["arm"], table)  # wrong
vs.mixed_model("days", ["arm"], data=table)  # wrong
vs.propensity_weights(score, "everyone")  # wrong
vs.match_pairs(score, 0.1)  # wrong
vs.matched_effect(score, "event", data=table)  # wrong
vs.icc([[1.0, 2.0]], form="ICC(2,1)")  # wrong
vs.bland_altman(one, two, scale="logarithm")  # wrong
vs.power_two_proportions("40 %", 0.2)  # wrong
vs.adjust_p_values([0.01], method="bonferoni")  # wrong
vs.harris_category("good")  # wrong
print(curve.pvalue)  # wrong
curve.p_value = 0.05  # wrong
vs.kaplan_meyer("days", "event", data=table)  # wrong
vc.womac_total(pain=1.0, stiffness=1.0, function=1.0, version="LK3")  # wrong
