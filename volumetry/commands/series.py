"""``volumetry series``: which image series are here."""

from __future__ import annotations

import argparse

from volumetry.commands.options import add_follow_links, add_layout, exit_code
from volumetry.console import progress_bar, write_rows

WHAT = "list every image series below the paths, with its problems"
EXAMPLE = "volumetry series scans/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH")
    add_follow_links(parser)
    add_layout(parser)


def run(chosen: argparse.Namespace) -> int:
    """List the series of every path."""
    from volumetry.codes import ERROR_CODES
    from volumetry.formats.opening import files_told, links_followed
    from volumetry.study.finding.inventory import SERIES_COLUMNS, inventory

    with (
        links_followed(chosen.follow_links),
        progress_bar("reading") as progress,
        files_told(lambda count: progress(count, 0)),
    ):
        rows = [row for path in chosen.paths for row in inventory(path)]
    write_rows(rows, SERIES_COLUMNS, chosen.layout)
    # A flag among the problems (`malformed-tag`) is worth knowing; the series is read all the same.
    refused = sum(any(word in ERROR_CODES for word in row["problems"].split()) for row in rows)
    return exit_code(len(rows) - refused, refused)
