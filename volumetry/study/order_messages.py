"""Sentences on the order of visits: why it is not known or in doubt, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def unknown_order_message(visits: Iterable[str], declared: Sequence[str] = ()) -> str:
    """Return the sentence that says that the order of visits is unknown, and what to do.

    >>> unknown_order_message(["Pre", "post"], ["pre", "post"])[:67]
    "the order of the visits 'Pre', 'post' is not known, so no change is"
    """
    known = sorted(visits)
    named = ", ".join(repr(visit) for visit in known)
    what = f"the order of the visits {named} is not known, so no change is computed."
    if not declared:
        return (
            f"{what} Give their order as visits in [study] of the protocol, or their dates as study_date in "
            "a manifest."
        )
    lacking = [visit for visit in known if visit not in declared]
    alike = {name.casefold(): name for name in declared}
    told = ", ".join(
        f"{visit!r} (it has {alike[visit.casefold()]!r})" if visit.casefold() in alike else repr(visit)
        for visit in lacking
    )
    return f"{what} visits in [study] of the protocol lacks {told}. Name every visit there as it is called."


ORDER_OF_A_STUDY = (
    "Give it as visits in [study] of the protocol, or dates in a manifest (see message in measurements.csv)."
)
"""How the order of visits is given to a batch."""


def unordered_message(patients: Sequence[str], todo: str = ORDER_OF_A_STUDY) -> str:
    """Return the sentence that says of which patients the order of visits is not known, and how to give it.

    >>> unordered_message(["P1"])[:61]
    'the order of the visits is not known, so no change is compute'
    """
    more = f" and {len(patients) - 3} more" if len(patients) > 3 else ""
    return (
        f"the order of the visits is not known, so no change is computed: {', '.join(patients[:3])}{more}. "
        f"{todo}"
    )


def untraced_first_message(firsts: Sequence[tuple[str, str]]) -> str:
    """Return the sentence that says that changes have no baseline, as nobody traced the first visit.

    Parameters
    ----------
    firsts : sequence of (str, str)
        Patients, as tables show them, and their first visits.

    Examples
    --------
    >>> untraced_first_message([("P1", "2022-01-01")])[:62]
    'nothing is traced at the first visit of P1 (2022-01-01), but a'
    """
    told = ", ".join(f"{patient} ({visit})" for patient, visit in firsts[:3])
    more = f" and {len(firsts) - 3} more patients" if len(firsts) > 3 else ""
    return (
        f"nothing is traced at the first visit of {told}{more}, but at later ones, so that their changes are "
        "baseline-not-traced. Trace it; or, if it is no visit of the study, leave it out of a manifest "
        "(volumetry manifest)."
    )


def conflict_message(visits: Iterable[str]) -> str:
    """Return the sentence that says that dates of images contradict the order of visits."""
    named = ", ".join(repr(visit) for visit in sorted(visits))
    return (
        f"the order of the visits {named} by the manifest or protocol contradicts the dates of their images "
        "(StudyDate, or a date in their names), or those or visit_order of the manifest; the order of the "
        "protocol counts, then that of the manifest. If it is wrong, "
        "correct study_date, visit_order, or visits in the protocol."
    )


def doubted_order_message(visits: Iterable[str]) -> str:
    """Return the sentence that says that the headers of images give two orders of visits."""
    named = ", ".join(repr(visit) for visit in sorted(visits))
    return (
        f"the order of the visits {named} is not known, so no change is computed: StudyDate says one order, "
        "and AcquisitionDate, PatientAge or PatientBirthDate another, or one of the days is to come. Give "
        "their order as visits in [study] of the protocol, or in a manifest; visit = "
        '"StudyDate" in [identity] says that StudyDate counts.'
    )


def inconsistent_dates_message() -> str:
    """Return the sentence that says that dates of images contradict each other, but not on their order."""
    return (
        "the date of the images (StudyDate) contradicts AcquisitionDate, or the dates or numbers in names of "
        "folders, files and visits; the date counts. If it is wrong, write study_date or visit_order in a "
        "manifest."
    )
