"""``volumetry export``: lesions in the formats of other programs."""

from __future__ import annotations

import argparse
import sys

from volumetry.commands.options import (
    HEIGHT_RULES,
    add_measurement_options,
    add_region,
    chosen_region,
    chosen_rule,
)
from volumetry.console import DONE

WHAT = "write a traced lesion as DICOM SEG, RTSTRUCT or SR, as NRRD, NIfTI or trace"
EXAMPLE = "volumetry export L1.trace.json --as seg --scan p01/2024-03-02/t1 --out L1.dcm"

_NAMES = ("seg", "rtstruct", "sr", "nifti", "nrrd", "trace")
_FINDINGS = ("lesion", "necrosis", "neoplasm", "hematoma", "edema", "cyst")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", metavar="TRACE_OR_MASK")
    parser.add_argument("--as", choices=_NAMES, dest="as_", help="format; default: by the suffix of FILE")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--scan", metavar="PATH", help="the scan; needed for seg, rtstruct and sr")
    add_region(parser)
    add_measurement_options(parser)
    parser.add_argument("--height", choices=HEIGHT_RULES, help="primary rule of a report; default: thickness")
    parser.add_argument("--lesion", default="", metavar="NAME", help="name to write for a single lesion")
    parser.add_argument("--finding", choices=_FINDINGS, default="lesion", help="its code; default: lesion")
    parser.add_argument("--region", default="", metavar="NAME", help="its region: femoral head, hip, lung...")
    parser.add_argument(
        "--holes",
        choices=("xor", "keyhole"),
        default="xor",
        help="how an RTSTRUCT writes holes; default: xor",
    )
    parser.add_argument("--empty-frames", action="store_true", help="a SEG frame for every slice")


def run(chosen: argparse.Namespace) -> int:
    """Write the lesions of one file."""
    from volumetry.export import ExportOptions, export_file

    options = ExportOptions(
        finding=chosen.finding,
        region=chosen.region,
        holes=chosen.holes,
        empty_frames=chosen.empty_frames,
        lesion=chosen.lesion,
    )
    done = export_file(
        chosen.path,
        chosen.out,
        chosen.as_,
        scan=chosen.scan,
        label=chosen_region(chosen),
        threshold=chosen.threshold,
        options=options,
        rule=chosen_rule(chosen),
    )
    for path in done.paths:
        sys.stdout.write(f"{path}\n")
    for note in done.notes:
        sys.stderr.write(f"note: {note}\n")
    return DONE
