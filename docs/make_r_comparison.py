"""Write ``explanation/agreement-with-r.md``; ``--check`` writes nothing and says what has moved.

The last digits of a difference are the machine's. The check therefore compares our figures and R's as they
are printed, and holds every difference to what was agreed; it does not compare the column of differences.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from r_comparison import groups, matching, readers, regressions, time_to_event
from r_comparison.compared import ITERATED, Cohort, Compared, Section, read_cohort

PAGE = Path(__file__).resolve().parent / "explanation" / "agreement-with-r.md"
SECTIONS: tuple[Section, ...] = (
    *time_to_event.SECTIONS,
    *regressions.SECTIONS,
    *groups.SECTIONS,
    *readers.SECTIONS,
    *matching.SECTIONS,
)
# Rounding alone is below; how far is the machine's.
ROUNDING = 1e-12

HEADER = "section | functions | figure | ours | R | figures | largest difference | agreed"
INTRODUCTION = """# Agreement with R

Every section of R's answers (`tests/data/oracle/r_reference.json`, {version}) that `volumetry.statistics`
covers, computed on the same tables. *Figure* is one of each section, ours and R's; *figures* counts all
that were compared, and *largest difference* is the largest of their relative differences. *Agreed* is what
they are held to: 10⁻⁸ for closed forms and 10⁻⁶ for iterated fits (of a section with both, each figure is
held to its own), and more where R gives less:

- `gee_*`: geepack stops at a change of 10⁻⁴, and takes p values from 1 minus the distribution, so that
  small ones are rounded to 10⁻¹⁶.
- `logit_hips`: R's glm takes its errors from the step before the last (p values); MASS interpolates the
  profile by a spline (limits; below 1, the difference is absolute).
- `logistf`: stops when the coefficients change by less than 10⁻⁵.
- `lmm_*`: variance components are where the likelihood is flat.
- `tables_2x2`: fisher.test finds its odds ratio and limits with a tolerance of 1.2 × 10⁻⁴.

Means that agree have a difference without relative accuracy: figures of balance below 0.01, and limits of
a proportion below 0.0001, are compared in absolute terms. The tests (`tests/test_statistics_*.py`) hold the
same figures one by one. Written by `docs/make_r_comparison.py`.
"""
# Parts of R's answers without a row of their own, and why; the first name is the section's.
NOT_COMPARED = (
    ("`R`", "no answer: the version that answered"),
    ("`versions`", "no answer: those of R's packages"),
    (
        "`cox_hips_gamma_frailty`",
        "no frailty model here: hips of a patient have cluster-robust errors instead",
    ),
    (
        "`cif_hips`, `crr`",
        "no Fine-Gray model here: cumulative incidences, Gray's test and cause-specific Cox models answer",
    ),
    (
        "`logistf`, `separated`",
        "the oracle does not say which `z` R was given; `firth_separated` has separated data",
    ),
    (
        "`two_group`, `mtcars_like_small`",
        "the oracle has no rows, only means and SDs: the t tests are compared, ranks and normality are not",
    ),
    (
        "`two_group`, exact Mann-Whitney of more than 200 rows",
        "takes seconds each: held by `tests/test_statistics_two_groups.py`; those of fewer rows are compared",
    ),
    (
        "`iptw`, `aipw`, `se0`",
        "a second error, with the population's SD; the one with the sample's is compared",
    ),
    ("`kappa`, `psych_conf`, weighted", "psych answers with an interval of no width"),
    ("`cox_*`, Wald's chi-squared", "R prints two decimals: its p value and df are compared"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table: all figures of a section that share a kind of agreement."""

    section: Section
    figures: tuple[Compared, ...]

    @property
    def largest(self) -> float:
        """The largest relative difference."""
        return float(max(figure.differences.max() for figure in self.figures))

    @property
    def broken(self) -> list[str]:
        """What is further from R than agreed."""
        return [
            f"{self.section.name}: {figure.name} differs by {figure.differences.max():.2g}"
            for figure in self.figures
            if not (figure.differences <= figure.agreed).all()
        ]

    @property
    def printed(self) -> tuple[str, ...]:
        """The cells of the row but its difference; the same on every machine."""
        first = self.figures[0]
        agreed = max(figure.agreed for figure in self.figures)
        count = sum(figure.ours.size for figure in self.figures)
        return (
            f"`{self.section.name}`",
            ", ".join(f"`{name}`" for name in self.section.functions),
            first.name,
            f"{first.ours[0]:.6g}",
            f"{first.r[0]:.6g}",
            str(count),
            f"{agreed:.0e}",
        )

    @property
    def line(self) -> str:
        """The row in Markdown."""
        *cells, agreed = self.printed
        difference = f"{self.largest:.0e}" if self.largest > ROUNDING else f"< {ROUNDING:.0e}"
        return f"| {' | '.join([*cells, difference, agreed])} |"


def rows_of(section: Section, cohort: Cohort) -> list[Row]:
    """Closed forms and iterated fits in one row; a row for every looser agreement."""
    kinds: dict[float, list[Compared]] = {}
    for figure in section.compare(cohort):
        if figure.ours.size:
            kinds.setdefault(max(figure.agreed, ITERATED), []).append(figure)
    return [Row(section=section, figures=tuple(figures)) for figures in kinds.values()]


def compare(cohort: Cohort) -> tuple[list[Row], list[str]]:
    """Compare every section; the rows, and the sections whose table is not there."""
    rows, absent = [], []
    for section in SECTIONS:
        if "lung" in section.name and cohort.lung is None:
            absent.append(section.name)
        else:
            rows += rows_of(section, cohort)
    return rows, absent


def page(rows: list[Row], cohort: Cohort) -> str:
    """The page as Markdown."""
    columns = HEADER.count("|") + 1
    table = [f"| {HEADER} |", "|" + "---|" * columns, *(row.line for row in rows)]
    introduction = INTRODUCTION.format(version=cohort.r["R"].partition(" (")[0])
    left_out = ["## Not compared", "", "| section | why |", "|---|---|"]
    left_out += [f"| {section} | {why} |" for section, why in NOT_COMPARED]
    return "\n".join([introduction, *table, "", *left_out, ""])


def printed_rows(text: str) -> list[tuple[str, ...]]:
    """The cells of a page's table but the differences."""
    table = text.partition(f"| {HEADER} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in table]
    return [(*row[:-2], row[-1]) for row in cells]


def moved(text: str, rows: list[Row], absent: list[str]) -> list[str]:
    """What is no longer as a page says, and what is further from R than agreed."""
    wrong = [message for row in rows for message in row.broken]
    on_page = [cells for cells in printed_rows(text) if cells[0].strip("`") not in absent]
    computed = [row.printed for row in rows]
    wrong += [f"not on the page: {' | '.join(cells)}" for cells in computed if cells not in on_page]
    wrong += [f"only on the page: {' | '.join(cells)}" for cells in on_page if cells not in computed]
    return wrong


def main() -> int:
    """Write or check the page; 1 if something has moved or is further from R than agreed."""
    cohort = read_cohort()
    rows, absent = compare(cohort)
    for name in absent:
        sys.stderr.write(f"skipped, lung.csv is not beside the repository: {name}\n")
    broken = [message for row in rows for message in row.broken]
    if "--check" in sys.argv[1:]:
        broken = moved(PAGE.read_text(encoding="utf-8"), rows, absent)
    elif absent:
        broken.append("not written: the page has all sections")
    else:
        PAGE.write_text(page(rows, cohort), encoding="utf-8")
    sys.stderr.writelines(f"{message}\n" for message in broken)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
