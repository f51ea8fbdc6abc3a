"""``docs/reference/plan.md``, generated from the schemas of the plan and of the summary file."""

from __future__ import annotations

from volumetry.files.documents import reference
from volumetry.outcomes.inputs.derived import RULES
from volumetry.outcomes.plan import VOLUME_COLUMNS, Plan
from volumetry.outcomes.summary import Summary

_HEAD = """\
# Plan and summary files

Generated from `volumetry/outcomes/` by `docs/make_outcome_pages.py`; do not edit by hand.

`volumetry outcomes PLAN.toml --out DIR` reads a plan, `volumetry audit SUMMARY.toml` a summary, both TOML.
A key that is not listed here is an error (`invalid-plan`), told with its line and the name that may have been
meant. Paths of tables are relative to the plan.
"""

_VERDICTS = """\
Each number that is checked has a verdict: `reproduces` or `differs` for a test; `consistent` or
`inconsistent` for arithmetic; `possible`, `implausible` or `impossible` for what can be true;
`recomputed` for a number with nothing beside it. An item that allows no check (a p value printed as
`n.s.`, a baseline of 0) is `not-checked`, with the reason; the other items are checked all the
same. `p = 0.02`, `0.02*`, `25 %` and `0,02` are read as numbers.
"""

_WRITTEN = """\
## What is written

| file | holds |
|---|---|
| `results.md` | everything, to be read from top to bottom |
| `results.json` | the same for programs: analyses with estimates, notes and details; versions |
| `analyses.csv` | a row per analysis: method, sides, correction, ties, n, clusters, p, or the reason |
| `estimates.csv` | a row per estimated quantity with its interval |
| `disposition.csv` | a row per row of every input: used or left out, and why |
| `flow.csv` | the participant flow |
| `joined.csv` | the rows that were analysed, with derived and volume columns, and `change_error` |
| `table_one_printed.csv` | Table 1 as journals print it: columns are groups; p, SMD, missing |
| `table_one.csv` | the same as tidy rows |
| `responders.csv`, `sensitivity.csv` | classes of change, and these under other choices; `change_error` |
| `classes.csv` | counts of classes of categorical and ordinal endpoints |
| `literature.csv` | published studies and the own rows |
| `p_values.csv` | every customary p value of each yes-or-no endpoint |
| `numbers.csv`, `curves.csv` | means and quartiles by group and visit; every point of every curve |
| `balance.csv`, `pairs.csv` | covariates before and after matching; who is paired with whom |
| `figures/*.svg`, `figures/*.png` | 85 mm wide; text in SVG is text |

Rows of analyses have an `id` for programs and `what` for people, a `population` (`all`, `matched` or a
subgroup), and a `role`: one `recommended` answer a question with `primary` 1, other answers `sensitivity`,
the `published` tests, `description`, and `check` of models.

Every file is replaced as a whole. Files of an earlier run that this one does not write are removed.

From Python, `volumetry.outcomes.run.run_outcomes(plan, out, measurements=..., changes=...)` takes other
tables than those of the plan.
"""


def plan_reference() -> str:
    """Return the page as Markdown."""
    rules = ["| rule | gives |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in RULES.items())]
    columns = ", ".join(f"`{name}`" for name in VOLUME_COLUMNS)
    lines = [
        _HEAD,
        *reference(Plan, title="The plan"),
        "",
        "### Rules of derived columns",
        "",
        *rules,
        "",
        "### Columns that joining adds",
        "",
        f"{columns}. Endpoints and covariates may name them like columns of the clinical table.",
        "",
        _WRITTEN,
        *reference(Summary, title="The summary file"),
        "",
        _VERDICTS,
    ]
    return "\n".join(lines)
