"""``volumetry change``: from measurements to changes."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from volumetry.commands.options import add_protocol, add_repeatability, chosen_protocol
from volumetry.console import DONE, write_note

_LOG = logging.getLogger(__name__)
WHAT = "pair visits and class the change of volume"
EXAMPLE = "volumetry change measurements.csv --out changes.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("measurements", metavar="MEASUREMENTS.csv")
    parser.add_argument(
        "--mapping",
        metavar="TOML",
        help="which column holds what, for a table of another program (CSV, xlsx)",
    )
    parser.add_argument("--out", required=True, metavar="CHANGES.csv")
    parser.add_argument("--threshold", type=float, metavar="PERCENT", help="default: 15")
    parser.add_argument("--minimum-slices", type=int, metavar="N", help="default: 3")
    add_protocol(parser, of_folder=False)
    add_repeatability(parser)


def run(chosen: argparse.Namespace) -> int:
    """Read measurements, write changes."""
    from volumetry.change import ChangeRule
    from volumetry.study.other_tables.changes import changes_of_table
    from volumetry.study.other_tables.doubts_of_table import doubts_of_table
    from volumetry.study.other_tables.mapping import mapped_rows, unused_columns
    from volumetry.study.other_tables.passed_by import check_columns_besides
    from volumetry.study.rows.worth import worth_rule
    from volumetry.tables import CHANGES, MEASUREMENTS, read_table, write_table
    from volumetry.tables.writing import remove_former_parquet

    protocol = chosen_protocol(chosen)
    rule = protocol.change if chosen.protocol else ChangeRule()
    if chosen.threshold is not None:
        rule = replace(rule, threshold_percent=chosen.threshold)
    if chosen.minimum_slices is not None:
        rule = replace(rule, minimum_slices=chosen.minimum_slices)
    if chosen.mapping:
        rows, unused = mapped_rows(chosen.measurements, chosen.mapping)
        if unused:
            write_note(unused_columns(unused))
    else:
        rows = read_table(chosen.measurements, MEASUREMENTS, required=("patient", "visit", "volume_mm3"))
        check_columns_besides(chosen.measurements)
    changes = list(changes_of_table(rows, rule, worth_rule(protocol)))
    for told in doubts_of_table(rows, changes, is_mapped=bool(chosen.mapping)):
        _LOG.warning("%s", told)
    write_table(chosen.out, CHANGES, changes)
    remove_former_parquet(Path(chosen.out), CHANGES)
    not_evaluable = sum(row["category"] == "not_evaluable" for row in changes)
    write_note(f"{len(changes)} changes, {not_evaluable} of them not evaluable, in {chosen.out}")
    return DONE
