"""Arguments that several commands share, and what the calls of several commands have in common."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.console import DONE, NONE_SUCCEEDED, SOME_FAILED, write_note

if TYPE_CHECKING:
    from volumetry.measurement import MeasurementRule
    from volumetry.study.protocol import Protocol

LAYOUTS = ("table", "csv", "json")
HEIGHT_RULES = ("thickness", "spacing")

_LOG = logging.getLogger(__name__)


def exit_code(succeeded: int, failed: int) -> int:
    """0 where nothing failed, 3 where some did, 4 where nothing succeeded."""
    if not succeeded:
        return NONE_SUCCEEDED
    return SOME_FAILED if failed else DONE


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Declare ``-v`` and ``--quiet``, which every command has."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=argparse.SUPPRESS,
        help="say on stderr what is done; -vv: in detail",
    )
    which.add_argument(
        "--quiet",
        action="store_true",
        default=argparse.SUPPRESS,
        help="no progress and no notes: results and errors only",
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Declare ``--format``."""
    parser.add_argument("--format", choices=LAYOUTS, default="table", dest="layout", help="default: table")


def add_traces(parser: argparse.ArgumentParser) -> None:
    """Declare ``--traces``."""
    parser.add_argument(
        "--traces", metavar="FOLDER", help="folder of the tracings, for scans that cannot be written beside"
    )


def add_follow_links(parser: argparse.ArgumentParser) -> None:
    """Declare ``--follow-links``."""
    parser.add_argument(
        "--follow-links", action="store_true", help="follow symbolic links below the folder (link farms)"
    )


def add_protocol(parser: argparse.ArgumentParser, *, of_folder: bool = True) -> None:
    """Declare ``--protocol``, whose default is that of a study folder where the command has one."""
    default = "study.toml in the folder, else the published rules" if of_folder else "the published rules"
    parser.add_argument("--protocol", metavar="TOML", help=f"study protocol; default: {default}")


def add_repeatability(parser: argparse.ArgumentParser) -> None:
    """Declare ``--repeatability``."""
    parser.add_argument(
        "--repeatability",
        metavar="FILE",
        action="append",
        help="repeatability.json of `volumetry agreement`: puts a verdict beside every class; once more with "
        "repeatability_between_readers.json for lesions whose two visits different readers read",
    )


def add_region(parser: argparse.ArgumentParser) -> None:
    """Declare ``--label`` and ``--roi``: which region of a file is meant."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--label", type=int, metavar="N", help="only the label of that number")
    which.add_argument("--roi", metavar="NAME", help="only the region of that name")


def add_measurement_options(parser: argparse.ArgumentParser) -> None:
    """Declare the rules of measurement that a call may set."""
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
        "--self-intersections",
        choices=("refuse", "resolve"),
        help="what an outline that crosses itself means: no volume, or loops that count by even-odd; "
        "default: refuse",
    )
    parser.add_argument(
        "--overlapping-outlines",
        choices=("refuse", "even-odd", "union"),
        help="what outlines that overlap mean, where none is a hole: no volume, holes of each other, or one "
        "outline around all; default: refuse",
    )
    parser.add_argument(
        "--threshold", type=float, metavar="X", help="values from X on are lesion (probability maps)"
    )


def chosen_region(chosen: argparse.Namespace) -> int | str | None:
    """Return the label or the name of the region that was asked for."""
    region: int | str | None = chosen.roi if chosen.label is None else chosen.label
    return region


_RULE_OF_OPTION = {
    "height": "height",
    "skipped": "skipped_slices",
    "interpolate_missing": "interpolate_missing",
    "self_intersections": "self_intersections",
    "overlapping_outlines": "overlapping_outlines",
}
"""Option of a call, and the attribute of `MeasurementRule` that it sets."""


def chosen_rule(chosen: argparse.Namespace, rule: MeasurementRule | None = None) -> MeasurementRule:
    """Return the rule of measurement of a call: `rule`, or the published one, with the call's own options."""
    from dataclasses import replace

    from volumetry.measurement import MeasurementRule

    given = {name: getattr(chosen, option, None) for option, name in _RULE_OF_OPTION.items()}
    return replace(
        rule or MeasurementRule(), **{name: value for name, value in given.items() if value is not None}
    )


def chosen_protocol(chosen: argparse.Namespace, study: str | None = None) -> Protocol:
    """Return the protocol of a call, with the call's own options.

    It is the file of ``--protocol``, else ``study.toml`` in the study folder, else the published rules.
    """
    from dataclasses import replace

    from volumetry.study.protocol import Protocol, file_of_study, read_protocol

    file = Path(chosen.protocol) if getattr(chosen, "protocol", None) else None
    if file is None and study is not None:
        file = file_of_study(study, getattr(chosen, "traces", None))
        if file is not None:
            _LOG.warning("the protocol is %s", file)  # to stderr: a manifest may go to stdout
    protocol = Protocol() if file is None else read_protocol(file)
    for file in getattr(chosen, "repeatability", None) or ():
        protocol = _with_error(protocol, file, several=len(chosen.repeatability) > 1)
    return replace(protocol, measurement=chosen_rule(chosen, protocol.measurement))


def _with_error(protocol: Protocol, file: str, *, several: bool) -> Protocol:
    """Add an error of reading to a protocol: of several files that between readers has a place of its own."""
    from dataclasses import replace

    from volumetry.error_model import read_repeatability

    error = read_repeatability(file)
    if not error.measured_by:
        write_note(
            f"{file} does not say by which rules its reads were measured; they are taken to be those of this "
            "study"
        )
    if several and error.kind == "between_readers":
        return replace(protocol, between_readers_error=error)
    return replace(protocol, reading_error=error)
