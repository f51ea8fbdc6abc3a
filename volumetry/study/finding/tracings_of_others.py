"""Tracings of other programs that are kept apart from a read-only archive: ``--traces FOLDER``.

RTSTRUCT and SEG objects are tied to the series of the archive by their UIDs, wherever they lie. Masks are
tied as if their folder were laid over the archive: ``TRACES/P1/v1/t1_mask.nii.gz`` belongs to the image that
it would belong to as ``ARCHIVE/P1/v1/t1_mask.nii.gz``. A mask may also have the very name of its image,
and one folder more may lie above (``TRACES/readerA/P1/v1``).
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from volumetry.study.cases import Case
from volumetry.study.finding import conventions
from volumetry.study.finding.doubts.headers import doubted
from volumetry.study.finding.folder import Found, look_around
from volumetry.study.finding.folder_rules import FolderRules
from volumetry.study.finding.layouts import cases_of_layouts
from volumetry.study.finding.names import folders_of, image_stem, is_mask_name, reader_of_folder
from volumetry.study.finding.session_dates import dated
from volumetry.study.protocol import IdentitySection

Scans = Mapping[tuple[str, str], Case]
"""One case of every scan of the archive, by its path and SeriesInstanceUID."""

ScanKey = tuple[str, str]


def tracings_of_others(
    folder: Path, traces: Path, scans: Scans, rules: IdentitySection, *, listed: bool
) -> Iterator[tuple[Case, list[ScanKey]]]:
    """Yield the tracings of other programs in the folder of traces, each with the scans that it is of.

    Parameters
    ----------
    folder, traces : Path
        The archive, and the folder of its tracings.
    scans : mapping
        Whose identity the tracings take.
    rules : IdentitySection
        For masks that are tied to no scan.
    listed : bool
        Whether a manifest lists the scans: tracings of others are then left out.

    Yields
    ------
    case : Case
        Its trace relative to the archive, and as tables show it.
    keys : list of (str, str)
        The scans that are traced by it.
    """
    apart = look_around(traces)
    apart.objects = [header for header in apart.objects if _is_shown(apart.relative(header.path))]
    apart.volumes = [name for name in apart.volumes if _is_shown(name)]
    if not apart.objects and not apart.volumes:
        return
    found = look_around(folder)
    for case in (*_objects(found, apart), *_masks(found, apart.volumes, traces, rules)):
        keys = _scans_of(case, scans)
        if keys and (listed or case.series_uid or case.form != "mask"):
            yield _with_identity(case, scans[keys[0]]), keys
        elif keys:  # the names of a mask and its image may say more than that of the image alone
            yield replace(case, error=case.error or scans[keys[0]].error), keys
        elif not listed:
            yield case, []


def _is_shown(inside: str) -> bool:
    return not any(part.startswith(".") for part in inside.split("/"))


def _scans_of(case: Case, scans: Scans) -> list[ScanKey]:
    files = set(case.scan_files)
    if not files:
        return []
    if (case.scan, case.series_uid) in scans:
        return [(case.scan, case.series_uid)]
    uids = ("", case.series_uid) if case.series_uid else None
    return [
        key
        for key, known in scans.items()
        if (uids is None or key[1] in uids) and not files.isdisjoint(known.scan_files)
    ]


def _with_identity(case: Case, known: Case) -> Case:
    return replace(
        case,
        site=known.site,
        patient=known.patient,
        visit=known.visit,
        visit_order=known.visit_order,
        study_date=known.study_date,
        scan_date=known.scan_date,
        error=case.error or known.error,
    )


# -- DICOM --------------------------------------------------------------------------------------------------


def _objects(found: Found, apart: Found) -> Iterator[Case]:
    inside = {found.relative(header.path): apart.relative(header.path) for header in apart.objects}
    found.objects = apart.objects
    for case in conventions.dicom_cases(found):
        shown = inside[case.trace]
        if not case.scan:  # the folders of the archive do not say whose it is
            patient, visit = folders_of(shown)
            case = replace(case, patient=case.patient_id or patient, visit=case.study_date or visit)
        yield replace(case, shown_trace=shown)


# -- masks --------------------------------------------------------------------------------------------------


def _masks(found: Found, volumes: Sequence[str], traces: Path, rules: IdentitySection) -> Iterator[Case]:
    images = [name for name in found.volumes if not is_mask_name(name)]
    names = _laid_over(volumes, images, traces, found)
    both = sorted((*images, *names))
    over = Found(root=found.root, index=found.index, series=found.series, volumes=both, tables=found.tables)
    laid_out, over.traced_volumes = cases_of_layouts(
        over.root, over.volumes, is_mask=is_mask_name, mask_stem=image_stem
    )
    cases = (*conventions.with_series(over, laid_out), *conventions.mask_cases(over))
    by_folders = FolderRules.of(rules, found.images())
    named = [dated(by_folders.named(c), over.sessions) for c in cases if c.trace in names]
    for case in doubted(named, rules, Path(found.root)):
        for above, inside in names[case.trace].items():
            trace = os.path.relpath((traces / inside).absolute(), Path(found.root).absolute())
            own = replace(case, trace=trace.replace(os.sep, "/"), shown_trace=inside)
            reader = reader_of_folder(above)
            described = " ".join(filter(None, (case.described, "" if reader else above)))
            yield replace(own, reader=case.reader or reader, described=described)


def _laid_over(
    volumes: Sequence[str], images: Sequence[str], traces: Path, found: Found
) -> dict[str, dict[str, str]]:
    """The names of masks as if they lay in the archive, and their own: none is that of an image there.

    A folder more may lie above those of the archive, as one for each reader: a name may be there in each.
    """
    taken, archive = set(images), Path(found.root)
    first = {folder for name in found.images() for folder in name.split("/")[:-1][:1]}
    names: dict[str, dict[str, str]] = {}
    for inside in volumes:
        above, _, name = inside.partition("/")
        if above in first or name.partition("/")[0] not in first or "/" not in name:
            above, name = "", inside
        if name in taken:
            if filecmp.cmp(traces / inside, archive / name, shallow=False):
                continue  # a copy of the image
            path = PurePosixPath(name)
            stem, dot, suffix = path.name.partition(".")
            name = str(path.with_name(f"{stem}_mask{dot}{suffix}"))
        if name not in taken:
            names.setdefault(name, {}).setdefault(above, inside)
    return names
