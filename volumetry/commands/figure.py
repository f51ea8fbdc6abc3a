"""``volumetry figure``: a lesion, drawn."""

from __future__ import annotations

import argparse

from volumetry.commands.options import HEIGHT_RULES, add_region, chosen_region, chosen_rule
from volumetry.console import DONE, write_note

WHAT = "draw the traced slices of a lesion with outline, areas and volume"
EXAMPLE = "volumetry figure L1.trace.json --scan p01/2024-03-02/ --out lesion.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("trace", metavar="TRACE")
    parser.add_argument("--scan", required=True, metavar="SCAN")
    parser.add_argument("--out", required=True, metavar="PNG")
    add_region(parser)
    parser.add_argument("--height", choices=HEIGHT_RULES, default="thickness")


def run(chosen: argparse.Namespace) -> int:
    """Draw the lesion of a traced file on its scan."""
    from volumetry.figures.lesion_figures import draw_file

    draw_file(
        chosen.trace, scan=chosen.scan, out=chosen.out, label=chosen_region(chosen), rule=chosen_rule(chosen)
    )
    write_note(chosen.out)
    return DONE
