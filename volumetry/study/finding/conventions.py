"""Cases by convention: DICOM objects, masks beside images, native traces, scans that nobody traced."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from volumetry.errors import VolumetryError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.traced.references import References
from volumetry.formats.lesion_names import side_of_name
from volumetry.formats.recognise import RTSTRUCT_CLASS, TRACE_SUFFIX, without_suffix
from volumetry.formats.trace_json import read_trace
from volumetry.scan import ScanSource
from volumetry.study.cases import Case
from volumetry.study.finding.folder import Found, ImageSeries, above, dicom_who, text_of
from volumetry.study.finding.label_lists import labels_beside, told_labels
from volumetry.study.finding.names import (
    bids_lesion,
    bids_pipeline,
    bids_reader,
    bids_who,
    folder_of,
    folders_below_visit,
    folders_of,
    image_stem,
    is_hidden,
    is_image_word,
    is_in_mask_folder,
    is_mask_name,
    is_new_lesion,
    is_space_of,
    lesion_words,
    read_of_name,
    reader_of_folder,
    reader_of_name,
    same_entities,
    side_of_folders,
    stem_before_mask,
    template_of_name,
)
from volumetry.study.identity import date_of_name, day_in_file, hemisphere_of, side_of_file


def dicom_cases(found: Found) -> Iterator[Case]:
    """Yield a case for every RTSTRUCT and segmentation, tied to the series that it references."""
    for header in found.objects:
        patient, visit, date = dicom_who(found, header)
        trace = found.relative(header.path)
        form = "rtstruct" if header.sop_class_uid == RTSTRUCT_CLASS else "seg"
        try:
            references = _references_of(header)
        except VolumetryError as error:
            yield Case(patient=patient, visit=visit, study_date=date, trace=trace, form=form, error=error)
            continue
        several = _referenced_series(found, references)
        if not several:
            yield Case(
                patient=patient,
                visit=visit,
                study_date=date,
                trace=trace,
                form=form,
                patient_id=text_of(header, "patient_id"),
                study_uid=text_of(header, "study_instance_uid"),
                note="no image that it refers to is there",
            )
            continue
        for roi, drawn_on in _by_visit(references, several):
            found.traced_series.update(series.key for series in drawn_on)
            series = drawn_on[0]
            scan_patient, scan_visit, scan_date = dicom_who(found, series.first)
            yield Case(
                patient=text_of(header, "patient_id") or scan_patient or patient,
                visit=scan_visit,
                study_date=scan_date,
                modality=series.first.modality or "",
                series_uid=series.series_uid if len(drawn_on) == 1 else "",
                patient_id=text_of(series.first, "patient_id") or text_of(header, "patient_id"),
                study_uid=series.study_uid,
                form=form,
                trace=trace,
                named_side=_side_of_place(trace),
                roi=roi,
                scan=os.path.commonpath([one.folder or "." for one in drawn_on]) or ".",
                scan_files=tuple(name for one in drawn_on for name in one.files),
            )


def _side_of_place(name: str) -> str:
    """The side that the name of a file says or, without it, the folders below that of the visit."""
    return side_of_file(image_stem(name)) or side_of_folders(name)


def _references_of(header: DicomHeader) -> References:
    from volumetry.formats.dicom.traced import rtstruct, seg  # of studies with DICOM tracings alone

    if header.sop_class_uid == RTSTRUCT_CLASS:
        return rtstruct.referenced(header.path)
    return seg.referenced(header.path)


def _by_visit(references: References, several: list[ImageSeries]) -> Iterator[tuple[str, list[ImageSeries]]]:
    """Yield the regions of a structure set with their series, where they were drawn on scans of two visits.

    Else one region without name, which stands for the whole file. What names no image, but lists series of
    several studies, is of its own study.
    """
    own = [series for series in several if series.study_uid == references.study_uid] or several
    if len({series.study_uid for series in several}) < 2 or references.sop_class_uid != RTSTRUCT_CLASS:
        traced = frozenset(references.traced_instance_uids)
        yield "", several if any(_holds_any(series, traced) for series in several) else own
        return
    from volumetry.formats.dicom.traced.rtstruct import images_of_regions

    for number, names in images_of_regions(references.path):
        drawn_on = [series for series in several if _holds_any(series, names)] if names else own
        if drawn_on:
            yield str(number), drawn_on


def _holds_any(series: ImageSeries, names: frozenset[str]) -> bool:
    uids = {name.partition("#")[0] for name in names}
    return any(text_of(header, "sop_instance_uid") in uids for header in series.headers)


def _referenced_series(found: Found, references: References) -> list[ImageSeries]:
    """The image series that an object was drawn on: by the images it names, their UIDs, else where they lie.

    The images of single outlines or frames come before the series that the object lists. The series of the
    patient in the object's frame of reference count where it names nothing that is there: geometry decides
    between them.
    """
    wanted = {name.partition("#")[0] for name in references.referenced_instance_uids}
    traced = {name.partition("#")[0] for name in references.traced_instance_uids}
    named = [s for uid in references.referenced_series_uids for s in found.series_by_uid.get(uid, [])]
    if len(named) > len({series.series_uid for series in named}):  # several are under one SeriesInstanceUID
        named = [s for s in named if _holds_any(s, frozenset(wanted))] or named
        named = [s for s in named if s.study_uid == references.study_uid] or named
        named = [s for s in named if s.key[0] == references.patient] or named
    if len(named) > len({series.series_uid for series in named}):
        return []
    drawn_on = [s for s in named if _holds_any(s, frozenset(traced))]
    traced -= {text_of(h, "sop_instance_uid") for s in drawn_on for h in s.headers}
    if traced or not named:
        others = traced or wanted
        drawn_on += [s for s in found.series.values() if s not in named and _holds_any(s, frozenset(others))]
    if drawn_on and references.names_every_image:
        return drawn_on
    drawn_on += [s for s in named if s not in drawn_on]
    if drawn_on or wanted or references.referenced_series_uids:
        return drawn_on
    return [s for s in found.series.values() if _shares_frame_of_reference(s, references)]


def _shares_frame_of_reference(series: ImageSeries, references: References) -> bool:
    try:
        frame, patient = series.first.frame_of_reference_uid, series.first.patient_id or ""
    except VolumetryError:
        return False
    return frame in references.frame_of_reference_uids and patient == references.patient


def mask_cases(found: Found) -> Iterator[Case]:
    """Yield a case for every mask that no layout has claimed."""
    for name in found.volumes:
        is_named = is_mask_name(name)
        if name in found.traced_volumes or not (is_named or _lies_beside_series(found, name)):
            continue
        patient, visit = bids_who(name) or folders_of(name)
        lesion = bids_lesion(name) if is_named else _name_in_folder(name)
        scan, files, series = _image_of(found, name)
        if series is not None and "/" not in name:  # no folder says whose it is, but its images do
            patient, visit, _ = dicom_who(found, series.first)
        found.traced_volumes.add(name)
        found.traced_volumes.add(scan)
        stem = image_stem(name)
        side = hemisphere_of(stem) or side_of_name(f"lesion {lesion}") or side_of_file(stem)
        described = (
            bids_pipeline(name),
            template_of_name(name),
            "" if lesion else lesion_words(name, scan, (patient, visit)),
            told_labels(labels_beside(found.root, name)),
        )
        case = Case(
            patient=patient,
            visit=visit,
            side=side or side_of_folders(name),
            lesion=lesion or ("new" if is_new_lesion(name) else ""),
            is_lesion_of_file=True,
            reader=bids_reader(name) or reader_of_name(name),
            read=read_of_name(name),
            described=" ".join(filter(None, described)),
            study_date="" if date_of_name(visit) else day_in_file(scan),
            trace=name,
            scan=scan,
            scan_files=files,
            note="" if scan else _several_series(found, name),
        )
        yield case if series is None else _on_series(found, case, series)


def _lies_beside_series(found: Found, name: str) -> bool:
    """Whether a file lies in a folder of masks, such as ``P1/v1/masks``, beside DICOM series alone."""
    place = folder_of(folder_of(name))
    if not is_in_mask_folder(name) or place == "." or found.images_by_folder.get(place):
        return False
    return bool(found.series_by_folder.get(place) or found.series_below.get(place))


def _name_in_folder(name: str) -> str:
    """The lesion of a file in a folder of masks: its name, where that says more than ``t1``."""
    stem = without_suffix(name.rpartition("/")[2])
    return "" if all(map(is_image_word, re.split(r"[\W_]+", stem.casefold()))) else stem


def _several_series(found: Found, mask: str) -> str:
    """Why a mask in a folder of masks is tied to none of the series beside it; empty elsewhere."""
    if not _lies_beside_series(found, mask):
        return ""
    return (
        "several series lie beside the folder of masks: call the mask as the folder of its series is called, "
        "or name the scan in a manifest (volumetry manifest)"
    )


_Image = tuple[str, tuple[str, ...], ImageSeries | None]
"""A scan, its files, and its series where it is a DICOM series."""


def _on_series(found: Found, case: Case, series: ImageSeries) -> Case:
    """A tracing in another format with what its DICOM series says: series, study, patient and date."""
    date = dicom_who(found, series.first)[2]
    return replace(
        case,
        visit=case.visit or date,
        series_uid=series.series_uid,
        study_uid=series.study_uid,
        patient_id=text_of(series.first, "patient_id"),
        study_date=date,
    )


def _image_of(found: Found, mask: str) -> _Image:
    """The image a mask belongs to: of its name, in BIDS by entities, or the only one in its folder."""
    folder = folder_of(mask)
    is_among_masks = _lies_beside_series(found, mask)
    beside = [] if is_among_masks else found.images_by_folder.get("" if folder == "." else folder, [])
    stem = image_stem(mask)
    for wanted in filter(None, (stem, f"{stem}_image", f"{stem}_img", stem_before_mask(mask))):
        named = [name for name in beside if without_suffix(name.rpartition("/")[2]) == wanted]
        if len(named) == 1:
            return named[0], (named[0],), None
    who = bids_who(mask)
    if who is not None:
        same = [name for name in found.images_by_who.get(who, []) if same_entities(name, mask)]
        if len(same) > 1:
            same = [name for name in same if template_of_name(name) == template_of_name(mask)]
        if len(same) > 1:
            same = [name for name in same if is_space_of(name, mask)] or same
        return (same[0], (same[0],), None) if len(same) == 1 else ("", (), None)
    is_trace = mask.endswith(TRACE_SUFFIX)  # and of no DICOM series, or it would say so
    called = None if is_trace else _series_called(found, folder, stem)
    if called is not None:
        return called
    if len(beside) == 1 and folder not in found.series_by_folder:
        return beside[0], (beside[0],), None
    if beside:
        return "", (), None
    found_at = _series_at(found, folder, below=not is_trace)
    if found_at[0] or is_trace or not is_among_masks:
        return found_at if found_at[0] or is_trace else _image_of_visit(found, mask)
    place = folder_of(folder)
    return _series_called(found, place, stem) or _series_at(found, place)


def _image_of_visit(found: Found, mask: str) -> _Image:
    """The only image of a visit whose masks lie in folders of sides or readers: ``P1/v1/left/mask``."""
    below = folders_below_visit(mask)
    is_so = below and all(side_of_name(name) or reader_of_folder(name) for name in below)
    visit = "/".join(mask.split("/")[:2])
    images = found.images_by_folder.get(visit, []) if is_so and visit not in found.series_by_folder else []
    return (images[0], (images[0],), None) if len(images) == 1 else ("", (), None)


def _series_called(found: Found, folder: str, name: str) -> _Image | None:
    """The only DICOM series in the folder of this name, below it, or in the file of this name."""
    place = name if folder == "." else f"{folder}/{name}"
    series = found.series_by_folder.get(place) or found.series_below.get(place, [])
    if not series:
        beside = found.series_by_folder.get(folder, [])
        series = [
            s for s in beside if len(s.files) == 1 and without_suffix(s.files[0]) == place.removeprefix("./")
        ]
    if len(series) != 1:
        return None
    found.traced_series.add(series[0].key)
    scan = series[0].folder if len(series[0].files) > 1 else series[0].files[0]
    return scan, series[0].files, series[0]


def _series_at(found: Found, folder: str, *, below: bool = True) -> _Image:
    """The one DICOM series in a folder; where it holds none, the one below it."""
    series = found.series_by_folder.get(folder) or (found.series_below.get(folder, []) if below else [])
    if len(series) != 1:
        return "", (), None
    found.traced_series.add(series[0].key)
    found.named_by_folders.add(folder)
    return series[0].folder, series[0].files, series[0]


def with_series(found: Found, cases: Iterable[Case]) -> Iterator[Case]:
    """Yield cases of layouts; masks without an image are tied to DICOM series, where one can be meant.

    Those of TotalSegmentator lie in a folder beside it; others have the name of its folder.
    """
    for case in cases:
        if not case.trace or case.scan or not found.series:
            yield case
            continue
        folder = folder_of(case.trace)
        if folder.rpartition("/")[2].lower() == "segmentations":
            scan, files, series = _series_at(found, folder_of(folder))
        else:
            scan, files, series = _series_called(found, folder, image_stem(case.trace)) or ("", (), None)
        if series is not None:
            case = _on_series(found, replace(case, scan=scan, scan_files=files, note=""), series)
        yield case


def native_cases(found: Found) -> Iterator[Case]:
    """Yield a case for every native trace."""
    for name in found.traces:
        patient, visit = bids_who(name) or folders_of(name)
        try:
            trace = read_trace(Path(found.root) / name)
        except VolumetryError as error:
            yield Case(patient=patient, visit=visit, trace=name, error=error)
            continue
        scan, files, date = "", tuple[str, ...](), trace.source.study_date
        if "/" not in name:
            patient = trace.source.patient or patient
        series = _series_of_trace(found, name, trace.source)
        if series is not None:
            found.traced_series.add(series.key)
            scan, files = series.folder, series.files
            # Of one series, all tracings have one name of patient and visit, whatever their form.
            patient, visit, date = dicom_who(found, series.first)
        elif not trace.source.series_uid:
            scan, files, _ = _image_of(found, name)
            found.traced_volumes.add(scan)
        yield Case(
            patient=patient,
            visit=visit or date,
            side=trace.side,
            lesion=trace.lesion,
            reader=trace.provenance.reader,
            study_date=date,
            study_uid="" if series is None else series.study_uid,
            modality=trace.source.modality,
            series_uid=trace.source.series_uid,
            read=trace.provenance.read,
            form="trace",
            version=trace.sha256,
            parent=trace.provenance.parent_sha256,
            patient_id=trace.source.patient,
            trace=name,
            scan=scan,
            scan_files=files,
        )


def _series_of_trace(found: Found, name: str, source: ScanSource) -> ImageSeries | None:
    """The series a native trace was drawn on: of its UID; of several, by its date, then its folder."""
    same = found.series_by_uid.get(source.series_uid, []) if source.series_uid else []
    if len(same) > 1:
        same = [s for s in same if dicom_who(found, s.first)[2] == source.study_date] or same
    if len(same) > 1:
        same = [s for s in same if s.folder.startswith(folder_of(name))] or same
    return same[0] if len(same) == 1 else None


def untraced_cases(found: Found) -> Iterator[Case]:
    """Yield a case for every series and image that nobody traced."""
    for key, series in sorted(found.series.items()):
        if key not in found.traced_series:
            patient, visit, date = dicom_who(found, series.first)
            if any(place in found.named_by_folders for place in above(series.folder)):
                patient, visit = folders_of(series.files[0])  # as the tracings that lie there
            yield Case(
                patient=patient,
                visit=visit,
                study_date=date,
                modality=series.first.modality or "",
                series_uid=series.series_uid,
                patient_id=text_of(series.first, "patient_id"),
                study_uid=series.study_uid,
                scan=series.folder if len(series.files) > 1 else series.files[0],
                scan_files=series.files,
            )
    for name in found.volumes:
        if name not in found.traced_volumes and not is_in_mask_folder(name):
            patient, visit = bids_who(name) or folders_of(name)
            yield Case(patient=patient, visit=visit, scan=name, scan_files=(name,))


def refused_cases(found: Found) -> Iterator[Case]:
    """Yield a case for every file that should be readable and is not."""
    for path, error in found.index.refusals:
        name = found.relative(path)
        if is_hidden(name):
            continue
        patient, visit = folders_of(name)
        yield Case(patient=patient, visit=visit, scan=name, scan_files=(name,), error=error)
