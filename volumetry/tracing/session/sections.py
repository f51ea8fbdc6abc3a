"""The section of a lesion on every slice, measured once and again only where it changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volumetry.contour import Contour, check_slice_contours, slice_area_pixels
from volumetry.errors import TraceError
from volumetry.geometry import ScanGeometry
from volumetry.sections import section_bounds
from volumetry.tracing.session.records import PaintedSlice, TracedContour
from volumetry.tracing.session.state import TracingState

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """What one slice adds to the cross-sections, and what is wrong with it."""

    area_mm2: float
    centroid_mm: Array
    bounds_mm: Array
    touches_edge: bool
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

    def sections(self, state: TracingState, lesion_id: str) -> tuple[dict[int, Section], dict[int, Section]]:
        """Return the confirmed and the proposed sections of a lesion by slice, ascending."""
        places = {place for place in state.contours_by_slice if place[0] == lesion_id}
        places.update(place for place in state.painted if place[0] == lesion_id)
        confirmed: dict[int, Section] = {}
        proposed: dict[int, Section] = {}
        for place in sorted(places):
            found = self._slice(state, place)
            if found.confirmed is not None:
                confirmed[place[1]] = found.confirmed
            if found.proposed is not None:
                proposed[place[1]] = found.proposed
        return confirmed, proposed

    def _slice(self, state: TracingState, place: tuple[str, int]) -> _Slice:
        contours, painted = state.contours_by_slice.get(place, ()), state.painted.get(place)
        held = self._held.get(place)
        # States share what did not change: the same objects are the same slice.
        if held is None or held.contours is not contours or held.painted is not painted:
            held = self._held[place] = _measured_slice(self.geometry, place[1], contours, painted)
        return held


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slice:
    contours: tuple[TracedContour, ...]
    painted: PaintedSlice | None
    confirmed: Section | None
    proposed: Section | None


def _measured_slice(
    geometry: ScanGeometry, index: int, contours: tuple[TracedContour, ...], painted: PaintedSlice | None
) -> _Slice:
    by_status: dict[str, Section | None] = {}
    for status in ("confirmed", "proposed"):
        wanted = [c.contour for c in contours if c.status == status]
        by_status[status] = _outlined_section(geometry, index, wanted) if wanted else None
    if painted is not None:
        by_status["confirmed"] = _painted_section(geometry, painted)
    return _Slice(contours=contours, painted=painted, **by_status)


def _outlined_section(geometry: ScanGeometry, index: int, contours: list[Contour]) -> Section:
    error = None
    try:
        check_slice_contours(contours)
    except TraceError as found:
        error = found
    area, centre = _area_and_centre(contours)
    vertices = np.concatenate([c.vertices for c in contours])
    last = (geometry.rows - 1.5, geometry.columns - 1.5)
    return Section(
        area_mm2=area * geometry.pixel_area_mm2,
        centroid_mm=geometry.pixel_to_patient(index, [centre])[0],
        bounds_mm=section_bounds(geometry, index, vertices),
        touches_edge=bool((vertices < 0.5).any() or (vertices > last).any()),
        error=error,
    )


def _area_and_centre(contours: list[Contour]) -> tuple[float, Array]:
    area = slice_area_pixels(contours)
    weights = np.array([-c.area_pixels if c.is_hole else c.area_pixels for c in contours])
    centres = np.array([c.centroid for c in contours])
    return area, np.asarray(weights @ centres / area if area > 0 else centres.mean(axis=0))


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
        touches_edge=bool((corners < 0.5).any() or (corners > last).any()),
    )
