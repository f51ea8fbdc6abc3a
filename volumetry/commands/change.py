"""``volumetry change``: from measurements to changes."""

from __future__ import annotations

import argparse

from volumetry.console import DONE, write_note

WHAT = "pair visits and class the change of volume"
EXAMPLE = "volumetry change measurements.csv --out changes.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("measurements", metavar="MEASUREMENTS.csv")
    parser.add_argument("--out", required=True, metavar="CHANGES.csv")
    parser.add_argument("--threshold", type=float, default=15.0, metavar="PERCENT", help="default: 15")
    parser.add_argument("--minimum-slices", type=int, default=3, metavar="N", help="default: 3")


def run(chosen: argparse.Namespace) -> int:
    """Read measurements, write changes."""
    from volumetry.change import ChangeRule
    from volumetry.study.pairing import changes_of_table
    from volumetry.tables import CHANGES, MEASUREMENTS, read_table, write_table

    rule = ChangeRule(threshold_percent=chosen.threshold, minimum_slices=chosen.minimum_slices)
    rows = read_table(chosen.measurements, MEASUREMENTS, required=("patient", "visit", "volume_mm3"))
    changes = list(changes_of_table(rows, rule))
    write_table(chosen.out, CHANGES, changes)
    not_evaluable = sum(row["category"] == "not_evaluable" for row in changes)
    write_note(f"{len(changes)} changes, {not_evaluable} of them not evaluable, in {chosen.out}")
    return DONE
