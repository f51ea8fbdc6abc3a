"""ARCO 2019: the stage that the findings make, beside the stage that was read.

Yoon BH et al., The 2019 revised version of ARCO staging, J Arthroplasty 2020;35:933-940. The reader keeps
the last word: this only says where stage and findings disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from volumetry.clinical.threshold import Threshold, require_range
from volumetry.errors import UsageError
from volumetry.statistics.arguments import checked
from volumetry.statistics.result import Result

ArcoStage = Literal["0", "I", "II", "IIIA", "IIIB", "IV"]

_STAGES = get_args(ArcoStage)

#: Depression of the head that divides IIIA (up to 2 mm) from IIIB (more than 2 mm).
LATE_STAGE_THREE = Threshold(value=2.0, inclusive=False)


@dataclass(frozen=True, kw_only=True)
class HipFindings:
    """What films, MRI and CT show of one hip.

    Attributes
    ----------
    mri_positive : bool or None
        Band of low signal on T1, or a positive bone scan; None: not done.
    radiograph_abnormal : bool
        Sclerosis, focal porosis or cysts in the head, or anything worse.
    fracture : bool
        In the subchondral bone or the necrotic part, on film or CT.
    depression_mm : float
        Depression of the head's outline; 0 where it is round.
    osteoarthritis : bool
        Joint space narrowed, acetabulum changed.

    Examples
    --------
    >>> findings = vc.HipFindings(mri_positive=True, radiograph_abnormal=True, fracture=True)
    >>> vc.arco_stage(findings)
    'IIIA'
    """

    mri_positive: bool | None
    radiograph_abnormal: bool
    fracture: bool = False
    depression_mm: float = 0.0
    osteoarthritis: bool = False


@dataclass(frozen=True, kw_only=True, repr=False)
class StageCheck(Result):
    """A read stage against the one that follows from the findings.

    Attributes
    ----------
    read, expected : str
    agrees : bool
        III without a letter agrees with IIIA and IIIB.
    reasons : tuple of str
        Which findings make the expected stage.

    Examples
    --------
    >>> findings = vc.HipFindings(mri_positive=True, radiograph_abnormal=True, fracture=True)
    >>> check = vc.check_arco_stage('II', findings)
    >>> check.agrees
    False
    """

    read: str
    expected: ArcoStage
    agrees: bool
    reasons: tuple[str, ...]


@checked
def arco_stage(findings: HipFindings, *, late: Threshold = LATE_STAGE_THREE) -> ArcoStage:
    """Return the ARCO 2019 stage that the findings make; 0 where nothing is positive.

    Raises
    ------
    UsageError
        ``usage`` for a depression that is negative or not finite.
    """
    return _stage(findings, late)[0]


@checked
def check_arco_stage(read: str, findings: HipFindings, *, late: Threshold = LATE_STAGE_THREE) -> StageCheck:
    """Compare a stage as read ("2", "II", "IIIa") with the findings.

    Raises
    ------
    UsageError
        ``usage`` for a stage that does not exist.
    """
    stage = normal_stage(read)
    expected, reason = _stage(findings, late)
    return StageCheck(
        read=stage,
        expected=expected,
        agrees=stage == expected or (stage == "III" and expected.startswith("III")),
        reasons=(reason,),
    )


def normal_stage(read: str) -> str:
    """Return a stage in Roman numerals: ``"2"`` is ``"II"``, ``"3a"`` is ``"IIIA"``."""
    text = str(read).strip().upper().removeprefix("ARCO").strip()
    for digit, roman in (("4", "IV"), ("3", "III"), ("2", "II"), ("1", "I")):
        if text.startswith(digit):
            text = roman + text[1:]
    if text not in (*_STAGES, "III"):
        raise UsageError("usage", f"unknown ARCO stage {read!r}", todo=f"Take one of {', '.join(_STAGES)}.")
    return text


def _stage(findings: HipFindings, late: Threshold) -> tuple[ArcoStage, str]:
    require_range("the depression", findings.depression_mm, 0, 100)
    if findings.osteoarthritis:
        return "IV", "osteoarthritis"
    if findings.fracture or findings.depression_mm > 0:
        deep = late.reached(findings.depression_mm)
        return ("IIIB" if deep else "IIIA"), f"fracture or depression of {findings.depression_mm:g} mm"
    if findings.radiograph_abnormal:
        return "II", "radiograph abnormal, head round and whole"
    if findings.mri_positive:
        return "I", "radiograph normal, MRI positive"
    return "0", "nothing is positive" if findings.mri_positive is False else "no MRI, radiograph normal"
