"""``volumetry agreement``: how repeated reads agree, and what error that means for a change."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from volumetry.console import DONE, progress_bar, write_note, write_rows

if TYPE_CHECKING:
    from volumetry.agreement.run import AgreementSummary

WHAT = "analyse repeated reads: readers' agreement and the error of a volume"
EXAMPLE = "volumetry agreement results/ --study scans/ --out agreement/"

_COLUMNS = ("kind", "measure", "value", "ci_low", "ci_high", "unit", "n_pairs", "n_lesions", "n_patients")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", metavar="RESULTS", help="output of batch, or its measurements.csv")
    parser.add_argument("--study", required=True, metavar="FOLDER", help="the folder that was measured")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--traces", metavar="FOLDER", help="tracings kept apart from the scans")
    parser.add_argument("--threshold", type=float, default=15.0, metavar="PERCENT", help="default: 15")


def run(chosen: argparse.Namespace) -> int:
    """Analyse repeated reads and print the figures of agreement."""
    from volumetry.agreement.run import run_agreement

    with progress_bar("comparing") as progress:
        summary = run_agreement(
            chosen.results,
            chosen.study,
            chosen.out,
            traces=chosen.traces,
            threshold_percent=chosen.threshold,
            progress=progress,
        )
    write_rows([dict(row) for kind in summary.kinds for row in kind.rows], _COLUMNS, "table")
    for text in _notes(summary):
        write_note(text)
    return DONE


def _notes(summary: AgreementSummary) -> list[str]:
    notes = []
    for kind in summary.kinds:
        if kind.error is None:
            notes.append(f"{kind.kind}: no error model ({kind.reason})")
        elif kind.error.undecided:
            notes.append(f"{kind.kind}: model {kind.error.model}, but the choice is undecided")
        else:
            notes.append(f"{kind.kind}: model {kind.error.model}")
    for kind_name, why, number in summary.left_out:
        notes.append(f"{kind_name}: pairs left out: {number} ({why})")
    return [*notes, f"outlines of {summary.n_compared} pairs compared; tables and figures in {summary.out}"]
