"""The change of a lesion against a baseline, and whether it has a class, in the live numbers."""

from __future__ import annotations

from dataclasses import dataclass

from volumetry.change import REASONS, ChangeRule, classify_change
from volumetry.codes import ERROR_CODES, FLAGS
from volumetry.comparability import RESERVATIONS, Comparability, ComparabilityRule, VisitFacts, compare_visits
from volumetry.error_model import ReadingError, VerdictRule, judge_change, sampling_error
from volumetry.study.rows.worth import geometry_facts, visit_facts
from volumetry.tracing.session.answer import VolumeAnswer, in_cm3, sentence
from volumetry.volume import LesionVolume

NO_VOLUME = "The lesion has no volume at this visit."


@dataclass(frozen=True, kw_only=True)
class ReadoutChange:
    """The change against a baseline.

    Attributes
    ----------
    baseline_volume_cm3 : float or None
    percent : float or None
    category : str
        As in `VolumeChange`; ``not_evaluable`` with a reason, also where the visits are not comparable.
    reason, reason_text : str
        The code, and its sentence; empty where evaluable.
    threshold_percent : float
        Of the rule that gave the class.
    error_percent : float or None
        Standard deviation of the change; None where the error of reading is not known.
    verdict : str
        As in `volumetry.error_model.ChangeWorth`; empty where the error is not known.
    comparability : Comparability or None
        Whether the two visits were scanned and read alike; None without two volumes.
    error_flags : tuple of str
        Flags of the verdict, as ``changes.csv`` has them.

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
    comparability: Comparability | None = None
    error_flags: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """What makes the error doubtful, in sentences: reads of others, another height rule, too few reads.

        Examples
        --------
        >>> vt.ReadoutChange(baseline_volume_cm3=2.0, percent=21.7, category="increase",
        ...                  error_flags=("few-repeated-reads",)).doubts[0]
        'The error rests on so few repeated reads that its probabilities are too sure.'
        """
        return tuple(sentence(FLAGS[flag]) for flag in self.error_flags)

    @property
    def differences(self) -> tuple[str, ...]:
        """What differs between the visits, in sentences.

        Examples
        --------
        >>> found = vm.compare_visits(vm.VisitFacts(reader="A"), vm.VisitFacts(reader="B"))
        >>> change = vt.ReadoutChange(baseline_volume_cm3=2.0, percent=21.7, category="increase",
        ...                           comparability=found)
        >>> change.differences[0]
        'The visits were read by different readers.'
        """
        codes = self.comparability.reservations if self.comparability is not None else ()
        return tuple(sentence(RESERVATIONS[code]) for code in codes)

    @property
    def words(self) -> str:
        """The change beside its worth: ``+21.7 %, error 9 %: increase``; empty without a change.

        Examples
        --------
        >>> change = ReadoutChange(baseline_volume_cm3=2.0, percent=21.7, category="increase")
        >>> change.words
        '+21.7 %, error not known: increase by the 15 % rule'
        """
        if self.percent is None or self.reason == "height-rules-differ":
            return ""  # volumes by two rules cannot be subtracted
        if self.category == "not_evaluable":
            return f"{self.percent:+.1f} %: not evaluable"
        if self.error_percent is None or not self.verdict:
            said = self.category.replace("_", " ")
            rule = f"{said} by the {self.threshold_percent:g} % rule"
            return f"{self.percent:+.1f} %, error not known: {rule}"
        return f"{self.percent:+.1f} %, error {self.error_percent:.2g} %: {self.verdict.replace('_', ' ')}"


def read_change(
    baseline: LesionVolume,
    volume: LesionVolume | None,
    answer: VolumeAnswer,
    *,
    readers: tuple[str, str] = ("", ""),
    change_rule: ChangeRule,
    comparability_rule: ComparabilityRule | None = None,
    reading_error: ReadingError | None = None,
    verdict_rule: VerdictRule | None = None,
) -> ReadoutChange:
    """Return the change of a lesion as ``changes.csv`` has it, for the lesion as it is now.

    Parameters
    ----------
    baseline : LesionVolume
    volume : LesionVolume or None
        Of the lesion now; None where it cannot be measured.
    answer : VolumeAnswer
        The number, or why there is none.
    readers : pair of str
        Who read the two visits; empty where that is not known.
    change_rule : ChangeRule
    comparability_rule : ComparabilityRule, optional
    reading_error : ReadingError, optional
    verdict_rule : VerdictRule, optional
    """
    known = in_cm3(baseline.volume_mm3)
    if volume is None or not answer.has_number:
        no_number = "followup-not-traced" if answer.status == "not_traced" else "followup-not-measured"
        reason = answer.code or no_number
        return ReadoutChange(
            baseline_volume_cm3=known,
            percent=None,
            category="not_evaluable",
            reason=reason,
            # What is wrong is said where the errors of the lesion stand.
            reason_text=NO_VOLUME if answer.code else _reason_text(reason),
        )
    change = classify_change(baseline, volume, change_rule)
    category, reason, compared, worth = change.category, change.reason, None, None
    flags: tuple[str, ...] = ()
    if change.percent is not None:
        rule = comparability_rule or ComparabilityRule()
        compared = compare_visits(_facts(baseline, readers[0]), _facts(volume, readers[1]), rule)
        if compared.comparable == "no" and not reason:
            category, reason = "not_evaluable", next(c for c in compared.reservations if c in rule.refuse)
        if reading_error is not None:
            worth = judge_change(
                change.baseline_volume_mm3,
                change.followup_volume_mm3,
                sampling_error_percent=(_slicing(baseline), _slicing(volume)),
                reading_error=reading_error,
                change_rule=change_rule,
                verdict_rule=verdict_rule,
                category=category,
            )
            others = reading_error.is_of_others(readers, (baseline.height_rule, volume.height_rule))
            flags = (*worth.flags, *others)
    return ReadoutChange(
        baseline_volume_cm3=known,
        percent=change.percent,
        category=category,
        reason=reason,
        reason_text=_reason_text(reason),
        threshold_percent=change_rule.threshold_percent,
        error_percent=None if worth is None else worth.change_error_percent,
        verdict="" if worth is None else worth.verdict,
        comparability=compared,
        error_flags=flags,
    )


def _facts(volume: LesionVolume, reader: str) -> VisitFacts:
    """What a comparison needs to know of a visit: the cells that a row of measurements would have."""
    geometry, source = volume.geometry, volume.source
    return visit_facts(
        {
            "side": volume.side,
            "reader": reader,
            "modality": source.modality,
            "height_rule": volume.height_rule,
            "slice_thickness_mm": geometry.slice_thickness_mm,
            "slice_spacing_mm": geometry.slice_spacing_mm,
            "plane": geometry.plane,
            "flags": ";".join(volume.flags),
            **geometry_facts(geometry),
            **source.acquisition.known,
        }
    )


def _slicing(volume: LesionVolume) -> float | None:
    return sampling_error(*volume.profile(), irregularity=volume.irregularity).percent


def _reason_text(reason: str) -> str:
    words = REASONS.get(reason) or RESERVATIONS.get(reason) or ERROR_CODES.get(reason, reason)
    return sentence(words) if reason else ""
