"""``volumetry outcomes``: from the tables to the statistics of a paper."""

from __future__ import annotations

import argparse

from volumetry.console import DONE, progress_bar, write_note

WHAT = "run the outcome statistics of a plan"
EXAMPLE = "volumetry outcomes plan.toml --out results/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("plan", metavar="PLAN.toml")
    parser.add_argument("--out", required=True, metavar="DIR")


def run(chosen: argparse.Namespace) -> int:
    """Run the plan."""
    from volumetry.outcomes.run import run_outcomes

    with progress_bar("analysing") as progress:
        run_outcomes(chosen.plan, chosen.out, progress=progress)
    write_note(f"results.md, results.json, tables and figures are in {chosen.out}")
    return DONE
