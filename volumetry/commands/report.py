"""``volumetry report``: results as pages for people."""

from __future__ import annotations

import argparse
import sys

from volumetry.commands.options import add_traces
from volumetry.console import DONE, progress_bar, write_note

WHAT = "write results as one HTML page, with a page of evidence for every lesion"
EXAMPLE = "volumetry report results/ --study scans/ --out report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "results", nargs="+", metavar="RESULTS", help="what `volumetry batch` and `outcomes` wrote"
    )
    parser.add_argument("--study", metavar="FOLDER", help="the scans; without them there are no pictures")
    add_traces(parser)
    parser.add_argument("--out", required=True, metavar="HTML", help="the report; lesions go beside it")
    parser.add_argument(
        "--pseudonyms", metavar="KEYFILE", help="the key of results that have pseudonyms; its map is read"
    )


def run(chosen: argparse.Namespace) -> int:
    """Write the pages."""
    from volumetry.pages.run import write_report

    with progress_bar("drawing") as progress:
        done = write_report(
            chosen.results,
            chosen.out,
            study=chosen.study,
            traces=chosen.traces,
            key_file=chosen.pseudonyms,
            progress=progress,
        )
    sys.stdout.write(f"{done.path}\n")
    write_note(
        f"{done.n_lesions} lesions, each with its page in {done.folder}; "
        f"pictures of {done.n_pictured} of {done.n_visits} visits"
    )
    return DONE
