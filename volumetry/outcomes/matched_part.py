"""Propensity score matching: the pairs, their rows as a population of their own, balance, and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from volumetry.errors import VolumetryError
from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome, Question, Tidy, ask
from volumetry.outcomes.endpoints.binary_endpoint import with_p
from volumetry.outcomes.endpoints.time_endpoint import read_times
from volumetry.outcomes.plan import MatchingPlan, TimeToEvent
from volumetry.statistics.result import Estimate, StatisticResult

if TYPE_CHECKING:
    from volumetry.statistics.matching.balance import BalanceTable
    from volumetry.statistics.matching.pairs import Matching
    from volumetry.statistics.matching.propensity import PropensityScore

NAME = "matching"
MATCHED = "matched"
BALANCED = 0.1
"""Standardised differences up to this are commonly taken as balanced (Austin 2011)."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The score and the pairs, and how units (patients or rows) and rows belong together."""

    score: PropensityScore
    matching: Matching
    units: list[str]
    unit_of_row: list[int]


def match(context: Context, plan: MatchingPlan) -> Pairs | VolumetryError:
    """Return the pairs, or why there are none."""
    try:
        return _match(context, plan)
    except VolumetryError as error:
        return error


def matched_context(context: Context, plan: MatchingPlan, pairs: Pairs) -> Context:
    """Return the rows of matched units, clustered by pair; pairs that share a patient are one cluster."""
    rows, pair = _rows(pairs)
    patients = [context.cohort.patient[row] for row in rows]
    joined = _joined(pair.tolist(), patients)
    cluster = "pair" if max(joined) == pairs.matching.n_pairs else "pair set"
    return context.subset(
        [int(row) for row in rows], MATCHED, pairs=joined, cluster=cluster, leading=plan.primary
    )


def _joined(pairs: Sequence[int], patients: Sequence[str]) -> list[int]:
    """Return the number, from 1, of each row's set of pairs: pairs with a patient in common are in one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = {name: place for place, name in enumerate(dict.fromkeys(patients), start=max(pairs) + 1)}
    size = max(pairs) + 1 + len(names)
    links = (np.ones(len(pairs)), (list(pairs), [names[patient] for patient in patients]))
    labels = connected_components(coo_array(links, shape=(size, size)), directed=False)[1]
    order = {label: number for number, label in enumerate(dict.fromkeys(labels[list(pairs)].tolist()), 1)}
    return [order[label] for label in labels[list(pairs)].tolist()]


def describe_matching(context: Context, plan: MatchingPlan, pairs: Pairs | VolumetryError) -> Outcome:
    """Return the pairs, the balance before and after, and weighted analyses."""
    question = Question(
        endpoint=NAME, kind="matching", role="description", id="pairs", contrast=context.contrast,
        population=MATCHED, cluster="pair",
    )  # fmt: skip
    if isinstance(pairs, VolumetryError):
        failed = Analysis(**vars(question), code=pairs.code, reason=pairs.message)
        return Outcome(name=NAME, kind="matching", population=MATCHED, analyses=(failed,))
    analyses = [ask(question, lambda: _summary(plan, pairs))]
    analyses += _weighted(context, plan, pairs)
    before, after = _balance(pairs)
    return Outcome(
        name=NAME,
        kind="matching",
        population=MATCHED,
        analyses=tuple(analyses),
        tables=(
            Tidy(name="balance", rows=tuple(_balance_rows(before, after))),
            Tidy(name="pairs", rows=tuple(_pair_rows(pairs))),
        ),
        drawings=(_love_plot(before, after),),
        notes=(*_imbalances(before, after), *_sets(context, plan, pairs)),
    )


def _imbalances(before: BalanceTable, after: BalanceTable) -> Iterator[str]:
    """Say which covariates matching left unbalanced, and which it made worse."""
    for row in after.rows:
        now, then = row.standardised_difference, before[row.name].standardised_difference
        if row.name == "distance" or now is None or abs(now) <= BALANCED:
            continue
        worse = then is not None and abs(now) > abs(then)
        yield (
            f"{row.name}: standardised difference {0.0 if then is None else then:.3f} before and "
            f"{now:.3f} after matching, beyond {BALANCED:g}; "
            + ("matching made it worse" if worse else "it stays unbalanced")
        )


def _sets(context: Context, plan: MatchingPlan, pairs: Pairs) -> Iterator[str]:
    """Say where pairs share patients, so that they are no clusters of their own."""
    n_sets = len(set(matched_context(context, plan, pairs).clusters))
    if n_sets < pairs.matching.n_pairs:
        yield (
            f"{pairs.matching.n_pairs} pairs share patients and make {n_sets} pair sets, which are the "
            "clusters of the analyses of matched rows"
        )


def _match(context: Context, plan: MatchingPlan) -> Pairs:
    from volumetry.statistics.matching.pairs import MatchOptions, match_pairs
    from volumetry.statistics.matching.propensity import propensity_score

    units = [str(line) for line in context.cohort.table.lines]
    unit_of_row = list(range(len(units)))
    matched = context
    if plan.by == "patient":
        matched = context.per_unit("patient", *plan.covariates, instead='by = "row" in [matching]')
        units = list(matched.cohort.patient)
        place = {patient: number for number, patient in enumerate(units)}
        unit_of_row = [place[patient] for patient in context.cohort.patient]
    frame = matched.frame({}, plan.covariates)
    score = propensity_score("first", list(plan.covariates), data=frame)
    options = MatchOptions(caliper=plan.caliper, scale=plan.scale, order=plan.order, seed=plan.seed)
    return Pairs(score=score, matching=match_pairs(score, options), units=units, unit_of_row=unit_of_row)


def _summary(plan: MatchingPlan, pairs: Pairs) -> StatisticResult:
    matching = pairs.matching
    counts = (
        ("pairs", matching.n_pairs),
        ("treated that could be matched", matching.n_treated),
        ("controls that could be matched", matching.n_control),
    )
    return StatisticResult(
        method=f"1:1 nearest neighbour, caliper {plan.caliper:g} on the scale {plan.scale}, "
        f"order {plan.order}, by {plan.by}",
        estimates=tuple(Estimate(name=name, value=float(value)) for name, value in counts),
        n_used=2 * matching.n_pairs,
        n_missing=matching.n_missing,
        notes=tuple(note.replace("treated rows", f"treated {plan.by}s") for note in matching.notes),
        details={"caliper_on_scale": matching.caliper, "largest_distance": float(matching.distances.max())},
    )


def _rows(pairs: Pairs) -> tuple[Any, Any]:
    from volumetry.statistics.matching.matched_outcome import rows_of_pairs

    return rows_of_pairs(pairs.matching, np.array(pairs.unit_of_row, dtype=float))


def _weighted(context: Context, plan: MatchingPlan, pairs: Pairs) -> list[Analysis]:
    """Return every endpoint of rows under weights, with patients as clusters."""
    from volumetry.statistics.matching.weighting import propensity_weights, weighted_effect
    from volumetry.statistics.models.cox import CoxOptions, cox_regression

    arm = np.array(context.cohort.first, dtype=float)
    patients = list(context.cohort.patient)

    def effect(column: Sequence[float | None], measure: Any, name: str) -> Callable[..., StatisticResult]:
        values = np.array([np.nan if v is None else v for v in column], dtype=float)

        def answer(weights: Any) -> StatisticResult:
            found = weighted_effect(
                values, arm, weights, cluster=patients, measure=measure, level=context.level
            )
            return with_p(found, name, "treated")

        return answer

    def hazard(endpoint: TimeToEvent) -> Callable[..., StatisticResult]:
        times = read_times(context, endpoint)

        def answer(weights: Any) -> StatisticResult:
            options = CoxOptions(level=context.level, weights=weights)
            columns = {"first": arm}
            fit = cox_regression(times.time, times.event, columns, cluster=patients, options=options)
            return with_p(fit, "hazard ratio")

        return answer

    table = context.cohort.table
    asked: list[tuple[Any, str, Callable[[], Callable[..., StatisticResult]]]] = []
    for binary in context.plan.binary:
        if binary.per == "row":
            events = table.events(binary.column)
            asked.append((binary, "weighted-odds-ratio", partial(effect, events, "odds ratio", "odds ratio")))
    for number in context.plan.continuous:
        if number.per == "row":
            column = table.numbers(number.column)
            asked.append(
                (number, "weighted-mean-difference", partial(effect, column, "difference", "mean difference"))
            )
    asked += [(time, "weighted-hazard-ratio", partial(hazard, time)) for time in context.plan.time_to_event]
    return [
        ask(
            Question(
                endpoint=endpoint.name, kind="matching", role="sensitivity", id=question,
                contrast=context.contrast, detail=f"({estimand})", better=endpoint.better,
            ),
            partial(_under, make, pairs, estimand, propensity_weights),
        )
        for endpoint, question, make in asked
        for estimand in plan.weights
    ]  # fmt: skip


def _under(
    make: Callable[[], Callable[..., StatisticResult]], pairs: Pairs, estimand: Any, weights_of: Any
) -> StatisticResult:
    return make()(weights_of(pairs.score, estimand)[pairs.unit_of_row])


def _balance(pairs: Pairs) -> tuple[BalanceTable, BalanceTable]:
    from volumetry.statistics.matching.balance import matched_balance

    score = pairs.score
    if pairs.matching.options.scale == "sd-logit":  # the score before on the scale that it is matched on
        score = replace(score, probability=score.logit)
    return matched_balance(score), matched_balance(pairs.score, pairs.matching)


def _balance_rows(before: BalanceTable, after: BalanceTable) -> list[dict[str, Any]]:
    return [
        {
            "matching": when,
            "covariate": _DISTANCE if row.name == "distance" else row.name,
            "mean_treated": row.mean_treated,
            "mean_control": row.mean_control,
            "standardised_difference": row.standardised_difference,
            "denominator": f"SD of the {table.denominator}",
            "variance_ratio": row.variance_ratio,
            "ecdf_mean": row.ecdf_mean,
            "ecdf_max": row.ecdf_max,
        }
        for when, table in (("before", before), ("after", after))
        for row in table.rows
    ]


_DISTANCE = "propensity score on the scale of the caliper"


def _pair_rows(pairs: Pairs) -> list[dict[str, Any]]:
    matching = pairs.matching
    return [
        {
            "pair": number + 1,
            "treated": pairs.units[int(treated)],
            "control": pairs.units[int(control)],
            "distance": float(distance),
        }
        for number, (treated, control, distance) in enumerate(
            zip(matching.treated_rows, matching.control_rows, matching.distances, strict=True)
        )
    ]


def _love_plot(before: BalanceTable, after: BalanceTable) -> Drawing:
    def draw() -> Any:
        from volumetry.figures.statistics_figures import draw_love_plot

        names = [row.name for row in before.rows]
        values = [[table[name].standardised_difference for name in names] for table in (before, after)]
        shown = ["propensity score" if name == "distance" else name for name in names]
        return draw_love_plot(shown, values[0], values[1])

    return Drawing(
        name="matching-love-plot",
        caption="Standardised mean differences before and after matching, in SDs of the first group; "
        "the lines are at 0.1.",
        draw=draw,
    )
