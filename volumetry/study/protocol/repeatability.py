"""``[repeatability]``: what one more read of the same lesion would differ by."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from volumetry.error_model import ReadingError
from volumetry.errors import UsageError
from volumetry.files.documents import setting
from volumetry.measurement import MeasurementRule

Bound = Literal["t", "tolerance"]


@dataclass(frozen=True, kw_only=True)
class RepeatabilitySection:
    """The measurement error of the study, which puts a class beside its worth."""

    file: str = setting("`repeatability.json` of `volumetry agreement`, relative to the protocol.", "")
    between_readers_file: str = setting(
        "`repeatability_between_readers.json` of the same: for changes whose visits different readers read.",
        "",
    )
    bound: Bound = setting(
        "How an error that is known from few reads is widened: `t` on average, `tolerance` in 95 % of "
        "studies.",
        "t",
    )
    confidence: float = setting("Confidence of a verdict, 0 to 1.", 0.95)

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise UsageError(
                "invalid-protocol",
                "confidence is out of range",
                values={"key": "confidence", "confidence": self.confidence},
                todo="Write a number from 0.5 to below 1.",
            )


_NO_RULE_OF_VOLUME = ("check_side",)


def check_between_readers(error: ReadingError) -> ReadingError:
    """Return the error, which is that of different readers.

    Raises
    ------
    UsageError
        ``invalid-protocol``: it is of another kind.
    """
    if error.kind != "between_readers":
        raise UsageError(
            "invalid-protocol",
            "the error between readers is of another kind",
            values={"key": "between_readers_file", "kind": error.kind},
            todo="Name `repeatability_between_readers.json` of `volumetry agreement`.",
        )
    return error


def check_measured_alike(error: ReadingError | None, rule: MeasurementRule) -> None:
    """Refuse an error of reading that other rules of measurement gave: it is that of another number.

    Nothing is refused where the file does not say by which rules its reads were measured.

    Raises
    ------
    UsageError
        ``invalid-protocol``: the rules that differ.
    """
    if error is None:
        return
    own = {name: value for name, value in asdict(rule).items() if name not in _NO_RULE_OF_VOLUME}
    theirs = error.measured_by
    differing = [name for name, value in own.items() if name in theirs and theirs[name] != value]
    if differing:
        raise UsageError(
            "invalid-protocol",
            "the repeated reads were measured by other rules than this study",
            values={name: f"{theirs[name]} of the reads, {own[name]} of the study" for name in differing},
            todo="Measure the repeated reads by the rules of this study and run `volumetry agreement` anew.",
        )
