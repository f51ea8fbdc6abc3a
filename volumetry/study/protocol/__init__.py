"""The study protocol, ``study.toml``: what is measured, by which rules, and when a change counts.

Every section is a frozen dataclass in a module of its own, `ProtocolSections` lists them.
"""

from volumetry.study.protocol.comparability import ComparabilitySection
from volumetry.study.protocol.document import (
    Protocol,
    ProtocolSections,
    file_of_study,
    parse_protocol,
    protocol_of_study,
    read_protocol,
)
from volumetry.study.protocol.identity import IdentitySection, folder_number
from volumetry.study.protocol.privacy import PrivacySection
from volumetry.study.protocol.reading import Blinding, Reading
from volumetry.study.protocol.repeatability import RepeatabilitySection
from volumetry.study.protocol.scan import ScanSection
from volumetry.study.protocol.tracings import TracingsSection

__all__ = [
    "Blinding",
    "ComparabilitySection",
    "IdentitySection",
    "PrivacySection",
    "Protocol",
    "ProtocolSections",
    "Reading",
    "RepeatabilitySection",
    "ScanSection",
    "TracingsSection",
    "file_of_study",
    "folder_number",
    "parse_protocol",
    "protocol_of_study",
    "read_protocol",
]
