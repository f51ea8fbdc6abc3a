"""One example for every public function of the statistics and clinical rules, for docs/make_statistics_pages.py.

Each is run when the pages are made, and again by the tests; its last expression is shown.
"""

# ruff: noqa: E501

SETUP = """\
import numpy as np
import pandas as pd
import volumetry.clinical as vc
import volumetry.statistics as vs
from datetime import date
rng = np.random.default_rng(3)
hips = pd.DataFrame({"patient": np.arange(60) // 2, "arm": np.repeat(["drug", "none"], 30)})
hips["age"] = rng.normal(52, 10, 60).round()
hips["before"] = rng.lognormal(2, 0.5, 60).round(2)
hips["after"] = (hips["before"] * rng.lognormal(-0.1, 0.15, 60)).round(2)
hips["months"] = rng.integers(3, 40, 60)
hips["collapse"] = rng.integers(0, 2, 60)
hips["cause"] = hips["collapse"] * rng.integers(1, 3, 60)
hips["treated"] = rng.integers(0, 2, 60)
hips["stage"] = rng.choice(["I", "II", "III"], 60)
score = vs.propensity_score("treated", ["age", "before"], data=hips)
pairs = vs.match_pairs(score, vs.MatchOptions(caliper=0.5, scale="sd-logit"))
cox = vs.cox_regression("months", "collapse", ["arm", "age"], data=hips, cluster="patient")
"""

EXAMPLES = {
    "adjust_p_values": "vs.adjust_p_values([0.01, 0.04, None], method='holm')",
    "attributable_fractions": "vs.attributable_fractions(36, 110, 18, 108)",
    "audit_counts": "vs.audit_counts('collapse', [[36, 110], [48, 78]], '0.012')[0]",
    "audit_difference_sd": "P = vs.Printed.of\nvs.audit_difference_sd('motion', P('8.8'), P('7.2'), P('0.8'), P('0.5'))[0]",
    "audit_exceedance": "vs.audit_exceedance('age', vs.Printed.of('51.6'), vs.Printed.of('12.0'), 70.0, 10, 146)",
    "audit_means": "P = vs.Printed.of\nfirst = vs.PrintedSummary(mean=P('13.74'), sd=P('7.35'), n=146)\nsecond = vs.PrintedSummary(mean=P('11.37'), sd=P('7.83'), n=126)\nvs.audit_means('size', first, second, '.054')[0]",
    "audit_paired": "P = vs.Printed.of\nfirst = vs.PrintedSummary(mean=P('22.5'), sd=P('8.8'), n=48)\nsecond = vs.PrintedSummary(mean=P('48.9'), sd=P('14.2'), n=48)\nvs.audit_paired('WOMAC', first, second, '.19')[0]",
    "audit_percentage": "vs.audit_percentage('stage I', 19, 146, '13.1')",
    "audit_relative_change": "vs.audit_relative_change('volume', vs.Printed.of('23.77'), vs.Printed.of('14.33'), '-39.7')",
    "audit_sample_size": "vs.audit_sample_size('collapse', 0.4, 0.2, alpha=0.05, power=0.95, printed_n=120)[0]",
    "audit_share": "vs.audit_share('good', '48.9', [77, 78, 126])[0]",
    "audit_subgroups": "P = vs.Printed.of\nS = vs.PrintedSummary\nvs.audit_subgroups('score', S(mean=P('21.43'), sd=None, n=146), [S(mean=P('18.2'), sd=None, n=36), S(mean=P('20.2'), sd=None, n=110)])[0]",
    "audit_survival_interval": "P = vs.Printed.of\nvs.audit_survival_interval('collapse-free', P('66.2'), P('61.9'), P('70.5'), 146)[0]",
    "audit_total": "vs.audit_total('hips', [62, 84], 146)",
    "augmented_weighting": "vs.augmented_weighting('collapse', 'treated', ['age'], data=hips, cluster='patient')",
    "balance_table": "vs.balance_table('treated', ['age', 'before'], data=hips, denominator='pooled')",
    "bland_altman": "vs.bland_altman('before', 'after', data=hips.drop_duplicates('patient'), scale='log')",
    "check_clusters": "vs.check_clusters('patient', hips).n_clusters",
    "changes_relative_change": "changes = pd.DataFrame({'category': 'decrease', 'baseline_volume_mm3': hips['before'], 'followup_volume_mm3': hips['after']})\nvs.changes_relative_change(changes)",
    "cohen_kappa": "vs.cohen_kappa([[20, 5], [4, 31]])",
    "cohen_kappa_of_readers": "vs.cohen_kappa_of_readers(list('aabb'), list('abbb'), classes=['a', 'b'])",
    "compare_classes": "vs.compare_classes('arm', 'stage', group_levels=['drug', 'none'], class_levels=['I', 'II', 'III'], data=hips, cluster='patient')",
    "compare_groups": "vs.compare_groups(hips, 'age', group='arm', levels=('drug', 'none'), cluster='patient')",
    "compare_proportions": "vs.compare_proportions('collapse', data=hips, group='arm', cluster='patient', primary='pearson')",
    "concordance_index": "vs.concordance_index(cox)",
    "contingency_test": "vs.contingency_test([[52, 42, 52], [35, 54, 37]], primary='exact')",
    "correlation_of_paired_p": "S = vs.SampleSummary\nvs.correlation_of_paired_p(S(mean=13.79, sd=7.33, n=112), S(mean=11.87, sd=6.83, n=112), 0.001)",
    "cox_regression": "vs.cox_regression('months', 'collapse', ['arm', 'age'], data=hips, cluster='patient')",
    "cross_tabulate": "vs.cross_tabulate('arm', 'stage', group_levels=['drug', 'none'], class_levels=['I', 'II', 'III'], data=hips)",
    "cumulative_incidence": "vs.cumulative_incidence('months', 'cause', data=hips, cluster='patient').details['curves'][0]",
    "design_effect": "vs.design_effect([2] * 88 + [1] * 96, 0.3)",
    "effective_size": "vs.effective_size([1.0, 1.0, 0.5])",
    "estimating_equations": "vs.estimating_equations('collapse', ['arm'], cluster='patient', data=hips)",
    "firth_cox": "vs.firth_cox('months', 'collapse', ['arm'], data=hips.drop(columns='patient'))",
    "firth_logistic": "vs.firth_logistic('collapse', ['arm'], data=hips.drop(columns='patient'))",
    "gray_test": "vs.gray_test('months', 'cause', 'arm', data=hips.drop(columns='patient'))",
    "grim_counts": "vs.grim_counts('48.9', 78)",
    "icc": "vs.icc(['before', 'after'], data=hips.drop_duplicates('patient'))",
    "interval_censored_survival": "vs.interval_censored_survival([0, 6, 6, 12], [6, 12, None, None]).details['curves'][0]",
    "interval_logrank_test": "vs.interval_logrank_test([0, 0, 6, 12], [6, 6, 12, None], ['a', 'a', 'b', 'b'])",
    "kaplan_meier": "vs.kaplan_meier('months', 'collapse', 'arm', data=hips, cluster='patient')",
    "levene_test": "vs.levene_test('age', data=hips.drop_duplicates('patient'), group='arm')",
    "lin_concordance": "vs.lin_concordance('before', 'after', data=hips.drop_duplicates('patient'))",
    "linear_by_linear_test": "vs.linear_by_linear_test([[13, 40, 59], [26, 36, 12]])",
    "linear_regression": "vs.linear_regression('after', ['arm', 'before'], data=hips, cluster='patient')",
    "logistic_regression": "vs.logistic_regression('collapse', ['arm', 'age'], data=hips, cluster='patient')",
    "logrank_test": "vs.logrank_test('months', 'collapse', 'arm', data=hips, cluster='patient')",
    "mann_whitney_on_classes": "vs.mann_whitney_on_classes([[13, 40, 59], [26, 36, 12]])",
    "mann_whitney_test": "vs.mann_whitney_test('age', data=hips, group='arm', cluster='patient')",
    "match_pairs": "vs.match_pairs(score, vs.MatchOptions(caliper=0.5, scale='sd-logit'))",
    "matched_balance": "vs.matched_balance(score, pairs)",
    "matched_effect": "vs.matched_effect(pairs, 'collapse', data=hips)",
    "mcnemar_test": "vs.mcnemar_test(pairs, 'collapse', data=hips)",
    "mixed_model": "vs.mixed_model('after', ['arm', 'before'], cluster='patient', data=hips)",
    "paired_t_test": "vs.paired_t_test('after', 'before', data=hips, cluster='patient')",
    "paired_t_test_from_summary": "S = vs.SampleSummary\nvs.paired_t_test_from_summary(S(mean=13.8, sd=7.3, n=112), S(mean=11.9, sd=6.8, n=112), correlation=0.9)",
    "power_log_rank": "vs.power_log_rank(0.5, power=0.8)",
    "power_t_test": "vs.power_t_test(0.5, power=0.8)",
    "power_two_proportions": "vs.power_two_proportions(0.4, 0.2, power=0.95, method='fisher-exact', sides='one-sided')",
    "propensity_score": "vs.propensity_score('treated', ['age', 'before'], data=hips)",
    "propensity_weights": "vs.propensity_weights(score, 'overlap')[:3].round(3)",
    "proportion": "vs.proportion(36, 146)",
    "proportional_hazards_test": "vs.proportional_hazards_test(cox)",
    "proportional_odds": "vs.proportional_odds('stage', data=hips, group='arm', classes=['I', 'II', 'III'], cluster='patient')",
    "quantiles": "vs.quantiles('age', kind=6, data=hips)",
    "relative_change": "vs.relative_change('before', 'after', data=hips, cluster='patient')",
    "repeatability": "vs.repeatability(['before', 'after'], data=hips.drop_duplicates('patient'))",
    "responder_table": "vs.responder_table(pd.DataFrame({'category': ['decrease', 'no_change', 'decrease'], 'reason': ''}))",
    "restricted_mean_time": "vs.restricted_mean_time('months', 'collapse', 'arm', tau=24.0, data=hips, cluster='patient')",
    "rows_of_pairs": "rows, pair = vs.rows_of_pairs(pairs, 'patient', data=hips)\nrows[:4], pair[:4]",
    "shapiro_wilk_test": "vs.shapiro_wilk_test('age', data=hips)",
    "standardized_mean_difference": "vs.standardized_mean_difference('age', data=hips, group='arm')",
    "t_test": "vs.t_test('age', data=hips, group='arm', cluster='patient')",
    "t_test_from_summary": "S = vs.SampleSummary\nvs.t_test_from_summary(S(mean=13.74, sd=7.35, n=146), S(mean=11.37, sd=7.83, n=126))",
    "table_one": "vs.table_one(hips, group='arm', levels=('drug', 'none'), numeric=['age'], categorical=['stage'])",
    "tables_behind_shares": "vs.tables_behind_shares(('71.9', '48.9'), (146, 126), '.012')[:2]",
    "two_by_two": "vs.two_by_two([[36, 110], [48, 78]], primary='fisher')",
    "weighted_effect": "weights = vs.propensity_weights(score, 'ate')\nvs.weighted_effect('collapse', 'treated', weights, data=hips, cluster='patient')",
    "wilcoxon_signed_rank_test": "vs.wilcoxon_signed_rank_test('after', 'before', data=hips, cluster='patient')",
    "arco_stage": "vc.arco_stage(vc.HipFindings(mri_positive=True, radiograph_abnormal=True, fracture=True, depression_mm=3.0, osteoarthritis=False))",
    "bone_density_category": "vc.bone_density_category(-2.7)",
    "check_arco_stage": "vc.check_arco_stage('II', vc.HipFindings(mri_positive=True, radiograph_abnormal=True, fracture=True, depression_mm=1.0, osteoarthritis=False))",
    "check_pain_vas": "vc.check_pain_vas(4.5)",
    "collapse_progression": "vc.collapse_progression({'ap': 0.5, 'frog': 1.0}, {'ap': 2.0, 'frog': 3.0})",
    "disc_height_loss": "vc.disc_height_loss(10.0, 7.5)",
    "failure_time": "vc.failure_time(vc.HipFollowUp(start=date(2020, 1, 1), films=((date(2020, 7, 1), False), (date(2021, 1, 1), True)), replacement=None, last=date(2021, 6, 1)))",
    "fit_circle": "vc.fit_circle([[0, 10], [10, 0], [0, -10], [-10, 0.1]])",
    "good_or_excellent_share": "vc.good_or_excellent_share([95, 82, 71, None])",
    "harris_category": "vc.harris_category(84.0)",
    "harris_total": "vc.harris_total(pain=40, function=40, deformity=4, motion=5)",
    "has_osteolysis": "vc.has_osteolysis(120.0)",
    "head_depression": "arc = [[20 * np.cos(a), 20 * np.sin(a)] for a in np.linspace(0, np.pi, 9)]\nvc.head_depression(arc, [[-5, 19], [0, 17], [5, 19]]).depression_mm.__round__(3)",
    "is_good_or_excellent": "vc.is_good_or_excellent(84.0)",
    "is_nonunion": "vc.is_nonunion(2.0, 8.0)",
    "oozing_time": "vc.oozing_time(date(2020, 1, 1), [(date(2020, 1, 2), 3), (date(2020, 1, 4), 1)], date(2020, 1, 9))",
    "replacement_time": "vc.replacement_time(vc.HipFollowUp(start=date(2020, 1, 1), films=(), replacement=date(2021, 1, 1), last=date(2021, 6, 1)))",
    "segmental_motion_degrees": "vc.segmental_motion_degrees(2.0, 8.0)",
    "womac_range": "vc.womac_range('LK3.1')",
    "womac_total": "vc.womac_total(pain=5, stiffness=2, function=20, version='LK3.1')",
    "womac_total_from_items": "vc.womac_total_from_items([1] * 24, version='LK3.1')",
}
