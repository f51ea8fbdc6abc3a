"""``volumetry demo``: the main job on the sample scans."""

from __future__ import annotations

import argparse
from pathlib import Path

WHAT = "run the main job on the sample scans"
EXAMPLE = "volumetry demo --out results/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", default="results", metavar="DIR", help="default: results")


def run(chosen: argparse.Namespace) -> int:
    """Run the demo."""
    from volumetry.demo import run_demo

    return int(run_demo(Path(chosen.out)))
