"""How a scan was acquired: its times, field strength, contrast agent, and the weighting that follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

_FAT_OPTIONS = ("FS", "SFS", "WE", "SPIR", "SPAIR", "FATSAT", "FAT_SAT", "FAT SAT")
_NO_AGENT = ("", "NO", "NONE", "N", "0")


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How a scan was acquired; empty or None where the file does not say.

    Attributes
    ----------
    weighting : str
        ``T1``, ``T2``, ``T2*``, ``PD``, ``STIR``, ``FLAIR``, ``DWI`` or ``CT``.
    repetition_time_ms, echo_time_ms, inversion_time_ms : float or None
    field_strength_t : float or None
    contrast : str
        Whether a contrast agent was given: ``yes``, ``no`` or empty.
    fat_suppression : str
        Whether the signal of fat is suppressed: ``yes``, ``no`` or empty.

    Examples
    --------
    >>> from volumetry.acquisition import Acquisition
    >>> Acquisition(weighting="T1", repetition_time_ms=500.0, echo_time_ms=12.0).known
    {'weighting': 'T1', 'repetition_time_ms': 500.0, 'echo_time_ms': 12.0}
    """

    weighting: str = ""
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    field_strength_t: float | None = None
    contrast: str = ""
    fat_suppression: str = ""

    @property
    def known(self) -> dict[str, str | float]:
        """What is known, by name."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if value not in (None, "")}

    @classmethod
    def from_known(cls, values: Mapping[str, Any]) -> Acquisition:
        """Return the acquisition of what `known` gave. Raises TypeError, ValueError for other values."""
        texts = ("weighting", "contrast", "fat_suppression")
        plain: dict[str, Any] = {n: str(v) if n in texts else float(v) for n, v in values.items()}
        return cls(**plain)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What an MR or CT file says of its sequence, in DICOM's words; times in milliseconds.

    Attributes
    ----------
    modality : str
    repetition_time_ms, echo_time_ms, inversion_time_ms, field_strength_t : float or None
    flip_angle_degrees : float or None
    b_value : float or None
        DiffusionBValue, in s/mm2.
    sequence, variant, options, image_type : tuple of str
        ScanningSequence, SequenceVariant, ScanOptions, ImageType.
    agent : str or None
        ContrastBolusAgent; looked at, never kept. None where the file has no such element.
    fat_suppression : str
        Where the file says it outright: ``yes``, ``no`` or empty.

    Examples
    --------
    >>> from volumetry.acquisition import Parameters, weighting_of
    >>> weighting_of(Parameters(modality="MR", repetition_time_ms=500.0, echo_time_ms=12.0))
    'T1'
    """

    modality: str = ""
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    field_strength_t: float | None = None
    flip_angle_degrees: float | None = None
    b_value: float | None = None
    sequence: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    image_type: tuple[str, ...] = ()
    agent: str | None = None
    fat_suppression: str = ""


def acquisition_of(parameters: Parameters) -> Acquisition:
    """Return how a scan was acquired, from what its file says.

    Examples
    --------
    >>> acquisition_of(Parameters(modality="MR", repetition_time_ms=550, echo_time_ms=12,
    ...                           sequence=("SE",))).weighting
    'T1'
    """
    is_mr = parameters.modality in ("MR", "")
    weighting = weighting_of(parameters)
    agent = (parameters.agent or "").strip(" \0").upper()
    return Acquisition(
        weighting=weighting,
        repetition_time_ms=_positive(parameters.repetition_time_ms) if is_mr else None,
        echo_time_ms=_positive(parameters.echo_time_ms) if is_mr else None,
        inversion_time_ms=_positive(parameters.inversion_time_ms) if is_mr else None,
        field_strength_t=_field_strength(parameters.field_strength_t) if is_mr else None,
        contrast="" if not agent else "no" if agent in _NO_AGENT else "yes",
        fat_suppression=_fat_suppression(parameters, weighting) if is_mr else "",
    )


def weighting_of(parameters: Parameters) -> str:
    """Return the weighting of an image; empty where its sequence and times do not decide it.

    Notes
    -----
    The limits are those at which the three weightings of spin echo do not overlap at 0.2 to 3 T: T1 with a
    repetition time of at most 1100 ms and an echo time of at most 30 ms; T2 with at least 1500 and 60 ms; PD
    with at least 1500 and at most 50 ms. Inversion recovery is STIR with an inversion time of 80 to 300 ms,
    FLAIR from 1500 ms on with an echo time of at least 60 ms, T1 with 300 to 1500 ms and a short echo.
    Gradient echo is T2* from an echo time of 12 ms on, and T1 where it is spoiled or prepared and the echo
    is shorter. What lies between has no weighting here.

    Examples
    --------
    >>> from volumetry.acquisition import Parameters, weighting_of
    >>> weighting_of(Parameters(modality="MR", repetition_time_ms=4000.0, echo_time_ms=90.0))
    'T2'
    """
    if parameters.modality == "CT":
        return "CT"
    if parameters.modality not in ("MR", ""):
        return ""
    if (parameters.b_value or 0) > 0 or {"DIFFUSION", "ADC", "TRACEW"} & set(parameters.image_type):
        return "DWI"
    echo, repetition = _positive(parameters.echo_time_ms), _positive(parameters.repetition_time_ms)
    inversion = _positive(parameters.inversion_time_ms)
    if echo is None:
        return ""
    if inversion is not None and ("IR" in parameters.sequence or not parameters.sequence):
        return _of_inversion(inversion, echo)
    if inversion is not None or "IR" in parameters.sequence or repetition is None:
        return ""  # an inversion pulse that is no part of the sequence prepares fat or blood
    if "GR" in parameters.sequence:
        return _of_gradient_echo(parameters, echo)
    small_flip = parameters.flip_angle_degrees is not None and parameters.flip_angle_degrees < 60
    if "SE" not in parameters.sequence and (small_flip or "EP" in parameters.sequence):
        return ""
    return _of_spin_echo(repetition, echo)


def _of_inversion(inversion: float, echo: float) -> str:
    if 80 <= inversion <= 300:
        return "STIR"
    if inversion >= 1500 and echo >= 60:
        return "FLAIR"
    return "T1" if 300 < inversion < 1500 and echo <= 30 else ""


def _of_gradient_echo(parameters: Parameters, echo: float) -> str:
    if "SE" in parameters.sequence:
        return ""
    if echo >= 12:
        return "T2*"
    prepared = {"SP", "MP"} & set(parameters.variant)
    flip = parameters.flip_angle_degrees
    return "T1" if prepared and (flip is None or flip > 5) else ""


def _of_spin_echo(repetition: float, echo: float) -> str:
    if repetition <= 1100 and echo <= 30:
        return "T1"
    if repetition >= 1500:
        return "T2" if echo >= 60 else "PD" if echo <= 50 else ""
    return ""


def _fat_suppression(parameters: Parameters, weighting: str) -> str:
    if weighting == "STIR" or {"W", "WATER"} & set(parameters.image_type):
        return "yes"
    if parameters.fat_suppression:
        return parameters.fat_suppression
    options = [option.upper() for option in parameters.options if option]
    if any(option in _FAT_OPTIONS or option.startswith(("FATSAT", "FAT_SAT")) for option in options):
        return "yes"
    return "no" if options else ""


def _positive(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _field_strength(value: float | None) -> float | None:
    """In tesla; some files write gauss."""
    strength = _positive(value)
    return strength / 10_000 if strength is not None and strength > 100 else strength


def codes(values: Any) -> tuple[str, ...]:
    """Return texts of one or several codes: a list, or a text with a backslash or ``_`` between them.

    Examples
    --------
    >>> from volumetry.acquisition import codes
    >>> codes(["SE", "IR"])
    ('SE', 'IR')
    """
    if isinstance(values, str):
        values = values.replace("\\", "_").split("_")
    return tuple(str(v).strip() for v in values) if isinstance(values, Iterable) else ()


__all__ = ["Acquisition", "Parameters", "acquisition_of", "codes", "weighting_of"]
