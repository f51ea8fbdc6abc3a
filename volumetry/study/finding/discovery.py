"""Which traced lesions lie below a folder, by these conventions, in this order:

1. a manifest;
2. DICOM SEG and RTSTRUCT objects, tied to their series by the UIDs they reference;
3. BIDS names (``sub-<label>[/ses-<label>]/...``, masks ``*_mask.nii.gz`` or ``*_dseg.nii.gz``);
4. the layouts of other programs (`volumetry.study.finding.layouts`);
5. pairs in one folder (``X_mask.nii.gz`` beside ``X.nii.gz``...) and native ``*.trace.json`` anywhere;
   patient and visit are then the first and second folder.

Nothing below the folder is written to. Links are followed only with ``--follow-links``, DICOMDIR files never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError
from volumetry.study.case_table import CaseTable
from volumetry.study.cases import Case
from volumetry.study.finding import conventions
from volumetry.study.finding.doubts.headers import doubted
from volumetry.study.finding.doubts.names import doubted_names
from volumetry.study.finding.doubts.sidecars import doubted_sidecars
from volumetry.study.finding.folder import Found, look_around
from volumetry.study.finding.folder_rules import FolderRules
from volumetry.study.finding.layouts import cases_of_layouts
from volumetry.study.finding.manifest.cases import manifest_cases
from volumetry.study.finding.manifest.table import MANIFEST_NAME
from volumetry.study.finding.mixed_forms import alike_named
from volumetry.study.finding.named_lesions import with_names_of_lesions
from volumetry.study.finding.names import image_stem, is_mask_name
from volumetry.study.finding.series_choice import choose_series
from volumetry.study.finding.session_dates import dated
from volumetry.study.finding.traces_apart import with_traces
from volumetry.study.identity import composed_text
from volumetry.study.protocol import Protocol, ScanSection

_LOG = logging.getLogger(__name__)


def discover(
    folder: Path | str,
    *,
    manifest: Path | str | None = None,
    traces: Path | str | None = None,
    protocol: Protocol | None = None,
) -> CaseTable:
    """Find every traced lesion, and every scan without a trace, below a folder.

    Parameters
    ----------
    folder : path
    manifest : path, optional
        Table with a row per lesion; ``manifest.csv`` in the folder is used where it exists.
    traces : path, optional
        Folder of tracings that are kept apart from the scans.
    protocol : Protocol, optional
        Its ``[identity]`` says where patient and visit are named, its ``[scan]`` which series count; a
        manifest names the scans itself.

    Returns
    -------
    CaseTable
        In order of patient, visit and path. Files that should be readable and are not are cases with
        an error.

    Raises
    ------
    ReadError, UsageError
        The folder or the manifest itself cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ReadError("not-found", "there is no such folder", where=folder, todo="Check the name.")
    protocol = protocol or Protocol()
    if traces is not None:
        everything = replace(protocol, scan=ScanSection())
        listed = manifest is not None or (folder / MANIFEST_NAME).is_file()
        cases = discover(folder, manifest=manifest, protocol=everything)
        apart = with_traces(cases, folder, Path(traces), protocol.identity, listed=listed)
        if listed:
            return _ordered(apart)
        return _ordered(choose_series(apart, protocol.scan, folder))
    if manifest is None and (folder / MANIFEST_NAME).is_file():
        manifest = folder / MANIFEST_NAME
    if manifest is not None:
        if protocol.scan.chooses:
            _LOG.warning("[scan] of the protocol is not applied: the manifest names the scans")
        return _ordered(dated(case) for case in manifest_cases(Path(manifest), folder))
    found = look_around(folder)
    _tell_of_links(found)
    named = with_names_of_lesions(alike_named(_named_cases(found, protocol), protocol.identity))
    headers = {series.files[0]: series.headers for series in found.series.values()}
    documents = found.documents
    del found
    named = CaseTable(doubted_names(named, protocol.identity))
    named = CaseTable(doubted_sidecars(named, documents, protocol.identity, folder))
    believed = doubted(named, protocol.identity, folder)
    return _ordered(choose_series(believed, protocol.scan, folder, headers))


def _tell_of_links(found: Found) -> None:
    links = sorted(map(found.relative, found.index.links))
    if links:
        more = f" and {len(links) - 5} more" if len(links) > 5 else ""
        told = ", ".join(links[:5])
        _LOG.warning("links to folders that are read under their own names are passed by: %s%s", told, more)


def _named_cases(found: Found, protocol: Protocol) -> CaseTable:
    """What the conventions find, with patient, visit and date as the protocol and the folders say."""
    laid_out, found.traced_volumes = cases_of_layouts(
        found.root, found.volumes, is_mask=is_mask_name, mask_stem=image_stem
    )
    laid_out = CaseTable(conventions.with_series(found, laid_out))
    rules = FolderRules.of(protocol.identity, found.images())
    named, traced = CaseTable(), set[str]()
    for find in _CONVENTIONS:
        for case in find(found):
            named.append(dated(rules.named(case), found.sessions))
            if laid_out and case.trace:
                traced.add(case.scan)
    for case in laid_out:
        if case.trace or case.scan not in traced:  # a native trace may lie in any layout
            named.append(dated(rules.named(case), found.sessions))
    return named


_CONVENTIONS: tuple[Callable[[Found], Iterator[Case]], ...] = (
    conventions.dicom_cases,
    conventions.mask_cases,
    conventions.native_cases,
    conventions.untraced_cases,
    conventions.refused_cases,
)
"""In this order: an image that one of them ties to a tracing is not untraced to those after it."""


_NAMES = ("site", "patient", "visit", "lesion", "reader")


def _composed(case: Case) -> Case:
    """A case whose names have composed letters, so that equal names are equal."""
    names = {name: getattr(case, name) for name in _NAMES}
    if all(map(str.isascii, names.values())):
        return case
    composed: dict[str, Any] = {name: composed_text(text) for name, text in names.items()}
    return replace(case, **composed)


def _ordered(cases: Iterable[Case]) -> CaseTable:
    table = cases if isinstance(cases, CaseTable) else CaseTable(cases)
    if not all(str.isascii(text) for name in _NAMES for text in table.column(name)):
        table = CaseTable(map(_composed, table))
    table.sort()
    return table
