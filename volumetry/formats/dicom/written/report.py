"""Measured lesions as a structured report: TID 1500, two volumes a lesion, each with its method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from volumetry.formats.dicom.written.lesions import (
    ABNORMAL_STRUCTURE,
    FINDINGS,
    REGIONS,
    SIDES,
    ExportedLesion,
    SourceImages,
    code,
    key_of,
    person_name,
    text_of,
    uid_of,
)
from volumetry.formats.dicom.written.segmentation import highdicom

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Method = Literal["outlines", "voxels"]

OWN_SCHEME = "99VOLUMETRY"
"""Scheme of the codes that no standard has; their meaning says what they are."""

# The standard's meaning of 122503 is longer than the 64 characters that a code meaning may have.
_METHODS = {
    "outlines": ("122503", "DCM", "Integration of sum of closed areas on contiguous slices"),
    "voxels": ("126030", "DCM", "Sum of segmented voxel volumes"),
}
_CHANGES = {
    "increase": ("15454001", "SCT", "Increase in size"),
    "decrease": ("19776001", "SCT", "Decrease in size"),
    "no_change": ("129723006", "SCT", "No significant changes in the finding"),
}
_TIME_POINTS = {
    "baseline": ("121079", "DCM", "Baseline"),
    "followup": ("126074", "DCM", "Posttreatment"),
}
_VOLUME = ("118565006", "SCT", "Volume")
_AREA = ("42798000", "SCT", "Area")


@dataclass(frozen=True, kw_only=True)
class MeasuredLesion:
    """The numbers of one lesion, as `measurements.csv` and `changes.csv` give them.

    Attributes
    ----------
    lesion : ExportedLesion
    segment_number : int
        Of the segmentation that the report refers to.
    volume_thickness_mm3, volume_spacing_mm3 : float or None
        By area x slice thickness, and by area x slice spacing.
    max_area_mm2 : float or None
    method : {"outlines", "voxels"}
        Whether outlines or voxels were measured.
    height_rule : str
        Which of the two volumes is the primary one: ``thickness`` or ``spacing``.
    visit : str
        Name of the visit.
    time_point : {"baseline", "followup", ""}
    visit_order : int or None
    change_category : str
        ``increase``, ``decrease``, ``no_change``; others are written by their own name.
    change_percent : float or None
    comparable : str
        ``yes``, ``with_reservations``, ``no``, ``unknown`` or empty.
    reservations : tuple of str
    """

    lesion: ExportedLesion
    segment_number: int
    volume_thickness_mm3: float | None
    volume_spacing_mm3: float | None
    max_area_mm2: float | None = None
    method: Method = "outlines"
    height_rule: str = ""
    visit: str = ""
    time_point: Literal["baseline", "followup", ""] = ""
    visit_order: int | None = None
    change_category: str = ""
    change_percent: float | None = None
    comparable: str = ""
    reservations: tuple[str, ...] = field(default=())


def _numbers(one: MeasuredLesion) -> str:
    """What the report says of a lesion, as text: another content is another object."""
    return repr([getattr(one, item.name) for item in fields(one) if item.name != "lesion"])


def measurement_report(
    measured: Sequence[MeasuredLesion], images: SourceImages, segments: Dataset
) -> Dataset:
    """Return the report of measured lesions; it refers to their segmentation.

    Parameters
    ----------
    measured : sequence of MeasuredLesion
    images : SourceImages
    segments : pydicom Dataset
        The segmentation, from `segmentation`. It keeps the pixels; the report keeps the volume of the
        outlines, which pixels cannot keep.

    Returns
    -------
    pydicom Dataset
        A Comprehensive 3D SR (PS3.3, A.35.13) by TID 1500.
    """
    hd = highdicom()
    report = partial(
        hd.sr.MeasurementReport,
        observation_context=_observers(hd, measured),
        procedure_reported=code(("363679005", "SCT", "Imaging procedure")),
        imaging_measurements=[_group(hd, one, segments) for one in measured],
        title=code(("126000", "DCM", "Imaging Measurement Report")),
    )
    try:
        content = report(referenced_images=images.datasets)
    except _UNDESCRIBED:
        content = report(referenced_images=_described(hd, images) or None)
    key = key_of([one.lesion for one in measured], images)
    written = hd.sr.Comprehensive3DSR(
        evidence=[*images.datasets, segments],
        content=content[0],
        series_instance_uid=uid_of("sr-series", *key),
        series_number=902,
        sop_instance_uid=uid_of("sr", *key, *map(_numbers, measured)),
        instance_number=1,
        manufacturer="volumetry",
        is_complete=True,
    )
    written.SeriesDescription = "Lesion volumes"
    return written  # type: ignore[no-any-return]


_UNDESCRIBED = (AttributeError, ValueError, TypeError, IndexError)
"""What the library raises for an image that does not say all that it is described by."""


def _described(hd: Any, images: SourceImages) -> list[Dataset]:
    """Return the images for the library of the report: those that say all that it describes them by.

    Enhanced images do not, and neither do those without a slice thickness; the evidence names all images.
    """
    found = []
    for image in images.datasets:
        try:
            hd.sr.ImageLibraryEntryDescriptors(image)
        except _UNDESCRIBED:
            continue
        found.append(image)
    return found


def _observers(hd: Any, measured: Sequence[MeasuredLesion]) -> Any:
    reader = next((one.lesion.reader for one in measured if one.lesion.reader), "")
    person = None
    if reader:
        person = hd.sr.ObserverContext(
            observer_type=hd.sr.CodedConcept("121006", "DCM", "Person"),
            observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
                name=person_name(reader)
            ),
        )
    device = hd.sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=uid_of("device", "volumetry"), name="volumetry", model_name="volumetry"
        ),
    )
    return hd.sr.ObservationContext(observer_person_context=person, observer_device_context=device)


def _group(hd: Any, one: MeasuredLesion, segments: Dataset) -> Any:
    lesion = one.lesion
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=lesion.tracking_uid, identifier=lesion.tracking_identifier
        ),
        referenced_segment=_segment(hd, one, segments),
        time_point_context=_time_point(hd, one),
        finding_category=code(ABNORMAL_STRUCTURE),
        finding_type=code(FINDINGS[lesion.finding]),
        finding_sites=_sites(hd, lesion),
        measurements=_measurements(hd, one),
        qualitative_evaluations=_evaluations(hd, one),
    )


def _segment(hd: Any, one: MeasuredLesion, segments: Dataset) -> Any:
    """Refer to the segment and its series; highdicom's own way fails where a file has one segment only."""
    series = segments.ReferencedSeriesSequence[0].SeriesInstanceUID
    return hd.sr.ReferencedSegment(
        sop_class_uid=segments.SOPClassUID,
        sop_instance_uid=segments.SOPInstanceUID,
        segment_number=one.segment_number,
        source_series=hd.sr.SourceSeriesForSegmentation(series),
    )


def _sites(hd: Any, lesion: ExportedLesion) -> Any:
    region = REGIONS.get(lesion.region.strip().lower())
    if region is None:
        return None
    side = SIDES.get(lesion.side)
    return [
        hd.sr.FindingSite(anatomic_location=code(region), laterality=None if side is None else code(side))
    ]


def _time_point(hd: Any, one: MeasuredLesion) -> Any:
    if not text_of(one.visit):
        return None
    kind = _TIME_POINTS.get(one.time_point)
    return hd.sr.TimePointContext(
        time_point=text_of(one.visit),
        time_point_type=None if kind is None else code(kind),
        time_point_order=one.visit_order,
    )


def _measurements(hd: Any, one: MeasuredLesion) -> list[Any]:
    """Both volumes in mm3, each with its height in words; the largest area; the change in percent."""
    found = []
    for height, value in (("thickness", one.volume_thickness_mm3), ("spacing", one.volume_spacing_mm3)):
        if value is None:
            continue
        found.append(
            hd.sr.Measurement(
                name=code(_VOLUME),
                value=value,
                unit=code(("mm3", "UCUM", "cubic millimeter")),
                method=code(_METHODS[one.method]),
                derivation=code((f"{height}-height", OWN_SCHEME, f"Area times slice {height}")),
                tracking_identifier=None,
            )
        )
    if one.max_area_mm2 is not None:
        found.append(
            hd.sr.Measurement(
                name=code(_AREA),
                value=one.max_area_mm2,
                unit=code(("mm2", "UCUM", "square millimeter")),
                derivation=code(("56851009", "SCT", "Maximum")),
            )
        )
    if one.change_percent is not None:
        found.append(
            hd.sr.Measurement(
                name=code(("volume-change", OWN_SCHEME, "Relative change of volume")),
                value=one.change_percent,
                unit=code(("%", "UCUM", "percent")),
            )
        )
    return found


def _evaluations(hd: Any, one: MeasuredLesion) -> list[Any]:
    found = []

    def add(name: tuple[str, str], value: tuple[str, str, str]) -> None:
        found.append(
            hd.sr.QualitativeEvaluation(name=code((name[0], OWN_SCHEME, name[1])), value=code(value))
        )

    if one.height_rule:
        add(
            ("height-rule", "Height rule of the primary volume"),
            (one.height_rule, OWN_SCHEME, f"Area times slice {one.height_rule}"),
        )
    if one.change_category:
        words = one.change_category.replace("_", " ").capitalize()
        add(
            ("change-class", "Class of the change of volume"),
            _CHANGES.get(one.change_category, (one.change_category[:16], OWN_SCHEME, words)),
        )
    if one.comparable:
        words = one.comparable.replace("_", " ").capitalize()
        short = {"with_reservations": "reservations"}.get(one.comparable, one.comparable)
        add(("comparable", "Visits may be compared"), (short, OWN_SCHEME, words))
    for reservation in one.reservations:
        words = reservation.replace("-", " ").capitalize()
        add(("reservation", "Difference between the visits"), (_short(reservation), OWN_SCHEME, words))
    return found


def _short(name: str) -> str:
    """Return a code value of at most 16 characters, as DICOM wants it; the meaning has the whole name."""
    return name if len(name) <= 16 else f"{name[:11]}-{uid_of(name)[-4:]}"
