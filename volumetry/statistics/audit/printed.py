"""Numbers as they stand on paper, and what is found about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from volumetry.errors import UsageError
from volumetry.statistics.groups.t_tests import SampleSummary
from volumetry.statistics.result import Result

Verdict = Literal[
    "reproduces",
    "differs",
    "consistent",
    "inconsistent",
    "possible",
    "implausible",
    "impossible",
    "recomputed",
    "not-checked",
]

# A p value may have its letter before it, and the mark of a footnote behind it.
_NUMBER = re.compile(
    r"(?:[pP]\s*(?=[=<>≤≥]))?([=<>≤≥]?)\s*([-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+))\s*%?\s*[*†‡§¶#]*"
)
_SIGNS = {"<": "<", "≤": "<", ">": ">", "≥": ">"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Printed(Result):
    """A number as it stands on paper.

    Attributes
    ----------
    text : str
        ``"0.012"``, ``"<0.001"``, ``"16.0"``.
    value : float
    half_unit : float
        Half a unit of the last printed digit.
    sign : {"=", "<", ">"}

    Examples
    --------
    >>> vs.Printed.of('0.05').half_unit
    0.005
    >>> vs.Printed.of('<.001').sign
    '<'
    """

    text: str
    value: float
    half_unit: float
    sign: Literal["=", "<", ">"]

    @classmethod
    def of(cls, text: str) -> Printed:
        """Read a printed number.

        ``p = 0.02``, ``0.02*`` and ``25 %`` are numbers, and ``0,02`` is one with a decimal comma. ``1,234``
        is not read: its comma may stand for the decimal point or between thousands.

        Raises
        ------
        UsageError
            ``usage`` for what is no printed number: ``n.s.``, ``1,234``.
        """
        matched = _NUMBER.fullmatch(str(text).strip().replace("−", "-"))
        digits = matched[2] if matched else ""
        whole, comma, decimals = digits.partition(",")
        if matched is None or (comma and len(decimals) == 3 and whole.lstrip("+-") not in ("", "0")):
            raise UsageError(
                "usage", f"{text!r} is no printed number", todo='Write it as printed: "0.012" or "<0.001".'
            )
        digits = digits.replace(",", ".")
        sign: Literal["=", "<", ">"] = _SIGNS.get(matched[1], "=")  # type: ignore[assignment]
        half_unit = 0.5 * 10.0 ** -len(digits.partition(".")[2])
        return cls(text=str(text), value=float(digits), half_unit=half_unit, sign=sign)

    @property
    def low(self) -> float:
        """Least number that rounds to this one."""
        return self.value - self.half_unit

    @property
    def high(self) -> float:
        """Largest number that rounds to this one."""
        return self.value + self.half_unit

    @property
    def outside_probability(self) -> bool:
        """Whether this, with its rounding, is no probability: below 0 or above 1."""
        if self.sign == "<":
            return self.value <= 0
        if self.sign == ">":
            return self.value >= 1
        return self.high < 0 or self.low > 1

    def fits(self, low: float, high: float | None = None) -> bool:
        """Say whether a number, or one from a range, is printed like this."""
        high = low if high is None else high
        noise = 1e-9 * max(1.0, abs(self.value))
        if self.sign == "<":
            return low < self.value
        if self.sign == ">":
            return high > self.value
        return low <= self.high + noise and high >= self.low - noise


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding(Result):
    """One recomputed number beside the printed one.

    Attributes
    ----------
    item : str
        What the number is of.
    check : str
        Kind of check: ``"p value of counts"``.
    method : str
        How it was recomputed.
    printed : str
        Empty where nothing is printed.
    recomputed, low, high : float or None
        The number, and its range over the rounding of what it is computed from.
    verdict : str
        ``reproduces`` or ``differs`` for a test; ``consistent`` or ``inconsistent`` for arithmetic;
        ``possible``, ``implausible`` or ``impossible`` for what can be true; ``recomputed`` for a number
        with nothing beside it; ``not-checked`` for an item that allows no check, with the reason in `note`.
    note : str

    Examples
    --------
    >>> finding = vs.audit_counts('collapse', [[36, 110], [48, 78]], '0.012')[0]
    >>> finding.verdict
    'differs'
    """

    item: str
    check: str
    method: str
    printed: str = ""
    recomputed: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class PrintedSummary(Result):
    """Mean, SD and n as printed; ``sd`` None where only means are to be checked.

    Examples
    --------
    >>> P = vs.Printed.of
    >>> vs.PrintedSummary(mean=P('13.74'), sd=P('7.35'), n=146).n
    146
    """

    mean: Printed
    sd: Printed | None
    n: int

    def corners(self) -> list[SampleSummary]:
        """Return the summaries at the ends of what rounds to the printed ones."""
        sds = [0.0] if self.sd is None else [max(0.0, self.sd.low), self.sd.high]
        return [SampleSummary(mean=m, sd=s, n=self.n) for m in (self.mean.low, self.mean.high) for s in sds]

    def printed(self) -> SampleSummary:
        """Return the summary as printed."""
        return SampleSummary(mean=self.mean.value, sd=0.0 if self.sd is None else self.sd.value, n=self.n)
