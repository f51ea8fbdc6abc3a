"""How a lesion is measured: slice areas times slice heights, by a rule.

`MeasurementRule` says which of the two volumes is the primary one, and what becomes of slices without an
outline, of images that are missing, and of outlines that cross or overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from volumetry.contours.loops import SelfIntersections
from volumetry.contours.overlaps import OverlappingOutlines
from volumetry.errors import GeometryError, MismatchError, TraceError, UsageError
from volumetry.geometry import BAD_THICKNESS, GAP, ScanGeometry, bad_thickness, single_slice
from volumetry.masks.mask import Mask
from volumetry.sections import CrossSections
from volumetry.slice_steps import slice_heights
from volumetry.volume import HeightRule, LesionVolume

if TYPE_CHECKING:
    from volumetry.trace import Trace

Array = NDArray[np.float64]
SkippedSlices = Literal["refuse", "absent", "bridge"]

FEW_SLICES = 4
MIDLINE_MM = 5.0
"""Within this distance of the patient's x = 0 a lesion may belong to either side."""


@dataclass(frozen=True, kw_only=True)
class MeasurementRule:
    """How areas become a volume.

    Attributes
    ----------
    height : {"thickness", "spacing"}
        Which of the two volumes is the primary one. With unknown thickness it is spacing, flagged.
    allow_overlap : bool
        Let the thickness rule be primary although slices overlap and are counted twice.
    skipped_slices : {"refuse", "absent", "bridge"}
        What a slice without outline between outlined ones means: an error; no lesion there; or heights
        that run between the traced slices.
    interpolate_missing : bool
        Measure across slices that are missing from the scan, by linear interpolation of the areas.
    check_side : bool
        Refuse a lesion that lies on the other side than its label says.
    self_intersections : {"refuse", "resolve"}
        What an outline that crosses itself means: no volume, or loops that count by even-odd.
    overlapping_outlines : {"refuse", "even-odd", "union"}
        What outlines that overlap mean, where none is said to be a hole: no volume; holes of each other; or
        one outline around all.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> rule = vm.MeasurementRule(height="spacing")
    >>> vm.measure_volume(trace, rule=rule).height_rule
    'spacing'
    """

    height: HeightRule = "thickness"
    allow_overlap: bool = False
    skipped_slices: SkippedSlices = "refuse"
    interpolate_missing: bool = False
    check_side: bool = True
    self_intersections: SelfIntersections = "refuse"
    overlapping_outlines: OverlappingOutlines = "refuse"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("height", self.height, get_args(HeightRule)),
            ("skipped_slices", self.skipped_slices, get_args(SkippedSlices)),
            ("self_intersections", self.self_intersections, get_args(SelfIntersections)),
            ("overlapping_outlines", self.overlapping_outlines, get_args(OverlappingOutlines)),
        ):
            if value not in allowed:
                raise UsageError(
                    "usage",
                    "unknown measurement rule",
                    values={name: value},
                    todo=f"Choose one of {', '.join(allowed)}.",
                )


def measure_volume(
    traced: Trace | Mask | CrossSections,
    *,
    label: int | str | None = None,
    rule: MeasurementRule | None = None,
) -> LesionVolume:
    """Measure the volume of one lesion.

    Parameters
    ----------
    traced : Trace, Mask or CrossSections
    label : int or str, optional
        Number or name of the label in a mask; needed where it holds several.
    rule : MeasurementRule, optional
        The published rule, area x slice thickness, by default.

    Returns
    -------
    LesionVolume
        With both volumes. A lesion without area is ``absent``, volume 0.

    Raises
    ------
    TraceError
        ``not-measurable``: the reader said so; ``untraced-slice``, ``self-intersection``,
        ``ambiguous-overlap``, ``no-such-label``...
    GeometryError
        ``missing-slice`` inside the lesion; ``single-slice`` where no height is known.
    MismatchError
        ``side-mismatch``.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> volume = vm.measure_volume(trace)
    >>> round(volume.volume_cm3, 2), volume.height_rule, volume.flags
    (11.18, 'thickness', ('slice-gap',))
    """
    rule = rule or MeasurementRule()
    sections = traced if isinstance(traced, CrossSections) else _sections(traced, label, rule)
    if sections.not_measurable:
        raise TraceError(
            "not-measurable",
            "the reader found the lesion not measurable",
            values={"reason": sections.not_measurable},
            todo="Count it as not measurable; it has no volume.",
        )
    flags = _checked_flags(sections, rule)
    if rule.check_side:
        _check_side(sections)
    by_spacing = _heights_by_spacing(sections, rule)
    by_thickness = _heights_by_thickness(sections, rule, by_spacing)
    height_rule = _height_rule(rule, flags, by_thickness, by_spacing)
    if by_thickness is None:
        flags.add("thickness-unknown")
    overlaps = "slices-overlap" in flags and height_rule == "thickness" and not rule.allow_overlap
    refused = overlaps and sections.n_slices > 0
    centroid, extent = _place(sections, by_thickness if by_spacing is None else by_spacing)
    return LesionVolume(
        slice_indices=sections.slice_indices,
        slice_positions_mm=sections.geometry.slice_positions_mm[sections.slice_indices],
        areas_mm2=sections.areas_mm2,
        irregularities=sections.irregularities,
        heights_thickness_mm=by_thickness,
        heights_spacing_mm=by_spacing,
        height_rule=height_rule,
        geometry=sections.geometry,
        centroid_mm=centroid,
        extent_mm=extent,
        lesion=sections.lesion,
        side=sections.side,
        label=sections.label,
        source=sections.source,
        flags=tuple(sorted(flags)),
        code="slices-overlap" if refused else "",
        message=_overlap_message(sections.geometry) if refused else "",
    )


def _sections(traced: Trace | Mask, label: int | str | None, rule: MeasurementRule) -> CrossSections:
    if isinstance(traced, Mask):
        return traced.cross_sections(label)
    return traced.cross_sections(
        self_intersections=rule.self_intersections, overlapping_outlines=rule.overlapping_outlines
    )


def _checked_flags(sections: CrossSections, rule: MeasurementRule) -> set[str]:
    """Return the flags of the sections; refuse slices without an outline or image, where the rule does."""
    flags = set(sections.flags) - {"missing-slice-outside"} | _geometry_flags(sections.geometry)
    if "sheared-grid" in flags:  # the file's own axes are oblique: no gantry was tilted
        flags.discard("sheared-stack")
    if sections.label is None:
        flags |= _check_skipped(sections, rule)
    flags |= _check_holes(sections, rule)
    return flags | _size_flags(sections)


def _geometry_flags(geometry: ScanGeometry) -> set[str]:
    flags = set()
    ratio = geometry.gap_ratio
    if ratio is not None and abs(ratio - 1) > GAP:
        flags.add("slice-gap" if ratio > 1 else "slices-overlap")
    if geometry.is_uneven:
        flags.add("nonuniform-spacing")
    if geometry.is_sheared_stack:
        flags.add("sheared-stack")
    if geometry.is_sheared_grid:
        flags.add("sheared-grid")
    return flags


def _size_flags(sections: CrossSections) -> set[str]:
    if not sections.n_slices:
        return set()
    flags = set()
    if sections.n_slices < FEW_SLICES:
        flags.add("few-slices")
    ends = {0, sections.geometry.n_slices - 1} if sections.ends_known else set()
    if sections.touches_edge or ends & set(sections.slice_indices.tolist()):
        flags.add("touches-edge")
    return flags


def _check_skipped(sections: CrossSections, rule: MeasurementRule) -> set[str]:
    skipped = sections.untraced_slices
    if not skipped:
        return set()
    if rule.skipped_slices == "refuse":
        raise TraceError(
            "untraced-slice",
            "slices between traced slices have no outline",
            values={"slice_index": " ".join(map(str, skipped))},
            todo="Trace them, or say what they mean: --skipped absent (no lesion there) or --skipped bridge.",
        )
    return {"skipped-slices"}


def _check_holes(sections: CrossSections, rule: MeasurementRule) -> set[str]:
    holes = sections.geometry.holes
    if not holes:
        return set()
    inside = _holes_inside(sections)
    if not inside:
        return {"missing-slice-outside"}
    if not rule.interpolate_missing:
        hole = inside[0]
        positions = sections.geometry.slice_positions_mm
        raise GeometryError(
            "missing-slice",
            "slices are missing from the scan inside the lesion",
            values={
                "between slice_index": (hole, hole + 1),
                "positions_mm": (float(positions[hole]), float(positions[hole + 1])),
                "regular step_mm": sections.geometry.regular_step_mm,
            },
            todo="Find the missing images, or measure across them with --interpolate-missing.",
        )
    return {"interpolated"} | ({"missing-slice-outside"} if len(inside) < len(holes) else set())


def _holes_inside(sections: CrossSections) -> list[int]:
    if not sections.n_slices:
        return []
    first, last = int(sections.slice_indices[0]), int(sections.slice_indices[-1])
    return [hole for hole in sections.geometry.holes if first <= hole < last]


def _check_side(sections: CrossSections) -> None:
    """Left and right in patient coordinates: LPS x grows towards the patient's left."""
    if not sections.side or not sections.n_slices or "orientation-unknown" in sections.flags:
        return
    total = float(sections.areas_mm2.sum())
    if total <= 0:
        return  # nothing that has an area lies on a side
    x = float(sections.areas_mm2 @ sections.centroids_mm[:, 0] / total)
    found = "L" if x > 0 else "R"
    if found != sections.side and abs(x) > MIDLINE_MM:
        raise MismatchError(
            "side-mismatch",
            "the lesion lies on the other side than its label says",
            values={"label": sections.side, "found": found, "centroid x_mm": x},
            todo="Correct the label, or the orientation of the images.",
        )


def _height_rule(
    rule: MeasurementRule, flags: set[str], by_thickness: Array | None, by_spacing: Array | None
) -> HeightRule:
    """Return the rule of the primary volume: the one asked for; spacing where no thickness is known."""
    if by_thickness is None and rule.height == "thickness" and BAD_THICKNESS in flags:
        raise bad_thickness()
    if by_spacing is None and (by_thickness is None or rule.height == "spacing"):
        raise single_slice()
    return "spacing" if by_thickness is None else rule.height


def _heights_by_spacing(sections: CrossSections, rule: MeasurementRule) -> Array | None:
    """Half the way to each neighbour, for the slices that hold the lesion."""
    geometry = sections.geometry
    if geometry.n_slices < 2:
        return None
    if sections.label is None and rule.skipped_slices == "bridge" and sections.untraced_slices:
        return slice_heights(np.diff(geometry.slice_positions_mm[sections.slice_indices]))
    across = rule.interpolate_missing and bool(_holes_inside(sections))
    return geometry.slice_heights_mm(across_holes=across)[sections.slice_indices]


def _heights_by_thickness(
    sections: CrossSections, rule: MeasurementRule, by_spacing: Array | None
) -> Array | None:
    """Return the declared thickness for every traced slice.

    Where slices are bridged or interpolated, a traced slice stands for its share of the others too.
    """
    geometry = sections.geometry
    thickness: float | Array | None = geometry.slice_thickness_mm
    if geometry.slice_thicknesses_mm is not None:
        thickness = geometry.slice_thicknesses_mm[sections.slice_indices]
    if thickness is None:
        return None
    bridged = sections.label is None and rule.skipped_slices == "bridge" and bool(sections.untraced_slices)
    interpolated = rule.interpolate_missing and bool(_holes_inside(sections))
    if (bridged or interpolated) and by_spacing is not None and geometry.regular_step_mm is not None:
        return np.asarray(by_spacing * (thickness / geometry.regular_step_mm))
    return np.full(sections.n_slices, thickness)


def _place(sections: CrossSections, heights_mm: Array | None) -> tuple[Array | None, Array | None]:
    """Centroid, and size along x, y and z of the box around the slabs."""
    if not sections.n_slices or heights_mm is None:
        return None, None
    weights = sections.areas_mm2 * heights_mm
    total = float(weights.sum())
    centroids = sections.centroids_mm
    centroid = weights @ centroids / total if total > 0 else centroids.mean(axis=0)
    half = np.abs((heights_mm / 2)[:, np.newaxis] * sections.geometry.normal)
    low = (sections.bounds_mm[:, 0] - half).min(axis=0)
    high = (sections.bounds_mm[:, 1] + half).max(axis=0)
    return np.asarray(centroid), np.asarray(high - low)


def _overlap_message(geometry: ScanGeometry) -> str:
    return str(
        GeometryError(
            "slices-overlap",
            "slices overlap, so area x thickness counts tissue twice",
            values={"thickness_mm": geometry.slice_thickness_mm, "step_mm": geometry.regular_step_mm},
            todo="Use the spacing rule (--height spacing), or allow_overlap in the protocol.",
        ).message
    )
