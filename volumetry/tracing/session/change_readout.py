"""The change of a lesion against a baseline, and whether it has a class, in the live numbers."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.change import REASONS, ChangeRule, classify_change
from volumetry.codes import ERROR_CODES
from volumetry.error_model import ReadingError, VerdictRule, judge_change, sampling_error
from volumetry.tracing.session.answer import VolumeAnswer, in_cm3, sentence
from volumetry.volume import LesionVolume


@dataclass(frozen=True, kw_only=True)
class ReadoutChange:
    """The change against a baseline.

    Attributes
    ----------
    baseline_volume_cm3 : float or None
    percent : float or None
    category : str
        As in `VolumeChange`; ``not_evaluable`` with a reason.
    reason, reason_text : str
        The code, and its sentence; empty where evaluable.
    threshold_percent : float
        Of the rule that gave the class.
    error_percent : float or None
        Standard deviation of the change; None where the error of reading is not known.
    verdict : str
        As in `volumetry.error_model.ChangeWorth`; empty where the error is not known.

    Examples
    --------
    >>> vt.ReadoutChange(baseline_volume_cm3=11.2, percent=-18.0, category="decrease").threshold_percent
    15.0
    """

    baseline_volume_cm3: float | None
    percent: float | None
    category: str
    reason: str = ""
    reason_text: str = ""
    threshold_percent: float = 15.0
    error_percent: float | None = None
    verdict: str = ""

    @property
    def words(self) -> str:
        """The change beside its worth: ``+21.7 %, error 9 %: increase``; empty without a change.

        Examples
        --------
        >>> change = ReadoutChange(baseline_volume_cm3=2.0, percent=21.7, category="increase")
        >>> change.words
        '+21.7 %, error not known: increase by the 15 % rule'
        """
        if self.percent is None:
            return ""
        if self.category == "not_evaluable":
            return f"{self.percent:+.1f} %: not evaluable"
        if self.error_percent is None or not self.verdict:
            said = self.category.replace("_", " ")
            rule = f"{said} by the {self.threshold_percent:g} % rule"
            return f"{self.percent:+.1f} %, error not known: {rule}"
        return f"{self.percent:+.1f} %, error {self.error_percent:.2g} %: {self.verdict.replace('_', ' ')}"


def read_change(
    baseline: LesionVolume | None,
    volume: LesionVolume | None,
    answer: VolumeAnswer,
    rule: ChangeRule,
    reading_error: ReadingError | None,
    verdict_rule: VerdictRule | None,
) -> ReadoutChange | None:
    if baseline is None:
        return None
    known = in_cm3(baseline.volume_mm3)
    if volume is None or not answer.has_number:
        no_number = "followup-not-traced" if answer.status == "not_traced" else "followup-not-measured"
        reason = answer.code or no_number
        return ReadoutChange(
            baseline_volume_cm3=known,
            percent=None,
            category="not_evaluable",
            reason=reason,
            reason_text=_reason_text(reason),
        )
    change = classify_change(baseline, volume, rule)
    worth = None
    if reading_error is not None and change.percent is not None:
        worth = judge_change(
            change.baseline_volume_mm3,
            change.followup_volume_mm3,
            sampling_error_percent=(_slicing(baseline), _slicing(volume)),
            reading_error=reading_error,
            change_rule=rule,
            verdict_rule=verdict_rule,
            category=change.category,
        )
    return ReadoutChange(
        baseline_volume_cm3=known,
        percent=change.percent,
        category=change.category,
        reason=change.reason,
        reason_text=_reason_text(change.reason),
        threshold_percent=rule.threshold_percent,
        error_percent=None if worth is None else worth.change_error_percent,
        verdict="" if worth is None else worth.verdict,
    )


def _slicing(volume: LesionVolume) -> float | None:
    return sampling_error(volume.areas_mm2, volume.heights_mm).percent


def _reason_text(reason: str) -> str:
    return sentence(REASONS.get(reason) or ERROR_CODES.get(reason, reason)) if reason else ""
