"""``volumetry merge``: the results of several sites as one."""

from __future__ import annotations

import argparse
from pathlib import Path

from volumetry.console import DONE, write_note

WHAT = "join the tables of several sites, with the site in every row"
EXAMPLE = "volumetry merge north=results/north south=results/south --out results/all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULTS",
        help="folder of a batch, or SITE=FOLDER where it names no site",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the joined tables")


def run(chosen: argparse.Namespace) -> int:
    """Join the tables."""
    from volumetry.study.other_tables.merging import SiteResults, merge_results
    from volumetry.study.runs.outdated import outdated_removed

    with outdated_removed(Path(chosen.out)):
        counts = merge_results([SiteResults.named(text) for text in chosen.results], chosen.out)
    told = ", ".join(f"{site} {count}" for site, count in counts.items()) or "nothing"
    write_note(f"measurements by site: {told}\nmeasurements.csv, slices.csv, changes.csv are in {chosen.out}")
    return DONE
