"""Agreement of readers: intraclass correlation, limits of agreement, and what a threshold can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome, Question, ask
from volumetry.outcomes.endpoints.number_endpoint import as_numbers
from volumetry.outcomes.plan import Agreement, file_name
from volumetry.outcomes.questions import LIMITS
from volumetry.tables import Row

Ratings = list[list[float]]


def analyse_agreement(context: Context, part: Agreement) -> Outcome:
    """Analyse two or more measurements of the same lesions."""
    names, ratings, patients, classes = _ratings(context, part)
    threshold = part.threshold_percent or context.plan.volumes.threshold_percent

    def question(asks: str, pair: str = "") -> Question:
        return Question(
            endpoint=part.name,
            kind="agreement",
            role="recommended",
            id=asks,
            contrast=pair or ", ".join(names),
        )

    analyses = [
        ask(question("intraclass-correlation"), lambda: _icc(ratings, patients, context.level)),
        ask(question("repeatability"), lambda: _repeatability(ratings, patients, threshold, context.level)),
    ]
    pair = f"{names[0]} - {names[1]}"
    first, second = ([row[place] for row in ratings] for place in (0, 1))
    for scale in ("absolute", "log", "percent"):
        limits = partial(_limits, first, second, scale, part.unit, patients, context.level)
        analyses += [ask(question(LIMITS[scale], pair), limits)]
    if classes:
        analyses.append(ask(question("kappa-of-classes", pair), lambda: _kappa(classes, context.level)))
    return Outcome(
        name=part.name,
        kind="agreement",
        analyses=tuple(analyses),
        drawings=_drawings(part, analyses, pair),
        notes=(
            "an intraclass correlation compares readers with the spread between hips; whether a change of "
            f"{threshold:g} % can be seen is answered by the repeatability coefficient and false-change rate",
        ),
    )


def _icc(ratings: Ratings, patients: Sequence[str], level: float) -> Any:
    from volumetry.statistics.agreement.intraclass import icc

    return icc(ratings, cluster=patients, level=level)


def _repeatability(ratings: Ratings, patients: Sequence[str], threshold: float, level: float) -> Any:
    from volumetry.statistics.agreement.repeated_reads import repeatability

    positive = [[value if value > 0 else float("nan") for value in row] for row in ratings]
    return repeatability(positive, threshold_percent=threshold, cluster=patients, level=level)


def _limits(
    first: Sequence[float],
    second: Sequence[float],
    scale: str,
    unit: str,
    patients: Sequence[str],
    level: float,
) -> Any:
    from volumetry.statistics.agreement.limits import bland_altman

    found = bland_altman(first, second, scale=scale, unit=unit, cluster=patients, level=level)  # type: ignore[arg-type]
    # Its test is of proportional bias: it stands with the slope, not with the bias.
    slope = found.details["slope"]
    more = () if slope is None else (slope,)
    return replace(found, estimates=(*found.estimates, *more), statistic=None, df=None, p_value=None)


def _kappa(classes: Sequence[tuple[str, str, str]], level: float) -> Any:
    from volumetry.statistics.agreement.kappa import cohen_kappa_of_readers

    order = ("resolved", "decrease", "no_change", "absent", "increase", "new")
    one, two, patients = ([row[place] for row in classes] for place in range(3))
    used = [name for name in order if name in (*one, *two)]
    return cohen_kappa_of_readers(one, two, classes=used, weights="linear", cluster=patients, level=level)


def _ratings(
    context: Context, part: Agreement
) -> tuple[tuple[str, ...], Ratings, list[str], list[tuple[str, str, str]]]:
    if part.columns:
        columns = [as_numbers(context, name) for name in part.columns]
        return (
            part.columns,
            [list(row) for row in zip(*columns, strict=True)],
            list(context.cohort.patient),
            [],
        )
    reads: dict[tuple[str, ...], dict[str, float]] = {}
    for row in context.cohort.inputs.measurements:
        if row["reader"] in part.readers and row["status"] == "measured" and row["volume_cm3"] is not None:
            key = tuple(row[name] or "" for name in ("site", "patient", "side", "lesion", "visit"))
            reads.setdefault(key, {}).setdefault(row["reader"], row["volume_cm3"])
    ratings = [[known.get(reader, float("nan")) for reader in part.readers] for known in reads.values()]
    return (
        part.readers,
        ratings,
        [_person(key) for key in reads],
        _classes(context.cohort.inputs.changes, part.readers),
    )


def _classes(changes: Sequence[Row], readers: Sequence[str]) -> list[tuple[str, str, str]]:
    """Classes of one change by the first two readers, with the patient, where both have one."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in changes:
        if row["category"] != "not_evaluable":
            key = tuple(row[name] or "" for name in ("site", "patient", "side", "lesion", "followup_visit"))
            found.setdefault(key, {})[row["reader"] or ""] = row["category"]
    first, second = readers[:2]
    return [
        (known[first], known[second], _person(key))
        for key, known in found.items()
        if first in known and second in known
    ]


def _person(key: Sequence[str]) -> str:
    """Site and patient: two sites may have patients of one name."""
    return "\x1f".join(key[:2])


def _drawings(part: Agreement, analyses: Sequence[Analysis], pair: str) -> tuple[Drawing, ...]:
    known = {analysis.id: analysis.result for analysis in analyses}
    limits = {scale: known.get(asks) for scale, asks in LIMITS.items()}
    drawings = []
    for scale, unit in (("absolute", part.unit), ("percent", "%")):
        result = limits.get(scale)
        if result is not None:

            def draw(result: Any = result, unit: str = unit) -> Any:
                from volumetry.figures.statistics_figures import draw_bland_altman

                return draw_bland_altman(result, unit=unit, mean_unit=part.unit, contrast=pair)

            drawings.append(
                Drawing(
                    name=f"{file_name(part.name)}-bland-altman-{scale}",
                    caption=f"{part.name}: difference {pair} against their mean, with bias and limits of "
                    "agreement (dashed) and their intervals (shaded).",
                    draw=draw,
                )
            )
    return tuple(drawings)
