"""``docs/explanation/reproducing-the-papers.md``: two papers, number by number, from their own tables.

Everything on the page but its prose is computed here from the typed-in counts and summaries in ``papers/``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from volumetry.outcomes.summary import Summary, audit_summary, read_summary
from volumetry.statistics.audit.checks import reproducing
from volumetry.statistics.audit.printed import Finding
from volumetry.statistics.planning.power import design_effect

PAPERS = Path(__file__).resolve().parent / "papers"

_INTRODUCTION = """\
# Reproducing the papers

Generated from `docs/papers/*.toml` by `docs/make_outcome_pages.py`; do not edit by hand.

Two papers are recomputed here from the counts, means and standard deviations that they print. A number
*reproduces* a printed one if it rounds to it; for means, if any means and SDs that round to the printed ones
give it. That a test gives the printed digits does not prove that it was used: it is an identification by
digits. Nothing here says why a number differs.

What to take from it for a study of your own:

- Name the test, its sidedness and its correction beside every p. "Chi-squared test" covers four p
  values here.
- Name the test before looking: the primary result of the first paper is 0.018 two-sided and 0.012 one-sided.
- Print k/n with every percentage, and the number of hips behind every mean.
- A 95 % interval of a survival curve is 1.96 standard errors wide on either side, not one.
- `volumetry audit` makes these checks on anybody's table, before or after it is printed; the files behind
  this page are its input.
"""


def papers_page() -> str:
    """Return the page as Markdown."""
    parts = [_INTRODUCTION]
    parts.append(_paper("First paper: denosumab in osteonecrosis of the femoral head", "moon_2024"))
    parts.append(_hips_in_patients())
    parts.append(_paper("Second paper: rhBMP-2 and denosumab in spinal fusion", "plif_2023"))
    return "\n".join(parts)


def _paper(title: str, name: str) -> str:
    summary = read_summary(PAPERS / f"{name}.toml")
    findings = defaultdict(list)
    for finding in audit_summary(summary):
        findings[finding.check].append(finding)
    lines = [f"## {title}", "", f"{summary.title}. {summary.source}.", ""]
    for check, heading, section in _SECTIONS:
        if findings[check]:
            lines += [f"### {heading}", "", *section(findings[check]), ""]
    return "\n".join([*lines, *_unknowable(summary)])


def _counts(findings: Sequence[Finding]) -> list[str]:
    two: list[Sequence[Finding]] = []
    more: list[Sequence[Finding]] = []
    for group in _by_item(findings):
        (two if "Yates chi-squared" in {f.method for f in group} else more).append(group)
    lines = _method_table(two) if two else []
    return [*lines, "", *_method_table(more)] if more else lines


def _method_table(groups: Sequence[Sequence[Finding]]) -> list[str]:
    methods = list(dict.fromkeys(f.method for group in groups for f in group))
    rows = []
    for group in groups:
        known = {f.method: f for f in group}
        cells = [_bold(known[m]) if m in known else "-" for m in methods]
        rows.append([group[0].item, group[0].printed or "-", *cells, _which(group)])
    return _table(["", "printed", *methods, "reproduced by"], rows)


def _means(findings: Sequence[Finding]) -> list[str]:
    rows = []
    for group in _by_item(findings):
        student, welch = group
        span = f"{_number(student.low)} to {_number(student.high)}"
        rows.append([student.item, student.printed or "-", _bold(student), span, _bold(welch), _which(group)])
    return _table(["", "printed", "Student", "its range over rounding", "Welch", "reproduced by"], rows)


def _paired(findings: Sequence[Finding]) -> list[str]:
    rows = []
    for group in _by_item(findings):
        needed, *others = group
        note = f" ({needed.note})" if needed.note else ""
        cells = [_number(f.recomputed) for f in others]
        rows.append(
            [needed.item, needed.printed, f"{needed.recomputed:.4f}", f"{needed.verdict}{note}", *cells]
        )
    header = ["", "printed", "correlation needed", "verdict", "p at -1", "at 0", "at 0.5", "at 0.9"]
    return [
        "The SD of the differences is not printed. The table shows the correlation between the two visits",
        "that the printed p needs, and what p would be at four correlations.",
        "",
        *_table(header, rows),
    ]


def _percentages(findings: Sequence[Finding]) -> list[str]:
    wrong = [f for f in findings if f.verdict == "inconsistent"]
    distinct = {(f.method, f.printed) for f in findings}
    bad = {(f.method, f.printed) for f in wrong}
    lines = [f"{len(distinct) - len(bad)} of {len(distinct)} distinct pairs of count and percentage agree."]
    if wrong:
        rows = [[f.item, f.method, f"{f.recomputed:.4f}", f.printed] for f in wrong]
        lines += ["", *_table(["", "count", "percent", "printed"], rows)]
    return lines


def _plain(findings: Sequence[Finding]) -> list[str]:
    rows = [[f.item, f.method, f.printed or "-", _recomputed(f), f.verdict, f.note] for f in findings]
    return _table(["", "how", "printed", "recomputed", "verdict", "note"], rows)


def _recomputed(finding: Finding) -> str:
    if finding.recomputed is None:
        return "-"
    if finding.low is None or finding.high is None:
        return _short(finding.recomputed)
    return f"{_short(finding.recomputed)} ({_short(finding.low)} to {_short(finding.high)})"


def _short(value: float) -> str:
    return f"{value:g}" if value == int(value) else f"{value:.6f}" if abs(value) < 1 else f"{value:.4f}"


_SECTIONS: tuple[tuple[str, str, Callable[[Sequence[Finding]], list[str]]], ...] = (
    ("p value of counts", "Counts", _counts),
    ("p value of means", "Means", _means),
    ("paired t test", "Means of the same hips", _paired),
    ("percentage of count", "Percentages", _percentages),
    ("GRIM", "Percentages without counts", _plain),
    ("counts behind two percentages", "Counts that could stand behind two percentages", _plain),
    ("interval of a survival curve", "Intervals of survival curves", _plain),
    ("sample size", "Sample size", _plain),
    ("parts and whole", "Parts and wholes", _plain),
    ("relative change", "Relative changes", _plain),
    ("SD of a difference", "Standard deviations of differences", _plain),
    ("SD and values beyond a cut", "Standard deviations against counts", _plain),
)


def _unknowable(summary: Summary) -> list[str]:
    if not summary.unknowable:
        return []
    rows = [[entry.item, entry.printed, entry.why] for entry in summary.unknowable]
    return ["### Not recomputable", "", *_table(["", "printed", "it would take"], rows), ""]


def _hips_in_patients() -> str:
    sizes = [2] * 88 + [1] * 96
    rows = [[f"{icc:g}", f"{design_effect(sizes, icc):.6f}"] for icc in (0.3, 0.5)]
    table = _table(["correlation of the two hips of a patient", "design effect"], rows)
    text = [
        "### Two hips of one patient",
        "",
        "All tests above take 272 hips as 272 patients. They are the hips of 184 patients, 88 of whom have",
        "two. Sizes and variances are to be multiplied by the design effect, which nobody printed:",
    ]
    return "\n".join([*text, "", *table, ""])


def _by_item(findings: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.item, []).append(finding)
    return list(groups.values())


def _which(group: Sequence[Finding]) -> str:
    if not group[0].printed:
        return "-"
    by = reproducing(group)
    rounding = any(f.note for f in group if f.verdict == "reproduces")
    return (", ".join(by) + (" (only by rounding)" if rounding else "")) if by else "**none**"


def _bold(finding: Finding) -> str:
    text = _number(finding.recomputed)
    return f"**{text}**" if finding.verdict == "reproduces" else text


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.6f}" if value >= 1e-5 or value == 0 else f"{value:.3e}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
