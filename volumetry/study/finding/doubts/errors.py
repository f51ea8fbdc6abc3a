"""Why the patient or the visit of a case is not believed: the errors, each with its way out."""

from __future__ import annotations

from collections.abc import Iterable

from volumetry.errors import VolumetryError
from volumetry.study.cases import Case


def several_in_headers(case: Case) -> VolumetryError:
    """Images under one PatientID whose headers cannot be of one person."""
    # What they are is not repeated: it is of persons.
    return VolumetryError(
        "patient-unclear",
        "the images of the patient differ in name, birth date, sex, IssuerOfPatientID, number in a trial, or "
        "in age by more than the time between them, so they may be of several patients",
        where=case.trace,
        todo='Write patient = "PatientID" or "folder:2" in [identity] of the protocol, which holds for all '
        "patients, or a manifest.",
    )


def several_in_sidecars(case: Case) -> VolumetryError:
    """Images of one patient whose sidecars cannot be of one person."""
    return VolumetryError(
        "patient-unclear",
        "the sidecars of the patient's images differ in PatientID, birth date or sex, so they may be of "
        "several patients",
        where=case.trace,
        todo='Move the files, or write patient = "folder:1" in [identity] of the protocol, which holds for '
        "all patients, or a manifest.",
    )


def study_of_several(case: Case, count: int) -> VolumetryError:
    """Images of one DICOM study under several PatientIDs."""
    return VolumetryError(
        "patient-unclear",
        "images of one DICOM study have several PatientIDs, so one may be a copy of another",
        where=case.trace,
        values={"patients": count},
        todo="Take one of the copies away, or write patient in [identity] of the protocol, or a manifest.",
    )


def no_patient_id(case: Case, folders: Iterable[str]) -> VolumetryError:
    """Images without a PatientID of their own, in folders side by side."""
    return VolumetryError(
        "patient-unclear",
        "the images have no PatientID of their own, and their folders may be of several patients",
        where=case.trace,
        values={"folders": ", ".join(name or "the study folder itself" for name in sorted(folders))},
        todo='Write patient = "folder:1" or "folder:2" in [identity] of the protocol ("PatientID" if that of '
        "the images is of one patient), or a manifest.",
    )


def unclear_patient(case: Case, folders: Iterable[str]) -> VolumetryError:
    """One PatientID in several first folders."""
    return VolumetryError(
        "patient-unclear",
        "one PatientID lies in several first folders, which may be several patients",
        where=case.trace or case.scan,
        values={"folders": ", ".join(name or "the study folder itself" for name in sorted(folders))},
        todo='Write patient = "folder:1" or patient = "PatientID" in [identity] of the protocol, or a '
        "manifest.",
    )


def unclear_deeper(case: Case, number: int, folders: Iterable[str]) -> VolumetryError:
    """The studies of one PatientID in folders that are called as patients are."""
    return VolumetryError(
        "patient-unclear",
        "the studies of one PatientID lie in folders that may be of several patients",
        where=case.trace or case.scan,
        values={"folders": ", ".join(sorted(folders))},
        todo=f'Write patient = "folder:{number}" or patient = "PatientID" in [identity] of the protocol, or '
        "a manifest.",
    )


def unclear_site(case: Case, places: Iterable[str]) -> VolumetryError:
    """One name of a patient below the folders of several hospitals."""
    return VolumetryError(
        "patient-unclear",
        "one name of a patient lies in several folders, which may be several hospitals",
        where=case.trace,
        values={"folders": ", ".join(sorted(places))},
        todo='Write site = "folder:1" in [identity] of the protocol, or a manifest.',
    )


def drawn_on_several(case: Case, count: int) -> VolumetryError:
    """Tracings in one folder that were drawn on images of several patients."""
    # Who they are is not repeated: identities of patients are in no message.
    return VolumetryError(
        "patient-unclear",
        "tracings in one patient's folder were drawn on images of several patients",
        where=case.trace,
        values={"patients": count},
        todo='Move the tracings, or write patient = "folder:1" in [identity] of the protocol.',
    )


def unclear_folders(case: Case, folders: Iterable[str]) -> VolumetryError:
    """First folders that are named as visits."""
    return VolumetryError(
        "patient-unclear",
        "the first folders are named as visits, so who the patients are is not known",
        where=case.trace or case.scan,
        values={"folders": ", ".join(sorted(folders))},
        todo='Write patient = "folder:2" and visit = "folder:1" in [identity] of the protocol, or a '
        "manifest; if all is of one patient, name the folder above.",
    )


def unclear_visit(case: Case, count: int) -> VolumetryError:
    """Several DICOM studies of one patient with one StudyDate."""
    return VolumetryError(
        "visit-unclear",
        "several DICOM studies of the patient have one StudyDate and may be several visits",
        where=case.trace or case.scan,
        values={"StudyDate": case.study_date, "studies": count},
        todo='Write visit = "StudyInstanceUID", "StudyDate" or "folder:2" in [identity] of the protocol, '
        "or a manifest.",
    )
