"""Time-to-event endpoints: curves, log-rank, Cox, proportional hazards, and the competing event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from volumetry.clinical.follow_up import DAYS_PER
from volumetry.errors import UsageError
from volumetry.outcomes.analysis import Analysis, Context, Outcome, Question, Role, Tidy, ask
from volumetry.outcomes.endpoints.binary_endpoint import with_p
from volumetry.outcomes.endpoints.time_figures import time_drawings
from volumetry.outcomes.plan import TimeToEvent
from volumetry.statistics.result import Estimate, StatisticResult

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Times:
    """Follow-up of each row: time (NaN missing), code 0, 1 or 2, last time known free of the event."""

    time: list[float]
    code: list[float]
    last_negative: list[float]

    @property
    def event(self) -> list[float]:
        """1 for the event of interest, 0 for everything else."""
        return [code if code != 2 else 0.0 for code in self.code]


def analyse_time(context: Context, endpoint: TimeToEvent) -> Outcome:
    """Analyse one time-to-event endpoint."""
    times = read_times(context, endpoint)
    frame = context.frame(
        {"time": times.time, "event": times.event, "cause": times.code, "free": times.last_negative},
        endpoint.adjust,
    )
    curves = _curves(context, endpoint, frame)
    published = _curves(context, endpoint, frame, "published")
    incidence = _incidence(context, endpoint, frame)
    analyses = [
        curves,
        *_at_horizon(context, endpoint, curves),
        published,
        *_at_horizon(context, endpoint, published),
        *_published(context, endpoint, frame),
        *_recommended(context, endpoint, frame),
        *incidence,
    ]
    return Outcome(
        name=endpoint.name,
        kind="time_to_event",
        population=context.population,
        analyses=tuple(analyses),
        tables=(Tidy(name="curves", rows=tuple(_curve_rows(context, endpoint, curves, incidence))),),
        drawings=time_drawings(context, endpoint, analyses),
    )


# -- times --------------------------------------------------------------------------------------------------


def read_times(context: Context, endpoint: TimeToEvent) -> Times:
    """Return times and event codes, from a time and a status or from dates.

    Raises
    ------
    UsageError
        ``invalid-table`` for a negative time, an unknown code, or dates in the wrong order.
    """
    if endpoint.time:
        return _from_numbers(context, endpoint)
    table = context.cohort.table
    names = (endpoint.start, endpoint.event_date, endpoint.last_date)
    columns = [table.dates(name) for name in names]
    optional = [
        table.dates(name) if name else [None] * table.n_rows
        for name in (endpoint.competing_date, endpoint.last_negative_date)
    ]
    times, codes, free = [], [], []
    for line, start, event, last, competing, negative in zip(table.lines, *columns, *optional, strict=True):
        days, code = _first_event(start, event, competing, last)
        if days is not None and days < 0:
            raise UsageError(
                "invalid-table", "follow-up ends before it starts", where=table.name,
                values={"line": line, "start": start, "days": days}, todo="Check the dates.",
            )  # fmt: skip
        times.append(NAN if days is None else days / DAYS_PER[endpoint.unit])
        codes.append(NAN if days is None else float(code))
        known = negative is not None and start is not None
        free.append((negative - start).days / DAYS_PER[endpoint.unit] if known else NAN)
    return Times(time=times, code=codes, last_negative=free)


def _first_event(
    start: date | None, event: date | None, competing: date | None, last: date | None
) -> tuple[int | None, int]:
    """Return days to whatever came first and its code; of two on one day the event of interest counts."""
    if start is None:
        return None, 0
    if event is not None and (competing is None or event <= competing):
        return (event - start).days, 1
    if competing is not None:
        return (competing - start).days, 2
    return (None if last is None else (last - start).days), 0


def _from_numbers(context: Context, endpoint: TimeToEvent) -> Times:
    table = context.cohort.table
    codes_of = table.numbers if table.is_numeric(endpoint.event) else table.events
    times, codes = [], []
    for line, time, code in zip(
        table.lines, table.numbers(endpoint.time), codes_of(endpoint.event), strict=True
    ):
        if code not in (None, 0, 1, 2) or (time is not None and time < 0):
            raise UsageError(
                "invalid-table", "a time is negative or an event is not 0, 1 or 2", where=table.name,
                values={"line": line, "time": time, "event": code}, todo="Correct the row.",
            )  # fmt: skip
        if code == 2 and not endpoint.competing:
            raise UsageError(
                "invalid-table", f"{endpoint.event} holds the code 2, and no competing event is named",
                where=table.name, values={"column": endpoint.event, "line": line},
                todo=f'If 2 is another event, write competing = "its name" in the endpoint {endpoint.name}. '
                f'If 1 is censored and 2 is the event, declare [[values]] column = "{endpoint.event}" with '
                'synonyms = { 0 = ["1"], 1 = ["2"] }.',
            )  # fmt: skip
        known = time is not None and code is not None
        times.append(time if known and time is not None else NAN)
        codes.append(float(code) if known and code is not None else NAN)
    return Times(time=times, code=codes, last_negative=[NAN] * table.n_rows)


# -- analyses -----------------------------------------------------------------------------------------------


def _question(
    context: Context, endpoint: TimeToEvent, role: Role, asks: str, *, contrast: str = "", **more: Any
) -> Question:
    known = {"contrast": contrast} if contrast else {}
    return context.question(
        endpoint.name, "time_to_event", role, asks, better=endpoint.better, **known, **more
    )


def _curves(
    context: Context, endpoint: TimeToEvent, frame: pd.DataFrame, role: Role = "description"
) -> Analysis:
    """Return the curves with patients as clusters, or as published: rows independent, the named interval."""
    from volumetry.statistics.time.survival import CurveOptions, kaplan_meier

    dated = bool(endpoint.last_negative_date)
    published = role == "published"
    options = CurveOptions(
        interval=endpoint.published_interval if published else endpoint.interval,
        level=context.level,
        last_negative="free" if dated else None,
    )
    question = _question(context, endpoint, role, "survival-curves", contrast="both groups")
    cluster = None if published else "patient"
    rows = frame[["time", "event", "group", "free"]] if published else frame
    return ask(
        question,
        lambda: kaplan_meier("time", "event", "group", data=rows, cluster=cluster, options=options),
    )


def _at_horizon(context: Context, endpoint: TimeToEvent, curves: Analysis) -> list[Analysis]:
    if endpoint.horizon is None or curves.result is None:
        return []
    analyses = []
    for curve in curves.result.details["curves"]:
        read = {name: float(values[0]) for name, values in curve.at([endpoint.horizon]).items()}
        estimate = Estimate(
            name=f"free of {endpoint.name} at {endpoint.horizon:g} {endpoint.unit}",
            value=read["survival"],
            ci_low=None if read["ci_low"] != read["ci_low"] else read["ci_low"],
            ci_high=None if read["ci_high"] != read["ci_high"] else read["ci_high"],
            level=context.level,
            standard_error=read["standard_error"],
        )
        late = read["n_at_risk"] == 0
        result = StatisticResult(
            method=curves.result.method,
            estimates=(estimate,),
            n_used=int(curve.n_at_risk[0]),
            notes=("nobody is followed that long",) if late else (),
            details={"n_at_risk": read["n_at_risk"]},
        )
        question = _question(context, endpoint, curves.role, "survival-at-horizon", contrast=curve.label)
        analyses.append(Analysis(**vars(question), result=result))
    return analyses


def _published(context: Context, endpoint: TimeToEvent, frame: pd.DataFrame) -> list[Analysis]:
    from volumetry.statistics.time.logrank import logrank_test

    question = _question(context, endpoint, "published", "log-rank")
    return [ask(question, lambda: logrank_test("time", "event", "group", data=frame))]


def _recommended(context: Context, endpoint: TimeToEvent, frame: pd.DataFrame) -> list[Analysis]:
    from volumetry.statistics.time.logrank import logrank_test
    from volumetry.statistics.time.restricted_mean import restricted_mean_time

    analyses = [
        ask(
            _question(context, endpoint, "sensitivity", "log-rank-clustered"),
            lambda: logrank_test("time", "event", "group", data=frame, cluster="patient"),
        )
    ]
    analyses += _hazards(context, endpoint, frame)
    if endpoint.last_negative_date:
        analyses += _between_films(context, endpoint, frame)
    if endpoint.horizon is not None:
        tau = endpoint.horizon
        # Differences are of each later group against the first: the control comes first.
        reversed_groups = frame["group"].cat.reorder_categories(list(context.cohort.labels[::-1]))
        analyses.append(
            ask(
                _question(
                    context,
                    endpoint,
                    "sensitivity",
                    "restricted-mean",
                    detail=f"up to {tau:g} {endpoint.unit}",
                ),
                lambda: restricted_mean_time(
                    "time",
                    "event",
                    reversed_groups,
                    tau=tau,
                    data=frame,
                    cluster="patient",
                    level=context.level,
                ),
            )
        )
    return analyses


def _between_films(context: Context, endpoint: TimeToEvent, frame: pd.DataFrame) -> list[Analysis]:
    """Return Turnbull's medians and the log-rank test for events that lie between two films.

    An event lies after the last film without it (after the start where none is known) and up to the one that
    shows it; rows without event are free of it up to their last film.
    """
    from volumetry.statistics.time.interval_censored import interval_censored_survival, interval_logrank_test

    event = frame["event"] == 1
    columns = frame[["group"]].assign(
        left=frame["time"].where(~event, frame["free"].fillna(0.0)),
        right=frame["time"].where(event),
    )
    columns.loc[frame["event"].isna(), "left"] = NAN
    return [
        ask(
            _question(context, endpoint, "sensitivity", "interval-censored-curves", contrast="both groups"),
            lambda: interval_censored_survival("left", "right", "group", data=columns),
        ),
        ask(
            _question(context, endpoint, "sensitivity", "interval-censored-log-rank"),
            lambda: interval_logrank_test(
                columns["left"], columns["right"], columns["group"], cluster=frame["patient"]
            ),
        ),
    ]


def _hazards(context: Context, endpoint: TimeToEvent, frame: pd.DataFrame) -> list[Analysis]:
    """Return hazard ratios plain and adjusted, with Firth's where there is none, and their PH test."""
    from volumetry.statistics.models.cox import CoxOptions, cox_regression
    from volumetry.statistics.models.firth import firth_cox
    from volumetry.statistics.models.proportional_hazards import proportional_hazards_test

    options = CoxOptions(level=context.level)
    analyses = []
    models = [("hazard-ratio", "proportional-hazards", ["first"])]
    if endpoint.adjust:
        models.append(("hazard-ratio-adjusted", "proportional-hazards-adjusted", ["first", *endpoint.adjust]))
    for place, (asks, check, terms) in enumerate(models):
        last = place == len(models) - 1
        role: Role = "recommended" if last else "sensitivity"

        def cox(terms: Sequence[str] = terms) -> StatisticResult:
            context.require_groups(frame, ["time", "event", *terms])
            fit = cox_regression("time", "event", terms, data=frame, cluster="patient", options=options)
            return with_p(fit, "hazard ratio")

        def firth(terms: Sequence[str] = terms) -> StatisticResult:
            context.require_groups(frame, ["time", "event", *terms])
            return with_p(firth_cox("time", "event", terms, data=frame, options=options), "hazard ratio")

        fitted = ask(_question(context, endpoint, role, asks, primary=last), cox)
        if fitted.result is None:
            analyses.append(replace(fitted, primary=False))
            fitted = ask(_question(context, endpoint, role, f"{asks}-firth", primary=last), firth)
            analyses.append(fitted)
            continue
        analyses.append(fitted)
        model = fitted.result
        analyses.append(
            ask(
                _question(context, endpoint, "check", check),
                lambda model=model: proportional_hazards_test(model),  # type: ignore[misc]
            )
        )
    return analyses


def _incidence(context: Context, endpoint: TimeToEvent, frame: pd.DataFrame) -> list[Analysis]:
    from volumetry.statistics.time.competing_risks import IncidenceOptions, cumulative_incidence
    from volumetry.statistics.time.gray import gray_test

    if not endpoint.competing:
        return []
    causes = {1: endpoint.name, 2: endpoint.competing}
    options = IncidenceOptions(level=context.level, causes=causes)
    return [
        ask(
            _question(context, endpoint, "description", "cumulative-incidence", contrast="both groups"),
            lambda: cumulative_incidence(
                "time", "cause", "group", data=frame, cluster="patient", options=options
            ),
        ),
        ask(
            _question(context, endpoint, "sensitivity", "gray-test"),
            lambda: gray_test("time", "cause", "group", data=frame),
        ),
    ]


def _curve_rows(
    context: Context, endpoint: TimeToEvent, curves: Analysis, incidence: Sequence[Analysis]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    found = [("survival", curve) for curve in _details(curves)]
    found += [("incidence", curve) for analysis in incidence[:1] for curve in _details(analysis)]
    for kind, curve in found:
        values = getattr(curve, kind)
        for place, time in enumerate(curve.times):
            rows.append(
                {
                    "endpoint": endpoint.name,
                    "population": context.population,
                    "curve": kind if kind == "survival" else f"cumulative incidence of {curve.cause}",
                    "group": curve.label,
                    "time": float(time),
                    "unit": endpoint.unit,
                    "n_at_risk": float(curve.n_at_risk[place]),
                    "n_events": float(curve.n_events[place]),
                    "estimate": float(values[place]),
                    "standard_error": float(curve.standard_error[place]),
                    "ci_low": float(curve.ci_low[place]),
                    "ci_high": float(curve.ci_high[place]),
                }
            )
    return rows


def _details(analysis: Analysis) -> Sequence[Any]:
    return () if analysis.result is None else analysis.result.details["curves"]
