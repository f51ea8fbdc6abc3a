"""The number of a lesion, or the reason why it has none: the same for the window and for a saved file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from volumetry.codes import ERROR_CODES
from volumetry.errors import VolumetryError
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.numbering import slice_name, slice_names
from volumetry.trace import Trace
from volumetry.volume import LesionVolume

AnswerStatus = Literal["measured", "absent", "not_measurable", "not_traced"]

NOT_TRACED = "The lesion is not traced."


@dataclass(frozen=True, kw_only=True)
class VolumeAnswer:
    """The volume of a lesion, or why there is none.

    Attributes
    ----------
    status : {"measured", "absent", "not_measurable", "not_traced"}
        The first two have a number, the others a reason.
    volume_cm3 : float or None
        By the primary rule; 0 where the reader marked the lesion absent.
    volume_thickness_cm3, volume_spacing_cm3 : float or None
        By each rule; None without a number, and where thickness or spacing is unknown.
    code : str
        The error code with which `volumetry measure` refuses the saved trace; empty with a number, and for a
        lesion that is not traced.
    reason : str
        In words, for people; empty with a number.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> session = vt.TracingSession(geometry=scan.geometry, reader="A")
    >>> lesion = session.add_lesion("L1")
    >>> session.readout(3).answer.status
    'not_traced'
    """

    status: AnswerStatus
    volume_cm3: float | None = None
    volume_thickness_cm3: float | None = None
    volume_spacing_cm3: float | None = None
    code: str = ""
    reason: str = ""

    @property
    def has_number(self) -> bool:
        """Whether a volume may be shown."""
        return self.volume_cm3 is not None


def number_or_reason(trace: Trace, rule: MeasurementRule | None = None) -> VolumeAnswer:
    """Return the volume of a trace, or why it has none: as `volumetry measure` answers for the saved file.

    Parameters
    ----------
    trace : Trace
        Without outlines it is of an absent lesion, as in a file.
    rule : MeasurementRule, optional
        The published rule by default, as for the command.

    Examples
    --------
    >>> from dataclasses import replace
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> fewer = replace(trace, contours=[c for c in trace.contours if c.slice_index != 4])
    >>> vt.number_or_reason(fewer).reason
    'Slices between traced slices have no outline (slice 5 of 12).'
    """
    try:
        volume = measure_volume(trace, rule=rule)
    except VolumetryError as error:
        return refused(error.code, words_of(error, trace.geometry.n_slices))
    return answer_of(volume)


def answer_of(volume: LesionVolume) -> VolumeAnswer:
    """Return the answer of a measured volume."""
    if volume.code:
        return refused(volume.code, sentence(volume.message or ERROR_CODES[volume.code]))
    status: AnswerStatus = "measured" if volume.n_slices else "absent"
    return VolumeAnswer(
        status=status,
        volume_cm3=volume.volume_cm3,
        volume_thickness_cm3=in_cm3(volume.volume_thickness_mm3),
        volume_spacing_cm3=in_cm3(volume.volume_spacing_mm3),
    )


def refused(code: str, reason: str) -> VolumeAnswer:
    """Return the answer of a lesion that is refused with a code."""
    return VolumeAnswer(status="not_measurable", code=code, reason=reason)


def words_of(error: VolumetryError, n_slices: int) -> str:
    """Return what an error says, for people: slices are counted from 1; without the command line's remedy."""
    values = dict(error.values)
    for name in ("n_slices", "at row, column", "centroid x_mm"):
        values.pop(name, None)  # nobody looks for a place by numbers: the picture shows it
    loops = values.pop("loops in percent of the area", None)
    if isinstance(loops, float):
        values["loops of"] = f"{loops:.2g} % of the area"
    where = _slices(values.pop("slice_index", None), values.pop("between slice_index", None), n_slices)
    said = type(error)(error.code, error.what, values=values).message.rstrip(".")
    if where:
        what, rest = said[: len(error.what)], said[len(error.what) :]
        said = f"{what} ({where}" + (f", {rest[2:]}" if rest else ")")
    return sentence(said)


def _slices(found: Any, between: Any, n_slices: int) -> str:
    if between is not None:
        return f"between slices {between[0] + 1} and {between[1] + 1} of {n_slices}"
    if found is None:
        return ""
    if isinstance(found, int):
        return slice_name(found, n_slices)
    return slice_names(map(int, str(found).split()), n_slices)


def sentence(text: str) -> str:
    """Return a text with capital and full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def in_cm3(volume_mm3: float | None) -> float | None:
    """Return a volume in cm3."""
    return None if volume_mm3 is None else volume_mm3 / 1000
