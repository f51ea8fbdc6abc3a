"""The section of a lesion on every slice, measured once and again only where it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.contour import Contour
from volumetry.contours.loops import SelfIntersections, simple_contours
from volumetry.contours.overlaps import OverlappingOutlines, without_overlaps
from volumetry.contours.slice_contours import check_slice_contours, slice_moments
from volumetry.errors import TraceError
from volumetry.geometry import ScanGeometry
from volumetry.measurement import MeasurementRule
from volumetry.sections import in_mm2, runs_second_moments, section_bounds
from volumetry.tracing.session.records import PaintedSlice, TracedContour
from volumetry.tracing.session.state import TracingState

Array = NDArray[np.float64]
Ways = tuple[SelfIntersections, OverlappingOutlines]
"""What becomes of outlines that cross themselves, and of those that overlap."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """What one slice adds to the cross-sections, what to know of it, and what is wrong with it."""

    area_mm2: float
    centroid_mm: Array
    bounds_mm: Array
    second_moments_mm2: Array
    touches_edge: bool
    flags: frozenset[str] = frozenset()
    error: TraceError | None = None


class SectionCache:
    """The sections of slices that have not changed since they were measured.

    Parameters
    ----------
    geometry : ScanGeometry
    """

    def __init__(self, geometry: ScanGeometry) -> None:
        self.geometry = geometry
        self._held: dict[tuple[str, int], _Slice] = {}

    def sections(
        self, state: TracingState, lesion_id: str, rule: MeasurementRule
    ) -> tuple[dict[int, Section], dict[int, Section]]:
        """Return the confirmed and the proposed sections of a lesion by slice, ascending.

        Outlines that cross themselves, or overlap, are dealt with as the rule says: as in a saved file.
        """
        places = {place for place in state.contours_by_slice if place[0] == lesion_id}
        places.update(place for place in state.painted if place[0] == lesion_id)
        confirmed: dict[int, Section] = {}
        proposed: dict[int, Section] = {}
        for place in sorted(places):
            found = self._slice(state, place, rule)
            if found.confirmed is not None:
                confirmed[place[1]] = found.confirmed
            if found.proposed is not None:
                proposed[place[1]] = found.proposed
        return confirmed, proposed

    def _slice(self, state: TracingState, place: tuple[str, int], rule: MeasurementRule) -> _Slice:
        ways = (rule.self_intersections, rule.overlapping_outlines)
        contours, painted = state.contours_by_slice.get(place, ()), state.painted.get(place)
        held = self._held.get(place)
        # States share what did not change: the same objects are the same slice.
        is_same = held is not None and held.contours is contours and held.painted is painted
        if held is None or not is_same or held.ways != ways:
            held = self._held[place] = _measured_slice(self.geometry, place[1], contours, painted, ways)
        return held


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slice:
    contours: tuple[TracedContour, ...]
    painted: PaintedSlice | None
    ways: Ways
    confirmed: Section | None
    proposed: Section | None


def _measured_slice(
    geometry: ScanGeometry,
    index: int,
    contours: tuple[TracedContour, ...],
    painted: PaintedSlice | None,
    ways: Ways,
) -> _Slice:
    by_status: dict[str, Section | None] = {}
    for status in ("confirmed", "proposed"):
        wanted = [c.contour for c in contours if c.status == status]
        by_status[status] = _outlined_section(geometry, index, wanted, ways) if wanted else None
    if painted is not None:
        by_status["confirmed"] = _painted_section(geometry, painted)
    return _Slice(contours=contours, painted=painted, ways=ways, **by_status)


def _outlined_section(geometry: ScanGeometry, index: int, contours: Sequence[Contour], ways: Ways) -> Section:
    error, flags = None, set[str]()
    try:
        simple, flags = simple_contours(contours, resolve=ways[0] == "resolve")
        simple, more = without_overlaps(simple, ways[1])
        check_slice_contours(simple)
        contours, flags = simple, flags | more
    except TraceError as found:
        error = found
    area, centre, moments = slice_moments(contours)
    vertices = np.concatenate([c.vertices for c in contours])
    last = (geometry.rows - 1.5, geometry.columns - 1.5)
    return Section(
        area_mm2=area * geometry.pixel_area_mm2,
        centroid_mm=geometry.pixel_to_patient(index, [centre])[0],
        bounds_mm=section_bounds(geometry, index, vertices),
        second_moments_mm2=in_mm2(geometry, moments)[0],
        touches_edge=bool((vertices < 0.5).any() or (vertices > last).any()),
        flags=frozenset(flags),
        error=error,
    )


def _painted_section(geometry: ScanGeometry, painted: PaintedSlice) -> Section:
    rows, first, stop = painted.runs.astype(np.float64).T
    lengths = stop - first
    centre = (float(rows @ lengths), float(((first + stop - 1) / 2) @ lengths))
    corners = np.concatenate(
        [np.column_stack((rows + half, edge)) for half in (-0.5, 0.5) for edge in (first - 0.5, stop - 0.5)]
    )
    last = (geometry.rows - 1.5, geometry.columns - 1.5)
    return Section(
        area_mm2=painted.n_pixels * geometry.pixel_area_mm2,
        centroid_mm=geometry.pixel_to_patient(painted.slice_index, [np.array(centre) / painted.n_pixels])[0],
        bounds_mm=section_bounds(geometry, painted.slice_index, corners),
        second_moments_mm2=in_mm2(geometry, runs_second_moments(rows, first, stop - 1, [0]))[0],
        touches_edge=bool((corners < 0.5).any() or (corners > last).any()),
    )
