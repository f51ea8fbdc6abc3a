"""``[repeatability]``: what one more read of the same lesion would differ by."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from volumetry.documents import setting
from volumetry.errors import UsageError

Bound = Literal["t", "tolerance"]


@dataclass(frozen=True, kw_only=True)
class RepeatabilitySection:
    """The measurement error of the study, which puts a class beside its worth."""

    file: str = setting("`repeatability.json` of `volumetry agreement`, relative to the protocol.", "")
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
