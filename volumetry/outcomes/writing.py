"""What is written: ``results.json``, tidy CSV tables, figures, and ``results.md``; each file as a whole."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from volumetry._version import __version__
from volumetry.files.atomic import make_folder, write_atomically
from volumetry.outcomes.analysis import Analysis, Context, Drawing, Outcome
from volumetry.outcomes.endpoints.judged_changes import error_words
from volumetry.outcomes.plain import finite, plain
from volumetry.outcomes.results_page import results_page
from volumetry.tables import csv_cell

_OWN_FILE = re.compile(r"(figures/)?[a-z0-9_-]+\.(csv|svg|png|md|json)")
_NUMBER = re.compile(r"[-+]?[\d.,' ]*\d(?:[eE][-+]?\d+)?")
_LONG = ("curves", "pairs")
"""Tables that are only written as CSV."""

_PACKAGES = ("numpy", "scipy", "statsmodels", "pandas")


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is written.

    Attributes
    ----------
    context : Context
    plan_text : str
    outcomes : tuple of Outcome
    further : tuple of Drawing
        Figures of no single endpoint.
    """

    context: Context
    plan_text: str
    outcomes: tuple[Outcome, ...]
    further: tuple[Drawing, ...] = ()

    @property
    def drawings(self) -> list[Drawing]:
        """All figures."""
        return [*(drawing for outcome in self.outcomes for drawing in outcome.drawings), *self.further]


def write_report(report: Report, out: Path) -> None:
    """Write the report below a folder, and remove files of an earlier report that this one has not.

    Raises
    ------
    OutputError
        ``read-only``, ``disk-full``.
    """
    from volumetry.figures.statistics_style import rendered

    files: dict[str, bytes] = {}
    for drawing in report.drawings:
        for kind, content in rendered(drawing.draw).items():
            files[f"figures/{drawing.name}.{kind}"] = content
    files |= {f"{name}.csv": _csv(rows) for name, rows in _tables(report).items()}
    names = sorted([*files, "results.json", "results.md"])
    files["results.json"] = _json(report, names)
    files["results.md"] = results_page(report.context, report.outcomes, report.further).encode()
    make_folder(out)
    make_folder(out / "figures")
    earlier = _earlier_files(out)
    for name, content in files.items():
        write_atomically(out / name, content)
    for name in earlier - set(files):
        with suppress(OSError):
            (out / name).unlink()


def _earlier_files(out: Path) -> set[str]:
    """Names of the files of an earlier report, as it listed them; nothing else is ever removed."""
    try:
        listed = json.loads((out / "results.json").read_bytes())["files"]
        return {name for name in listed if isinstance(name, str) and _OWN_FILE.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


# -- tables -----------------------------------------------------------------------------------------------


def _tables(report: Report) -> dict[str, list[Mapping[str, Any]]]:
    tables: dict[str, list[Mapping[str, Any]]] = {
        "analyses": [_analysis_row(a) for o in report.outcomes for a in o.analyses],
        "estimates": [row for o in report.outcomes for a in o.analyses for row in _estimate_rows(a)],
        "disposition": [asdict(d) for d in report.context.cohort.dispositions],
        "joined": _joined(report.context),
    }
    for outcome in report.outcomes:
        for table in outcome.tables:
            tables.setdefault(table.name, []).extend(table.rows)
    return tables


def _joined(context: Context) -> list[Mapping[str, Any]]:
    errors = error_words(context) if any(context.cohort.volumes) else []
    table = context.cohort.table
    return [
        {
            # A column of the input of that name is the input's.
            **({"change_error": errors[row]} if errors else {}),
            "line": line,
            "analysed_as": context.cohort.group[row],
            **{name: cells[row] for name, cells in table.columns.items()},
        }
        for row, line in enumerate(table.lines)
    ]


def _analysis_row(analysis: Analysis) -> dict[str, Any]:
    result = analysis.result
    row: dict[str, Any] = {
        "endpoint": analysis.endpoint,
        "kind": analysis.kind,
        "population": analysis.population,
        "role": analysis.role,
        "id": analysis.id,
        "what": analysis.what,
        "contrast": analysis.contrast,
        "status": "estimated" if result else "not-estimable",
        "reason": analysis.reason,
        "method": result.method if result else "",
    }
    main = result.estimates[0] if result and result.estimates else None
    row |= {
        "estimate": main.name if main else "",
        "value": finite(main.value) if main else None,
        "ci_low": finite(main.ci_low) if main else None,
        "ci_high": finite(main.ci_high) if main else None,
        "level": main.level if main else None,
        "unit": main.unit if main else "",
    }
    row["better"] = analysis.better
    row["clusters_are"] = f"{analysis.cluster}s" if result and result.n_clusters else ""
    names = ("alternative", "correction", "ties", "n_used", "n_missing", "n_clusters")
    df = result.df if result else None
    return {
        **row,
        "statistic": finite(result.statistic) if result else None,
        "df": " ".join(f"{d:g}" for d in df) if isinstance(df, tuple) else finite(df),
        "p_value": finite(result.p_value) if result else None,
        "p_adjusted": finite(analysis.p_adjusted),
        "primary": analysis.primary,
        **{name: getattr(result, name) if result else None for name in names},
        "notes": "; ".join(analysis.notes),
    }


def _estimate_rows(analysis: Analysis) -> list[dict[str, Any]]:
    if analysis.result is None:
        return []
    key = {
        name: getattr(analysis, name)
        for name in ("endpoint", "kind", "population", "role", "id", "what", "contrast")
    }
    return [
        {**key, **{name: finite(value) for name, value in asdict(estimate).items()}}
        for estimate in analysis.result.estimates
    ]


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = list(dict.fromkeys(name for row in rows for name in row))
    writer.writerow(header)
    writer.writerows([_cell(row.get(name)) for name in header] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """Return the text of a cell; a number stays one, also where it stands in a table of texts."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return value
    return csv_cell(finite(value))


# -- results.json -----------------------------------------------------------------------------------------


def _json(report: Report, names: Sequence[str]) -> bytes:
    cohort = report.context.cohort
    document = {
        "title": report.context.plan.study.title,
        "volumetry_version": __version__,
        "packages": {name: version(name) for name in _PACKAGES},
        "plan_sha256": hashlib.sha256(report.plan_text.encode()).hexdigest(),
        "unit": report.context.plan.volumes.unit,
        "groups": list(cohort.labels),
        "n_rows": cohort.n_rows,
        "n_patients": len(set(cohort.patient)),
        "notes": list(cohort.notes),
        "rows_by_table": _accounts(report.context),
        "outcomes": [_outcome(outcome) for outcome in report.outcomes],
        "files": list(names),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _accounts(context: Context) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for entry in context.cohort.dispositions:
        reasons = counts.setdefault(entry.table, {})
        reasons[entry.reason] = reasons.get(entry.reason, 0) + 1
    return counts


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "kind": outcome.kind,
        "population": outcome.population,
        "tables": {
            table.name: [plain(dict(row)) for row in table.rows]
            for table in outcome.tables
            if table.name not in _LONG
        },
        "notes": list(outcome.notes),
        "figures": [f"figures/{drawing.name}.svg" for drawing in outcome.drawings],
        "analyses": [_analysis(analysis) for analysis in outcome.analyses],
    }


def _analysis(analysis: Analysis) -> dict[str, Any]:
    row = _analysis_row(analysis)
    result = analysis.result
    estimates: Iterable[Any] = result.estimates if result else ()
    for name in ("estimate", "value", "ci_low", "ci_high", "level", "unit", "notes", "endpoint", "kind"):
        del row[name]
    return {
        **row,
        "estimates": [{k: finite(v) for k, v in asdict(estimate).items()} for estimate in estimates],
        "notes": list(analysis.notes),
        "details": plain(dict(result.details)) if result else {},
    }
