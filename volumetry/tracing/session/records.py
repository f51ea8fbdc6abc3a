"""What a tracing is made of: lesions, outlines, painted slices, and the events that change them.

All of them are frozen, and each can be written as plain values and read back exactly, so that the journal
of a session is its audit trail: who, when, what, before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.tracing.session.pixels import Runs, count_pixels, frozen_runs

Status = Literal["confirmed", "proposed"]

Action = Literal[
    "open",
    "add-lesion",
    "change-lesion",
    "delete-lesion",
    "mark-absent",
    "mark-not-measurable",
    "add-outline",
    "add-hole",
    "replace-vertices",
    "delete-contour",
    "clear-slice",
    "copy-slice",
    "propose",
    "accept",
    "reject",
    "paint",
    "erase",
    "outline-paint",
    "sign",
    "reopen",
    "save",
    "discard",
    "undo",
    "redo",
]


@dataclass(frozen=True, kw_only=True)
class TracedLesion:
    """A lesion that is being traced.

    Attributes
    ----------
    id : str
        Stable within the session: ``l1``, ``l2``...; names and sides may change.
    name : str
        ``L1``, ``R1``...
    side : str
        ``L``, ``R`` or empty.
    colour : int
        Index of its colour, from 0.
    is_absent : bool
        The reader says that there is no lesion: it is saved with volume 0. A lesion without outlines that
        is not marked so is merely not traced yet.
    not_measurable : str
        Why the reader found it not measurable: a key of `volumetry.trace.NOT_MEASURABLE_REASONS`, or empty.
    read : int
        Which read of this lesion by this reader, from 1.
    signed_time : str
        ISO 8601 with zone; empty while unsigned. A signed lesion cannot be changed.
    reason : str
        Why it was opened again after it had been signed.

    Examples
    --------
    >>> vt.TracedLesion(id="1", name="L1", side="L").is_absent
    False
    """

    id: str
    name: str
    side: str = ""
    colour: int = 0
    is_absent: bool = False
    read: int = 1
    signed_time: str = ""
    reason: str = ""
    not_measurable: str = ""

    @property
    def key(self) -> str:
        """Under which the state keeps it."""
        return f"lesion:{self.id}"

    @property
    def lesion_id(self) -> str:
        """The lesion it belongs to: itself."""
        return self.id

    @property
    def is_signed(self) -> bool:
        """Whether the reader has signed it."""
        return bool(self.signed_time)

    @property
    def is_judged(self) -> bool:
        """Whether the reader said something of it that needs no outline: absent, or not measurable."""
        return self.is_absent or bool(self.not_measurable)

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        # Left out where empty: what was journalled before there was such an entry stays what it is.
        added = {"not_measurable": self.not_measurable} if self.not_measurable else {}
        return added | {
            "kind": "lesion",
            "id": self.id,
            "name": self.name,
            "side": self.side,
            "colour": self.colour,
            "is_absent": self.is_absent,
            "read": self.read,
            "signed_time": self.signed_time,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedContour:
    """An outline or a hole of a lesion.

    Attributes
    ----------
    id : str
        Stable within the session: ``c1``, ``c2``...
    lesion_id : str
    contour : Contour
        Slice, vertices (row, column) and whether it is a hole; its area is computed once.
    status : {"confirmed", "proposed"}
        Proposed outlines (interpolated, or copied as a proposal) are shown dashed and not counted.

    Examples
    --------
    >>> square = [(4, 4), (4, 12), (12, 12), (12, 4)]
    >>> outline = vm.Contour(slice_index=4, vertices=square)
    >>> vt.TracedContour(id="7", lesion_id="1", contour=outline).status
    'confirmed'
    """

    id: str
    lesion_id: str
    contour: Contour
    status: Status = "confirmed"

    @property
    def key(self) -> str:
        """Under which the state keeps it."""
        return f"contour:{self.id}"

    @property
    def slice_index(self) -> int:
        """Slice it lies on."""
        return self.contour.slice_index

    @property
    def is_hole(self) -> bool:
        """Whether its area is taken away."""
        return self.contour.is_hole

    @property
    def vertices(self) -> NDArray[np.float64]:
        """(n, 2) read-only array of (row, column)."""
        return self.contour.vertices

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TracedContour):
            return NotImplemented
        return (
            (self.id, self.lesion_id, self.status) == (other.id, other.lesion_id, other.status)
            and (self.slice_index, self.is_hole) == (other.slice_index, other.is_hole)
            and np.array_equal(self.vertices, other.vertices)
        )

    def __hash__(self) -> int:
        return hash((self.id, self.status, self.contour.vertices.shape))

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": "contour",
            "id": self.id,
            "lesion": self.lesion_id,
            "slice": self.slice_index,
            "hole": self.is_hole,
            "status": self.status,
            "vertices": self.vertices.tolist(),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class PaintedSlice:
    """The pixels of a lesion on one slice, painted with a brush.

    Attributes
    ----------
    lesion_id : str
    slice_index : int
    runs : (n, 3) int array, read-only
        (row, first column, column after the last), ascending, disjoint.

    Examples
    --------
    >>> vt.PaintedSlice(lesion_id="1", slice_index=4, runs=((3, 5, 9),)).slice_index
    4
    """

    lesion_id: str
    slice_index: int
    runs: Runs

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", frozen_runs(self.runs))

    @property
    def key(self) -> str:
        """Under which the state keeps it."""
        return paint_key(self.lesion_id, self.slice_index)

    @cached_property
    def n_pixels(self) -> int:
        """Number of pixels; the area is that times the pixel area."""
        return count_pixels(self.runs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PaintedSlice):
            return NotImplemented
        return self.key == other.key and np.array_equal(self.runs, other.runs)

    def __hash__(self) -> int:
        return hash((self.key, self.runs.shape))

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": "paint",
            "lesion": self.lesion_id,
            "slice": self.slice_index,
            "runs": self.runs.tolist(),
        }


Record = TracedLesion | TracedContour | PaintedSlice


def paint_key(lesion_id: str, slice_index: int) -> str:
    """Return the key of the painted pixels of a lesion on a slice."""
    return f"paint:{lesion_id}:{slice_index}"


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """One record before and after an event; None where it did not exist, or does no longer.

    Examples
    --------
    >>> added = vt.Replacement(before=None, after=vt.TracedLesion(id="1", name="L1"))
    >>> added.after.name
    'L1'
    """

    before: Record | None
    after: Record | None

    @property
    def key(self) -> str:
        """Of the record."""
        record = self.before or self.after
        assert record is not None
        return record.key

    @property
    def lesion_id(self) -> str:
        """The lesion it is about."""
        record = self.before or self.after
        assert record is not None
        return record.lesion_id

    def reversed(self) -> Replacement:
        """Return the way back."""
        return Replacement(before=self.after, after=self.before)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One command of a session: who, when, what, before and after.

    Attributes
    ----------
    number : int
        From 1, without gaps.
    time : str
        ISO 8601 with zone.
    reader : str
    action : str
        One of `Action`.
    replacements : tuple of Replacement
    target : int
        For ``undo`` and ``redo``: the number of the event taken back or done again; else 0.
    reason : str
        Why a signed lesion was opened again, or changes were thrown away; what the reader acknowledged when
        signing; what is to be known of a stroke.
    saved : mapping of lesion id to SHA-256
        For ``save`` and ``open``: the trace files the lesions equal now. Empty: it has none any more.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
    >>> lesion = session.add_lesion("L1")
    >>> session.events[0].action
    'add-lesion'
    """

    number: int
    time: str
    reader: str
    action: Action
    replacements: tuple[Replacement, ...] = ()
    target: int = 0
    reason: str = ""
    saved: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_undoable(self) -> bool:
        """Whether undo takes it back: everything that draws, but not signing and saving."""
        return self.action not in {"open", "sign", "reopen", "save", "discard", "undo", "redo"}

    @property
    def slice_indices(self) -> tuple[int, ...]:
        """Slices it changed, ascending: where undo should take the reader."""
        records = [r for change in self.replacements for r in (change.before, change.after)]
        return tuple(sorted({r.slice_index for r in records if isinstance(r, TracedContour | PaintedSlice)}))

    def document(self) -> dict[str, Any]:
        """Return plain values, as the journal keeps them."""
        return {
            "number": self.number,
            "time": self.time,
            "reader": self.reader,
            "action": self.action,
            "target": self.target,
            "reason": self.reason,
            "saved": dict(self.saved),
            "replacements": [
                {
                    "before": None if r.before is None else r.before.document(),
                    "after": None if r.after is None else r.after.document(),
                }
                for r in self.replacements
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Event:
        """Return the event of plain values as `document` made them.

        Raises
        ------
        KeyError, TypeError, ValueError, VolumetryError
            Where they are not.
        """
        return cls(
            number=int(document["number"]),
            time=str(document["time"]),
            reader=str(document["reader"]),
            action=document["action"],
            target=int(document["target"]),
            reason=str(document["reason"]),
            saved={str(k): str(v) for k, v in document["saved"].items()},
            replacements=tuple(
                Replacement(before=_record(r["before"]), after=_record(r["after"]))
                for r in document["replacements"]
            ),
        )


def _record(document: Mapping[str, Any] | None) -> Record | None:
    return None if document is None else record_from_document(document)


def record_from_document(document: Mapping[str, Any]) -> Record:
    """Return the record of plain values. Raises as `Event.from_document`."""
    kind = document["kind"]
    if kind == "lesion":
        return TracedLesion(**{name: value for name, value in document.items() if name != "kind"})
    if kind == "contour":
        contour = Contour(
            slice_index=document["slice"],
            vertices=np.array(document["vertices"], dtype=np.float64),
            is_hole=document["hole"],
        )
        return TracedContour(
            id=document["id"], lesion_id=document["lesion"], contour=contour, status=document["status"]
        )
    if kind == "paint":
        return PaintedSlice(
            lesion_id=document["lesion"],
            slice_index=int(document["slice"]),
            runs=np.array(document["runs"], dtype=np.int32),
        )
    raise ValueError(f"unknown record {kind!r}")
