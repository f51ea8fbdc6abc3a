"""``[reading]``: who traces, how often, and what they see."""

# ruff: noqa: RUF009 - `setting` is dataclasses.field with a sentence
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from volumetry.errors import UsageError
from volumetry.files.documents import setting

Blinding = Literal["none", "patient", "time"]
Order = Literal["shuffled", "listed"]
Consensus = Literal["none", "choose", "third-reader"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Who traces, how often, and what they see.

    Attributes
    ----------
    blinding : {"none", "patient", "time"}
        What the tracer hides: nothing; identity; identity, visits, dates and change.
    seed : int
        Of the shuffled order under ``time``, and of the assignment of reads.
    readers : tuple of str
        Who may trace; empty: anybody.
    repeat_share : float
        Share of the lesions that every reader reads twice without knowing.
    repeat_days : int
        Least number of days between the two.
    order : {"shuffled", "listed"}
        A planned reading must be shuffled.
    consensus : {"none", "choose", "third-reader"}
        How two readers that differ come to one outline.
    """

    blinding: Blinding = setting("What the tracer hides.", "none")
    seed: int = setting("Seed of the order and of the assignment.", 0)
    readers: tuple[str, ...] = setting("Who may trace; empty: anybody.", ())
    repeat_share: float = setting("Share of lesions that every reader reads twice unknowingly, 0 to 1.", 0.0)
    repeat_days: int = setting("Least number of days between the two reads.", 14)
    order: Order = setting("Order in which cases are served.", "shuffled")
    consensus: Consensus = setting("How two readers that differ come to one outline.", "none")

    def __post_init__(self) -> None:
        if self.blinding not in get_args(Blinding):
            raise UsageError(
                "invalid-protocol",
                "there is no such blinding",
                values={"key": "blinding", "blinding": self.blinding},
                todo=f"Choose one of {', '.join(get_args(Blinding))}.",
            )
        if not (0 <= self.repeat_share <= 1 and self.repeat_days >= 0):
            raise UsageError(
                "invalid-protocol",
                "the hidden repeats are out of range",
                values={
                    "key": "repeat_share",
                    "repeat_share": self.repeat_share,
                    "repeat_days": self.repeat_days,
                },
                todo="Write a share from 0 to 1 and a number of days from 0 on.",
            )
