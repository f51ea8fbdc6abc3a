"""The command line: parses, calls, prints. What the commands do is in the library."""

from __future__ import annotations

import os

# Before numpy is loaded: starting a thread of its BLAS library for every core takes longer than measuring a
# mask, nothing here gains by them, and workers that are forked want no threads about.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import atexit
import gc
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from volumetry._version import __version__
from volumetry.console import DONE, NONE_SUCCEEDED, USAGE, write_error
from volumetry.errors import UsageError, VolumetryError, internal_error

_LAYOUTS = ("table", "csv", "json")


class _Help(argparse.HelpFormatter):
    """As wide as the terminal; asked for here, since argparse loads shutil and its archives to ask."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 100
        super().__init__(prog, width=columns - 2)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the call in the form of all errors."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"error: usage: {message}. See {self.prog} --help.\n")


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Parameters
    ----------
    chosen : str, optional
        Declare this command only.
    """
    parser = _Parser(
        prog="volumetry",
        description="Measure lesions on medical images, slice by slice, and follow them over time. "
        "For research; not a medical device.",
        epilog="example: volumetry batch scans/ --out results/ --jobs 8",
    )
    parser.add_argument("--version", action="version", version=f"volumetry {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="volumetry")
    for name, (what, example, add_arguments) in _COMMANDS.items():
        if chosen in (None, name):
            about = what[0].upper() + what[1:] + "."
            add_arguments(
                commands.add_parser(name, help=what, description=about, epilog=f"example: {example}")
            )
    return parser


def _add_layout(parser: Any) -> None:
    parser.add_argument("--format", choices=_LAYOUTS, default="table", dest="layout", help="default: table")


def _add_protocol(parser: Any) -> None:
    parser.add_argument("--protocol", metavar="TOML", help="study protocol; default: the published rules")


def _add_series(parser: Any) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH")
    _add_layout(parser)


def _add_measure(parser: Any) -> None:
    parser.add_argument("paths", nargs="+", metavar="TRACE_OR_MASK")
    parser.add_argument("--scan", metavar="PATH", help="the scan the traces belong to")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--label", type=int, metavar="N", help="only the label of that number")
    which.add_argument("--roi", metavar="NAME", help="only the region of that name")
    parser.add_argument(
        "--height",
        choices=("thickness", "spacing"),
        default="thickness",
        help="primary rule; default: thickness",
    )
    _add_measurement_options(parser)
    parser.add_argument("--per-slice", action="store_true", help="a row per slice")
    _add_layout(parser)


def _add_measurement_options(parser: Any) -> None:
    parser.add_argument(
        "--skipped",
        choices=("refuse", "absent", "bridge"),
        help="what a slice without outline between outlined ones means; default: refuse",
    )
    parser.add_argument(
        "--interpolate-missing",
        action="store_true",
        default=None,
        help="measure across slices that are missing from the scan",
    )
    parser.add_argument(
        "--threshold", type=float, metavar="X", help="values from X on are lesion (probability maps)"
    )


def _add_batch(parser: Any) -> None:
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the tables")
    parser.add_argument(
        "--manifest", metavar="CSV", help="names the cases; default: FOLDER/manifest.csv, if there"
    )
    _add_protocol(parser)
    _add_measurement_options(parser)
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="processes; default: as many as cores"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a dask.distributed scheduler that takes the cases"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--figures", action="store_true", help="draw every lesion")
    parser.add_argument("--parquet", action="store_true", help="write the tables as Parquet, too")
    parser.add_argument(
        "--pseudonyms",
        metavar="KEYFILE",
        help="write a keyed hash for PatientID; the key is made on first use",
    )


def _add_change(parser: Any) -> None:
    parser.add_argument("measurements", metavar="MEASUREMENTS.csv")
    parser.add_argument("--out", required=True, metavar="CHANGES.csv")
    parser.add_argument("--threshold", type=float, default=15.0, metavar="PERCENT", help="default: 15")
    parser.add_argument("--minimum-slices", type=int, default=3, metavar="N", help="default: 3")


def _add_figure(parser: Any) -> None:
    parser.add_argument("trace", metavar="TRACE")
    parser.add_argument("--scan", required=True, metavar="SCAN")
    parser.add_argument("--out", required=True, metavar="PNG")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--label", type=int, metavar="N")
    which.add_argument("--roi", metavar="NAME")
    parser.add_argument("--height", choices=("thickness", "spacing"), default="thickness")


def _add_trace(parser: Any) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH")
    parser.add_argument(
        "--traces", metavar="FOLDER", help="folder of the traces, for scans that cannot be written beside"
    )


def _add_outcomes(parser: Any) -> None:
    parser.add_argument("plan", metavar="PLAN.toml")
    parser.add_argument("--out", required=True, metavar="DIR")


def _add_audit(parser: Any) -> None:
    parser.add_argument("summary", metavar="SUMMARY.toml")
    _add_layout(parser)


def _add_demo(parser: Any) -> None:
    parser.add_argument("--out", default="results", metavar="DIR", help="default: results")


_COMMANDS: dict[str, tuple[str, str, Callable[[Any], None]]] = {
    "series": (
        "list every image series below the paths, with its problems",
        "volumetry series scans/",
        _add_series,
    ),
    "measure": (
        "measure the lesion volumes of traced files",
        "volumetry measure p01/lesion.nii.gz --height spacing --per-slice",
        _add_measure,
    ),
    "batch": (
        "find and measure every traced lesion below a folder",
        "volumetry batch scans/ --out results/ --jobs 8",
        _add_batch,
    ),
    "change": (
        "pair visits and class the change of volume",
        "volumetry change measurements.csv --out changes.csv",
        _add_change,
    ),
    "figure": (
        "draw the traced slices of a lesion with outline, areas and volume",
        "volumetry figure L1.trace.json --scan p01/2024-03-02/ --out lesion.png",
        _add_figure,
    ),
    "trace": (
        "open napari with the tracer",
        "volumetry trace scans/p01/2024-03-02/",
        _add_trace,
    ),
    "outcomes": (
        "run the outcome statistics of a plan",
        "volumetry outcomes plan.toml --out results/",
        _add_outcomes,
    ),
    "audit": (
        "check a summary table: counts against p values, percentages, totals",
        "volumetry audit summary.toml",
        _add_audit,
    ),
    "demo": (
        "run the main job on the sample scans",
        "volumetry demo --out results/",
        _add_demo,
    ),
}
"""Every command: what it does, an example, and what declares its arguments."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: all done; 2: wrong usage; 3: some cases failed; 4: none succeeded.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    name = next((word for word in arguments if word in _COMMANDS), None)
    chosen = build_parser(name).parse_args(arguments)
    from volumetry import commands

    gc.enable()
    try:
        return int(getattr(commands, f"run_{chosen.command}")(chosen))
    except UsageError as error:
        write_error(error)
        return USAGE
    except VolumetryError as error:
        write_error(error)
        return NONE_SUCCEEDED
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what was done is kept\n")
        return 130
    except Exception as fault:
        if os.environ.get("VOLUMETRY_DEBUG"):
            raise
        write_error(internal_error(fault))
        return NONE_SUCCEEDED


def entry() -> NoReturn:
    """Run the program: `main`, with a quick start and a quick end.

    Collecting garbage while modules are loaded, and taking the interpreter apart at the end, take longer than
    measuring a mask. What was registered to be done at exit is done.
    """
    gc.disable()
    code = main()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        code = DONE
    os._exit(code)


if __name__ == "__main__":
    entry()
