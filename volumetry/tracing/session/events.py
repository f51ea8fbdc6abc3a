"""The events of a tracing: one for every command, with what it changed.

They are frozen, and can be written as plain values and read back exactly, so that the journal of a session is
its audit trail: who, when, what, before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from volumetry.tracing.session.records import PaintedSlice, Record, TracedContour, record_from_document

Action = Literal[
    "open",
    "load",
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
