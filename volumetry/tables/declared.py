"""The columns of every table that a batch writes."""

from __future__ import annotations

from volumetry.tables.columns import Column, Table

STATUS = ("measured", "absent", "not_measurable", "not_traced", "failed")
THRESHOLD_CATEGORIES = ("increase", "no_change", "decrease", "new", "resolved", "absent")
CATEGORIES = (*THRESHOLD_CATEGORIES, "not_evaluable")
SIDES = ("L", "R")
PLANES = ("sagittal", "coronal", "axial")
WEIGHTINGS = ("T1", "T2", "T2*", "PD", "STIR", "FLAIR", "DWI", "CT")
YES_NO = ("yes", "no")
HEIGHT_RULES = ("thickness", "spacing")
VISIT_ORDER_BY = ("protocol", "dates", "numbers", "unknown")
COMPARABLE = ("yes", "with_reservations", "no", "unknown")
VERDICTS = ("increase", "no_change", "decrease", "within_error", "not_evaluable")

_PATIENT = Column(
    name="patient",
    kind="text",
    what="PatientID, pseudonym or folder name; the key that joins tables.",
    nullable=False,
)
_SITE = Column(
    name="site",
    kind="text",
    what="Hospital or site of the patient, as the protocol or the manifest names it.",
    since="0.2",
)
_SIDE = Column(name="side", kind="text", what="Side in patient coordinates.", allowed=SIDES)
_LESION = Column(name="lesion", kind="text", what="Name of the lesion within the patient.")
_VISIT = Column(
    name="visit", kind="text", what="Name of the visit. For DICOM studies this is the study date."
)
_READER = Column(name="reader", kind="text", what="Person or program that traced the lesion.")
_READ = Column(
    name="read",
    kind="integer",
    what="Number of the read: 1 is the first time that this reader traced this lesion of this visit.",
)
_HEIGHT_RULE = Column(
    name="height_rule",
    kind="text",
    what="Rule by which the primary volume was computed.",
    allowed=HEIGHT_RULES,
)
_FLAGS = Column(
    name="flags",
    kind="text",
    what="Flags: remarks on the number, separated by `;`. docs/reference/codes.md explains each.",
)

MEASUREMENTS = Table(
    name="measurements",
    what="A row per patient x side x lesion x visit x reader x read.",
    key=("site", "patient", "side", "lesion", "visit", "reader", "read"),
    columns=(
        _SITE,
        _PATIENT,
        _SIDE,
        _LESION,
        _VISIT,
        Column(
            name="visit_order",
            kind="integer",
            what="Rank of the visit within the patient: 0 is the first. Empty where the order is not known.",
        ),
        Column(
            name="visit_order_by",
            kind="text",
            what="How the order of the patient's visits is known.",
            allowed=VISIT_ORDER_BY,
            since="0.2",
        ),
        Column(name="study_date", kind="date", what="Date of the scan."),
        _READER,
        _READ,
        Column(
            name="status",
            kind="text",
            what="Whether the row has a volume. `measured` and `absent` (0 mm3) have one, the others none.",
            nullable=False,
            allowed=STATUS,
        ),
        Column(name="code", kind="text", what="Error code: why the row has no volume."),
        Column(name="message", kind="text", what="The reason in words."),
        Column(
            name="volume_mm3",
            kind="number",
            unit="mm3",
            what="Primary volume, computed by the rule in `height_rule`.",
        ),
        Column(name="volume_cm3", kind="number", unit="cm3", what="Primary volume (1 cm3 = 1 mL)."),
        _HEIGHT_RULE,
        Column(name="volume_thickness_mm3", kind="number", unit="mm3", what="Sum of area x slice thickness."),
        Column(
            name="volume_spacing_mm3",
            kind="number",
            unit="mm3",
            what="Sum of area x distance between slice centres.",
        ),
        Column(
            name="sampling_error_percent",
            kind="number",
            unit="%",
            what="Standard error of the volume because the lesion is known on its slices only.",
            since="0.2",
        ),
        Column(
            name="sampling_warning",
            kind="text",
            what="Why the error of slicing may be larger: `flat-ends`, the areas begin or end abruptly; "
            "`pitted`, an area is smaller than areas on both sides of it.",
            allowed=("flat-ends", "pitted"),
            since="0.2",
        ),
        Column(name="n_slices", kind="integer", what="Number of slices with the lesion."),
        Column(name="max_area_mm2", kind="number", unit="mm2", what="Largest area on a slice."),
        Column(
            name="slice_thickness_mm", kind="number", unit="mm", what="Slice thickness that the scan states."
        ),
        Column(
            name="slice_spacing_mm",
            kind="number",
            unit="mm",
            what="Distance between slice centres along the normal; empty where uneven.",
        ),
        Column(
            name="gap_mm",
            kind="number",
            unit="mm",
            what="Slice spacing minus slice thickness. Negative: slices overlap.",
        ),
        Column(name="pixel_area_mm2", kind="number", unit="mm2", what="Area of a pixel."),
        Column(
            name="pixel_spacing_rows_mm",
            kind="number",
            unit="mm",
            what="Distance between the rows of an image.",
            since="0.2",
        ),
        Column(
            name="pixel_spacing_columns_mm",
            kind="number",
            unit="mm",
            what="Distance between the columns of an image.",
            since="0.2",
        ),
        Column(name="rows", kind="integer", what="Rows of an image.", since="0.2"),
        Column(name="columns", kind="integer", what="Columns of an image.", since="0.2"),
        Column(
            name="slice_normal",
            kind="text",
            what="Normal of the slices in patient coordinates (LPS): three numbers, a space between them.",
            since="0.2",
        ),
        Column(name="modality", kind="text", what="DICOM modality of the scan."),
        Column(
            name="plane",
            kind="text",
            what="Plane of the slices, the nearest of the three.",
            allowed=PLANES,
            since="0.2",
        ),
        Column(
            name="weighting",
            kind="text",
            what="Contrast weighting of an MR image, from its acquisition's times; CT for CT.",
            allowed=WEIGHTINGS,
            since="0.2",
        ),
        Column(name="repetition_time_ms", kind="number", unit="ms", what="Repetition time.", since="0.2"),
        Column(name="echo_time_ms", kind="number", unit="ms", what="Echo time.", since="0.2"),
        Column(name="inversion_time_ms", kind="number", unit="ms", what="Inversion time.", since="0.2"),
        Column(
            name="field_strength_t", kind="number", unit="T", what="Magnetic field strength.", since="0.2"
        ),
        Column(
            name="contrast",
            kind="text",
            what="Whether a contrast agent was given.",
            allowed=YES_NO,
            since="0.2",
        ),
        Column(
            name="fat_suppression",
            kind="text",
            what="Whether the signal of fat is suppressed.",
            allowed=YES_NO,
            since="0.2",
        ),
        Column(name="series_uid", kind="text", what="SeriesInstanceUID of the scan."),
        Column(name="scan", kind="text", what="Scan, relative to the study folder."),
        Column(name="trace", kind="text", what="Traced file, relative to the study folder."),
        Column(
            name="region",
            kind="text",
            what="What the traced file itself calls the lesion: a name, or the number of a label. "
            "Under pseudonyms, something that stands for a name that is not that of the lesion.",
            since="0.2",
        ),
        Column(name="scan_sha256", kind="text", what="SHA-256 over the scan's files."),
        Column(name="trace_sha256", kind="text", what="SHA-256 of the traced file."),
        _FLAGS,
        Column(name="volumetry_version", kind="text", what="Version of this program."),
    ),
)

SLICES = Table(
    name="slices",
    what="A row per traced slice.",
    key=("site", "patient", "side", "lesion", "visit", "reader", "read", "slice_index"),
    columns=(
        _SITE,
        _PATIENT,
        _SIDE,
        _LESION,
        _VISIT,
        _READER,
        _READ,
        Column(name="slice_index", kind="integer", what="Slice, from 0 along the normal.", nullable=False),
        Column(
            name="position_mm", kind="number", unit="mm", what="Position along the normal.", nullable=False
        ),
        Column(name="area_mm2", kind="number", unit="mm2", what="Area of the lesion.", nullable=False),
        Column(name="height_thickness_mm", kind="number", unit="mm", what="Height by the thickness rule."),
        Column(name="height_spacing_mm", kind="number", unit="mm", what="Height by the spacing rule."),
    ),
)

CHANGES = Table(
    name="changes",
    what="A row per lesion x follow-up visit.",
    key=("site", "patient", "side", "lesion", "reader", "followup_visit"),
    columns=(
        _SITE,
        _PATIENT,
        _SIDE,
        _LESION,
        Column(
            name="reader",
            kind="text",
            what="Person or program that traced both visits; of two readers `baseline;followup`.",
        ),
        Column(
            name="baseline_reader",
            kind="text",
            what="Reader of the baseline, where another reader traced the follow-up.",
            since="0.2",
        ),
        Column(
            name="followup_reader",
            kind="text",
            what="Reader of the follow-up, where another reader traced the baseline.",
            since="0.2",
        ),
        Column(
            name="baseline_visit",
            kind="text",
            what="First visit of the patient; empty where the order of the visits is not known.",
        ),
        Column(
            name="followup_visit",
            kind="text",
            what="Later visit; empty where the order of the visits is not known.",
        ),
        Column(name="days", kind="integer", unit="d", what="Days between the two scans."),
        Column(name="baseline_volume_mm3", kind="number", unit="mm3", what="Primary volume at baseline."),
        Column(name="followup_volume_mm3", kind="number", unit="mm3", what="Primary volume at follow-up."),
        Column(name="change_mm3", kind="number", unit="mm3", what="Follow-up minus baseline."),
        Column(name="change_percent", kind="number", unit="%", what="Change in percent of the baseline."),
        Column(
            name="change_percent_per_year",
            kind="number",
            unit="%/a",
            what="Change in percent of the baseline per year of 365.25 days.",
        ),
        Column(
            name="threshold_percent",
            kind="number",
            unit="%",
            what="A change of more than this counts as increase or decrease.",
        ),
        Column(
            name="threshold_category",
            kind="text",
            what="Class by the published rule alone. Empty where a volume is missing.",
            allowed=THRESHOLD_CATEGORIES,
        ),
        Column(
            name="category",
            kind="text",
            what="Class of the change. `not_evaluable`: a check found that the volumes cannot be compared, "
            "or the protocol refuses to compare the visits (`comparable` is `no`).",
            nullable=False,
            allowed=CATEGORIES,
        ),
        Column(name="reason", kind="text", what="Why the change is not evaluable."),
        _HEIGHT_RULE,
        Column(
            name="comparable",
            kind="text",
            what="Whether the two visits were scanned and read alike.",
            allowed=COMPARABLE,
            since="0.2",
        ),
        Column(
            name="reservations",
            kind="text",
            what="What differs between the two visits, separated by `;`.",
            since="0.2",
        ),
        Column(
            name="explained_percent",
            kind="text",
            what="Change in percent that a difference may explain, as `code=percent`, separated by `;`. Of "
            "`plane-tilted` only where the baseline has five slices, six in another frame of reference.",
            since="0.2",
        ),
        Column(
            name="change_error_percent",
            kind="number",
            unit="%",
            what="Standard error of the change in percent.",
            since="0.2",
        ),
        Column(
            name="change_error_lower_bound_percent",
            kind="number",
            unit="%",
            what="The same from the error of slicing alone: a lower bound of the error.",
            since="0.2",
        ),
        Column(
            name="detectable_change_percent",
            kind="number",
            unit="%",
            what="Smallest change that measurement error explains in at most 5 % of repeated measurements.",
            since="0.2",
        ),
        Column(
            name="probability_increase",
            kind="number",
            what="Probability, 0 to 1, that the true change is above the threshold.",
            since="0.2",
        ),
        Column(
            name="probability_decrease",
            kind="number",
            what="Probability, 0 to 1, that the true change is below the negative threshold.",
            since="0.2",
        ),
        Column(
            name="verdict",
            kind="text",
            what="Class of the change that takes its error into account. Empty where the error is not known.",
            allowed=VERDICTS,
            since="0.2",
        ),
        _FLAGS,
    ),
)

TABLES = (MEASUREMENTS, SLICES, CHANGES)
