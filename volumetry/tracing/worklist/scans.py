"""The scans of a study, and what is traced on each, saved or in progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from volumetry.errors import ReadError, VolumetryError
from volumetry.study.cases import Case
from volumetry.tracing.disk.places import CasePlace, key_of_identity, place_for, safe_name
from volumetry.tracing.disk.recovery import recover
from volumetry.tracing.disk.revisions import read_saved
from volumetry.tracing.worklist.series import SeriesChoice, StudyCases, Visit, read_choice

CaseState = Literal["untraced", "in progress", "saved", "signed", "conflict"]

FORMS = {"rtstruct": "RTSTRUCT", "seg": "SEG", "mask": "mask", "trace": "trace"}
"""What to call a traced file (`Case.form`)."""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A lesion that has been traced on a scan; `form` as of `WorklistRow`."""

    lesion: str
    side: str
    reader: str
    state: CaseState
    path: Path | None = None
    finding: str = ""
    signed_time: str = ""
    form: str = ""


@dataclass(kw_only=True)
class StudyScan:
    """A scan of the study with what is traced on it."""

    patient: str
    visit: str
    study_date: str
    scan: str
    series_uid: str
    place: CasePlace
    traced: list[Traced] = field(default_factory=list)
    choices: tuple[SeriesChoice, ...] = ()
    chosen_for: Visit = ("", "", "")
    known_as: str = ""
    refused: str = ""

    @property
    def identity(self) -> str:
        """Path and series of the scan, by which a key knows it: the same before and after it was chosen."""
        if self.known_as:
            return self.known_as
        return f"{self.scan} {self.series_uid}".strip()


def scans_of(cases: Iterable[Case], study: Path, base: Path) -> list[StudyScan]:
    """Return the scans of the cases of a study, each with what is traced on it."""
    scans: dict[tuple[str, str], StudyScan] = {}
    for case in cases:
        if not case.scan or not case.scan_files:
            continue
        place = place_for(study / case.scan, study=study, place=base)
        patient, visit = _who(case, study)
        scan = scans.setdefault(
            (case.scan, case.series_uid),
            StudyScan(
                patient=patient,
                visit=visit,
                study_date=case.study_date,
                scan=case.scan,
                series_uid=case.series_uid,
                place=place,
            ),
        )
        if case.error is not None:
            scan.refused = scan.refused or case.error.code
        if case.trace and case.error is None and not case.besides:
            scan.traced += _traced_in(case, study)
    return list(scans.values())


def scans_of_study(found: StudyCases, study: Path, base: Path) -> list[StudyScan]:
    """Return the scans that the protocol reads; a visit whose series is to be chosen has `choices`.

    Raises
    ------
    ReadError
        ``unreadable``: a choice.
    """
    scans = scans_of(found.cases, study, base)
    for visit, choices in found.choices.items():
        kept = read_choice(base, visit)
        chosen = next((c for c in choices if (c.scan, c.series_uid) == kept), None)
        for one in scans_of(found.cases_of(chosen or choices[0]), study, base):
            scans.append(replace(one, known_as=choices[0].identity))
            if chosen is None:
                scans[-1] = replace(scans[-1], choices=choices, chosen_for=visit, traced=[])
    return scans


def _who(case: Case, study: Path) -> tuple[str, str]:
    """Patient and visit of a scan: the same before and after it has been traced."""
    if case.series_uid and case.trace.endswith(".trace.json") and case.error is None:
        # Discovery takes those of a native trace from its folders, those of its series from the headers.
        with suppress(ReadError):
            source = read_saved(study / case.trace).source
            return source.patient or case.patient, source.study_date or case.visit
    return case.patient, case.visit


def _traced_in(case: Case, study: Path) -> Iterator[Traced]:
    """The lesions in a traced file of the study."""
    path = study / case.trace
    if path.name.endswith(".trace.json"):
        yield from _native(path)
        return
    named = [case.roi or case.lesion] if case.roi or case.lesion else region_names(path)
    for name in named:
        yield Traced(
            lesion=name,
            side=case.side or _side(name),
            reader=case.reader,
            state="saved",
            path=path,
            form=FORMS.get(case.form, case.form),
        )


def region_names(path: Path) -> list[str]:
    """Return the names of the regions of an RTSTRUCT, or of the segments of a SEG; none of another file."""
    from volumetry.formats.dicom.traced.rtstruct import list_rois
    from volumetry.formats.dicom.traced.seg import list_segments

    with suppress(VolumetryError):
        return [region.name for region in list_rois(path)]
    with suppress(VolumetryError):
        return [segment.name for segment in list_segments(path)]
    return []


def _side(name: str) -> str:
    from volumetry.formats.lesion_names import side_of_name

    return side_of_name(name)


def _native(path: Path) -> Iterator[Traced]:
    try:
        trace = read_saved(path)
    except ReadError:
        return
    signed: CaseState = "signed" if trace.provenance.signed_time else "saved"
    yield Traced(
        lesion=trace.lesion,
        side=trace.side,
        reader=trace.provenance.reader,
        state="conflict" if ".conflict-" in path.name else signed,
        path=path,
        signed_time=trace.provenance.signed_time,
        form="" if trace.provenance.reader else FORMS["trace"],
        finding=_finding(is_absent=not trace.contours, not_measurable=trace.not_measurable),
    )


def _finding(*, is_absent: bool, not_measurable: str) -> str:
    if not_measurable:
        return f"not measurable: {not_measurable}"
    return "absent" if is_absent else ""


def look_up(scan: StudyScan, reader: str) -> None:
    """Add what lies in the place of a scan: traces saved there, and work in progress."""
    known = {traced.path.resolve() for traced in scan.traced if traced.path}
    for path in scan.place.traces():
        if path.resolve() not in known and fits(path, scan):
            scan.traced += _native(path)
    if not reader:
        return
    for key in keys_of(scan, reader):
        state = recover(scan.place, key, reader).state
        for name in state.deleted_lesions.values():
            scan.traced = [
                replace(t, state="in progress") if (t.lesion, t.reader) == (name, reader) else t
                for t in scan.traced
            ]
        for lesion_id in state.unsaved_lesions:
            lesion = state.lesions[lesion_id]
            scan.traced = [t for t in scan.traced if (t.lesion, t.reader) != (lesion.name, reader)]
            finding = _finding(is_absent=lesion.is_absent, not_measurable=lesion.not_measurable)
            scan.traced.append(
                Traced(
                    lesion=lesion.name,
                    side=lesion.side,
                    reader=reader,
                    state="in progress",
                    finding=finding,
                )
            )


def fits(path: Path, scan: StudyScan) -> bool:
    """Whether a trace in the place of a scan may be of it: several series share the folder of a visit."""
    if scan.place.secret:
        return True
    try:
        uid = read_saved(path).source.series_uid
    except ReadError:
        return False
    return not uid or not scan.series_uid or uid == scan.series_uid


def keys_of(scan: StudyScan, reader: str) -> list[str]:
    """Names under which journals of a scan may lie."""
    if scan.series_uid:
        return [key_of_identity(scan.series_uid, scan.place.secret)]
    if not scan.place.hidden.is_dir():
        return []
    end = f"_{safe_name(reader)}."
    names = (p.name for p in scan.place.hidden.iterdir() if p.name.endswith(".journal"))
    return sorted({name[: name.index(end)] for name in names if end in name})


def short_name(lesion: str) -> str:
    """The name of a lesion without the word: ``lesion_L1`` is ``L1``."""
    rest = lesion[len("lesion") :].lstrip(" _-") if lesion.lower().startswith("lesion") else lesion
    return rest or lesion
