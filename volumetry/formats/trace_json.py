"""The project's own trace file, ``*.trace.json``: versioned, canonical, hashed.

One JSON object as `volumetry.trace.Trace.document` makes it, with ``sha256``, the hash of the canonical
JSON of all the rest, so that damage and hand edits show.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.errors import ReadError, TraceError, UsageError, VolumetryError
from volumetry.files.atomic import write_atomically
from volumetry.files.canonical_json import canonical_json
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.reader import FormatReader, RegionSections, TracedScan
from volumetry.sections import CrossSections
from volumetry.trace import TRACE_FORMAT, TRACE_VERSION, Trace

SUFFIX = ".trace.json"
MAX_BYTES = 16 * 1024**2
"""Half a million vertices; a larger file is refused before it is read, and is not written."""


def encode_trace(trace: Trace) -> bytes:
    """Return the bytes of a trace file: the same for equal traces."""
    document = {**trace.document(), "sha256": trace.sha256}
    return (canonical_json(document) + "\n").encode()


def write_trace(trace: Trace, path: Path | str) -> None:
    """Write a trace to a file, atomically.

    Raises
    ------
    OutputError
        ``read-only`` or ``disk-full``; what was there before is intact.
    UsageError
        ``usage``: the file would be larger than `read_trace` reads.
    """
    content = encode_trace(trace)
    if len(content) > MAX_BYTES:
        raise UsageError(
            "usage",
            "the trace has too many vertices to be read again",
            where=path,
            values={"bytes": len(content), "limit_bytes": MAX_BYTES},
            todo="Write it as a mask, or draw with fewer vertices.",
        )
    write_atomically(path, content)


def read_trace(path: Path | str, *, roi: str | None = None) -> Trace:
    """Read a trace file; it holds one lesion, so `roi` only checks its name, and needs no scan.

    Raises
    ------
    ReadError
        ``truncated``, ``unreadable``, ``newer-format``, ``unsupported-format``, ``too-large``.
    """
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise ReadError(
                "too-large",
                "the trace file is over the limit",
                where=path,
                values={"limit_bytes": MAX_BYTES},
                todo="Check that it is a trace.",
            )
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise ReadError("not-found", "there is no such file", where=path, todo="Check the name.") from None
    except OSError as error:
        raise ReadError(
            "unreadable",
            "the file cannot be read",
            where=path,
            values={"reason": error.strerror or type(error).__name__},
            todo="Check the rights of the file.",
        ) from None
    trace = decode_trace(content, where=path)
    _check_lesion(trace, roi, path)
    return trace


def _check_lesion(trace: Trace, roi: str | None, where: Path | str) -> None:
    if roi is not None and roi != trace.lesion:
        raise TraceError(
            "no-such-label",
            "the trace is of another lesion",
            where=where,
            values={"asked": roi, "lesion": trace.lesion},
            todo="Name that lesion, or none.",
        )


def regions_of(
    trace: Trace,
    *,
    label: int | str | None = None,
    self_intersections: SelfIntersections = "refuse",
    overlapping_outlines: OverlappingOutlines = "refuse",
    where: Path | str,
) -> tuple[RegionSections, ...]:
    """Measure the one lesion of a trace that was read; `where` names its file in errors."""
    _check_lesion(trace, None if label is None else str(label), where)
    sections = trace.cross_sections(
        self_intersections=self_intersections, overlapping_outlines=overlapping_outlines
    )
    side = trace.side or side_of_name(trace.lesion)
    return (RegionSections(name=trace.lesion, side=side, sections=sections),)


def decode_trace(content: bytes, *, where: Path | str) -> Trace:
    """Return the trace of a file's bytes; `where` names the file in errors. Raises as `read_trace`."""
    document = _document(content, where)
    stated = document.pop("sha256", None)
    try:
        trace = Trace.from_document(document)
        again = trace.document()
        if again == document and stated == hashlib.sha256(canonical_json(again).encode()).hexdigest():
            vars(trace)["sha256"] = stated  # which most who read a trace ask for: it is made once
            return trace
    except (VolumetryError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        pass  # said below, where the file fits its hash
    _check_hash(document, stated, where)
    try:
        return Trace.from_document(document)
    except VolumetryError as error:
        raise error.at(where) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ReadError(
            "unreadable",
            "the trace lacks an entry, or has one of the wrong kind",
            where=where,
            values={"entry": str(error)[:80]},
            todo="Restore the file, or trace again.",
        ) from None


def _check_hash(document: dict[str, Any], stated: object, where: Path | str) -> None:
    found = hashlib.sha256(_canonical(document, where).encode()).hexdigest()
    if stated != found:
        raise ReadError(
            "unreadable",
            "the trace does not fit its own hash: it is damaged, or was edited by hand",
            where=where,
            values={"stated": str(stated)[:12], "found": found[:12]},
            todo="Restore the file, or trace again.",
        )


def _document(content: bytes, where: Path | str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        cut = content.lstrip()[:1] == b"{" and not content.rstrip().endswith(b"}")
        raise ReadError(
            "truncated" if cut or not content.strip() else "unreadable",
            "the file is not whole JSON",
            where=where,
            values={"bytes": len(content)},
            todo="Copy the file again.",
        ) from None
    if not isinstance(document, dict) or document.get("format") != TRACE_FORMAT:
        raise ReadError(
            "unsupported-format", "the file is not a trace", where=where, todo=f"Name a {SUFFIX} file."
        )
    version = document.get("version")
    if not isinstance(version, int) or version > TRACE_VERSION:
        raise ReadError(
            "newer-format",
            "the trace was written by a newer version of this program",
            where=where,
            values={"file version": version, "known version": TRACE_VERSION},
            todo="Update volumetry.",
        )
    return document


def _canonical(document: dict[str, Any], where: Path | str) -> str:
    try:
        return canonical_json(document)
    except (ValueError, RecursionError):
        raise ReadError(
            "unreadable",
            "the trace holds a number that is not finite, or is nested too deep",
            where=where,
            todo="Restore the file, or trace again.",
        ) from None


class TraceReader(FormatReader):
    """Reads the project's own traces."""

    name = "trace"

    def read_trace(self, path: Path, *, roi: str | None = None, scan: TracedScan = None) -> Trace:  # noqa: ARG002
        """Read a trace; its file carries the geometry, so that it needs no scan."""
        return read_trace(path, roi=roi)

    def read_sections(
        self,
        path: Path,
        *,
        label: int | str | None = None,
        threshold: float | None = None,  # noqa: ARG002
        scan: TracedScan = None,  # noqa: ARG002
    ) -> tuple[CrossSections, ...]:
        """Measure the one lesion of a trace."""
        return (read_trace(path, roi=None if label is None else str(label)).cross_sections(),)

    def read_regions(
        self,
        path: Path,
        *,
        label: int | str | None = None,
        threshold: float | None = None,  # noqa: ARG002
        scan: TracedScan = None,  # noqa: ARG002
        self_intersections: SelfIntersections = "refuse",
        overlapping_outlines: OverlappingOutlines = "refuse",
    ) -> tuple[RegionSections, ...]:
        """Measure the one lesion of a trace."""
        return regions_of(
            read_trace(path),
            label=label,
            self_intersections=self_intersections,
            overlapping_outlines=overlapping_outlines,
            where=path,
        )


READER = TraceReader()
