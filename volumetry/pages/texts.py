"""The methods and the results in sentences ready for a manuscript, each number linked to where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from volumetry.pages.inputs import MeasuredResults, OutcomeResults, ReportInputs, section
from volumetry.pages.numbers import Linked, Source, joined, sentence, shown, shown_p

_HEIGHTS = {
    "thickness": "area times slice thickness",
    "spacing": "area times the distance between slice centres",
}
_CHANGED = {
    "increase": "increased",
    "no_change": "did not change",
    "decrease": "decreased",
    "new": "were new",
    "resolved": "had resolved",
    "absent": "were absent at both visits",
    "not_evaluable": "could not be classed",
}
_GOOD_SOURCES = ("recommended",)


def methods(inputs: ReportInputs) -> list[list[Markup]]:
    """Return the paragraphs on how it was done, in sentences."""
    found: list[list[Markup]] = []
    if inputs.measured is not None:
        found.append(list(_measuring(inputs.measured)))
    if inputs.outcomes is not None:
        found.append(list(_analysing(inputs.outcomes)))
    return found


def results(inputs: ReportInputs) -> list[list[Markup]]:
    """Return the paragraphs on what was found, in sentences."""
    found: list[list[Markup]] = []
    if inputs.measured is not None:
        found.append(list(_measured(inputs.measured)))
    if inputs.outcomes is not None:
        found.append(list(_analysed(inputs.outcomes)))
    return found


def of_json(document: Mapping[str, Any], file: str, keys: str, unit: str = "") -> Linked | None:
    """Return a value of a JSON file, linked to the section on where everything is from; None where absent."""
    value: Any = document
    for key in keys.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None or value == "":
        return None
    return Linked(text=shown(value, unit), href="#origin", table=file, stat="json", column=keys)


# -- measurements -------------------------------------------------------------------------------------------


def _measuring(measured: MeasuredResults) -> Iterator[Markup]:
    run = measured.run
    version = of_json(run, "run.json", "volumetry_version")
    boundary = of_json(run, "run.json", "protocol.boundary_rule")
    if boundary:
        yield sentence("Readers drew the outlines by this rule: {}.", boundary)
    with_version = sentence(" (version {})", version) if version else ""
    yield sentence(
        "Lesion volumes were measured with volumetry{} as the sum, over all slices with the lesion, of {}; "
        "areas are those that the outlines enclose, or the number of voxels of a mask times their area.",
        with_version,
        _heights(measured),
    )
    if not measured.changes.rows:
        return
    yield from _thresholds(measured)
    slices = of_json(run, "run.json", "protocol.change.minimum_slices")
    if slices:
        yield sentence("Lesions on fewer than {} slices were not classed.", slices)
    refuse = section(run, "protocol", "comparability").get("refuse") or ()
    if isinstance(refuse, list):
        yield sentence(
            "Two visits counted as not comparable, and the change between them got no verdict, where a check "
            "found: {}.",
            joined([Markup.escape(str(code).replace("-", " ")) for code in refuse]),
        )


def _heights(measured: MeasuredResults) -> Markup:
    """By which heights the volumes of the tables were measured: a protocol may ask for what no scan says."""
    rows = measured.measurements
    rules = [rule for rule in _HEIGHTS if any(row.get("height_rule") == rule for row in rows.rows)]
    if len(rules) > 1:
        return joined(
            sentence("{} ({} volumes)", words, rows.count(height_rule=rule))
            for rule, words in _HEIGHTS.items()
        )
    asked = str(section(measured.run, "protocol", "measurement").get("height", "thickness"))
    rule = rules[0] if rules else asked
    because = ", since no slice thickness was known" if (asked, rule) == ("thickness", "spacing") else ""
    return Markup.escape(_HEIGHTS.get(rule, rule) + because)


def _thresholds(measured: MeasuredResults) -> Iterator[Markup]:
    """The thresholds of the classes, as the table of changes has them: it may have been classed again."""
    changes, run = measured.changes, measured.run
    yield Markup(
        "The change is the volume at the later visit minus that at the first, in percent of the first. "
    )
    lines: dict[float, int] = {}
    for line, row in changes.lines():
        if row.get("threshold_percent") not in (None, ""):
            lines.setdefault(float(row["threshold_percent"]), line)
    asked = section(run, "protocol", "change").get("threshold_percent")
    if len(lines) == 1 and asked in lines:
        increase = of_json(run, "run.json", "protocol.change.threshold_percent")
        decrease = of_json(run, "run.json", "protocol.change.decrease_threshold_percent") or increase
        yield sentence(
            "A change of more than {} % counted as increase, of less than minus {} % as decrease.",
            increase,
            decrease,
        )
    elif lines:
        every = [changes.cell(line, "threshold_percent") for line in lines.values()]
        yield sentence("The threshold of a change was {} %.", joined(every))


def _measured(measured: MeasuredResults) -> Iterator[Markup]:
    rows, changes = measured.measurements, measured.changes
    if not rows.rows:
        return
    yield sentence(
        "The study holds {} patients and {} rows of measurements, of which {} have a volume, "
        "{} show the absence of the lesion, {} could not be measured, {} were not traced and {} could not "
        "be read.",
        rows.distinct("site", "patient"),
        rows.count(),
        *(
            rows.count(status=status)
            for status in ("measured", "absent", "not_measurable", "not_traced", "failed")
        ),
    )
    if rows.numbers("volume_cm3", visit_order="0", status="measured"):
        first = {"visit_order": "0", "status": "measured"}
        yield sentence(
            "At the first visit the median volume was {} cm³ (quartiles {} and {} cm³; {} measurements).",
            rows.of("median", "volume_cm3", **first),
            rows.of("lower quartile", "volume_cm3", **first),
            rows.of("upper quartile", "volume_cm3", **first),
            rows.count(**first),
        )
    if changes.rows:
        yield from _changes(changes)


def _changes(changes: Source) -> Iterator[Markup]:
    found = {str(row["category"]) for row in changes.rows}
    yield sentence(
        "Of {} changes from the first visit to a later one, {}.",
        changes.count(),
        joined(
            sentence("{} {}", changes.count(category=name), words)
            for name, words in _CHANGED.items()
            if name in found
        ),
    )
    reasons = sorted({str(row["reason"]) for row in changes.rows if row.get("reason")})
    if reasons:
        yield sentence(
            "Reasons why a change could not be classed: {}.",
            joined(
                sentence("{} ({})", name.replace("-", " "), changes.count(reason=name)) for name in reasons
            ),
        )
    if changes.numbers("change_percent"):
        yield sentence(
            "The median change was {} % (quartiles {} and {} %).",
            changes.of("median", "change_percent"),
            changes.of("lower quartile", "change_percent"),
            changes.of("upper quartile", "change_percent"),
        )
    if any(row.get("verdict") for row in changes.rows):
        yield sentence(
            "With measurement error taken into account, {} were increases, {} decreases, {} no change, and "
            "{} were within the error.",
            *(changes.count(verdict=name) for name in ("increase", "decrease", "no_change", "within_error")),
        )
    if any(row.get("comparable") for row in changes.rows):
        yield sentence(
            "Of the pairs of visits, {} were scanned and read alike, {} with reservations, {} were not "
            "comparable, whatever their class by the bare rule, and of {} it is not known.",
            *(changes.count(comparable=name) for name in ("yes", "with_reservations", "no", "unknown")),
        )


# -- outcomes -----------------------------------------------------------------------------------------------


def _analysing(outcomes: OutcomeResults) -> Iterator[Markup]:
    document, analyses = outcomes.document, outcomes.tables.get("analyses")
    packages = section(document, "packages")
    named = [
        sentence("{} {}", name, of_json(document, "results.json", f"packages.{name}")) for name in packages
    ]
    version = of_json(document, "results.json", "volumetry_version")
    if version:
        by = sentence(" with {}", joined(named)) if named else ""
        yield sentence("Statistics were computed with volumetry {}{}.", version, by)
    if analyses is None:
        return
    by_endpoint: dict[str, dict[str, Linked]] = {}
    for line, row in analyses.lines():
        if row.get("role") in _GOOD_SOURCES and row.get("method"):
            methods_of = by_endpoint.setdefault(str(row["endpoint"]), {})
            methods_of.setdefault(str(row["method"]), analyses.cell(line, "method"))
    for endpoint, used in by_endpoint.items():
        yield sentence("Analysis of {}: {}.", _name(analyses, endpoint), joined(used.values(), comma="; "))
    if any(row.get("clusters_are") for row in analyses.rows):
        yield sentence("Rows of one patient were treated as dependent wherever a method allows it.")
    yield sentence("Every p value is two-sided unless its row says otherwise.")


def _analysed(outcomes: OutcomeResults) -> Iterator[Markup]:
    document, analyses = outcomes.document, outcomes.tables.get("analyses")
    rows, patients = (of_json(document, "results.json", name) for name in ("n_rows", "n_patients"))
    unit = str(document.get("unit") or "row")
    if rows and patients:
        who = sentence("{} {}s", rows, unit)
        who += sentence(" of {} patients", patients) if unit != "patient" else ""
        yield sentence("The analysis has {}.", who)
    if analyses is None:
        return
    for line, row in analyses.lines():
        if row.get("role") not in _GOOD_SOURCES:
            continue
        name = analyses.cell(line, "endpoint")
        population = "" if row.get("population") == "all" else sentence(" ({})", str(row.get("population")))
        if row.get("status") != "estimated":
            yield sentence("{}{}: {} could not be estimated.", name, population, str(row.get("what")))
            continue
        yield sentence("{}{}: {}.", name, population, _estimate(analyses, line, row))


def _estimate(analyses: Source, line: int, row: Mapping[str, Any]) -> Markup:
    parts: list[Markup] = []
    if row.get("value") is not None:
        unit = str(row.get("unit") or "").replace("3", "³").replace("2", "²")
        text = sentence(
            "{} {}{}", _estimate_name(analyses, line, row), analyses.cell(line, "value"), unit and f" {unit}"
        )
        if row.get("ci_low") is not None and row.get("ci_high") is not None:
            text += sentence(
                ", {} % interval {} to {}",
                analyses.cell(line, "level", shown(100 * float(row["level"]))),
                analyses.cell(line, "ci_low"),
                analyses.cell(line, "ci_high"),
            )
        parts.append(text)
    if row.get("p_value") is not None:
        parts.append(_p_value(analyses, line, row, "p_value", "p"))
    if row.get("p_adjusted") is not None:
        parts.append(_p_value(analyses, line, row, "p_adjusted", "adjusted p"))
    if row.get("n_used") is not None:
        parts.append(sentence("n = {}", analyses.cell(line, "n_used")))
    contrast = sentence("{}, ", analyses.cell(line, "contrast")) if row.get("contrast") else ""
    return contrast + joined(parts, comma="; ", last="; ")


_SAME = ("endpoint", "population", "contrast", "estimate")


def _estimate_name(analyses: Source, line: int, row: Mapping[str, Any]) -> Markup:
    """The name of an estimate; with what it is of, where an endpoint has several of that name."""
    same = [
        other
        for other in analyses.rows
        if other.get("role") in _GOOD_SOURCES
        and all(
            other.get(name) == row.get(name) for name in ("endpoint", "population", "contrast", "estimate")
        )
    ]
    of_what = sentence(" ({})", analyses.cell(line, "what")) if len(same) > 1 else ""
    return sentence("{}{}", str(row.get("estimate")), of_what)


def _p_value(analyses: Source, line: int, row: Mapping[str, Any], column: str, word: str) -> Markup:
    """``p = 0.0111``, or ``p <0.0001`` with the sign in the number."""
    shown_text = shown_p(row[column])
    sign = "" if shown_text.startswith("<") else "= "
    return sentence("{} {}{}", word, sign, analyses.cell(line, column, shown_text))


def _name(analyses: Source, endpoint: str) -> Linked:
    line = next(line for line, row in analyses.lines() if str(row["endpoint"]) == endpoint)
    return analyses.cell(line, "endpoint")
