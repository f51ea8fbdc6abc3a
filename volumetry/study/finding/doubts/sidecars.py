"""Whether the sidecars of a patient's images can be of one person: dcm2niix writes what the headers said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from volumetry.formats.dicom.body_parts import are_apart
from volumetry.formats.dicom.person import PersonMarks, marks_said, may_be_several
from volumetry.formats.side_words import sides_apart
from volumetry.formats.voxels.nifti.sidecar import sidecar_person, sidecar_side, sidecars
from volumetry.study.cases import Case
from volumetry.study.finding.doubts.errors import several_in_sidecars
from volumetry.study.hash_index import NameSet, SeveralValues
from volumetry.study.protocol import IdentitySection


def doubted_sidecars(
    cases: Collection[Case], documents: NameSet, rules: IdentitySection, root: Path
) -> Iterable[Case]:
    """Return the cases, those whose images cannot be of one person with an error.

    Where a patient's images lie apart in the body, the cases say where (`Case.zones`); where their
    descriptions name sides, they say which (`Case.named_side`).

    Parameters
    ----------
    cases : collection of Case
    documents : NameSet
        The JSON files below the folder, relative.
    rules : IdentitySection
        Patients of whom the protocol says who they are are not doubted.
    root : Path
        The study folder.
    """
    if not documents:
        return cases
    visits = SeveralValues()
    for case in filter(_is_asked, cases):
        visits.add(_who(case), case.visit)
    marks: dict[str, dict[str, PersonMarks]] = defaultdict(dict)
    for case in cases if visits.keys else ():
        is_new = _is_asked(case) and _who(case) in visits.keys and case.scan not in marks[_who(case)]
        if is_new and (said := _marks(case, documents, root)) is not None:
            marks[_who(case)][case.scan] = said
    doubted = {who for who, said in marks.items() if not rules.patient and may_be_several([*said.values()])}
    apart = {who for who, said in marks.items() if are_apart(frozenset(m.zones for m in said.values()))}
    sides = {
        (who, scan): side
        for who, said in marks.items()
        for scan, side in sides_apart({scan: m.side for scan, m in said.items()}).items()
    }
    return _with_doubts(cases, doubted, apart, sides, marks) if doubted or apart or sides else cases


def _with_doubts(
    cases: Iterable[Case],
    doubted: Collection[str],
    apart: Collection[str],
    sides: Mapping[tuple[str, str], str],
    marks: Mapping[str, Mapping[str, PersonMarks]],
) -> Iterator[Case]:
    for case in cases:
        said = marks[_who(case)].get(case.scan) if _is_asked(case) and _who(case) in marks else None
        if said is not None and _who(case) in apart:
            case = replace(case, zones=said.zones)
        if said is not None and not case.named_side and (side := sides.get((_who(case), case.scan), "")):
            case = replace(case, named_side=side)
        is_doubted = said is not None and _who(case) in doubted
        yield replace(case, error=several_in_sidecars(case)) if is_doubted else case


def _is_asked(case: Case) -> bool:
    """Whether a case is a tracing on an image of voxels, whose name and folders alone say whose it is."""
    return bool(case.trace and case.scan) and not case.series_uid and case.error is None


def _who(case: Case) -> str:
    return f"{case.site}\0{case.patient}"


def _marks(case: Case, documents: NameSet, root: Path) -> PersonMarks | None:
    """What stands for the person of an image's sidecar; None where it has none."""
    folder = case.scan.rpartition("/")[0]
    names = [f"{folder}/{path.name}" if folder else path.name for path in sidecars(root / case.scan)]
    if not any(name in documents for name in names):
        return None
    return marks_said(*sidecar_person(root / case.scan), sidecar_side(root / case.scan))
