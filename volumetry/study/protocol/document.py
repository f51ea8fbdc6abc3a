"""The study protocol, ``study.toml``: its sections, and how it is read."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from volumetry.change import ChangeRule
from volumetry.error_model import ReadingError, read_repeatability
from volumetry.files.canonical_json import canonical_json
from volumetry.files.documents import Document, build, read_document
from volumetry.measurement import MeasurementRule
from volumetry.study.protocol.comparability import ComparabilitySection
from volumetry.study.protocol.identity import IdentitySection
from volumetry.study.protocol.measurement import ChangeSection, MeasurementSection
from volumetry.study.protocol.privacy import PrivacySection
from volumetry.study.protocol.reading import Reading
from volumetry.study.protocol.repeatability import RepeatabilitySection, check_between_readers
from volumetry.study.protocol.scan import ScanSection
from volumetry.study.protocol.study import EmptyMask, Finding, StudySection
from volumetry.study.protocol.tracings import TracingsSection

PROTOCOL_NAME = "study.toml"
"""The protocol of a study folder, where it lies in the folder itself."""


@dataclass(frozen=True, kw_only=True)
class ProtocolSections:
    """The sections of ``study.toml``. All may be left out."""

    study: StudySection = field(default_factory=StudySection)
    identity: IdentitySection = field(default_factory=IdentitySection)
    scan: ScanSection = field(default_factory=ScanSection)
    tracings: TracingsSection = field(default_factory=TracingsSection)
    measurement: MeasurementSection = field(default_factory=MeasurementSection)
    change: ChangeSection = field(default_factory=ChangeSection)
    comparability: ComparabilitySection = field(default_factory=ComparabilitySection)
    repeatability: RepeatabilitySection = field(default_factory=RepeatabilitySection)
    reading: Reading = field(default_factory=Reading)
    privacy: PrivacySection = field(default_factory=PrivacySection)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a study measures, by which rules.

    Attributes
    ----------
    name : str
    site : str
        Hospital or site; empty where none is named.
    region : str
        Anatomical region, in words.
    finding : str
        What the lesions are, for the codes of exported DICOM objects.
    boundary_rule : str
        Which line a reader follows, in words; shown while tracing.
    visits : tuple of str
        Names of the visits in order, the first the baseline; empty: by date.
    empty_mask : {"absent", "not_measurable"}
        What a mask of zeros means.
    measurement : MeasurementRule
    change : ChangeRule
    identity, scan, tracings, comparability, repeatability, reading, privacy
        The sections of those names.
    reading_error : ReadingError or None
        The error of reading that ``[repeatability]`` names a file of; None without repeated reads.
    between_readers_error : ReadingError or None
        The same of two visits that different readers read.
    """

    name: str = "default"
    site: str = ""
    region: str = ""
    finding: Finding = "lesion"
    boundary_rule: str = ""
    visits: tuple[str, ...] = ()
    empty_mask: EmptyMask = "absent"
    measurement: MeasurementRule = field(default_factory=MeasurementRule)
    change: ChangeRule = field(default_factory=ChangeRule)
    identity: IdentitySection = field(default_factory=IdentitySection)
    scan: ScanSection = field(default_factory=ScanSection)
    tracings: TracingsSection = field(default_factory=TracingsSection)
    comparability: ComparabilitySection = field(default_factory=ComparabilitySection)
    repeatability: RepeatabilitySection = field(default_factory=RepeatabilitySection)
    reading: Reading = field(default_factory=Reading)
    privacy: PrivacySection = field(default_factory=PrivacySection)
    reading_error: ReadingError | None = None
    between_readers_error: ReadingError | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the protocol's values."""
        return hashlib.sha256(canonical_json(asdict(self)).encode()).hexdigest()


def read_protocol(path: Path | str) -> Protocol:
    """Read a study protocol.

    Raises
    ------
    ReadError
        ``not-found``, ``unreadable``.
    UsageError
        ``invalid-protocol``: the key, its line, and what would be right. Unknown keys are errors.
    """
    values, document = read_document(path, "protocol", code="invalid-protocol")
    return _protocol(values, document)


def protocol_of_study(study: Path | str, place: Path | str | None = None) -> Protocol:
    """Return the protocol in a study folder, or in the folder that stands for it; else the published rules.

    Parameters
    ----------
    study : path
    place : path, optional
        Where traces are kept, of an archive that cannot be written; its ``study.toml`` comes first.

    Raises
    ------
    ReadError, UsageError
        As `read_protocol`.
    """
    known = file_of_study(study, place)
    return read_protocol(known) if known is not None else Protocol()


def file_of_study(study: Path | str, place: Path | str | None = None) -> Path | None:
    """Return the ``study.toml`` in a study folder, or in the folder that stands for it; None without one."""
    folders = [Path(folder) for folder in (place, study) if folder is not None]
    return next((f / PROTOCOL_NAME for f in folders if (f / PROTOCOL_NAME).is_file()), None)


def parse_protocol(document: dict[str, Any], *, text: str = "", where: Path | str | None = None) -> Protocol:
    """Return the protocol of a parsed TOML document. Raises as `read_protocol`."""
    return _protocol(document, Document(text=text, where=where, code="invalid-protocol"))


def _protocol(values: dict[str, Any], document: Document) -> Protocol:
    sections = build(ProtocolSections, values, document)
    file, between = sections.repeatability.file, sections.repeatability.between_readers_file
    study = {item.name: getattr(sections.study, item.name) for item in fields(StudySection)}
    return Protocol(
        **study,
        measurement=sections.measurement.rule,
        change=sections.change.rule,
        identity=sections.identity,
        scan=sections.scan,
        tracings=sections.tracings,
        comparability=sections.comparability,
        repeatability=sections.repeatability,
        reading_error=read_repeatability(_beside(document, file)) if file else None,
        between_readers_error=check_between_readers(read_repeatability(_beside(document, between)))
        if between
        else None,
        reading=sections.reading,
        privacy=sections.privacy,
    )


def _beside(document: Document, name: str) -> Path:
    """A file that the protocol names, relative to where the protocol lies."""
    return (Path(document.where).parent if document.where is not None else Path()) / name
