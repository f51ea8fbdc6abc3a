"""Which series of a visit a study reads: ``[scan]`` of the protocol, by what the images say of themselves.

A series is chosen by plane, weighting, number of slices and SeriesDescription. The description is matched
here and written nowhere. Where no series of a visit fits, or several do, nothing is chosen: the visit has an
error that shows the candidates.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from volumetry.acquisition import Acquisition
from volumetry.errors import VolumetryError
from volumetry.formats import read_scan_header
from volumetry.formats.dicom.description import series_description
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.series.find import stacks_of
from volumetry.formats.dicom.series.stacks import SeriesStack
from volumetry.formats.recognise import TRACE_SUFFIX, is_voxel_file
from volumetry.formats.trace_json import read_trace
from volumetry.formats.voxels.nifti.sidecar import sidecar_description
from volumetry.study.cases import Case
from volumetry.study.protocol import ScanSection

Visit = tuple[str, str, str]
"""Site, patient, visit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StackFacts:
    """What `[scan]` asks of a stack of images: plane, weighting, number of slices."""

    plane: str = ""
    weighting: str = ""
    n_slices: int = 0
    is_localizer: bool = False

    def __str__(self) -> str:
        kind = "localizer, " if self.is_localizer else ""
        plane, weighting = self.plane or "unknown plane", self.weighting or "unknown weighting"
        return f"{kind}{plane}, {weighting}, {self.n_slices} slices"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A series or image file of a visit.

    Attributes
    ----------
    scan : str
        Relative to the study folder.
    stacks : tuple of StackFacts
    fits : bool
        Whether it is one that the protocol asks for.
    """

    scan: str
    stacks: tuple[StackFacts, ...]
    fits: bool

    @property
    def facts(self) -> str:
        """What is known of it, in words."""
        return " / ".join(dict.fromkeys(map(str, self.stacks))) or "unreadable"

    def __str__(self) -> str:
        return f"{self.scan} ({self.facts})"


def choose_series(
    cases: Sequence[Case],
    rules: ScanSection,
    root: Path,
    headers: Mapping[str, tuple[DicomHeader, ...]] | None = None,
) -> Sequence[Case]:
    """Return the cases of the series that the protocol asks for.

    Parameters
    ----------
    cases : sequence of Case
    rules : ScanSection
    root : Path
        The study folder.
    headers : mapping of first file to headers, optional
        Of the series that were read already.

    Returns
    -------
    sequence of Case
        Other series are left out. A visit without a series that fits, or with several, has an error
        ``no-matching-series`` or ``several-matching-series``; so has a tracing of another series where the
        chosen one is not traced.
    """
    if not rules.chooses:
        return cases
    known: dict[str, Candidate] = {}
    visits: dict[Visit, list[Case]] = defaultdict(list)
    result = []
    for case in cases:
        if case.error is not None:
            result.append(case)
        else:
            visits[case.site, case.patient, case.visit].append(case)
    for members in visits.values():
        for case in members:
            if _place(case) not in known:
                known[_place(case)] = _candidate(case, rules, root, headers or {})
        chosen = list(_chosen(members, known, rules))
        used = {name for case in chosen for name in case.scan_files}
        others = dict.fromkeys(name for case in members for name in case.scan_files if name not in used)
        chosen[:1] = [replace(case, left_out=tuple(others)) for case in chosen[:1]]
        result += chosen
    return result


def fitting_series(
    cases: Sequence[Case], rules: ScanSection, root: Path
) -> dict[Visit, tuple[tuple[Case, str], ...]]:
    """Return the series of every visit that fit the protocol: where there are several, somebody chooses.

    Parameters
    ----------
    cases : sequence of Case
        Of all series, not only of the chosen ones.
    rules : ScanSection
    root : Path
        The study folder.

    Returns
    -------
    mapping of visit to (case, facts) pairs
        One case for every series, in the order of their first files; what is known of it, in words.
    """
    found: dict[Visit, dict[str, tuple[Case, str]]] = defaultdict(dict)
    for case in sorted((c for c in cases if c.error is None), key=_place):
        members = found[case.site, case.patient, case.visit]
        if _place(case) not in members:
            candidate = _candidate(case, rules, root, {})
            if candidate.fits:
                members[_place(case)] = (case, candidate.facts)
    return {visit: tuple(members.values()) for visit, members in found.items()}


def _place(case: Case) -> str:
    return case.scan_files[0] if case.scan_files else case.scan or case.trace


def _chosen(members: Sequence[Case], known: Mapping[str, Candidate], rules: ScanSection) -> Iterator[Case]:
    candidates = {_place(case): known[_place(case)] for case in members}
    fitting = [place for place, candidate in candidates.items() if candidate.fits]
    traced = [case for case in members if case.trace]
    shown = [c for place, c in candidates.items() if not fitting or place in fitting]
    pairs = tuple(sorted((candidate.scan, candidate.facts) for candidate in shown))
    if len(fitting) == 1:
        right = [case for case in members if _place(case) in fitting]
        yield from right
        if any(case.trace for case in right):
            return  # tracings of other series are no part of this study
        error = _error("no-matching-series", "the tracing is of another series", candidates.values(), rules)
        yield from (replace(case, error=error, candidates=pairs) for case in traced)
        return
    if fitting:
        what = "several series of the visit fit [scan] of the protocol"
        error = _error("several-matching-series", what, shown, rules)
    else:
        what = "no series of the visit fits [scan] of the protocol"
        error = _error("no-matching-series", what, candidates.values(), rules)
    if traced:
        yield from (replace(case, error=error, candidates=pairs) for case in traced)
    else:
        first = members[0]
        yield Case(
            patient=first.patient,
            visit=first.visit,
            site=first.site,
            study_date=first.study_date,
            patient_id=first.patient_id,
            study_uid=first.study_uid,
            candidates=pairs,
            error=error,
        )


def _error(code: str, what: str, candidates: Iterable[Candidate], rules: ScanSection) -> VolumetryError:
    asked = (rules.plane, rules.weighting, f"at least {rules.min_slices} slices" if rules.min_slices else "")
    return VolumetryError(
        code,
        what,
        values={
            "asked": ", ".join(filter(None, (*asked, "a description" if rules.description else ""))),
            "candidates": "; ".join(sorted(map(str, candidates))),
        },
        todo="Change [scan] of the protocol, or name the series in a manifest (volumetry manifest FOLDER).",
    )


# -- facts --------------------------------------------------------------------------------------------------


def _candidate(
    case: Case, rules: ScanSection, root: Path, headers: Mapping[str, tuple[DicomHeader, ...]]
) -> Candidate:
    try:
        stacks = tuple(_facts(case, root, headers))
    except (VolumetryError, OSError):
        stacks = ()
    fits = any(_fits(stack, rules) for stack in stacks)
    if fits and rules.description:
        fits = _is_described(_description(case, root), rules.description)
    return Candidate(scan=case.scan or case.trace, stacks=stacks, fits=fits)


def _fits(stack: StackFacts, rules: ScanSection) -> bool:
    return (
        not stack.is_localizer
        and rules.plane in ("", stack.plane)
        and rules.weighting in ("", stack.weighting)
        and stack.n_slices >= rules.min_slices
    )


def _is_described(text: str, pattern: str) -> bool:
    """Whether a description fits a pattern; blanks count once, case does not count."""
    plain, wanted = (re.sub(r"\s+", " ", value).strip().casefold() for value in (text, pattern))
    return fnmatchcase(plain, wanted)


def _facts(case: Case, root: Path, headers: Mapping[str, tuple[DicomHeader, ...]]) -> Iterator[StackFacts]:
    place = _place(case)
    if place.endswith(TRACE_SUFFIX):
        trace = read_trace(root / place)
        yield _stack_facts(trace.geometry.plane, trace.source.acquisition, trace.geometry.n_slices)
        return
    if is_voxel_file(place):
        header = read_scan_header(root / place)
        yield _stack_facts(header.geometry.plane, header.source.acquisition, header.geometry.n_slices)
        return
    found = headers.get(place) or tuple(read_header(root / name) for name in case.scan_files)
    for stack in stacks_of(found):
        if isinstance(stack, SeriesStack):
            facts = _stack_facts(stack.geometry.plane, stack.source.acquisition, stack.n_slices)
            yield replace(facts, is_localizer=stack.is_localizer)


def _stack_facts(plane: str, acquisition: Acquisition, n_slices: int) -> StackFacts:
    return StackFacts(plane=plane, weighting=acquisition.weighting, n_slices=n_slices)


def _description(case: Case, root: Path) -> str:
    place = _place(case)
    if place.endswith(TRACE_SUFFIX):
        return ""
    return sidecar_description(root / place) if is_voxel_file(place) else series_description(root / place)


__all__ = ["Candidate", "StackFacts", "Visit", "choose_series", "fitting_series"]
