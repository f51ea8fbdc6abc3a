"""The live numbers of a lesion that is being traced, and its warnings in words.

They are those of `volumetry.measure_volume`, on sections of which only the changed ones are computed anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from volumetry.change import ChangeRule
from volumetry.codes import FLAGS
from volumetry.comparability import ComparabilityRule
from volumetry.error_model import ReadingError, VerdictRule
from volumetry.errors import GeometryError, VolumetryError
from volumetry.geometry import ScanGeometry
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.numbering import slice_names
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections
from volumetry.trace import NOT_MEASURABLE_REASONS
from volumetry.tracing.session.answer import (
    NOT_TRACED,
    VolumeAnswer,
    answer_of,
    refused,
    sentence,
    words_of,
)
from volumetry.tracing.session.change_readout import ReadoutChange, read_change
from volumetry.tracing.session.neighbours import Neighbours
from volumetry.tracing.session.records import TracedLesion
from volumetry.tracing.session.sections import Section, SectionCache
from volumetry.tracing.session.state import TracingState
from volumetry.volume import HeightRule, LesionVolume

Array = NDArray[np.float64]

WITHOUT_AREA = ("untraced-slice", "missing-slice")
"""Codes of objections that say that a slice within the lesion has no area."""


@dataclass(frozen=True, kw_only=True)
class ReadoutWarning:
    """One warning.

    Attributes
    ----------
    code : str
        A flag or an error code (`volumetry.FLAGS`, `volumetry.ERROR_CODES`), ``unconfirmed``, or
        ``lesions-overlap``.
    text : str
        In words, for the panel.
    slice_index : int or None
        The slice it is about.
    refuses : bool
        Whether `measure_volume` would refuse the lesion as it is.

    Examples
    --------
    >>> vt.ReadoutWarning(code="few-slices", text="three slices are traced").refuses
    False
    """

    code: str
    text: str
    slice_index: int | None = None
    refuses: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class LesionReadout:
    """The live numbers of a lesion.

    Attributes
    ----------
    lesion_id, lesion, side : str
    slice_index : int
        The slice that is looked at.
    slice_area_mm2 : float or None
        Its confirmed area, 0 where it is not traced; None where its outlines do not say one area.
    answer : VolumeAnswer
        The number, or the reason why there is none: as `volumetry measure` answers for the saved file.
    height_rule : {"thickness", "spacing"}
    slices_traced, slices_skipped, slices_unconfirmed : tuple of int
        With a confirmed area; without one between those; with proposed outlines.
    max_area_mm2 : float
        0 where `max_area_slice` is None.
    max_area_slice : int or None
        None where nothing is traced, or a slice within the lesion has no area: it could have the largest.
    area_by_slice_mm2 : (n_slices,) array
        Confirmed, for the bar chart.
    unconfirmed_area_by_slice_mm2 : (n_slices,) array
        Proposed.
        Both are 0 where the outlines of a slice do not say one area.
    slices_refused : tuple of int
        Slices whose outlines do not say one area: they cross, or overlap.
    warnings : tuple of ReadoutWarning
    change : ReadoutChange or None
        With a baseline.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
    >>> lesion = session.add_lesion("L1")
    >>> session.readout(3).slices_traced
    ()
    """

    lesion_id: str
    lesion: str
    side: str
    slice_index: int
    slice_area_mm2: float | None
    answer: VolumeAnswer
    height_rule: HeightRule
    slices_traced: tuple[int, ...]
    slices_skipped: tuple[int, ...]
    slices_unconfirmed: tuple[int, ...]
    max_area_mm2: float
    max_area_slice: int | None
    area_by_slice_mm2: Array
    unconfirmed_area_by_slice_mm2: Array
    warnings: tuple[ReadoutWarning, ...]
    slices_refused: tuple[int, ...] = ()
    change: ReadoutChange | None = None

    def on_slice(self, slice_index: int) -> LesionReadout:
        """Return the same numbers, looked at from another slice.

        Examples
        --------
        >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
        >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
        >>> lesion = session.add_lesion("L1")
        >>> session.readout(3).on_slice(5).slice_index
        5
        """
        area = _area_on(slice_index, self.area_by_slice_mm2, self.slices_refused)
        return replace(self, slice_index=slice_index, slice_area_mm2=area)

    @property
    def volume_cm3(self) -> float | None:
        """The primary volume; None where there is none (`answer.reason`)."""
        return self.answer.volume_cm3

    @property
    def volume_thickness_cm3(self) -> float | None:
        """Sum of area x slice thickness; None where there is no volume, or the thickness is unknown."""
        return self.answer.volume_thickness_cm3

    @property
    def volume_spacing_cm3(self) -> float | None:
        """Sum of area x slice spacing; None where there is no volume, or the spacing is unknown."""
        return self.answer.volume_spacing_cm3

    @property
    def code(self) -> str:
        """With what `volumetry measure` would refuse the saved trace; empty if with nothing."""
        return self.answer.code


def read_out(
    state: TracingState,
    lesion: TracedLesion,
    cache: SectionCache,
    neighbours: Neighbours,
    *,
    slice_index: int,
    rule: MeasurementRule,
    source: ScanSource | None = None,
    baseline: LesionVolume | None = None,
    readers: tuple[str, str] = ("", ""),
    change_rule: ChangeRule | None = None,
    comparability_rule: ComparabilityRule | None = None,
    reading_error: ReadingError | None = None,
    verdict_rule: VerdictRule | None = None,
) -> LesionReadout:
    """Return the live numbers of a lesion. See `TracingSession.readout`."""
    geometry = cache.geometry
    traced, proposed = cache.sections(state, lesion.id, rule)
    faults = {index: section.error for index, section in traced.items() if section.error is not None}
    sections = _cross_sections(geometry, source or ScanSource(), lesion, traced)
    volume, objections = _measured_volume(sections, rule)
    if lesion.is_judged:
        # There is no volume that the others could be about.
        objections = [objection for objection in objections if objection.refuses]
    warnings = [
        *(_warning(error, geometry.n_slices, index) for index, error in faults.items()),
        *_judgement(lesion),
        *objections,
        *([_unconfirmed(tuple(proposed), geometry.n_slices)] if proposed else []),
        *_shared(neighbours.shared_slices(state, lesion), lesion, geometry.n_slices),
    ]
    answer = _answer(volume, warnings, is_traced=bool(traced) or lesion.is_judged)
    sound = {index: section for index, section in traced.items() if index not in faults}
    by_slice = _by_slice(geometry, sound)
    # A slice without an area could have the largest.
    has_all = not faults and not any(w.code in WITHOUT_AREA for w in objections)
    largest = int(np.argmax(by_slice)) if sound and has_all else None
    change = None
    if baseline is not None:
        change = read_change(
            baseline,
            volume,
            answer,
            readers=readers,
            change_rule=change_rule or ChangeRule(),
            comparability_rule=comparability_rule,
            reading_error=reading_error,
            verdict_rule=verdict_rule,
        )
    return LesionReadout(
        lesion_id=lesion.id,
        lesion=lesion.name,
        side=lesion.side,
        slice_index=slice_index,
        slice_area_mm2=_area_on(slice_index, by_slice, faults),
        answer=answer,
        height_rule=volume.height_rule if volume else rule.height,
        slices_traced=tuple(traced),
        slices_skipped=sections.untraced_slices,
        slices_unconfirmed=tuple(proposed),
        slices_refused=tuple(faults),
        max_area_mm2=0.0 if largest is None else float(by_slice[largest]),
        max_area_slice=largest,
        area_by_slice_mm2=by_slice,
        unconfirmed_area_by_slice_mm2=_by_slice(
            geometry, {index: section for index, section in proposed.items() if section.error is None}
        ),
        warnings=tuple(warnings),
        change=change,
    )


def _answer(volume: LesionVolume | None, warnings: list[ReadoutWarning], *, is_traced: bool) -> VolumeAnswer:
    if not is_traced:
        return VolumeAnswer(status="not_traced", reason=NOT_TRACED)
    refusal = next((w for w in warnings if w.refuses), None)
    if refusal is not None:
        return refused(refusal.code, refusal.text)
    assert volume is not None  # without a volume there is an objection that refuses
    return answer_of(volume)


def _judgement(lesion: TracedLesion) -> list[ReadoutWarning]:
    """What the reader said of a lesion that keeps it from being measured."""
    if not lesion.not_measurable:
        return []
    text = f"Not measurable: {NOT_MEASURABLE_REASONS[lesion.not_measurable]}."
    return [ReadoutWarning(code="not-measurable", text=text, refuses=True)]


def _area_on(slice_index: int, by_slice: Array, faults: Collection[int]) -> float | None:
    if slice_index in faults:
        return None
    return float(by_slice[slice_index]) if 0 <= slice_index < len(by_slice) else 0.0


def _cross_sections(
    geometry: ScanGeometry, source: ScanSource, lesion: TracedLesion, traced: dict[int, Section]
) -> CrossSections:
    held = list(traced.values())
    return CrossSections(
        geometry=geometry,
        slice_indices=np.array(list(traced), dtype=np.intp),
        areas_mm2=np.array([s.area_mm2 for s in held]),
        centroids_mm=np.array([s.centroid_mm for s in held]).reshape(-1, 3),
        bounds_mm=np.array([s.bounds_mm for s in held]).reshape(-1, 2, 3),
        second_moments_mm2=np.array([s.second_moments_mm2 for s in held]).reshape(-1, 2, 2),
        touches_edge=any(s.touches_edge for s in held),
        lesion=lesion.name,
        side=lesion.side,
        source=source,
        flags=tuple(sorted(set[str]().union(*(section.flags for section in held)))),
    )


def _measured_volume(
    sections: CrossSections, rule: MeasurementRule
) -> tuple[LesionVolume | None, list[ReadoutWarning]]:
    """The volume as the rule says; where it refuses, as it would be without the objection, and a warning."""
    objections: list[ReadoutWarning] = []
    while True:
        try:
            volume = measure_volume(sections, rule=rule)
        except VolumetryError as error:
            objections.append(_warning(error, sections.geometry.n_slices))
            relaxed = _relaxed(rule, error)
            if relaxed is None:
                return None, objections
            rule = relaxed
            continue
        if volume.code:
            objections.append(ReadoutWarning(code=volume.code, text=sentence(volume.message), refuses=True))
        known = {objection.code for objection in objections}
        told = [flag for flag in volume.flags if flag not in known and not _is_told(flag, known)]
        return volume, objections + [ReadoutWarning(code=f, text=sentence(FLAGS[f])) for f in told]


def _relaxed(rule: MeasurementRule, error: VolumetryError) -> MeasurementRule | None:
    if error.code == "untraced-slice":
        return replace(rule, skipped_slices="absent")
    if error.code == "side-mismatch":
        return replace(rule, check_side=False)
    if error.code == "missing-slice" and isinstance(error, GeometryError):
        return replace(rule, interpolate_missing=True)
    return None


def _is_told(flag: str, codes: set[str]) -> bool:
    """Whether an objection already says what a flag says."""
    return (flag, True) in {
        ("skipped-slices", "untraced-slice" in codes),
        ("interpolated", "missing-slice" in codes),
    }


def _warning(error: VolumetryError, n_slices: int, slice_index: int | None = None) -> ReadoutWarning:
    text = words_of(error, n_slices)
    return ReadoutWarning(code=error.code, text=text, slice_index=slice_index, refuses=True)


def _unconfirmed(slices: tuple[int, ...], n_slices: int) -> ReadoutWarning:
    named = slice_names(slices, n_slices)
    return ReadoutWarning(
        code="unconfirmed", text=f"Proposed outlines are not counted until they are accepted ({named})."
    )


def _shared(
    shared: Mapping[str, tuple[int, ...]], lesion: TracedLesion, n_slices: int
) -> list[ReadoutWarning]:
    return [
        ReadoutWarning(
            code="lesions-overlap",
            text=f"{lesion.name} and {other} overlap ({slice_names(slices, n_slices)}): what both cover "
            "counts twice.",
            slice_index=slices[0],
        )
        for other, slices in shared.items()
    ]


def _by_slice(geometry: ScanGeometry, sections: dict[int, Section]) -> Array:
    areas = np.zeros(geometry.n_slices)
    for index, section in sections.items():
        areas[index] = section.area_mm2
    areas.flags.writeable = False
    return areas
