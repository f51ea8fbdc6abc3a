"""``volumetry audit``: is a printed table consistent."""

from __future__ import annotations

import argparse

from volumetry.commands.options import add_layout
from volumetry.console import DONE, write_rows

WHAT = "check a summary table: counts against p values, percentages, totals"
EXAMPLE = "volumetry audit summary.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("summary", metavar="SUMMARY.toml")
    add_layout(parser)


def run(chosen: argparse.Namespace) -> int:
    """Check the table."""
    from volumetry.outcomes.audit_command import audit_file

    rows, columns = audit_file(chosen.summary)
    write_rows(rows, columns, chosen.layout)
    return DONE
