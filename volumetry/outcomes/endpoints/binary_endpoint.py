"""Yes-or-no endpoints: shares, the published test, and models that allow for two hips of a patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome, Question, Tidy, ask, columns_of
from volumetry.outcomes.plan import Binary, file_name
from volumetry.statistics.result import StatisticResult

if TYPE_CHECKING:
    import pandas as pd


def analyse_binary(context: Context, endpoint: Binary) -> Outcome:
    """Analyse one yes-or-no endpoint."""
    context = context.per_unit(endpoint.per, endpoint.column)
    values = context.cohort.table.events(endpoint.column)
    frame = context.frame({"value": [float("nan") if v is None else v for v in values]}, endpoint.adjust)
    described = [_share(context, endpoint.name, values, first=first) for first in (True, False)]
    published = _published(context, endpoint, frame)
    recommended = recommended_binary(context, BinaryQuestion.of(endpoint), frame)
    return Outcome(
        name=endpoint.name,
        kind="binary",
        population=context.population,
        analyses=(*described, *published, *recommended),
        tables=(Tidy(name="p_values", rows=tuple(_p_rows(context, endpoint.name, published))),),
        drawings=(_bars(context, endpoint, described, published, recommended),),
    )


@dataclass(frozen=True, kw_only=True)
class BinaryQuestion:
    """What `recommended_binary` needs to know of an endpoint."""

    name: str
    adjust: tuple[str, ...] = ()
    effect: str = "odds-ratio"
    better: str = ""
    kind: str = "binary"
    subject: str = ""
    leads: bool = True

    @classmethod
    def of(cls, endpoint: Binary) -> BinaryQuestion:
        """Return what a yes-or-no endpoint of the plan asks."""
        return cls(name=endpoint.name, adjust=endpoint.adjust, effect=endpoint.effect, better=endpoint.better)


def binary_question(name: str, *, kind: str, subject: str, better: str = "") -> BinaryQuestion:
    """Return the question of a class among others, which leads nothing."""
    return BinaryQuestion(name=name, kind=kind, subject=subject, leads=False, better=better)


def recommended_binary(context: Context, asked: BinaryQuestion, frame: pd.DataFrame) -> list[Analysis]:
    """Return risk difference, odds ratio and adjusted odds ratio, all clustered.

    One of them is the endpoint's answer: the adjusted odds ratio where covariates are named, else the effect
    that the plan names. Where the estimating equations have no answer (an empty cell separates the groups)
    Firth's penalised model takes their place.
    """
    from volumetry.statistics.groups.two_groups import compare_groups

    leading = "odds-ratio-adjusted" if asked.adjust else asked.effect

    def question(asks: str) -> Question:
        first = asked.leads and asks.removesuffix("-firth") == leading
        return context.question(
            asked.name,
            asked.kind,
            "recommended" if first else "sensitivity",
            asks,
            primary=first,
            subject=asked.subject,
            better=asked.better,
        )

    analyses = [
        ask(
            question("risk-difference"),
            lambda: compare_groups(
                columns_of(frame),
                "value",
                group="group",
                levels=context.cohort.labels,
                test="pearson",
                cluster="patient",
                level=context.level,
            ),
        )
    ]
    models: list[tuple[str, tuple[str, ...]]] = [("odds-ratio", ())]
    if asked.adjust:
        models.append(("odds-ratio-adjusted", asked.adjust))
    for asks, covariates in models:
        fitted = ask(question(asks), lambda c=covariates: _marginal(context, frame, c))  # type: ignore[misc]
        if fitted.result is None:
            analyses.append(replace(fitted, primary=False))
            fitted = ask(question(f"{asks}-firth"), lambda c=covariates: _firth(context, frame, c))  # type: ignore[misc]
        analyses.append(fitted)
    return analyses


def _marginal(context: Context, frame: pd.DataFrame, covariates: tuple[str, ...]) -> StatisticResult:
    from volumetry.statistics.models.gee import FEW_CLUSTERS, GeeOptions, estimating_equations
    from volumetry.statistics.models.regression import RegressionOptions, logistic_regression

    context.require_groups(frame, ["value", *covariates])
    known = frame.dropna(subset=["value", *covariates])
    terms = ["first", *covariates]
    if context.pairs:
        options = RegressionOptions(level=context.level)
        fitted = logistic_regression("value", terms, data=frame, cluster="patient", options=options)
        return with_p(fitted, "odds ratio")
    if known["patient"].is_unique:
        options = RegressionOptions(level=context.level)
        return with_p(logistic_regression("value", terms, data=frame, options=options), "odds ratio")
    # With few patients the estimated correlation is noise, and would pull the ratio away from the shares.
    few = known["patient"].nunique() < FEW_CLUSTERS
    gee = GeeOptions(level=context.level, correlation="independence" if few else "exchangeable")
    fitted = estimating_equations("value", terms, cluster="patient", data=frame, options=gee)
    return with_p(fitted, "odds ratio")


def _firth(context: Context, frame: pd.DataFrame, covariates: tuple[str, ...]) -> StatisticResult:
    from volumetry.statistics.models.firth import firth_logistic

    context.require_groups(frame, ["value", *covariates])
    fitted = firth_logistic("value", ["first", *covariates], data=frame, level=context.level)
    return with_p(fitted, "odds ratio")


def with_p(result: StatisticResult, measure: str, name: str = "first") -> StatisticResult:
    """Return a model's result with the group's effect, named, as its main estimate and its p value."""
    main = result[name]
    others = tuple(estimate for estimate in result.estimates if estimate.name != name)
    return replace(
        result,
        estimates=(replace(main, name=measure), *others),
        p_value=main.p_value,
        statistic=main.statistic,
    )


def _share(context: Context, name: str, values: list[int | None], *, first: bool) -> Analysis:
    from volumetry.statistics.groups.proportions import proportion

    label = context.cohort.labels[0 if first else 1]
    entries = [v for v, own in zip(values, context.cohort.first, strict=True) if own == first]
    known = [v for v in entries if v is not None]

    def answer() -> StatisticResult:
        result = proportion(sum(known), len(known), level=context.level)
        details = {"events": sum(known), "n": len(known)}
        return replace(result, n_missing=len(entries) - len(known), details=details)

    question = context.question(name, "binary", "description", "share", contrast=label)
    return ask(question, answer)


def _published(context: Context, endpoint: Binary, frame: pd.DataFrame) -> list[Analysis]:
    from volumetry.statistics.groups.two_groups import compare_groups

    def answer() -> StatisticResult:
        return compare_groups(
            columns_of(frame),
            "value",
            group="group",
            levels=context.cohort.labels,
            test=endpoint.published,
            level=context.level,
        )

    question = context.question(
        endpoint.name, "binary", "published", "shares-compared", better=endpoint.better
    )
    return [ask(question, answer)]


def _p_rows(context: Context, name: str, published: list[Analysis]) -> list[dict[str, Any]]:
    result = published[0].result
    if result is None:
        return []
    named = result.details["primary"]
    return [
        {
            "endpoint": name,
            "population": context.population,
            "test": test,
            "p_value": value,
            "named_by_the_plan": test == named,
        }
        for test, value in result.details["p_values"].items()
    ]


def _bars(
    context: Context,
    endpoint: Binary,
    described: list[Analysis],
    published: list[Analysis],
    recommended: list[Analysis],
) -> Drawing:
    """Return the bars with the p of a comparison of what they show: unadjusted, of the same rows."""
    drawn = published[0] if context.plan.study.figure_p == "published" else recommended[0]

    def draw() -> Any:
        from volumetry.figures.statistics_figures import Bar, draw_bars

        bars = []
        for analysis in described:
            share = analysis.result
            if share is not None:
                estimate = share.estimate
                bars.append(
                    Bar(
                        label=analysis.contrast,
                        percent=100 * estimate.value,
                        low=100 * (estimate.ci_low or 0.0),
                        high=100 * (estimate.ci_high if estimate.ci_high is not None else 1.0),
                        n_events=share.details["events"],
                        n=share.details["n"],
                    )
                )
        p_value = drawn.result.p_value if drawn.result else None
        return draw_bars(bars, title=endpoint.name, p_value=p_value, level=context.level)

    return Drawing(
        name=context.drawing_name(f"{file_name(endpoint.name)}-bars"),
        caption=f"{endpoint.name}{context.among}: share by group with Wilson's {100 * context.level:g} % "
        f"interval. p (unadjusted): {drawn.what}, {drawn.result.method if drawn.result else drawn.reason}.",
        draw=draw,
    )
