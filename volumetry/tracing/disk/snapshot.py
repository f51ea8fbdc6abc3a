"""Snapshots of a state: what helps where the journals are gone.

Lines like those of the journal, a record on each, so that writing them never holds up the window for long.
"""

from __future__ import annotations

from pathlib import Path

from volumetry.errors import VolumetryError
from volumetry.files.atomic import named_output_errors, write_atomically
from volumetry.files.canonical_json import canonical_json
from volumetry.tracing.disk.journal import checked_line, good_lines
from volumetry.tracing.session.state import TracingState, state_from_document, state_summary

SNAPSHOT_FORMAT = "volumetry-snapshot"
SNAPSHOT_VERSION = 1


def write_snapshot(state: TracingState, newest: Path, older: Path) -> None:
    """Write a state, atomically; the newest snapshot before becomes the older one.

    Raises
    ------
    OutputError
    """
    header = {
        "format": SNAPSHOT_FORMAT,
        "version": SNAPSHOT_VERSION,
        "n_records": len(state.records),
        "state": state_summary(state),
    }
    documents = [header, *({"record": record.document()} for record in state.records)]
    content = b"".join(checked_line(canonical_json(document).encode()) for document in documents)
    with named_output_errors(newest):
        if newest.exists():
            newest.replace(older)
        write_atomically(newest, content)


def read_snapshot(path: Path) -> TracingState | None:
    """Return the state of a snapshot; None where there is none that is whole and of a known version."""
    try:
        lines = [body for body, _ in good_lines(path.read_bytes())]
    except OSError:
        return None
    if not lines or lines[0].get("format") != SNAPSHOT_FORMAT or lines[0].get("version") != SNAPSHOT_VERSION:
        return None
    if len(lines) != lines[0].get("n_records", -1) + 1:
        return None
    try:
        return state_from_document({**lines[0]["state"], "records": [line["record"] for line in lines[1:]]})
    except (KeyError, TypeError, ValueError, AttributeError, VolumetryError):
        return None
