"""``results.md``: what was found, readable from top to bottom, with every reason and every note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome
from volumetry.outcomes.plain import finite

_ROLES = {
    "description": "description",
    "published": "as published (rows as independent)",
    "recommended": "recommended",
    "sensitivity": "sensitivity",
    "check": "check of a model",
}
_SHOWN_TABLES = ("classes", "literature", "responders", "sensitivity", "numbers", "balance")


def results_page(context: Context, outcomes: Sequence[Outcome], further: Sequence[Drawing]) -> str:
    """Return the page as Markdown."""
    cohort = context.cohort
    unit = context.plan.volumes.unit
    lines = [
        f"# {context.plan.study.title}",
        "",
        f"{_size(context)} in two groups: "
        + ", ".join(f"{cohort.group.count(label)} {unit}s {label}" for label in cohort.labels)
        + f". Differences and ratios are of {cohort.labels[0]} against {cohort.labels[1]}. "
        f"Intervals are {100 * context.level:g} % intervals.",
        "",
        *_accounts(context),
    ]
    for outcome in outcomes:
        heading = outcome.name if outcome.population == "all" else f"{outcome.name} ({outcome.population})"
        lines += ["", f"## {heading}", *_outcome(outcome, context.contrast)]
    for drawing in further:
        lines += ["", f"## {drawing.name.capitalize()}", "", *_figure(drawing)]
    return "\n".join([*lines, "", *_reading(context)])


def _size(context: Context) -> str:
    rows, patients = context.cohort.n_rows, len(set(context.cohort.patient))
    unit = context.plan.volumes.unit
    return f"{rows} patients" if unit == "patient" else f"{rows} {unit}s of {patients} patients"


def _accounts(context: Context) -> list[str]:
    counts: dict[tuple[str, bool, str], int] = {}
    for entry in context.cohort.dispositions:
        key = (entry.table, entry.used, entry.reason)
        counts[key] = counts.get(key, 0) + 1
    rows = [
        [table, "used" if used else "left out", reason, str(n)] for (table, used, reason), n in counts.items()
    ]
    lines = ["Every row of every table, once:", "", *_table(["table", "", "why", "rows"], rows)]
    notes = context.cohort.notes
    return [*lines, "", *(f"- {note}" for note in notes)] if notes else lines


def _outcome(outcome: Outcome, contrast: str) -> list[str]:
    lines: list[str] = []
    several = any(a.endpoint != outcome.name for a in outcome.analyses)
    if outcome.analyses:
        corrected = any(a.p_adjusted is not None for a in outcome.analyses)
        rows = [[*([a.endpoint] if several else []), *_row(a, contrast, corrected)] for a in outcome.analyses]
        first = ["endpoint"] if several else []
        p = ["p", "adjusted p"] if corrected else ["p"]
        lines += [
            "",
            *_table([*first, "", "what", "estimate", *p, "n"], rows),
            "",
            *_methods(outcome, several),
        ]
    for table in outcome.tables:
        if table.name == "table_one_printed":
            lines += ["", *_table_one(table.rows)]
        elif table.name in _SHOWN_TABLES and table.rows:
            lines += ["", *_tidy(table.rows)]
    notes = [
        *outcome.notes,
        *(
            f"{a.endpoint}, {a.what}: {note}" if several else f"{a.what}: {note}"
            for a in outcome.analyses
            for note in a.notes
        ),
    ]
    if notes:
        lines += ["", *(f"- {note}" for note in dict.fromkeys(notes))]
    for drawing in outcome.drawings:
        lines += ["", *_figure(drawing)]
    return lines


def _row(analysis: Analysis, contrast: str, corrected: bool) -> list[str]:
    """Return the cells of an analysis; the comparison of both groups is said at the top of the page."""
    role, result = _ROLES[analysis.role], analysis.result
    what = analysis.what
    if analysis.contrast and analysis.contrast not in (contrast, "both groups"):
        what += f", {analysis.contrast}"
    if result is None:
        return [role, what, f"not estimable: {analysis.reason}", "-", *(["-"] if corrected else []), "-"]
    shown = "; ".join(_estimate(e) for e in _main_estimates(analysis)) or "-"
    missing = f", {result.n_missing} missing" if result.n_missing else ""
    clusters = f", {result.n_clusters} {analysis.cluster}s" if result.n_clusters else ""
    adjusted = [format_p(analysis.p_adjusted)] if corrected else []
    return [role, what, shown, format_p(result.p_value), *adjusted, f"{result.n_used}{clusters}{missing}"]


def _methods(outcome: Outcome, several: bool) -> list[str]:
    """Return the methods below the table, each once with what it answers."""
    asked: dict[str, list[str]] = {}
    for analysis in outcome.analyses:
        if analysis.result is not None:
            what = f"{analysis.endpoint}, {analysis.what}" if several else analysis.what
            what += " (as published)" if analysis.role == "published" else ""
            known = asked.setdefault(analysis.result.method, [])
            if what not in known:
                known.append(what)
    return ["Methods: " + "; ".join(f"*{', '.join(what)}*: {method}" for method, what in asked.items()) + "."]


def _main_estimates(analysis: Analysis) -> Iterable[Any]:
    """All estimates of what describes; of a model the group's, its covariates are in `estimates.csv`."""
    assert analysis.result is not None
    return analysis.result.estimates[: analysis.asked.shown]


def _estimate(estimate: Any) -> str:
    text = f"{estimate.name} {format_number(estimate.value)}"
    if finite(estimate.ci_low) is not None or finite(estimate.ci_high) is not None:
        text += f" ({format_number(estimate.ci_low)} to {format_number(estimate.ci_high)})"
    return f"{text} {estimate.unit}".rstrip()


def format_number(value: Any) -> str:
    """Return a number for people: three or four significant digits."""
    if value is None:
        return "-"
    if isinstance(value, float):
        if finite(value) is None:
            return "not finite"
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def format_p(value: float | None) -> str:
    """Return a p value as papers print it, with one digit more."""
    if value is None or finite(value) is None:
        return "-"
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _tidy(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row if name != "endpoint"))
    used = [name for name in names if any(row.get(name) not in (None, "") for row in rows)]
    return _table(used, [[format_number(row.get(name)) for name in used] for row in rows])


def _table_one(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return Table 1 with the classes of a variable below its name, as journals set it."""
    fixed = ("population", "variable", "category", "counted", "p", "test", "smd", "missing", "reason")
    groups = [name for name in rows[0] if name not in fixed]
    lines = []
    for row in rows:
        name = f"- {row['category']}" if row["category"] else f"{row['variable']} ({row['counted']})"
        smd = "" if row["smd"] is None else f"{row['smd']:.2f}"
        cells = [str(row[group]) for group in groups] if not row["reason"] else ["see below"] * len(groups)
        p = "" if row["p"] is None else format_p(row["p"])
        lines.append([name, *cells, p, smd, row["missing"]])
    return _table(["", *groups, "p", "SMD", "missing"], lines)


def _figure(drawing: Drawing) -> list[str]:
    return [f"![{drawing.name}](figures/{drawing.name}.svg)", "", drawing.caption]


def _reading(context: Context) -> list[str]:
    return [
        "## How to read this",
        "",
        "- *As published*: the test that papers print, which takes two hips of a patient as two patients.",
        "  It is here to be compared with the literature; notes say where it is too sure of itself.",
        "- *Recommended*: the answer. Patients are clusters (in matched data pairs are; pairs that share a",
        "  patient are one cluster), and effects come with intervals. *Adjusted p*: the p of each endpoint's",
        "  answer, adjusted by",
        f"  {context.plan.study.multiplicity} for the number of endpoints.",
        "- *Sensitivity*: other answers to the same question. That they differ somewhat is no",
        "  contradiction: an adjusted odds ratio, a risk difference and a hazard ratio are three quantities.",
        "- *Not estimable* is an answer: the reason is beside it, and the other analyses went on.",
        "- Everything is in `results.json`; `analyses.csv` has a row per analysis, `estimates.csv` one per",
        "  number, `disposition.csv` one per row of the inputs.",
        "",
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows]
