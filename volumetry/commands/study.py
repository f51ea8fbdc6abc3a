"""``volumetry study``: a reader study from its plan to the consensus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from volumetry.commands.options import add_layout, add_protocol, add_traces
from volumetry.console import DONE, write_note, write_rows

if TYPE_CHECKING:
    from volumetry.study.protocol import Protocol

WHAT = "run a reader study: plan, status, release, adjudicate"
EXAMPLE = "volumetry study plan scans/ --protocol study.toml"

_FOLDER_HELP = "the study folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the steps and their arguments."""
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    plan = steps.add_parser("plan", help="assign the scans to the readers of the protocol")
    add_protocol(plan)
    status = steps.add_parser("status", help="say who has read what")
    status.add_argument("--cases", action="store_true", help="a row per case, not per reader")
    add_layout(status)
    release = steps.add_parser("release", help="put the signed reads beside their scans, with names")
    adjudicate = steps.add_parser("adjudicate", help="list where readers differ, or save a consensus")
    add_protocol(adjudicate)
    adjudicate.add_argument(
        "--decisions",
        metavar="CSV",
        help="site, patient, visit, side, lesion, how (chosen, drawn), reader, time",
    )
    adjudicate.add_argument(
        "--agreed",
        metavar="READER",
        help="where all readers agree, save this reader's outline as the consensus",
    )
    adjudicate.add_argument("--threshold", type=float, default=15.0, metavar="PERCENT", help="default: 15")
    add_layout(adjudicate)
    for step in (plan, status, release, adjudicate):
        step.add_argument("folder", metavar="FOLDER", help=_FOLDER_HELP)
        add_traces(step)


def run(chosen: argparse.Namespace) -> int:
    """Do one step."""
    return {"plan": _plan, "status": _status, "release": _release, "adjudicate": _adjudicate}[chosen.step](
        chosen
    )


def _protocol(chosen: argparse.Namespace) -> Protocol | None:
    from volumetry.study.protocol import read_protocol

    return read_protocol(Path(chosen.protocol)) if chosen.protocol else None


def _plan(chosen: argparse.Namespace) -> int:
    from volumetry.study.reading import crowded_repeats
    from volumetry.tracing.worklist.plan import plan_study

    assignment, table = plan_study(chosen.folder, protocol=_protocol(chosen), place=chosen.traces)
    for reader in assignment.readers:
        write_note(f"{reader}: {len(assignment.of_reader(reader))} reads")
    for reader, (n_repeats, n_new) in crowded_repeats(assignment.reads).items():
        _warn(
            f"the second part of {reader} holds {n_repeats} repeats and {n_new} scans that are new: "
            "who knows the plan takes its cases for repeats. Up to repeat_share = 0.5 as many are new"
        )
    write_note(f"the plan that readers may see: {table}")
    return DONE


def _warn(text: str) -> None:
    """Tell a person, on stderr: rows on stdout are for programs, too."""
    sys.stderr.write(f"note: {text}\n")


def _status(chosen: argparse.Namespace) -> int:
    from dataclasses import asdict

    from volumetry.study.protocol import protocol_of_study
    from volumetry.tracing.reader_study import CASE_COLUMNS, STATUS_COLUMNS, study_status

    status = study_status(chosen.folder, place=chosen.traces)
    named = protocol_of_study(chosen.folder, chosen.traces).reading.readers
    without = [reader for reader in named if reader not in status.second_parts]
    if without:
        _warn(f"{', '.join(without)} of the protocol have no reads: run volumetry study plan {chosen.folder}")
    if chosen.cases:
        write_rows([asdict(case) for case in status.cases], CASE_COLUMNS, chosen.layout)
    else:
        write_rows(status.rows(), STATUS_COLUMNS, chosen.layout)
    return DONE


def _release(chosen: argparse.Namespace) -> int:
    from volumetry.tracing.worklist.release import open_reads, release_blinded

    still_open = open_reads(chosen.folder, place=chosen.traces)
    if still_open:
        _warn(
            f"{still_open} reads of the plan are not signed yet: released reads lie beside their scans with "
            "patient and visit, and whoever still has to read must not see them"
        )
    written = release_blinded(chosen.folder, place=chosen.traces)
    write_note(f"{len(written)} traces written")
    return DONE


def _adjudicate(chosen: argparse.Namespace) -> int:
    from volumetry.agreement.adjudication import DISAGREEMENT_COLUMNS, disagreement_rows, read_lesions
    from volumetry.study.protocol import protocol_of_study
    from volumetry.tracing.reader_study import settle, settle_agreed
    from volumetry.tracing.worklist.release import open_reads, unreleased_reads

    protocol = _protocol(chosen) or protocol_of_study(chosen.folder, chosen.traces)
    if chosen.decisions:
        written = settle(chosen.folder, chosen.decisions, traces=chosen.traces, protocol=protocol)
        write_note(f"{len(written)} consensus traces written")
    lesions = read_lesions(chosen.folder, traces=chosen.traces, protocol=protocol)
    if chosen.agreed:
        written = settle_agreed(lesions, chosen.agreed, threshold_percent=chosen.threshold)
        write_note(f"{len(written)} consensus traces written of lesions on which all readers agree")
        lesions = read_lesions(chosen.folder, traces=chosen.traces, protocol=protocol)
    rows = disagreement_rows(lesions, threshold_percent=chosen.threshold)
    write_rows(rows, DISAGREEMENT_COLUMNS, chosen.layout)
    waiting = unreleased_reads(chosen.folder, place=chosen.traces)
    if waiting:
        still_open = open_reads(chosen.folder, place=chosen.traces)
        when = f"when the {still_open} reads that are not signed yet are, " if still_open else ""
        _warn(
            f"{waiting} signed reads are not compared yet: {when}run volumetry study release {chosen.folder}"
        )
    elif not lesions:
        _warn("no lesion has been read: nothing was compared")
    return DONE
