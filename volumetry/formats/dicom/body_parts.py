"""Which parts of the body images show, as far as BodyPartExamined says it in words that have one meaning."""

from __future__ import annotations

import re

_ZONES = {
    "head": "HEAD|BRAIN|SKULL|FACE|ORBITS?|EYE|EAR|IAC|JAW|MANDIBLE|MAXILLA|PITUITARY|SELLA|TMJ|NOSE|SINUS",
    "neck": "NECK|CSPINE|LARYNX|PHARYNX|THYROID|CAROTID",
    "chest": "CHEST|THORAX|LUNG|HEART|BREAST|TSPINE|STERNUM|RIB|ESOPHAGUS|MEDIASTINUM",
    "shoulder": "SHOULDER|HUMERUS|SCAPULA|CLAVICLE|ACJOINT",
    "arm": "HUMERUS|ELBOW|FOREARM|WRIST|HAND|FINGER|THUMB|RADIUS|ULNA|ARM",
    "abdomen": "ABDOMEN|LIVER|KIDNEY|SPLEEN|PANCREAS|GALLBLADDER|STOMACH|ADRENAL|LSPINE",
    "lower spine": "LSPINE|SSPINE|SACRUM|COCCYX|ABDOMEN|PELVIS|SIJOINT",
    "pelvis": "PELVIS|HIP|SSPINE|SACRUM|COCCYX|SIJOINT|PROSTATE|BLADDER|UTERUS|RECTUM|OVARY|FEMUR|THIGH|LEG",
    "knee": "KNEE|PATELLA|FEMUR|THIGH|CALF|TIBIA|FIBULA|TIBIAFIBULA|LEG",
    "foot": "FOOT|ANKLE|TOE|HEEL|CALCANEUS|CALF|TIBIA|FIBULA|TIBIAFIBULA|LEG",
}
_PATTERNS = {zone: re.compile(f"(?:{words})S?") for zone, words in _ZONES.items()}


def zones_of(text: str) -> frozenset[str]:
    """Return the zones of the body that a defined term of BodyPartExamined (DICOM PS3.16 annex L) lies in.

    Empty where the text says none, or is a word that says little, such as ``EXTREMITY``.

    Examples
    --------
    >>> sorted(zones_of("HIP")), sorted(zones_of("LSPINE")), sorted(zones_of("EXTREMITY"))
    (['pelvis'], ['abdomen', 'lower spine'], [])
    """
    term = re.sub(r"[\W_]", "", text.upper())
    term = {"LUMBARSPINE": "LSPINE", "CERVICALSPINE": "CSPINE", "THORACICSPINE": "TSPINE"}.get(term, term)
    return frozenset(zone for zone, pattern in _PATTERNS.items() if pattern.fullmatch(term))


def are_apart(parts: frozenset[frozenset[str]]) -> bool:
    """Return whether two of several sets of zones have none in common; an empty one says nothing.

    >>> are_apart(frozenset({zones_of("HIP"), zones_of("PELVIS"), zones_of("")}))
    False
    """
    said = [zones for zones in parts if zones]
    return any(first.isdisjoint(second) for first in said for second in said)
