"""What a tracing is made of: lesions, outlines and painted slices.

All of them are frozen, and each can be written as plain values and read back exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.tracing.session.pixels import Runs, count_pixels, frozen_runs

Status = Literal["confirmed", "proposed"]


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


def record_from_document(document: Mapping[str, Any]) -> Record:
    """Return the record of plain values as its ``document`` made them.

    Raises
    ------
    KeyError, TypeError, ValueError, VolumetryError
        Where they are not.
    """
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
