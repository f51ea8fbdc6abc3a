"""The tables of ``volumetry agreement``, declared as all tables are."""

from __future__ import annotations

from volumetry.tables import Column, Table

KIND_WHAT = (
    "How the read was repeated: by the same reader, by another reader, or on another scan of the visit."
)
_KINDS = ("within_reader", "between_readers", "rescan")


def _text(name: str, what: str) -> Column:
    return Column(name=name, kind="text", what=what, since="0.2")


def _number(name: str, what: str, unit: str = "") -> Column:
    return Column(name=name, kind="number", what=what, unit=unit, since="0.2")


def _count(name: str, what: str) -> Column:
    return Column(name=name, kind="integer", what=what, since="0.2")


_KIND = Column(name="kind", kind="text", what=KIND_WHAT, allowed=_KINDS, since="0.2")
_SUBJECT = (
    _text("site", "Site of the study."),
    _text("patient", "PatientID or its pseudonym."),
    _text("side", "Side in patient coordinates."),
    _text("lesion", "Name of the lesion within the patient."),
    _text("visit", "Name of the visit."),
)
_READS = (
    _text("first_reader", "Reader of the first read."),
    _count("first_read", "Number of the first read."),
    _text("second_reader", "Reader of the second read."),
    _count("second_read", "Number of the second read."),
)

PAIRS = Table(
    name="pairs",
    what="A row per pair of reads of one lesion at one visit.",
    key=(
        "kind", "site", "patient", "side", "lesion", "visit",
        "first_reader", "first_read", "second_reader", "second_read",
    ),
    columns=(
        _KIND,
        *_SUBJECT,
        *_READS,
        _number("first_volume_mm3", "Volume by the first read.", "mm3"),
        _number("second_volume_mm3", "Volume by the second read.", "mm3"),
        _number("difference_mm3", "Second minus first volume.", "mm3"),
        _number("difference_percent", "Difference in percent of the mean volume.", "%"),
        _number("dice", "Twice the shared area over the sum of the areas, over all slices."),
        _number("hausdorff95_mm", "95th percentile of the distances between outlines, in the plane.", "mm"),
        _number("mean_surface_distance_mm", "Mean distance between the outlines, in the plane.", "mm"),
        _count("n_shared_slices", "Slices that both reads have."),
        _count("n_first_only", "Slices that only the first read has."),
        _count("n_second_only", "Slices that only the second read has."),
        _number("end_slices_share", "Part of the area differences that lies on end slices, 0 to 1."),
        _text("message", "Why the outlines were not compared, or why the pair takes part in no figure."),
    ),
)  # fmt: skip

PAIR_SLICES = Table(
    name="pair_slices",
    what="A row per pair of reads and slice: where readers differ.",
    key=(*PAIRS.key, "slice_index"),
    columns=(
        _KIND,
        *_SUBJECT,
        *_READS,
        _count("slice_index", "Slice, from 0 along the normal."),
        _number("position_mm", "Position along the normal.", "mm"),
        _number("first_area_mm2", "Area by the first read.", "mm2"),
        _number("second_area_mm2", "Area by the second read.", "mm2"),
        _number("difference_mm2", "Second minus first area.", "mm2"),
        _number("shared_area_mm2", "Area that both reads have.", "mm2"),
        _number("mean_distance_mm", "Mean distance between the outlines on this slice.", "mm"),
        Column(
            name="at_end",
            kind="text",
            what="A read begins or ends on this slice, or does not have it.",
            allowed=("yes", "no"),
            since="0.2",
        ),
    ),
)

SUMMARY = Table(
    name="agreement",
    what="A row per figure of agreement.",
    key=("kind", "measure"),
    columns=(
        _KIND,
        _text("measure", "What the figure is."),
        _number("value", "The figure."),
        _number("ci_low", "Lower confidence limit."),
        _number("ci_high", "Upper confidence limit."),
        _text("unit", "Unit of the figure."),
        _number("level", "Confidence level of the limits."),
        _count("n_pairs", "Pairs of reads."),
        _count("n_lesions", "Lesions at a visit."),
        _count("n_patients", "Patients."),
        _text("method", "Model and method of the figure and its limits."),
        _text("note", "What has to be known to read the figure."),
    ),
)

BY_SIZE = Table(
    name="error_by_size",
    what="The error of reading at several sizes, by the chosen model.",
    key=("kind", "volume_cm3"),
    columns=(
        _KIND,
        _number("volume_cm3", "Size of the lesion.", "cm3"),
        _number("cv_percent", "Within-subject coefficient of variation.", "%"),
        _number("cv_ci_low_percent", "Lower confidence limit of the same.", "%"),
        _number("cv_ci_high_percent", "Upper confidence limit of the same.", "%"),
        _number("coefficient_percent", "Repeatability or reproducibility coefficient, 1.96 sqrt(2) CV.", "%"),
        _number("detectable_decrease_percent", "Smallest detectable decrease.", "%"),
        _number("detectable_increase_percent", "Smallest detectable increase.", "%"),
        Column(
            name="within_range",
            kind="text",
            what="The size lies within those of the reads.",
            allowed=("yes", "no"),
            since="0.2",
        ),
    ),
)

AGREEMENT_TABLES = (PAIRS, PAIR_SLICES, SUMMARY, BY_SIZE)
