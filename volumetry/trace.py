"""A trace: the outlines of one lesion by one reader in one read; immutable and hashed.

A trace carries its geometry, so its volume can be recomputed without the scan; editing makes a new trace
that names the hash of its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from volumetry.contours.contour import Contour
from volumetry.contours.loops import SelfIntersections, simple_contours
from volumetry.contours.overlaps import OverlappingOutlines, without_overlaps
from volumetry.contours.slice_contours import check_slice_contours, slice_moments
from volumetry.errors import TraceError
from volumetry.files.canonical_json import canonical_json
from volumetry.geometry import ScanGeometry
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections, in_mm2, section_bounds
from volumetry.shown import Facts, Shown, picture_of_rings

if TYPE_CHECKING:
    import pandas as pd

TRACE_FORMAT = "volumetry-trace"
TRACE_VERSION = 3
"""The newest version that is read. Version 2 adds ``not_measurable``, version 3 ``slice_thicknesses_mm``; a
trace is written in the oldest version that holds it, so that equal traces have equal hashes whichever program
wrote them, and an older program refuses by its number what it cannot read."""

NOT_MEASURABLE_REASONS: Mapping[str, str] = {
    "prosthesis": "a prosthesis has replaced or hides it",
    "artefact": "an artefact hides its margin",
    "cut-off": "the scan does not cover it whole",
}
"""Why a reader may find a lesion not measurable: the id that is kept, and its sentence."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who traced, when and how.

    Attributes
    ----------
    reader : str
        Initials or number of the reader.
    time : str
        When the trace was finished, ISO 8601 with zone; empty where unknown.
    tool : str
        Program and version.
    protocol : str
        Name of the study protocol.
    read : int
        Which read of this lesion by this reader, from 1.
    parent_sha256 : str
        Hash of the trace that this one was edited from.
    reason : str
        Why a signed trace was edited.
    signed_time : str
        When the reader signed it, ISO 8601 with zone; empty while unsigned.

    Examples
    --------
    >>> vm.Provenance(reader="AB", time="2024-03-02T10:15:00+01:00").read
    1
    """

    reader: str = ""
    time: str = ""
    tool: str = ""
    protocol: str = ""
    read: int = 1
    parent_sha256: str = ""
    reason: str = ""
    signed_time: str = ""

    def __post_init__(self) -> None:
        for name in ("time", "signed_time"):
            text = getattr(self, name)
            if text and _zone_missing(text):
                raise TraceError(
                    "unreadable",
                    "a time of the trace has no zone, or is no time",
                    values={name: text},
                    todo="Write it as in 2024-03-02T10:15:00+01:00.",
                )


def _zone_missing(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return True


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trace(Shown):
    """The outlines of one lesion by one reader in one read.

    Attributes
    ----------
    lesion : str
        Name of the lesion within the patient, the same at every visit: ``L1``, ``R1``.
    side : str
        ``L``, ``R`` or empty where the lesion has no side.
    contours : tuple of Contour
        In order of their slices; none means that the reader found the lesion absent, unless `not_measurable`.
    geometry : ScanGeometry
        Of the scan it was drawn on.
    source : ScanSource
        Of the scan it was drawn on, with the hash of its voxels where they were read.
    provenance : Provenance
    flags : tuple of str
    not_measurable : str
        Why the reader found that the lesion has no volume that can be measured: a key of
        `NOT_MEASURABLE_REASONS`; empty where it has one. Outlines may be there, of what is seen.

    Raises
    ------
    TraceError
        ``invalid-contour``: an outline on a slice that the geometry does not have; ``side-mismatch``: another
        side; ``unreadable``: a reason that is not known.

    Examples
    --------
    >>> grid = vm.ScanGeometry(
    ...     rows=24,
    ...     columns=32,
    ...     pixel_spacing_mm=(0.5, 0.5),
    ...     row_direction=(1, 0, 0),
    ...     column_direction=(0, 1, 0),
    ...     slice_origins_mm=[(0, 0, 4.4 * k) for k in range(5)],
    ...     slice_thickness_mm=4.0,
    ... )
    >>> square = [(4, 4), (4, 12), (12, 12), (12, 4)]
    >>> outlines = tuple(vm.Contour(slice_index=k, vertices=square) for k in (1, 2, 3))
    >>> trace = vm.Trace(lesion="L1", side="L", contours=outlines, geometry=grid)
    >>> vm.measure_volume(trace, rule=vm.MeasurementRule(check_side=False)).volume_mm3
    192.0
    """

    lesion: str
    contours: tuple[Contour, ...]
    geometry: ScanGeometry
    side: str = ""
    source: ScanSource = field(default_factory=ScanSource)
    provenance: Provenance = field(default_factory=Provenance)
    flags: tuple[str, ...] = ()
    not_measurable: str = ""

    def __post_init__(self) -> None:
        if self.not_measurable and self.not_measurable not in NOT_MEASURABLE_REASONS:
            raise TraceError(
                "unreadable",
                "the reason why the lesion is not measurable is not known",
                values={"reason": self.not_measurable},
                todo=f"Use one of {', '.join(NOT_MEASURABLE_REASONS)}.",
            )
        if self.side not in ("", "L", "R"):
            raise TraceError(
                "side-mismatch", "a side is neither L nor R", values={"side": self.side}, todo="Write L or R."
            )
        contours = tuple(sorted(self.contours, key=lambda c: (c.slice_index, c.is_hole)))
        for contour in contours:
            if not 0 <= contour.slice_index < self.geometry.n_slices:
                raise TraceError(
                    "invalid-contour",
                    "an outline lies on a slice that the scan does not have",
                    values={"slice_index": contour.slice_index, "n_slices": self.geometry.n_slices},
                    todo="Open the trace with the scan it was drawn on.",
                )
        object.__setattr__(self, "contours", contours)
        object.__setattr__(self, "flags", tuple(sorted(set(self.flags))))

    def contours_on(self, slice_index: int) -> tuple[Contour, ...]:
        """Return the outlines and holes of one slice."""
        return tuple(c for c in self.contours if c.slice_index == slice_index)

    @property
    def slice_indices(self) -> tuple[int, ...]:
        """Slices with an outline, ascending."""
        return tuple(sorted({c.slice_index for c in self.contours}))

    def to_frame(self) -> pd.DataFrame:
        """Return a row per outline: ``slice_index, is_hole, n_vertices, area_mm2``."""
        import pandas as pd

        rows = [
            (c.slice_index, c.is_hole, len(c.vertices), c.area_pixels * self.geometry.pixel_area_mm2)
            for c in self.contours
        ]
        return pd.DataFrame(rows, columns=["slice_index", "is_hole", "n_vertices", "area_mm2"])

    def _facts(self) -> Facts:
        return (
            ("lesion", self.lesion),
            ("side", self.side),
            ("outlines", len(self.contours)),
            ("slices", len(self.slice_indices)),
            ("reader", self.provenance.reader),
            ("signed", self.provenance.signed_time),
            ("not_measurable", self.not_measurable),
            ("flags", self.flags),
        )

    def _picture(self) -> str:
        if not self.contours:
            return ""
        largest = max(self.contours, key=lambda c: c.area_pixels).slice_index
        return picture_of_rings(c.vertices for c in self.contours_on(largest))

    def cross_sections(
        self,
        *,
        self_intersections: SelfIntersections = "refuse",
        overlapping_outlines: OverlappingOutlines = "refuse",
    ) -> CrossSections:
        """Measure the area of every slice.

        Parameters
        ----------
        self_intersections : {"refuse", "resolve"}, optional
            What becomes of an outline that crosses itself with loops that matter; tiny ones are always
            resolved by even-odd and flagged (`volumetry.contours.loops.simple_contours`).
        overlapping_outlines : {"refuse", "even-odd", "union"}, optional
            What becomes of outlines that overlap and of which none is a hole
            (`volumetry.contours.overlaps.without_overlaps`).

        Raises
        ------
        TraceError
            ``self-intersection`` or ``ambiguous-overlap``
            (`volumetry.contours.slice_contours.check_slice_contours`).
        """
        on_slices: dict[int, list[Contour]] = {}
        for contour in self.contours:
            on_slices.setdefault(contour.slice_index, []).append(contour)
        flags = set(self.flags)
        sections = []
        for index in self.slice_indices:
            contours, found = simple_contours(on_slices[index], resolve=self_intersections == "resolve")
            contours, more = without_overlaps(contours, overlapping_outlines)
            flags |= found | more
            sections.append(_section(self.geometry, index, contours))
        geometry = self.geometry
        vertices = np.concatenate([c.vertices for c in self.contours]) if self.contours else np.ones((1, 2))
        return CrossSections(
            geometry=geometry,
            slice_indices=np.array(self.slice_indices, dtype=np.intp),
            areas_mm2=np.array([s[0] for s in sections]) * geometry.pixel_area_mm2,
            centroids_mm=np.array([s[1] for s in sections]).reshape(-1, 3),
            bounds_mm=np.array([s[2] for s in sections]).reshape(-1, 2, 3),
            second_moments_mm2=in_mm2(geometry, np.array([s[3] for s in sections])),
            touches_edge=bool(
                self.contours
                and (
                    (vertices < 0.5).any() or (vertices > (geometry.rows - 1.5, geometry.columns - 1.5)).any()
                )
            ),
            lesion=self.lesion,
            side=self.side,
            source=self.source,
            flags=tuple(sorted(flags)),
            not_measurable=self.not_measurable,
        )

    # -- the document -----------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return the trace as plain values, without its hash: what is hashed and written."""
        geometry = self.geometry
        added = {"not_measurable": self.not_measurable} if self.not_measurable else {}
        varying = _varying_thickness(geometry)
        return added | {
            "format": TRACE_FORMAT,
            "version": 3 if varying else 2 if added else 1,
            "lesion": self.lesion,
            "side": self.side,
            "geometry": {
                "rows": geometry.rows,
                "columns": geometry.columns,
                "pixel_spacing_mm": list(geometry.pixel_spacing_mm),
                "row_direction": geometry.row_direction.tolist(),
                "column_direction": geometry.column_direction.tolist(),
                "slice_origins_mm": geometry.slice_origins_mm.tolist(),
                "slice_thickness_mm": geometry.slice_thickness_mm,
                "frame_of_reference_uid": geometry.frame_of_reference_uid,
                **varying,
            },
            "source": self.source.document,
            "provenance": asdict(self.provenance),
            "flags": list(self.flags),
            "contours": [
                {"slice": c.slice_index, "hole": c.is_hole, "vertices": c.vertices.tolist()}
                for c in self.contours
            ],
        }

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON of `document`."""
        import hashlib

        return hashlib.sha256(canonical_json(self.document()).encode()).hexdigest()

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Trace:
        """Return the trace of a document as `document` made it; the keys must be exactly those.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where the document is not one; the reader of the file names them.
        """
        geometry = dict(document["geometry"])
        geometry["pixel_spacing_mm"] = tuple(geometry["pixel_spacing_mm"])
        return cls(
            lesion=str(document["lesion"]),
            side=str(document["side"]),
            geometry=ScanGeometry(**geometry),
            source=ScanSource.from_document(document["source"]),
            provenance=_plain_record(Provenance, document["provenance"]),
            flags=tuple(str(flag) for flag in document["flags"]),
            not_measurable=str(document.get("not_measurable", "")),
            contours=tuple(
                Contour(
                    slice_index=int(c["slice"]), is_hole=bool(c["hole"]), vertices=np.array(c["vertices"])
                )
                for c in document["contours"]
            ),
        )


def _varying_thickness(geometry: ScanGeometry) -> dict[str, Any]:
    """What only geometries whose slices differ in thickness add, so that all other traces keep their hash."""
    thicknesses = geometry.slice_thicknesses_mm
    return {} if thicknesses is None else {"slice_thicknesses_mm": thicknesses.tolist()}


def _plain_record(kind: Any, values: dict[str, Any]) -> Any:
    types = {f.name: int if f.type == "int" else str for f in fields(kind)}
    return kind(**{name: types[name](value) for name, value in values.items()})


def _section(
    geometry: ScanGeometry, slice_index: int, contours: tuple[Contour, ...]
) -> tuple[float, Any, Any, Any]:
    check_slice_contours(contours)
    area, centre, moments = slice_moments(contours)
    vertices = np.concatenate([c.vertices for c in contours])
    return (
        area,
        geometry.pixel_to_patient(slice_index, [centre])[0],
        section_bounds(geometry, slice_index, vertices),
        moments,
    )
