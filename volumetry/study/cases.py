"""A case: one traced file with its scan, and who, when and where it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from volumetry.errors import VolumetryError


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One traced file, or one scan without a trace. All paths are relative to the study folder.

    Attributes
    ----------
    patient, visit : str
    side, lesion, reader : str
        As far as the folder or the manifest says so; the traced file may know better.
    study_date : str
        ISO date, empty where unknown.
    scan_date : str
        StudyDate by the scan or tracing itself, where a manifest may give another date.
    modality, series_uid : str
        Of the scan, as far as known without reading it.
    trace : str
        The traced file; empty for a scan that is not traced.
    shown_trace : str
        What tables call it, where it lies in another folder (``--traces``): its path in that one.
    scan : str
        The scan: a file, or the folder of a series; empty where none is known.
    scan_files : tuple of str
        The files of the scan, for its hash.
    label : int or None
        The only label to measure; None: all of the file.
    besides : tuple of int
        Labels that other cases of the file measure: this one measures those that are left, if any.
    joined : tuple of int
        Labels that are measured as one lesion: a region of a data set; empty: `label` counts.
    roi : str
        The only region to measure; empty: all of the file.
    site : str
    read : int or None
        Number of the read, where a manifest or the trace says so.
    visit_order : int or None
        Place of the visit, where a manifest says so.
    patient_id, study_uid : str
        PatientID and StudyInstanceUID of a DICOM file.
    form : str
        ``trace``, ``rtstruct``, ``seg`` or ``mask``.
    version, parent : str
        Hash of a native trace, and of the one that it was edited from.
    note : str
        Why no image is known that the tracing belongs to, where there is more to say than that.
    described : str
        What the name and the folders of a mask may say of its lesion, where nothing names it, and which
        derivatives of a BIDS data set it belongs to: tracings that differ in it are not compared.
    candidates : tuple of (str, str)
        Scans of which somebody has to choose one, each with what is known of it.
    left_out : tuple of str
        Files of the visit's other series, which ``[scan]`` of the protocol does not choose.
    named_side : str
        Side that the names of file and folders of a DICOM tracing say, where the tracing says none.
    zones : frozenset of str
        Where in the body the images lie by BodyPartExamined, where the patient's images lie apart.
    conflicts : tuple of str
        Flags of what contradicts itself in the headers of the patient's images.
    order_doubted : bool
        Whether the dates in these headers say two orders of the patient's visits.
    is_lesion_of_file : bool
        Whether the lesion's name is what the name of the file has besides patient and visit.
    is_lesion_of_manifest : bool
        Whether a manifest names the lesion.
    error : VolumetryError or None
        Why the case cannot be measured, found while looking around.
    """

    patient: str
    visit: str
    side: str = ""
    lesion: str = ""
    reader: str = ""
    study_date: str = ""
    modality: str = ""
    series_uid: str = ""
    trace: str = ""
    scan: str = ""
    scan_files: tuple[str, ...] = ()
    label: int | None = None
    roi: str = ""
    site: str = ""
    read: int | None = None
    visit_order: int | None = None
    patient_id: str = ""
    study_uid: str = ""
    form: str = "mask"
    version: str = ""
    parent: str = ""
    candidates: tuple[tuple[str, str], ...] = ()
    error: VolumetryError | None = None
    shown_trace: str = ""
    note: str = ""
    described: str = ""
    besides: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    scan_date: str = ""
    joined: tuple[int, ...] = ()
    named_side: str = ""
    zones: frozenset[str] = frozenset()
    conflicts: tuple[str, ...] = ()
    order_doubted: bool = False
    is_lesion_of_file: bool = False
    is_lesion_of_manifest: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """What names the case within its study."""
        label = "" if self.label is None else str(self.label)
        return (
            self.patient,
            self.visit,
            self.side,
            self.lesion,
            self.reader,
            self.shown_trace or self.trace,
            label,
            self.roi,
            self.scan,
            self.site,
            "" if self.read is None else str(self.read),
            self.study_date,
            ",".join(map(str, self.besides)),
            ",".join(map(str, self.joined)),
        )


_FIRST = re.compile(r"\b[a-z]+ 1\b")
_TELLING = re.compile(r"(?<![\w=])(?:[^\W\d_]|[^\W\d_]{3,})(?![\w=])|\b[a-z]+ \d")


def are_several_lesions(described: Iterable[str]) -> bool:
    """Return whether masks of one lesion are described (`Case.described`) as if they were of several.

    One that says nothing may be another lesion than one that says a word; not than ``lesion 1``, initials,
    or a list of labels.

    Examples
    --------
    >>> [are_several_lesions(names) for names in (["cyst", "tumor"], ["", "cyst"], ["", "lesion 1"])]
    [True, True, False]
    """
    names = set(described)
    said = names - {""}
    return len(said) > 1 or (len(names) > 1 and any(_TELLING.search(_FIRST.sub("", name)) for name in said))


SIDE_WORDS = {"l": "L", "left": "L", "r": "R", "right": "R", "": ""}
"""Words for a side, in lower case, that a manifest may use."""
