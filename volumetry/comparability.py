"""Whether two visits may be compared, and what their differences may explain of a change.

Every difference that can move a volume without any change of the lesion has a code in `RESERVATIONS`. A
`ComparabilityRule` says which codes forbid the comparison and which are ignored; the others are reservations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal

from volumetry.errors import UsageError

Comparable = Literal["yes", "with_reservations", "no", "unknown"]
Normal = tuple[float, float, float]

RESERVATIONS = MappingProxyType(
    {
        "side-differs": "the visits name different sides",
        "modality-differs": "the visits were made by different modalities",
        "height-rule-differs": "the volumes were made by different height rules",
        "gap-changed": "slice spacing over slice thickness changed under the thickness rule",
        "thickness-changed": "the slice thickness changed",
        "spacing-changed": "the slice spacing changed",
        "pixel-spacing-changed": "the pixel spacing changed",
        "matrix-changed": "the number of rows or columns changed",
        "plane-differs": "the planes of the slices are different ones (coronal, axial, sagittal)",
        "plane-tilted": "the planes of the slices are tilted against each other",
        "coverage-incomplete": "a lesion reaches the edge of its images or the first or last slice",
        "weighting-differs": "the images are weighted differently",
        "repetition-time-changed": "the repetition time changed",
        "echo-time-changed": "the echo time changed",
        "inversion-time-changed": "the inversion time changed",
        "field-strength-changed": "the magnetic field strength changed",
        "contrast-differs": "one visit was made with contrast agent and the other without",
        "fat-suppression-differs": "one visit was made with fat suppression and the other without",
        "reader-differs": "the visits were read by different readers",
        "acquisition-unknown": "a file does not say how it was acquired, or one visit alone says that "
        "contrast agent or fat suppression was used",
    }
)
"""Every code of a difference between two visits, with its meaning."""

REFUSED_BY_DEFAULT = frozenset(
    {
        "side-differs",
        "modality-differs",
        "height-rule-differs",
        "gap-changed",
        "plane-differs",
        "weighting-differs",
    }
)


@dataclass(frozen=True, kw_only=True)
class ComparabilityRule:
    """What forbids a comparison, what is ignored, and how large a difference counts.

    Attributes
    ----------
    refuse : frozenset of str
        Codes of `RESERVATIONS` that forbid a comparison.
    ignore : frozenset of str
        Codes that are not looked at.
    geometry_tolerance : float
        Relative difference of thickness, spacing and pixel spacing up to which they are the same.
    time_tolerance : float
        The same for repetition, echo and inversion time.
    tilt_tolerance_degrees : float
        Angle between the slice normals up to which planes are parallel.

    Examples
    --------
    >>> from volumetry.comparability import ComparabilityRule
    >>> ComparabilityRule(ignore=frozenset({"reader-differs"})).ignore
    frozenset({'reader-differs'})
    """

    refuse: frozenset[str] = REFUSED_BY_DEFAULT
    ignore: frozenset[str] = frozenset()
    geometry_tolerance: float = 0.01
    time_tolerance: float = 0.1
    tilt_tolerance_degrees: float = 3.0

    def __post_init__(self) -> None:
        unknown = sorted((self.refuse | self.ignore) - set(RESERVATIONS))
        if unknown:
            raise UsageError(
                "usage",
                "an unknown code of a difference between visits",
                values={"code": unknown[0]},
                todo=f"Choose from {', '.join(RESERVATIONS)}.",
            )


@dataclass(frozen=True, kw_only=True)
class VisitFacts:
    """What a comparison needs to know of a visit. None or an empty text: not known.

    Attributes
    ----------
    side, reader, modality, height_rule : str
    slice_thickness_mm, slice_spacing_mm : float or None
    pixel_spacing_mm : (2,) tuple of float or None
        Between rows, between columns.
    rows, columns : int or None
    slice_normal : (3,) tuple of float or None
        In patient coordinates (LPS); its sign does not matter.
    lesion_cut_off : bool
        The lesion reaches the edge of its images.
    plane, weighting : str
        ``coronal``, ``axial``, ``sagittal``, ``oblique``; ``T1``, ``T2``...
    repetition_time_ms, echo_time_ms, inversion_time_ms, field_strength_t : float or None
    contrast, fat_suppression : str
        ``yes`` or ``no``.

    Examples
    --------
    >>> vm.VisitFacts(modality="MR", slice_thickness_mm=4.0, slice_spacing_mm=4.4).slice_spacing_mm
    4.4
    """

    side: str = ""
    reader: str = ""
    modality: str = ""
    height_rule: str = ""
    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    rows: int | None = None
    columns: int | None = None
    slice_normal: Normal | None = None
    lesion_cut_off: bool = False
    plane: str = ""
    weighting: str = ""
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    field_strength_t: float | None = None
    contrast: str = ""
    fat_suppression: str = ""

    @property
    def gap_ratio(self) -> float | None:
        """Slice spacing over slice thickness."""
        if not self.slice_thickness_mm or not self.slice_spacing_mm:
            return None
        return self.slice_spacing_mm / self.slice_thickness_mm


@dataclass(frozen=True, kw_only=True)
class Comparability:
    """Whether two visits may be compared.

    Attributes
    ----------
    comparable : {"yes", "with_reservations", "no", "unknown"}
        ``unknown`` where nothing differs as far as is known, and a file does not say how it was acquired.
    reservations : tuple of str
        Codes of `RESERVATIONS`, in its order.
    explained_percent : dict of str to float
        By code, the change in percent that the difference would make of a lesion that did not change; only
        where it can be computed.

    Examples
    --------
    >>> first = vm.VisitFacts(slice_thickness_mm=4.0, slice_spacing_mm=4.0)
    >>> second = vm.VisitFacts(slice_thickness_mm=4.0, slice_spacing_mm=4.4)
    >>> vm.compare_visits(first, second).reservations
    ('spacing-changed', 'acquisition-unknown')
    """

    comparable: Comparable
    reservations: tuple[str, ...] = ()
    explained_percent: dict[str, float] = field(default_factory=dict)


def compare_visits(
    baseline: VisitFacts, followup: VisitFacts, rule: ComparabilityRule | None = None
) -> Comparability:
    """Compare how two visits were scanned and read.

    Parameters
    ----------
    baseline, followup : VisitFacts
    rule : ComparabilityRule, optional

    Returns
    -------
    Comparability

    Examples
    --------
    >>> first = VisitFacts(weighting="T1", plane="coronal", slice_thickness_mm=4.0, slice_spacing_mm=4.4,
    ...                    height_rule="thickness")
    >>> second = VisitFacts(weighting="T1", plane="coronal", slice_thickness_mm=4.0, slice_spacing_mm=5.0,
    ...                     height_rule="thickness")
    >>> found = compare_visits(first, second)
    >>> found.comparable, found.reservations, round(found.explained_percent["gap-changed"], 6)
    ('no', ('gap-changed', 'spacing-changed'), -12.0)
    """
    rule = rule or ComparabilityRule()
    found = {*_of_reading(baseline, followup), *_of_geometry(baseline, followup, rule)}
    found |= {*_of_acquisition(baseline, followup, rule)}
    codes = tuple(code for code in RESERVATIONS if code in found - rule.ignore)
    explained = {}
    if "gap-changed" in codes:
        explained["gap-changed"] = explained_by_gap(baseline, followup)
    return Comparability(comparable=_answer(codes, rule), reservations=codes, explained_percent=explained)


def _answer(codes: tuple[str, ...], rule: ComparabilityRule) -> Comparable:
    if any(code in rule.refuse for code in codes):
        return "no"
    if not codes:
        return "yes"
    return "unknown" if set(codes) == {"acquisition-unknown"} else "with_reservations"


def explained_by_gap(baseline: VisitFacts, followup: VisitFacts) -> float:
    """Return the change in percent that a changed gap makes of an unchanged lesion by the thickness rule.

    By area x thickness a lesion of volume V measures V / g, with g = spacing over thickness. An unchanged
    lesion therefore changes by ``100 (g_1 / g_2 - 1)``.

    Raises
    ------
    UsageError
        ``usage``: thickness or spacing of a visit is not known.

    Examples
    --------
    >>> from volumetry.comparability import explained_by_gap
    >>> first = vm.VisitFacts(slice_thickness_mm=4.0, slice_spacing_mm=4.0, height_rule="thickness")
    >>> second = vm.VisitFacts(slice_thickness_mm=4.0, slice_spacing_mm=4.4, height_rule="thickness")
    >>> round(explained_by_gap(first, second), 2)
    -9.09
    """
    first, second = baseline.gap_ratio, followup.gap_ratio
    if first is None or second is None:
        raise UsageError(
            "usage",
            "thickness or spacing of a visit is not known",
            todo="Give both for both visits.",
        )
    return 100 * (first / second - 1)


def tilt_degrees(first: Normal, second: Normal) -> float:
    """Return the angle between two planes from their normals, 0 to 90 degrees.

    Examples
    --------
    >>> from volumetry.comparability import tilt_degrees
    >>> round(tilt_degrees((0, 0, 1), (0, 1, 1)), 6)
    45.0
    """
    lengths = math.hypot(*first) * math.hypot(*second)
    cosine = abs(sum(a * b for a, b in zip(first, second, strict=True))) / lengths
    return math.degrees(math.acos(min(1.0, cosine)))


def _of_reading(one: VisitFacts, other: VisitFacts) -> Iterable[str]:
    if _both_differ(one.side, other.side):
        yield "side-differs"
    if _both_differ(one.reader, other.reader):
        yield "reader-differs"
    if _both_differ(one.height_rule, other.height_rule):
        yield "height-rule-differs"
    if one.lesion_cut_off or other.lesion_cut_off:
        yield "coverage-incomplete"


def _of_geometry(one: VisitFacts, other: VisitFacts, rule: ComparabilityRule) -> Iterable[str]:
    tolerance = rule.geometry_tolerance
    if _numbers_differ(one.slice_thickness_mm, other.slice_thickness_mm, tolerance):
        yield "thickness-changed"
    if _numbers_differ(one.slice_spacing_mm, other.slice_spacing_mm, tolerance):
        yield "spacing-changed"
    if one.height_rule == other.height_rule == "thickness" and _numbers_differ(
        one.gap_ratio, other.gap_ratio, tolerance
    ):
        yield "gap-changed"
    if one.pixel_spacing_mm is not None and other.pixel_spacing_mm is not None:
        pairs = zip(one.pixel_spacing_mm, other.pixel_spacing_mm, strict=True)
        if any(_numbers_differ(a, b, tolerance) for a, b in pairs):
            yield "pixel-spacing-changed"
    if _numbers_differ(one.rows, other.rows, 0.0) or _numbers_differ(one.columns, other.columns, 0.0):
        yield "matrix-changed"
    if _both_differ(one.plane, other.plane) and "oblique" not in (one.plane, other.plane):
        yield "plane-differs"
    elif one.slice_normal is not None and other.slice_normal is not None:
        angle = tilt_degrees(one.slice_normal, other.slice_normal)
        if angle > 45:
            yield "plane-differs"
        elif angle > rule.tilt_tolerance_degrees:
            yield "plane-tilted"


def _of_acquisition(one: VisitFacts, other: VisitFacts, rule: ComparabilityRule) -> Iterable[str]:
    by_modality = _both_differ(one.modality, other.modality)
    if by_modality:
        yield "modality-differs"
    # The weighting of a CT is its modality: against an MR that is one difference, named once.
    if _both_differ(one.weighting, other.weighting) and not (
        by_modality and "CT" in (one.weighting, other.weighting)
    ):
        yield "weighting-differs"
    for code, name, tolerance in (
        ("repetition-time-changed", "repetition_time_ms", rule.time_tolerance),
        ("echo-time-changed", "echo_time_ms", rule.time_tolerance),
        ("inversion-time-changed", "inversion_time_ms", rule.time_tolerance),
        ("field-strength-changed", "field_strength_t", 0.1),
    ):
        if _numbers_differ(getattr(one, name), getattr(other, name), tolerance):
            yield code
    if _both_differ(one.contrast, other.contrast):
        yield "contrast-differs"
    if _both_differ(one.fat_suppression, other.fat_suppression):
        yield "fat-suppression-differs"
    said = ((one.contrast, other.contrast), (one.fat_suppression, other.fat_suppression))
    # DICOM's contrast module is absent where none was given, but also where it was removed.
    by_one_alone = any(set(pair) == {"yes", ""} for pair in said)
    if by_one_alone or not _acquisition_known(one) or not _acquisition_known(other):
        yield "acquisition-unknown"


def _acquisition_known(facts: VisitFacts) -> bool:
    """A CT says enough by its modality; an MR has to say how it is weighted."""
    return bool(facts.weighting) or facts.modality == "CT"


def _both_differ(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other


def _numbers_differ(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return False
    return abs(one - other) > tolerance * max(abs(one), abs(other)) * (1 + 1e-9)


FACT_NAMES = tuple(f.name for f in fields(VisitFacts))

__all__ = [
    "FACT_NAMES",
    "REFUSED_BY_DEFAULT",
    "RESERVATIONS",
    "Comparability",
    "ComparabilityRule",
    "Comparable",
    "VisitFacts",
    "compare_visits",
    "explained_by_gap",
    "tilt_degrees",
]
