"""``volumetry manifest``: the table of cases that a batch would use, to be corrected."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from volumetry.commands.options import add_follow_links, add_protocol, add_traces, chosen_protocol
from volumetry.console import DONE, progress_bar, write_note
from volumetry.errors import UsageError

WHAT = "write the manifest that a batch would use, to be corrected in a spreadsheet"
EXAMPLE = "volumetry manifest scans/ --out manifest.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--out", metavar="CSV", help="default: the screen, with paths relative to FOLDER")
    add_traces(parser)
    add_follow_links(parser)
    add_protocol(parser)


def run(chosen: argparse.Namespace) -> int:
    """Find the cases and write a line for each."""
    from volumetry.files.atomic import write_atomically
    from volumetry.formats.opening import files_told, links_followed
    from volumetry.study.finding.manifest.writing import manifest_text

    out = None if chosen.out is None else Path(chosen.out)
    if out is not None and out.resolve().is_relative_to(Path(chosen.folder).resolve()):
        raise UsageError(
            "usage",
            "nothing is ever written into the folder of the scans",
            where=out,
            todo="Name a file beside it with --out.",
        )
    protocol = chosen_protocol(chosen, chosen.folder)
    base = None if out is None else out.parent
    with (
        links_followed(chosen.follow_links),
        progress_bar("reading") as progress,
        files_told(lambda count: progress(count, 0)),
    ):
        text = manifest_text(chosen.folder, protocol=protocol, traces=chosen.traces, base=base)
    if out is None:
        sys.stdout.write(text)
    else:
        write_atomically(out, text.encode("utf-8", errors="surrogateescape"))
        write_note(f"the manifest is {out}; correct it and run: volumetry batch FOLDER --manifest {out}")
    return DONE
